/** One attempt: placed at its cache boundary, held for a sibling, written, reserved, sent, and answered by a first good event or a refusal. */
import type { AttemptContext, AttemptDependencies } from "./attempt-context.ts";
import { attemptId, keeperOf, learnerOf, postponerOf, reservationOf, settlerOf } from "./attempt-row.ts";
import { begun, type FirstAnswer, type Refusal } from "./begun.ts";
import { leanings } from "./bound.ts";
import { holdMoney } from "./budgets/hold.ts";
import type { Holding } from "./cache/fork-join.ts";
import { callFacts } from "./call-facts.ts";
import { GatewayError } from "./errors.ts";
import { outgoing } from "./lane.ts";
import { Meter } from "./meter.ts";
import type { Candidate } from "./target.ts";
import { answerCheck } from "./tasks/answer-check.ts";
import { certainPromptTokens } from "./truncation.ts";
import { UpstreamFailure } from "./upstream.ts";
import type { CallWindow } from "./windows.ts";

/** One of several. */
export interface Try {
  readonly number: number;
  readonly theirsMs: number;
  readonly holding: Holding;
  /** Of the candidates. */
  readonly isLast: boolean;
}

export async function tryOnce(
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
  const unheldRead = placed.predictedRead;
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
  const made =
    placed.refusal ??
    attempted(() =>
      outgoing(exchange, candidate, dependencies.dialect(candidate.dialect), {
        strict: settings.strict,
        call: callFacts(exchange.caller, window?.tokens, previousAnswer),
        placement: placed.placement,
        asksLogprobs: context.asksLogprobs,
      }),
    );
  if (made instanceof GatewayError)
    return { kind: "refused", error: made, candidate, recorded: false, verbatim: undefined };
  const startedAtMs = dependencies.now();
  const held =
    context.prompt.countsOnly === true
      ? undefined
      : holdMoney(
          {
            attempt: attemptId(exchange, attempt.number),
            exchange,
            subject: context.subject,
            target,
            bodyBytes: made.bytes.length,
            isTranslated: made.lane === "translated",
            startedAtMs,
          },
          dependencies.budgets,
        );
  if (held instanceof GatewayError)
    return { kind: "refused", error: held, candidate, recorded: false, verbatim: undefined };
  const losses = [...made.losses];
  const reservation = reservationOf(context, candidate, made, { number: attempt.number, startedAtMs }, held);
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
    unheldRead,
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
  placed.sent(unplaced, dependencies.now(), baseUrl);
  const unwritten = held?.isHard === true ? await dependencies.ledger.written() : undefined;
  if (unwritten !== undefined) {
    settleFailed(meter, unwritten, false);
    return { kind: "refused", error: unwritten, candidate, recorded: true, verbatim: undefined };
  }
  try {
    const sending = dependencies.upstream.send({
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
    // On its way: what it takes to write this down keeps nobody waiting.
    const recorded = attempt.number === 1 ? context.recorded() : undefined;
    if (recorded !== undefined) dependencies.ledger.explain(reservation.attempt, recorded);
    const answer = await sending;
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

/** What a writer refuses is one target's refusal, not yet the exchange's. */
function attempted<Value>(make: () => Value): Value | GatewayError {
  try {
    return make();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
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
