/** `bench replay` on the ledger of a gateway that was called, and on what is exported of it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { replayCommand } from "../bench/replay/command.ts";
import type { Result } from "../bench/replay/result.ts";
import { type ManualClock, manualClock, type RunningSandbox, startSandbox } from "../bench/sandbox/index.ts";
import { MIGRATIONS } from "../src/ledger-schema.ts";
import { type RunningGateway, startGateway } from "./running.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const SYSTEM = { role: "system", content: `You are careful. ${WORDS.repeat(300)}` };
const TARGETS = ["openai/gpt-5.4-nano", "anthropic/claude-haiku-5-5", "mistral/mistral-small-2603"];

let folder: string;
let file: string;
let clock: ManualClock;
let sandbox: RunningSandbox;
let gateway: RunningGateway;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bench-replay-ledger-"));
  file = join(folder, "ledger.sqlite");
  clock = manualClock(Date.UTC(2026, 10, 1));
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0, clock });
  gateway = await startGateway({
    environment: {
      OPENAI_API_KEY: "sk-simulated-1",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
      ANTHROPIC_API_KEY: "sk-simulated-2",
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
      MISTRAL_API_KEY: "simulated-3",
      MISTRAL_BASE_URL: `${sandbox.url}/mistral/v1`,
      ALICE_KEY: "sk-alice-0123456789abcdef",
    },
    yaml: "keys:\n  - name: alice\n    keyEnv: ALICE_KEY\nretries:\n  backoffMs: 1\n",
    data: folder,
    now: () => clock.now(),
  });
});
afterEach(async () => {
  await gateway.close();
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

async function ask(body: object, task: string, path = "/v1/chat/completions"): Promise<number> {
  const response = await gateway.app.request(path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: "Bearer sk-alice-0123456789abcdef",
      "x-sluice-task": task,
      "x-sluice-task-class": "talk",
    },
    body: JSON.stringify(body),
  });
  await response.text();
  clock.advance(20_000);
  return response.status;
}

/** Conversations of three turns at each target, in which caches are written and read; streams, refusals, failures, embeddings. */
async function converse(): Promise<void> {
  for (const [index, model] of [...TARGETS, ...TARGETS].entries()) {
    const messages: object[] = [SYSTEM];
    for (const said of ["first", "second", "third"]) {
      messages.push({ role: "user", content: `${said} ${WORDS.repeat(60)}` });
      expect(await ask({ model, messages, max_tokens: 40, stream: index > 2 }, `t-${index}`)).toBe(200);
      messages.push({ role: "assistant", content: `an answer to the ${said}` });
    }
    const told = await gateway.app.request(`/sluice/v1/tasks/t-${index}/outcome`, {
      method: "POST",
      headers: { authorization: "Bearer sk-alice-0123456789abcdef" },
      body: JSON.stringify({ outcome: index === 2 ? "failure" : "success" }),
    });
    expect(told.status).toBe(200);
  }
  const refused = { model: TARGETS[0], messages: [{ role: "user", content: "[[sandbox: fault=400]] no" }] };
  expect(await ask(refused, "t-refused")).toBeGreaterThanOrEqual(400);
  expect(await ask({ model: TARGETS[0], messages: "none" }, "t-wrong")).toBe(400);
  const read = { model: "openai/text-embedding-3-small", input: WORDS };
  expect(await ask(read, "t-embedded", "/v1/embeddings")).toBe(200);
  await gateway.allAttempts();
  await gateway.sluice.ledger.flush();
}

async function replayed(source: string, ...flags: string[]): Promise<Result & { readonly text: string }> {
  const { output, problem } = await replayCommand([source, "--json", ...flags]);
  expect(problem).toBe("");
  return { ...(JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Result), text: output };
}

test("a ledger in use is priced again to the picodollar: the gateway's own sums, and the providers' bill", async () => {
  await converse();
  const { total: spend } = await gateway.sluice.ledger.spend({});
  const billed = sandbox.invoice.totals.reduce((sum, { costPicoUsd }) => sum + (costPicoUsd ?? 0n), 0n);
  const { as_it_was: was, total } = await replayed(file);
  expect(was.cost_pico_usd).toBe(spend.cost_pico_usd);
  // The simulator has no price of embeddings.
  const { total: embedded } = await gateway.sluice.ledger.spend({ model: "text-embedding-3-small" });
  expect(was.cost_pico_usd).toBe(String(billed + BigInt(embedded.cost_pico_usd ?? -1)));
  expect(was.attempts).toBe(spend.attempts);
  expect(was.recomputed_attempts).toBe(19);
  expect(was.carried).toEqual([]);
  expect(total.would_pico_usd).toBe(was.cost_pico_usd);
  const times = await replayed(file, "--price", "*=x4");
  expect(times.total.would_pico_usd).toBe(String(4n * BigInt(was.cost_pico_usd)));
});

test("what is exported replays like the ledger, and says of whose it is no more than a number", async () => {
  await converse();
  const out = join(folder, "out.jsonl");
  expect((await replayCommand([file, "--export", out])).output).toContain("attempts");
  for (const flags of [[], ["--policy", "cheapest-task"], ["--all-to", TARGETS[2] as string]]) {
    const [{ text: _, ...ledger }, { text: __, ...exported }] = [
      await replayed(file, ...flags),
      await replayed(out, ...flags),
    ];
    expect({ ...exported, ledger: "" }).toEqual({ ...ledger, ledger: "" });
  }
  const lines = readFileSync(out, "utf8");
  const database = new DatabaseSync(file, { readOnly: true });
  const { tenant } = database.prepare("SELECT tenant FROM attempts LIMIT 1").get() ?? {};
  database.close();
  expect(typeof tenant === "string" && tenant.length > 8).toBe(true);
  expect(lines).not.toContain(String(tenant));
  expect(lines).not.toContain("quick brown fox");
  const again = await replayCommand([file, "--export", out]);
  expect([again.problem, again.exitCode]).toEqual([`${out}: it is there already\n`, 2]);
});

test("tasks go elsewhere with what the ledger has shown of them there", async () => {
  await converse();
  const { moved, total } = await replayed(file, "--all-to", TARGETS[0] as string);
  expect(moved).toHaveLength(1);
  expect(moved[0]).toMatchObject({ class: "talk", target: TARGETS[0], tasks: 4, backed_by_tasks: 2 });
  expect(total.stay).toEqual({ "it is no chat": 1, "it was never answered": 2 });
  expect(total.success.was).toBeCloseTo(5 / 6, 9);
});

test("a ledger of an older Sluice is told to be brought up to date, and another database to be none", async () => {
  const older = join(folder, "older.sqlite");
  const database = new DatabaseSync(older);
  for (const migration of MIGRATIONS.slice(0, 5)) database.exec(migration);
  database.exec("PRAGMA user_version = 5");
  expect((await replayCommand([older])).problem).toContain("an older Sluice wrote it");
  database.exec("PRAGMA user_version = 99");
  expect((await replayCommand([older])).problem).toContain("written by a newer Sluice");
  database.exec("DROP TABLE attempts");
  expect((await replayCommand([older])).problem).toContain("it has no table of attempts");
  database.close();
});
