/**
 * From an answer's head to its first good event: an answer that has begun well, or a refusal and what the client is to be told of it.
 */
import type { AnswerError, ChatEvent, Loss } from "./chat.ts";
import type { GatewayError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Outgoing } from "./lane.ts";
import type { Meter } from "./meter.ts";
import { decoded, readWhole, StreamReader, watched, type Piece } from "./read.ts";
import type { Candidate } from "./target.ts";
import { truncated } from "./truncation.ts";
import { errorSaid, isPassable, retryAfter } from "./upstream-error.ts";
import type { UpstreamAnswer, UpstreamBody } from "./upstream.ts";

export interface Answered {
  readonly candidate: Candidate;
  readonly outgoing: Omit<Outgoing, "bytes" | "unplaced">;
  readonly meter: Meter;
  /** Grows while the answer is encoded; the row takes it at its end. */
  readonly losses: Loss[];
  readonly answer: UpstreamAnswer;
}

/** An answer that has begun well. */
export type FirstAnswer =
  | (Answered & { readonly kind: "whole"; readonly bytes: Uint8Array; readonly events: readonly ChatEvent[] })
  | (Answered & {
      readonly kind: "stream";
      readonly body: UpstreamBody;
      readonly reader: Pick<StreamReader, "run">;
      readonly pieces: readonly Piece[];
    });

/** The last refusal, when no target answered. */
export interface Refusal {
  readonly kind: "refused";
  readonly error: GatewayError;
  readonly candidate: Candidate | undefined;
  /** Whether the ledger has a row of it already. */
  readonly recorded: boolean;
  /** The upstream's own error answer in the client's dialect, to be passed on untouched. */
  readonly verbatim:
    | { readonly status: number; readonly headers: UpstreamAnswer["headers"]; readonly bytes: Uint8Array }
    | undefined;
  /** Another replica is there: the next try need not wait. */
  readonly elsewhere?: boolean;
  readonly overheadMs?: number;
}

/** Most of an error answer that is read; the rest says nothing more. */
const ERROR_BYTES_MAX = 1024 * 1024;
/** Largest answer that is not streamed. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** From the answer's head to its first good event. */
export async function begun(
  answer: UpstreamAnswer,
  answered: Omit<Answered, "answer">,
  exchange: Exchange,
  now: () => number,
): Promise<FirstAnswer | Refusal> {
  const { candidate, meter, outgoing: made } = answered;
  if (answer.status < 200 || answer.status >= 300) {
    const bytes = await readWhole(answer.body, ERROR_BYTES_MAX);
    return refusedBy(answer, bytes, answered, now);
  }
  if (!exchange.request.stream) {
    const bytes = await readWhole(answer.body, ANSWER_BYTES_MAX);
    const decoder = made.dialect.decoder(false, exchange.request);
    const events = [...decoder.push(bytes), ...decoder.end()];
    const broken = events.find((event) => event.type === "error");
    if (broken !== undefined) {
      // An answer that is none may still say what it cost.
      for (const event of events) if (event.type === "usage") meter.observe(event);
      return brokenAnswer(broken.error, candidate, meter);
    }
    const cut = cutPrompt(events, candidate, meter);
    if (cut !== undefined) return cut;
    return { ...answered, kind: "whole", answer, bytes, events };
  }
  const reader = new StreamReader(
    made.lane === "same" ? watched(made.dialect.watcher()) : decoded(made.dialect.decoder(true)),
  );
  const pieces = await reader.begin(answer.body);
  const broken = brokenStart(pieces);
  if (broken !== undefined) {
    answer.body.abort();
    return brokenAnswer(broken, candidate, meter);
  }
  return { ...answered, kind: "stream", answer, body: answer.body, reader, pieces };
}

/** The error that a stream began with, if it did not begin well. */
function brokenStart(pieces: readonly Piece[]): AnswerError | undefined {
  const first = pieces.find((piece) => piece.isDelta || piece.events.length > 0);
  if (first === undefined) return { status: 502, message: "the provider's answer is empty", ours: true };
  const event = first.events.at(0);
  return event?.type === "error" ? event.error : undefined;
}

/** An error answer: ours to explain when it is about our credential, the client's to read otherwise. */
function refusedBy(
  answer: UpstreamAnswer,
  bytes: Uint8Array,
  answered: Omit<Answered, "answer">,
  now: () => number,
): Refusal {
  const { candidate, meter, outgoing: made } = answered;
  const said = made.dialect.readError(answer.status, bytes);
  const { instance } = candidate.target;
  const error = errorSaid(said, instance, retryAfter(answer.headers, now()));
  // Who ran out of time in front of the model does not know whether it worked on: neither do we.
  meter.failed({ kind: error.kind, status: error.status, mayBill: error.kind === "upstream-timeout" });
  const passable =
    made.lane === "same" &&
    error.kind !== "upstream-credential" &&
    said.ours !== true &&
    said.foreign !== true &&
    answer.status >= 400 &&
    isPassable(bytes, instance);
  return {
    kind: "refused",
    error,
    candidate,
    recorded: true,
    verbatim: passable ? { status: answer.status, headers: answer.headers, bytes } : undefined,
  };
}

/** A 200 that is no answer: an error event first, garbage, nothing at all. */
function brokenAnswer(said: AnswerError, candidate: Candidate, meter: Meter): Refusal {
  const error = errorSaid(said, candidate.target.instance, undefined);
  meter.failed({ kind: error.kind, status: error.status, mayBill: true });
  return { kind: "refused", error, candidate, recorded: true, verbatim: undefined };
}

/** An answer to a part of the prompt is none, as long as nothing of it has been sent. A stream tells its counts too late. */
function cutPrompt(events: readonly ChatEvent[], candidate: Candidate, meter: Meter): Refusal | undefined {
  for (const event of events) if (event.type === "usage") meter.observe(event);
  if (!meter.isTruncated) return undefined;
  const error = truncated(candidate, meter.promptTokens);
  meter.failed({ kind: error.kind, status: error.status, mayBill: true });
  return { kind: "refused", error, candidate, recorded: true, verbatim: undefined };
}
