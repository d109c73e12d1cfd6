/** The thread of `checker-worker.ts`. */
import { createContext, runInContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { z } from "zod";
import { CHECK_MS_MAX, type CheckerAnswer, type CheckerQuestion } from "./checker-worker.ts";

parentPort?.on("message", (question: CheckerQuestion) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread has no origin.
  parentPort?.postMessage(question.kind === "schema" ? ofSchema(question) : ofFunction(question));
});

function ofSchema({ schema, value }: Extract<CheckerQuestion, { kind: "schema" }>): CheckerAnswer {
  let read;
  try {
    read = z.fromJSONSchema(schema);
  } catch (error) {
    return { result: "broken", note: `the schema cannot be read: ${messageOf(error)}` };
  }
  const result = read.safeParse(value);
  if (result.success) return { result: "passed" };
  const [issue] = result.error.issues;
  const at = issue?.path.map(String).join(".") ?? "";
  return { result: "failed", note: at === "" ? "it is of another form" : `\`${at}\` is not as the schema has it` };
}

/** Text goes in and comes out: no object of this thread is in the function's reach. */
function ofFunction({ code, answer, calls, task }: Extract<CheckerQuestion, { kind: "function" }>): CheckerAnswer {
  const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
  const given = JSON.stringify(JSON.stringify({ answer, calls, task }));
  try {
    const text = runInContext(
      `JSON.stringify((({ answer, calls, task }) => (${code}\n)(answer, { calls, task }))(JSON.parse(${given})) ?? null)`,
      context,
      { timeout: CHECK_MS_MAX },
    ) as string;
    const value = JSON.parse(text) as unknown;
    if (value === true) return { result: "passed" };
    if (value === false) return { result: "failed", note: "it says no" };
    if (typeof value === "string") return { result: "failed", note: value.slice(0, 200) };
    return { result: "broken", note: "it must return true, false, or a text that says what is wrong" };
  } catch (error) {
    const isLate = (error as { readonly code?: string }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    return {
      result: "broken",
      note: isLate ? `it took longer than ${CHECK_MS_MAX} ms` : `it threw: ${messageOf(error)}`,
    };
  }
}

/** What it threw may be anything. */
function messageOf(error: unknown): string {
  const message = (error as { readonly message?: unknown } | null | undefined)?.message;
  return (typeof message === "string" ? message : "something that is no error").slice(0, 200);
}
