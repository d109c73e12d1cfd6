/**
 * Why a prompt was not read from its cache as the one before it promised: which piece broke the prefix, whose change it was, and what
 * it cost. Told from digests of the prompts sent before and from what the provider billed; no text is remembered.
 */
import type { CacheDiagnosis, ChatRequest } from "../chat.ts";
import { promptTokens, ratesFor, type PicoUsd, type Price, type Usage } from "../usage.ts";
import {
  memoryKey,
  RememberedPrompts,
  sameDigests,
  type BustMemoryOptions,
  type RememberedEntry,
  type RememberedPrompt,
} from "./bust-memory.ts";
import type { BustCause } from "./bust-cause.ts";
import { DigestPools, digestSpans, type DigestPool, type SpanDigest } from "./digests.ts";
import { groundsOf, settingsOf, type Grounds, type Pieces } from "./bust-grounds.ts";
import { lossOf, type Facts, type Loss } from "./bust-losses.ts";
import { areVersions, partingOf, type Breaker } from "./parting.ts";
import type { PlannedMark, PlannedSetting } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";
import { longMs, shortMs, type CacheRules } from "./rules.ts";
import { isToolSpan, spansOf, type Span } from "./spans.ts";
import { spansUpTo, tokensBefore } from "./span-places.ts";
import { extraCost } from "./extra-cost.ts";
import type { SentMark } from "./sent-marks.ts";
import { agrees, diagnosed, verdictOf, type Verdict } from "./verdict.ts";

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
  readonly price: Price | undefined;
  /** The target's tokens per estimated token. */
  readonly tokenRatio: number;
  /** What the planner said would be read, in the target's tokens. */
  readonly predictedRead: number;
  /** Those it carries, whoever set them. */
  readonly marks: readonly (PlannedMark & Partial<SentMark>)[];
  readonly marksBy: "client" | "gateway";
  /** What besides its text the target's cache tells apart. */
  readonly settings?: readonly PlannedSetting[] | undefined;
  /** What we decided around the prompt, by the name of the field: `prompt_cache_key`. */
  readonly sentAs: Readonly<Record<string, string>>;
  /** Which of several that have a cache each it went to; absent: there is one. */
  readonly replica?: string | undefined;
  /** Whether the client's noise goes along (it does to its own dialect). */
  readonly isNoiseSent: boolean;
  /** Whether the client's wire has a place of its own for system text; absent: yes. */
  readonly systemApart?: boolean;
  /** Whether content may be logged. */
  readonly excerpts: boolean;
}

/** A prompt under way: at most one of `settled` and `failed`, `readable` before. */
export interface WatchedPrompt {
  /** The first event arrived. */
  readable(nowMs: number): void;
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

class Watch implements WatchedPrompt {
  readonly #memory: RememberedPrompts;
  readonly #mine: readonly (readonly [key: string, prompt: RememberedPrompt])[];
  /** What this one was expected to go on from, as it was then. */
  readonly #expected: Grounds | undefined;
  readonly #facts: Facts;
  readonly #price: Price | undefined;
  readonly #counts: "cached" | "all" | "nothing";
  #agrees: boolean | undefined;

  constructor(memory: RememberedPrompts, pool: DigestPool, prompt: SentPrompt, nowMs: number) {
    const { prefixes, request, rules } = prompt;
    const spans = spansOf(request, prompt.systemApart);
    const taskKey = memoryKey(prompt.tenant, "task", prompt.task);
    const before = memory.of(taskKey);
    const digests = digestSpans(spans, sameDigests(before, spans, prefixes), pool);
    const classKey = memoryKey(prompt.tenant, "class", prompt.taskClass ?? looseClass(digests, spans));
    const settings = settingsOf(prompt.settings);
    const pieces: Pieces = { prompt, spans, digests, tokens: tokensBefore(spans, digests, prefixes), settings };
    const isStatic = staticFilter(request);
    const ofStatic: Pieces = {
      ...pieces,
      spans: spans.filter(isStatic),
      digests: digests.filter((_, at) => isStatic(spans[at])),
    };

    const like = before.filter((one) => areVersions(one.digests, digests));
    // Who begins anew at another target has had nothing there.
    const ofClass = memory
      .of(classKey)
      .filter((one) => one.target === prompt.target && areVersions(one.digests, ofStatic.digests));
    this.#expected =
      groundsOf(like, pieces, nowMs) ?? (like.length > 0 ? undefined : groundsOf(ofClass, ofStatic, nowMs));
    this.#facts = factsOf(pieces, this.#expected, coldTokens(like, pieces, nowMs));
    this.#price = prompt.price;
    this.#counts = rules.kind === "marks" ? "cached" : prefixes.hasTail ? "nothing" : "all";
    this.#memory = memory;
    this.#mine = [
      [taskKey, { ...remembered(pieces, nowMs, undefined), hashes: prefixes.hashes }],
      [classKey, remembered(ofStatic, nowMs, prefixes.staticPlace)],
    ];
    for (const [key, one] of this.#mine) memory.add(key, one);
  }

  readable(nowMs: number): void {
    for (const [, one] of this.#mine) one.readableMs ??= nowMs;
  }

  settled(usage: Usage | undefined, diagnosis?: CacheDiagnosis): Bust | undefined {
    for (const [, one] of this.#mine) one.readableMs ??= one.sentMs;
    const read = usage?.cacheRead;
    const whole = usage === undefined ? undefined : promptTokens(usage);
    if (usage === undefined || read === undefined || whole === undefined) {
      for (const [, one] of this.#mine) one.isUntold = true;
      return undefined;
    }
    this.#learn(usage, read, whole);
    const own = lossOf(this.#facts, this.#expected, read, whole);
    const found = diagnosis === undefined ? own : this.#joined(diagnosis, own, whole - read);
    if (found === undefined) return undefined;
    const rates = this.#price === undefined ? undefined : ratesFor(this.#price, whole);
    return { ...found, lostPicoUsd: extraCost(found.lostTokens, usage, rates) };
  }

  get agrees(): boolean | undefined {
    return this.#agrees;
  }

  failed(): void {
    for (const [key, one] of this.#mine) {
      one.isUntold = true;
      this.#memory.remove(key, one);
    }
  }

  /** What was billed says what can be read the next time: all up to the last mark, or in whole steps. */
  #learn(usage: Usage, read: number, whole: number): void {
    const [own, ofClass] = this.#mine.map(([, one]) => one);
    if (own === undefined || this.#counts === "nothing") return;
    const { stepTokens, minTokens } = this.#facts;
    const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
    const cached = this.#counts === "cached" ? Math.min(whole, read + written) : whole - (whole % stepTokens);
    own.countedTokens = cached < minTokens ? 0 : cached;
    const [deepest, opening] = [own.entries.at(-1), ofClass?.entries.at(-1)];
    if (ofClass !== undefined && deepest !== undefined && deepest.estimate === opening?.estimate)
      ofClass.countedTokens = own.countedTokens;
  }

  #joined(diagnosis: CacheDiagnosis, own: Loss | undefined, unread: number): Loss | undefined {
    const hasGrounds = this.#expected !== undefined || this.#facts.predictedRead > 0;
    this.#agrees = hasGrounds ? agrees(diagnosis, own) : undefined;
    if (diagnosis.type === "hit") return undefined;
    const lostTokens = Math.min(diagnosis.missedTokens ?? own?.lostTokens ?? 0, unread);
    if (lostTokens === 0) return undefined;
    return { ...diagnosed(diagnosis, this.#facts), lostTokens, verdict: verdictOf(diagnosis, own, this.#agrees) };
  }
}

function commonTokens(earlier: RememberedPrompt, { prompt, spans, digests, tokens }: Pieces): number {
  const { prefixes, tokenRatio } = prompt;
  const parting = partingOf(earlier.digests, digests, spans);
  const estimate = parting === undefined ? earlier.promptTokens : (tokens[parting.index] ?? prefixes.promptTokens);
  return Math.min(estimate, prefixes.promptTokens) * tokenRatio;
}

/** How much of this prompt siblings were writing that could not be read yet. */
function coldTokens(siblings: readonly RememberedPrompt[], pieces: Pieces, nowMs: number): number {
  const { target, rules, tokenRatio } = pieces.prompt;
  const shared = siblings
    .filter((one) => one.target === target && one.sentMs <= nowMs && !one.isUntold)
    .filter(({ readableMs = Infinity }) => readableMs > nowMs)
    .map((one) => Math.min(commonTokens(one, pieces), (one.entries.at(-1)?.estimate ?? 0) * tokenRatio));
  const most = Math.max(0, ...shared);
  return most < rules.minTokens ? 0 : Math.floor(most);
}

function factsOf({ prompt, spans, tokens }: Pieces, expected: Grounds | undefined, coldTokens: number): Facts {
  const { request, prefixes, rules } = prompt;
  const previous = expected?.previous;
  return {
    kind: rules.kind,
    stepTokens: rules.stepTokens,
    minTokens: rules.minTokens,
    predictedRead: prompt.predictedRead,
    promptTokens: prefixes.promptTokens * prompt.tokenRatio,
    tokenRatio: prompt.tokenRatio,
    paths: spans.map(({ path }) => path),
    shares: Float32Array.from(tokens, (before) => before / Math.max(1, prefixes.promptTokens)),
    parting: expected?.parting,
    partingExcerpt: expected?.excerpt,
    hasEarlier: previous !== undefined,
    isModelSame: previous === undefined || previous.model === request.model,
    isClientKeySame: previous === undefined || previous.clientKey === request.promptCacheKey,
    sentOtherwise: previous === undefined ? undefined : otherField(previous.sentAs, prompt.sentAs),
    marks: expected?.intact === undefined ? undefined : marksFault(prompt, expected.intact),
    isReplicaSame: previous === undefined || previous.replica === prompt.replica,
    isNoiseSent: prompt.isNoiseSent,
    coldTokens,
  };
}

function otherField(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string | undefined {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].find((field) => before[field] !== after[field]);
}

/** Whether no mark finds the earlier entry: there is none behind it, or each is too many blocks away. */
function marksFault(prompt: SentPrompt, entry: RememberedEntry): Facts["marks"] {
  const { rules, marks, prefixes } = prompt;
  if (rules.kind !== "marks") return undefined;
  const away = (places: readonly { readonly place: number }[]) =>
    places.map(({ place }) => (prefixes.blocks[place] ?? 0) - entry.blocks).filter((blocks) => blocks >= 0);
  const isFound = (blocks: number) => blocks < rules.lookback;
  const sent = away(marks);
  if (sent.some(isFound)) return undefined;
  // One that the client did set, and that did not arrive.
  const isDropped = away(prefixes.marks).some(isFound);
  const isClients = !isDropped && (prompt.marksBy === "client" || entry.by === "client");
  return { by: isClients ? "client" : "gateway", breaker: sent.length === 0 ? "marks" : "lookback" };
}

const NO_HASHES = new Uint32Array(0);
const MS_PER_SECOND = 1_000;

/** @param upTo The last place that may count; `undefined`: all do. */
function remembered(pieces: Pieces, nowMs: number, upTo: number | undefined): RememberedPrompt {
  const { prompt, digests, settings } = pieces;
  const last = prompt.prefixes.spots.length - 1;
  return {
    digests,
    hashes: NO_HASHES,
    target: prompt.target,
    model: prompt.request.model,
    clientKey: prompt.request.promptCacheKey,
    sentAs: prompt.sentAs,
    replica: prompt.replica,
    settings,
    promptTokens: prompt.prefixes.promptTokens,
    sentMs: nowMs,
    entries: entriesOf(pieces, Math.min(upTo ?? last, last)),
    countedTokens: undefined,
    isUntold: false,
    readableMs: undefined,
  };
}

function entriesOf({ prompt, spans }: Pieces, last: number): readonly RememberedEntry[] {
  const { prefixes, rules, marks, tokenRatio } = prompt;
  const shortestMs = Math.min(shortMs(rules), longMs(rules));
  const places =
    rules.kind === "marks"
      ? marks.filter(({ place }) => place <= last)
      : rules.kind === "none"
        ? []
        : [{ place: last }];
  return places.flatMap((mark: { readonly place: number } & Partial<SentMark>) => {
    const estimate = prefixes.tokens[mark.place] ?? 0;
    if (estimate === 0 || estimate * tokenRatio < rules.minTokens) return [];
    const ttlMs = mark.ttlSeconds === undefined ? shortestMs : mark.ttlSeconds * MS_PER_SECOND;
    const spot = prefixes.spots[mark.place];
    return {
      spans: spansUpTo(spans, prefixes, mark.place),
      within: spot?.kind === "text" ? spot.end : undefined,
      blocks: prefixes.blocks[mark.place] ?? 0,
      estimate,
      ttlMs,
      saidTtlMs: mark.saidSeconds === undefined ? ttlMs : mark.saidSeconds * MS_PER_SECOND,
      by: mark.by,
    };
  });
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
