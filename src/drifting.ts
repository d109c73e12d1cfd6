/** The drift watch as a gateway has it: tasks that end go in, what it decides is told and kept. */
import type { DriftEvent, Expectation, ExpectationState } from "./drift/drift.ts";
import { liveTaskOf } from "./drift/live-task.ts";
import { createDriftWatch, DRIFT_STATE, type DriftWatch } from "./drift/watch.ts";
import type { Log } from "./log.ts";
import type { EndedTask } from "./tasks/ended-task.ts";

/** Must take the event over before it returns (put it into an outbox), and must not block. What it throws is logged. */
export type DriftListener = (event: DriftEvent) => void;

export interface DriftingOptions {
  readonly classNameOf: (id: string) => string | undefined;
  /** Writes the state down at once. */
  readonly keep: (name: string, value: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Pick<Log, "warn" | "error">;
}

export interface Drifting extends Pick<DriftWatch, "snapshot" | "restore" | "revision"> {
  ended(task: EndedTask): void;
  /** What is expected from now on. */
  configure(expectations: readonly Expectation[]): void;
  onDrift(listener: DriftListener): void;
  states(): readonly ExpectationState[];
}

export function createDrifting({ classNameOf, keep, now, log }: DriftingOptions): Drifting {
  const watch = createDriftWatch(classNameOf);
  const listeners: DriftListener[] = [];
  const tell = (events: readonly DriftEvent[]) => {
    for (const event of events) {
      log.warn(`drift-${event.kind}`, { drift: event.drift.id, text: event.text });
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          log.error("drift-listener-failed", { event: event.id, reason });
        }
      }
    }
    // A crash must not tell it anew under another id.
    if (events.length > 0) keep(DRIFT_STATE, JSON.stringify(watch.snapshot()));
  };
  return {
    ended(task) {
      const live = liveTaskOf(task);
      if (live !== undefined) tell(watch.observe(live, now()));
    },
    configure: (expectations) => tell(watch.expect(expectations, now())),
    onDrift: (listener) => void listeners.push(listener),
    states: () => watch.states(),
    snapshot: () => watch.snapshot(),
    restore: (kept) => watch.restore(kept),
    revision: () => watch.revision(),
  };
}
