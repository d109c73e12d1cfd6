/**
 * Tries targets in order until one gives a first good event. Nothing is retried after that.
 *
 * Each try is a reservation before it is sent and one settled row after it. What an error means (come back, go elsewhere, give up)
 * is the catalogue's to say; here it is only followed.
 */
import { Holding, type ForkJoin } from "./cache/fork-join.ts";
import type { Placer, Prompt } from "./cache/placer.ts";
import type { Predecessors } from "./cache/predecessors.ts";
import type { Prefixes } from "./cache/prefixes.ts";
import type { BackgroundAnswers } from "./background.ts";
import { begun, type FirstAnswer, type Refusal } from "./begun.ts";
import type { Bindings } from "./binding.ts";
import { leanings } from "./bound.ts";
import type { Breakers } from "./breaker.ts";
import { callFacts } from "./call-facts.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { GatewayError, mayRetrySame } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { outgoing, type Outgoing } from "./lane.ts";
import type { Ledger, LedgerEntry, Reservation } from "./ledger.ts";
import type { Log } from "./log.ts";
import { Meter } from "./meter.ts";
import type { Decision } from "./policies/policy.ts";
import type { Replicas, Visit } from "./replicas.ts";
import type { Candidate } from "./target.ts";
import type { Task } from "./task.ts";
import { answerCheck } from "./tasks/answer-check.ts";
import type { Tasks } from "./tasks/tasks.ts";
import { certainPromptTokens, PROMPT_TRUNCATED } from "./truncation.ts";
import { promptTokens } from "./usage.ts";
import { UpstreamFailure, type Deadlines, type Upstream } from "./upstream.ts";
import type { CallWindow, Windows } from "./windows.ts";

export interface AttemptSettings {
  readonly attemptsMax: number;
  /** Longest wait before trying again; a longer `retry-after` is the client's to keep. */
  readonly waitMaxMs: number;
  /** First wait when the upstream names none; doubles with each further try. */
  readonly backoffMs: number;
  readonly strict: boolean;
  /** Whether calls wait for a sibling that writes what they begin with. */
  readonly hold: boolean;
  /** Whether a provider that can tell why a prompt was not read from its cache is asked to, where the request is ours to write. */
  readonly diagnose: boolean;
  readonly deadlines: { readonly stream: Deadlines; readonly whole: Deadlines };
}

export interface AttemptDependencies {
  readonly dialect: (name: string) => Dialect;
  readonly upstream: Upstream;
  readonly ledger: Pick<Ledger, "reserve" | "settle">;
  readonly background: Pick<BackgroundAnswers, "postpone">;
  readonly bindings: Bindings;
  readonly breakers: Breakers;
  readonly replicas: Replicas;
  readonly placer: Placer;
  readonly forkJoin: ForkJoin;
  readonly predecessors: Predecessors;
  readonly windows: Windows;
  readonly tasks: Pick<Tasks, "answered">;
  readonly log: Pick<Log, "warn">;
  readonly now: () => number;
  /** Rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface AttemptContext {
  readonly exchange: Exchange;
  readonly task: Task;
  readonly prompt: Prompt;
  readonly decision: Decision;
  readonly policy: string;
  readonly settings: AttemptSettings;
  /** Aborted when the client has left and nothing more is worth reading. */
  readonly signal: AbortSignal;
}

export async function firstAnswer(
  context: AttemptContext,
  dependencies: AttemptDependencies,
): Promise<FirstAnswer | Refusal> {
  const { decision, settings, signal } = context;
  let refusal: Refusal | undefined;
  let tried = 0;
  /** What earlier tries and the waits between them took: the providers' time, not ours. */
  let theirsMs = 0;
  const { forkJoin, now } = dependencies;
  const holding = new Holding({ forkJoin, signal, now, elapsedMs: () => performance.now() });
  for (let index = 0; index < decision.order.length && tried < settings.attemptsMax; index += 1) {
    const candidate = decision.order[index];
    if (candidate === undefined) break;
    const isLast = index === decision.order.length - 1;
    for (let again = 0; tried < settings.attemptsMax; again += 1) {
      tried += 1;
      const triedAt = performance.now();
      const result = await tryOnce(context, candidate, { number: tried, theirsMs, holding, isLast }, dependencies);
      if (result.kind === "refused") logRefusal(result, context.exchange.id, tried, dependencies);
      theirsMs += performance.now() - triedAt;
      if (result.kind !== "refused") return result;
      if (!result.recorded) {
        // Nothing was sent: it is no try, and says less than the refusal of a target that was asked.
        tried -= 1;
        refusal ??= result;
        break;
      }
      refusal = result;
      if (signal.aborted) return refusal;
      if (!isLast && result.error.nextTarget) break;
      if (tried >= settings.attemptsMax) return refusal;
      const waitsAt = performance.now();
      if (!(await waited(result, again, settings, signal, dependencies))) return refusal;
      theirsMs += performance.now() - waitsAt;
    }
  }
  return (
    refusal ?? {
      kind: "refused",
      error: new GatewayError("internal", "the policy gave no target"),
      candidate: undefined,
      recorded: false,
      verbatim: undefined,
    }
  );
}

/** What only the operator can mend, with the reason that clients are not told (`ECONNREFUSED`). */
function logRefusal(
  { error, candidate }: Refusal,
  exchange: string,
  attempt: number,
  { log }: AttemptDependencies,
): void {
  if (error.status < 500 && error.kind !== "quota-exhausted") return;
  const code = (error.cause as { cause?: { code?: unknown } } | undefined)?.cause?.code;
  log.warn("attempt-failed", {
    exchange,
    attempt,
    target: candidate?.target.name,
    error: error.kind,
    code: typeof code === "string" ? code : undefined,
  });
}

/** Waits as the error asks. @returns false when trying again is not allowed or not worth it. */
async function waited(
  { error, elsewhere }: Refusal,
  again: number,
  settings: AttemptSettings,
  signal: AbortSignal,
  dependencies: AttemptDependencies,
): Promise<boolean> {
  if (!mayRetrySame(error, again)) return false;
  if (elsewhere === true) return true;
  const waitMs = error.retryAfterMs ?? settings.backoffMs * 2 ** again;
  if (waitMs > settings.waitMaxMs) return false;
  try {
    await dependencies.sleep(waitMs, signal);
    return true;
  } catch {
    return false;
  }
}

/** One of several. */
interface Try {
  readonly number: number;
  readonly theirsMs: number;
  readonly holding: Holding;
  /** Of the candidates. */
  readonly isLast: boolean;
}

async function tryOnce(
  context: AttemptContext,
  candidate: Candidate,
  attempt: Try,
  dependencies: AttemptDependencies,
): Promise<FirstAnswer | Refusal> {
  const { exchange, settings, signal } = context;
  const { target } = candidate;
  const ownBody = candidate.dialect === exchange.dialect.name ? exchange.body : {};
  const asked = { request: exchange.request, candidate, body: ownBody };
  const isTranslated = candidate.dialect !== exchange.dialect.name;
  const place = () => dependencies.placer.place(context.prompt, target, isTranslated, dependencies.now());
  const { now } = dependencies;
  const { holding } = attempt;
  const heldBeforeMs = holding.heldMs;
  const inVainBefore = holding.inVain;
  // From the last plan to its sending nothing else may run, so that one of many leads: no `await` stands in between.
  let placed = place();
  for (let hold = placed.hold; settings.hold && holding.isDue(hold); hold = placed.hold) {
    await holding.wait(hold, placed);
    placed = place();
  }
  const heldMs = holding.heldMs - heldBeforeMs;
  if (holding.inVain > inVainBefore && !attempt.isLast && dependencies.breakers.resting(target.name, now())) {
    const error = new GatewayError("overloaded", `${target.name} rests after failures`);
    return { kind: "refused", error, candidate, recorded: false, verbatim: undefined };
  }
  const window = dependencies.windows.ask(asked, dependencies.now());
  const { prefixes } = context.prompt;
  // What was moved behind the prompt's end is another in each of them.
  const isCompared = settings.diagnose && isTranslated && !prefixes.hasTail;
  const previousAnswer = isCompared ? dependencies.predecessors.of(prefixes, target.name) : undefined;
  const made = attempted(() =>
    outgoing(exchange, candidate, dependencies.dialect(candidate.dialect), {
      strict: settings.strict,
      call: callFacts(exchange.caller, window?.tokens, previousAnswer),
      placement: placed.placement,
    }),
  );
  if (made instanceof GatewayError)
    return { kind: "refused", error: made, candidate, recorded: false, verbatim: undefined };
  const losses = [...made.losses];
  const reservation = reservationOf(context, candidate, made, attempt.number, dependencies.now());
  const visit = dependencies.replicas.place(
    { instance: target.instance, model: target.model, prefixes: context.prompt.prefixes },
    dependencies.now(),
  );
  const { baseUrl } = visit;
  const meter = new Meter({
    reservation,
    candidate,
    visit,
    placed,
    heldMs,
    heldInAllMs: holding.heldMs,
    bindings: dependencies.bindings,
    tenant: exchange.caller.tenant,
    // What only the client's own dialect can name was found only where that was spoken.
    leansOn: made.lane === "same" ? leanings(exchange.request) : [],
    keepsAnswer: made.lane === "same" && made.dialect.keepsAnswers === true,
    check: answerCheck(exchange.request, made.lane === "same" ? () => made.dialect.decoder(true) : undefined),
    kept: keeperOf(exchange.caller.tenant, context.task.id, dependencies),
    losses,
    certainPromptTokens: certainPromptTokens(exchange.request, candidate, made.lane === "same" ? exchange.body : {}),
    overheadMs: performance.now() - exchange.startedAt - attempt.theirsMs - heldMs,
    ...(isCompared ? { answered: learnerOf(prefixes, candidate, dependencies) } : {}),
    settle: settlerOf(visit, candidate, dependencies),
    postpone: postponerOf(visit, candidate, exchange.caller.tenant, dependencies),
    now: dependencies.now,
  });
  const isRecorded = attempt.number === 1 && context.prompt.countsOnly !== true;
  dependencies.ledger.reserve(reservation, isRecorded ? context.prompt : undefined);
  const { bytes, unplaced, ...sent } = made;
  const answered = { candidate, outgoing: sent, meter, losses };
  visit.sent(dependencies.now());
  placed.sent(unplaced, dependencies.now());
  try {
    const answer = await dependencies.upstream.send({
      url: endpoint(candidate, baseUrl, made.lane === "same" ? exchange.search : ""),
      headers: {
        "content-type": "application/json",
        accept: exchange.request.stream ? made.dialect.streamContentType : "application/json",
        ...target.instance.provider.headers(exchange.headers, target.instance.settings),
      },
      body: bytes,
      deadlines: exchange.request.stream ? settings.deadlines.stream : settings.deadlines.whole,
      signal,
    });
    const result = await begun(answer, answered, exchange, now);
    if (result.kind === "refused") {
      noteWindow(window, result.error);
      return {
        ...result,
        overheadMs: meter.overheadMs,
        elsewhere: noteFailure(result.error, candidate, baseUrl, dependencies),
      };
    }
    window?.loaded();
    visit.began(dependencies.now());
    placed.readable(dependencies.now());
    dependencies.breakers.succeeded(target.name);
    return result;
  } catch (error) {
    const failure = gatewayErrorOf(error);
    settleFailed(meter, failure, !(error instanceof UpstreamFailure) || error.sent);
    const elsewhere = noteFailure(failure, candidate, baseUrl, dependencies);
    const { overheadMs } = meter;
    return { kind: "refused", error: failure, candidate, recorded: true, verbatim: undefined, elsewhere, overheadMs };
  }
}

function keeperOf(tenant: string, task: string, { tasks }: AttemptDependencies): (id: string) => void {
  return (id) => tasks.answered(tenant, id, task);
}

/** Made here, as a function made in `tryOnce` would keep all that is known there (the call's body) for as long as a stream runs. */
function settlerOf(
  visit: Visit,
  { target }: Candidate,
  dependencies: AttemptDependencies,
): (entry: LedgerEntry) => void {
  const { instance } = target;
  return (entry) => {
    // Before anybody else hears of it: the row is what must not be lost.
    dependencies.ledger.settle(entry);
    logTruncation(entry, dependencies);
    if (brokeOff(entry)) dependencies.replicas.failed(instance, visit.baseUrl, dependencies.now());
    visit.ended(entry);
  };
}

/** Which answer the prompt was given: what the next one is compared with. */
function learnerOf(
  prefixes: Prefixes,
  { target }: Candidate,
  { predecessors }: AttemptDependencies,
): (id: string) => void {
  return (id) => predecessors.answered(prefixes, target.name, id);
}

/** An answer that had begun: where none had, the try is noted as a whole. */
function brokeOff({ outcome, status, errorKind, ttftMs }: LedgerEntry): boolean {
  return (
    outcome === "failed" && ttftMs !== undefined && status !== undefined && status >= 500 && errorKind !== "internal"
  );
}

/** The call is over, and its bill is not. */
function postponerOf(
  visit: Visit,
  { target }: Candidate,
  tenant: string,
  { background }: AttemptDependencies,
): (id: string, entry: LedgerEntry) => void {
  const { price, instance } = target;
  const absentReadIsZero = instance.provider.absentCacheRead === "zero";
  return (id, entry) => {
    visit.ended(entry);
    background.postpone(id, tenant, { entry, price, absentReadIsZero });
  };
}

/** What a writer refuses is one target's refusal, not yet the exchange's. */
function attempted<Value>(make: () => Value): Value | GatewayError {
  try {
    return make();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

function logTruncation(entry: LedgerEntry, { log }: AttemptDependencies): void {
  if (!entry.losses.some((loss) => loss.field === PROMPT_TRUNCATED)) return;
  const target = `${entry.provider}/${entry.model}`;
  log.warn(PROMPT_TRUNCATED, { exchange: entry.exchange, target, promptTokens: promptTokens(entry.usage) });
}

function settleFailed(meter: Meter, error: GatewayError, mayBill: boolean): void {
  if (error.kind === "canceled") meter.canceled(mayBill);
  else meter.failed({ kind: error.kind, status: error.status, mayBill });
}

function gatewayErrorOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof UpstreamFailure) return new GatewayError(error.kind, error.message, { cause: error });
  return new GatewayError("internal", "the gateway failed while it read the provider's answer", { cause: error });
}

/** A server that has no memory for a window fails, and would go on to; some say so in words of a caller's mistake. */
function noteWindow(window: CallWindow | undefined, { kind, status, message }: GatewayError): void {
  if (kind === "context-too-long") window?.overflowed();
  else if (status >= 500 || /\bmemory\b/i.test(message)) window?.failed();
}

/**
 * Only what says something about the health of whom we called counts; a caller's mistake does not.
 *
 * @returns whether another replica is there to go to at once.
 */
function noteFailure(
  error: GatewayError,
  { target }: Candidate,
  baseUrl: string,
  dependencies: AttemptDependencies,
): boolean {
  if (error.status < 500 || error.kind === "internal") return false;
  const nowMs = dependencies.now();
  const elsewhere = dependencies.replicas.failed(target.instance, baseUrl, nowMs);
  // While another replica is there, the target is not at fault.
  if (!elsewhere) dependencies.breakers.failed(target.name, nowMs);
  return elsewhere;
}

function endpoint({ target, dialect }: Candidate, baseUrl: string, search: string): URL {
  const url = new URL(baseUrl + target.instance.provider.path(dialect, target.model, target.record));
  if (search !== "") url.search = search;
  return url;
}

function reservationOf(
  context: AttemptContext,
  candidate: Candidate,
  made: Outgoing,
  number: number,
  startedAtMs: number,
): Reservation {
  const { exchange, task, decision, policy } = context;
  return {
    attempt: `${exchange.id}.${number}`,
    exchange: exchange.id,
    task: task.id,
    taskClass: task.className,
    caller: exchange.caller.name,
    clientDialect: exchange.dialect.name,
    requestedModel: exchange.request.model,
    stream: exchange.request.stream,
    policy,
    reason: decision.reason,
    lane: made.lane,
    provider: candidate.target.instance.name,
    model: candidate.target.model,
    upstreamDialect: made.dialect.name,
    priceVersion: candidate.target.price?.version,
    startedAtMs,
    estimate: candidate.expectedCost,
    tenant: exchange.caller.tenant,
    signals: task.signals ?? [],
  };
}
