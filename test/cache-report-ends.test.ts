/** What a mark at the end of every prompt would have read: the policy that the report compares with, by the provider's rules. */
import { describe, expect, test } from "vitest";
import { readPrefixes } from "../src/cache/prefixes.ts";
import { EndMarks, type EndedPrompt } from "../src/cache/report-ends.ts";
import type { ChatRequest } from "../src/chat.ts";
import { AUTOMATIC, conversation, MARKS, prose } from "./bust-prompts.ts";

const AT = 1_000_000;
const FIVE_MINUTES = 300_000;

function ended(request: ChatRequest, given: Partial<EndedPrompt> = {}): EndedPrompt {
  const prefixes = readPrefixes(request, "tenant", "");
  const { sentMs = AT } = given;
  const promptTokens = prefixes.promptTokens;
  return { prefixes, target: "a/claude", settings: "", rules: MARKS, promptTokens, sentMs, begunMs: sentMs, ...given };
}
const wholeOf = (request: ChatRequest) => ended(request).promptTokens;
/** One after the other; what each would have read. */
function reads(prompts: readonly EndedPrompt[], ends: EndMarks = new EndMarks()): readonly number[] {
  return prompts.map((prompt) => ends.begun(prompt).settled(prompt.promptTokens));
}

const parent = conversation();
const next = conversation({}, ["Hello there", "Hello.", "And now?"]);
const branch = (text: string) => conversation({}, ["Hello there", "Hello.", `${text} ${prose(300)}`]);

describe("a mark at every prompt's end", () => {
  test("reads the whole prompt that it goes on from, or that it repeats", () => {
    const whole = wholeOf(parent);
    expect(reads([ended(parent), ended(next), ended(next)])).toEqual([0, whole, wholeOf(next)]);
  });

  test("reads nothing of a sibling, and the parent where that ended as a prompt", () => {
    expect(reads([ended(branch("one")), ended(branch("two")), ended(branch("three"))])).toEqual([0, 0, 0]);
    const whole = wholeOf(parent);
    expect(reads([ended(parent), ended(branch("one")), ended(branch("two"))])).toEqual([0, whole, whole]);
  });

  test("finds no end beyond the look-back, counted in blocks", () => {
    const longer = (turns: number) =>
      conversation({}, ["Hello there", ...Array.from({ length: turns }, (_, at) => `turn ${at}`)]);
    const whole = wholeOf(parent);
    expect(reads([ended(parent), ended(longer(19))])).toEqual([0, whole]);
    expect(reads([ended(parent), ended(longer(20))])).toEqual([0, 0]);
  });

  test("lives for the shortest lifetime from its last use, from when it can be read on", () => {
    const whole = wholeOf(parent);
    const at = (request: ChatRequest, sentMs: number) => ended(request, { sentMs });
    expect(reads([at(parent, AT), at(next, AT + FIVE_MINUTES + 1)])).toEqual([0, 0]);
    const used = [at(parent, AT), at(branch("one"), AT + 200_000), at(branch("two"), AT + 400_000)];
    expect(reads(used)).toEqual([0, whole, whole]);
    const begun = ended(parent, { begunMs: AT + 900 });
    expect(reads([begun, at(next, AT + 899)])).toEqual([0, 0]);
    expect(reads([begun, at(next, AT + 900)])).toEqual([0, whole]);
  });

  test("is counted as the provider counts it, whichever of two answers ends first", () => {
    const ends = new EndMarks();
    const first = ends.begun(ended(parent));
    const second = ends.begun(ended(next, { sentMs: AT + 1 }));
    first.settled(2_000);
    expect(second.settled(3_000)).toBe(2_000);
  });

  test("writes nothing below the model's minimum, and is no choice where nothing is marked", () => {
    const rules = { ...MARKS, minTokens: wholeOf(parent) + 1 };
    expect(reads([ended(parent, { rules }), ended(next, { rules })])).toEqual([0, 0]);
    expect(reads([ended(parent, { rules: AUTOMATIC }), ended(next, { rules: AUTOMATIC })])).toEqual([0, 0]);
  });

  test("is another one at another target, of another tenant, and with another setting", () => {
    const other = readPrefixes(next, "stranger", "");
    for (const given of [{ target: "b/claude" }, { prefixes: other }, { settings: "toolChoice=any" }])
      expect(reads([ended(parent), ended(next, given)])).toEqual([0, 0]);
  });

  test("is kept over a restart, and bounded", () => {
    const before = new EndMarks();
    reads([ended(parent)], before);
    const after = new EndMarks();
    after.restore(JSON.parse(JSON.stringify(before.snapshot(10))) as ReturnType<EndMarks["snapshot"]>);
    expect(reads([ended(next)], after)).toEqual([wholeOf(parent)]);
    for (let at = 0; at < 100; at += 1) reads([ended(branch(`${at}`))], before);
    expect(before.snapshot(10)).toHaveLength(10);
  });
});
