import { expect, test } from "vitest";
import type { AlertRule, WatchState } from "../src/alerts/alert.ts";
import { WATCH_LABELS_MAX, WATCH_VALUES_MAX } from "../src/delivery/watch-metrics.ts";
import { createMetrics } from "../src/metrics.ts";
import { alert, DAY_MS, DAY_START_MS, USD } from "./delivery-made.ts";

function state(change: Partial<WatchState> = {}, name = "key-day"): WatchState {
  return {
    rule: { name } as AlertRule,
    value: "batch",
    window: { startMs: DAY_START_MS, endMs: DAY_START_MS + DAY_MS },
    spent: alert().spent,
    baseline: alert().baseline,
    missing: undefined,
    baselineSoFar: 30n * USD,
    projected: 140n * USD,
    unpricedCalls: 0,
    firing: [],
    ...change,
  };
}

async function series(states: readonly WatchState[], name: string): Promise<readonly string[]> {
  const metrics = createMetrics({ process: false });
  metrics.watchAlerts({ states: () => states });
  return (await metrics.render()).split("\n").filter((line) => line.startsWith(`${name}{`));
}

test("spend, its baseline, how many times that it is, and what fires", async () => {
  const states = [state({ firing: [1.5] })];
  const labels = 'rule="key-day",value="batch"';
  expect(await series(states, "sluice_watched_spend_usd")).toEqual([`sluice_watched_spend_usd{${labels}} 90`]);
  expect(await series(states, "sluice_baseline_usd")).toEqual([`sluice_baseline_usd{${labels}} 50`]);
  expect(await series(states, "sluice_spend_ratio")).toEqual([`sluice_spend_ratio{${labels}} 1.8`]);
  expect(await series(states, "sluice_projected_spend_usd")).toEqual([`sluice_projected_spend_usd{${labels}} 140`]);
  expect(await series(states, "sluice_alert_firing")).toEqual([`sluice_alert_firing{${labels},level="1.5"} 1`]);
});

test("without a baseline there is no ratio; of a baseline of nothing, anything is infinitely much", async () => {
  const none = [state({ baseline: undefined, missing: "no-history", projected: undefined })];
  expect(await series(none, "sluice_spend_ratio")).toEqual([]);
  expect(await series(none, "sluice_baseline_usd")).toEqual([]);
  expect(await series(none, "sluice_watched_spend_usd")).toHaveLength(1);
  expect((await series([state({ baseline: 0n })], "sluice_spend_ratio"))[0]).toMatch(/ \+?Inf$/);
  expect((await series([state({ baseline: 0n, spent: 0n })], "sluice_spend_ratio"))[0]).toMatch(/ 0$/);
});

test("of many values those that fire and the dearest have series, whoever makes values up", async () => {
  const many = Array.from({ length: 1_000 }, (_, at) => state({ value: `v${at}`, spent: BigInt(at) * USD }));
  const loud = state({ value: "loud", spent: 0n, firing: [1.5] });
  const shown = await series([...many, loud], "sluice_spend_ratio");
  expect(shown).toHaveLength(WATCH_VALUES_MAX);
  expect(shown.join()).toContain('value="loud"');
  expect(shown.join()).toContain('value="v999"');
  const rules = Array.from({ length: 30 }, (_, rule) =>
    many.map((one) => ({ ...one, rule: { name: `r${rule}` } as AlertRule })),
  );
  expect(await series(rules.flat(), "sluice_spend_ratio")).toHaveLength(WATCH_LABELS_MAX);
});
