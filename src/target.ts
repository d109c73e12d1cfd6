/**
 * A target is a model at a provider, with a price: what a policy chooses.
 */
import type { DialectName } from "./chat.ts";
import type { ModelRecord } from "./model.ts";
import type { Provider, ProviderSettings } from "./provider.ts";
import type { PicoUsd, Price } from "./usage.ts";

/** A configured provider: the kind's ways, and this instance's addresses and credential. */
export interface ProviderInstance {
  /** The config's key ("openai", "vllm-eu"): the first part of a target's name. */
  readonly name: string;
  readonly provider: Provider;
  readonly settings: ProviderSettings;
}

export interface Target {
  /** `provider/model`, as a client may name it. */
  readonly name: string;
  readonly instance: ProviderInstance;
  /** The model id that the provider expects. */
  readonly model: string;
  /** `undefined` for a model that no table knows: unpriced, limits unknown. */
  readonly record: ModelRecord | undefined;
  /** The price that holds now; `undefined` is *unpriced*, never free. */
  readonly price: Price | undefined;
}

/** A target that can take this exchange, with what the policy needs to compare it. */
export interface Candidate {
  readonly target: Target;
  /** The dialect that will be spoken to it: the client's own when it accepts that. */
  readonly dialect: DialectName;
  /** Estimated prompt tokens by this model's tokenizer. */
  readonly promptTokens: number;
  /** Of those, how many are probably warm in its cache. */
  readonly warmTokens: number;
  /** Estimated output tokens. */
  readonly outputTokens: number;
  /** Expected cost of this call; `undefined` when unpriced. */
  readonly expectedCost: PicoUsd | undefined;
  /** A hard binding ties this exchange to it. */
  readonly bound: boolean;
  /** Its circuit breaker is open: only worth trying when nothing else is left. */
  readonly resting: boolean;
}
