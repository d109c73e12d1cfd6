import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MIGRATIONS } from "../src/ledger-schema.ts";
import { openLedger, type Ledger } from "../src/ledger.ts";
import type { OutboxRow } from "../src/ledger-outbox.ts";
import { STARTED_AT_MS } from "./ledger-entry.ts";

let folder: string;
let ledger: Ledger | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-outbox-"));
});
afterEach(async () => {
  await ledger?.close();
  rmSync(folder, { recursive: true });
});

const path = () => join(folder, "ledger.sqlite");

async function open(queueMax?: number): Promise<Ledger> {
  const quiet = () => undefined;
  ledger = await openLedger({
    path: path(),
    sinks: [],
    now: () => STARTED_AT_MS,
    log: { info: quiet, warn: quiet, error: quiet },
    ...(queueMax === undefined ? {} : { queueMax }),
  });
  return ledger;
}

function row(id: string, change: Partial<OutboxRow> = {}): OutboxRow {
  return {
    channel: "ops",
    id,
    message: `{"id":"${id}"}`,
    createdAtMs: STARTED_AT_MS,
    failures: 0,
    toldAtMs: undefined,
    dueAtMs: STARTED_AT_MS,
    expiresAtMs: STARTED_AT_MS + 1,
    ...change,
  };
}

test("a message is there after a restart as it was last written, oldest first, and not once it was taken out", async () => {
  const first = await open();
  first.post(row("later", { createdAtMs: STARTED_AT_MS + 5 }));
  first.post(row("told"));
  first.post(row("told", { message: undefined, toldAtMs: STARTED_AT_MS + 1, createdAtMs: STARTED_AT_MS + 9 }));
  first.post(row("gone"));
  first.post(row("gone", { channel: "other" }));
  first.unpost({ channel: "ops", id: "gone" });
  await first.close();
  const second = await open();
  expect(await second.tasks({ ask: "outbox" })).toEqual([
    row("gone", { channel: "other" }),
    // When it was written down first stays.
    row("told", { message: undefined, toldAtMs: STARTED_AT_MS + 1 }),
    row("later", { createdAtMs: STARTED_AT_MS + 5 }),
  ]);
});

test("a file of before there were messages is brought along", async () => {
  const before = MIGRATIONS.findIndex((migration) => migration.includes("CREATE TABLE outbox"));
  const old = new DatabaseSync(path());
  old.exec(`${MIGRATIONS.slice(0, before).join(";")}; PRAGMA user_version = ${before}`);
  old.close();
  const opened = await open();
  opened.post(row("one"));
  expect(await opened.tasks({ ask: "outbox" })).toEqual([row("one")]);
});

test("messages leave half of the queue to rows of calls", async () => {
  const opened = await open(10);
  const taken = Array.from({ length: 20 }, (_, at) => opened.post(row(`m${at}`))).filter(Boolean);
  expect(taken).toHaveLength(5);
});
