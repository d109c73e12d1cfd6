/** An answer on its way to the client: at the model's pace, and with the fault it was given. */
import type { Clock } from "./clock.ts";
import type { Fault, Framing } from "./faults.ts";
import type { Ending } from "./invoice.ts";
import type { Outlet } from "./outlet.ts";
import type { Frame, StreamForm } from "./wire/wire.ts";

export interface Delivered {
  readonly ending: Ending;
  /** Tokens generated until then. */
  readonly tokens: number;
}

export interface DeliveryOptions {
  readonly clock: Clock;
  /** How long a generated token takes. */
  readonly perTokenMs: number;
  readonly form: StreamForm;
  readonly framing: Framing;
  readonly fault: Fault | undefined;
  /** What an error inside the stream says, after so many events. */
  readonly errorFrame: (sent: number) => Frame;
}

const EVENTS_BEFORE_FAULT = 3;

export async function deliverStream(
  outlet: Outlet,
  frames: Iterable<Frame>,
  options: DeliveryOptions,
): Promise<Delivered> {
  const { clock, perTokenMs, fault } = options;
  const startedMs = clock.now();
  const run = { events: 0, bytes: 0, tokens: 0, hasStruck: false };
  for (const frame of framed(frames, options.framing, options.form)) {
    const dueMs = startedMs + (run.tokens + frame.tokens) * perTokenMs;
    if (dueMs > clock.now()) await clock.sleep(dueMs - clock.now(), outlet.left);
    if (outlet.left.aborted) return { ending: "client-left", tokens: run.tokens };
    const bytes = Buffer.from(frame.text);
    if (fault !== undefined && !run.hasStruck && isDue(fault, run, bytes.length)) {
      run.hasStruck = true;
      const isOver = await strike(fault, bytes, outlet, options, run);
      if (isOver) return { ending: outlet.left.aborted ? "client-left" : "broken", tokens: run.tokens };
      if (fault.name === "broken-event") continue;
    }
    await outlet.write(bytes);
    run.events += 1;
    run.bytes += bytes.length;
    run.tokens += frame.tokens;
  }
  if (outlet.left.aborted) return { ending: "client-left", tokens: run.tokens };
  outlet.end();
  return { ending: fault?.name === "broken-event" ? "broken" : "complete", tokens: run.tokens };
}

/** The frames with what makes them odd. */
function* framed(frames: Iterable<Frame>, framing: Framing, { filler }: StreamForm): Iterable<Frame> {
  let held: Frame | undefined;
  for (const frame of frames) {
    if (held !== undefined) yield odd(held, framing, filler, false);
    held = frame;
  }
  if (held === undefined) return;
  const isDone = held.text.startsWith("data: [DONE]");
  if (!(isDone && framing.noDone === true)) yield odd(held, framing, filler, true);
  if (framing.bytesAfterDone === true) yield { text: filler, tokens: 0 };
}

function odd(frame: Frame, framing: Framing, filler: string, isLast: boolean): Frame {
  let { text } = frame;
  if (framing.comments === true) text = `${filler}${text}`;
  if (framing.noFinalNewline === true && isLast) text = text.replace(/\n+$/, "");
  if (framing.crlf === true) text = text.replaceAll("\n", "\r\n");
  return { text, tokens: frame.tokens };
}

interface Run {
  events: number;
  bytes: number;
  tokens: number;
}

function isDue(fault: Fault, run: Run, nextBytes: number): boolean {
  if (fault.afterBytes !== undefined) return run.bytes + nextBytes > fault.afterBytes;
  return run.events >= (fault.afterEvents ?? EVENTS_BEFORE_FAULT);
}

/** @returns Whether the answer is over. */
async function strike(
  fault: Fault,
  next: Buffer,
  outlet: Outlet,
  options: DeliveryOptions,
  run: Run,
): Promise<boolean> {
  const within = fault.afterBytes === undefined ? 0 : Math.max(0, fault.afterBytes - run.bytes);
  switch (fault.name) {
    case "stall":
      await options.clock.sleep(fault.durationMs ?? Infinity, outlet.left);
      return outlet.left.aborted;
    case "cut":
      await outlet.write(next.subarray(0, within));
      outlet.cut();
      return true;
    case "cut-clean":
      await outlet.write(next.subarray(0, within));
      outlet.end();
      return true;
    case "truncated":
      await outlet.write(next.subarray(0, within === 0 ? Math.floor(next.length / 2) : within));
      outlet.end();
      return true;
    case "error-event":
      await outlet.write(Buffer.from(options.errorFrame(run.events).text));
      outlet.end();
      return true;
    case "broken-event":
      // The event that would have come now, without its end.
      await outlet.write(Buffer.concat([next.subarray(0, Math.floor(next.length / 2)), Buffer.from("\n\n")]));
      return false;
    default:
      return false;
  }
}

/** An answer in one piece; its generation has taken its time already. */
export async function deliverWhole(outlet: Outlet, bytes: Buffer, options: DeliveryOptions): Promise<Ending> {
  const { fault } = options;
  const half = fault?.afterBytes ?? Math.floor(bytes.length / 2);
  switch (fault?.name) {
    case "stall":
      await outlet.write(bytes.subarray(0, half));
      await options.clock.sleep(fault.durationMs ?? Infinity, outlet.left);
      await outlet.write(bytes.subarray(half));
      break;
    case "cut":
      await outlet.write(bytes.subarray(0, half));
      outlet.cut();
      return "broken";
    case "cut-clean":
    case "truncated":
    case "broken-event":
      await outlet.write(bytes.subarray(0, half));
      outlet.end();
      return "broken";
    default:
      await outlet.write(bytes);
  }
  if (outlet.left.aborted) return "client-left";
  outlet.end();
  return "complete";
}

/** Whether the fault leaves fewer bytes than the answer has: then the head cannot promise a length, unless the promise is to be broken. */
export function keepsLength(fault: Fault | undefined): boolean {
  return fault?.name !== "cut-clean" && fault?.name !== "truncated" && fault?.name !== "broken-event";
}
