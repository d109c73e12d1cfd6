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
  /** ISO date on which the vendor shuts it down. */
  readonly retires?: string;
  readonly prices: readonly DatedPrice[];
}

export type InputKind = "text" | "image" | "document" | "audio";

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
    }
  /** Matching only at marked places. */
  | {
      readonly kind: "marks";
      readonly style: "cache_control" | "prompt_cache_breakpoint";
      readonly minTokens: number;
      readonly maxMarks: number;
      readonly ttlSeconds: readonly number[];
      readonly lookback: number;
    }
  /** Automatic, but only for requests that carry a key. */
  | { readonly kind: "keyed"; readonly minTokens: number; readonly stepTokens: number; readonly idleSeconds: number }
  /** The server's own memory: free, lost on restart. */
  | { readonly kind: "local"; readonly stepTokens: number };

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
