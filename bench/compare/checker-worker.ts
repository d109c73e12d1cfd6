/**
 * Checks that are somebody's code, or may take somebody's time (a schema's patterns): in a thread of their own, one after the other, with nothing of
 * ours in reach and a limit to their time and memory. It keeps mistakes in; it is no prison for code that means harm, as no thread is: a suite is
 * its author's program.
 */
import { Worker } from "node:worker_threads";
import type { JsonObject, JsonValue } from "../../src/chat.ts";

export type CheckerQuestion =
  | { readonly kind: "schema"; readonly schema: JsonObject; readonly value: JsonValue }
  | {
      readonly kind: "function";
      readonly code: string;
      readonly answer: string;
      readonly calls: readonly { readonly tool: string; readonly arguments: string }[];
      readonly task: { readonly id: string; readonly class: string };
    };

export type CheckerAnswer =
  | { readonly result: "passed" }
  | { readonly result: "failed" | "broken"; readonly note: string };

export interface CheckerWorker {
  ask(question: CheckerQuestion): Promise<CheckerAnswer>;
  close(): Promise<void>;
}

/** A check's own time, and how much longer the thread may take to say so. */
export const CHECK_MS_MAX = 1_000;
const GRACE_MS = 2_000;
const MEMORY_MB_MAX = 64;

export function createCheckerWorker(): CheckerWorker {
  let worker: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (question: CheckerQuestion): Promise<CheckerAnswer> => {
    const file = import.meta.url.endsWith(".ts") ? "./checker-thread.ts" : "./checker-thread.js";
    worker ??= new Worker(new URL(file, import.meta.url), {
      env: {},
      stdin: false,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB_MAX, maxYoungGenerationSizeMb: 16 },
    });
    const asked = worker;
    try {
      return await answered(asked, question);
    } catch (error) {
      worker = undefined;
      await asked.terminate();
      return { result: "broken", note: error instanceof Error ? error.message : String(error) };
    }
  };
  return {
    ask(question) {
      const answer = last.then(() => ask(question));
      last = answer;
      return answer;
    },
    async close() {
      await last;
      await worker?.terminate();
    },
  };
}

/** @throws Error when it does not come: the thread is to be thrown away. */
function answered(worker: Worker, question: CheckerQuestion): Promise<CheckerAnswer> {
  return new Promise((resolve, reject) => {
    const over = (settle: () => void) => {
      clearTimeout(late);
      worker.off("message", message).off("error", failed).off("exit", gone);
      settle();
    };
    const message = (answer: CheckerAnswer) => over(() => resolve(answer));
    const failed = (error: Error & { readonly code?: string }) =>
      over(() =>
        reject(new Error(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? "it took too much memory" : error.message)),
      );
    const gone = () => over(() => reject(new Error("its thread ended")));
    const late = setTimeout(
      () => over(() => reject(new Error(`it took longer than ${CHECK_MS_MAX} ms`))),
      CHECK_MS_MAX + GRACE_MS,
    );
    worker.once("message", message).once("error", failed).once("exit", gone);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread has no origin.
    worker.postMessage(question);
  });
}
