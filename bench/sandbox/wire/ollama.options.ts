/** What Ollama's requests steer a model with: options, how long it stays in memory, how it thinks, in what form it answers. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { isObject, numberIn, Refusal, stringOf } from "./wire.ts";

export interface OllamaRunOptions {
  /** In one form, those that a model is loaded with. */
  readonly loading: string;
  /** Window in tokens. */
  readonly contextTokens: number;
  /** Tokens of the beginning that stay when a prompt is cut. */
  readonly keepTokens: number;
  /** The cap on the answer; absent: none. */
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  readonly seed: number | undefined;
}

const WHOLE_NUMBERS = [
  "num_ctx",
  "num_batch",
  "num_gpu",
  "main_gpu",
  "num_thread",
  "draft_num_predict",
  "num_keep",
  "num_predict",
  "seed",
  "top_k",
  "repeat_last_n",
];
const NUMBERS = [
  "temperature",
  "top_p",
  "min_p",
  "typical_p",
  "repeat_penalty",
  "presence_penalty",
  "frequency_penalty",
];
const CONTEXT_TOKENS_MIN = 4;
const KEEP_TOKENS = 4;

/** @param defaultContextTokens The server's. @throws Refusal for an option of another type; unknown ones are ignored. */
export function optionsOf(
  body: JsonObject,
  defaultContextTokens: number,
  trainedContextTokens: number,
  shifts: boolean,
): OllamaRunOptions {
  const options = isObject(body["options"]) ? body["options"] : {};
  for (const name of WHOLE_NUMBERS) check(options, name, (value) => typeof value === "number", "integer");
  for (const name of NUMBERS) check(options, name, (value) => typeof value === "number", "float32");
  check(options, "use_mmap", (value) => typeof value === "boolean", "boolean");
  check(options, "stop", Array.isArray, "array");
  const asked = numberIn(options["num_ctx"]) ?? defaultContextTokens;
  const contextTokens = Math.max(CONTEXT_TOKENS_MIN, Math.min(asked, trainedContextTokens));
  const gpuLayers = numberIn(options["num_gpu"]) ?? -1;
  const predict = numberIn(options["num_predict"]) ?? -1;
  const { stop } = options;
  return {
    loading: JSON.stringify([
      contextTokens,
      numberIn(options["num_batch"]) ?? 512,
      // Any number below zero is "as many as fit".
      Math.max(-1, gpuLayers),
      numberIn(options["main_gpu"]) ?? 0,
      options["use_mmap"] ?? null,
      numberIn(options["num_thread"]) ?? 0,
      numberIn(options["draft_num_predict"]) ?? 0,
      shifts,
    ]),
    contextTokens,
    keepTokens: numberIn(options["num_keep"]) ?? KEEP_TOKENS,
    maxTokens: predict > 0 ? predict : undefined,
    stop: Array.isArray(stop) ? stop.map(String) : [],
    seed: numberIn(options["seed"]),
  };
}

function check(options: JsonObject, name: string, is: (value: JsonValue) => boolean, wanted: string): void {
  const value = options[name] ?? undefined;
  if (value !== undefined && !is(value)) throw new Refusal(500, `option "${name}" must be of type ${wanted}`);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^[-+]?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;

/** Seconds, or a duration in words; below zero is for ever. @returns `undefined` where nothing is said. */
export function keepAliveOf(value: JsonValue | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number") return value < 0 ? Infinity : value * 1000;
  if (typeof value !== "string") throw new Refusal(400, `Unsupported type: '${goType(value)}'`);
  if (value === "0") return 0;
  if (!DURATION.test(value)) throw new Refusal(400, durationFault(value));
  if (value.startsWith("-")) return Infinity;
  let total = 0;
  for (const [, count, unit] of value.matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/g))
    total += Number(count) * (UNITS_MS[unit ?? ""] ?? 0);
  return total;
}

function durationFault(value: string): string {
  const isBare = /^[-+]?\d+(?:\.\d+)?$/.test(value);
  return isBare ? `time: missing unit in duration "${value}"` : `time: invalid duration "${value}"`;
}

const THOUGHTS: Readonly<Record<string, number>> = { low: 16, medium: 32, high: 64, max: 128 };
const THINKING_TOKENS = 48;

/** About how much it thinks; 0: not at all. `undefined`: nothing is said. @throws Refusal for what is no such wish. */
export function thoughtTokensOf(value: JsonValue | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value ? THINKING_TOKENS : 0;
  const tokens = THOUGHTS[stringOf(value) ?? ""];
  if (tokens !== undefined) return tokens;
  const said = typeof value === "string" ? value : JSON.stringify(value);
  throw new Refusal(400, `invalid think value: "${said}" (must be "high", "medium", "low", "max", true, or false)`);
}

/** The schema that the answer must fit; `{}` for "some JSON object". */
export function schemaOf(format: JsonValue | undefined): JsonObject | undefined {
  if (format === undefined || format === null || format === "") return undefined;
  if (format === "json") return {};
  if (isObject(format)) return format;
  throw new Refusal(500, `invalid format: ${JSON.stringify(format)}; expected "json" or a valid JSON Schema object`);
}

/** A value's type as the server's language calls it. */
export function goType(value: JsonValue): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return value === null ? "null" : typeof value;
}
