/** What the requests of a ledger were really billed, beside what policies would have made of them. */
import { costOf } from "./mark-cache.ts";
import type { LedgerTrace } from "./ledger.ts";
import type { Outcome } from "./replay.ts";
import type { MarkRules, Ttl } from "./rules.ts";

/** @returns `undefined` where something was written for a lifetime that these rules do not have. */
export function billedOutcome({ requests, bills }: LedgerTrace, rules: MarkRules): Outcome | undefined {
  const named = new Map(rules.classes.map(({ ttl }, one): [Ttl, number] => [ttl, one]));
  const [fiveMinutes, oneHour, other] = [named.get("5m"), named.get("1h"), named.get("30m")];
  const writtenTokens = rules.classes.map(() => 0);
  const firstTokenSeconds = new Float64Array(requests.length);
  let cost = 0;
  let promptTokens = 0;
  let readTokens = 0;
  for (const request of requests) {
    const bill = bills[request.index];
    if (bill === undefined) return undefined;
    const written = rules.classes.map(() => 0);
    for (const [one, tokens] of [
      [fiveMinutes, bill.written5m],
      [oneHour, bill.written1h],
      [other, bill.writtenOther],
    ] as const) {
      if (tokens === 0) continue;
      if (one === undefined) return undefined;
      written[one] = tokens;
      writtenTokens[one] = (writtenTokens[one] as number) + tokens;
    }
    const cached = bill.read + written.reduce((sum, tokens) => sum + tokens, 0);
    cost += costOf({ read: bill.read, written, plain: Math.max(0, request.promptTokens - cached) }, rules);
    promptTokens += request.promptTokens;
    readTokens += bill.read;
    firstTokenSeconds[request.index] = bill.heldSeconds + bill.ttftSeconds;
  }
  return { cost, promptTokens, readTokens, writtenTokens, microsecondsPerDecision: 0, firstTokenSeconds };
}
