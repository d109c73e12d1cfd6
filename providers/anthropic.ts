/** Anthropic, Messages. */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import type { CallFacts, Provider } from "../src/provider.ts";

const MESSAGES = "anthropic-messages";
const COUNT_TOKENS = "anthropic-count-tokens";
/** What is spoken when the client did not choose: the version whose documented credential header is `x-api-key`. */
const VERSION = "2023-06-01";
/** The client chooses what it speaks: dropping a beta would make its own fields unknown ones. */
const PASSED = ["anthropic-version", "anthropic-beta"];

export const anthropic: Provider = {
  kind: "anthropic",
  defaultBaseUrl: "https://api.anthropic.com",
  environment: { apiKey: "ANTHROPIC_API_KEY", baseUrl: "ANTHROPIC_BASE_URL" },
  // The SDKs' base URL has no version, but many write it.
  baseUrl: (given) => given.replace(/\/+$/, "").replace(/\/v1$/, ""),
  needsKey: true,
  modelPrefixes: ["claude-"],
  dialects: () => [MESSAGES, COUNT_TOKENS],
  path: (dialect) => (dialect === COUNT_TOKENS ? "/v1/messages/count_tokens" : "/v1/messages"),
  headers(clientHeaders, settings) {
    const passed = PASSED.flatMap((name) => {
      const value = clientHeaders.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    return {
      "anthropic-version": VERSION,
      ...Object.fromEntries(passed),
      ...(settings.apiKey === undefined ? {} : { "x-api-key": settings.apiKey }),
      ...settings.headers,
    };
  },
  // Not `anthropic-organization-id`: that describes our account.
  answerHeaders: ["anthropic-ratelimit-*", "anthropic-priority-*", "anthropic-fast-*"],
  quirks: (dialect, body, record, call) =>
    dialect === MESSAGES
      ? [
          ...taskNames(body),
          ...unsignedThoughts(body),
          ...(record === undefined ? [] : modelQuirks(body, record)),
          ...diagnosis(body, call),
        ]
      : [],
  asksStreamUsage: false,
  absentCacheRead: "zero",
  refusesUnknownIds: true,
};

/** `metadata` takes nothing but `user_id`: what names the task is for this gateway, which has read it. */
function taskNames(body: JsonObject): readonly Edit[] {
  const metadata = body["metadata"];
  if (!isObject(metadata)) return [];
  return TASK_NAMES.filter((name) => metadata[name] !== undefined).map((name) => ({
    op: "delete",
    path: ["metadata", name],
  }));
}

const TASK_NAMES = ["task", "task_class"];

/** Asks why the prompt was not read from its cache; with `null` for the first of a conversation, so that the next one can be compared. */
function diagnosis(body: JsonObject, { previousAnswer }: CallFacts): readonly Edit[] {
  if (previousAnswer === undefined || body["diagnostics"] !== undefined) return [];
  return [{ op: "set", path: ["diagnostics"], value: { previous_message_id: previousAnswer } }];
}

/** A thought without a signature was another provider's, brought along by a client that changed over: it is refused here. */
function unsignedThoughts(body: JsonObject): readonly Edit[] {
  return objectsIn(body["messages"]).flatMap(([index, message]) => {
    const { content } = message;
    if (message["role"] !== "assistant" || !Array.isArray(content)) return [];
    const unsigned = objectsIn(content).filter(
      ([, block]) => block["type"] === "thinking" && (block["signature"] ?? "") === "",
    );
    const lost = (...path: Edit["path"]): Edit => ({
      op: "delete",
      path: ["messages", index, ...path],
      loss: "reasoning",
    });
    // A message without content is refused, too.
    if (unsigned.length > 0 && unsigned.length === content.length) return [lost()];
    return unsigned.map(([place]) => lost("content", place));
  });
}

function objectsIn(value: JsonValue | undefined): readonly (readonly [number, JsonObject])[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).flatMap((item, index) => (isObject(item) ? [[index, item] as const] : []));
}

/**
 * What newer models refuse although older ones took it. How hard to think is not among it: what a model takes there is a matter
 * of its generation, and its refusal names the levels there are.
 */
function modelQuirks(body: JsonObject, record: ModelRecord): readonly Edit[] {
  return [...samplingQuirks(body, record), ...(record.forcedTools ? [] : freeToolChoice(body))];
}

function samplingQuirks(body: JsonObject, record: ModelRecord): readonly Edit[] {
  const temperature = body["temperature"];
  const topP = body["top_p"];
  const topK = body["top_k"];
  const lost = (name: string): Edit => ({ op: "delete", path: [name], loss: name });
  switch (record.sampling) {
    case "none":
      return [
        // The defaults may be said.
        ...(typeof temperature === "number" && temperature !== 1 ? [lost("temperature")] : []),
        ...(typeof topP === "number" && topP < 0.99 ? [lost("top_p")] : []),
        ...(typeof topK === "number" ? [lost("top_k")] : []),
      ];
    case "temperature-xor-top-p":
      return typeof temperature === "number" && typeof topP === "number" ? [lost("top_p")] : [];
    case "free":
    case "effort-none-only":
      return [];
  }
}

/** "Forced" tool use is refused: the model is left to choose, which calls as a rule what it was told of. */
function freeToolChoice(body: JsonObject): readonly Edit[] {
  const choice = body["tool_choice"];
  if (!isObject(choice) || (choice["type"] !== "any" && choice["type"] !== "tool")) return [];
  return [
    { op: "set", path: ["tool_choice", "type"], value: "auto", loss: "tool_choice" },
    { op: "delete", path: ["tool_choice", "name"] },
  ];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
