/** Alerts at the front door: a key that spends more than its baseline is told of, once, to whom it may be, also over a restart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { AlertEvent } from "../src/alerts/alert.ts";
import type { AlertReport, WatchReport } from "../src/alerts/report.ts";
import { call } from "./line-client.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

const BATCH = "batch-key-0123456789";
const ADMIN = "admin-key-0123456789";
const SEARCH = "search-key-0123456789";
const SECRET = "the merger is on Tuesday";
const YAML = `keys:
  - { name: batch, keyEnv: BATCH_KEY }
  - { name: search, keyEnv: SEARCH_KEY, team: finders }
  - { name: admin, keyEnv: ADMIN_KEY, reads: all }
alerts:
  floorUsd: 0
  watch:
    - { scope: key, baseline: { fixedUsd: 0.000002 } }
    - { scope: team, baseline: { fixedUsd: 1000 } }
    - { name: everything }`;

let sandbox: RunningSandbox;
let gateway: RunningGateway;
let data: string;

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 });
  data = mkdtempSync(join(tmpdir(), "sluice-alerts-"));
  await start();
});
afterEach(async () => {
  await gateway.close();
  await sandbox.close();
  rmSync(data, { recursive: true });
});

async function start(): Promise<void> {
  const environment = {
    OPENAI_API_KEY: "sk-simulated-1",
    OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
    BATCH_KEY: BATCH,
    SEARCH_KEY: SEARCH,
    ADMIN_KEY: ADMIN,
  };
  gateway = await startGateway({ environment, yaml: YAML, data });
}

async function ask(key: string): Promise<void> {
  const body = { model: "openai/gpt-5.4-nano", max_tokens: 20, messages: [{ role: "user", content: SECRET }] };
  const headers = { authorization: `Bearer ${key}`, "x-sluice-task-class": "triage" };
  expect((await call(gateway.url, "/v1/chat/completions", { headers, body })).status).toBe(200);
}

async function read(key = ADMIN): Promise<{ data: readonly AlertReport[]; watched: readonly WatchReport[] }> {
  const headers = { authorization: `Bearer ${key}` };
  const { text } = await call(gateway.url, "/sluice/v1/alerts", { method: "GET", headers });
  return JSON.parse(text) as Awaited<ReturnType<typeof read>>;
}

const settled = () => until(() => gateway.sluice.admission.inFlight === 0);

describe("a key over its baseline", () => {
  test("is told of with its cause, in its own report and the whole one, in the log and in metrics, and nothing of a prompt", async () => {
    const events: AlertEvent[] = [];
    gateway.sluice.alerts.onAlert((event) => events.push(event));
    await ask(BATCH);
    await ask(SEARCH);
    await settled();
    await gateway.sluice.alerts.evaluate();
    await gateway.sluice.alerts.evaluate();
    expect(events.map(({ kind, alert }) => [kind, alert.value])).toEqual([
      ["fired", "batch"],
      ["fired", "search"],
    ]);
    const { data, watched } = await read();
    const batch = data.find(({ value }) => value === "batch");
    expect(batch).toMatchObject({ state: "firing", watch: "key-day", level: 1.5, basis: "actual", baseline: "fixed" });
    expect(batch?.text).toContain(
      "100 % of the excess is class `triage` at `openai/gpt-5.4-nano`: 1 task that was not there before",
    );
    expect(watched.find(({ watch }) => watch === "everything")).toMatchObject({
      baseline_usd: null,
      missing: "no-history",
    });
    expect(watched.find(({ watch }) => watch === "team-day")).toMatchObject({ value: "finders", firing: [] });
    expect(await gateway.metric('sluice_alert_firing{rule="key-day",value="batch",level="1.5"}')).toBe(1);
    expect(await gateway.metric('sluice_spend_ratio{rule="key-day",value="batch"}')).toBeGreaterThan(1.5);
    const said = JSON.stringify([data, events.map(({ text }) => text), gateway.logged]);
    for (const secret of [SECRET, BATCH, SEARCH]) expect(said).not.toContain(secret);
    expect(gateway.logged.some((line) => line.includes("alert-fired"))).toBe(true);
  });

  test("is shown to itself only, and to who reads all", async () => {
    await ask(BATCH);
    await ask(SEARCH);
    await settled();
    await gateway.sluice.alerts.evaluate();
    expect((await read(BATCH)).data.map(({ value }) => value)).toEqual(["batch"]);
    expect((await read(BATCH)).watched.map(({ value }) => value)).toEqual(["batch"]);
    expect((await read(SEARCH)).watched.map(({ watch, value }) => [watch, value])).toEqual([
      ["key-day", "search"],
      ["team-day", "finders"],
    ]);
    expect((await read()).data).toHaveLength(2);
  });

  test("is not told of again after a restart", async () => {
    await ask(BATCH);
    await settled();
    await gateway.sluice.alerts.evaluate();
    const [before] = (await read()).data;
    await gateway.close();
    await start();
    const events: AlertEvent[] = [];
    gateway.sluice.alerts.onAlert((event) => events.push(event));
    await until(async () => (await read()).watched.some(({ spent_usd }) => spent_usd > 0));
    await ask(BATCH);
    await settled();
    await gateway.sluice.alerts.evaluate();
    expect(events).toEqual([]);
    expect((await read()).data.map(({ id }) => id)).toEqual([before?.id]);
  });
});
