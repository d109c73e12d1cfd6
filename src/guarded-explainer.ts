/**
 * Telling of caches is beside the call: what fails in it costs no call its answer or its row. It is counted, and logged the first time.
 */
import type { ExplainedCall, Explainer } from "./cache/explainer.ts";
import type { Log } from "./log.ts";

export interface ExplanationFailures {
  readonly log: Pick<Log, "error">;
  /** Told of each. */
  readonly failed: () => void;
}

const UNEXPLAINED: ExplainedCall = { settled: () => undefined };

/** @example guardedExplainer(createExplainer(), { log, failed: () => metrics.explanationFailed() }) */
export function guardedExplainer(explainer: Explainer, { log, failed }: ExplanationFailures): Explainer {
  let isKnown = false;
  const guarded = <Value>(work: () => Value, otherwise: Value): Value => {
    try {
      return work();
    } catch (error) {
      failed();
      if (!isKnown) log.error("cache-explanation-failed", { reason: reasonOf(error), at: placeOf(error) });
      isKnown = true;
      return otherwise;
    }
  };
  return {
    read: (nowMs, tenant) => explainer.read(nowMs, tenant),
    snapshot: () => explainer.snapshot(),
    restore: (snapshot) => explainer.restore(snapshot),
    begun: (call) =>
      guarded<ExplainedCall>(() => {
        const explained = explainer.begun(call);
        return { settled: (...told) => guarded(() => explained.settled(...told), undefined) };
      }, UNEXPLAINED),
  };
}

/** Its kind, and not its message, which may quote what was read. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** The first line of its stack that is a place in code: those before it are the message. */
function placeOf(error: unknown): string | undefined {
  const stack = error instanceof Error ? error.stack : undefined;
  const place = stack?.split("\n").find((line) => /^ {4}at .*:\d+:\d+\)?$/.test(line));
  return place?.trim().replace(/file:\/\/\S*\//, "");
}
