/** The gateway as a process that is killed while 200 clients spend: a hard budget holds over its death, and no money is forgotten. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { BudgetReport } from "../src/budgets/report.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { call } from "./line-client.ts";
import { processFolder, type ProcessFolder, type ProcessGateway } from "./process-gateway.ts";
import { until } from "./running.ts";

const CLIENTS = 200;
const LIMIT_USD = 0.02;
/** Of the limit: so much is spent when it is killed. */
const KILLED_AT = 0.25;

let folder: ProcessFolder;
let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 });
  folder = processFolder();
  folder.configure(`budgets: [ { name: hard, window: day, limitUsd: ${LIMIT_USD}, action: block } ]`);
});
afterEach(async () => {
  await folder.remove();
  await sandbox.close();
});

const start = () =>
  folder.start({ OPENAI_API_KEY: "sk-simulated-1", OPENAI_BASE_URL: `${sandbox.url}/openai/v1`, LOG_LEVEL: "warn" });

test(
  "kill -9 in the middle: what is spent afterwards is at least the provider's bill, which never passes the limit",
  { timeout: 90_000 },
  async () => {
    const first = await start();
    const run = { isOver: false };
    const ignored = () => 0;
    const load = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let turn = 0; !run.isOver; turn += 1) await ask(first, `client ${client}, turn ${turn}`).catch(ignored);
    });
    await until(() => billed() >= BigInt(Math.round(LIMIT_USD * KILLED_AT * 1e12)), 30_000);
    first.process.kill("SIGKILL");
    run.isOver = true;
    await Promise.all([...load, first.ended]);
    // What had reached the provider by then is still being answered there.
    let last = -1n;
    let still = 0;
    await until(() => {
      still = billed() === last ? still + 1 : 0;
      last = billed();
      return still > 50;
    });

    const second = await start();
    const recalled = await spent(second);
    expect(recalled >= billed(), `${recalled} recalled, ${billed()} billed`).toBe(true);
    // Each picodollar beyond the bill is one that was reserved for a call of which nothing more was heard.
    const lost = await rows(second, "outcome=lost");
    const complete = await rows(second, "outcome=complete");
    const settled = complete.reduce((sum, row) => sum + BigInt(row.cost_pico_usd ?? 0), 0n);
    // None of them was sent before its row was on disk.
    const answered = sandbox.invoice.totals.reduce((sum, { requests }) => sum + requests, 0);
    expect(complete.length + lost.length).toBeGreaterThanOrEqual(answered);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThanOrEqual(CLIENTS);
    expect(settled).toBeLessThanOrEqual(billed());
    expect(recalled).toBeGreaterThan(settled);

    // To the end of the budget, and further.
    const more = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let turn = 0, status = 200; turn < 500 && status !== 402; turn += 1)
        status = await ask(second, `client ${client}, turn ${turn} again`).catch(ignored);
    });
    await Promise.all(more);
    expect(billed()).toBeLessThanOrEqual(BigInt(Math.round(LIMIT_USD * 1e12)));
    expect(await spent(second)).toBeLessThanOrEqual(BigInt(Math.round(LIMIT_USD * 1e12)));
    expect((await spent(second)) - recalled).toBe(billed() - last);
  },
);

const billed = () => sandbox.invoice.costPicoUsd;

async function ask(gateway: ProcessGateway, text: string): Promise<number> {
  const body = { model: "openai/gpt-5.4-nano", max_tokens: 20, messages: [{ role: "user", content: text }] };
  return (await call(gateway.url, "/v1/chat/completions", { body })).status;
}

async function spent(gateway: ProcessGateway): Promise<bigint> {
  const { text } = await call(gateway.url, "/sluice/v1/budgets", { method: "GET" });
  const [state] = (JSON.parse(text) as { data: BudgetReport[] }).data;
  return BigInt(state?.spent_pico_usd ?? -1);
}

async function rows(gateway: ProcessGateway, filter: string): Promise<readonly AttemptRow[]> {
  const all: AttemptRow[] = [];
  let cursor = "";
  do {
    const path = `/sluice/v1/attempts?limit=1000&order=oldest&${filter}${cursor}`;
    const { text } = await call(gateway.url, path, { method: "GET" });
    const page = JSON.parse(text) as { data: AttemptRow[]; next_cursor: string | null };
    all.push(...page.data);
    cursor = page.next_cursor === null ? "" : `&cursor=${page.next_cursor}`;
  } while (cursor !== "");
  return all;
}
