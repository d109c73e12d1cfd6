/**
 * What caching does for each class of calls: how much was read, what it saved, what was written in vain, and what broke it.
 *
 * Sums only, of what providers billed; classes, conversations and breakers are bounded, and what is beyond a bound is "other".
 */
import { promptTokens, type PicoUsd, type Usage } from "../usage.ts";
import type { Bust, BustCause } from "./bust.ts";
import type { Breaker } from "./parting.ts";
import type { Prefixes } from "./prefixes.ts";
import { Conversations } from "./report-conversations.ts";
import { inputCost, NO_MONEY, uncachedCost, type CacheMoney } from "./report-money.ts";

/** One settled answer. */
export interface CacheObservation extends CacheMoney {
  /** {@link classKeyOf}. */
  readonly classKey: string;
  readonly task: string;
  readonly usage: Usage;
  /** Of the tools and the system text: what other conversations of the class can read, in the target's tokens. */
  readonly staticTokens: number;
  /** Of an earlier prompt of the task, what this one begins with, in the target's tokens. */
  readonly sharedTokens: number;
  /** `undefined`: nobody predicted it. */
  readonly predictedRead: number | undefined;
  readonly bust: Bust | undefined;
  /** When it was sent: lifetimes run from there. */
  readonly sentMs: number;
}

export interface CacheReport {
  /** The one with the most prompt tokens first; "other" last. */
  readonly classes: readonly ClassReport[];
}

export interface ClassReport {
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
  /** The dearest first. */
  readonly breakers: readonly BreakerReport[];
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
  observe(observation: CacheObservation): void;
  /** @param nowMs Writes whose lifetime has ended by now and that nobody read are wasted. */
  read(nowMs: number): CacheReport;
}

export interface CacheReporterOptions {
  /** Classes with sums of their own. */
  readonly classesMax?: number;
}

const CLASSES_MAX = 256;
const BREAKERS_MAX = 32;
const BREAKERS_SHOWN = 10;
const OTHER = "other";

/** The class as the caller said it, else a short hash of what the prompt begins with. */
export function classKeyOf(taskClass: string | undefined, { hashes, staticPlace }: Prefixes): string {
  if (taskClass !== undefined) return taskClass;
  if (staticPlace === -1) return "~none";
  return `~${(hashes[2 * staticPlace] ?? 0).toString(16).padStart(8, "0")}`;
}

/** @example createCacheReporter().read(Date.now()).classes[0]?.hitRatio */
export function createCacheReporter({ classesMax = CLASSES_MAX }: CacheReporterOptions = {}): CacheReporter {
  const classes = new Map<string, ClassSums>();
  const sumsOf = (key: string): ClassSums => {
    const known = classes.get(key);
    if (known !== undefined) return known;
    const name = key === OTHER || classes.size < classesMax ? key : OTHER;
    const sums = classes.get(name) ?? new ClassSums(name);
    classes.set(name, sums);
    return sums;
  };
  return {
    observe: (observation) => sumsOf(observation.classKey).add(observation),
    read: (nowMs) => ({
      classes: [...classes.values()]
        .map((sums) => sums.read(nowMs))
        .sort((one, other) => rank(other) - rank(one) || other.promptTokens - one.promptTokens),
    }),
  };
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

class ClassSums {
  readonly #key: string;
  readonly #conversations = new Conversations();
  readonly #breakers = new Map<string, BreakerSums>();
  #calls = 0;
  #unknown = 0;
  #prompt = 0;
  #read = 0;
  #written = 0;
  #saved = NO_MONEY;
  #savedAgainstEnd = NO_MONEY;
  #unpriced = 0;
  #predicted = 0;
  #predictedRead = 0;
  #predictedPrompt = 0;
  #missed = 0;

  constructor(key: string) {
    this.#key = key;
  }

  add(observation: CacheObservation): void {
    const { usage, predictedRead, bust } = observation;
    this.#calls += 1;
    const whole = promptTokens(usage);
    const read = usage.cacheRead;
    if (whole === undefined || read === undefined) {
      this.#unknown += 1;
      return;
    }
    this.#prompt += whole;
    this.#read += read;
    this.#written += (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
    if (predictedRead !== undefined) {
      this.#predicted += predictedRead;
      this.#predictedRead += read;
      this.#predictedPrompt += whole;
      this.#missed += Math.abs(predictedRead - read);
    }
    const endCost = this.#conversations.add(observation, whole, read);
    const paid = inputCost(usage, observation.rates);
    const uncached = uncachedCost(whole, observation.rates);
    if (paid === undefined || uncached === undefined) this.#unpriced += 1;
    else {
      this.#saved += uncached - paid;
      // Where nothing is marked, that is what the provider does by itself.
      this.#savedAgainstEnd += endCost === undefined ? 0n : endCost - paid;
    }
    if (bust !== undefined) this.#bust(bust);
  }

  #bust({ cause, breaker, span, lostTokens, lostPicoUsd }: Bust): void {
    const place = span.replace(/^messages\[\d+\](?:\.content\[\d+\])?/, (path) => path.replace(/\d+/g, ""));
    const key = JSON.stringify([cause, breaker, place]);
    const isFull = !this.#breakers.has(key) && this.#breakers.size >= BREAKERS_MAX;
    const sums =
      this.#breakers.get(isFull ? OTHER : key) ??
      (isFull ? noLoss(OTHER, undefined, OTHER) : noLoss(cause, breaker, place));
    this.#breakers.set(isFull ? OTHER : key, sums);
    sums.calls += 1;
    sums.lostTokens += lostTokens;
    sums.lostPicoUsd += lostPicoUsd ?? 0n;
  }

  read(nowMs: number): ClassReport {
    const breakers = [...this.#breakers.values()].sort(
      (one, other) => Number(other.lostPicoUsd - one.lostPicoUsd) || other.lostTokens - one.lostTokens,
    );
    const wasted = this.#conversations.wasted(nowMs);
    return {
      classKey: this.#key,
      calls: this.#calls,
      unknownCalls: this.#unknown,
      promptTokens: this.#prompt,
      readTokens: this.#read,
      writtenTokens: this.#written,
      hitRatio: this.#prompt === 0 ? undefined : this.#read / this.#prompt,
      wastedTokens: wasted.tokens,
      wastedPicoUsd: wasted.picoUsd,
      savedPicoUsd: this.#saved,
      savedAgainstEndPicoUsd: this.#savedAgainstEnd,
      unpricedCalls: this.#unpriced,
      lostTokens: breakers.reduce((sum, { lostTokens }) => sum + lostTokens, 0),
      lostPicoUsd: breakers.reduce((sum, { lostPicoUsd }) => sum + lostPicoUsd, 0n),
      predictedTokens: this.#predicted,
      predictedReadTokens: this.#predictedRead,
      predictionError: this.#predictedPrompt === 0 ? undefined : this.#missed / this.#predictedPrompt,
      breakers: breakers.slice(0, BREAKERS_SHOWN).map((sums) => ({ ...sums })),
    };
  }
}

function noLoss(cause: BreakerSums["cause"], breaker: Breaker | undefined, span: string): BreakerSums {
  return { cause, breaker, span, calls: 0, lostTokens: 0, lostPicoUsd: 0n };
}
