/** What was learned and summed up outlives the gateway; what the providers hold does not, and is learned anew from the first bill. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ManualClock, manualClock, type RunningSandbox, startSandbox } from "../bench/sandbox/index.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { type RunningGateway, startGateway } from "./running.ts";

const MINUTE = 60_000;
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

let clock: ManualClock;
let sandbox: RunningSandbox;
let folders: string[];
let gateways: RunningGateway[];

beforeEach(async () => {
  clock = manualClock();
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0, clock });
  folders = [];
  gateways = [];
});
afterEach(async () => {
  for (const gateway of gateways) await gateway.close();
  await sandbox.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-restart-"));
  folders.push(folder);
  return folder;
}

async function started(data: string): Promise<RunningGateway> {
  const gateway = await startGateway({
    environment: { ANTHROPIC_API_KEY: "sk-simulated-2", ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic` },
    data,
    now: () => clock.now(),
  });
  gateways.push(gateway);
  return gateway;
}

async function closed(gateway: RunningGateway): Promise<void> {
  gateways = gateways.filter((one) => one !== gateway);
  await gateway.close();
}

interface Said {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

async function ask(gateway: RunningGateway, messages: readonly Said[]): Promise<AttemptRow> {
  const response = await gateway.app.request("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "anthropic/claude-haiku-5-5", messages, max_tokens: 50 }),
  });
  await response.text();
  const row = (await gateway.attempts(response.headers.get("x-sluice-exchange")))[0];
  if (row === undefined) throw new Error(`there is no row: ${response.status}`);
  return row;
}

const once = (name: string): readonly Said[] => [{ role: "user", content: `${name}: ${WORDS.repeat(150)}` }];

test(
  "after a restart the first decisions are those of a gateway that went on running",
  { timeout: 60_000 },
  async () => {
    const data = dataFolder();
    const before = await started(data);
    const goesOn = await started(dataFolder());
    for (const gateway of [before, goesOn]) {
      const row = await ask(gateway, once("of a tenant of whom nothing is known"));
      expect(row.cache_marks).toMatch(/^5m@\d+$/);
    }
    // Prompts that nobody goes on with, for as long as it takes to see that.
    for (let index = 0; index < 40; index += 1) {
      for (const gateway of [before, goesOn]) await ask(gateway, once(`one shot ${index}`));
      clock.advance(2 * MINUTE);
    }
    await closed(before);
    const restarted = await started(data);
    const knowsNothing = await started(dataFolder());
    const decisions = async (gateway: RunningGateway) => [
      (await ask(gateway, once("probe 1"))).cache_marks,
      (await ask(gateway, [{ role: "system", content: WORDS.repeat(200) }, ...once("probe 2")])).cache_marks,
      (await ask(gateway, once("probe 3"))).cache_marks,
    ];
    const asBefore = await decisions(goesOn);
    expect(await decisions(restarted)).toEqual(asBefore);
    expect([asBefore[0], asBefore[2]]).toEqual([null, null]);
    expect(await decisions(knowsNothing)).not.toContain(null);
  },
);

test(
  "what providers hold is not known after a restart, and known again after one bill",
  { timeout: 60_000 },
  async () => {
    const data = dataFolder();
    const messages: Said[] = [{ role: "system", content: WORDS.repeat(220) }];
    const turn = async (gateway: RunningGateway, name: string) => {
      messages.push({ role: "user", content: `${name}: ${WORDS.repeat(10)}` });
      const row = await ask(gateway, messages);
      messages.push({ role: "assistant", content: `Answer to ${name}.` });
      clock.advance(MINUTE / 2);
      return row;
    };
    const first = await started(data);
    await turn(first, "one");
    const second = await turn(first, "two");
    expect(second.usage.cache_read).toBeGreaterThan(3_000);
    expect(second.predicted_read).toBe(second.usage.cache_read);
    await closed(first);
    const restarted = await started(data);
    const unforeseen = await turn(restarted, "three");
    expect(unforeseen.predicted_read).toBe(0);
    expect(unforeseen.usage.cache_read).toBeGreaterThan(3_000);
    for (const name of ["four", "five"]) {
      const row = await turn(restarted, name);
      expect(row.usage.cache_read).toBeGreaterThan(unforeseen.usage.cache_read ?? 0);
      expect(row.predicted_read).toBe(row.usage.cache_read);
    }
  },
);

describe("the report by class", () => {
  interface Report {
    readonly since: string | null;
    readonly classes: readonly { readonly calls: number; readonly wasted_write_tokens: number }[];
  }
  const reportOf = async (gateway: RunningGateway) =>
    (await (await gateway.app.request("/sluice/v1/cache")).json()) as Report;
  const system: Said = { role: "system", content: WORDS.repeat(220) };

  /** @returns the data of a gateway that was asked twice, and what it reported. */
  async function reported(): Promise<{ readonly data: string; readonly report: Report }> {
    const data = dataFolder();
    const gateway = await started(data);
    await ask(gateway, [system, { role: "user", content: `One: ${WORDS.repeat(150)}` }]);
    clock.advance(MINUTE);
    await ask(gateway, [system, { role: "user", content: "Two." }]);
    const report = await reportOf(gateway);
    await closed(gateway);
    return { data, report };
  }

  test("goes on where it was, and still sees what nobody came to read", { timeout: 60_000 }, async () => {
    const { data, report } = await reported();
    expect(report).toMatchObject({ since: expect.any(String), classes: [{ calls: 2 }] });
    const restarted = await started(data);
    expect(await reportOf(restarted)).toEqual(report);
    await ask(restarted, [system, { role: "user", content: "Three." }]);
    expect((await reportOf(restarted)).classes).toMatchObject([{ calls: 3 }]);
    clock.advance(120 * MINUTE);
    const late = await reportOf(restarted);
    expect(late.since).toBe(report.since);
    expect(late.classes[0]?.wasted_write_tokens).toBeGreaterThan(1_500);
  });

  test.each([
    ["not JSON", '{"version":1,"classes":[secret'],
    ["of another version", '{"version":7,"sinceMs":null,"classes":[]}'],
    ["of another form", '{"version":1,"sinceMs":null,"classes":[{"key":"secret"}]}'],
  ])("that was kept %s begins anew, and a warning says so", { timeout: 60_000 }, async (_, text) => {
    const { data } = await reported();
    const database = new DatabaseSync(join(data, "ledger.sqlite"));
    const kept = database.prepare("SELECT name FROM states ORDER BY name").all();
    expect(kept.map(({ name }) => name)).toEqual(expect.arrayContaining(["cache-planner", "cache-report"]));
    database.prepare("UPDATE states SET value = ? WHERE name = 'cache-report'").run(text);
    database.close();
    const restarted = await started(data);
    expect(await reportOf(restarted)).toEqual({ since: null, classes: [] });
    await ask(restarted, [system, { role: "user", content: "Three." }]);
    expect((await reportOf(restarted)).classes).toMatchObject([{ calls: 1 }]);
    const warnings = restarted.logged.filter((line) => line.includes("cache-statistics-lost"));
    expect(warnings.map((line) => JSON.parse(line) as object)).toMatchObject([
      { level: "warn", name: "cache-report", reason: expect.stringMatching(/^what was kept /) },
    ]);
    expect(warnings.join("")).not.toContain("secret");
  });
});
