/**
 * `options`: what all servers know of sampling, and what only this one knows of running a model.
 */
import type { ChatRequest, JsonObject, JsonValue } from "../chat.ts";
import type { ModelRecord } from "../model.ts";

import { isArray, isObject, isOwn, without } from "./ollama-chat.words.ts";
import { invalid, told } from "./refused.ts";

/** The fields of the reading that stand here as numbers. */
const NUMBERS = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  seed: "seed",
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
} as const;
type NumberField = keyof typeof NUMBERS;
const FIELDS = Object.keys(NUMBERS) as readonly NumberField[];

type Sampling = Partial<Pick<ChatRequest, NumberField | "maxOutputTokens" | "stop">>;

export interface ReadOptions {
  readonly sampling: Sampling;
  /** `num_ctx`, `min_p` and whatever else only this API has. */
  readonly rest: JsonObject | undefined;
}

export function readOptions(value: JsonValue | undefined): ReadOptions {
  if (value === undefined || value === null) return { sampling: {}, rest: undefined };
  if (!isObject(value)) throw invalid("options", `\`options\` is ${told(value)}; an object is expected`);
  const numbers = FIELDS.flatMap((field) => {
    const number = numberIn(value, NUMBERS[field]);
    return number === undefined ? [] : [[field, number] as const];
  });
  const cap = numberIn(value, "num_predict");
  // No cap is said by -1, "as long as the window is" by -2; what 0 is differs between versions.
  const isCap = cap !== undefined && Number.isSafeInteger(cap) && cap > 0;
  const stop = readStop(value["stop"]);
  return {
    sampling: {
      ...Object.fromEntries(numbers),
      ...(isCap ? { maxOutputTokens: cap } : {}),
      ...(stop === undefined ? {} : { stop }),
    },
    rest: without(value, [...Object.values(NUMBERS), "stop", ...(isCap ? ["num_predict"] : [])]),
  };
}

function numberIn(options: JsonObject, key: string): number | undefined {
  const value = options[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number") return value;
  throw invalid(`options.${key}`, `\`options.${key}\` is ${told(value)}; a number is expected`);
}

function readStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value === "" ? undefined : [value];
  if (isArray(value) && value.every((one) => typeof one === "string")) return value.length === 0 ? undefined : value;
  throw invalid("options.stop", `\`options.stop\` is ${told(value)}; an array of text is expected`);
}

type Lose = (field: string, path?: string) => void;

/** @returns `undefined` when there is nothing to say: then the model's own settings hold. */
export function writeOptions(
  request: ChatRequest,
  record: ModelRecord | undefined,
  lose: Lose,
): JsonObject | undefined {
  const own = isOwn(request.dialect) ? request.extra["options"] : undefined;
  const stop = (request.stop ?? []).filter((sequence) => sequence !== "");
  const options = {
    ...(isObject(own) ? own : {}),
    ...Object.fromEntries(
      FIELDS.flatMap((field) => (request[field] === undefined ? [] : [[NUMBERS[field], request[field]]])),
    ),
    ...writeCap(request, record, lose),
    ...(stop.length === 0 ? {} : { stop }),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}

/** Nothing to generate (a prompt that is only to be cached) has no word that every version understands: the least there is. */
function writeCap({ maxOutputTokens }: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  if (maxOutputTokens === undefined) return {};
  if (maxOutputTokens < 1) lose("max_tokens", "max_tokens");
  const most = record?.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  return { num_predict: Math.max(1, Math.min(maxOutputTokens, most)) };
}
