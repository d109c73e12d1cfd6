/** What has drifted, for Prometheus. Labels are of the config's expectations, so that they are bounded. */
import { Gauge, type Registry } from "prom-client";
import type { ExpectationState } from "./drift/drift.ts";

/** @returns whom to ask. */
export function driftMetrics(registry: Registry): (states: () => readonly ExpectationState[]) => void {
  let states: () => readonly ExpectationState[] = () => [];
  new Gauge({
    name: "sluice_drift",
    help: "Whether live tasks have left what a report let expect: 1 above it, -1 below it, 0 as expected, or too few to tell.",
    labelNames: ["class", "target", "measure"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { expectation, measures } of states()) {
        const { className, target } = expectation;
        for (const { measure, drift } of measures) {
          const value = drift === undefined ? 0 : drift.direction === "up" ? 1 : -1;
          this.set({ class: className, target, measure }, value);
        }
      }
    },
  });
  return (watched) => {
    states = watched;
  };
}
