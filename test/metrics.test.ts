import { expect, test } from "vitest";
import { openLedger } from "../src/ledger.ts";
import { BREAKER_LABELS_MAX, createMetrics, FIELD_LABELS_MAX, type Metrics } from "../src/metrics.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { entry, rejected, STARTED_AT_MS } from "./ledger-entry.ts";

/** The samples of one metric: its labels as written → its value. */
async function samples(metrics: Metrics, name: string): Promise<Record<string, number>> {
  const lines = (await metrics.render())
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(name.length, line.lastIndexOf(" ")),
      Number(line.slice(line.lastIndexOf(" ") + 1)),
    ]),
  );
}

const HAIKU = 'provider="anthropic",model="claude-haiku-5-5"';

test("tokens are counted by bucket, and unknown is counted as unknown, not as none", async () => {
  const metrics = createMetrics({ process: false });
  metrics.observe(entry("e1"));
  metrics.observe(entry("e2", { usage: { ...UNKNOWN_USAGE, inputUncached: 1_000, output: 10 } }));
  metrics.observe(rejected("e3"));
  const tokens = await samples(metrics, "sluice_tokens_total");
  expect(tokens).toEqual({
    [`{${HAIKU},bucket="input_uncached"}`]: 1_100,
    [`{${HAIKU},bucket="cache_read"}`]: 300,
    [`{${HAIKU},bucket="cache_write_5m"}`]: 0,
    [`{${HAIKU},bucket="output"}`]: 60,
  });
  const unknown = await samples(metrics, "sluice_tokens_unknown_total");
  expect(unknown[`{${HAIKU},bucket="cache_read"}`]).toBe(1);
  expect(unknown[`{${HAIKU},bucket="reasoning"}`]).toBe(2);
  expect(Object.keys(unknown).some((labels) => labels.includes('provider="none"'))).toBe(false);
});

test("the cache ratio leaves out answers that did not say what was read", async () => {
  const metrics = createMetrics({ process: false });
  metrics.observe(entry("e1"));
  metrics.observe(entry("e2", { usage: { ...UNKNOWN_USAGE, inputUncached: 1_000, output: 10 } }));
  expect(await samples(metrics, "sluice_cache_read_ratio")).toEqual({ [`{${HAIKU}}`]: 0.75 });
  expect(await samples(metrics, "sluice_prompt_tokens_total")).toEqual({
    [`{${HAIKU},cache="known"}`]: 400,
    [`{${HAIKU},cache="unknown"}`]: 1_000,
  });
});

test("ten thousand costs that no float can sum are the ledger's sum, by basis; unpriced is a count and not a cost", async () => {
  const metrics = createMetrics({ process: false });
  const quiet = () => undefined;
  const ledger = await openLedger({
    path: ":memory:",
    sinks: [metrics.observe],
    now: () => STARTED_AT_MS,
    log: { info: quiet, warn: quiet, error: quiet },
  });
  metrics.watchLedger(ledger);
  for (let n = 0; n < 10_000; n += 1) ledger.settle(entry(`e${n}`, { cost: 100_000_000_001n }));
  ledger.settle(entry("cut", { outcome: "canceled", cost: 7n, costBasis: "estimated" }));
  ledger.settle(entry("free?", { cost: undefined, costBasis: "unpriced" }));
  ledger.settle(rejected("bad"));
  expect(await samples(metrics, "sluice_ledger_queue")).toEqual({ "": ledger.queueDepth });
  const { total } = await ledger.spend({});
  await ledger.close();
  const cost = await samples(metrics, "sluice_cost_usd_total");
  expect(cost).toEqual({ [`{${HAIKU},basis="reported"}`]: 1_000.00000001, [`{${HAIKU},basis="estimated"}`]: 7e-12 });
  expect(total.cost_pico_usd).toBe("1000000000010007");
  expect(await samples(metrics, "sluice_unpriced_attempts_total")).toEqual({ [`{${HAIKU}}`]: 1 });
});

test("outcomes are counted, and a rejected call has no duration of an attempt", async () => {
  const metrics = createMetrics({ process: false });
  metrics.observe(entry("e1", { ttftMs: 120, durationMs: 900 }));
  metrics.observe(entry("e2", { outcome: "failed", ttftMs: undefined, durationMs: 2_000 }));
  metrics.observe(rejected("e3"));
  expect(await samples(metrics, "sluice_attempts_total")).toEqual({
    [`{${HAIKU},outcome="complete"}`]: 1,
    [`{${HAIKU},outcome="failed"}`]: 1,
    '{provider="none",model="none",outcome="rejected"}': 1,
  });
  expect(await samples(metrics, "sluice_duration_seconds_sum")).toEqual({ [`{${HAIKU}}`]: 2.9 });
  expect(await samples(metrics, "sluice_time_to_first_token_seconds_count")).toEqual({ [`{${HAIKU}}`]: 1 });
});

test("models beyond the limit, and names that never answered, share one label", async () => {
  const metrics = createMetrics({ process: false, modelsMax: 2 });
  const madeUp = { outcome: "failed", priceVersion: undefined, cost: 0n, costBasis: "not-billed" } as const;
  metrics.observe(entry("e0", { model: "made-up", ...madeUp }));
  for (const model of ["m1", "m2", "m3", "m4", "m1"]) metrics.observe(entry(model, { model }));
  expect(await samples(metrics, "sluice_attempts_total")).toEqual({
    '{provider="anthropic",model="other",outcome="failed"}': 1,
    '{provider="anthropic",model="other",outcome="complete"}': 2,
    '{provider="anthropic",model="m1",outcome="complete"}': 2,
    '{provider="anthropic",model="m2",outcome="complete"}': 1,
  });
});

test("answers of models without a price take no more than half of the labels", async () => {
  const metrics = createMetrics({ process: false, modelsMax: 4 });
  const unpriced = { priceVersion: undefined, cost: undefined, costBasis: "unpriced" } as const;
  for (const model of ["junk-1", "junk-2", "junk-3"]) metrics.observe(entry(model, { model, ...unpriced }));
  metrics.observe(entry("e1", { model: "real" }));
  expect(
    Object.keys(await samples(metrics, "sluice_attempts_total")).map((labels) => /model="([^"]*)"/.exec(labels)?.[1]),
  ).toEqual(expect.arrayContaining(["junk-1", "junk-2", "other", "real"]));
});

test("losses are counted by dialects and word; words beyond the limit share one", async () => {
  const metrics = createMetrics({ process: false });
  metrics.observe(entry("e1", { losses: [{ field: "top_k" }, { field: "top_k", path: "top_k" }] }));
  const many = Array.from({ length: FIELD_LABELS_MAX + 9 }, (_, index) => ({ field: `field-${index}` }));
  metrics.observe(entry("e2", { losses: many }));
  const losses = await samples(metrics, "sluice_translation_losses_total");
  expect(losses['{from="openai-chat",to="anthropic-messages",field="top_k"}']).toBe(2);
  expect(losses['{from="openai-chat",to="anthropic-messages",field="other"}']).toBe(10);
  expect(Object.keys(losses)).toHaveLength(FIELD_LABELS_MAX + 1);
});

test("the front door's calls, streams, calls in flight and breakers are shown", async () => {
  const metrics = createMetrics({ process: false });
  metrics.request("openai-chat", 200, 1.5, 0.4);
  metrics.request("openai-chat", 429, 0.01, undefined);
  metrics.inFlight(3);
  metrics.streamOpened();
  metrics.streamOpened();
  metrics.streamClosed();
  metrics.setBreaker("openai/gpt-5-mini", "open");
  metrics.setBreaker("openai/gpt-5", "open");
  metrics.setBreaker("openai/gpt-5", "half-open");
  expect(await samples(metrics, "sluice_requests_total")).toEqual({
    '{dialect="openai-chat",status="200"}': 1,
    '{dialect="openai-chat",status="429"}': 1,
  });
  expect(await samples(metrics, "sluice_overhead_seconds_sum")).toEqual({ '{dialect="openai-chat"}': 0.0004 });
  expect(await samples(metrics, "sluice_requests_in_flight")).toEqual({ "": 3 });
  expect(await samples(metrics, "sluice_open_streams")).toEqual({ "": 1 });
  expect(await samples(metrics, "sluice_breaker_state")).toEqual({
    '{target="openai/gpt-5-mini"}': 2,
    '{target="openai/gpt-5"}': 1,
  });
});

test("breakers beyond the limit push out closed ones first", async () => {
  const metrics = createMetrics({ process: false });
  metrics.setBreaker("first", "open");
  metrics.setBreaker("second", "closed");
  for (let n = 0; n < BREAKER_LABELS_MAX - 1; n += 1) metrics.setBreaker(`t${n}`, "open");
  const states = await samples(metrics, "sluice_breaker_state");
  expect(Object.keys(states)).toHaveLength(BREAKER_LABELS_MAX);
  expect(states['{target="first"}']).toBe(2);
  expect(states['{target="second"}']).toBeUndefined();
});

test("what the ledger lost is shown by kind", async () => {
  const metrics = createMetrics({ process: false });
  metrics.watchLedger({ queueDepth: 12, lostReservations: 2, lostRows: 3 });
  expect(await samples(metrics, "sluice_ledger_lost_total")).toEqual({ '{kind="reservation"}': 2, '{kind="row"}': 3 });
  expect(await samples(metrics, "sluice_ledger_queue")).toEqual({ "": 12 });
});

test("two sets of metrics share nothing, and each has the process's own", async () => {
  const one = createMetrics();
  const two = createMetrics();
  one.streamOpened();
  expect(await samples(two, "sluice_open_streams")).toEqual({ "": 0 });
  expect(await two.render()).toContain("sluice_process_cpu_seconds_total");
});
