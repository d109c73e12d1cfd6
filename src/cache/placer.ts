/**
 * One call's prompt at its cache boundary: what the planner is told of it, and what the plan means for the request that is sent.
 *
 * A text that was once parted at a place is parted there ever after: a provider need not find [ab] again where it was sent [a][b].
 */
import type { CacheDiagnosis, ChatRequest, Placed, Spot } from "../chat.ts";
import type { CachePlacement } from "../dialects/dialect.ts";
import type { CacheContract } from "../model.ts";
import type { Target } from "../target.ts";
import { ratesFor, type Usage } from "../usage.ts";
import { isMarked, markablePlaces } from "./marking.ts";
import { PrefixCounts } from "./counts.ts";
import { bustText, type ExplainedCall, type Explainer } from "./explainer.ts";
import type { CachingMode } from "./modes.ts";
import type { Hold, Plan, PlannedMark, PlannedPrompt, Planner, PlanUsage } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";
import { PartedPlaces } from "./parted-places.ts";
import { type Route, Routes } from "./routes.ts";
import { cacheRules, NO_CACHE, type CacheRules } from "./rules.ts";
import { cacheSettings } from "./settings.ts";
import {
  changesText,
  clientsOnly,
  ENDS_ITSELF,
  improvedMarks,
  type MarkAsk,
  type MarkContract,
  marksText,
  NO_MARKS,
  oursOnly,
  type SentMark,
  type SentMarks,
} from "./sent-marks.ts";
import { wirePlacement } from "./wire-placement.ts";

/** A call's prompt, read once for all the targets that it may go to. */
export interface Prompt {
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  /** Whose it is. */
  readonly namespace: string;
  /** The client's own name for the conversation. */
  readonly session: string | undefined;
  /** The task it belongs to, and its class where the client said it. */
  readonly task: string;
  readonly taskClass: string | undefined;
  readonly mode: CachingMode;
  /** How many calls the client says will begin alike; below 2: it does not say. */
  readonly siblings: number;
  /** How far it is to be written to the cache, whatever its chances are, for a call that is made for that; absent: it is not. */
  readonly warms?: Warming | undefined;
  /** Whether it is only counted: nothing of it is in a cache afterwards. Absent: no. */
  readonly countsOnly?: boolean | undefined;
}

/** To the prompt's end, or as far as it is static: to the client's boundary, or behind tools and system text. */
export type Warming = "end" | "static";

/** A prompt on its way to one target: plan, then exactly one of `settled` and `failed`. */
export interface PlacedPrompt {
  /** What to change in the request; `undefined`: nothing. */
  readonly placement: CachePlacement | undefined;
  /** What is done about the client's marks, as text for the answer ("client=2;added=1"); `undefined`: nothing. */
  readonly marksChange: string | undefined;
  /** The marks that are sent, as text for the ledger ("5m@1200/client 5m@20000": lifetime, tokens, whose); `undefined`: none. */
  readonly marksText: string | undefined;
  /** Tokens (the target's) that will be read from its cache, by what is known. */
  readonly predictedRead: number;
  readonly hold: Hold | undefined;
  /** What broke a prefix that was expected to be read, as text for the ledger; `undefined`: nothing, as far as is known. */
  readonly bustText: string | undefined;
  /** @param unplaced Of the placement, what has no counterpart in what was sent. */
  sent(unplaced: readonly Placed[], nowMs: number): void;
  /** Whom it is held for was waited for long enough. */
  giveUp(): void;
  /** The first event arrived. */
  readable(nowMs: number): void;
  /** What takes its time and nobody waits for: once the answer's first bytes are with the client. `settled` does it where nobody has. */
  explain(): void;
  /**
   * @param usage As the provider counted it; `undefined`: it did not say.
   * @param diagnosis What it said itself of the prompt's cache.
   */
  settled(usage: Usage | undefined, nowMs: number, diagnosis?: CacheDiagnosis): void;
  failed(): void;
}

export interface Placer {
  /** @param isTranslated Whether the target is spoken to in another dialect than the client's. */
  place(prompt: Prompt, target: Target, isTranslated: boolean, nowMs: number): PlacedPrompt;
  /** How many of the prompt's tokens (the target's) its cache has, by what is known. */
  warmTokens(prompt: Prompt, target: Target, isTranslated: boolean, nowMs: number): number;
}

/** What else is told of each prompt. */
export interface PlacerParts {
  /** Told of each plan whose prefix can be read now, or never will be. */
  readonly released?: (plan: number, isReadable: boolean) => void;
  readonly explainer?: Explainer;
}

export function createPlacer(planner: Planner, { released = () => {}, explainer }: PlacerParts = {}): Placer {
  const routes = new Routes();
  const parted = new PartedPlaces();
  const counts = new PrefixCounts();
  return {
    place: (prompt, target, isTranslated, nowMs) =>
      new Placement({ planner, routes, parted, counts, released, explainer }, prompt, target, isTranslated, nowMs),
    warmTokens(prompt, target, isTranslated, nowMs) {
      const route = routes.of(prompt, target, mayKey(prompt, isTranslated), nowMs);
      const rules = rulesOf(target, prompt.prefixes.promptTokens);
      if (rules.kind === "none" || !route.isTrusted) return 0;
      return planner.plan(plannedPrompt(prompt, target, route), rules, target.name, nowMs).predictedRead;
    },
  };
}

interface Parts {
  readonly planner: Planner;
  readonly routes: Routes;
  readonly parted: PartedPlaces;
  readonly counts: PrefixCounts;
  readonly released: (plan: number, isReadable: boolean) => void;
  readonly explainer: Explainer | undefined;
}

class Placement implements PlacedPrompt {
  readonly placement: CachePlacement | undefined;
  readonly marksChange: string | undefined;
  readonly #parts: Parts;
  readonly #plan: Plan;
  readonly #route: Route;
  /** Not the prompt's text, which is let go with the call's body: an answer may run for an hour after it. */
  readonly #prefixes: Prefixes;
  /** The prompt's tokens by this model's tokenizer, as we estimate them. */
  readonly #tokens: Uint32Array;
  readonly #target: string;
  /** Whose prompts its tokens are told from. */
  readonly #countedAs: string;
  readonly #rules: CacheRules;
  #marks: readonly SentMark[];
  #marksText: string | undefined;
  #predictedRead: number;
  /** Knows the call until its answer has begun, so that its text is not kept for as long as the answer runs. */
  #explain: (() => ExplainedCall) | undefined;
  #explained: ExplainedCall | undefined;
  #bustText: string | undefined;
  #isReadable = false;
  /** Whether it will be marked where there is something to read, or read without a mark. */
  readonly #readsAnywhere: boolean;
  #sentMs = 0;

  constructor(parts: Parts, prompt: Prompt, target: Target, isTranslated: boolean, nowMs: number) {
    const { planner, routes, parted } = parts;
    this.#parts = parts;
    this.#target = target.name;
    this.#countedAs = JSON.stringify([target.name, prompt.namespace]);
    this.#prefixes = prompt.prefixes;
    const cache = target.record?.cache;
    this.#route = routes.of(prompt, target, mayKey(prompt, isTranslated), nowMs);
    const planned = plannedPrompt(prompt, target, this.#route);
    this.#tokens = planned.tokens;
    const isSaid = isMarked(prompt.request);
    const isUsual = isOursToMark(prompt, isTranslated);
    // What the provider marks by itself, a prompt's end, would be what was moved there: it is another one next time.
    const isMissed = prompt.prefixes.hasTail && prompt.mode !== "off" && marksOf(cache)?.style === ENDS_ITSELF;
    const isOurs = isUsual || ((prompt.warms !== undefined || isMissed) && !isSaid);
    const isFound = this.#route.finds !== "never" && prompt.countsOnly !== true;
    this.#rules = isFound ? rulesOf(target, prompt.prefixes.promptTokens) : NO_CACHE;
    this.#plan = planner.plan(planned, this.#rules, target.name, nowMs);
    const forked = isOurs ? forkMarks(this.#plan.marks, prompt, planned, marksOf(cache)) : [];
    const ours = isOurs ? warmMarks(forked, prompt.warms, planned, marksOf(cache)) : [];
    const sent = sentMarks(ours, isOurs, markAsk(prompt, planned, marksOf(cache), isTranslated));
    this.#marks = sent.marks;
    this.marksChange = changesText(sent);
    this.#readsAnywhere = isOurs || marksOf(cache) === undefined;
    this.#predictedRead = this.#counted();
    this.placement = wirePlacement(prompt.prefixes, marksOf(cache), {
      sent,
      isOurs,
      parted: isOurs ? parted.of(prompt.prefixes, target.name) : [],
      key: this.#route.key,
    });
    const { explainer } = parts;
    if (explainer === undefined || this.#rules.kind === "none") return;
    this.#explain = () =>
      explainer.begun({
        prompt,
        target,
        rules: this.#rules,
        predictedRead: this.#predictedRead,
        marks: this.#marks,
        marksBy: isOurs ? "gateway" : "client",
        key: this.placement?.key,
        isTranslated,
        sentMs: this.#sentMs,
      });
  }

  get predictedRead(): number {
    return this.#predictedRead;
  }

  get hold(): Hold | undefined {
    const { hold, foundTokens } = this.#plan;
    if (hold === undefined || !this.#route.isTrusted) return undefined;
    if (this.#readsAnywhere) return hold;
    // What is read is read at the call's own marks: without one in what is awaited, there is nothing to wait for.
    const marked = this.#tokens[this.#marks.at(-1)?.place ?? -1] ?? 0;
    return marked >= foundTokens + hold.moreTokens ? hold : undefined;
  }

  get bustText(): string | undefined {
    return this.#bustText;
  }

  get marksText(): string | undefined {
    return this.#marksText;
  }

  giveUp(): void {
    const { hold } = this.#plan;
    if (hold === undefined) return;
    this.#parts.planner.giveUp(this.#plan);
    this.#parts.released(hold.leader, false);
  }

  sent(unplaced: readonly Placed[], nowMs: number): void {
    this.#sentMs = nowMs;
    const { spots } = this.#prefixes;
    const missing = new Set(unplaced.map(({ spot }) => spot));
    this.#marks = this.#marks.filter(({ place }) => !missing.has(spots[place] as Placed["spot"]));
    this.#marksText = marksText(this.#marks, this.#tokens);
    this.#parts.parted.learn(this.#prefixes, this.#marks, this.#target);
    this.#route.sent(nowMs);
    this.#parts.planner.sent(this.#plan, nowMs, this.#marks);
    this.#predictedRead = this.#counted();
  }

  readable(nowMs: number): void {
    this.#isReadable = true;
    this.#parts.planner.readable(this.#plan, nowMs);
    this.#parts.released(this.#plan.id, true);
  }

  explain(): void {
    this.#explained ??= this.#isReadable ? this.#explain?.() : undefined;
    this.#explain = undefined;
  }

  settled(usage: Usage | undefined, nowMs: number, diagnosis?: CacheDiagnosis): void {
    const used = usage === undefined ? undefined : planUsage(usage);
    if (used !== undefined) this.#learn(used, usage?.cacheWrite1h ?? 0);
    this.#parts.planner.settled(this.#plan, used, nowMs);
    this.#parts.released(this.#plan.id, true);
    this.explain();
    const bust = this.#explained?.settled(usage, diagnosis);
    if (bust !== undefined) this.#bustText = bustText(bust);
  }

  failed(): void {
    this.#explain = undefined;
    this.#parts.planner.failed(this.#plan);
    this.#parts.released(this.#plan.id, false);
  }

  /** What will be read, as the provider counts it, as far as that is known. */
  #counted(): number {
    const { foundTokens } = this.#plan;
    if (foundTokens === 0 || !this.#route.isTrusted) return 0;
    const { stepTokens, minTokens } = this.#rules;
    const place = this.#tokens.lastIndexOf(foundTokens);
    const counted = this.#parts.counts.tokensAt(this.#prefixes, place, this.#countedAs, foundTokens);
    const stepped = Math.floor(counted / stepTokens) * stepTokens;
    return stepped < minTokens ? 0 : stepped;
  }

  /** Everything up to the last mark was read or written, what is behind it was neither, and reading ended at the place that was found. */
  #learn({ uncached, read, written }: PlanUsage, writtenLong: number): void {
    const end = this.#tokens.length - 1;
    const last = this.#marks.at(-1)?.place ?? -1;
    const cached = read + (written ?? 0);
    const { counts } = this.#parts;
    const learn = (place: number, tokens: number) => {
      const estimate = this.#tokens[place];
      if (estimate !== undefined && tokens > 0)
        counts.learn(this.#prefixes, place, this.#countedAs, { tokens, estimate });
    };
    if ((last !== end || cached === 0) && !this.#prefixes.hasTail) learn(end, uncached + cached);
    if (last === -1) return;
    learn(last, cached);
    const lastLong = this.#marks.findLast(({ ttlSeconds }) => ttlSeconds === HOUR_SECONDS)?.place ?? -1;
    if (writtenLong > 0 && lastLong !== last) learn(lastLong, read + writtenLong);
    const found = this.#tokens.lastIndexOf(this.#plan.foundTokens);
    if (counts.isKnown(this.#prefixes, found, this.#countedAs)) return;
    if (Math.abs(read - this.#predictedRead) <= FOUND_TOKENS + FOUND_SHARE * this.#predictedRead) learn(found, read);
  }
}

const HOUR_SECONDS = 3_600;

/** What was read and what was to be differ by no more than this, by which estimates are wrong: they end at the same place. */
const FOUND_SHARE = 0.06;
const FOUND_TOKENS = 100;

/** Whether the gateway says what is cached, and not the client. */
function isOursToMark({ mode, request, countsOnly }: Prompt, isTranslated: boolean): boolean {
  if (countsOnly === true) return false;
  return mode === "improve" || (mode === "respect" && isTranslated && !isMarked(request));
}

/** Whether a key of ours may be sent. Not where only this call would have it: those after it would not find what it wrote. */
function mayKey(prompt: Prompt, isTranslated: boolean): boolean {
  return isOursToMark(prompt, isTranslated) || (isTranslated && prompt.mode !== "off");
}

function rulesOf({ record, price }: Target, promptTokens: number): CacheRules {
  if (record === undefined) return NO_CACHE;
  return cacheRules(record.cache, price === undefined ? undefined : ratesFor(price, promptTokens * record.tokenRatio));
}

function plannedPrompt(
  { request, prefixes, namespace, session }: Prompt,
  { record }: Target,
  { partition }: Route,
): PlannedPrompt {
  const ratio = record?.tokenRatio ?? 1;
  const contract = marksOf(record?.cache);
  const settings = cacheSettings(request, prefixes, record);
  return {
    tenant: namespace,
    ...(partition === undefined ? {} : { partition }),
    hashes: prefixes.hashes,
    tokens: ratio === 1 ? prefixes.tokens : prefixes.tokens.map((tokens) => Math.ceil(tokens * ratio)),
    ...(contract === undefined ? {} : { markable: markablePlaces(request, prefixes, contract) }),
    blocks: prefixes.blocks,
    ...(settings === undefined ? {} : { settings }),
    staticPlace: prefixes.saidPlace === -1 ? prefixes.staticPlace : prefixes.saidPlace,
    promptTokens: Math.ceil(prefixes.promptTokens * ratio),
    lastKind: prefixes.lastKind,
    ...(request.stream ? {} : { isWhole: true }),
    ...(session === undefined ? {} : { session }),
  };
}

function marksOf(cache: CacheContract | undefined): MarkContract | undefined {
  return cache?.kind === "marks" ? cache : undefined;
}

/**
 * The plan's marks, and one where siblings part that the client has announced: behind what comes before the last message. Of those it
 * is certain that they come back for it.
 */
function forkMarks(
  marks: readonly PlannedMark[],
  { prefixes, siblings }: Prompt,
  { tokens, markable }: PlannedPrompt,
  contract: MarkContract | undefined,
): readonly PlannedMark[] {
  if (siblings < 2 || contract === undefined) return marks;
  const { spots } = prefixes;
  const last = spots.at(-1);
  const lastMessage = last === undefined || last.kind === "tools" ? -1 : last.message;
  const isBefore = (spot: Spot) => spot.kind === "tools" || spot.message < lastMessage;
  const fork = spots.findLastIndex((spot, place) => isBefore(spot) && markable?.[place] === 1);
  if (fork === -1 || (tokens[fork] ?? 0) < contract.minTokens || marks.some(({ place }) => place === fork))
    return marks;
  const deeper = marks.filter(({ place }) => place > fork);
  const shallower = marks.filter(({ place }) => place < fork);
  // Behind a mark of a longer life none may stand in front of it with a shorter one.
  const ttlSeconds = deeper[0]?.ttlSeconds ?? Math.min(...contract.ttlSeconds);
  return [...shallower, { place: fork, ttlSeconds }, ...deeper].slice(-contract.maxMarks);
}

/** The plan's marks up to where the prompt is to be written, and one there. */
function warmMarks(
  marks: readonly PlannedMark[],
  warms: Warming | undefined,
  { tokens, markable, staticPlace }: PlannedPrompt,
  contract: MarkContract | undefined,
): readonly PlannedMark[] {
  if (warms === undefined || contract === undefined) return marks;
  const farthest = warms === "static" ? staticPlace : tokens.length - 1;
  const place = farthest < 0 ? -1 : (markable?.lastIndexOf(1, farthest) ?? farthest);
  const kept = marks.filter((mark) => mark.place <= place);
  if (place === -1 || (tokens[place] ?? 0) < contract.minTokens || kept.at(-1)?.place === place) return kept;
  return [...kept, { place, ttlSeconds: Math.min(...contract.ttlSeconds) }].slice(-contract.maxMarks);
}

function markAsk(
  { request, prefixes }: Prompt,
  { markable }: PlannedPrompt,
  contract: MarkContract | undefined,
  isTranslated: boolean,
): MarkAsk | undefined {
  // A model that is not sent marks reads and writes as if there were none.
  return contract === undefined || markable === undefined
    ? undefined
    : { request, prefixes, contract, markable, isTranslated };
}

function sentMarks(ours: readonly PlannedMark[], isOurs: boolean, ask: MarkAsk | undefined): SentMarks {
  if (ask === undefined) return NO_MARKS;
  if (!isOurs) return clientsOnly(ask);
  return isMarked(ask.request) ? improvedMarks(ours, ask) : oursOnly(ours, ask);
}

function planUsage(usage: Usage): PlanUsage | undefined {
  const { inputUncached, cacheRead } = usage;
  if (inputUncached === undefined || cacheRead === undefined) return undefined;
  const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
  return { uncached: inputUncached, read: cacheRead, written };
}
