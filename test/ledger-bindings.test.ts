/** Hard bindings in the ledger's file: written with the rows, bounded, pruned, and read back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createBindings } from "../src/binding.ts";
import { BindingBounds, ISSUED_MAX, issuedIn, readIssued, RECALL_ROWS, type Issued } from "../src/ledger-bindings.ts";
import { MIGRATIONS, OPERATIONS, BIND } from "../src/ledger-schema.ts";
import { openLedger, type Ledger, type LedgerOptions } from "../src/ledger.ts";
import type { Target } from "../src/target.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-bindings-"));
  path = join(folder, "ledger.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

const quiet = () => undefined;

function open(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return openLedger({ path, sinks: [], now: Date.now, log: { info: quiet, warn: quiet, error: quiet }, ...options });
}

function issued(number: number, given: Partial<Issued> = {}): Issued {
  return { kind: "kept", key: `key-${number}`, instance: "openai", model: "m", caller: "alice", ...given };
}

async function recalled(ledger: Ledger): Promise<{ readonly all: readonly Issued[]; readonly pages: number }> {
  const all: Issued[] = [];
  let pages = 0;
  await ledger.recall((some) => {
    all.push(...some);
    pages += 1;
  });
  return { all, pages };
}

test("are read back in the order in which they were first written, a page at a time", async () => {
  const first = await open();
  const count = RECALL_ROWS + 500;
  for (let number = 0; number < count; number += 1) first.remember(issued(number));
  first.remember(issued(3, { instance: "elsewhere", caller: "bob" }));
  await first.flush();
  await first.close();
  const second = await open();
  const { all, pages } = await recalled(second);
  await second.close();
  expect([all.length, pages]).toEqual([count, 2]);
  expect(all[3]).toEqual(issued(3, { instance: "elsewhere", caller: "bob" }));
  expect(all.at(-1)).toEqual(issued(count - 1));
});

test("of different kinds may have the same key", async () => {
  const ledger = await open();
  ledger.remember(issued(1));
  ledger.remember(issued(1, { kind: "seal", instance: "anthropic" }));
  const { all } = await recalled(ledger);
  await ledger.close();
  expect(all.map(({ kind, instance }) => [kind, instance])).toEqual([
    ["kept", "openai"],
    ["seal", "anthropic"],
  ]);
});

test("a file of the version before them is brought to this one, and keeps its rows", async () => {
  const old = new DatabaseSync(path);
  old.exec(`${MIGRATIONS[0] ?? ""}; PRAGMA user_version = 1;`);
  old.exec(`INSERT INTO attempts (attempt, exchange, task, client_dialect, requested_model, stream, policy, reason, started_at_ms, outcome)
    VALUES ('e.1', 'e', 't', 'openai-chat', 'm', 0, 'named', '', 1, 'complete')`);
  old.close();
  const ledger = await open();
  ledger.remember(issued(1));
  expect((await recalled(ledger)).all).toHaveLength(1);
  expect((await ledger.attempts({})).data.map(({ attempt }) => attempt)).toEqual(["e.1"]);
  await ledger.close();
});

test("older ones than are to be kept are deleted with the rows", async () => {
  const DAY_MS = 86_400_000;
  const before = await open({ now: () => 0 });
  before.remember(issued(1));
  await before.flush();
  await before.close();
  const after = await open({ now: () => 3 * DAY_MS, keepDays: 2 });
  after.remember(issued(2));
  const { all } = await recalled(after);
  await after.close();
  expect(all).toEqual([issued(2)]);
});

test("half of the queue is not for them: what finds no room is not written, says so, and refuses nobody", async () => {
  const ledger = await open({ queueMax: 4, flushMs: 60_000 });
  const written = [0, 1, 2, 3, 4].map((number) => ledger.remember(issued(number)));
  expect(written).toEqual([true, true, false, false, false]);
  expect(ledger.isAvailable).toBe(true);
  const { all } = await recalled(ledger);
  await ledger.close();
  expect(all).toHaveLength(2);
  expect(ledger.lostRows).toBe(0);
});

test("that are written again are as young as that", async () => {
  const DAY_MS = 86_400_000;
  let nowMs = 0;
  const before = await open({ now: () => nowMs });
  before.remember(issued(1));
  before.remember(issued(2));
  nowMs = 2 * DAY_MS;
  before.remember(issued(1));
  await before.flush();
  await before.close();
  const after = await open({ now: () => 3 * DAY_MS, keepDays: 2 });
  expect((await recalled(after)).all).toEqual([issued(1)]);
  await after.close();
});

test("that are used every day are not deleted for their age, and others are", async () => {
  const DAY_MS = 86_400_000;
  let nowMs = 0;
  const now = () => nowMs;
  const target = { instance: { name: "openai" }, model: "m" } as Target;
  const before = await open({ now, keepDays: 7 });
  const bindings = createBindings({ remember: (one) => before.remember(one), now });
  bindings.learnKept("conv_used", target, "alice");
  bindings.learnKept("conv_left", target, "alice");
  for (let day = 0; day < 10; day += 1) {
    nowMs += DAY_MS + 1;
    bindings.learnKept("conv_used", target, "alice");
  }
  await before.flush();
  await before.close();
  const after = await open({ now, keepDays: 7 });
  const again = createBindings({ isShared: () => true, now });
  await after.recall((some) => again.recall(some));
  await after.close();
  expect(again.holder("conv_used", "alice")).toEqual({ instance: "openai", isOwn: true });
  for (const caller of ["alice", "bob"]) {
    expect(again.holder("conv_left", caller)).toEqual({ instance: undefined, isOwn: false });
  }
});

test("at the bound who has most gives way, and who has little keeps all", () => {
  const database = new DatabaseSync(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  const insert = database.prepare(OPERATIONS[BIND]?.sql ?? "");
  const bounds = new BindingBounds(database);
  database.exec("BEGIN");
  const owners = { alice: 10, bob: ISSUED_MAX.call, cid: 9_000 };
  for (const [owner, rows] of Object.entries(owners)) {
    for (let number = 0; number < rows; number += 1) insert.run("call", `${owner}-${number}`, "i", "m", owner, 0);
  }
  bounds.trim(true);
  database.exec("COMMIT");
  const counts = database
    .prepare("SELECT caller, count(*) AS rows FROM bindings GROUP BY caller ORDER BY caller")
    .all();
  expect(counts.map((row) => [row["caller"], row["rows"]])).toEqual([
    ["alice", 10],
    ["bob", ISSUED_MAX.call - 9_010],
    ["cid", 9_000],
  ]);
  const oldest = database.prepare("SELECT key FROM bindings WHERE caller = 'bob' ORDER BY id LIMIT 1").get();
  expect(oldest?.["key"]).toBe("bob-9010");
  database.close();
});

test("of each kind the oldest go at its bound, the others untouched", () => {
  const database = new DatabaseSync(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  const insert = database.prepare(OPERATIONS[BIND]?.sql ?? "");
  const bounds = new BindingBounds(database);
  database.exec("BEGIN");
  insert.run("seal", "seal", "i", "m", "", 0);
  for (let number = 0; number < ISSUED_MAX.call + 999; number += 1) {
    insert.run("call", `call-${number}`, "i", "m", "", 0);
    bounds.wrote();
  }
  bounds.trim();
  database.exec("COMMIT");
  const counted = () =>
    Number(database.prepare("SELECT count(*) AS rows FROM bindings WHERE kind = 'call'").get()?.["rows"]);
  expect(counted()).toBe(ISSUED_MAX.call);
  expect(
    issuedIn(readIssued(database, 0))
      .map(({ key }) => key)
      .slice(0, 2),
  ).toEqual(["seal", "call-999"]);
  // Not after each: until then it may be a little larger.
  insert.run("call", "one-more", "i", "m", "", 0);
  bounds.wrote();
  bounds.trim();
  expect(counted()).toBe(ISSUED_MAX.call + 1);
  bounds.trim(true);
  expect(counted()).toBe(ISSUED_MAX.call);
  database.close();
});
