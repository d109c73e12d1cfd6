import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openLedger, type Ledger, type LedgerEntry, type LedgerOptions } from "../src/ledger.ts";
import { LOSSES_MAX } from "../src/ledger-schema.ts";
import type { SpendQuery } from "../src/ledger-query.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { entry, rejected, reservation, STARTED_AT_MS } from "./ledger-entry.ts";

let folder: string;
const opened: Ledger[] = [];
let logged: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-ledger-"));
  logged = [];
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((ledger) => ledger.close()));
  rmSync(folder, { recursive: true });
});

const log = {
  info: (event: string) => void logged.push(event),
  warn: (event: string) => void logged.push(event),
  error: (event: string) => void logged.push(event),
};

async function open(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  const ledger = await openLedger({ path: ":memory:", sinks: [], now: () => STARTED_AT_MS, log, ...options });
  opened.push(ledger);
  return ledger;
}

const file = () => join(folder, "data", "ledger.sqlite");

/** Until the ledger says so: each try waits for a turn of the event loop's timers, not for a fixed time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("one row per attempt", () => {
  test("a settled attempt reads back field by field, and unknown counts are null", async () => {
    const ledger = await open();
    ledger.reserve(reservation("e1"));
    ledger.settle(entry("e1", { losses: [{ field: "top_k", path: "top_k" }] }));
    const { data, nextCursor } = await ledger.attempts({ exchange: "e1" });
    expect(nextCursor).toBeUndefined();
    expect(data).toEqual([
      {
        attempt: "e1.1",
        exchange: "e1",
        task: "t-1",
        task_class: "triage",
        caller: null,
        provider: "anthropic",
        model: "claude-haiku-5-5",
        requested_model: "auto",
        target: "anthropic/claude-haiku-5-5",
        client_dialect: "openai-chat",
        upstream_dialect: "anthropic-messages",
        lane: "translated",
        stream: true,
        policy: "ordered",
        reason: "first of 2",
        outcome: "complete",
        status: 200,
        error: null,
        usage: {
          input_uncached: 100,
          cache_read: 300,
          cache_write_5m: 0,
          cache_write_1h: null,
          cache_write_other: null,
          output: 50,
          reasoning: null,
        },
        usage_basis: "reported",
        cost_usd: 0.000001234567,
        cost_pico_usd: "1234567",
        cost_basis: "reported",
        price_version: "table 2026-10-01",
        estimate_usd: 0.000002,
        started_at: "2026-11-22T09:30:00.000Z",
        ttft_ms: 120,
        duration_ms: 900.5,
        overhead_ms: 0.25,
        finish_reason: "stop",
        predicted_read: 280,
        cache_marks: "5m@300",
        cache_saved_usd: 0.000000027,
        cache_bust: "client messages[1].content[0]: 20 tokens",
        held_ms: null,
        signals: [],
        losses: [{ field: "top_k", path: "top_k" }],
      },
    ]);
  });

  test("a reserved attempt is open until it is settled", async () => {
    const ledger = await open();
    ledger.reserve(reservation("e1"));
    expect((await ledger.attempts({ exchange: "e1" })).data).toMatchObject([
      { outcome: "open", status: null, cost_usd: null },
    ]);
    ledger.settle(entry("e1"));
    expect((await ledger.attempts({ exchange: "e1" })).data).toMatchObject([{ outcome: "complete" }]);
  });

  test("the second settlement and the second reservation reach neither row nor sinks", async () => {
    const seen: LedgerEntry[] = [];
    const ledger = await open({ sinks: [(settled) => seen.push(settled)] });
    ledger.reserve(reservation("e1"));
    ledger.reserve(reservation("e1", { reason: "again" }));
    ledger.settle(entry("e1"));
    ledger.settle(entry("e1", { outcome: "canceled", cost: 9n }));
    ledger.reserve(reservation("e1", { reason: "after the end" }));
    ledger.settle(rejected("e2"));
    ledger.settle(rejected("e2"));
    expect(seen.map((settled) => [settled.attempt, settled.outcome])).toEqual([
      ["e1.1", "complete"],
      ["e2.0", "rejected"],
    ]);
    const { data } = await ledger.attempts({ order: "oldest" });
    expect(data).toMatchObject([
      { attempt: "e1.1", outcome: "complete", reason: "first of 2", cost_pico_usd: "1234567" },
      { attempt: "e2.0", outcome: "rejected", target: null, lane: null },
    ]);
  });

  test("a settlement repeated after a restart does not change the row", async () => {
    const first = await open({ path: file() });
    first.reserve(reservation("e1"));
    first.settle(entry("e1"));
    await first.close();
    const second = await open({ path: file() });
    second.settle(entry("e1", { outcome: "failed", cost: 5n }));
    expect((await second.attempts({})).data).toMatchObject([{ outcome: "complete", cost_pico_usd: "1234567" }]);
  });

  test("a sink that throws takes neither the row nor the other sinks with it", async () => {
    const seen: string[] = [];
    const ledger = await open({
      sinks: [
        () => {
          throw new Error("broken");
        },
        (settled) => seen.push(settled.attempt),
      ],
    });
    ledger.settle(entry("e1"));
    expect(seen).toEqual(["e1.1"]);
    expect(logged).toContain("ledger-sink-failed");
    expect((await ledger.attempts({})).data).toHaveLength(1);
  });

  test("losses are kept up to a bound, and the row says how many more there were", async () => {
    const ledger = await open();
    ledger.settle(
      entry("e1", {
        losses: Array.from({ length: 100 }, (_, index) => ({ field: "unknown-field", path: `a[${index}]` })),
      }),
    );
    const [row] = (await ledger.attempts({})).data;
    expect(row?.losses).toHaveLength(LOSSES_MAX);
    expect(row?.losses.at(-1)).toEqual({ field: "and 37 more" });
  });

  test("money beyond 2^53 comes back to the picodollar, and beyond 64 bits as the bound", async () => {
    const ledger = await open();
    ledger.settle(entry("e1", { cost: 9_007_199_254_740_993n, estimate: 2n ** 80n }));
    const [row] = (await ledger.attempts({})).data;
    expect(row).toMatchObject({ cost_pico_usd: "9007199254740993", estimate_usd: 9223372.036854776 });
  });

  test("a row that SQLite refuses is counted, and its batch is written", async () => {
    const ledger = await open();
    ledger.settle(entry("e1"));
    ledger.settle(entry("e2", { status: 200.5 }));
    ledger.settle(entry("e3"));
    const { data } = await ledger.attempts({ order: "oldest" });
    expect(data.map((row) => row.exchange)).toEqual(["e1", "e3"]);
    expect(ledger.lostRows).toBe(1);
    expect(logged).toEqual(["ledger-rows-refused"]);
  });
});

describe("reading", () => {
  test("each filter keeps its rows and no others", async () => {
    const ledger = await open();
    ledger.reserve(reservation("e1", { task: "t-open" }));
    ledger.settle(
      entry("e2", { task: "t-2", taskClass: "review", caller: "alice", startedAtMs: STARTED_AT_MS + 1000 }),
    );
    ledger.settle(entry("e3", { provider: "openai", model: "gpt-5-mini", startedAtMs: STARTED_AT_MS + 2000 }));
    ledger.settle(rejected("e4", { startedAtMs: STARTED_AT_MS + 3000 }));
    const found = async (query: Parameters<Ledger["attempts"]>[0]) =>
      (await ledger.attempts({ order: "oldest", ...query })).data.map((row) => row.exchange);
    expect(await found({ exchange: "e2" })).toEqual(["e2"]);
    expect(await found({ task: "t-open" })).toEqual(["e1"]);
    expect(await found({ taskClass: "review" })).toEqual(["e2"]);
    expect(await found({ caller: "alice" })).toEqual(["e2"]);
    expect(await found({ provider: "openai" })).toEqual(["e3"]);
    expect(await found({ model: "gpt-5-mini" })).toEqual(["e3"]);
    expect(await found({ outcome: "open" })).toEqual(["e1"]);
    expect(await found({ outcome: "rejected" })).toEqual(["e4"]);
    expect(await found({ sinceMs: STARTED_AT_MS + 1000, untilMs: STARTED_AT_MS + 3000 })).toEqual(["e2", "e3"]);
    expect(await found({ provider: "anthropic", outcome: "complete" })).toEqual(["e2"]);
  });

  test("pages follow each other without a gap or a repeat, while new rows come in", async () => {
    const ledger = await open();
    for (let n = 0; n < 25; n += 1) ledger.settle(entry(`e${n}`));
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ledger.attempts({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.data.map((row) => row.exchange));
      cursor = page.nextCursor;
      ledger.settle(entry(`later-${seen.length}`));
    } while (cursor !== undefined);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => `e${24 - n}`));
  });

  test("the tries of one exchange come in their order", async () => {
    const ledger = await open();
    ledger.settle(entry("e1", { attempt: "e1.1", outcome: "failed", cost: 0n, costBasis: "not-billed" }));
    ledger.settle(entry("e1", { attempt: "e1.2" }));
    expect((await ledger.attempts({ exchange: "e1" })).data.map((row) => row.attempt)).toEqual(["e1.1", "e1.2"]);
  });

  test("spend is exact beyond 64 bits, and tells estimated, unpriced and unknown apart", async () => {
    const ledger = await open();
    const large = 2n ** 62n + 1n;
    ledger.settle(entry("e1", { cost: large }));
    ledger.settle(entry("e2", { cost: large }));
    ledger.settle(entry("e3", { cost: large, outcome: "canceled", costBasis: "estimated" }));
    ledger.settle(
      entry("e4", { cost: undefined, costBasis: "unpriced", usage: { ...UNKNOWN_USAGE, inputUncached: 7 } }),
    );
    ledger.settle(rejected("e5"));
    ledger.reserve(reservation("e6"));
    const { data, total } = await ledger.spend({});
    expect(data).toEqual([total]);
    expect(total).toMatchObject({
      attempts: 6,
      outcomes: { complete: 3, canceled: 1, failed: 0, rejected: 1, lost: 0, open: 1 },
      cost_pico_usd: String(3n * large),
      cost_usd: 13835058.055282164,
      estimated_cost_pico_usd: String(large),
      unpriced_attempts: 1,
      usage: { input_uncached: 307, cache_read: 900, output: 150, cache_write_1h: 0 },
      usage_unknown: { input_uncached: 0, cache_read: 1, output: 1, cache_write_1h: 4 },
    });
  });

  test("spend groups by each word and by several, and the total has what the limit cut off", async () => {
    const ledger = await open();
    const hour = 3_600_000;
    ledger.settle(entry("e1", { cost: 1n }));
    ledger.settle(
      entry("e2", { cost: 2n, startedAtMs: STARTED_AT_MS + hour, provider: "openai", model: "gpt-5-mini" }),
    );
    ledger.settle(
      entry("e3", { cost: 4n, startedAtMs: STARTED_AT_MS + 24 * hour, caller: "alice", taskClass: undefined }),
    );
    const groups = async (...groupBy: NonNullable<SpendQuery["groupBy"]>) =>
      (await ledger.spend({ groupBy })).data.map((row) => [...groupBy.map((group) => row[group]), row.cost_pico_usd]);
    expect(await groups("provider")).toEqual([
      ["anthropic", "5"],
      ["openai", "2"],
    ]);
    expect(await groups("caller")).toEqual([
      ["alice", "4"],
      [null, "3"],
    ]);
    expect(await groups("task_class")).toEqual([
      [null, "4"],
      ["triage", "3"],
    ]);
    expect(await groups("day", "model")).toEqual([
      ["2026-11-22", "gpt-5-mini", "2"],
      ["2026-11-22", "claude-haiku-5-5", "1"],
      ["2026-11-23", "claude-haiku-5-5", "4"],
    ]);
    expect(await groups("hour")).toEqual([
      ["2026-11-22T09:00:00Z", "1"],
      ["2026-11-22T10:00:00Z", "2"],
      ["2026-11-23T09:00:00Z", "4"],
    ]);
    const cut = await ledger.spend({ groupBy: ["provider"], limit: 1 });
    expect(cut).toMatchObject({ data: [{ provider: "anthropic" }], truncated: true, total: { cost_pico_usd: "7" } });
  });

  test("a group of which nothing has a price costs null, not 0", async () => {
    const ledger = await open();
    ledger.settle(entry("e1", { provider: "vllm", cost: undefined, costBasis: "unpriced" }));
    ledger.settle(entry("e2", { cost: 5n }));
    const { data, total } = await ledger.spend({ groupBy: ["provider"] });
    expect(data.map((row) => [row.provider, row.cost_usd, row.cost_pico_usd])).toEqual([
      ["anthropic", 5e-12, "5"],
      ["vllm", null, null],
    ]);
    expect(total).toMatchObject({ cost_pico_usd: "5", unpriced_attempts: 1 });
  });
});

describe("what can go wrong", () => {
  test("what an earlier process left open is closed as lost at its estimate", async () => {
    const first = await open({ path: file() });
    first.reserve(reservation("e1"));
    first.reserve(reservation("e2", { estimate: undefined }));
    await first.close();
    const second = await open({ path: file() });
    expect(second.lostReservations).toBe(2);
    expect(logged).toEqual(["ledger-reservations-lost"]);
    expect((await second.attempts({ order: "oldest" })).data).toMatchObject([
      {
        outcome: "lost",
        status: null,
        cost_pico_usd: "2000000",
        cost_basis: "estimated",
        usage_basis: "unknown",
        usage: { output: null },
      },
      { outcome: "lost", cost_usd: null, cost_basis: "unpriced" },
    ]);
  });

  test("a second gateway on the same folder is refused by name, and closes nothing of the first", async () => {
    const first = await open({ path: file() });
    first.reserve(reservation("e1"));
    await first.flush();
    await expect(open({ path: file() })).rejects.toThrow(
      new RegExp(`the data folder ${join(folder, "data")} is in use by another gateway \\(process ${process.pid}\\)`),
    );
    expect((await first.attempts({})).data).toMatchObject([{ outcome: "open" }]);
  });

  test("a file that is no ledger is an error that names it, and stays as it was", async () => {
    const path = join(folder, "ledger.sqlite");
    writeFileSync(path, "this is not a database, but it is somebody's file".repeat(100));
    await expect(open({ path })).rejects.toThrow(/ledger\.sqlite cannot be opened: file is not a database/);
  });

  test("a ledger of a newer version is left alone", async () => {
    const path = join(folder, "ledger.sqlite");
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    await expect(open({ path })).rejects.toThrow(/newer Sluice/);
  });

  test("a full queue refuses reservations, and keeps room for the settlements of what is open", async () => {
    const ledger = await open({ queueMax: 4, flushMs: 60_000 });
    ledger.reserve(reservation("e1"));
    ledger.reserve(reservation("e2"));
    expect(() => ledger.reserve(reservation("e3"))).toThrow(
      expect.objectContaining({ kind: "ledger-unavailable", status: 503 }),
    );
    expect(ledger.isAvailable).toBe(false);
    ledger.settle(rejected("e4"));
    expect(ledger.lostRows).toBe(1);
    ledger.settle(entry("e1"));
    ledger.settle(entry("e2"));
    expect(ledger.queueDepth).toBe(4);
    await ledger.flush();
    expect(ledger.queueDepth).toBe(0);
    ledger.reserve(reservation("e3"));
    expect((await ledger.attempts({ order: "oldest" })).data.map((row) => [row.exchange, row.outcome])).toEqual([
      ["e1", "complete"],
      ["e2", "complete"],
      ["e3", "open"],
    ]);
  });

  test("while the file cannot be written calls are refused; nothing that was taken is lost when it can be again", async () => {
    const ledger = await open({ path: file(), busyTimeoutMs: 1, restartMs: 1 });
    ledger.reserve(reservation("e1"));
    await ledger.flush();
    const intruder = new DatabaseSync(file());
    intruder.exec("BEGIN IMMEDIATE");
    ledger.settle(entry("e1"));
    await expect(ledger.flush()).rejects.toMatchObject({ kind: "ledger-unavailable" });
    expect(ledger.isAvailable).toBe(false);
    expect(() => ledger.reserve(reservation("e2"))).toThrow(expect.objectContaining({ kind: "ledger-unavailable" }));
    await expect(ledger.attempts({})).rejects.toMatchObject({ kind: "ledger-unavailable" });
    ledger.settle(rejected("e3"));
    intruder.exec("ROLLBACK");
    intruder.close();
    await until(() => ledger.isAvailable);
    ledger.reserve(reservation("e4"));
    expect((await ledger.attempts({ order: "oldest" })).data.map((row) => [row.exchange, row.outcome])).toEqual([
      ["e1", "complete"],
      ["e3", "rejected"],
      ["e4", "open"],
    ]);
    expect(ledger.lostRows).toBe(0);
    expect(logged).toEqual(["ledger-unavailable", "ledger-available"]);
  });

  test("told to serve, the gateway goes on without the ledger and counts what it could not keep", async () => {
    const seen: string[] = [];
    const ledger = await open({
      path: file(),
      busyTimeoutMs: 1,
      restartMs: 60_000,
      queueMax: 3,
      whenUnavailable: "serve",
      sinks: [(settled) => seen.push(settled.attempt)],
    });
    const intruder = new DatabaseSync(file());
    intruder.exec("BEGIN IMMEDIATE");
    ledger.settle(rejected("e0"));
    await expect(ledger.flush()).rejects.toMatchObject({ kind: "ledger-unavailable" });
    for (const exchange of ["e1", "e2"]) {
      ledger.reserve(reservation(exchange));
      ledger.settle(entry(exchange));
    }
    expect(ledger.lostRows).toBe(1);
    expect(seen).toEqual(["e0.0", "e1.1", "e2.1"]);
    intruder.exec("ROLLBACK");
    intruder.close();
    await ledger.close();
    expect(ledger.lostRows).toBe(1);
    const again = await open({ path: file() });
    expect((await again.attempts({ order: "oldest" })).data.map((row) => row.attempt)).toEqual(["e0.0", "e1.1"]);
  });

  test("rows older than the days to keep are deleted, however many, and younger ones stay", async () => {
    const day = 86_400_000;
    const first = await open({ path: file() });
    for (let n = 0; n < 1_200; n += 1) first.settle(entry(`old-${n}`, { startedAtMs: STARTED_AT_MS - 31 * day }));
    first.settle(entry("young", { startedAtMs: STARTED_AT_MS - 29 * day }));
    await first.close();
    const second = await open({ path: file(), keepDays: 30 });
    let left = 0;
    do left = (await second.spend({})).total.attempts;
    while (left > 1);
    expect((await second.attempts({})).data.map((row) => row.exchange)).toEqual(["young"]);
  });
});
