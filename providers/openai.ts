/** OpenAI, Chat Completions. */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { isObject, messagesOf, objectsOf } from "./openai-chat.edits.ts";
import { withoutEmptyCalls, withoutThoughts } from "./openai-chat.history.ts";
import { CHAT, openaiCompatible } from "./openai-compatible.ts";

export const openai: Provider = openaiCompatible({
  kind: "openai",
  defaultBaseUrl: "https://api.openai.com/v1",
  environment: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" },
  modelPrefixes: ["gpt-", "chatgpt-", "o1", "o3", "o4", "codex-", "text-embedding-", "davinci-", "babbage-"],
  // Not `openai-organization` and `openai-project`: those describe our account.
  answerHeaders: ["x-ratelimit-*", "openai-processing-ms", "openai-version", "openai-model"],
  absentCacheRead: "zero",
  quirks: (dialect, body, record) =>
    dialect === CHAT
      ? [
          ...withoutThoughts(body),
          ...withoutEmptyCalls(body),
          ...(record === undefined ? [] : generationQuirks(body, record)),
        ]
      : [],
});

/** What is refused of a model by its generation; nothing of it is changed for models that no table knows. */
function generationQuirks(body: JsonObject, record: ModelRecord): readonly Edit[] {
  const cache = takesMarks(record) ? [] : cacheQuirks(body);
  if (record.reasoning.kind === "none") return cache;
  const effort = effortFor(body, record);
  return [...outputCap(body), ...effort.edits, ...samplingQuirks(body, record, effort.word), ...cache];
}

/** "Unsupported parameter: 'max_tokens' … Use 'max_completion_tokens' instead." */
function outputCap(body: JsonObject): readonly Edit[] {
  if (body["max_tokens"] === undefined) return [];
  return body["max_completion_tokens"] === undefined
    ? [{ op: "rename", path: ["max_tokens"], to: "max_completion_tokens" }]
    : [{ op: "delete", path: ["max_tokens"] }];
}

/** From the weakest to the strongest, over all generations. */
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** The effort that will hold (`undefined`: not known), and what must be changed for it. */
function effortFor(
  body: JsonObject,
  record: ModelRecord,
): { readonly word: string | undefined; readonly edits: readonly Edit[] } {
  const said = body["reasoning_effort"] ?? undefined;
  const set = (word: string, loss?: string): { word: string; edits: readonly Edit[] } => ({
    word,
    edits: [{ op: "set", path: ["reasoning_effort"], value: word, ...(loss === undefined ? {} : { loss }) }],
  });
  if (record.chatToolsNeedEffortNone && hasFunctionTools(body)) {
    if ((said ?? record.reasoning.defaultEffort) === "none") return { word: "none", edits: [] };
    // An effort that was asked for is lost; one that was only the model's default is nothing the caller said.
    return set("none", said === undefined ? undefined : "reasoning");
  }
  if (typeof said !== "string") return { word: record.reasoning.defaultEffort, edits: [] };
  const word = fitting(said, record.reasoning.efforts);
  return word === said ? { word, edits: [] } : set(word, "reasoning_effort");
}

/** The strongest level that is not stronger than what was said, else the weakest; a word that nobody knows is the provider's to refuse. */
function fitting(said: string, efforts: readonly string[]): string {
  const rank = EFFORTS.indexOf(said);
  if (rank < 0 || efforts.includes(said)) return said;
  return efforts.findLast((word) => EFFORTS.indexOf(word) <= rank) ?? efforts[0] ?? said;
}

function hasFunctionTools(body: JsonObject): boolean {
  return objectsOf(body["tools"]).some(([, tool]) => tool["type"] === "function");
}

/** What a model that reasons does not take, and the values that say nothing. */
const NEVER: Readonly<Record<string, (said: JsonValue) => boolean>> = {
  frequency_penalty: (said) => said === 0,
  presence_penalty: (said) => said === 0,
  logit_bias: (said) => isObject(said) && Object.keys(said).length === 0,
  top_logprobs: (said) => said === 0,
};
/** What it takes only while it does not reason. */
const NOT_WHILE_REASONING: Readonly<Record<string, (said: JsonValue) => boolean>> = {
  temperature: (said) => said === 1,
  top_p: (said) => said === 1,
  logprobs: (said) => said === false,
};

function samplingQuirks(body: JsonObject, record: ModelRecord, effort: string | undefined): readonly Edit[] {
  if (record.sampling === "free") return [];
  const isSilent = record.sampling === "effort-none-only" && effort === "none";
  const refused = isSilent ? NEVER : { ...NEVER, ...NOT_WHILE_REASONING };
  return Object.entries(refused).flatMap(([name, isUsual]): Edit[] => {
    const said = body[name];
    if (said === undefined || said === null || isUsual(said)) return [];
    return [{ op: "delete", path: [name], loss: name }];
  });
}

function takesMarks({ cache }: ModelRecord): boolean {
  return cache.kind === "marks" && cache.style === BREAKPOINT;
}

const OPTIONS = "prompt_cache_options";
const BREAKPOINT = "prompt_cache_breakpoint";

/** Models before 5.6 cache by themselves, and refuse to be told how. */
function cacheQuirks(body: JsonObject): readonly Edit[] {
  const options: readonly Edit[] =
    body[OPTIONS] === undefined ? [] : [{ op: "delete", path: [OPTIONS], loss: OPTIONS }];
  const marks = messagesOf(body).flatMap(([index, message]) =>
    objectsOf(message["content"])
      .filter(([, part]) => part[BREAKPOINT] !== undefined)
      .map(([place]): Edit => ({
        op: "delete",
        path: ["messages", index, "content", place, BREAKPOINT],
        loss: BREAKPOINT,
      })),
  );
  return [...options, ...marks];
}
