/** Runs a trace through a policy and a provider's rules, in virtual time. */
import { costOf, type Mark, MarkCache } from "./mark-cache.ts";
import type { MakePolicy } from "./policy.ts";
import { PrefixTree } from "./prefix-tree.ts";
import type { MarkRules } from "./rules.ts";
import { Timings } from "./timings.ts";
import { byIndex, type Trace, type TraceRequest } from "./trace.ts";

export interface Outcome {
  /** Of all requests, in units of uncached input tokens. */
  readonly cost: number;
  readonly promptTokens: number;
  readonly readTokens: number;
  /** By class. */
  readonly writtenTokens: readonly number[];
  readonly microsecondsPerDecision: number;
  /** From arrival until the prompt was read, by request. */
  readonly firstTokenSeconds: Float64Array;
}

export interface Sending {
  readonly index: number;
  readonly marks: readonly Mark[];
  readonly heldSeconds: number;
}

/** No request waits longer. */
const HOLD_SECONDS_MAX = 60;

/** @param onSent Told of each request when it leaves. */
export function replay(trace: Trace, rules: MarkRules, make: MakePolicy, onSent?: (sending: Sending) => void): Outcome {
  const cache = new MarkCache(new PrefixTree(trace), rules);
  const policy = make(cache);
  const bills = new Bills(trace, rules);
  const departures = new Departures(trace.requests);
  const timings = new Timings();
  for (let next = departures.next(); next !== undefined; next = departures.next()) {
    const { request, atSeconds } = next;
    const before = policy.decidingMs ?? 0;
    const begun = performance.now();
    const latest = request.atSeconds + HOLD_SECONDS_MAX;
    const decision = policy.decide(request, atSeconds, atSeconds < latest);
    const decidedMs = performance.now() - begun;
    if ("holdUntilSeconds" in decision) {
      departures.hold(request, Math.max(atSeconds, Math.min(latest, decision.holdUntilSeconds)));
      continue;
    }
    const bill = cache.send(request, decision, atSeconds);
    bills.add(request, bill);
    onSent?.({ index: request.index, marks: decision, heldSeconds: departures.heldSeconds(request) });
    const sentBegun = performance.now();
    policy.sent?.(request, atSeconds, bill);
    const sentMs = performance.now() - sentBegun;
    timings.add(policy.decidingMs === undefined ? decidedMs + sentMs : policy.decidingMs - before);
  }
  return { ...bills.sum(), microsecondsPerDecision: timings.microseconds };
}

/** The same from what was sent, by the rules alone: nothing of a policy is in it. */
export function rebill(
  trace: Trace,
  rules: MarkRules,
  sendings: readonly Sending[],
): Omit<Outcome, "microsecondsPerDecision"> {
  const cache = new MarkCache(new PrefixTree(trace), rules);
  const bills = new Bills(trace, rules);
  const requests = byIndex(trace);
  const departures = sendings.map((sending) => {
    const request = requests.get(sending.index) as TraceRequest;
    return { sending, request, atSeconds: request.atSeconds + sending.heldSeconds };
  });
  departures.sort((one, other) => one.atSeconds - other.atSeconds || one.sending.index - other.sending.index);
  for (const { sending, request, atSeconds } of departures)
    bills.add(request, cache.send(request, sending.marks, atSeconds));
  return bills.sum();
}

class Bills {
  readonly #rules: MarkRules;
  readonly #firstTokenSeconds: Float64Array;
  readonly #written: number[];
  #cost = 0;
  #prompt = 0;
  #read = 0;

  constructor(trace: Trace, rules: MarkRules) {
    this.#rules = rules;
    this.#firstTokenSeconds = new Float64Array(trace.requests.length);
    this.#written = rules.classes.map(() => 0);
  }

  add(request: TraceRequest, bill: ReturnType<MarkCache["send"]>): void {
    this.#cost += costOf(bill, this.#rules);
    this.#prompt += request.promptTokens;
    this.#read += bill.read;
    for (const [one, tokens] of bill.written.entries()) this.#written[one] = (this.#written[one] as number) + tokens;
    this.#firstTokenSeconds[request.index] = bill.readySeconds - request.atSeconds;
  }

  sum(): Omit<Outcome, "microsecondsPerDecision"> {
    return {
      cost: this.#cost,
      promptTokens: this.#prompt,
      readTokens: this.#read,
      writtenTokens: this.#written,
      firstTokenSeconds: this.#firstTokenSeconds,
    };
  }
}

/** Requests in the order they leave: those that arrive, and those that waited. At one time, the earlier one first. */
class Departures {
  readonly #requests: readonly TraceRequest[];
  /** Seconds that requests have waited, by request. */
  readonly #held = new Map<number, number>();
  readonly #waiting: TraceRequest[] = [];
  #arrived = 0;

  constructor(requests: readonly TraceRequest[]) {
    this.#requests = requests;
  }

  next(): { readonly request: TraceRequest; readonly atSeconds: number } | undefined {
    const arriving = this.#requests[this.#arrived];
    const waiting = this.#waiting[0];
    if (arriving === undefined && waiting === undefined) return undefined;
    if (waiting === undefined || (arriving !== undefined && this.#isBefore(arriving, waiting))) {
      this.#arrived += 1;
      return { request: arriving as TraceRequest, atSeconds: this.#at(arriving as TraceRequest) };
    }
    this.#waiting.shift();
    return { request: waiting, atSeconds: this.#at(waiting) };
  }

  hold(request: TraceRequest, untilSeconds: number): void {
    // To the microsecond and never too short: whoever adds it to the arrival again comes no earlier than the entry.
    this.#held.set(request.index, Math.ceil((untilSeconds - request.atSeconds) * 1e6) / 1e6);
    const place = this.#waiting.findIndex((other) => this.#isBefore(request, other));
    this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, request);
  }

  heldSeconds(request: TraceRequest): number {
    return this.#held.get(request.index) ?? 0;
  }

  #at(request: TraceRequest): number {
    return request.atSeconds + this.heldSeconds(request);
  }

  #isBefore(one: TraceRequest, other: TraceRequest): boolean {
    return this.#at(one) < this.#at(other) || (this.#at(one) === this.#at(other) && one.index < other.index);
  }
}
