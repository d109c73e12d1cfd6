/** What a policy sent, request by request, in a file: enough for anyone to work out the bill again. */
import { readFileSync } from "node:fs";
import type { Sending } from "./replay.ts";
import type { MarkRules, Ttl } from "./rules.ts";
import { byIndex, type Trace, TraceError, type TraceRequest } from "./trace.ts";

export function decisionLine({ index, marks, heldSeconds }: Sending): string {
  return `${JSON.stringify({ i: index, marks, held_s: heldSeconds })}\n`;
}

/** @throws TraceError naming file, line and field: where a decision breaks the rules, too. */
export function readDecisions(file: string, trace: Trace, rules: MarkRules): readonly Sending[] {
  const sendings: Sending[] = [];
  const requests = byIndex(trace);
  const seen = new Set<number>();
  for (const [number, text] of textOf(file).split("\n").entries()) {
    if (text === "") continue;
    const wrong = (field: string, right: string) =>
      new TraceError(`${file}, line ${number + 1}: "${field}" must be ${right}`);
    const sending = readDecision(text, requests, rules, wrong);
    if (seen.has(sending.index)) throw wrong("i", `new; ${sending.index} stands further up`);
    seen.add(sending.index);
    sendings.push(sending);
  }
  if (sendings.length !== trace.requests.length) {
    throw new TraceError(
      `${file}: ${sendings.length} decisions for the ${trace.requests.length} requests of the trace`,
    );
  }
  return sendings;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new TraceError(`${file}: ${(error as Error).message}`);
  }
}

function readDecision(
  text: string,
  requests: ReadonlyMap<number, TraceRequest>,
  rules: MarkRules,
  wrong: (field: string, right: string) => TraceError,
): Sending {
  let value: { readonly i?: unknown; readonly marks?: unknown; readonly held_s?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw wrong("i", "in a line of JSON");
  }
  const { i, marks, held_s: heldSeconds } = value;
  const request = typeof i === "number" ? requests.get(i) : undefined;
  if (request === undefined) throw wrong("i", `the index of a request, below ${requests.size}`);
  if (typeof heldSeconds !== "number" || !(heldSeconds >= 0 && heldSeconds < Number.POSITIVE_INFINITY))
    throw wrong("held_s", "a number of at least 0");
  if (!Array.isArray(marks) || marks.length > rules.marksMax)
    throw wrong("marks", `a list of at most ${rules.marksMax}`);
  const order = rules.classes.map(({ ttl }) => ttl);
  let lastBlocks = 0;
  let lastClass = order.length - 1;
  const read = (marks as readonly { readonly blocks?: unknown; readonly ttl?: unknown }[]).map(({ blocks, ttl }) => {
    if (!Number.isInteger(blocks) || (blocks as number) <= lastBlocks || (blocks as number) > request.blocks) {
      throw wrong("marks", `at rising depths, up to the ${request.blocks} blocks of the prompt`);
    }
    const one = order.indexOf(ttl as Ttl);
    if (one < 0 || one > lastClass)
      throw wrong("marks", `of lifetimes ${order.toReversed().join(", ")}, in this order`);
    lastBlocks = blocks as number;
    lastClass = one;
    return { blocks: blocks as number, ttl: ttl as Ttl };
  });
  return { index: request.index, marks: read, heldSeconds };
}
