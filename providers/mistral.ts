/**
 * Mistral, whose schema is Chat Completions' with other names, fewer fields and no patience: an unknown field is a 422.
 *
 * Its own clients' bytes pass as they are, and other dialects are written in its own words. Chat Completions it is told, too: of a
 * request only what OpenAI's clients send and Mistral's schema lacks is touched.
 */
import type { ChatRequest, DialectName, JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { EMBEDDINGS, forMistral } from "./embeddings.edits.ts";
import { CHAT, openaiCompatible, withVersion } from "./openai-compatible.ts";
import { isObject, messagesOf, nineCharacterIds, objectsOf } from "./openai-chat.edits.ts";

export const mistral: Provider = openaiCompatible({
  kind: "mistral",
  defaultBaseUrl: "https://api.mistral.ai/v1",
  environment: { apiKey: "MISTRAL_API_KEY", baseUrl: "MISTRAL_BASE_URL" },
  baseUrl: withVersion,
  modelPrefixes: ["mistral-", "ministral-", "magistral-", "codestral-", "devstral-", "pixtral-", "voxtral-", "open-mi"],
  paths: {
    "mistral-chat": "/chat/completions",
    [CHAT]: "/chat/completions",
    "openai-embeddings": "/embeddings",
    "mistral-fim": "/fim/completions",
  },
  answerHeaders: ["x-ratelimit-*", "ratelimit*", "mistral-correlation-id", "x-kong-request-id"],
  prefers,
  // Its streams end with usage in any case; asking for it is refused.
  asksStreamUsage: false,
  absentCacheRead: "zero",
  quirks(dialect, body, record) {
    if (dialect === EMBEDDINGS) return forMistral(body);
    return dialect === CHAT ? quirks(body, record) : [];
  },
});

/**
 * What it thinks is a list of chunks where Chat Completions has text, which their clients do not take ("Invalid JSON response"): a
 * request to think is told in Mistral's own words, and its answer comes back in OpenAI's.
 */
function prefers({ dialect, reasoning }: ChatRequest, record: ModelRecord | undefined): DialectName | undefined {
  if (dialect !== CHAT) return undefined;
  const effort = reasoning?.effort ?? record?.reasoning.defaultEffort ?? "none";
  return effort !== "none" && reasoning?.enabled !== false ? "mistral-chat" : undefined;
}

function quirks(body: JsonObject, record: ModelRecord | undefined): readonly Edit[] {
  return [
    ...renamed(body),
    ...unknownFields(body),
    ...effort(body, record),
    ...temperature(body, record),
    ...toolChoice(body),
    ...systemRoles(body),
    ...nineCharacterIds(body),
    ...messagesOf(body).flatMap(([index, message]) => messageEdits(index, message)),
  ];
}

const OTHER_NAMES: Readonly<Record<string, string>> = { seed: "random_seed", max_completion_tokens: "max_tokens" };

function renamed(body: JsonObject): readonly Edit[] {
  return Object.entries(OTHER_NAMES).flatMap(([name, to]): Edit[] => {
    if (body[name] === undefined) return [];
    return [body[to] === undefined ? { op: "rename", path: [name], to } : { op: "delete", path: [name] }];
  });
}

/** Fields of Chat Completions that Mistral's schema lacks; `true` where leaving them out takes something away from the caller. */
const UNKNOWN_FIELDS: Readonly<Record<string, boolean>> = {
  stream_options: false,
  user: true,
  safety_identifier: true,
  store: true,
  prompt_cache_options: false,
  prompt_cache_retention: false,
  logit_bias: true,
  verbosity: true,
  modalities: true,
  audio: true,
  web_search_options: true,
  moderation: true,
  functions: true,
  function_call: true,
};
const SERVICE_TIERS: readonly JsonValue[] = ["auto", "standard_only"];

function unknownFields(body: JsonObject): readonly Edit[] {
  const edits = Object.entries(UNKNOWN_FIELDS).flatMap(([name, isLoss]): Edit[] => {
    const value = body[name];
    if (value === undefined) return [];
    // `modalities: null`, `moderation: false` say nothing that is missed.
    const loss = isLoss && value !== null && value !== false ? { loss: name } : {};
    return [{ op: "delete", path: [name], ...loss }];
  });
  const tier = body["service_tier"];
  if (tier === undefined || SERVICE_TIERS.includes(tier ?? null)) return edits;
  const loss = tier === "default" || tier === null ? {} : { loss: "service_tier" };
  return [...edits, { op: "delete", path: ["service_tier"], ...loss }];
}

/** There is no level between `none` and `high`. */
const EFFORTS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    minimal: "none",
    low: "high",
    medium: "high",
    xhigh: "high",
    max: "high",
  }),
);

function effort(body: JsonObject, record: ModelRecord | undefined): readonly Edit[] {
  const asked = body["reasoning_effort"];
  if (typeof asked !== "string" || record?.reasoning.efforts.includes(asked) === true) return [];
  const nearest = EFFORTS.get(asked);
  if (nearest === undefined) return [];
  return [{ op: "set", path: ["reasoning_effort"], value: nearest, loss: "reasoning_effort" }];
}

/** Mistral's own bound, for models that no table knows. */
const TEMPERATURE_MAX = 1.5;

function temperature(body: JsonObject, record: ModelRecord | undefined): readonly Edit[] {
  const asked = body["temperature"];
  const most = record?.temperatureMax ?? TEMPERATURE_MAX;
  if (typeof asked !== "number" || asked <= most) return [];
  return [{ op: "set", path: ["temperature"], value: most, loss: "temperature" }];
}

/** A subset of the tools cannot be named: its mode stays. */
function toolChoice(body: JsonObject): readonly Edit[] {
  const choice = body["tool_choice"];
  if (!isObject(choice) || choice["type"] !== "allowed_tools") return [];
  const allowed = choice["allowed_tools"];
  const mode = isObject(allowed) && allowed["mode"] === "required" ? "any" : "auto";
  return [{ op: "set", path: ["tool_choice"], value: mode, loss: "tool_choice" }];
}

const SYSTEM_ROLES: readonly (JsonValue | undefined)[] = ["system", "developer"];

/**
 * "Expected last role User or Tool": a system's words may open the conversation, but not end it, as agents have them do. Such words
 * stand in what the user says, in tags; and they do so in every later turn too, where an answer follows them, so that the prompt of one
 * turn stays the beginning of the next one's.
 */
function systemRoles(body: JsonObject): readonly Edit[] {
  const messages = messagesOf(body);
  const ending = systemEndings(messages.map(([, message]) => message["role"]));
  return messages.flatMap(([index, message], at): readonly Edit[] => {
    const path = ["messages", index, "role"];
    if (ending.has(at)) return [{ op: "set", path, value: "user" }, ...inTags(index, message)];
    return message["role"] === "developer" ? [{ op: "set", path, value: "system" }] : [];
  });
}

/** The places of a system's words that end a turn, or ended one when they were said; or follow a tool's, which none may. */
function systemEndings(roles: readonly (JsonValue | undefined)[]): ReadonlySet<number> {
  const endings = new Set<number>();
  let before: JsonValue | undefined;
  let run: number[] = [];
  for (const [at, role] of [...roles, "assistant"].entries()) {
    if (SYSTEM_ROLES.includes(role)) {
      run.push(at);
      continue;
    }
    if (before !== undefined && (role === "assistant" || before === "tool"))
      for (const place of run) endings.add(place);
    before = role;
    run = [];
  }
  return endings;
}

function inTags(index: number, message: JsonObject): readonly Edit[] {
  const tagged = (text: string): string => `<system>\n${text}\n</system>`;
  const { content } = message;
  if (typeof content === "string") return [{ op: "set", path: ["messages", index, "content"], value: tagged(content) }];
  return objectsOf(content).flatMap(([place, part]): Edit[] =>
    typeof part["text"] === "string"
      ? [{ op: "set", path: ["messages", index, "content", place, "text"], value: tagged(part["text"]) }]
      : [],
  );
}

/** What OpenAI's clients send back of an answer as they got it, and Mistral's messages do not have. */
const UNKNOWN_MESSAGE_FIELDS = [
  "refusal",
  "annotations",
  "audio",
  "function_call",
  "reasoning",
  "reasoning_content",
  "reasoning_details",
];

function messageEdits(index: number, message: JsonObject): readonly Edit[] {
  const at = ["messages", index];
  const edits: Edit[] = UNKNOWN_MESSAGE_FIELDS.filter((name) => message[name] !== undefined).map((name) => {
    const said = message[name];
    const isEmpty = said === null || (Array.isArray(said) && said.length === 0);
    return { op: "delete", path: [...at, name], ...(isEmpty ? {} : { loss: name }) };
  });
  // A speaker's name is a tool's only, here.
  if (message["name"] !== undefined && message["role"] !== "tool")
    edits.push({ op: "delete", path: [...at, "name"], loss: "name" });
  if (message["role"] === "assistant" && message["content"] === null) {
    edits.push({ op: "set", path: [...at, "content"], value: "" });
  }
  for (const [place, part] of objectsOf(message["content"])) edits.push(...partEdits([...at, "content", place], part));
  return edits;
}

/** Marks for other providers' caches; Mistral's goes by key. */
const MARKS = ["prompt_cache_breakpoint", "cache_control"];

function partEdits(path: Edit["path"], part: JsonObject): readonly Edit[] {
  const marks = MARKS.filter((name) => part[name] !== undefined);
  return [...marks.map((name): Edit => ({ op: "delete", path: [...path, name] })), ...partForm(path, part)];
}

function partForm(path: Edit["path"], part: JsonObject): readonly Edit[] {
  if (part["type"] === "refusal" && typeof part["refusal"] === "string") {
    return [{ op: "set", path, value: { type: "text", text: part["refusal"] } }];
  }
  const file = part["file"];
  if (part["type"] !== "file" || !isObject(file) || typeof file["file_data"] !== "string") return [];
  const name = typeof file["filename"] === "string" ? { document_name: file["filename"] } : {};
  return [{ op: "set", path, value: { type: "document_url", document_url: file["file_data"], ...name } }];
}
