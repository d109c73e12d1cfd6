/**
 * An answer that is read to its end before anybody has any of it, so that it can be judged as a whole, and another one asked for in its
 * place. Nothing of it is settled here: whoever passes it on, or drops it, has its meter do that.
 */
import type { FirstAnswer, Refusal } from "./begun.ts";
import type { AnswerError, ChatEvent } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import type { Piece } from "./read.ts";
import { errorSaid } from "./upstream-error.ts";
import { UpstreamFailure, type UpstreamBody } from "./upstream.ts";

export interface Gathered {
  /** As it would have come, whole. */
  readonly first: FirstAnswer;
  /** All that was said in it, in whichever lane. */
  readonly events: readonly ChatEvent[];
}

/** Bytes of one answer; of events only, their number stands for them. */
const GATHERED_BYTES_MAX = 64 * 1024 * 1024;
const EVENT_BYTES = 64;
/** How long the end of a connection is waited for behind the answer's own end. */
const TRAILING_MS = 100;

/** @returns a refusal, its row written, where it broke off: nobody has had any of it, so that another may be asked. */
export async function gathered(first: FirstAnswer): Promise<Gathered | Refusal> {
  if (first.kind === "whole") {
    first.meter.arrivedWhole();
    return { first, events: first.events };
  }
  const { outgoing, body, reader, pieces: begun, meter } = first;
  meter.arrived();
  const pieces: Piece[] = [...begun];
  const broken = await rest(first, pieces);
  meter.arrivedWhole();
  const whole: FirstAnswer = { ...first, pieces, reader: ENDED, body: NO_BODY };
  if (broken !== undefined) {
    body.abort();
    return dropped(whole, broken);
  }
  // Nobody reads on; what a provider sends behind the end is let go.
  reader.run({ pieces() {}, end() {}, error() {} });
  if (outgoing.lane === "translated") return { first: whole, events: pieces.flatMap(({ events }) => events) };
  const decoder = outgoing.dialect.decoder(true);
  const events = pieces.flatMap(({ bytes }) => (bytes === undefined ? [] : decoder.push(bytes)));
  return { first: whole, events: [...events, ...decoder.end()] };
}

type Stream = Extract<FirstAnswer, { kind: "stream" }>;

/** Reads what is left into `pieces`. @returns why it is no whole answer. */
function rest({ reader, body }: Stream, pieces: Piece[]): Promise<AnswerError | UpstreamFailure | undefined> {
  return new Promise((resolve) => {
    let bytes = 0;
    let trailing: NodeJS.Timeout | undefined;
    const over = (why: AnswerError | UpstreamFailure | undefined) => {
      // What was complete before the connection broke stays complete.
      resolve(trailing === undefined ? why : undefined);
      clearTimeout(trailing);
    };
    const hear = (more: readonly Piece[]) => {
      for (const piece of more) {
        for (const event of piece.events) {
          if (event.type === "error") return over(event.error);
          if (event.type === "done") trailing ??= setTimeout(() => over(undefined), TRAILING_MS);
        }
        bytes += piece.bytes?.length ?? EVENT_BYTES * piece.events.length;
      }
      if (bytes <= GATHERED_BYTES_MAX) return undefined;
      body.abort();
      const message = `the provider's answer is larger than ${GATHERED_BYTES_MAX} bytes`;
      return over(new UpstreamFailure("upstream-failed", message, true));
    };
    hear(pieces);
    reader.run({
      pieces(more) {
        pieces.push(...more);
        hear(more);
      },
      end: () => over(undefined),
      error: over,
    });
  });
}

/** What is known of an answer that nobody is given: its row says what it cost. */
function dropped(first: FirstAnswer, why: AnswerError | UpstreamFailure): Refusal {
  const { meter, candidate } = first;
  const error =
    why instanceof UpstreamFailure
      ? new GatewayError(why.kind, why.message, { cause: why })
      : errorSaid(why, candidate.target.instance, undefined);
  metered(first);
  if (error.kind === "canceled") meter.canceled();
  else meter.failed({ kind: error.kind, status: error.status, mayBill: true });
  return { kind: "refused", error, candidate, recorded: true, verbatim: undefined, overheadMs: meter.overheadMs };
}

/** Settles an answer that is whole and did not do. */
export function escalated({ first }: Gathered): void {
  first.meter.note("escalated");
  metered(first);
  first.meter.complete();
}

/** Tells the meter all that has come of an answer: what is known of it is billed, whoever still wants it. */
export function metered(first: FirstAnswer): void {
  const { meter } = first;
  const observe = (events: readonly ChatEvent[]) => {
    for (const event of events) if (event.type !== "done" && event.type !== "error") meter.observe(event);
  };
  if (first.kind === "whole") return observe(first.events);
  for (const { events, bytes, isDelta, paddingBytes = 0, callId } of first.pieces) {
    if (bytes !== undefined) meter.passes(bytes);
    if (bytes !== undefined && isDelta) meter.weigh(bytes.length - paddingBytes);
    if (callId !== undefined) meter.calls(callId);
    observe(events);
  }
}

const ENDED: Stream["reader"] = { run: (sink) => sink.end() };
const NO_BODY: UpstreamBody = { read() {}, pause() {}, resume() {}, abort() {} };
