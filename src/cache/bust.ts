/**
 * Why a prompt was not read from its cache as the one before it promised: which piece broke the prefix, whose change it was, and what
 * it cost. Told from digests of the prompts sent before and from what the provider billed; no text is remembered.
 */
import type { CacheDiagnosis, ChatRequest } from "../chat.ts";
import { promptTokens, type PicoUsd, type Rates, type Usage } from "../usage.ts";
import {
  memoryKey,
  RememberedPrompts,
  sameDigests,
  type BustMemoryOptions,
  type RememberedPrompt,
} from "./bust-memory.ts";
import type { BustCause } from "./bust-cause.ts";
import { DigestPools, digestSpans, type DigestPool, type SpanDigest } from "./digests.ts";
import { areVersions, excerptAt, noisePath, partingOf, type Breaker, type Parting } from "./parting.ts";
import type { PlannedMark } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";
import { longMs, shortMs, type CacheRules } from "./rules.ts";
import { isToolSpan, spansOf, type Span } from "./spans.ts";
import { spansUpTo, tokensBefore } from "./span-places.ts";
import { extraCost } from "./extra-cost.ts";
import { agrees, diagnosed, verdictOf, type Diagnosed, type Known, type Verdict } from "./verdict.ts";

export interface Bust {
  readonly cause: BustCause;
  /** The piece from which on it was paid again ("tools[3].parameters"), or the field ("model", "prompt_cache_key"). */
  readonly span: string;
  /** Characters into the piece up to which it is surely the same; `undefined`: no piece differs. */
  readonly offset: number | undefined;
  /** Tokens (the target's) that would have been read. */
  readonly lostTokens: number;
  /** What they cost more than their reading; `undefined`: there is no price. */
  readonly lostPicoUsd: PicoUsd | undefined;
  readonly breaker: Breaker | undefined;
  /** A few of the prompt's own characters, where content may be logged. */
  readonly excerpt: string | undefined;
  /** The provider's own word of it; absent: it gave none. */
  readonly verdict?: Verdict | undefined;
}

export interface SentPrompt {
  /** Whose it is: prompts of two tenants are never compared. */
  readonly tenant: string;
  readonly task: string;
  /** As the caller said it. */
  readonly taskClass: string | undefined;
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  /** The name of what it is sent to. */
  readonly target: string;
  readonly rules: CacheRules;
  readonly rates: Rates | undefined;
  /** The target's tokens per estimated token. */
  readonly tokenRatio: number;
  /** What the planner said would be read, in the target's tokens. */
  readonly predictedRead: number;
  /** Those it carries, whoever set them. */
  readonly marks: readonly PlannedMark[];
  readonly marksBy: "client" | "gateway";
  /** What we decided around the prompt, by the name of the field: `prompt_cache_key`, `cache_salt`, `replica`. */
  readonly sentAs: Readonly<Record<string, string>>;
  /** Whether the client's noise goes along (it does to its own dialect). */
  readonly isNoiseSent: boolean;
  /** Whether the client's wire has a place of its own for system text; absent: yes. */
  readonly systemApart?: boolean;
  /** Whether content may be logged. */
  readonly excerpts: boolean;
}

/** A prompt under way: at most one of `settled` and `failed`, `readable` before. */
export interface WatchedPrompt {
  /** Tokens (the target's, estimated) that it has in common with an earlier prompt of its task; 0: there is none like it. */
  readonly sharedTokens: number;
  /** The first event arrived. */
  readable(): void;
  /** @returns `undefined`: nothing was lost, or the provider does not tell what it read. */
  settled(usage: Usage | undefined, diagnosis?: CacheDiagnosis): Bust | undefined;
  /** Once settled: whether the provider's diagnosis says what we would have; `undefined`: it gave none, or we had nothing to go by. */
  readonly agrees: boolean | undefined;
  /** There will be no answer: nothing was written. */
  failed(): void;
}

export interface BustMemory {
  sent(prompt: SentPrompt, nowMs: number): WatchedPrompt;
  readonly size: { readonly prompts: number; readonly bytes: number };
}

/** @example createBustMemory().sent(prompt, Date.now()).settled(usage)?.cause */
export function createBustMemory(options: BustMemoryOptions = {}): BustMemory {
  const memory = new RememberedPrompts(options);
  const pools = new DigestPools();
  return {
    sent: (prompt, nowMs) => new Watch(memory, pools.of(prompt.tenant), prompt, nowMs),
    get size() {
      return memory.size;
    },
  };
}

/** What is lost to a sibling is told from here on: what a fork is held for. */
const COLD_TOKENS_MIN = 1_024;
/** Providers' own counts of one prefix differ by less from answer to answer. */
const LOSS_SHARE_MIN = 0.01;

class Watch implements WatchedPrompt {
  readonly #memory: RememberedPrompts;
  readonly #mine: readonly (readonly [key: string, prompt: RememberedPrompt])[];
  /** What this one was expected to go on from, as it was then. */
  readonly #expected: Expected | undefined;
  readonly #coldTokens: number;
  readonly sharedTokens: number;
  readonly #facts: Facts;
  #agrees: boolean | undefined;

  constructor(memory: RememberedPrompts, pool: DigestPool, prompt: SentPrompt, nowMs: number) {
    const spans = spansOf(prompt.request, prompt.systemApart);
    const taskKey = memoryKey(prompt.tenant, "task", prompt.task);
    const before = memory.of(taskKey);
    const digests = digestSpans(spans, sameDigests(before, spans, prompt.prefixes), pool);
    const classKey = memoryKey(prompt.tenant, "class", prompt.taskClass ?? looseClass(digests, spans));
    const isStatic = staticFilter(prompt.request);
    const ofStatic = { spans: spans.filter(isStatic), digests: digests.filter((_, at) => isStatic(spans[at])) };

    const like = before.filter((one) => areVersions(one.digests, digests));
    const ofClass = memory.of(classKey).filter((one) => areVersions(one.digests, ofStatic.digests));
    const tokens = tokensBefore(spans, digests, prompt.prefixes);
    const inTask = expectedOf(like, prompt, digests, spans, nowMs);
    this.#expected =
      inTask ?? (like.length > 0 ? undefined : expectedOf(ofClass, prompt, ofStatic.digests, ofStatic.spans, nowMs));
    const common = like.map((one) => commonTokens(one, prompt, digests, spans, tokens));
    this.sharedTokens = Math.floor(Math.max(0, ...common));
    this.#coldTokens = coldTokens(like, common, prompt);
    this.#facts = factsOf(prompt, spans, tokens, this.#expected);
    this.#memory = memory;
    this.#mine = [
      [taskKey, { ...remembered(prompt, digests, spans, nowMs, undefined), hashes: prompt.prefixes.hashes }],
      [classKey, remembered(prompt, ofStatic.digests, ofStatic.spans, nowMs, prompt.prefixes.staticPlace)],
    ];
    for (const [key, one] of this.#mine) memory.add(key, one);
  }

  readable(): void {
    for (const [, one] of this.#mine) one.isReadable = true;
  }

  settled(usage: Usage | undefined, diagnosis?: CacheDiagnosis): Bust | undefined {
    this.readable();
    const read = usage?.cacheRead;
    const whole = usage === undefined ? undefined : promptTokens(usage);
    if (usage === undefined || read === undefined || whole === undefined) return undefined;
    this.#learn(usage, read, whole);
    const own = this.#find(read, whole);
    const found = diagnosis === undefined ? own : this.#joined(diagnosis, own, whole - read);
    if (found === undefined) return undefined;
    return { ...found, lostPicoUsd: extraCost(found.lostTokens, usage, this.#facts.rates) };
  }

  get agrees(): boolean | undefined {
    return this.#agrees;
  }

  failed(): void {
    for (const [key, one] of this.#mine) this.#memory.remove(key, one);
  }

  /** What was billed says more of what can be read the next time than the marks did. */
  #learn(usage: Usage, read: number, whole: number): void {
    const [own] = this.#mine;
    if (own === undefined || this.#facts.kind !== "marks") return;
    const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
    own[1].cachedTokens = Math.min(whole, read + written);
  }

  #joined(diagnosis: CacheDiagnosis, own: Found | undefined, unread: number): Found | undefined {
    const hasGrounds = this.#expected !== undefined || this.#facts.predictedRead > 0;
    this.#agrees = hasGrounds ? agrees(diagnosis, own) : undefined;
    if (diagnosis.type === "hit") return undefined;
    const lostTokens = Math.min(diagnosis.missedTokens ?? own?.lostTokens ?? 0, unread);
    if (lostTokens === 0) return undefined;
    return { ...diagnosed(diagnosis, this.#facts), lostTokens, verdict: verdictOf(diagnosis, own, this.#agrees) };
  }

  #find(read: number, whole: number): Found | undefined {
    const { predictedRead, stepTokens } = this.#facts;
    const promised = this.#expected?.previous.cachedTokens ?? predictedRead;
    const lost = Math.min(promised, whole) - read;
    const isLost = lost > Math.max(stepTokens - 1, LOSS_SHARE_MIN * promised);
    if (isLost) return { ...explained(this.#facts, this.#expected, read / whole), lostTokens: lost };
    const cold = Math.min(this.#coldTokens, whole) - read;
    if (cold < COLD_TOKENS_MIN) return undefined;
    return { ...NO_PIECE, cause: "cold", span: pathAt(this.#facts, read / whole), lostTokens: cold };
  }
}

type Found = Omit<Bust, "lostPicoUsd">;
type Explanation = Diagnosed;
const NO_PIECE = { offset: undefined, breaker: undefined, excerpt: undefined } as const;

/** What was known of an earlier prompt when this one was sent. */
interface Expected {
  readonly previous: RememberedPrompt;
  readonly parting: Parting | undefined;
  /** Of the noise that changed. */
  readonly noise: string | undefined;
  readonly isExpired: boolean;
  /** Whether the parting is inside what was cached. */
  readonly isInside: boolean;
  readonly excerpt: string | undefined;
}

/** What is kept of the request until its bill is there. */
interface Facts extends Known {
  readonly kind: CacheRules["kind"];
  readonly rates: Rates | undefined;
  readonly predictedRead: number;
  readonly stepTokens: number;
  /** For each path the share of the prompt before it. */
  readonly shares: Float32Array;
  /** The field that we sent another value in; `undefined`: none. */
  readonly sentOtherwise: string | undefined;
  readonly marks: { readonly by: "client" | "gateway"; readonly breaker: "marks" | "lookback" } | undefined;
  readonly isTargetSame: boolean;
  readonly isNoiseSent: boolean;
}

/** The order is that of certainty: what alone would have lost it comes before what might have. */
function explained(facts: Facts, expected: Expected | undefined, share: number): Explanation {
  const here = { ...NO_PIECE, span: pathAt(facts, share) };
  if (expected !== undefined) {
    if (!facts.isTargetSame) {
      return facts.isModelSame
        ? { ...NO_PIECE, cause: "gateway", span: "target" }
        : { ...NO_PIECE, cause: "client", span: "model", breaker: "model" };
    }
    if (expected.isExpired) return { ...here, cause: "expired" };
    const { parting } = expected;
    if (parting !== undefined && expected.isInside) {
      const { path, offset, breaker } = parting;
      return { cause: "client", span: path, offset, breaker, excerpt: expected.excerpt };
    }
    if (facts.marks !== undefined) {
      return { ...here, cause: facts.marks.by, breaker: facts.marks.breaker };
    }
    if (!facts.isClientKeySame) return { ...NO_PIECE, cause: "client", span: "prompt_cache_key" };
    if (facts.sentOtherwise !== undefined) return { ...NO_PIECE, cause: "gateway", span: facts.sentOtherwise };
    if (expected.noise !== undefined && facts.isNoiseSent)
      return { ...NO_PIECE, cause: "client", span: expected.noise, breaker: "billing-line" };
  }
  return { ...here, cause: facts.kind === "automatic" ? "evicted" : "provider" };
}

/** Of several earlier prompts, the one with the most to go on from. */
function expectedOf(
  before: readonly RememberedPrompt[],
  { target, excerpts }: SentPrompt,
  digests: readonly SpanDigest[],
  spans: readonly Span[],
  nowMs: number,
): Expected | undefined {
  const readable = before.filter((one) => one.isReadable && one.cachedTokens > 0);
  const here = readable.filter((one) => one.target === target);
  let best: Expected | undefined;
  // The latest first: of equals it is the one that was refreshed last.
  for (const previous of (here.length > 0 ? here : readable).toReversed()) {
    const parting = partingOf(previous.digests, digests, spans);
    const isInside = parting !== undefined && visibleBefore(spans, parting.index) < previous.cachedSpans;
    const found: Expected = {
      previous,
      parting,
      noise: noisePath(previous.digests, digests, spans),
      isExpired: nowMs - previous.sentMs > previous.ttlMs,
      isInside,
      excerpt: excerpts && parting !== undefined ? excerptOf(spans[parting.index], parting.offset) : undefined,
    };
    if (best === undefined || isBetter(found, best)) best = found;
  }
  return best;
}

function isBetter(one: Expected, other: Expected): boolean {
  const rank = ({ isInside, isExpired }: Expected) => (isInside ? 0 : 2) + (isExpired ? 0 : 1);
  if (rank(one) !== rank(other)) return rank(one) > rank(other);
  // Both promise all they have; or both are broken, and the later parting tells more.
  return one.isInside
    ? (one.parting?.index ?? 0) > (other.parting?.index ?? 0)
    : one.previous.cachedTokens > other.previous.cachedTokens;
}

function excerptOf(span: Span | undefined, offset: number): string | undefined {
  return span === undefined ? undefined : excerptAt(span, offset);
}

function visibleBefore(spans: readonly Span[], index: number): number {
  return spans.slice(0, index).filter(({ isVolatile }) => !isVolatile).length;
}

function commonTokens(
  earlier: RememberedPrompt,
  { prefixes, tokenRatio }: SentPrompt,
  digests: readonly SpanDigest[],
  spans: readonly Span[],
  tokens: Float64Array,
): number {
  const parting = partingOf(earlier.digests, digests, spans);
  const estimate = parting === undefined ? earlier.promptTokens : (tokens[parting.index] ?? prefixes.promptTokens);
  return Math.min(estimate, prefixes.promptTokens) * tokenRatio;
}

/** How much of this prompt siblings were writing that could not be read yet. */
function coldTokens(
  siblings: readonly RememberedPrompt[],
  common: readonly number[],
  { target, rules }: SentPrompt,
): number {
  const most = siblings.reduce((sum, { isReadable, target: theirs, cachedTokens }, at) => {
    const isWriting = !isReadable && theirs === target;
    return isWriting ? Math.max(sum, Math.min(common[at] ?? 0, cachedTokens)) : sum;
  }, 0);
  return most < rules.minTokens ? 0 : Math.floor(most);
}

function factsOf(
  prompt: SentPrompt,
  spans: readonly Span[],
  tokens: Float64Array,
  expected: Expected | undefined,
): Facts {
  const { request, prefixes, rules, rates, predictedRead } = prompt;
  const previous = expected?.previous;
  return {
    kind: rules.kind,
    rates,
    predictedRead,
    stepTokens: rules.stepTokens,
    paths: spans.map(({ path }) => path),
    shares: Float32Array.from(tokens, (before) => before / Math.max(1, prefixes.promptTokens)),
    parting: expected?.parting,
    partingExcerpt: expected?.excerpt,
    isModelSame: previous === undefined || previous.model === request.model,
    isClientKeySame: previous === undefined || previous.clientKey === request.promptCacheKey,
    sentOtherwise: previous === undefined ? undefined : otherField(previous.sentAs, prompt.sentAs),
    marks: previous === undefined ? undefined : marksFault(prompt, previous),
    isTargetSame: previous === undefined || previous.target === prompt.target,
    isNoiseSent: prompt.isNoiseSent,
  };
}

function otherField(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string | undefined {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].find((field) => before[field] !== after[field]);
}

/** Whether no mark finds the earlier entry: there is none behind it, or each is too many blocks away. */
function marksFault({ rules, marks, marksBy, prefixes }: SentPrompt, previous: RememberedPrompt): Facts["marks"] {
  if (rules.kind !== "marks") return undefined;
  const away = marks.map(({ place }) => (prefixes.blocks[place] ?? 0) - previous.cachedBlocks);
  if (!away.some((blocks) => blocks >= 0)) return { by: marksBy, breaker: "marks" };
  return away.some((blocks) => blocks >= 0 && blocks < rules.lookback)
    ? undefined
    : { by: marksBy, breaker: "lookback" };
}

const NO_HASHES = new Uint32Array(0);

/** @param upTo The last place that may count; `undefined`: all do. */
function remembered(
  prompt: SentPrompt,
  digests: readonly SpanDigest[],
  spans: readonly Span[],
  nowMs: number,
  upTo: number | undefined,
): RememberedPrompt {
  const { prefixes, rules, marks, tokenRatio } = prompt;
  const last = Math.min(upTo ?? prefixes.spots.length - 1, prefixes.spots.length - 1);
  const deepest = marks.filter(({ place }) => place <= last).at(-1);
  const place = rules.kind === "marks" ? deepest?.place : rules.kind === "automatic" && last >= 0 ? last : undefined;
  const estimate = place === undefined ? 0 : Math.floor((prefixes.tokens[place] ?? 0) * tokenRatio);
  const cachedTokens = estimate < rules.minTokens ? 0 : estimate - (estimate % Math.max(1, rules.stepTokens));
  return {
    digests,
    hashes: NO_HASHES,
    target: prompt.target,
    model: prompt.request.model,
    clientKey: prompt.request.promptCacheKey,
    sentAs: prompt.sentAs,
    promptTokens: prefixes.promptTokens,
    sentMs: nowMs,
    ttlMs: deepest === undefined ? Math.min(shortMs(rules), longMs(rules)) : deepest.ttlSeconds * 1_000,
    cachedSpans: place === undefined ? 0 : spansUpTo(spans, prefixes, place),
    cachedBlocks: place === undefined ? 0 : (prefixes.blocks[place] ?? 0),
    cachedTokens,
    isReadable: false,
  };
}

/** The piece where a share of the prompt ends. */
function pathAt({ paths, shares }: Facts, share: number): string {
  let at = 0;
  while (at + 1 < paths.length && (shares[at + 1] ?? 1) <= share) at += 1;
  return paths[at] ?? "messages";
}

/** Of a caller that says no class: those with the same tools and, but for what changes by itself, the same system text. */
function looseClass(digests: readonly SpanDigest[], spans: readonly Span[]): string {
  const names = digests.filter(({ kind }) => kind === "tool-name" || kind === "tool").map(({ exact }) => exact);
  const system = digests.filter(({ isVolatile }, at) => !isVolatile && spans[at]?.kind === "system");
  return `~${names.toSorted((one, other) => one - other).join(",")};${system.map(({ masked }) => masked).join(",")}`;
}

/** The tools, and the system text before anybody says anything. */
function staticFilter({ messages }: ChatRequest): (span: Span | undefined) => boolean {
  const first = messages.findIndex(({ role }) => role !== "system");
  const opening = first === -1 ? messages.length : first;
  return (span) => span !== undefined && (isToolSpan(span.kind) || span.at < opening);
}
