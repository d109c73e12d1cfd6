/** What OpenAI refuses of a model by its generation, in either API; nothing is changed for models that no table knows. */
import type { JsonObject, JsonValue } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import { isObject, objectsOf } from "./openai-chat.edits.ts";

/** In Chat Completions. */
export function chatGeneration(body: JsonObject, record: ModelRecord | undefined): readonly Edit[] {
  if (record === undefined) return [];
  const cache = takesMarks(record) ? [] : cacheQuirks(body, "messages");
  if (record.reasoning.kind === "none") return cache;
  const effort = chatEffort(body, record);
  return [...outputCap(body), ...effort.edits, ...samplingQuirks(body, record, effort.word), ...cache];
}

/** In Responses. */
export function responsesGeneration(body: JsonObject, record: ModelRecord | undefined): readonly Edit[] {
  if (record === undefined) return [];
  const cache = takesMarks(record) ? [] : cacheQuirks(body, "input");
  if (record.reasoning.kind === "none") return cache;
  const reasoning = isObject(body["reasoning"]) ? body["reasoning"] : {};
  const effort = fittedEffort(reasoning["effort"], ["reasoning", "effort"], record);
  const logprobs = silentlySampled(record, effort.word) ? [] : withoutLogprobs(body);
  return [...effort.edits, ...samplingQuirks(body, record, effort.word), ...logprobs, ...cache];
}

interface Effort {
  /** The effort that will hold; `undefined`: not known. */
  readonly word: string | undefined;
  /** What must be changed for it. */
  readonly edits: readonly Edit[];
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

function chatEffort(body: JsonObject, record: ModelRecord): Effort {
  const said = body["reasoning_effort"] ?? undefined;
  const path = ["reasoning_effort"];
  if (!record.chatToolsNeedEffortNone || !hasFunctionTools(body)) return fittedEffort(said, path, record);
  if ((said ?? record.reasoning.defaultEffort) === "none") return { word: "none", edits: [] };
  return { word: "none", edits: [{ op: "set", path, value: "none", loss: "reasoning_effort" }] };
}

function fittedEffort(said: JsonValue | undefined, path: Edit["path"], { reasoning }: ModelRecord): Effort {
  if (typeof said !== "string") return { word: reasoning.defaultEffort, edits: [] };
  const word = fitting(said, reasoning.efforts);
  return { word, edits: word === said ? [] : [{ op: "set", path, value: word, loss: "reasoning_effort" }] };
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
  const refused = silentlySampled(record, effort) ? NEVER : { ...NEVER, ...NOT_WHILE_REASONING };
  return Object.entries(refused).flatMap(([name, isUsual]): Edit[] => {
    const said = body[name];
    if (said === undefined || said === null || isUsual(said)) return [];
    return [{ op: "delete", path: [name], loss: name }];
  });
}

/** Whether it takes sampling parameters as models did that did not reason. */
function silentlySampled({ sampling }: ModelRecord, effort: string | undefined): boolean {
  return sampling === "free" || (sampling === "effort-none-only" && effort === "none");
}

const INCLUDE_LOGPROBS = "message.output_text.logprobs";

/** Responses has them asked for by name. */
function withoutLogprobs(body: JsonObject): readonly Edit[] {
  const { include } = body;
  if (!Array.isArray(include)) return [];
  return (include as readonly JsonValue[]).flatMap((word, index): Edit[] =>
    word === INCLUDE_LOGPROBS ? [{ op: "delete", path: ["include", index], loss: "logprobs" }] : [],
  );
}

function takesMarks({ cache }: ModelRecord): boolean {
  return cache.kind === "marks" && cache.style === BREAKPOINT;
}

const OPTIONS = "prompt_cache_options";
const BREAKPOINT = "prompt_cache_breakpoint";

/** Models before 5.6 cache by themselves, and refuse to be told how. */
function cacheQuirks(body: JsonObject, turns: "messages" | "input"): readonly Edit[] {
  const options: readonly Edit[] =
    body[OPTIONS] === undefined ? [] : [{ op: "delete", path: [OPTIONS], loss: OPTIONS }];
  const marks = objectsOf(body[turns]).flatMap(([index, message]) =>
    objectsOf(message["content"])
      .filter(([, part]) => part[BREAKPOINT] !== undefined)
      .map(([place]): Edit => ({
        op: "delete",
        path: [turns, index, "content", place, BREAKPOINT],
        loss: BREAKPOINT,
      })),
  );
  return [...options, ...marks];
}
