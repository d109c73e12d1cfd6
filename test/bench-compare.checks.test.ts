/** Whether an answer is right, by every kind of check of `bench compare`; what its author got wrong is not the model's fault. */
import { afterAll, describe, expect, test } from "vitest";
import { createCheckerWorker } from "../bench/compare/checker-worker.ts";
import { checked, type Outcome } from "../bench/compare/checks.ts";
import { taskOf, taskSchema } from "../bench/compare/task.ts";

const worker = createCheckerWorker();
afterAll(() => worker.close());

function verdict(check: unknown, outcome: Partial<Outcome>) {
  const task = taskOf(taskSchema.parse({ prompt: "a", check }), {}, "s", 1);
  return checked(task, { answer: "", calls: [], ...outcome }, { worker, judge: undefined });
}

const SCHEMA = { type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false };
const call = (name: string, given: object) => ({ id: "1", name, argumentsText: JSON.stringify(given) });

test.each([
  ["exact", { kind: "exact", value: "Billing" }, " billing. ", "passed"],
  ["exact, in quotation marks", { kind: "exact", value: "billing" }, '"billing"', "passed"],
  ["exact, another", { kind: "exact", value: "billing" }, "billing it is", "failed"],
  ["exact, letters as they are", { kind: "exact", value: "Billing", ignoreCase: false }, "billing", "failed"],
  ["contains all", { kind: "contains", value: ["one", "Two"] }, "two and one", "passed"],
  ["contains not all", { kind: "contains", value: ["one", "three"] }, "two and one", "failed"],
  ["a line that matches", { kind: "regex", pattern: "^id-\\d+$" }, "here it is\nid-42\n", "passed"],
  ["no line that matches", { kind: "regex", pattern: "^id-\\d+$" }, "here it is: id-42", "failed"],
  ["a pattern that others take years over", { kind: "regex", pattern: "(a+)+$" }, `${"a".repeat(40)}!`, "failed"],
  ["a number", { kind: "number", value: 1250.5 }, "It is 12 of them, so 1,250.50.", "passed"],
  ["a number within its tolerance", { kind: "number", value: 0.3, tolerance: 0.1 }, "0.4", "passed"],
  ["a number too far off", { kind: "number", value: 3, tolerance: 0.5 }, "3.51", "failed"],
  ["no number", { kind: "number", value: 3 }, "three", "failed"],
  ["JSON that has it", { kind: "json", value: { a: { b: 1 } } }, '{"a": {"b": 1, "c": 2}, "d": 3}', "passed"],
  ["JSON as a block of code", { kind: "json", value: { a: 1 } }, '```json\n{"a": 1}\n```', "passed"],
  ["JSON that has another", { kind: "json", value: { a: [1, 2] } }, '{"a": [2, 1]}', "failed"],
  ["no JSON", { kind: "json", value: { a: 1 } }, "a is 1", "failed"],
  ["a schema that it fits", { kind: "json-schema", schema: SCHEMA }, '{"n": 3}', "passed"],
  ["a schema that it does not fit", { kind: "json-schema", schema: SCHEMA }, '{"n": 3, "m": 1}', "failed"],
  ["a schema that is none", { kind: "json-schema", schema: { type: "unheard-of" } }, '{"n": 3}', "checker-failed"],
  ["a function", { kind: "function", code: "(answer) => answer.length === 3" }, "abc", "passed"],
  ["a function that says no", { kind: "function", code: "(answer) => answer.length === 3" }, "ab", "failed"],
  ["a function that says why", { kind: "function", code: "() => 'too short'" }, "ab", "failed"],
  ["a function that throws", { kind: "function", code: "() => { throw new Error('oh') }" }, "ab", "checker-failed"],
  ["a function that returns nothing", { kind: "function", code: "() => {}" }, "ab", "checker-failed"],
  ["no function", { kind: "function", code: "=> =>" }, "ab", "checker-failed"],
  ["a judge, without one", { kind: "judge", rubric: "r" }, "ab", "unchecked"],
  ["nothing", [], "ab", "unchecked"],
  [
    "two, of which one does not hold",
    [
      { kind: "contains", value: "a" },
      { kind: "contains", value: "c" },
    ],
    "ab",
    "failed",
  ],
])("%s", async (_what, check, answer, expected) => {
  expect((await verdict(check, { answer })).result).toBe(expected);
});

test.each([
  ["made", [call("a", {}), call("b", { x: 1, y: 2 })], "passed"],
  ["with other arguments", [call("b", { x: 2 })], "failed"],
  ["not made", [], "failed"],
  ["with arguments that are no JSON", [{ id: "1", name: "b", argumentsText: "{x" }], "failed"],
])("calls that are to be made: %s", async (_what, calls, expected) => {
  const check = { kind: "calls", calls: [{ tool: "b", arguments: { x: 1 } }] };
  expect((await verdict(check, { calls })).result).toBe(expected);
});

describe("somebody's function", () => {
  test("that never ends is stopped, and the next one is none the worse", async () => {
    const { result, note } = await verdict({ kind: "function", code: "() => { for (;;) {} }" }, {});
    expect([result, note]).toEqual(["checker-failed", "function: it took longer than 1000 ms"]);
    expect((await verdict({ kind: "function", code: "() => true" }, {})).result).toBe("passed");
  });

  test("that fills the memory is stopped, and the next one is none the worse", async () => {
    const code = "() => { const all = []; for (;;) all.push(new Array(1e6).fill(0)); }";
    expect((await verdict({ kind: "function", code }, {})).result).toBe("checker-failed");
    expect((await verdict({ kind: "function", code: "() => true" }, {})).result).toBe("passed");
  }, 30_000);

  test.each(["process", "require", "fetch", "globalThis.constructor.constructor('return process')()", "setTimeout"])(
    "has no %s",
    async (name) => {
      const { result } = await verdict({ kind: "function", code: `() => typeof (${name}) === "undefined"` }, {});
      // What makes code out of text is refused, which is as good.
      expect(["passed", "checker-failed"]).toContain(result);
    },
  );

  test("sees the answer, the calls and whose they are", async () => {
    const code =
      "(answer, { calls, task }) => answer === 'x' && calls[0].tool === 'b' && JSON.parse(calls[0].arguments).y === 2 && task.id === '1'";
    expect((await verdict({ kind: "function", code }, { answer: "x", calls: [call("b", { y: 2 })] })).result).toBe(
      "passed",
    );
  });
});

test("no note of ours repeats what was answered", async () => {
  for (const check of [
    { kind: "exact", value: "x" },
    { kind: "contains", value: "x" },
    { kind: "regex", pattern: "x" },
    { kind: "json", value: { a: 1 } },
    { kind: "json-schema", schema: SCHEMA },
    { kind: "number", value: 1 },
  ])
    for (const answer of ["my secret words", '{"a": "my secret words", "n": "secret"}'])
      expect((await verdict(check, { answer })).note ?? "").not.toContain("secret");
});
