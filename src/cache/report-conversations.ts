/**
 * A class's conversations, for what sums cannot tell: which writes nobody read, and what a mark at every end would have read.
 *
 * A prompt that read `r` tokens and wrote `w` wrote the tokens from `r` to `r + w`. A later prompt of the same conversation reads them as
 * far as it reads; one of another conversation as far as what is static. What is left of them when their lifetime ends was wasted.
 */
import type { PicoUsd, Rates, Usage } from "../usage.ts";
import { endMarkedCost, type CacheMoney } from "./report-money.ts";
import { moneyText, type ConversationsSnapshot } from "./report-snapshot.ts";

export interface Turn extends CacheMoney {
  readonly task: string;
  readonly usage: Usage;
  readonly staticTokens: number;
  readonly sharedTokens: number;
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

interface LastTurn {
  readonly whole: number;
  readonly sentMs: number;
}

/** Writes that are watched; of more, the oldest are not told of. */
const WRITES_MAX = 512;
const TASKS_MAX = 512;
const MS_PER_SECOND = 1_000;
const LIFETIMES = [
  ["cacheWrite1h", 3_600],
  ["cacheWrite5m", 300],
  ["cacheWriteOther", 1_800],
] as const;
/** Two estimates of one prompt's tokens differ by less. */
const SAME_SHARE = 0.97;

export class Conversations {
  readonly #writes: OpenWrite[] = [];
  /** The one used longest ago first. */
  readonly #last = new Map<string, LastTurn>();
  #wastedTokens = 0;
  #wastedPicoUsd = 0n;

  /** @returns What it would have cost with a mark at the end of every prompt; `undefined`: that is no choice here. */
  add(turn: Turn, whole: number, read: number): PicoUsd | undefined {
    this.wasted(turn.sentMs);
    for (const write of this.#writes) {
      const upTo = write.task === turn.task ? read : Math.min(read, turn.staticTokens);
      write.from = Math.min(write.to, Math.max(write.from, upTo));
    }
    this.#open(turn, read);
    const endRead = this.#endRead(turn);
    this.#last.delete(turn.task);
    this.#last.set(turn.task, { whole, sentMs: turn.sentMs });
    const [oldest] = this.#last.keys();
    if (this.#last.size > TASKS_MAX && oldest !== undefined) this.#last.delete(oldest);
    return endMarkedCost(whole, Math.min(endRead, whole), turn);
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

  /** @param keptMax Writes and turns that are kept of it: the latest. */
  snapshot(keptMax: number): ConversationsSnapshot {
    return {
      wastedTokens: this.#wastedTokens,
      wastedPicoUsd: moneyText(this.#wastedPicoUsd),
      writes: this.#writes
        .slice(-keptMax)
        .map(({ task, from, to, expiresMs, premium }) => ({ task, from, to, expiresMs, premium: moneyText(premium) })),
      turns: [...this.#last].slice(-keptMax).map(([task, turn]) => ({ task, ...turn })),
    };
  }

  restore({ wastedTokens, wastedPicoUsd, writes, turns }: ConversationsSnapshot): void {
    this.#wastedTokens = wastedTokens;
    this.#wastedPicoUsd = BigInt(wastedPicoUsd);
    for (const write of writes.slice(-WRITES_MAX)) this.#writes.push({ ...write, premium: BigInt(write.premium) });
    for (const { task, whole, sentMs } of turns.slice(-TASKS_MAX)) this.#last.set(task, { whole, sentMs });
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

  /** A mark at an end is found by who goes on from there, within the lifetime. */
  #endRead({ task, rules, sharedTokens, sentMs }: Turn): number {
    const last = this.#last.get(task);
    if (last === undefined || last.whole < rules.minTokens) return 0;
    const ttlMs = (rules.classes[0]?.ttlSeconds ?? 0) * MS_PER_SECOND;
    if (sentMs - last.sentMs > ttlMs) return 0;
    return sharedTokens >= SAME_SHARE * last.whole ? last.whole : 0;
  }
}

function premiumOf(rates: Rates | undefined, bucket: (typeof LIFETIMES)[number][0]): PicoUsd {
  const premium = (rates?.[bucket] ?? 0n) - (rates?.inputUncached ?? 0n);
  return rates?.[bucket] === undefined || premium < 0n ? 0n : premium;
}
