/**
 * What is known about a model: limits, what it accepts, how its prompt cache works. Types only.
 *
 * Shared code never asks who makes a model; it asks this record. The rows are in `models.json`.
 */
import type { Price } from "./usage.ts";

export interface ModelRecord {
  readonly id: string;
  /** The provider (by kind) that serves a bare model id. */
  readonly provider: string;
  readonly aliases: readonly string[];
  /** Whole window in tokens; `undefined`: not known. */
  readonly contextTokens?: number;
  /** Largest prompt; smaller than the window for OpenAI. Defaults to the window. */
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
  readonly input: readonly InputKind[];
  /** What it can and what it cannot, by what is known; an ability that is not here it may have or not. */
  readonly abilities: Readonly<Partial<Record<Ability, boolean>>>;
  readonly cache: CacheContract;
  readonly reasoning: ReasoningContract;
  /** Which sampling parameters the model still takes. */
  readonly sampling: "free" | "none" | "effort-none-only" | "temperature-xor-top-p";
  /** Upper end of `temperature`. */
  readonly temperatureMax: number;
  /** False: `tool_choice` any/required/named answers 400. */
  readonly forcedTools: boolean;
  /** Whether the last message may be the assistant's, to be continued. */
  readonly prefill: boolean;
  /** Whether role `system` may stand inside `messages`. */
  readonly systemInMessages: boolean;
  /** Function tools are refused on Chat Completions unless reasoning effort is `none`. */
  readonly chatToolsNeedEffortNone: boolean;
  /** Tokens of this model per token of o200k_base, for estimates (providers' tokenizer notes). */
  readonly tokenRatio: number;
  /** Tool-call ids must have this form; others are rewritten, the same id always to the same one. */
  readonly toolCallIds?: "nine-alphanumerics";
  /** Whether `auto` considers it when the config names no targets. */
  readonly auto?: boolean;
  /** ISO date on which the vendor shuts it down. */
  readonly retires?: string;
  readonly prices: readonly DatedPrice[];
}

export type InputKind = "text" | "image" | "document" | "audio";

/** What some models can and others cannot: what they are for, and what one can ask of them besides. */
export const ABILITIES = [
  "chat",
  "embeddings",
  "text-completions",
  "fill-in-the-middle",
  "logprobs",
  "audio-output",
  "web-search-options",
  "custom-tools",
] as const;
export type Ability = (typeof ABILITIES)[number];

/** A price and the day (ISO date) from which it was true. */
export interface DatedPrice {
  readonly from: string;
  readonly price: Price;
}

/** How the provider's prompt cache wants to be spoken to. */
export type CacheContract =
  | { readonly kind: "none" }
  /** Automatic prefix matching in steps, helped by a routing key. */
  | {
      readonly kind: "automatic";
      readonly minTokens: number;
      readonly stepTokens: number;
      readonly key: boolean;
      readonly idleSeconds: number;
      readonly settings?: SettingsByLevel;
    }
  /** Matching only at marked places. */
  | {
      readonly kind: "marks";
      readonly style: "cache_control" | "prompt_cache_breakpoint";
      readonly minTokens: number;
      readonly maxMarks: number;
      readonly ttlSeconds: readonly number[];
      readonly lookback: number;
      /** Whether a text may be parted into two, so that a mark can stand inside it. Absent: no. */
      readonly splitsText?: boolean;
      readonly settings?: SettingsByLevel;
    }
  /** Automatic, but only for requests that carry a key. */
  | { readonly kind: "keyed"; readonly minTokens: number; readonly stepTokens: number; readonly idleSeconds: number }
  /** The server's own memory: free, lost on restart. */
  | { readonly kind: "local"; readonly stepTokens: number };

/** What besides its text decides whether a prefix is found again: of the whole prompt, of what is behind the tools, of the messages. */
export type SettingsByLevel = Readonly<Partial<Record<SettingsLevel, CacheSettings>>>;
export type SettingsLevel = "prompt" | "system" | "messages";

/**
 * By the name of a setting what holds where nothing is said: `toolChoice`, `parallelToolCalls`, `reasoning`, `responseFormat`,
 * `serviceTier`, `verbosity`, `images` (whether there are any), `extra.<field>` of the request, `part.<field>` of any part.
 */
export type CacheSettings = Readonly<Record<string, string>>;

export interface ReasoningContract {
  /**
   * `none`: not a reasoning model. `effort`: a word (OpenAI, Mistral). `budget`: thinking with a token budget (Claude ≤ 4.5).
   * `adaptive`: thinking adaptive + effort word (Claude ≥ 4.6).
   */
  readonly kind: "none" | "effort" | "budget" | "adaptive";
  /** Accepted effort words, weakest first. */
  readonly efforts: readonly string[];
  readonly defaultEffort?: string;
  /** How to say "off": the wire value of `thinking.type` for adaptive models, absent when it cannot be switched off. */
  readonly off?: "disabled" | "between_tools" | "none";
}

/** What is assumed of a model that a row says nothing about. Generous: a provider refuses better than we guess. */
export const RECORD_DEFAULTS: Omit<ModelRecord, "id" | "provider"> = {
  aliases: [],
  input: ["text", "image", "document"],
  abilities: {},
  cache: { kind: "none" },
  reasoning: { kind: "none", efforts: [] },
  sampling: "free",
  temperatureMax: 2,
  forcedTools: true,
  prefill: false,
  systemInMessages: false,
  chatToolsNeedEffortNone: false,
  tokenRatio: 1,
  prices: [],
};

/** What is known of all models: the rows of `models.json`, the config's, and the fallback prices. */
export interface ModelTable {
  /** By id, alias, or an id with a snapshot's date behind it. */
  find(name: string): ModelRecord | undefined;
  all(): readonly ModelRecord[];
  /** A price for a model that has no row, by the kind of provider that serves it; `undefined` when nobody knows. */
  fallbackPrice(kind: string, model: string, atMs: number): Price | undefined;
}

/** The price of the latest day that is not after this one; `undefined` when none was known then. */
export function priceAt(record: ModelRecord, atMs: number): Price | undefined {
  const day = new Date(atMs).toISOString().slice(0, 10);
  let latest: DatedPrice | undefined;
  for (const dated of record.prices) {
    if (dated.from <= day && (latest === undefined || dated.from >= latest.from)) latest = dated;
  }
  return latest?.price;
}
