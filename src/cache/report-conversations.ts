/**
 * A class's conversations, for what sums cannot tell: which writes nobody read.
 *
 * A prompt that read `r` tokens and wrote `w` wrote the tokens from `r` to `r + w`. A later prompt of the same conversation reads them as
 * far as it reads; one of another conversation as far as what is static. What is left of them when their lifetime ends was wasted.
 */
import type { PicoUsd, Rates, Usage } from "../usage.ts";
import type { CacheMoney } from "./report-money.ts";
import { moneyText, type ConversationsSnapshot } from "./report-snapshot.ts";

export interface Turn extends CacheMoney {
  readonly task: string;
  readonly usage: Usage;
  readonly staticTokens: number;
  readonly sentMs: number;
}

export interface Wasted {
  readonly tokens: number;
  readonly picoUsd: PicoUsd;
}

interface OpenWrite {
  readonly task: string;
  from: number;
  readonly to: number;
  readonly expiresMs: number;
  /** Per token, above the uncached price. */
  readonly premium: PicoUsd;
}

/** Writes that are watched; of more, the oldest are not told of. */
const WRITES_MAX = 512;
const MS_PER_SECOND = 1_000;
const LIFETIMES = [
  ["cacheWrite1h", 3_600],
  ["cacheWrite5m", 300],
  ["cacheWriteOther", 1_800],
] as const;
export class Conversations {
  readonly #writes: OpenWrite[] = [];
  #wastedTokens = 0;
  #wastedPicoUsd = 0n;

  add(turn: Turn, read: number): void {
    this.wasted(turn.sentMs);
    for (const write of this.#writes) {
      const upTo = write.task === turn.task ? read : Math.min(read, turn.staticTokens);
      write.from = Math.min(write.to, Math.max(write.from, upTo));
    }
    this.#open(turn, read);
  }

  wasted(nowMs: number): Wasted {
    let kept = 0;
    for (const write of this.#writes) {
      if (write.from < write.to && write.expiresMs >= nowMs) {
        this.#writes[kept] = write;
        kept += 1;
        continue;
      }
      this.#wastedTokens += write.to - write.from;
      this.#wastedPicoUsd += BigInt(write.to - write.from) * write.premium;
    }
    this.#writes.length = kept;
    return { tokens: this.#wastedTokens, picoUsd: this.#wastedPicoUsd };
  }

  /** @param keptMax Writes that are kept of it: the latest. */
  snapshot(keptMax: number): ConversationsSnapshot {
    return {
      wastedTokens: this.#wastedTokens,
      wastedPicoUsd: moneyText(this.#wastedPicoUsd),
      writes: this.#writes
        .slice(-keptMax)
        .map(({ task, from, to, expiresMs, premium }) => ({ task, from, to, expiresMs, premium: moneyText(premium) })),
    };
  }

  restore({ wastedTokens, wastedPicoUsd, writes }: ConversationsSnapshot): void {
    this.#wastedTokens = wastedTokens;
    this.#wastedPicoUsd = BigInt(wastedPicoUsd);
    for (const write of writes.slice(-WRITES_MAX)) this.#writes.push({ ...write, premium: BigInt(write.premium) });
  }

  /** Longer lifetimes come first in a prompt. */
  #open({ task, usage, rates, sentMs }: Turn, read: number): void {
    let from = read;
    for (const [bucket, ttlSeconds] of LIFETIMES) {
      const tokens = usage[bucket] ?? 0;
      if (tokens === 0) continue;
      const premium = premiumOf(rates, bucket);
      const expiresMs = sentMs + ttlSeconds * MS_PER_SECOND;
      this.#writes.push({ task, from, to: from + tokens, expiresMs, premium });
      from += tokens;
    }
    if (this.#writes.length > WRITES_MAX) this.#writes.splice(0, this.#writes.length - WRITES_MAX);
  }
}

function premiumOf(rates: Rates | undefined, bucket: (typeof LIFETIMES)[number][0]): PicoUsd {
  const premium = (rates?.[bucket] ?? 0n) - (rates?.inputUncached ?? 0n);
  return rates?.[bucket] === undefined || premium < 0n ? 0n : premium;
}
