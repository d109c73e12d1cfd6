/**
 * What providers counted: how many of a model's tokens a prefix really has, where an answer's bill has told. Our own counts are
 * estimates, and a prediction of what will be read is only as good as they are. Where nothing has told of a prefix, it is what the
 * model's tokenizer made of the tenant's last prompts.
 */
import { BoundedMap } from "./bounded-map.ts";
import { placeName, type Prefixes } from "./prefixes.ts";

/** Prefixes whose count is known; about 120 bytes each. Those learned first are forgotten first. */
const COUNTS_MAX = 50_000;
/** Tenants' models whose ratio of counted to estimated tokens is known; 300 bytes each. */
const RATIOS_MAX = 1_000;
/** The prompts that tell it, the last ones: a language, or a tool's output, is what a tenant has for a while. */
const SAMPLES_MAX = 15;
/** Of a shorter prompt more is template than text. */
const SAMPLE_TOKENS_MIN = 256;

interface Sample {
  readonly ratio: number;
  readonly tokens: number;
}

export class PrefixCounts {
  readonly #counts = new BoundedMap<number>(COUNTS_MAX);
  readonly #samples = new BoundedMap<readonly Sample[]>(RATIOS_MAX);

  /** @param model Whose tokens, and whose prompts. @param estimate Of the tokens up to the place. */
  tokensAt(prefixes: Prefixes, place: number, model: string, estimate: number): number {
    return this.#counts.get(placeName(prefixes, place, model)) ?? Math.round(estimate * this.#ratio(model));
  }

  isKnown(prefixes: Prefixes, place: number, model: string): boolean {
    return this.#counts.has(placeName(prefixes, place, model));
  }

  learn(prefixes: Prefixes, place: number, model: string, counted: { tokens: number; estimate: number }): void {
    this.#counts.set(placeName(prefixes, place, model), counted.tokens);
    const { tokens, estimate } = counted;
    if (estimate < SAMPLE_TOKENS_MIN) return;
    const before = this.#samples.get(model) ?? [];
    this.#samples.set(model, [...before, { ratio: tokens / estimate, tokens: estimate }].slice(-SAMPLES_MAX));
  }

  /** The median, each sample weighing what it has of tokens: one prompt that is counted in another way moves it little, or not at all. */
  #ratio(model: string): number {
    const samples = (this.#samples.get(model) ?? []).toSorted((one, other) => one.ratio - other.ratio);
    const half = samples.reduce((sum, { tokens }) => sum + tokens, 0) / 2;
    let below = 0;
    for (const { ratio, tokens } of samples) {
      below += tokens;
      if (below >= half) return ratio;
    }
    return 1;
  }
}
