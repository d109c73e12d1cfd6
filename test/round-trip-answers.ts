/** Answers of what a dialect can say, as events, and how two lists of events are compared. */
import * as fc from "fast-check";
import type { ChatEvent, FinishReason } from "../src/chat.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";

export interface Says {
  readonly thoughts: boolean;
  readonly seals: boolean;
  readonly refusals: boolean;
  readonly cacheRead: boolean;
  readonly finishes: readonly FinishReason[];
}

const text: fc.Arbitrary<string> = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const id: fc.Arbitrary<string> = fc.stringMatching(/^[a-zA-Z0-9]{9}$/);
const name: fc.Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9_]{2,8}$/);
const call = fc.record({ id, name, key: text });

export function answerOf(says: Says, dialect: string): fc.Arbitrary<readonly ChatEvent[]> {
  return fc
    .record({
      thought: says.thoughts ? fc.option(text, { nil: undefined }) : fc.constant(undefined),
      seal: says.seals
        ? fc.option(fc.base64String({ minLength: 8, maxLength: 24 }), { nil: undefined })
        : fc.constant(undefined),
      texts: fc.array(text, { minLength: 1, maxLength: 4 }),
      refuses: says.refusals ? fc.boolean() : fc.constant(false),
      calls: fc.uniqueArray(call, { maxLength: 3, selector: (one) => one.id }),
      finish: fc.constantFrom(...says.finishes),
      input: fc.nat(9000),
      cacheRead: says.cacheRead ? fc.nat(9000) : fc.constant(undefined),
      output: fc.nat(9000),
    })
    .map(({ thought, seal, texts, refuses, calls, finish, input, cacheRead, output }): readonly ChatEvent[] => [
      { type: "start", id: "answer-1", model: "m", createdSeconds: 1_763_800_000 },
      ...(thought === undefined
        ? []
        : [
            { type: "reasoning-delta", text: thought } as const,
            {
              type: "reasoning-end",
              ...(seal === undefined ? {} : { signature: seal, issuer: dialect }),
            } as const,
          ]),
      ...texts.map((said): ChatEvent => ({ type: refuses ? "refusal-delta" : "text-delta", text: said })),
      ...calls.flatMap((one, index): ChatEvent[] => [
        { type: "tool-call-start", index, id: one.id, name: one.name },
        { type: "tool-call-delta", index, arguments: JSON.stringify({ key: one.key }) },
        { type: "tool-call-end", index },
      ]),
      {
        type: "usage",
        usage: { ...UNKNOWN_USAGE, inputUncached: input, output, ...(cacheRead === undefined ? {} : { cacheRead }) },
      },
      { type: "finish", reason: calls.length > 0 ? "tool-calls" : finish },
      { type: "done" },
    ]);
}

/** Pieces of one text joined; without what the answer's envelope says, and with the last usage only. */
export function joined(events: readonly ChatEvent[]): object[] {
  const found: ChatEvent[] = [];
  let usage: object = {};
  for (const event of events) {
    const last = found.at(-1);
    if (event.type === "start" || event.type === "done") continue;
    if (event.type === "usage") {
      const { inputUncached, cacheRead, output } = event.usage;
      usage = { type: "usage", inputUncached, cacheRead: cacheRead ?? 0, output };
    } else if (
      (event.type === "text-delta" || event.type === "refusal-delta" || event.type === "reasoning-delta") &&
      last?.type === event.type
    ) {
      found[found.length - 1] = { ...last, text: last.text + event.text };
    } else if (event.type === "tool-call-delta" && last?.type === "tool-call-delta" && last.index === event.index) {
      found[found.length - 1] = { ...last, arguments: last.arguments + event.arguments };
    } else if (event.type === "finish") {
      found.push({ type: "finish", reason: event.reason });
    } else if (event.type === "reasoning-end") {
      // Where an id stands beside the seal, it is made for the answer that is written.
      const { sealId: _sealId, ...end } = event;
      found.push(end);
    } else if (event.type !== "tool-call-delta" || event.arguments !== "") {
      found.push(event);
    }
  }
  const calls = found.filter((event) => "index" in event);
  const rest = found.filter((event) => !("index" in event) && event.type !== "finish");
  const byIndex = [...Map.groupBy(calls, (event) => ("index" in event ? event.index : 0)).values()].flat();
  return [...rest, ...byIndex, ...found.filter((event) => event.type === "finish"), usage];
}
