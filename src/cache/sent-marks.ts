/**
 * The marks that a prompt is sent with, and whose each of them is: the client's own, as they arrive at the provider, and beside them ours:
 * in `improve` all, in `respect` those that the client has asked for. None of the client's is taken away but what the provider would
 * refuse.
 */
import type { CacheMark, ChatRequest, Part } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import { deferredMarks } from "./marking.ts";
import type { PlannedMark } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";

export type MarkContract = Extract<CacheContract, { kind: "marks" }>;

export interface SentMark extends PlannedMark {
  /** `provider`: it sets this one by itself. */
  readonly by: "gateway" | "client" | "provider";
  /** Of the client's, the lifetime that it said. */
  readonly saidSeconds?: number;
  /** Whether it stands on the request as a whole. */
  readonly isWhole?: boolean;
  /** Whether it stands before its place, within what ends there. */
  readonly isWithin?: boolean;
}

export interface SentMarks {
  /** Shallow to deep, one a place. */
  readonly marks: readonly SentMark[];
  /** How many the client has set, and how many of them are not sent. */
  readonly said: number;
  readonly dropped: number;
  /** Whether some of the client's would be refused as they stand, so that all of them are set anew. */
  readonly anew: boolean;
}

export interface MarkAsk {
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  readonly contract: MarkContract;
  /** 1 where a mark can be put. */
  readonly markable: Uint8Array;
  readonly isTranslated: boolean;
}

export const NO_MARKS: SentMarks = { marks: [], said: 0, dropped: 0, anew: false };

/** Where the client has set none. @param wanted The most wanted first. */
export function oursOnly(wanted: readonly PlannedMark[], ask: MarkAsk): SentMarks {
  return { ...NO_MARKS, marks: longestFirst(asOurs(wanted.slice(0, ask.contract.maxMarks), ask)) };
}

/** The client's marks as they arrive: untouched in the provider's own dialect, elsewhere as its writer leaves them. */
export function clientsOnly(ask: MarkAsk): SentMarks {
  const said = saidMarks(ask);
  const kept = ask.isTranslated ? acceptable(said, ask) : said;
  const marks = onePlaceEach(kept);
  const { request, prefixes, contract } = ask;
  const end = { place: prefixes.spots.length - 1, ttlSeconds: Math.min(...contract.ttlSeconds) };
  const isEnded = request.saysCaching === true || marks.some(({ place }) => place === end.place);
  return {
    marks: !isEnded && setterOf(end, ask) === "provider" ? [...marks, { ...end, by: "provider" }] : marks,
    said: said.length,
    dropped: said.length - kept.length,
    anew: false,
  };
}

/**
 * The client's marks as they arrive, and of ours as many as there is room for, with lifetimes that fit in between.
 *
 * @param wanted The most wanted first.
 */
export function besideMarks(wanted: readonly PlannedMark[], ask: MarkAsk): SentMarks {
  const theirs = clientsOnly(ask);
  const said = ask.isTranslated ? acceptable(saidMarks(ask), ask) : saidMarks(ask);
  const isTheirs = ({ place }: PlannedMark) =>
    said.some((mark) => mark.place === place && mark.isWithin !== true) ||
    theirs.marks.some((mark) => mark.place === place && mark.by === "provider");
  const bySelf = theirs.marks.filter(({ by }) => by === "provider").length;
  // One that will be refused where it stands is counted all the same.
  const room = Math.max(0, ask.contract.maxMarks - said.length - deferredMarks(ask.request) - bySelf);
  const ours = wanted.filter((mark) => !isTheirs(mark)).slice(0, room);
  const fitting = ours.map((mark) => ({ ...mark, ttlSeconds: fittingSeconds(mark, said) }));
  return { ...theirs, marks: inOrder(onePlaceEach([...theirs.marks, ...asOurs(fitting, ask)])) };
}

/** No shorter than what stands behind it, and no longer than what stands in front of it. */
function fittingSeconds({ place, ttlSeconds }: PlannedMark, said: readonly SentMark[]): number {
  const isBehind = (mark: SentMark) => mark.place > place || (mark.place === place && mark.isWithin !== true);
  const least = Math.max(0, ...said.filter(isBehind).map((mark) => mark.ttlSeconds));
  const most = Math.min(Infinity, ...said.filter((mark) => !isBehind(mark)).map((mark) => mark.ttlSeconds));
  return Math.min(most, Math.max(least, ttlSeconds));
}

/**
 * The client's marks, with the lifetimes that the plan has for their places, and as many more of the plan's as there is room for.
 *
 * @param wanted The plan's, the most wanted first.
 */
export function improvedMarks(wanted: readonly PlannedMark[], ask: MarkAsk): SentMarks {
  const { contract, markable, request } = ask;
  const said = saidMarks(ask);
  const refused = deferredMarks(request);
  const kept = acceptable(said, ask);
  const isRefused = refused > 0 || kept.length < said.length || kept.some(isChanged);
  // Where some stand at no place of ours, the order of lifetimes and the room that is left are the client's.
  if (!isRefused && (kept.some(({ isWithin }) => isWithin) || onePlaceEach(kept).length < kept.length))
    return clientsOnly(ask);
  const anew = isRefused && !ask.isTranslated;
  const plans = new Map(wanted.map((mark) => [mark.place, mark]));
  const own = onePlaceEach(kept).flatMap((mark): readonly SentMark[] => {
    const plan = plans.get(mark.place);
    if (mark.isWhole === true) {
      plans.delete(mark.place);
      if (!anew) return [mark];
      // Set anew, it stands on the last block, if that can bear it.
      return markable[mark.place] === 1 ? [{ ...mark, isWhole: false }] : [];
    }
    plans.delete(mark.place);
    return [plan === undefined ? mark : { ...mark, ttlSeconds: plan.ttlSeconds }];
  });
  const room = Math.max(0, contract.maxMarks - own.length);
  const more = [...plans.values()].slice(0, room);
  return {
    marks: longestFirst([...own, ...asOurs(more, ask)]),
    said: said.length + refused,
    dropped: said.length + refused - own.length,
    anew,
  };
}

/** `client=2;added=1;ttl_changed=1;dropped=1`, for the answer's header; `undefined`: all is as the client has set it. */
export function changesText({ marks, said, dropped }: SentMarks): string | undefined {
  const added = marks.filter(({ by }) => by === "gateway").length;
  const changed = marks.filter(isChanged).length;
  if (added + changed + dropped === 0) return undefined;
  const words = [`client=${said}`, `added=${added}`, `ttl_changed=${changed}`, `dropped=${dropped}`];
  return words.filter((word, at) => at === 0 || !word.endsWith("=0")).join(";");
}

/**
 * For the ledger: "1h@1200/client:5m 5m@20000" is one of the client's for an hour in place of five minutes, behind 1,200 tokens, and one
 * of ours.
 */
export function marksText(marks: readonly SentMark[], tokens: Uint32Array): string | undefined {
  if (marks.length === 0) return undefined;
  return marks
    .map((mark) => {
      const whose = mark.by === "gateway" ? "" : `/${mark.by}`;
      const said = isChanged(mark) ? `:${lifetimeText(mark.saidSeconds)}` : "";
      return `${lifetimeText(mark.ttlSeconds)}@${tokens[mark.place] ?? 0}${whose}${said}`;
    })
    .join(" ");
}

/** Whether the client has said another lifetime. */
export function isChanged({ ttlSeconds, saidSeconds }: SentMark): boolean {
  return saidSeconds !== undefined && saidSeconds !== ttlSeconds;
}

function asOurs(marks: readonly PlannedMark[], ask: MarkAsk): readonly SentMark[] {
  return marks.map((mark) => ({ ...mark, by: setterOf(mark, ask) }));
}

function setterOf({ place }: PlannedMark, { prefixes, contract }: MarkAsk): "gateway" | "provider" {
  // The prompt's very end is no place that comes back where something was moved there.
  const isEnd = place === prefixes.spots.length - 1 && !prefixes.hasTail;
  return isEnd && contract.style === ENDS_ITSELF ? "provider" : "gateway";
}

/** The mark of models that set one at a prompt's end by themselves. */
export const ENDS_ITSELF = "prompt_cache_breakpoint";

/** In the order of the prompt. */
function saidMarks({ request, prefixes, contract, isTranslated }: MarkAsk): readonly SentMark[] {
  const end = prefixes.spots.length - 1;
  const usualSeconds = Math.min(...contract.ttlSeconds);
  const secondsOf = ({ ttl }: CacheMark) => (ttl === undefined ? usualSeconds : SECONDS[ttl]);
  const said = prefixes.marks.map(({ place, mark, isWithin }): SentMark => {
    const saidSeconds = secondsOf(mark);
    return { place: Math.min(place, end), ttlSeconds: saidSeconds, by: "client", saidSeconds, isWithin };
  });
  // Where content is marked only, there is no word for one on the whole.
  if (request.cache === undefined || end < 0 || (isTranslated && contract.style === ENDS_ITSELF)) return said;
  const saidSeconds = secondsOf(request.cache);
  return [...said, { place: end, ttlSeconds: saidSeconds, by: "client", saidSeconds, isWhole: true }];
}

const SECONDS: Readonly<Record<NonNullable<CacheMark["ttl"]>, number>> = {
  "5m": 300,
  "30m": 1_800,
  "1h": 3_600,
  "12h": 43_200,
};

export const TTLS: ReadonlyMap<number, NonNullable<CacheMark["ttl"]>> = new Map([
  [300, "5m"],
  [1_800, "30m"],
  [3_600, "1h"],
  [43_200, "12h"],
]);

function lifetimeText(seconds: number | undefined): string {
  return TTLS.get(seconds ?? 0) ?? `${seconds}s`;
}

/** Those of the client's that a provider takes, as dialects write them: of too many the last ones, a short life before a long one for both. */
function acceptable(said: readonly SentMark[], { contract, isTranslated, ...ask }: MarkAsk): readonly SentMark[] {
  const borne = said.filter(({ place, isWhole }) => {
    if (isWhole === true) return true;
    return isTranslated ? ask.markable[place] === 1 : bearsMark(ask, place);
  });
  const lifetimes = contract.ttlSeconds.toSorted((one, other) => one - other);
  let longest = Infinity;
  return borne.slice(Math.max(0, borne.length - contract.maxMarks)).map((mark) => {
    const known = lifetimes.find((seconds) => seconds >= mark.ttlSeconds) ?? Math.max(...lifetimes);
    longest = Math.min(longest, known);
    return { ...mark, ttlSeconds: longest };
  });
}

/** In its own dialect: all but what no provider takes one on. */
function bearsMark({ request, prefixes }: Pick<MarkAsk, "request" | "prefixes">, place: number): boolean {
  const spot = prefixes.spots[place];
  if (spot?.kind !== "part") return true;
  const part: Part | undefined = request.messages[spot.message]?.parts[spot.part];
  return part?.type === "text" ? part.text.trim() !== "" : part?.type !== "reasoning";
}

/** Of several at one place the last one. */
function onePlaceEach(marks: readonly SentMark[]): readonly SentMark[] {
  return [...new Map(marks.map((mark) => [mark.place, mark])).values()];
}

/** Shallow to deep. */
function inOrder(marks: readonly SentMark[]): readonly SentMark[] {
  return marks.toSorted((one, other) => one.place - other.place);
}

/** Shallow to deep, none with a shorter life than one behind it: what a longer one writes has all that stands before it. */
function longestFirst(marks: readonly SentMark[]): readonly SentMark[] {
  let seconds = 0;
  return inOrder(marks)
    .toReversed()
    .map((mark) => {
      seconds = Math.max(seconds, mark.ttlSeconds);
      return { ...mark, ttlSeconds: seconds };
    })
    .toReversed();
}
