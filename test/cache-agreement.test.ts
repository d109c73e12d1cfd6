/**
 * What is said of caches in several places is the same: the rows, `GET /sluice/v1/cache` and the metrics, after a mixed run against the
 * simulator; and what a fixed policy would have cost is what it costs when it is really followed.
 */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock, type RunningSandbox, startSandbox } from "../bench/sandbox/index.ts";
import { BUST_CAUSES } from "../src/cache/bust-cause.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { createAgents, seeded } from "./cache-agents.ts";
import { type RunningGateway, startGateway } from "./running.ts";

const REQUESTS = 250;
const MINUTE = 60_000;
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

interface CauseJson {
  readonly cause: string;
  readonly calls: number;
  readonly lost_tokens: number;
  readonly lost_usd: string;
}
interface ClassJson {
  readonly calls: number;
  readonly unknown_calls: number;
  readonly prompt_tokens: number;
  readonly read_tokens: number;
  readonly written_tokens: number;
  readonly wasted_write_tokens: number;
  readonly wasted_usd: string;
  readonly saved_usd: string;
  readonly saved_against_end_usd: string;
  readonly lost_tokens: number;
  readonly predicted_tokens: number;
  readonly predicted_read_tokens: number;
  readonly causes: readonly CauseJson[];
}

async function classesOf({ app }: RunningGateway): Promise<readonly ClassJson[]> {
  const answer = await app.request("/sluice/v1/cache");
  return ((await answer.json()) as { classes: readonly ClassJson[] }).classes;
}

/** Over all labels but those that are asked for. */
function metricIn(text: string, name: string, labels = ""): number {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const asked = lines.filter((line) => line.includes(labels));
  return asked.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

const sum = <One>(of: readonly One[], value: (one: One) => number | string | null): number =>
  of.reduce((total, one) => total + Number(value(one) ?? 0), 0);

function environmentOf({ url }: RunningSandbox): Record<string, string> {
  return {
    OPENAI_API_KEY: "sk-simulated-1",
    OPENAI_BASE_URL: `${url}/openai/v1`,
    ANTHROPIC_API_KEY: "sk-simulated-2",
    ANTHROPIC_BASE_URL: `${url}/anthropic`,
    MISTRAL_API_KEY: "sk-simulated-3",
    MISTRAL_BASE_URL: `${url}/mistral/v1`,
  };
}

describe("after a mixed run", () => {
  let sandbox: RunningSandbox;
  let gateway: RunningGateway;
  let rows: readonly AttemptRow[];
  let classes: readonly ClassJson[];
  let metrics: string;

  beforeAll(async () => {
    const clock = manualClock();
    const checks = { anthropic: { checksSignatures: false }, openai: { checksItems: false } };
    sandbox = await startSandbox({ host: "127.0.0.1", port: 0, clock, ...checks });
    gateway = await startGateway({ environment: environmentOf(sandbox), now: () => clock.now() });
    await converse(clock);
    rows = await gateway.allAttempts();
    classes = await classesOf(gateway);
    metrics = await gateway.sluice.metrics.render();
  }, 120_000);

  afterAll(async () => {
    await gateway?.close();
    await sandbox?.close();
  });

  async function converse(clock: ReturnType<typeof manualClock>): Promise<void> {
    const random = seeded(11);
    const fetch = async (url: string | URL | Request, init?: RequestInit) =>
      gateway.app.request(url instanceof Request ? url : String(url), init);
    const agents = createAgents(fetch, random, 0.2);
    const running = Array.from({ length: 8 }, () => agents());
    for (let asked = 0; asked < REQUESTS; asked += 1) {
      const at = Math.floor(random() * running.length);
      clock.advance(Math.floor(random() * (random() < 0.9 ? MINUTE : 40 * MINUTE)));
      const agent = running[at];
      if (agent === undefined || !(await agent.ask())) running[at] = agents();
    }
    await breakPrefixes(clock);
  }

  /** What breaks prefixes: another date in front, another model, a pause. */
  async function breakPrefixes(clock: ReturnType<typeof manualClock>): Promise<void> {
    const client = new Anthropic({
      apiKey: "sk-none",
      baseURL: "http://gateway",
      fetch: async (url, init) => gateway.app.request(String(url), init),
    });
    const say = (day: string, count: number, model = "claude-haiku-5-5") =>
      client.messages.create(
        {
          model,
          max_tokens: 20,
          system: `It is ${day}. ${WORDS.repeat(220)}`,
          cache_control: { type: "ephemeral" },
          messages: Array.from({ length: 2 * count + 1 }, (_, at) => ({
            role: at % 2 === 0 ? "user" : "assistant",
            content: `Turn ${at}.`,
          })),
        },
        { headers: { "x-sluice-task": "breaking" } },
      );
    await say("2026-11-24", 0);
    clock.advance(1_000);
    await say("2026-11-24", 1);
    clock.advance(1_000);
    await say("2026-11-25", 2);
    clock.advance(1_000);
    await say("2026-11-25", 3, "claude-sonnet-5-5");
    clock.advance(10 * MINUTE);
    await say("2026-11-25", 4, "claude-sonnet-5-5");
    clock.advance(120 * MINUTE);
  }

  const bustsOf = (cause: string) =>
    rows.flatMap(({ cache_bust }) => {
      const [, whose, tokens] = /^(\w+) .*?: (\d+) tokens/.exec(cache_bust ?? "") ?? [];
      return whose === cause ? [Number(tokens)] : [];
    });

  test("tokens read and written are the same in all three", () => {
    const read = sum(rows, ({ usage }) => usage.cache_read);
    expect(read).toBeGreaterThan(100_000);
    expect(sum(classes, ({ read_tokens }) => read_tokens)).toBe(read);
    expect(metricIn(metrics, "sluice_tokens_total", 'bucket="cache_read"')).toBe(read);
    const written = sum(
      rows,
      ({ usage }) => (usage.cache_write_5m ?? 0) + (usage.cache_write_1h ?? 0) + (usage.cache_write_other ?? 0),
    );
    expect(sum(classes, ({ written_tokens }) => written_tokens)).toBe(written);
    expect(metricIn(metrics, "sluice_tokens_total", 'bucket="cache_write')).toBe(written);
  });

  test("calls, and what was predicted", () => {
    expect(sum(classes, ({ calls }) => calls)).toBe(rows.length);
    const predicted = sum(rows, ({ predicted_read }) => predicted_read);
    expect(sum(classes, ({ predicted_tokens }) => predicted_tokens)).toBe(predicted);
    expect(metricIn(metrics, "sluice_cache_predicted_tokens_total")).toBe(predicted);
  });

  test("dollars saved", () => {
    const saved = sum(rows, ({ cache_saved_usd }) => cache_saved_usd);
    expect(saved).toBeGreaterThan(0);
    expect(sum(classes, ({ saved_usd }) => saved_usd)).toBeCloseTo(saved, 9);
    const told = metricIn(metrics, "sluice_cache_saved_usd_total") - metricIn(metrics, "sluice_cache_lost_usd_total");
    expect(told).toBeCloseTo(saved, 9);
    const againstEnd = sum(classes, ({ saved_against_end_usd }) => saved_against_end_usd);
    expect(metricIn(metrics, "sluice_cache_saved_against_end_usd")).toBeCloseTo(againstEnd, 9);
  });

  test.each(BUST_CAUSES)("busts by cause: %s", (cause) => {
    const busts = bustsOf(cause);
    const reported = classes.flatMap(({ causes }) => causes.filter((one) => one.cause === cause));
    const lost = busts.reduce((total, tokens) => total + tokens, 0);
    expect(sum(reported, ({ calls }) => calls)).toBe(busts.length);
    expect(sum(reported, ({ lost_tokens }) => lost_tokens)).toBe(lost);
    const label = `cause="${cause}"`;
    expect(metricIn(metrics, "sluice_cache_busts_total", label)).toBe(busts.length);
    expect(metricIn(metrics, "sluice_cache_bust_tokens_total", label)).toBe(lost);
    const dollars = sum(reported, ({ lost_usd }) => lost_usd);
    expect(metricIn(metrics, "sluice_cache_bust_usd_total", label)).toBeCloseTo(dollars, 9);
  });

  test("there is something to agree on: changes, ends of lifetimes, writes in vain", () => {
    expect(bustsOf("client").length).toBeGreaterThan(1);
    expect(bustsOf("expired").length).toBeGreaterThan(0);
    const wasted = sum(classes, ({ wasted_write_tokens }) => wasted_write_tokens);
    expect(wasted).toBeGreaterThan(0);
    expect(metricIn(metrics, "sluice_cache_wasted_write_tokens_total")).toBe(wasted);
    expect(metricIn(metrics, "sluice_cache_wasted_write_usd_total")).toBeCloseTo(
      sum(classes, ({ wasted_usd }) => wasted_usd),
      9,
    );
  });

  test("the simulator keeps what was paid for: nothing is said to be lost by it", () => {
    const blamed = rows.filter(({ cache_bust }) => /^(?:provider|evicted) /.test(cache_bust ?? ""));
    const said = blamed.map(
      (row) => `${row.model}: ${row.cache_bust}, predicted ${row.predicted_read}, read ${row.usage.cache_read}`,
    );
    expect(said).toEqual([]);
  });
});

describe("what always marking the end would have cost is what it costs where that is done", () => {
  const turns = (count: number, last = `Turn ${count}.`): Anthropic.MessageParam[] =>
    Array.from({ length: 2 * count + 1 }, (_, at) => ({
      role: at % 2 === 0 ? "user" : "assistant",
      content: at === 2 * count ? last : `Turn ${at}: ${WORDS}`,
    }));
  const branches = Array.from({ length: 4 }, (_, at) => turns(2, `Branch ${at}: ${WORDS.repeat(40)}`));
  const SHORT = "Be short.";
  const LONG = WORDS.repeat(220);

  test.each<[string, readonly (readonly [waitMs: number, system: string, messages: Anthropic.MessageParam[]])[]]>([
    ["a conversation", [0, 1, 2, 3].map((count) => [1_000, LONG, turns(count)] as const)],
    ["one with a pause", [0, 1, 2].map((count) => [count === 1 ? 6 * MINUTE : 1_000, LONG, turns(count)] as const)],
    ["siblings that no earlier prompt is the beginning of", branches.map((one) => [1_000, LONG, one] as const)],
    [
      "siblings that one is the beginning of",
      [[0, LONG, turns(1, WORDS)] as const, ...branches.map((one) => [1_000, LONG, one] as const)],
    ],
    [
      "branches from the middle, and the same again",
      [turns(0), turns(1), turns(2), turns(1, "Or else?"), turns(2), turns(1)].map(
        (one) => [1_000, LONG, one] as const,
      ),
    ],
    ["one block more than it looks back", [0, 10].map((count) => [1_000, LONG, turns(count)] as const)],
    ["more blocks at once than it looks back", [0, 9, 20].map((count) => [1_000, LONG, turns(count)] as const)],
    ["prompts below the minimum", [0, 1].map((count) => [1_000, SHORT, turns(count)] as const)],
  ])("%s", async (_, asked) => {
    const [clock, other] = [manualClock(), manualClock()];
    const plain = await startSandbox({ host: "127.0.0.1", port: 0, clock });
    const marked = await startSandbox({ host: "127.0.0.1", port: 0, clock: other });
    const yaml = "cache: { mode: off }\n";
    const gateway = await startGateway({ environment: environmentOf(plain), yaml, now: () => clock.now() });
    const direct = new Anthropic({ apiKey: "any", baseURL: `${marked.url}/anthropic` });
    const through = new Anthropic({
      apiKey: "any",
      baseURL: "http://gateway",
      fetch: async (url, init) => gateway.app.request(String(url), init),
    });
    try {
      for (const [waitMs, system, messages] of asked) {
        for (const one of [clock, other]) one.advance(waitMs);
        const body = { model: "claude-haiku-5-5", max_tokens: 1, system, messages };
        await through.messages.create(body);
        await direct.messages.create({ ...body, cache_control: { type: "ephemeral" } });
      }
      await gateway.allAttempts();
      const costOf = ({ invoice }: RunningSandbox) =>
        invoice.totals.reduce((all, one) => all + (one.costPicoUsd ?? 0n), 0n);
      const [report] = gateway.sluice.explainer.read(clock.now()).classes;
      expect(report?.calls).toBe(asked.length);
      expect(report?.savedAgainstEndPicoUsd).toBe(costOf(marked) - costOf(plain));
    } finally {
      await gateway.close();
      await plain.close();
      await marked.close();
    }
  });
});
