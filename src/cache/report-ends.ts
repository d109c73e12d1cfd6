/**
 * What a mark of the shortest lifetime at the end of every prompt would have read: the fixed policy that the report compares with.
 *
 * It writes at ends, so it reads at ends: at the prompt's own, if the same prompt was sent before, or at the nearest one within the
 * look-back where an earlier prompt ended that this one goes on from. Prompts that only begin alike read nothing of each other. Each is
 * found by the hash of its prefix, which is its tenant's own.
 */
import type { Prefixes } from "./prefixes.ts";
import { shortMs, type CacheRules } from "./rules.ts";

/** A prompt whose answer has begun. */
export interface EndedPrompt {
  readonly prefixes: Pick<Prefixes, "hashes" | "blocks" | "spots">;
  readonly target: string;
  /** What besides its text the target's cache tells apart, in one word. */
  readonly settings: string;
  readonly rules: CacheRules;
  /** Estimated in the target's tokens, until it is told. */
  readonly promptTokens: number;
  readonly sentMs: number;
  /** From when on what was written can be read. */
  readonly begunMs: number;
}

export interface EndMark {
  /** @param whole The prompt, as the provider counted it. @returns What it would have read of it. */
  settled(whole: number): number;
}

export interface EndSnapshot {
  readonly key: string;
  readonly whole: number;
  readonly usedMs: number;
  readonly readableMs: number;
}

interface End {
  /** Tokens of the prompt that ended there. */
  whole: number;
  /** Lifetimes run from the last use. */
  usedMs: number;
  readonly readableMs: number;
}

/** Each about 150 bytes; they live for minutes. */
const ENDS_MAX = 20_000;
/** Places that are looked at within the look-back: a long text has many. */
const PLACES_MAX = 512;

export class EndMarks {
  /** The one used longest ago first. */
  readonly #ends = new Map<string, End>();

  begun(prompt: EndedPrompt): EndMark {
    const { rules, promptTokens, sentMs, begunMs } = prompt;
    if (rules.kind !== "marks" || prompt.prefixes.spots.length === 0) return NO_MARK;
    const found = this.#found(prompt);
    const own = this.#own(prompt) ?? { whole: promptTokens, usedMs: sentMs, readableMs: begunMs };
    this.#touch(keyAt(prompt, prompt.prefixes.spots.length - 1), own, sentMs);
    return {
      settled(whole) {
        own.whole = whole;
        return found === undefined || found.whole < rules.minTokens ? 0 : Math.min(found.whole, whole);
      },
    };
  }

  /** @param keptMax The latest. */
  snapshot(keptMax: number): readonly EndSnapshot[] {
    return [...this.#ends].slice(-keptMax).map(([key, end]) => ({ key, ...end }));
  }

  restore(ends: readonly EndSnapshot[]): void {
    this.#ends.clear();
    for (const { key, ...end } of ends.slice(-ENDS_MAX)) this.#ends.set(key, end);
  }

  /** The longest one that it goes on from, and that lives. */
  #found(prompt: EndedPrompt): End | undefined {
    const { blocks, spots } = prompt.prefixes;
    const last = spots.length - 1;
    for (let place = last; place >= 0 && place > last - PLACES_MAX; place -= 1) {
      if ((blocks[last] ?? 0) - (blocks[place] ?? 0) >= prompt.rules.lookback) return undefined;
      const key = keyAt(prompt, place);
      const end = this.#ends.get(key);
      if (end === undefined || !isReadable(end, prompt)) continue;
      this.#touch(key, end, prompt.sentMs);
      return end;
    }
    return undefined;
  }

  /** What stands at its end already. */
  #own(prompt: EndedPrompt): End | undefined {
    const end = this.#ends.get(keyAt(prompt, prompt.prefixes.spots.length - 1));
    return end !== undefined && isReadable(end, prompt) ? end : undefined;
  }

  #touch(key: string, end: End, usedMs: number): void {
    end.usedMs = Math.max(end.usedMs, usedMs);
    this.#ends.delete(key);
    this.#ends.set(key, end);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > ENDS_MAX && oldest !== undefined) this.#ends.delete(oldest);
  }
}

const NO_MARK: EndMark = { settled: () => 0 };

function isReadable({ usedMs, readableMs }: End, { rules, sentMs }: EndedPrompt): boolean {
  return readableMs <= sentMs && sentMs - usedMs <= shortMs(rules);
}

function keyAt({ prefixes, target, settings }: EndedPrompt, place: number): string {
  const { hashes } = prefixes;
  return `${hashes[2 * place]}.${hashes[2 * place + 1]} ${target} ${settings}`;
}
