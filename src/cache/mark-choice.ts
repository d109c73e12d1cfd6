/**
 * Which marks a prompt is sent with: the plan's where they are ours to set, and in `respect` beside the client's what it has asked for
 * itself. It asks by a fork that it announces, by its boundary line, and by having a prompt written on purpose.
 */
import type { Spot } from "../chat.ts";
import { isMarked } from "./marking.ts";
import type { Plan, PlannedMark, PlannedPrompt } from "./plan.ts";
import type { Prompt, Warming } from "./placer.ts";
import {
  besideMarks,
  clientsOnly,
  ENDS_ITSELF,
  improvedMarks,
  type MarkAsk,
  type MarkContract,
  NO_MARKS,
  oursOnly,
  type SentMarks,
} from "./sent-marks.ts";

export interface MarkChoice {
  readonly sent: SentMarks;
  /** Who says what is cached: the gateway alone; the client, which has asked the gateway for more; the client alone. */
  readonly by: "gateway" | "asked" | "client";
  /** Whether there will be a mark wherever the plan finds something to read. */
  readonly isPlanned: boolean;
  /** Tokens up to the deepest place that is marked, or will be once it can be read. */
  readonly reachTokens: number;
}

export interface ChoiceAsk {
  readonly prompt: Prompt;
  readonly planned: PlannedPrompt;
  readonly plan: Plan;
  /** `undefined`: nothing is marked at this target. */
  readonly contract: MarkContract | undefined;
  readonly isTranslated: boolean;
  /** The place up to which the client had it written on purpose; -1: it had not. */
  readonly prewarmedPlace: number;
}

export function chosenMarks(ask: ChoiceAsk): MarkChoice {
  const { prompt, planned, contract, isTranslated } = ask;
  const { request, prefixes } = prompt;
  const by = whoSays(ask);
  const { markable } = planned;
  if (contract === undefined || markable === undefined)
    return { sent: NO_MARKS, by, isPlanned: by === "gateway", reachTokens: 0 };
  const asked = askedPlaces(ask, contract);
  const wanted = by === "client" ? [] : wantedMarks(ask, asked, contract);
  const isSaid = isMarked(request);
  const marks: MarkAsk = { request, prefixes, contract, markable, isTranslated };
  const sent = sentMarks(by, isSaid ? "said" : "unsaid", { wanted, asked: asked.places }, marks);
  const reached = [...sent.marks.map(({ place }) => place), ...(by === "client" ? [] : asked.places)];
  return {
    sent,
    by,
    isPlanned: by === "gateway" || (by === "asked" && !isSaid),
    reachTokens: Math.max(0, ...reached.map((place) => planned.tokens[place] ?? 0)),
  };
}

/** Whether the gateway says what is cached where nobody asks for more, and not the client. */
export function isOursToMark({ mode, request, countsOnly }: Prompt, isTranslated: boolean): boolean {
  if (countsOnly === true) return false;
  return mode === "improve" || (mode === "respect" && isTranslated && !isMarked(request));
}

/** Whether the client asks for more than it says itself. @param prewarmedPlace As in `ChoiceAsk`. */
export function isAsking({ prefixes, siblings, warms }: Prompt, prewarmedPlace: number): boolean {
  return siblings >= 2 || prefixes.saidPlace !== -1 || warms !== undefined || prewarmedPlace !== -1;
}

function whoSays({ prompt, contract, isTranslated, prewarmedPlace }: ChoiceAsk): MarkChoice["by"] {
  const { request, prefixes, mode, warms, countsOnly } = prompt;
  if (isOursToMark(prompt, isTranslated)) return "gateway";
  // What the provider marks by itself, a prompt's end, would be what was moved there: it is another one next time.
  const isMissed = prefixes.hasTail && mode !== "off" && contract?.style === ENDS_ITSELF;
  if ((warms !== undefined || isMissed) && !isMarked(request)) return "gateway";
  if (countsOnly === true || mode !== "respect") return "client";
  return isAsking(prompt, prewarmedPlace) ? "asked" : "client";
}

interface Asked {
  /** Where siblings part, and as far as the prompt is to be written; -1: it is not asked for. */
  readonly fork: number;
  readonly warm: number;
  /** These, the client's boundary and what it had written before. */
  readonly places: readonly number[];
}

function askedPlaces({ prompt, planned, prewarmedPlace }: ChoiceAsk, { minTokens }: MarkContract): Asked {
  const { tokens } = planned;
  const isLongEnough = (place: number) => place !== -1 && (tokens[place] ?? 0) >= minTokens;
  const fork = forkPlace(prompt, planned);
  const warm = warmPlace(prompt.warms, planned);
  const { saidPlace } = prompt.prefixes;
  const said = saidPlace === -1 ? -1 : lastMarkable(planned, saidPlace);
  const places = [fork, warm, said, prewarmedPlace].filter(isLongEnough);
  return { fork: isLongEnough(fork) ? fork : -1, warm: isLongEnough(warm) ? warm : -1, places };
}

/** Where siblings part that the client has announced: behind what comes before the last message. */
function forkPlace({ prefixes, siblings }: Prompt, { markable }: PlannedPrompt): number {
  if (siblings < 2) return -1;
  const { spots } = prefixes;
  const last = spots.at(-1);
  const lastMessage = last === undefined || last.kind === "tools" ? -1 : last.message;
  const isBefore = (spot: Spot) => spot.kind === "tools" || spot.message < lastMessage;
  return spots.findLastIndex((spot, place) => isBefore(spot) && markable?.[place] === 1);
}

function warmPlace(warms: Warming | undefined, planned: PlannedPrompt): number {
  if (warms === undefined) return -1;
  return lastMarkable(planned, warms === "static" ? planned.staticPlace : planned.tokens.length - 1);
}

function lastMarkable({ markable }: PlannedPrompt, farthest: number): number {
  // Below zero it would count from the end.
  return farthest < 0 ? -1 : (markable?.lastIndexOf(1, farthest) ?? farthest);
}

/**
 * The plan's marks with those that were asked for, the most wanted first: what is read now, what was asked for, then the deepest. Of
 * siblings it is certain that they come back, and of what is written on purpose; another that writes the same already is enough.
 */
function wantedMarks({ prompt, planned, plan }: ChoiceAsk, asked: Asked, contract: MarkContract): PlannedMark[] {
  const { tokens } = planned;
  const { fork, warm } = asked;
  const isComing = (tokens[fork] ?? 0) <= plan.comingTokens;
  const forked = fork === -1 || isComing ? plan.marks : withMark(plan.marks, fork, contract);
  const kept = prompt.warms === undefined ? forked : forked.filter(({ place }) => place <= warm);
  const marks = warm === -1 ? kept : withMark(kept, warm, contract);
  const rank = ({ place }: PlannedMark) => {
    if (plan.foundTokens > 0 && tokens[place] === plan.foundTokens) return 0;
    return place === fork || place === warm ? 1 : 2;
  };
  return marks.toSorted((one, other) => rank(one) - rank(other) || other.place - one.place);
}

function withMark(marks: readonly PlannedMark[], place: number, contract: MarkContract): readonly PlannedMark[] {
  if (marks.some((mark) => mark.place === place)) return marks;
  // Behind a mark of a longer life none may stand in front of it with a shorter one.
  const deeper = marks.find((mark) => mark.place > place);
  return [...marks, { place, ttlSeconds: deeper?.ttlSeconds ?? Math.min(...contract.ttlSeconds) }].sort(
    (one, other) => one.place - other.place,
  );
}

interface Wish {
  /** The most wanted first. */
  readonly wanted: readonly PlannedMark[];
  readonly asked: readonly number[];
}

function sentMarks(
  by: MarkChoice["by"],
  client: "said" | "unsaid",
  { wanted, asked }: Wish,
  marks: MarkAsk,
): SentMarks {
  switch (by) {
    case "gateway":
      return client === "said" ? improvedMarks(wanted, marks) : oursOnly(wanted, marks);
    case "asked":
      // Where it has said itself what else is cached, it gets what it has asked for and no more.
      return besideMarks(client === "said" ? wanted.filter(({ place }) => asked.includes(place)) : wanted, marks);
    case "client":
      return clientsOnly(marks);
  }
}
