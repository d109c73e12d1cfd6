/**
 * One call's prompt at its cache boundary: what the planner is told of it, and what the plan means for the request that is sent.
 *
 * A text that was once parted at a place is parted there ever after: a provider need not find [ab] again where it was sent [a][b].
 */
import type { CacheDiagnosis, ChatRequest, Placed } from "../chat.ts";
import type { CachePlacement } from "../dialects/dialect.ts";
import type { GatewayError } from "../errors.ts";
import type { Target } from "../target.ts";
import { ratesFor, type Usage } from "../usage.ts";
import { chosenMarks, isAsking, isOursToMark, type MarkChoice } from "./mark-choice.ts";
import { markablePlaces } from "./marking.ts";
import { PrefixCounts } from "./counts.ts";
import { bustText, type ExplainedCall, type Explainer } from "./explainer.ts";
import type { CachingMode } from "./modes.ts";
import type { Hold, Plan, PlannedMark, PlannedPrompt, Planner, PlanUsage } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";
import { PartedPlaces } from "./parted-places.ts";
import { PrewarmedPrefixes } from "./prewarmed.ts";
import { type KeyWish, type Route, Routes } from "./routes.ts";
import { cacheRules, NO_CACHE, type CacheRules } from "./rules.ts";
import { cacheSettings } from "./settings.ts";
import { changesText, type MarkContract, marksText, type SentMark } from "./sent-marks.ts";
import { type Warming, warmedPlaces, warmingRefusal } from "./warming.ts";
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
  /** Whether it is sent with a key of its tenant's wherever it would be found without one; absent: no. */
  readonly isolates?: boolean;
  /** How many calls the client says will begin alike; below 2: it does not say. */
  readonly siblings: number;
  /** How far it is to be written to the cache, whatever its chances are, for a call that is made for that; absent: it is not. */
  readonly warms?: Warming | undefined;
  /** Whether it is only counted: nothing of it is in a cache afterwards. Absent: no. */
  readonly countsOnly?: boolean | undefined;
}

export type { Warming } from "./warming.ts";

/** A prompt on its way to one target: plan, then exactly one of `settled` and `failed`. */
export interface PlacedPrompt {
  /** What to change in the request; `undefined`: nothing. */
  readonly placement: CachePlacement | undefined;
  /** Why it cannot be sent for what it is for; `undefined`: it can. */
  readonly refusal: GatewayError | undefined;
  /** What is done about the client's marks, as text for the answer ("client=2;added=1"); `undefined`: nothing. */
  readonly marksChange: string | undefined;
  /** The marks that are sent, as text for the ledger ("5m@1200/client 5m@20000": lifetime, tokens, whose); `undefined`: none. */
  readonly marksText: string | undefined;
  /** Tokens (the target's) that will be read from its cache, by what is known. */
  readonly predictedRead: number;
  readonly hold: Hold | undefined;
  /** What broke a prefix that was expected to be read, as text for the ledger; `undefined`: nothing, as far as is known. */
  readonly bustText: string | undefined;
  /**
   * @param unplaced Of the placement, what has no counterpart in what was sent.
   * @param replica Where it goes to, of several that have a cache each.
   */
  sent(unplaced: readonly Placed[], nowMs: number, replica?: string): void;
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
  const parts: Parts = { planner, routes, parted, counts, prewarmed: new PrewarmedPrefixes(), released, explainer };
  return {
    place: (prompt, target, isTranslated, nowMs) => new Placement(parts, prompt, target, isTranslated, nowMs),
    warmTokens: (prompt, target, isTranslated, nowMs) =>
      countedRead(parts, prompt, target, outlook(parts, prompt, target, isTranslated, nowMs)),
  };
}

interface Parts {
  readonly planner: Planner;
  readonly routes: Routes;
  readonly parted: PartedPlaces;
  readonly counts: PrefixCounts;
  readonly prewarmed: PrewarmedPrefixes;
  readonly released: (plan: number, isReadable: boolean) => void;
  readonly explainer: Explainer | undefined;
}

class Placement implements PlacedPrompt {
  readonly placement: CachePlacement | undefined;
  readonly marksChange: string | undefined;
  readonly refusal: GatewayError | undefined;
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
  /** What is written on purpose, for calls that ask by beginning so; `undefined`: nothing is. Its own marks say where, if it has any. */
  readonly #warmed: "marks" | readonly PlannedMark[] | undefined;
  /** As far as it was written on purpose before; -1: it was not. */
  readonly #prewarmedPlace: number;
  #marks: readonly SentMark[];
  /** Of its marks those that nobody had written on purpose before. */
  #prewarmedAnew: readonly PlannedMark[] = [];
  #marksText: string | undefined;
  #predictedRead: number;
  /** Knows the call until its answer has begun, so that its text is not kept for as long as the answer runs. */
  #explain: (() => ExplainedCall) | undefined;
  #explained: ExplainedCall | undefined;
  #bustText: string | undefined;
  /** When its first event arrived. */
  #begunMs: number | undefined;
  /** Tokens up to where it is marked, or will be where there is something to read. */
  readonly #reachTokens: number;
  #sentMs = 0;
  #replica: string | undefined;

  constructor(parts: Parts, prompt: Prompt, target: Target, isTranslated: boolean, nowMs: number) {
    const seen = outlook(parts, prompt, target, isTranslated, nowMs);
    const { contract, planned, choice } = seen;
    this.#parts = parts;
    this.#target = target.name;
    this.#countedAs = countedAs(prompt, target);
    this.#prefixes = prompt.prefixes;
    this.#route = seen.route;
    this.#tokens = planned.tokens;
    this.#rules = seen.rules;
    this.#plan = seen.plan;
    this.#warmed = contract === undefined ? warmedPlaces(prompt, planned, target) : warmedMarks(prompt);
    this.#prewarmedPlace = seen.prewarmedPlace;
    this.#marks = choice.sent.marks;
    this.marksChange = changesText(choice.sent);
    this.refusal = warmingRefusal(prompt, planned, target, isTranslated);
    this.#reachTokens = choice.isPlanned || contract === undefined ? Infinity : choice.reachTokens;
    this.#predictedRead = countedRead(parts, prompt, target, seen);
    this.placement = wirePlacement(prompt.prefixes, contract, {
      sent: choice.sent,
      isOurs: choice.by === "gateway",
      parted: choice.by === "client" ? [] : parts.parted.of(prompt.prefixes, target.name),
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
        marksBy: choice.isPlanned ? "gateway" : "client",
        key: this.placement?.key,
        isTranslated,
        sentMs: this.#sentMs,
        begunMs: this.#begunMs ?? this.#sentMs,
        replica: this.#replica,
      });
  }

  get predictedRead(): number {
    return this.#predictedRead;
  }

  get hold(): Hold | undefined {
    const { hold, foundTokens } = this.#plan;
    if (hold === undefined || !this.#route.isTrusted) return undefined;
    // What is read is read at the call's own marks: without one in what is awaited, there is nothing to wait for.
    return this.#reachTokens >= foundTokens + hold.moreTokens ? hold : undefined;
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

  sent(unplaced: readonly Placed[], nowMs: number, replica?: string): void {
    this.#sentMs = nowMs;
    this.#replica = replica;
    const { spots } = this.#prefixes;
    const missing = new Set(unplaced.map(({ spot }) => spot));
    this.#marks = this.#marks.filter(({ place }) => !missing.has(spots[place] as Placed["spot"]));
    this.#marksText = marksText(this.#marks, this.#tokens);
    this.#parts.parted.learn(this.#prefixes, this.#marks, this.#target);
    this.#route.sent(nowMs);
    this.#parts.planner.sent(this.#plan, nowMs, this.#marks);
    this.#predictedRead = this.#counted();
    const { prewarmed } = this.#parts;
    if (this.#warmed !== undefined) {
      const written = this.#warmed === "marks" ? this.#marks : this.#warmed;
      this.#prewarmedAnew = prewarmed.write(this.#prefixes, written, this.#target, nowMs, this.#route.shard);
    } else if (this.#prewarmedPlace !== -1) prewarmed.read(this.#prefixes, this.#prewarmedPlace, this.#target, nowMs);
  }

  readable(nowMs: number): void {
    this.#begunMs = nowMs;
    this.#parts.planner.readable(this.#plan, nowMs);
    this.#parts.released(this.#plan.id, true);
  }

  explain(): void {
    this.#explained ??= this.#begunMs !== undefined ? this.#explain?.() : undefined;
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
    this.#parts.prewarmed.forget(this.#prefixes, this.#prewarmedAnew, this.#target);
    this.#parts.released(this.#plan.id, false);
  }

  #counted(): number {
    const { foundTokens } = this.#plan;
    return counted(this.#parts, foundTokens, {
      prefixes: this.#prefixes,
      tokens: this.#tokens,
      rules: this.#rules,
      countedAs: this.#countedAs,
      isTrusted: this.#route.isTrusted,
    });
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

/** What would become of a prompt at a target, before anything is sent. */
interface Outlook {
  readonly route: Route;
  readonly rules: CacheRules;
  readonly contract: MarkContract | undefined;
  readonly planned: PlannedPrompt;
  readonly plan: Plan;
  readonly prewarmedPlace: number;
  readonly choice: MarkChoice;
  /** Tokens that it reads, by our estimate. */
  readonly foundTokens: number;
}

function outlook(parts: Parts, prompt: Prompt, target: Target, isTranslated: boolean, nowMs: number): Outlook {
  const { planner, routes, prewarmed } = parts;
  const cache = target.record?.cache;
  const contract = cache?.kind === "marks" ? cache : undefined;
  const isRemembered = contract !== undefined || cache?.kind === "keyed";
  const prewarmedPlace = isRemembered ? prewarmed.placeIn(prompt.prefixes, target.name, nowMs) : -1;
  const writtenShard = prewarmed.shardAt(prompt.prefixes, prewarmedPlace, target.name);
  const may = mayKey(prompt, target, isTranslated, prewarmedPlace);
  const route = routes.of(prompt, target, { may, writtenShard }, nowMs);
  const planned = plannedPrompt(prompt, target, route, isTranslated);
  const isFound = route.finds !== "never" && prompt.countsOnly !== true;
  const rules = isFound ? rulesOf(target, prompt.prefixes.promptTokens) : NO_CACHE;
  const plan = planner.plan(planned, rules, target.name, nowMs);
  const choice = chosenMarks({ prompt, planned, plan, contract, isTranslated, prewarmedPlace });
  const foundTokens = planner.reads(plan, choice.sent.marks, nowMs);
  return { route, rules, contract, planned, plan, prewarmedPlace, choice, foundTokens };
}

function countedRead(parts: Parts, prompt: Prompt, target: Target, seen: Outlook): number {
  return counted(parts, seen.foundTokens, {
    prefixes: prompt.prefixes,
    tokens: seen.planned.tokens,
    rules: seen.rules,
    countedAs: countedAs(prompt, target),
    isTrusted: seen.route.isTrusted,
  });
}

interface Counting {
  readonly prefixes: Prefixes;
  readonly tokens: Uint32Array;
  readonly rules: CacheRules;
  readonly countedAs: string;
  readonly isTrusted: boolean;
}

/** What will be read, as the provider counts it, as far as that is known. */
function counted({ counts }: Parts, foundTokens: number, counting: Counting): number {
  const { prefixes, tokens, rules, isTrusted } = counting;
  if (foundTokens === 0 || !isTrusted) return 0;
  const place = tokens.lastIndexOf(foundTokens);
  const known = counts.tokensAt(prefixes, place, counting.countedAs, foundTokens);
  const stepped = Math.floor(known / rules.stepTokens) * rules.stepTokens;
  return stepped < rules.minTokens ? 0 : stepped;
}

function countedAs({ namespace }: Prompt, target: Target): string {
  return JSON.stringify([target.name, namespace]);
}

/** Whether a key of ours may be sent. Not where only this call would have it: those after it would not find what it wrote. */
function mayKey(prompt: Prompt, { record }: Target, isTranslated: boolean, prewarmedPlace: number): KeyWish["may"] {
  const { mode } = prompt;
  if (isOursToMark(prompt, isTranslated) || (isTranslated && mode !== "off")) return "always";
  // Where a key is what begins to cache at all, who wants nothing cached shares nothing.
  if (prompt.isolates === true && (mode !== "off" || record?.cache.kind !== "keyed")) return "always";
  if (mode === "off" || prompt.countsOnly === true) return "never";
  return isAsking(prompt, prewarmedPlace) ? "asked" : "goes-on";
}

function warmedMarks({ warms, mode }: Prompt): "marks" | undefined {
  return warms !== undefined && mode !== "off" ? "marks" : undefined;
}

function rulesOf({ record, price }: Target, promptTokens: number): CacheRules {
  if (record === undefined) return NO_CACHE;
  return cacheRules(record.cache, price === undefined ? undefined : ratesFor(price, promptTokens * record.tokenRatio));
}

function plannedPrompt(
  { request, prefixes, namespace, session }: Prompt,
  { record }: Target,
  { partition }: Route,
  isTranslated: boolean,
): PlannedPrompt {
  const ratio = record?.tokenRatio ?? 1;
  const contract = record?.cache.kind === "marks" ? record.cache : undefined;
  const settings = cacheSettings(request, prefixes, record);
  return {
    tenant: namespace,
    ...(partition === undefined ? {} : { partition }),
    hashes: prefixes.hashes,
    tokens: ratio === 1 ? prefixes.tokens : prefixes.tokens.map((tokens) => Math.ceil(tokens * ratio)),
    ...(contract === undefined ? {} : { markable: markablePlaces(request, prefixes, contract, isTranslated) }),
    blocks: prefixes.blocks,
    ...(settings === undefined ? {} : { settings }),
    staticPlace: prefixes.saidPlace === -1 ? prefixes.staticPlace : prefixes.saidPlace,
    promptTokens: Math.ceil(prefixes.promptTokens * ratio),
    lastKind: prefixes.lastKind,
    ...(request.stream ? {} : { isWhole: true }),
    ...(session === undefined ? {} : { session }),
  };
}

function planUsage(usage: Usage): PlanUsage | undefined {
  const { inputUncached, cacheRead } = usage;
  if (inputUncached === undefined || cacheRead === undefined) return undefined;
  const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWriteOther ?? 0);
  return { uncached: inputUncached, read: cacheRead, written };
}
