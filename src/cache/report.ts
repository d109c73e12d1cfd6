/**
 * What caching does for each class of calls: how much was read, what it saved, what was written in vain, and what broke it.
 *
 * Sums only, of what providers billed; classes, conversations and breakers are bounded, and what is beyond a bound is "other".
 */
import { promptTokens, type PicoUsd, type Usage } from "../usage.ts";
import type { Bust } from "./bust.ts";
import type { BustCause } from "./bust-cause.ts";
import type { Breaker } from "./parting.ts";
import type { Prefixes } from "./prefixes.ts";
import { Conversations } from "./report-conversations.ts";
import { EndMarks, type EndedPrompt, type EndMark } from "./report-ends.ts";
import { endMarkedCost, inputCost, NO_MONEY, uncachedCost, type CacheMoney } from "./report-money.ts";
import {
  COUNT_NAMES,
  moneyText,
  readSnapshot,
  type ClassSnapshot,
  type CountName,
  type ReportSnapshot,
} from "./report-snapshot.ts";

/** One settled answer. */
export interface CacheObservation extends CacheMoney {
  /** Whose it is: classes of two tenants are two, also those of one name. */
  readonly tenant: string;
  /** {@link classKeyOf}. */
  readonly classKey: string;
  readonly task: string;
  readonly usage: Usage;
  /** Of the tools and the system text: what other conversations of the class can read, in the target's tokens. */
  readonly staticTokens: number;
  /** What it would have read with a mark at the end of every prompt. */
  readonly endRead: number;
  /** `undefined`: nobody predicted it. */
  readonly predictedRead: number | undefined;
  readonly bust: Bust | undefined;
  /** Whether the provider's own diagnosis says the same; absent: it gave none, or there was nothing to compare it with. */
  readonly agrees?: boolean | undefined;
  /** When it was sent: lifetimes run from there. */
  readonly sentMs: number;
}

export interface CacheReport {
  /** When the first of the calls was sent, in milliseconds since the epoch; `undefined`: there is none. */
  readonly sinceMs: number | undefined;
  /** The one with the most prompt tokens first; "other" last. */
  readonly classes: readonly ClassReport[];
}

export interface ClassReport {
  /** {@link NOBODY}: of before it was known, or of those tenants that are beyond the bound. */
  readonly tenant: string;
  readonly classKey: string;
  readonly calls: number;
  /** Calls whose provider did not say what it read: in nothing that follows. */
  readonly unknownCalls: number;
  readonly promptTokens: number;
  readonly readTokens: number;
  readonly writtenTokens: number;
  /** Read ÷ prompt; `undefined`: no prompt tokens. */
  readonly hitRatio: number | undefined;
  /** Written at a premium, and not read by the end of the lifetime that was paid. Writes that still live are not among them. */
  readonly wastedTokens: number;
  /** The premium for them. */
  readonly wastedPicoUsd: PicoUsd;
  /** Less than the same prompts would have cost without caching. Negative: more. */
  readonly savedPicoUsd: PicoUsd;
  /** Less than with one mark of the shortest lifetime at the end of every prompt. */
  readonly savedAgainstEndPicoUsd: PicoUsd;
  /** Calls without a price: in no sum of money. */
  readonly unpricedCalls: number;
  readonly lostTokens: number;
  readonly lostPicoUsd: PicoUsd;
  readonly predictedTokens: number;
  /** What was read where it was predicted. */
  readonly predictedReadTokens: number;
  /** Sum of |predicted − read| ÷ the same calls' prompt tokens; `undefined`: nothing was predicted. */
  readonly predictionError: number | undefined;
  /** Calls whose provider said itself what broke their prefix, and those of them of which we would have said something else. */
  readonly diagnosedCalls: number;
  readonly disagreedCalls: number;
  /** All of them. */
  readonly causes: readonly CauseReport[];
  /** The dearest first. */
  readonly breakers: readonly BreakerReport[];
}

export interface CauseReport {
  readonly cause: BustCause;
  readonly calls: number;
  readonly lostTokens: number;
  readonly lostPicoUsd: PicoUsd;
}

export interface BreakerReport {
  /** "other": those beyond the bound. */
  readonly cause: BustCause | "other";
  readonly breaker: Breaker | undefined;
  /** Without the numbers of messages ("messages[].content[]"), which differ from call to call. */
  readonly span: string;
  readonly calls: number;
  readonly lostTokens: number;
  readonly lostPicoUsd: PicoUsd;
}

export interface CacheReporter {
  /** A prompt's answer has begun: what comes after it could have gone on from its end. */
  begun(prompt: EndedPrompt): EndMark;
  observe(observation: CacheObservation): void;
  /**
   * @param nowMs Writes whose lifetime has ended by now and that nobody read are wasted.
   * @param tenant Whose classes; absent: everybody's.
   */
  read(nowMs: number, tenant?: string): CacheReport;
  /** The sums as JSON, for a restart. */
  snapshot(): ReportSnapshot;
  /** Goes on from what {@link snapshot} gave. @throws Error where that cannot be read: nothing is taken of it then. */
  restore(snapshot: unknown): void;
}

export interface CacheReporterOptions {
  /** Classes with sums of their own. */
  readonly classesMax?: number;
}

const CLASSES_MAX = 256;
const BREAKERS_MAX = 32;
const BREAKERS_SHOWN = 10;
/** Open writes that are kept over a restart, of all classes, and of each at least; and ends of prompts. */
const KEPT_MAX = 2_048;
const KEPT_MIN = 4;
const OTHER = "other";
/** Who has classes where there is one tenant only, and no key's: nobody with a key is called so. */
const NOBODY = "";

/** The class as the caller said it, else a short hash of what the prompt begins with. */
export function classKeyOf(taskClass: string | undefined, { hashes, staticPlace }: Prefixes): string {
  if (taskClass !== undefined) return taskClass;
  if (staticPlace === -1) return "~none";
  return `~${(hashes[2 * staticPlace] ?? 0).toString(16).padStart(8, "0")}`;
}

/** @example createCacheReporter().read(Date.now()).classes[0]?.hitRatio */
export function createCacheReporter({ classesMax = CLASSES_MAX }: CacheReporterOptions = {}): CacheReporter {
  const classes = new Map<string, ClassSums>();
  const ends = new EndMarks();
  let sinceMs: number | undefined;
  // Each tenant has an "other" of its own: of as many tenants as there are classes.
  const others = (): number => [...classes.values()].filter(({ key }) => key === OTHER).length;
  const isRoom = (key: string): boolean =>
    key === OTHER ? others() < classesMax : classes.size - others() < classesMax;
  const sumsOf = (tenant: string, key: string): ClassSums => {
    const known = classes.get(keyOf(tenant, key));
    if (known !== undefined) return known;
    if (!isRoom(key) && !(key === OTHER && tenant === NOBODY))
      return key === OTHER ? sumsOf(NOBODY, OTHER) : sumsOf(tenant, OTHER);
    const sums = new ClassSums(tenant, key);
    classes.set(keyOf(tenant, key), sums);
    return sums;
  };
  return {
    begun: (prompt) => ends.begun(prompt),
    observe(observation) {
      sinceMs ??= observation.sentMs;
      sumsOf(observation.tenant, observation.classKey).add(observation);
    },
    read: (nowMs, tenant) => ({
      sinceMs,
      classes: [...classes.values()]
        .filter((sums) => tenant === undefined || sums.tenant === tenant)
        .map((sums) => sums.read(nowMs))
        .sort((one, other) => rank(other) - rank(one) || other.promptTokens - one.promptTokens),
    }),
    snapshot: () => ({
      version: 2,
      sinceMs: sinceMs ?? null,
      classes: [...classes.values()].map((sums) =>
        sums.snapshot(Math.max(KEPT_MIN, Math.floor(KEPT_MAX / classes.size))),
      ),
      ends: ends.snapshot(KEPT_MAX),
    }),
    restore(snapshot) {
      const kept = readSnapshot(snapshot);
      sinceMs = kept.sinceMs ?? undefined;
      classes.clear();
      const named = kept.classes.filter(({ key }) => key !== OTHER).slice(0, classesMax);
      const unnamed = kept.classes.filter(({ key }) => key === OTHER).slice(0, classesMax + 1);
      for (const one of [...named, ...unnamed]) {
        const sums = new ClassSums(one.tenant, one.key);
        sums.restore(one);
        classes.set(keyOf(one.tenant, one.key), sums);
      }
      ends.restore(kept.ends);
    },
  };
}

function keyOf(tenant: string, classKey: string): string {
  return `${tenant}\u0000${classKey}`;
}

function rank({ classKey }: ClassReport): number {
  return classKey === OTHER ? 0 : 1;
}

interface BreakerSums {
  readonly cause: BustCause | "other";
  readonly breaker: Breaker | undefined;
  readonly span: string;
  calls: number;
  lostTokens: number;
  lostPicoUsd: PicoUsd;
}

interface CauseSums {
  calls: number;
  lostTokens: number;
  lostPicoUsd: PicoUsd;
}

class ClassSums {
  readonly tenant: string;
  readonly key: string;
  readonly #conversations = new Conversations();
  readonly #breakers = new Map<string, BreakerSums>();
  readonly #causes = new Map<BustCause, CauseSums>();
  readonly #counts = Object.fromEntries(COUNT_NAMES.map((name) => [name, 0])) as Record<CountName, number>;
  #saved = NO_MONEY;
  #savedAgainstEnd = NO_MONEY;

  constructor(tenant: string, key: string) {
    this.tenant = tenant;
    this.key = key;
  }

  add(observation: CacheObservation): void {
    const { usage, predictedRead, bust, agrees } = observation;
    const counts = this.#counts;
    counts.calls += 1;
    if (agrees !== undefined) counts.diagnosed += 1;
    if (agrees === false) counts.disagreed += 1;
    const whole = promptTokens(usage);
    const read = usage.cacheRead;
    if (whole === undefined || read === undefined) {
      counts.unknown += 1;
      return;
    }
    counts.prompt += whole;
    counts.read += read;
    counts.written += (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
    if (predictedRead !== undefined) {
      counts.predicted += predictedRead;
      counts.predictedRead += read;
      counts.predictedPrompt += whole;
      counts.missed += Math.abs(predictedRead - read);
    }
    this.#conversations.add(observation, read);
    const endCost = endMarkedCost(whole, observation.endRead, observation);
    const paid = inputCost(usage, observation.rates);
    const uncached = uncachedCost(whole, observation.rates);
    if (paid === undefined || uncached === undefined) counts.unpriced += 1;
    else {
      this.#saved += uncached - paid;
      // Where nothing is marked, that is what the provider does by itself.
      this.#savedAgainstEnd += endCost === undefined ? 0n : endCost - paid;
    }
    if (bust !== undefined) this.#bust(bust);
  }

  #bust({ cause, breaker, span, lostTokens, lostPicoUsd }: Bust): void {
    const place = span.replace(/^messages\[\d+\](?:\.content\[\d+\])?/, (path) => path.replace(/\d+/g, ""));
    const isFull = !this.#breakers.has(breakerKey(cause, breaker, place)) && this.#breakers.size >= BREAKERS_MAX;
    const sums = isFull ? this.#sumsOf(OTHER, undefined, OTHER) : this.#sumsOf(cause, breaker, place);
    for (const one of [sums, this.#ofCause(cause)]) {
      one.calls += 1;
      one.lostTokens += lostTokens;
      one.lostPicoUsd += lostPicoUsd ?? 0n;
    }
  }

  #ofCause(cause: BustCause): CauseSums {
    const sums = this.#causes.get(cause) ?? { calls: 0, lostTokens: 0, lostPicoUsd: 0n };
    this.#causes.set(cause, sums);
    return sums;
  }

  #sumsOf(cause: BreakerSums["cause"], breaker: Breaker | undefined, span: string): BreakerSums {
    const key = breakerKey(cause, breaker, span);
    const known = this.#breakers.get(key);
    if (known !== undefined) return known;
    const sums: BreakerSums = { cause, breaker, span, calls: 0, lostTokens: 0, lostPicoUsd: 0n };
    this.#breakers.set(key, sums);
    return sums;
  }

  read(nowMs: number): ClassReport {
    const breakers = [...this.#breakers.values()].sort(
      (one, other) => Number(other.lostPicoUsd - one.lostPicoUsd) || other.lostTokens - one.lostTokens,
    );
    const wasted = this.#conversations.wasted(nowMs);
    const counts = this.#counts;
    return {
      tenant: this.tenant,
      classKey: this.key,
      calls: counts.calls,
      unknownCalls: counts.unknown,
      promptTokens: counts.prompt,
      readTokens: counts.read,
      writtenTokens: counts.written,
      hitRatio: counts.prompt === 0 ? undefined : counts.read / counts.prompt,
      wastedTokens: wasted.tokens,
      wastedPicoUsd: wasted.picoUsd,
      savedPicoUsd: this.#saved,
      savedAgainstEndPicoUsd: this.#savedAgainstEnd,
      unpricedCalls: counts.unpriced,
      lostTokens: breakers.reduce((sum, { lostTokens }) => sum + lostTokens, 0),
      lostPicoUsd: breakers.reduce((sum, { lostPicoUsd }) => sum + lostPicoUsd, 0n),
      predictedTokens: counts.predicted,
      predictedReadTokens: counts.predictedRead,
      predictionError: counts.predictedPrompt === 0 ? undefined : counts.missed / counts.predictedPrompt,
      diagnosedCalls: counts.diagnosed,
      disagreedCalls: counts.disagreed,
      causes: [...this.#causes].map(([cause, sums]) => ({ cause, ...sums })),
      breakers: breakers.slice(0, BREAKERS_SHOWN).map((sums) => ({ ...sums })),
    };
  }

  snapshot(keptMax: number): ClassSnapshot {
    return {
      tenant: this.tenant,
      key: this.key,
      counts: { ...this.#counts },
      saved: moneyText(this.#saved),
      savedAgainstEnd: moneyText(this.#savedAgainstEnd),
      breakers: [...this.#breakers.values()].map((sums) => ({
        ...sums,
        breaker: sums.breaker ?? null,
        lostPicoUsd: moneyText(sums.lostPicoUsd),
      })),
      causes: [...this.#causes].map(([cause, sums]) => ({
        cause,
        ...sums,
        lostPicoUsd: moneyText(sums.lostPicoUsd),
      })),
      conversations: this.#conversations.snapshot(keptMax),
    };
  }

  restore({ counts, saved, savedAgainstEnd, breakers, causes, conversations }: ClassSnapshot): void {
    Object.assign(this.#counts, counts);
    this.#saved = BigInt(saved);
    this.#savedAgainstEnd = BigInt(savedAgainstEnd);
    for (const { cause, breaker, span, ...sums } of breakers.slice(0, BREAKERS_MAX + 1))
      Object.assign(this.#sumsOf(cause, breaker ?? undefined, span), {
        ...sums,
        lostPicoUsd: BigInt(sums.lostPicoUsd),
      });
    // Kept from before causes were summed up on their own: as far as the breakers tell them.
    for (const { cause, calls, lostTokens, lostPicoUsd } of causes.length > 0 ? causes : breakers) {
      if (cause === OTHER) continue;
      const sums = this.#ofCause(cause);
      sums.calls += calls;
      sums.lostTokens += lostTokens;
      sums.lostPicoUsd += BigInt(lostPicoUsd);
    }
    this.#conversations.restore(conversations);
  }
}

function breakerKey(cause: BreakerSums["cause"], breaker: Breaker | undefined, span: string): string {
  return JSON.stringify([cause, breaker, span]);
}
