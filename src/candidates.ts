/**
 * Which targets can take a request, and in which dialect each would be spoken to: what a policy chooses from.
 */
import { boundTargets, boundTo, unreadable, type BoundContext } from "./bound.ts";
import type { ChatRequest, DialectName } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import { can, isThread, needs, reads, type Need } from "./needs.ts";
import { isAuto, type Candidate, type Target } from "./target.ts";
import { costOf, ratesFor, UNKNOWN_USAGE, type PicoUsd, type Price, type Usage } from "./usage.ts";

export interface CandidateContext extends Omit<BoundContext, "isChosenHere"> {
  readonly clientDialect: DialectName;
  /** The prompt, estimated by o200k_base. */
  readonly promptTokens: number;
  /** How many of the prompt's tokens (the target's) are probably warm there. */
  readonly warmTokens: (target: Target, dialect: DialectName) => number;
  /** What a client could name instead, for an error to tell; absent: nothing. */
  readonly others?: () => readonly Target[];
  /** Asked once for each target: a breaker lets one probe through. */
  readonly resting: (target: Target) => boolean;
  /** Told of each target that is left out, and why. */
  readonly leftOut?: (target: Target, why: string) => void;
}

/**
 * The targets that can take this request, with what a policy needs to compare them.
 *
 * Never a target that cannot read what the request holds, that a hard binding excludes, or whose window it certainly overflows. Where others remain, also none
 * that would lose something (a hosted tool beside functions), of which it is not known that it can, or that it overflows by our estimate.
 *
 * @throws GatewayError `unsupported` naming the need, `context-too-long` with the numbers, or what `boundTargets` says, when none is left.
 */
export function candidates(
  request: ChatRequest,
  targets: readonly Target[],
  context: CandidateContext,
): readonly Candidate[] {
  const needed = needs(request);
  const isChosenHere = isAuto(request.model);
  const kept = boundTargets(targets, { ...context, isChosenHere });
  tellLeftOut(targets, kept, () => "what the conversation goes on from is elsewhere", context);
  const spoken = kept.map((target) => ({
    target,
    dialect: dialectFor(target, request, needed, context.clientDialect),
  }));
  const able = spoken.filter((one) => missing(needed, one, request, context) === undefined);
  tellLeftOut(spoken, able, (one) => `cannot take ${missing(needed, one, request, context)?.word}`, context);
  if (able.length === 0) throw unsupported(request, needed, spoken, context);
  const fitting = able.filter(({ target }) => !overflows(target, context.promptTokens * CERTAIN_SHARE));
  tellLeftOut(able, fitting, ({ target }) => overflowText(target, context.promptTokens), context);
  if (fitting.length === 0)
    throw tooLong(
      able.map(({ target }) => target),
      context.promptTokens,
    );
  const sure = preferred(fitting, ({ target }) => isSure(needed, target, request));
  const lossless = preferred(sure, (one) => losing(needed, one, context) === undefined);
  const roomy = preferred(lossless, ({ target }) => !overflows(target, context.promptTokens));
  tellLeftOut(fitting, sure, () => "is not known to take what is asked for, as others are", context);
  tellLeftOut(sure, lossless, (one) => `would lose ${losing(needed, one, context)?.word}`, context);
  tellLeftOut(lossless, roomy, ({ target }) => overflowText(target, context.promptTokens), context);
  const isBound = boundTo(
    roomy.map(({ target }) => target),
    context.bindings,
  );
  return roomy.map((one) => ({
    ...candidate(request, one.target, one.dialect, context),
    bound: isBound(one.target),
    unreadable: asItStands(one, context) ? [] : unreadable(one.target, context.bindings),
  }));
}

interface Spoken {
  readonly target: Target;
  readonly dialect: DialectName;
}

function tellLeftOut<One extends Target | Spoken>(
  all: readonly One[],
  left: readonly One[],
  why: (one: One) => string,
  { leftOut }: CandidateContext,
): void {
  if (leftOut === undefined || all.length === left.length) return;
  for (const one of all) if (!left.includes(one)) leftOut("target" in one ? one.target : one, why(one));
}

/**
 * What the target is to be spoken to in: the client's own dialect, as then nothing has to be translated, unless its provider says
 * that the model takes this request better in another. Never so that something which only the client's dialect can say is lost.
 */
function dialectFor(
  { instance, model, record }: Target,
  request: ChatRequest,
  needed: readonly Need[],
  clientDialect: DialectName,
): DialectName {
  const dialects = instance.provider.dialects(model, record);
  const speaksIt = dialects.includes(clientDialect);
  if (speaksIt && needed.some(({ kind }) => kind === "dialect" || kind === "better-in-dialect")) return clientDialect;
  const also = request.alsoIn?.find((name) => dialects.includes(name));
  if (also !== undefined) return also;
  const preferred = instance.provider.prefers?.(request, record);
  if (preferred !== undefined && dialects.includes(preferred)) return preferred;
  return speaksIt ? clientDialect : dialects[0];
}

function preferred(all: readonly Spoken[], isBetter: (one: Spoken) => boolean): readonly Spoken[] {
  const better = all.filter(isBetter);
  return better.length === 0 ? all : better;
}

/** Whether the client named the model and is spoken for in its own words: the provider says best itself what it does not take. */
function asItStands(one: Spoken, { clientDialect, explicit }: CandidateContext): boolean {
  return explicit && one.dialect === clientDialect;
}

/** The first need that this target certainly cannot meet. In the client's own dialect the provider says that best itself. */
function missing(
  needed: readonly Need[],
  one: Spoken,
  request: ChatRequest,
  context: CandidateContext,
): Need | undefined {
  if (asItStands(one, context)) return undefined;
  return needed.find((need) => {
    if (need.kind === "dialect")
      return one.dialect !== context.clientDialect && need.alsoIn?.includes(one.dialect) !== true;
    // Who named a model for something else than conversations is told by its provider what it is for: nothing is lost on the way.
    if (need.kind === "ability" && need.ability === "chat" && context.explicit) return false;
    if (need.kind === "ability") return can(one.target.record, need.ability, request) === false;
    return need.kind === "input" && one.target.record !== undefined && !reads(one.target.record, need.word);
  });
}

/** The first need that this target meets in part only. */
function losing(needed: readonly Need[], one: Spoken, context: CandidateContext): Need | undefined {
  return needed.find((need) => {
    if (need.kind === "better-in-dialect") return one.dialect !== context.clientDialect;
    if (need.kind === "sealed") return one.dialect !== need.dialect;
    return need.kind === "forced-tools" && one.target.record?.forcedTools === false;
  });
}

function unsupported(
  request: ChatRequest,
  needed: readonly Need[],
  spoken: readonly Spoken[],
  context: CandidateContext,
): GatewayError {
  const words = new Set(spoken.map((one) => missing(needed, one, request, context)?.word ?? ""));
  const names = spoken.map((one) => one.target.name).slice(0, 5);
  const thread = request.extra["thread"];
  const isKnown = [...words].every((word) => needed.some((need) => need.word === word && isOnRecord(need)));
  const remedy = remedyFor(request, needed, isKnown ? (context.others?.() ?? []) : [], context);
  const message = `the request needs ${[...words].join(", ")}, which ${names.join(", ")} cannot take; ${remedy}`;
  // By these words clients of threads know that they may go on with the whole history instead.
  const details = { error_code: "thread_unsupported_request", unsupported: ["thread"] };
  return new GatewayError("unsupported", message, isThread(thread) ? { details } : {});
}

/** Whether records tell who can: of a hosted tool nobody knows, as long as it can be said. */
function isOnRecord({ kind }: Need): boolean {
  return kind === "ability" || kind === "input";
}

/** @param others Who may be named: those of them that are known to take the request. */
function remedyFor(
  request: ChatRequest,
  needed: readonly Need[],
  others: readonly Target[],
  context: CandidateContext,
): string {
  const free = { ...context, explicit: false };
  const able = others.filter((target) => {
    const one = { target, dialect: dialectFor(target, request, needed, context.clientDialect) };
    return (
      target.record !== undefined &&
      missing(needed, one, request, free) === undefined &&
      isSure(needed, target, request)
    );
  });
  const told = able.slice(0, 3).map(({ name }) => `\`${name}\``);
  return told.length === 0
    ? "choose another target or leave it out"
    : `name a model that can (${told.join(", ")}), or leave it out`;
}

/** Whether everything that it must be able to is known of it. */
function isSure(needed: readonly Need[], { record }: Target, request: ChatRequest): boolean {
  return needed.every((need) => need.kind !== "ability" || can(record, need.ability, request) === true);
}

/** Our estimates are within a few percent for most texts; a prompt that would not fit even so much smaller does not fit. */
const CERTAIN_SHARE = 0.6;

function overflows(target: Target, promptTokens: number): boolean {
  const { record } = target;
  const most = record?.maxInputTokens ?? record?.contextTokens;
  return record !== undefined && most !== undefined && promptTokens * record.tokenRatio > most;
}

function overflowText({ record }: Target, promptTokens: number): string {
  const tokens = Math.round(promptTokens * (record?.tokenRatio ?? 1));
  return `takes ${record?.maxInputTokens ?? record?.contextTokens ?? 0} (the prompt is about ${tokens})`;
}

function tooLong(targets: readonly Target[], promptTokens: number): GatewayError {
  const limits = targets.map((target) => `${target.name} ${overflowText(target, promptTokens)}`);
  return new GatewayError(
    "context-too-long",
    `the prompt is too long and exceeds the context window: in tokens, ${limits.slice(0, 5).join("; ")}`,
    {
      code: "context_length_exceeded",
      param: "messages",
    },
  );
}

/** What an answer is taken to be when nothing is known: caps of agents (32,000 and more) say nothing about it. */
const OUTPUT_TOKENS = 500;

function candidate(
  request: ChatRequest,
  target: Target,
  dialect: DialectName,
  context: CandidateContext,
): Omit<Candidate, "bound" | "unreadable"> {
  const ratio = target.record?.tokenRatio ?? 1;
  const promptTokens = Math.ceil(context.promptTokens * ratio);
  const warmTokens = Math.min(promptTokens, context.warmTokens(target, dialect));
  const outputTokens = Math.min(request.maxOutputTokens ?? OUTPUT_TOKENS, OUTPUT_TOKENS);
  return {
    target,
    dialect,
    promptTokens,
    warmTokens,
    outputTokens,
    expectedCost:
      target.price === undefined ? undefined : expectedCost(target.price, promptTokens, warmTokens, outputTokens),
    named: context.explicit,
    resting: context.resting(target),
  };
}

function expectedCost(
  price: Price,
  promptTokens: number,
  warmTokens: number,
  outputTokens: number,
): PicoUsd | undefined {
  // What is warm but has no price of its own is paid like the rest.
  const read = ratesFor(price, promptTokens).cacheRead === undefined ? 0 : warmTokens;
  const usage: Usage = { ...UNKNOWN_USAGE, inputUncached: promptTokens - read, cacheRead: read, output: outputTokens };
  return costOf(usage, price);
}
