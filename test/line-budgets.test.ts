/** Budgets at the front door: what callers are told, whose money is taken, and that a simulated provider never bills more than a limit. */
import Anthropic from "@anthropic-ai/sdk";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { providerKinds } from "../providers/index.ts";
import type { BudgetReport } from "../src/budgets/report.ts";
import { loadConfig } from "../src/config.ts";
import { GatewayError } from "../src/errors.ts";
import { call, open } from "./line-client.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

const NANO = "openai/gpt-5.4-nano";
const BATCH = "batch-key-0123456789";
const ADMIN = "admin-key-0123456789";
const SEARCH = "search-key-0123456789";
const KEYS = `keys:
  - { name: batch, keyEnv: BATCH_KEY }
  - { name: search, keyEnv: SEARCH_KEY, team: finders }
  - { name: admin, keyEnv: ADMIN_KEY, reads: all }`;

let sandbox: RunningSandbox;
let gateway: RunningGateway | undefined;
let data: string;

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 });
  data = mkdtempSync(join(tmpdir(), "sluice-budgets-"));
});
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await sandbox.close();
  rmSync(data, { recursive: true });
});

const environment = () => ({
  LOG_LEVEL: "silent",
  OPENAI_API_KEY: "sk-simulated-1",
  OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
  ANTHROPIC_API_KEY: "sk-simulated-2",
  ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
  BATCH_KEY: BATCH,
  SEARCH_KEY: SEARCH,
  ADMIN_KEY: ADMIN,
});

async function start(yaml: string): Promise<RunningGateway> {
  gateway = await startGateway({ environment: environment(), yaml, data });
  return gateway;
}

interface Ask {
  readonly key?: string;
  readonly model?: string;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

function ask({ key = BATCH, model = NANO, text = "hello", headers = {}, ...fields }: Ask = {}) {
  return call(gateway?.url ?? "", "/v1/chat/completions", {
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: { model, max_tokens: 20, messages: [{ role: "user", content: text }], ...fields },
  });
}

async function budgets(key = ADMIN, query = ""): Promise<readonly BudgetReport[]> {
  const headers = { authorization: `Bearer ${key}` };
  const { text } = await call(gateway?.url ?? "", `/sluice/v1/budgets${query}`, { method: "GET", headers });
  return (JSON.parse(text) as { data: BudgetReport[] }).data;
}

const billed = () => Number(sandbox.invoice.costPicoUsd) / 1e12;

describe("200 clients at once against a small hard budget", () => {
  test(
    "are never billed more than it, and what is spent is the provider's bill to the picodollar",
    { timeout: 60_000 },
    async () => {
      const limitUsd = 0.0005;
      await start(`budgets: [ { name: small, window: day, limitUsd: ${limitUsd}, action: block } ]`);
      let served = 0;
      const statuses = new Set<number>();
      const clients = Array.from({ length: 200 }, async (_, index) => {
        for (let turn = 0; turn < 6; turn += 1) {
          const { status } = await ask({ text: `client ${index}, turn ${turn}`, stream: (index + turn) % 2 === 0 });
          statuses.add(status);
          if (status === 200) served += 1;
        }
      });
      await Promise.all(clients);
      expect(billed()).toBeLessThanOrEqual(limitUsd);
      // It was of use: what is left does not fit one call more than a few.
      expect(billed()).toBeGreaterThan(limitUsd * 0.7);
      expect(served).toBe(sandbox.invoice.lines.length);
      expect(statuses).toEqual(new Set([200, 402, 429]));
      const [state] = await budgets("any");
      expect(state).toMatchObject({ budget: "small", reserved_usd: 0, state: "reached" });
      expect(state?.spent_pico_usd).toBe(String(sandbox.invoice.costPicoUsd));
    },
  );
});

describe("who is over a hard limit", () => {
  test("gets a 402 in the caller's dialect, which no SDK tries again, with the time to come back at", async () => {
    const running = await start(
      `${KEYS}\nbudgets: [ { scope: key, window: month, timeZone: Europe/Paris, limitUsd: 0.000001, action: block } ]`,
    );
    const openai = new OpenAI({ baseURL: `${running.url}/v1`, apiKey: BATCH });
    const said = await openai.chat.completions
      .create({ model: NANO, max_tokens: 20, messages: [{ role: "user", content: "hi" }] })
      .catch((error: unknown) => error);
    expect(said).toBeInstanceOf(OpenAI.APIError);
    expect(said).toMatchObject({ status: 402, type: "insufficient_quota" });
    const anthropic = new Anthropic({ baseURL: running.url, apiKey: BATCH });
    const other = await anthropic.messages
      .create({ model: "claude-haiku-5-5", max_tokens: 20, messages: [{ role: "user", content: "hi" }] })
      .catch((error: unknown) => error);
    expect(other).toMatchObject({ status: 402, error: { type: "error", error: { type: "billing_error" } } });
    const rows = await running.allAttempts();
    expect(rows.map(({ outcome, error, cost_usd }) => [outcome, error, cost_usd])).toEqual([
      ["rejected", "budget-exceeded", 0],
      ["rejected", "budget-exceeded", 0],
    ]);
    expect(sandbox.invoice.lines).toEqual([]);
  });

  test("is told when the window begins anew, once something is spent", async () => {
    await start(`budgets: [ { window: month, timeZone: Europe/Paris, limitUsd: 0.00008, action: block } ]`);
    let last = await ask();
    for (let count = 0; last.status === 200 && count < 20; count += 1) last = await ask({ text: `again ${count}` });
    expect(last.status).toBe(402);
    expect(last.headers["x-should-retry"]).toBe("false");
    const [state] = await budgets("any");
    const seconds = (Date.parse(state?.window_end ?? "") - Date.now()) / 1000;
    expect(Number(last.headers["retry-after"])).toBeGreaterThan(seconds - 60);
    expect(Number(last.headers["retry-after"])).toBeLessThan(seconds + 60);
    expect(last.text).toContain(state?.window_end);
  });

  test("may count tokens, which costs nothing", async () => {
    const running = await start(`budgets: [ { limitUsd: 0.000001, action: block } ]`);
    const counted = await call(running.url, "/v1/messages/count_tokens", {
      body: { model: "claude-haiku-5-5", messages: [{ role: "user", content: "hi" }] },
    });
    expect(counted.status).toBe(200);
  });

  test("at one provider is served by the next one", async () => {
    await start(
      `aliases: { both: [${NANO}, anthropic/claude-haiku-5-5] }\npolicy: { default: ordered }\nbudgets: [ { scope: provider, of: openai, limitUsd: 0.000001, action: block } ]`,
    );
    const { status, headers } = await ask({ model: "both" });
    expect([status, headers["x-sluice-target"]]).toEqual([200, "anthropic/claude-haiku-5-5"]);
    const [openai] = await budgets("any");
    expect(openai).toMatchObject({ value: "openai", refused_calls: 1, spent_usd: 0 });
  });
});

describe("whose money it is", () => {
  const YAML = `${KEYS}
budgets:
  - { name: keys, scope: key, window: day, limitUsd: 1 }
  - { name: teams, scope: team, window: day, limitUsd: 1 }
  - { name: departments, tag: department, window: 24h, limitUsd: 1 }
  - { name: targets, scope: target, window: hour, limitUsd: 1 }
  - { name: classes, scope: class, of: "triage-*", limitUsd: 1 }
  - { name: everything, window: week }`;

  test("is told apart by key, team, tag, class and target, and each sees its own only", async () => {
    await start(YAML);
    await ask({ metadata: { department: "sales" }, store: true });
    await ask({ key: SEARCH, headers: { "x-sluice-tags": "department=R%26D", "x-sluice-task-class": "triage-mail" } });
    const spent = (await budgets()).filter(({ spent_usd: usd }) => usd > 0);
    expect(spent.map(({ budget, value }) => `${budget} ${value}`).toSorted()).toEqual([
      "classes triage-mail",
      "departments R&D",
      "departments sales",
      "everything ",
      "keys batch",
      "keys search",
      `targets ${NANO}`,
      "teams finders",
    ]);
    const all = (await budgets()).find(({ budget }) => budget === "everything");
    expect(all).toMatchObject({ spent_pico_usd: String(sandbox.invoice.costPicoUsd), limit_usd: null, left_usd: null });
    expect((await budgets(BATCH)).map(({ budget, value }) => `${budget} ${value}`)).toEqual(["keys batch"]);
    expect((await budgets(SEARCH)).map(({ budget, value }) => `${budget} ${value}`)).toEqual([
      "keys search",
      "teams finders",
    ]);
    expect(await budgets(ADMIN, "?budget=teams")).toHaveLength(1);
  });

  test("is there after a restart and a reload, to the picodollar, and none of it twice", async () => {
    const before = await start(YAML);
    for (const department of ["sales", "search", "sales"])
      await ask({ metadata: { department }, store: true, headers: { "x-sluice-task-class": "triage-a" } });
    const told = await budgets();
    await before.close();
    gateway = undefined;
    const after = await start(YAML);
    const again = await budgets();
    const plain = (all: readonly BudgetReport[]) =>
      all
        .filter(({ spent_usd: usd }) => usd > 0)
        .map(({ budget, value, spent_pico_usd: spent }) => [budget, value, spent] as const)
        .toSorted(([one, of], [other, ofOther]) => `${one} ${of}`.localeCompare(`${other} ${ofOther}`));
    expect(plain(again)).toEqual(plain(told));
    // One that is new knows what was spent before it, too.
    const reloaded = loadConfig({
      arguments: [],
      environment: { ...environment(), PORT: "0" },
      folder: "/nowhere",
      kinds: providerKinds,
      readFile: () => `${YAML}\n  - { name: new, window: 7d, limitUsd: 2, action: block }`,
    });
    after.sluice.reload({ ...after.sluice, ...reloaded.config });
    await until(async () => (await budgets(ADMIN, "?budget=new"))[0]?.spent_usd !== 0);
    const everything = plain(await budgets()).filter(([budget]) => budget === "new" || budget === "everything");
    expect(everything.map(([, , spent]) => spent)).toEqual([
      String(sandbox.invoice.costPicoUsd),
      String(sandbox.invoice.costPicoUsd),
    ]);
  });

  test("an answer that its client left is charged", async () => {
    const running = await start(`budgets: [ { name: all, window: day } ]`);
    const leaving = open(running.url, "/v1/chat/completions", {
      body: {
        model: NANO,
        stream: true,
        max_tokens: 400,
        messages: [{ role: "user", content: "[[sandbox: tokens=300 tps=50]] tell me" }],
      },
    });
    leaving.answer.catch(() => undefined);
    await until(() => leaving.received.length > 1_000);
    leaving.leave();
    await until(async () => (await running.allAttempts()).some(({ outcome }) => outcome === "canceled"));
    const [row] = await running.allAttempts();
    const [state] = await budgets("any");
    expect(Number(state?.spent_pico_usd)).toBeGreaterThan(0);
    expect(state).toMatchObject({ spent_pico_usd: row?.cost_pico_usd, reserved_usd: 0 });
  });
});

describe("each attempt is money of its own", () => {
  test("a try again, and a review of the answer, whose tags are the call's", async () => {
    await start(`budgets: [ { name: tags, tag: department }, { name: all, limitUsd: 1, action: block } ]
classes: { triage: { crossCheck: { reviewers: [anthropic/claude-haiku-5-5] } } }
retries: { backoffMs: 1 }`);
    sandbox.faults.next({ name: "500" });
    const headers = { "x-sluice-task-class": "triage", "x-sluice-tags": "department=caf%C3%A9" };
    expect((await ask({ headers })).status).toBe(200);
    const rows = await gateway?.allAttempts();
    expect(rows?.map(({ outcome, provider }) => [outcome, provider])).toEqual([
      ["failed", "openai"],
      ["complete", "openai"],
      ["complete", "anthropic"],
    ]);
    const [tagged, all] = await budgets("any");
    const bill = String(sandbox.invoice.costPicoUsd);
    expect(tagged).toMatchObject({ value: "café", spent_pico_usd: bill, reserved_usd: 0 });
    expect(all).toMatchObject({ spent_pico_usd: bill, reserved_usd: 0 });
  });
});

describe("a budget with `downgrade` that is used up", () => {
  const dear = "anthropic/claude-opus-5";
  const yaml = (taskUsd: number) =>
    `policy: { default: ordered, targets: [${dear}, ${NANO}] }\nbudgets: [ { name: down, window: day, limitUsd: 0.00002, action: downgrade, taskUsd: ${taskUsd} } ]`;

  test("lets only targets be chosen that are expected to finish the task for its limit, under any policy", async () => {
    await start(yaml(0.01));
    expect((await ask({ model: "auto" })).headers["x-sluice-target"]).toBe(dear);
    expect((await ask({ model: "auto", text: "another thing" })).headers["x-sluice-target"]).toBe(NANO);
    const named = await ask({ model: dear, text: "a third thing" });
    expect(named.status).toBe(402);
    expect(named.text).toContain(dear);
    expect(named.headers["x-should-retry"]).toBe("false");
    expect((await ask({ text: "a fourth thing" })).status).toBe(200);
  });

  test("refuses where no target is as cheap", async () => {
    await start(yaml(0.000_000_1));
    await ask({ model: "auto" });
    expect((await ask({ model: "auto", text: "another thing" })).status).toBe(402);
  });
});

describe("a model without a price", () => {
  const models = "models: { no-price: { provider: openai } }";

  test("is refused under a hard limit, and another target is called", async () => {
    await start(
      `${models}\naliases: { both: [openai/no-price, ${NANO}] }\npolicy: { default: ordered }\nbudgets: [ { limitUsd: 1, action: block } ]`,
    );
    const alone = await ask({ model: "openai/no-price" });
    expect(alone.status).toBe(402);
    expect(alone.text).toContain("has no price");
    expect((await ask({ model: "both" })).headers["x-sluice-target"]).toBe(NANO);
  });
});

test("Prometheus sees limits, spend and states, of values as many as its bound", async () => {
  const running = await start(
    `${KEYS}\nbudgets:\n  - { name: keys, scope: key, window: day, limitUsd: 1, action: block }\n  - { name: tags, tag: t, window: day }`,
  );
  await ask();
  for (let index = 0; index < 60; index += 1) await ask({ headers: { "x-sluice-tags": `t=v${index}` } });
  const text = await running.sluice.metrics.render();
  expect(text).toContain('sluice_budget_limit_usd{budget="keys",value="batch"} 1');
  expect(text).toContain('sluice_budget_state{budget="keys",value="batch"} 0');
  expect(await running.metric('sluice_spend_usd_total{budget="keys",value="batch"}')).toBeCloseTo(billed(), 10);
  expect([...text.matchAll(/^sluice_budget_spent_usd\{budget="tags"/gm)]).toHaveLength(50);
  expect(await running.metric("sluice_budget_values_hidden")).toBe(11);
});

test("a call that the ledger cannot take is refused, and gives back what was reserved for it", async () => {
  const running = await start(`budgets: [ { name: all, limitUsd: 1, action: block } ]`);
  const { ledger } = running.sluice;
  const reserve = ledger.reserve.bind(ledger);
  ledger.reserve = () => {
    throw new GatewayError("ledger-unavailable", "the disk is full");
  };
  expect((await ask()).status).toBe(503);
  expect((await budgets("any"))[0]).toMatchObject({ reserved_usd: 0, spent_usd: 0 });
  ledger.reserve = reserve;
  ledger.written = async () => new GatewayError("ledger-unavailable", "the disk is full");
  expect((await ask()).status).toBe(503);
  expect(sandbox.invoice.lines).toEqual([]);
  expect((await budgets("any"))[0]).toMatchObject({ reserved_usd: 0, spent_usd: 0 });
});

test(
  "what is reserved is never less than what is billed, whatever is asked for, of whom, and in which dialect",
  { timeout: 60_000 },
  async () => {
    const running = await start("budgets: [ { name: all, limitUsd: 1000, action: block } ]");
    const long = "a system text that says what is to be done. ".repeat(600);
    const picture = `data:image/png;base64,${PIXEL}`;
    const tools = [
      {
        type: "function",
        function: {
          name: "look",
          description: "looks",
          parameters: { type: "object", properties: { at: { type: "string" } } },
        },
      },
    ];
    const chat = (model: string, fields: object = {}, content: unknown = "hello") =>
      ["/v1/chat/completions", { model, max_tokens: 50, messages: [{ role: "user", content }], ...fields }] as const;
    const claude = "anthropic/claude-haiku-5-5";
    const calls: readonly (readonly [path: string, body: object])[] = [NANO, claude].flatMap((model) => [
      chat(model),
      chat(model, { stream: true }),
      chat(model, { tools }, "please look"),
      chat(model, {}, [
        { type: "text", text: "what is this?" },
        { type: "image_url", image_url: { url: picture } },
      ]),
      chat(model, {
        messages: [
          { role: "system", content: long },
          { role: "user", content: "one" },
        ],
      }),
      chat(model, {
        messages: [
          { role: "system", content: long },
          { role: "user", content: "two" },
        ],
      }),
      chat(model, { max_tokens: undefined }, "[[sandbox: tokens=2000]] much"),
      chat(model, { max_tokens: 2_000, reasoning_effort: "high" }, "[[sandbox: thinking=500 tokens=900]] think"),
      [
        "/v1/messages",
        {
          model,
          max_tokens: 20,
          system: [{ type: "text", text: long, cache_control: { type: "ephemeral", ttl: "1h" } }],
          messages: [{ role: "user", content: "ok" }],
        },
      ],
      ["/v1/responses", { model, input: "hello", max_output_tokens: 50 }],
    ]);
    for (const [path, body] of [
      ...calls,
      chat(NANO, { n: 3 }),
      ["/v1/embeddings", { model: "openai/text-embedding-3-small", input: ["a", "b"] }] as const,
    ]) {
      const { status, text } = await call(running.url, path, { body });
      expect([path, status, status === 200 ? "" : text]).toEqual([path, 200, ""]);
    }
    await running.sluice.ledger.flush();
    const file = new DatabaseSync(join(data, "ledger.sqlite"), { readOnly: true });
    const rows = file
      .prepare("SELECT reserved_pico_usd AS reserved, cost_pico_usd AS cost, model, output FROM attempts")
      .all();
    file.close();
    expect(rows.length).toBe(calls.length + 2);
    for (const row of rows) {
      expect(row["cost"], JSON.stringify(row)).toBeGreaterThan(0);
      expect(row["reserved"], JSON.stringify(row)).toBeGreaterThanOrEqual(Number(row["cost"]));
    }
    const cost = rows.reduce((sum, row) => sum + BigInt(Number(row["cost"])), 0n);
    expect((await budgets("any"))[0]?.spent_pico_usd).toBe(String(cost));
  },
);

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
