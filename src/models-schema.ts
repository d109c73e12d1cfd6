/** What a row of the model table may say, in `models.json` and in the config. */
import { z } from "zod";
import { ABILITIES, type CacheContract, type InputKind, type ModelRecord, type ReasoningContract } from "./model.ts";

/** US dollars per million tokens. */
export interface RatesRow {
  readonly input: number;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite5m?: number | undefined;
  readonly cacheWrite1h?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly output: number;
}

export interface PriceRow extends RatesRow {
  readonly from?: string | undefined;
  readonly over?: readonly (RatesRow & { readonly promptTokens: number })[] | undefined;
}

/** Everything optional: a config's row says what it changes. `models.json` requires more of its own. */
export interface ModelRow {
  readonly provider?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly contextTokens?: number | undefined;
  readonly maxInputTokens?: number | undefined;
  readonly maxOutputTokens?: number | undefined;
  readonly input?: readonly InputKind[] | undefined;
  readonly abilities?: ModelRecord["abilities"] | undefined;
  readonly cache?: CacheContract | undefined;
  readonly reasoning?: ReasoningContract | undefined;
  readonly sampling?: ModelRecord["sampling"] | undefined;
  readonly temperatureMax?: number | undefined;
  readonly forcedTools?: boolean | undefined;
  readonly prefill?: boolean | undefined;
  readonly systemInMessages?: boolean | undefined;
  readonly chatToolsNeedEffortNone?: boolean | undefined;
  readonly toolCallIds?: ModelRecord["toolCallIds"];
  readonly tokenRatio?: number | undefined;
  readonly auto?: boolean | undefined;
  readonly retires?: string | undefined;
  readonly prices?: readonly PriceRow[] | undefined;
  readonly source?: string | undefined;
  readonly verifiedOn?: string | undefined;
  readonly note?: string | undefined;
}

/** A row of the config: also a price without a date, or what the hardware costs. */
export interface ConfiguredModelRow extends Omit<ModelRow, "source" | "verifiedOn" | "note"> {
  readonly price?: Omit<PriceRow, "from"> | undefined;
  readonly gpuHourUsd?: number | undefined;
  readonly tokensPerSecond?: { readonly prefill: number; readonly decode: number } | undefined;
  readonly utilization?: number | undefined;
}

/** `models.json`: contracts that several models share have a name there. */
export interface ModelsFile {
  readonly caches: Readonly<Record<string, CacheContract>>;
  readonly reasonings: Readonly<Record<string, ReasoningContract>>;
  readonly abilities: Readonly<Record<string, ModelRecord["abilities"]>>;
  readonly models: readonly (Omit<ModelRow, "cache" | "reasoning" | "abilities"> & {
    readonly id: string;
    readonly provider: string;
    readonly cache: string;
    readonly reasoning: string;
    readonly abilities: string;
  })[];
}

const usd = z.number().nonnegative();

const ratesRow = z.strictObject({
  input: usd.describe("Uncached input."),
  cacheRead: usd.optional().describe("Input read from cache."),
  cacheWrite5m: usd.optional().describe("Input written to a 5-minute cache."),
  cacheWrite1h: usd.optional().describe("Input written to a 1-hour cache."),
  cacheWrite: usd.optional().describe("Input written to a cache of any other lifetime."),
  output: usd.describe("Everything generated, reasoning included."),
});

const datedRates = ratesRow
  .extend({
    from: z.iso.date().optional().describe("The first day on which it was true (UTC). Absent: since ever."),
    over: z
      .array(
        ratesRow.extend({ promptTokens: z.int().positive().describe("The longest prompt that still costs less.") }),
      )
      .optional()
      .describe("Long-prompt prices: when the whole prompt exceeds `promptTokens`, every token costs these."),
  })
  .describe("US dollars per million tokens. A bucket without a price makes a call that uses it unpriced, never free.");

const cacheKind = "`none`; `automatic` (by prefix); `marks`; `keyed` (only with a key); `local` (a server's memory).";
const minTokens = z.int().nonnegative().describe("The shortest prefix that is cached.");
const stepTokens = z.int().positive().describe("What is cached comes in steps of so many tokens.");
const idleSeconds = z.int().positive().describe("How long it lives unused.");

const SETTING =
  /^(?:images|parallelToolCalls|reasoning|responseFormat|serviceTier|toolChoice|verbosity|(?:extra|part)\.[^]+)$/;
const levelSettings = (level: string) =>
  z
    .record(z.string().regex(SETTING), z.string())
    .exactOptional()
    .describe(`Those whose change loses ${level}. By name, what holds where nothing is said.`);
const settings = z
  .strictObject({
    prompt: levelSettings("all of it"),
    system: levelSettings("what is behind the tools"),
    messages: levelSettings("the messages"),
  })
  .exactOptional()
  .describe(
    "Settings that are part of a cached prefix: `toolChoice`, `parallelToolCalls`, `reasoning`, `responseFormat`, `serviceTier`, `verbosity`, `images`, `extra.<field>` of the request, `part.<field>` of any part.",
  );

const cacheContract = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none").describe(cacheKind) }),
  z.strictObject({
    kind: z.literal("automatic"),
    minTokens,
    stepTokens,
    key: z.boolean().describe("Whether a key helps to find it again."),
    idleSeconds,
    settings,
  }),
  z.strictObject({
    kind: z.literal("marks"),
    style: z.enum(["cache_control", "prompt_cache_breakpoint"]).describe("Which mark it understands."),
    minTokens,
    maxMarks: z.int().positive().describe("Marks in one request."),
    ttlSeconds: z.array(z.int().positive()).min(1).describe("The lifetimes there are."),
    lookback: z.int().positive().describe("How many blocks before a mark are searched for an earlier one."),
    splitsText: z
      .boolean()
      .exactOptional()
      .describe("Whether a text may be parted into two, so that a mark can stand inside it."),
    settings,
  }),
  z.strictObject({ kind: z.literal("keyed"), minTokens, stepTokens, idleSeconds }),
  z.strictObject({ kind: z.literal("local"), stepTokens }),
]);

const reasoningContract = z.strictObject({
  kind: z
    .enum(["none", "effort", "budget", "adaptive"])
    .describe("`none`; `effort` (a word); `budget` (of tokens); `adaptive` (the model decides, a word says how hard)."),
  efforts: z.array(z.string()).describe("The words it takes, weakest first."),
  defaultEffort: z.string().exactOptional().describe("The word that holds when none is said."),
  off: z
    .enum(["disabled", "between_tools", "none"])
    .exactOptional()
    .describe("How to say that it shall not; absent when that cannot be said."),
});

const abilities = z.partialRecord(z.enum(ABILITIES), z.boolean()) as z.ZodType<ModelRecord["abilities"]>;

const row = z
  .strictObject({
    provider: z
      .string()
      .optional()
      .describe("The kind of provider that serves the bare id. Needed for a model the table lacks."),
    aliases: z.array(z.string()).optional().describe("Other ids of the same model: snapshots, `-latest`."),
    contextTokens: z.int().positive().optional().describe("The whole window."),
    maxInputTokens: z.int().positive().optional().describe("The largest prompt, where it is smaller than the window."),
    maxOutputTokens: z
      .int()
      .positive()
      .optional()
      .describe("The largest answer; what `max_tokens` is set to where a dialect requires it."),
    input: z
      .array(z.enum(["text", "image", "document", "audio"]))
      .optional()
      .describe("What it reads: `text`, `image`, `document`, `audio`."),
    abilities: abilities
      .optional()
      .describe(
        "What it can (`true`) and cannot (`false`): `chat`, `embeddings`, `text-completions`, `fill-in-the-middle`; `logprobs`, `audio-output`, `web-search-options`, `custom-tools`. Of what is not said, it may be able to.",
      ),
    cache: cacheContract.optional().describe("How its prompt cache wants to be spoken to."),
    reasoning: reasoningContract.optional().describe("Whether and how it reasons."),
    sampling: z
      .enum(["free", "none", "effort-none-only", "temperature-xor-top-p"])
      .optional()
      .describe(
        "Which sampling parameters it takes: `free`, `none`, `effort-none-only` (while it does not reason), `temperature-xor-top-p`.",
      ),
    temperatureMax: z.number().positive().optional().describe("Upper end of `temperature`."),
    forcedTools: z.boolean().optional().describe("False when a forced `tool_choice` is refused."),
    prefill: z.boolean().optional().describe("Whether the last message may be the assistant's."),
    systemInMessages: z.boolean().optional().describe("Whether role `system` may stand inside `messages`."),
    chatToolsNeedEffortNone: z
      .boolean()
      .optional()
      .describe("Whether function tools need reasoning effort `none` on Chat Completions."),
    toolCallIds: z
      .literal("nine-alphanumerics")
      .optional()
      .describe("`nine-alphanumerics` for servers that check Mistral's form of tool-call ids."),
    tokenRatio: z
      .number()
      .positive()
      .optional()
      .describe("Its tokens per token of o200k_base. Change when estimates are off."),
    auto: z.boolean().optional().describe("Whether `auto` considers it when `policy.targets` is not set."),
    retires: z.iso.date().optional().describe("The day on which its vendor shuts it down."),
    prices: z.array(datedRates).optional().describe("What it costs, and from which day on: `price` rows with `from`."),
    source: z.string().optional(),
    verifiedOn: z.iso.date().optional(),
    note: z.string().optional(),
  })
  .describe("What is true of a model. Whatever is given replaces what the table says.");

export const modelsFile: z.ZodType<ModelsFile> = z.strictObject({
  caches: z.record(z.string(), cacheContract),
  reasonings: z.record(z.string(), reasoningContract),
  abilities: z.record(z.string(), abilities),
  models: z.array(
    row.extend({
      id: z.string(),
      provider: z.string(),
      cache: z.string(),
      reasoning: z.string(),
      abilities: z.string(),
      source: z.string(),
      verifiedOn: z.iso.date(),
    }),
  ),
});

export const configuredModelRow: z.ZodType<ConfiguredModelRow> = row
  .omit({ source: true, verifiedOn: true, note: true })
  .extend({
    price: datedRates
      .omit({ from: true })
      .optional()
      .describe("What it costs, when that has no history. US dollars per million tokens."),
    gpuHourUsd: usd
      .optional()
      .describe(
        "Self-hosted: what the hardware that serves it costs per hour, all of it together. Needs `tokensPerSecond`. A token of input then costs gpuHourUsd / 3600 / prefill / utilization, one of output gpuHourUsd / 3600 / decode / utilization, one read from cache nothing.",
      ),
    tokensPerSecond: z
      .strictObject({
        prefill: z.number().positive().describe("Tokens of prompts per second."),
        decode: z.number().positive().describe("Tokens of answers per second."),
      })
      .optional()
      .describe(
        "Measured at as many parallel calls as you run: tokens per second that the whole server reads while it only reads (prefill), and writes while it only writes (decode).",
      ),
    utilization: z
      .number()
      .positive()
      .max(1)
      .optional()
      .describe("Share of the paid hours in which it works; 1 when absent. Lower it when the hardware idles at night."),
  })
  .refine((model) => [model.price, model.prices, model.gpuHourUsd].filter((said) => said !== undefined).length <= 1, {
    message: "say what it costs once: `price`, `prices` or `gpuHourUsd`",
  })
  .refine((model) => (model.gpuHourUsd === undefined) === (model.tokensPerSecond === undefined), {
    message: "`gpuHourUsd` and `tokensPerSecond` need each other",
  });
