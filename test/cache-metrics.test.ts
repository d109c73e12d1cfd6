/** What Prometheus sees of caches: what waiting gained, and what the report of classes sums up, by cause. */
import { describe, expect, test } from "vitest";
import { createCacheReporter, type CacheObservation } from "../src/cache/report.ts";
import type { BustCause } from "../src/cache/bust-cause.ts";
import { heldGain } from "../src/held-gain.ts";
import { createMetrics, type Metrics } from "../src/metrics.ts";
import { UNKNOWN_USAGE, type Price, type Usage } from "../src/usage.ts";
import { MARKS, RATES } from "./bust-prompts.ts";
import { entry } from "./ledger-entry.ts";

const HAIKU = '{provider="anthropic",model="claude-haiku-5-5"}';
const AT = 1_000_000;

async function value(metrics: Metrics, series: string): Promise<number | undefined> {
  const line = (await metrics.render()).split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
const usage = (given: Partial<Usage>): Usage => ({ ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, ...given });

describe("what waiting gained", () => {
  const price: Price = { version: "p", rates: RATES };

  test("is what could not be read without it, at what writing it once more costs above reading it", () => {
    const read = usage({ inputUncached: 10, cacheRead: 5_000 });
    expect(heldGain(read, 1_000, price)).toEqual({ tokens: 4_000, saved: 4_000n * 1_150n });
    expect(heldGain(read, 6_000, price)).toEqual({ tokens: 0, saved: 0n });
  });

  test("is above uncached input where nothing is written, and without a price no money", () => {
    const read = usage({ cacheRead: 100 });
    const plain: Price = { version: "p", rates: { inputUncached: 1_000n, cacheRead: 100n } };
    expect(heldGain(read, 0, plain)?.saved).toBe(100n * 900n);
    expect(heldGain(read, 0, undefined)).toEqual({ tokens: 100, saved: undefined });
    expect(heldGain(read, 0, { version: "p", rates: { inputUncached: 1n } })?.saved).toBeUndefined();
  });

  test("is not known of an answer that does not say what it read", () => {
    expect(heldGain(UNKNOWN_USAGE, 0, price)).toBeUndefined();
    expect(heldGain({ ...UNKNOWN_USAGE, inputUncached: 10 }, 0, price)).toBeUndefined();
  });

  test("is summed by provider and model, and nothing of calls that did not wait", async () => {
    const metrics = createMetrics({ process: false });
    metrics.observe(entry("e1", { heldMs: 500, heldGain: { tokens: 4_000, saved: 4_600_000n } }));
    metrics.observe(entry("e2", { heldMs: 250, heldGain: { tokens: 10, saved: undefined } }));
    metrics.observe(entry("e3", { heldMs: 250 }));
    metrics.observe(entry("e4"));
    expect(await value(metrics, `sluice_held_attempts_total${HAIKU}`)).toBe(3);
    expect(await value(metrics, `sluice_held_seconds_total${HAIKU}`)).toBe(1);
    expect(await value(metrics, `sluice_held_saved_tokens_total${HAIKU}`)).toBe(4_010);
    expect(await value(metrics, `sluice_held_saved_usd_total${HAIKU}`)).toBe(0.0000046);
  });
});

describe("what the report sums up", () => {
  const observation = (given: Partial<CacheObservation> = {}): CacheObservation => ({
    tenant: "t",
    classKey: "review",
    task: "task",
    usage: usage({ inputUncached: 1_000 }),
    staticTokens: 500,
    endRead: 0,
    predictedRead: undefined,
    bust: undefined,
    sentMs: AT,
    rates: RATES,
    rules: MARKS,
    ...given,
  });
  const bust = (cause: BustCause, span: string) => ({
    cause,
    span,
    offset: 0,
    lostTokens: 100,
    lostPicoUsd: 1_000_000n,
    breaker: undefined,
    excerpt: undefined,
  });
  const watched = (observations: readonly CacheObservation[], nowMs = AT) => {
    const [reporter, metrics] = [createCacheReporter(), createMetrics({ process: false })];
    for (const one of observations) reporter.observe(one);
    metrics.watchCache(() => reporter.read(nowMs));
    return { reporter, metrics };
  };

  test("is shown by cause, over all classes and tenants, whatever they are called", async () => {
    const { metrics } = watched([
      observation({ bust: bust("client", "system[0]") }),
      observation({
        classKey: "secret",
        tenant: "another",
        bust: { ...bust("client", "tools[1].name"), lostPicoUsd: undefined },
      }),
      observation({ bust: bust("expired", "system[0]") }),
      observation(),
    ]);
    expect(await value(metrics, 'sluice_cache_busts_total{cause="client"}')).toBe(2);
    expect(await value(metrics, 'sluice_cache_bust_tokens_total{cause="client"}')).toBe(200);
    expect(await value(metrics, 'sluice_cache_bust_usd_total{cause="client"}')).toBe(0.000001);
    expect(await value(metrics, 'sluice_cache_busts_total{cause="expired"}')).toBe(1);
    expect(await value(metrics, 'sluice_cache_busts_total{cause="evicted"}')).toBeUndefined();
    expect(await metrics.render()).not.toContain("secret");
  });

  test("has every cause, also of breakers beyond the bound of those that are told apart", async () => {
    const many = Array.from({ length: 100 }, (_, at) => observation({ bust: bust("client", `tools[${at}].name`) }));
    const { metrics } = watched(many);
    expect(await value(metrics, 'sluice_cache_busts_total{cause="client"}')).toBe(100);
  });

  test("has what was written in vain once its lifetime has ended, and what was saved against always marking the end", async () => {
    const written = observation({ usage: usage({ cacheWrite5m: 1_000 }) });
    const { metrics } = watched([written, observation()], AT + 300_001);
    expect(await value(metrics, "sluice_cache_wasted_write_tokens_total")).toBe(1_000);
    expect(await value(metrics, "sluice_cache_wasted_write_usd_total")).toBe(2.5e-7);
    expect(await value(metrics, "sluice_cache_saved_against_end_usd")).toBe(2.5e-7);
    expect(await value(watched([written]).metrics, "sluice_cache_wasted_write_tokens_total")).toBe(0);
  });

  test("goes on over a restart, with what a report of before told no causes of", async () => {
    const { reporter } = watched([observation({ bust: bust("client", "system[0]") })]);
    const kept = JSON.parse(JSON.stringify(reporter.snapshot())) as { classes: Record<string, unknown>[] };
    const after = createCacheReporter();
    after.restore(kept);
    expect(after.read(AT)).toEqual(reporter.read(AT));
    for (const one of kept.classes) delete one["causes"];
    after.restore(kept);
    expect(after.read(AT).classes[0]?.causes).toEqual(reporter.read(AT).classes[0]?.causes);
  });

  test("is nothing while nobody watches", async () => {
    const metrics = createMetrics({ process: false });
    expect(await value(metrics, "sluice_cache_wasted_write_tokens_total")).toBe(0);
    expect(await metrics.render()).not.toContain("cause=");
  });
});
