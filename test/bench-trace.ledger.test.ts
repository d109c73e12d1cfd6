/** `bench trace --ledger`: the prompts of a gateway's own calls, replayed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { billedOutcome } from "../bench/trace/billed.ts";
import { rulesOfModel } from "../bench/trace/chosen-rules.ts";
import { generate } from "../bench/trace/generate.ts";
import { type LedgerChoice, type LedgerTrace, readLedger } from "../bench/trace/ledger.ts";
import { boundsOf, marksPolicies } from "../bench/trace/marks-run.ts";
import type { MakePolicy } from "../bench/trace/policy.ts";
import { PrefixTree } from "../bench/trace/prefix-tree.ts";
import { replay } from "../bench/trace/replay.ts";
import { type MarkRules, OPENAI_5_6 } from "../bench/trace/rules.ts";
import type { Trace, TraceRequest } from "../bench/trace/trace.ts";
import { type ManualClock, manualClock, type RunningSandbox, startSandbox } from "../bench/sandbox/index.ts";
import { openLedger } from "../src/ledger.ts";
import { MIGRATIONS } from "../src/ledger-schema.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { entry, reservation } from "./ledger-entry.ts";
import { type RunningGateway, startGateway } from "./running.ts";

const TARGET = "anthropic/claude-haiku-5-5";
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const SYSTEM: Said = { role: "system", content: `You are careful. ${WORDS.repeat(300)}` };

let folder: string;
let file: string;
let clock: ManualClock;
let sandbox: RunningSandbox;
let gateways: RunningGateway[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bench-trace-ledger-"));
  file = join(folder, "ledger.sqlite");
  clock = manualClock();
  sandbox = await startSandbox({ host: "127.0.0.1", port: 0, clock });
  gateways = [];
});
afterEach(async () => {
  for (const gateway of gateways) await gateway.close();
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

interface Said {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

async function started(yaml = ""): Promise<RunningGateway> {
  const gateway = await startGateway({
    environment: {
      ANTHROPIC_API_KEY: "sk-simulated-1",
      ANTHROPIC_BASE_URL: `${sandbox.url}/anthropic`,
      OPENAI_API_KEY: "sk-simulated-2",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
      ALICE_KEY: "sk-alice-0123456789abcdef",
      BOB_KEY: "sk-bob-0123456789abcdef0",
    },
    data: folder,
    yaml,
    now: () => clock.now(),
  });
  gateways.push(gateway);
  return gateway;
}

async function ask(
  gateway: RunningGateway,
  messages: readonly Said[],
  { target = TARGET, headers = {} }: { target?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const response = await gateway.app.request("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: target, messages, max_tokens: 20 }),
  });
  expect(response.status, await response.text()).toBe(200);
  clock.advance(20_000);
}

function turn(role: "user" | "assistant", name: string): Said {
  return { role, content: `${name}: ${WORDS.repeat(60)}` };
}

const FIRST = [SYSTEM, turn("user", "first")];
const SECOND = [...FIRST, turn("assistant", "answer"), turn("user", "second")];
const FORK = [...FIRST, turn("assistant", "answer"), turn("user", "another second")];
const OTHER = [SYSTEM, turn("user", "another one")];
const OTHER_SECOND = [...OTHER, turn("assistant", "its answer"), turn("user", "and more")];

/** Two conversations that begin with the same system text, and a fork of one. */
async function converse(gateway: RunningGateway): Promise<void> {
  for (const messages of [FIRST, OTHER, SECOND, FORK, OTHER_SECOND]) await ask(gateway, messages);
}

function readTarget(choice: Partial<LedgerChoice> = {}): LedgerTrace {
  return readLedger(file, {
    target: undefined,
    sinceMs: undefined,
    untilMs: undefined,
    taskClass: undefined,
    ...choice,
  });
}

function marksOf(model: string): MarkRules {
  const rules = rulesOfModel(model, clock.now(), false);
  if (rules?.kind !== "marks") throw new Error(`${model} has no rules of marks`);
  return rules.rules;
}

/** Tokens of what two requests begin with alike. */
function sharedTokens(trace: LedgerTrace, one: number, other: number): number {
  const tree = new PrefixTree(trace);
  const path = new Set(tree.path(one, []));
  const shared = tree.path(other, []).findLast((node) => path.has(node));
  return shared === undefined ? 0 : (tree.tokens[shared] as number);
}

interface Row {
  readonly prompt: number;
  readonly read: number;
}

/** As the gateway tells them, oldest first. */
async function rowsOf(gateway: RunningGateway): Promise<readonly Row[]> {
  const rows = await gateway.allAttempts();
  return rows.map(({ usage }) => {
    const { input_uncached: plain, cache_read: read, cache_write_5m: short, cache_write_1h: long } = usage;
    return { prompt: (plain ?? 0) + (read ?? 0) + (short ?? 0) + (long ?? 0), read: read ?? 0 };
  });
}

describe("what a gateway in use has written", () => {
  test("its prompts have the tokens that were billed, the places that they share, and the times of the calls", async () => {
    const gateway = await started();
    await converse(gateway);
    const rows = await rowsOf(gateway);
    const trace = readTarget();
    expect(trace.name).toBe(TARGET);
    expect(trace.requests.map(({ promptTokens }) => promptTokens)).toEqual(rows.map(({ prompt }) => prompt));
    expect(trace.requests.map(({ atSeconds }) => atSeconds)).toEqual([0, 20, 40, 60, 80]);
    expect(trace.requests.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => "user"));
    expect(trace.requests[2]?.session).toBe(trace.requests[0]?.session);
    expect(trace.notes).toEqual([]);
    const tree = new PrefixTree(trace);
    const staticTokens = trace.requests.map(
      ({ index, staticBlocks }) => tree.tokens[tree.nodeAt(index, staticBlocks)] as number,
    );
    expect(new Set(staticTokens).size).toBe(1);
    expect(staticTokens[0]).toBe(sharedTokens(trace, 0, 1));
    expect(sharedTokens(trace, 0, 2)).toBe(tree.tokens[tree.ends[0] as number]);
    // The fork leaves behind the answer, and so further down than the first turn.
    expect(sharedTokens(trace, 2, 3)).toBeGreaterThan(sharedTokens(trace, 0, 3));
    expect(sharedTokens(trace, 2, 3)).toBeLessThan(trace.requests[3]?.promptTokens ?? 0);
    expect(sharedTokens(trace, 2, 4)).toBe(staticTokens[0]);
    // System text, question, answer, question: as a provider counts them that looks back.
    expect(tree.content[tree.ends[3] as number]).toBe(4);
  });

  test("what was billed stands beside the policies, and no less than the bound", async () => {
    const gateway = await started();
    await converse(gateway);
    const rows = await rowsOf(gateway);
    const trace = readTarget();
    const rules = marksOf("claude-haiku-5-5");
    expect(rules).toMatchObject({ readPrice: 0.1, minTokens: 512, marksMax: 4, lookback: 20 });
    const billed = billedOutcome(trace, rules);
    expect(billed?.promptTokens).toBe(rows.reduce((sum, { prompt }) => sum + prompt, 0));
    expect(billed?.readTokens).toBe(rows.reduce((sum, { read }) => sum + read, 0));
    expect(billed?.readTokens).toBeGreaterThan(0);
    const { bound } = boundsOf(trace, rules);
    expect(billed?.cost).toBeGreaterThanOrEqual(bound);
    // The planner in the replay decides as the gateway's did, so that the bills agree but for what it counts by.
    const learned = replay(trace, rules, marksPolicies(trace, rules).get("learned") as MakePolicy);
    expect(Math.abs(learned.cost / (billed?.cost ?? 0) - 1)).toBeLessThan(0.02);
  });

  test("calls of other targets, times and classes are left out, and what goes on from them still shares with them", async () => {
    const gateway = await started();
    await ask(gateway, FIRST, { target: "openai/gpt-5.4-nano" });
    await ask(gateway, OTHER);
    const sinceMs = clock.now();
    await ask(gateway, SECOND, { headers: { "x-sluice-task-class": "triage" } });
    await ask(gateway, FORK, { headers: { "x-sluice-task-class": "triage" } });
    await ask(gateway, OTHER_SECOND);
    await gateway.sluice.ledger.flush();
    await gateway.allAttempts();
    expect(() => readTarget()).toThrow(
      /each target has a cache of its own; choose one by --target: anthropic\/claude-haiku-5-5 \(4\), openai\/gpt-5\.4-nano \(1\)/,
    );
    expect(() => readTarget({ target: "openai/gpt-6" })).toThrow(/no prompts went to openai\/gpt-6, but to anthropic/);
    expect(readTarget({ target: TARGET, sinceMs }).requests).toHaveLength(3);
    expect(readTarget({ untilMs: sinceMs, target: TARGET }).requests).toHaveLength(1);
    const triage = readTarget({ taskClass: "triage" });
    expect(triage.requests).toHaveLength(2);
    expect(sharedTokens(triage, 0, 1)).toBeGreaterThan((triage.requests[0]?.promptTokens as number) / 2);
    expect(() => readTarget({ taskClass: "nobody's" })).toThrow(
      /none that was answered within --since, --until and --class/,
    );
  });

  test("a prompt that is only counted is none", async () => {
    const gateway = await started();
    const counted = await gateway.app.request("/v1/messages/count_tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: TARGET, messages: [turn("user", "counted")] }),
    });
    expect(counted.status, await counted.text()).toBe(200);
    await ask(gateway, FIRST);
    await gateway.allAttempts();
    const { requests } = readTarget();
    expect(requests).toHaveLength(1);
    expect(requests[0]?.runs[0]).toBe(1);
  });

  test("prompts of two tenants have nothing in common, and tenants are told apart", async () => {
    const gateway = await started(
      "keys:\n  - name: alice\n    keyEnv: ALICE_KEY\n  - name: bob\n    keyEnv: BOB_KEY\n",
    );
    const headersOf = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
    await ask(gateway, FIRST, headersOf("sk-alice-0123456789abcdef"));
    await ask(gateway, FIRST, headersOf("sk-bob-0123456789abcdef0"));
    await ask(gateway, SECOND, headersOf("sk-alice-0123456789abcdef"));
    await gateway.allAttempts();
    const trace = readTarget();
    expect(sharedTokens(trace, 0, 1)).toBe(0);
    expect(sharedTokens(trace, 0, 2)).toBeGreaterThan(0);
    const [alice, bob, again] = trace.requests.map(({ tenant }) => tenant);
    expect(again).toBe(alice);
    expect(bob).not.toBe(alice);
  });

  test("after a restart prompts share nothing with those before, and nothing by mistake", async () => {
    const before = await started();
    await converse(before);
    await before.close();
    gateways = [];
    const after = await started();
    await converse(after);
    await after.allAttempts();
    const trace = readTarget();
    expect(trace.requests).toHaveLength(10);
    for (const one of [0, 1, 2, 3, 4]) {
      for (const other of [5, 6, 7, 8, 9]) expect(sharedTokens(trace, one, other)).toBe(0);
    }
    expect(sharedTokens(trace, 5, 7)).toBe(sharedTokens(trace, 0, 2));
  });

  test("where the row that a prompt goes on from is gone, those that go on from it still share it", async () => {
    const gateway = await started();
    await converse(gateway);
    await gateway.allAttempts();
    const whole = readTarget();
    const others = new DatabaseSync(file);
    others.exec("DELETE FROM attempts WHERE id = (SELECT min(id) FROM attempts)");
    others.close();
    const rest = readTarget();
    expect(rest.requests.map(({ promptTokens }) => promptTokens)).toEqual(
      whole.requests.slice(1).map(({ promptTokens }) => promptTokens),
    );
    expect(sharedTokens(rest, 1, 2)).toBeGreaterThan(sharedTokens(whole, 0, 3));
  });
});

test("a trace that is written to a ledger and read back costs the same under every policy", async () => {
  const made = generate("fanout-warm-8", 1);
  // The ledger has times in milliseconds.
  const requests = made.requests.map((request) => ({
    ...request,
    atSeconds: Math.round(request.atSeconds * 1000) / 1000,
  }));
  const trace = { ...made, requests };
  const ledger = await openLedger({ path: file, sinks: [], now: () => 0, log: quiet });
  for (const request of requests) {
    const exchange = `e${request.index}`;
    const row = { startedAtMs: Math.round(request.atSeconds * 1000), ttftMs: 0 };
    ledger.reserve(reservation(exchange, row), { namespace: "", prefixes: prefixesOf(request, trace) });
    const usage = { ...UNKNOWN_USAGE, inputUncached: request.promptTokens, cacheRead: 0, output: 1 };
    ledger.settle(entry(exchange, { ...row, usage }));
  }
  await ledger.close();
  const again = readTarget();
  expect(boundsOf(again, OPENAI_5_6)).toEqual(boundsOf(trace, OPENAI_5_6));
  for (const name of ["none", "end 30m", "static+end 30m", "learned"]) {
    const costs = [trace, again].map((one) => {
      const policy = marksPolicies(one, OPENAI_5_6).get(name) as MakePolicy;
      return replay(one, OPENAI_5_6, policy).cost;
    });
    expect(costs[1], name).toBeCloseTo(costs[0] as number, 6);
  }
});

/** A place at the end of each block. */
function prefixesOf({ runs, staticBlocks, promptTokens }: TraceRequest, { tokensOf }: Trace) {
  const hashes: number[] = [];
  const tokens: number[] = [];
  let state = 1;
  for (let run = 0; run < runs.length; run += 2) {
    const first = runs[run] as number;
    for (let id = first; id < first + (runs[run + 1] as number); id += 1) {
      state = Math.imul(state ^ id, 0x85ebca6b);
      state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
      hashes.push(id, state);
      tokens.push((tokens.at(-1) ?? 0) + tokensOf(id, 1));
    }
  }
  const blocks = Uint32Array.from(tokens, (_, place) => place + 1);
  const arrays = { hashes: Uint32Array.from(hashes), tokens: Uint32Array.from(tokens), blocks };
  return { ...arrays, staticPlace: staticBlocks - 1, saidPlace: -1, promptTokens, lastKind: "user" as const };
}

describe("the command", () => {
  test("two runs decide, bill and say the same, by the rules of the target's record", async () => {
    const gateway = await started();
    await converse(gateway);
    await gateway.allAttempts();
    const runs = ["one", "two"].map((name) => {
      const decisions = join(folder, `${name}.jsonl`);
      const run = command("--ledger", file, "--only", "none;end 5m;learned", "--decisions", decisions, "--json");
      expect(run.stderr).toBe("");
      expect(run.stdout).toMatch(new RegExp(`^${TARGET}: 5 requests, \\d+ prompt tokens\n`));
      const checked = command("--ledger", file, "--check", decisions, "--json");
      return { report: figuresOf(run.stdout), checked: figuresOf(checked.stdout) };
    });
    expect(runs[0]).toEqual(runs[1]);
    const { report, checked } = runs[0] as (typeof runs)[number];
    expect(Object.keys(report.policies)).toEqual(["billed", "none", "end 5m", "learned"]);
    expect(report.policies["none"]?.["cost"]).toBe(1);
    expect(checked.policies["decisions"]?.["cost"]).toBe(report.policies["learned"]?.["cost"]);
  });

  test("other rules, keys and replicas replay it too", async () => {
    const gateway = await started();
    await converse(gateway);
    await ask(gateway, FIRST, { target: "openai/gpt-5.4-nano" });
    await ask(gateway, SECOND, { target: "openai/gpt-5.4-nano" });
    await gateway.allAttempts();
    const keyed = command("--ledger", file, "--target", "openai/gpt-5.4-nano");
    expect(keyed.stdout).toMatch(/key = conversation/);
    const decisions = command(
      "--ledger",
      file,
      "--target",
      "openai/gpt-5.4-nano",
      "--decisions",
      join(folder, "no.jsonl"),
    );
    expect(decisions.stderr).toMatch(/--decisions and --check are about marks/);
    const fleet = command("--ledger", file, "--target", TARGET, "--rules", "vllm:2,1M");
    expect(fleet.stdout).toMatch(/affinity/);
    // Written for five minutes, which these rules do not have: what was billed is left out.
    const other = command("--ledger", file, "--target", TARGET, "--rules", "openai-5.6", "--only", "none");
    expect(other.stdout).not.toMatch(/billed/);
  });

  test("where nothing is known of how the target caches, it says what to pass", async () => {
    const ledger = await openLedger({ path: file, sinks: [], now: () => 0, log: quiet });
    const who = { provider: "mine", model: "some-model" };
    ledger.reserve(reservation("e1", who), { namespace: "", prefixes: placesFrom(3) });
    ledger.settle(entry("e1", who));
    await ledger.close();
    const run = command("--ledger", file);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(/the model table does not say how mine\/some-model caches: pass --rules anthropic/);
  });

  test.each([
    [["--target", "a/b", "x.jsonl"], /choose from a --ledger/],
    [["--ledger", "x", "--since", "yesterday"], /--since and --until must be dates/],
    [["--ledger", "x", "--generate", "drift"], /give one trace file, or --generate, or --ledger, or --goals/],
  ])("%j is refused with what would be right", (words, right) => {
    const run = command(...words);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(right);
  });
});

describe("what is no ledger with prompts", () => {
  test("a file that is not there, no database, another database and a newer ledger are errors that name it", () => {
    expect(() => readTarget()).toThrow(/ledger\.sqlite: there is no such file; a ledger is ledger\.sqlite in the data/);
    writeFileSync(file, "this is not a database, but it is somebody's file".repeat(100));
    expect(() => readTarget()).toThrow(/ledger\.sqlite: it cannot be read as a ledger: file is not a database/);
    rmSync(file);
    made("CREATE TABLE things (id INTEGER)");
    expect(() => readTarget()).toThrow(/it is not a ledger/);
    rmSync(file);
    made(`CREATE TABLE attempts (id INTEGER); PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    expect(() => readTarget()).toThrow(/written by a newer Sluice/);
  });

  test("a ledger of an older version says what to do, and keeps its rows when this one opens it", async () => {
    const before = MIGRATIONS.findIndex((migration) => migration.includes("CREATE TABLE prompts"));
    made(`${MIGRATIONS.slice(0, before).join(";")}; PRAGMA user_version = ${before};
      INSERT INTO attempts (attempt, exchange, task, client_dialect, requested_model, stream, policy, reason, started_at_ms, outcome)
      VALUES ('old.1', 'old', 't', 'openai-chat', 'm', 0, 'named', '', 1, 'complete')`);
    expect(() => readTarget()).toThrow(
      /no prompts are recorded in it: an older Sluice wrote it\. Start this one on it/,
    );
    const ledger = await openLedger({ path: file, sinks: [], now: () => 0, log: quiet });
    expect(() => readTarget()).toThrow(/an older Sluice wrote it/);
    ledger.reserve(reservation("new"), { namespace: "", prefixes: placesFrom(3) });
    ledger.settle(entry("new"));
    const { data } = await ledger.attempts({});
    await ledger.close();
    expect(data.map(({ exchange }) => exchange)).toEqual(["new", "old"]);
    expect(readTarget().requests).toMatchObject([{ promptTokens: 400, blocks: 3 }]);
  });
});

const quiet = { info() {}, warn() {}, error() {} };

/** A prompt of so many places, each of ten tokens, that shares nothing with others. */
function placesFrom(count: number) {
  const upTo = (step: number) => Uint32Array.from({ length: count }, (_, place) => step * (place + 1));
  return {
    hashes: Uint32Array.from({ length: 2 * count }, (_, word) => Math.imul(word + 1, 0x9e3779b1)),
    tokens: upTo(10),
    blocks: upTo(1),
    staticPlace: 0,
    saidPlace: -1,
    promptTokens: 10 * count + 5,
    lastKind: "user" as const,
  };
}

function made(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

function command(...words: string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const main = fileURLToPath(new URL("../bench/main.ts", import.meta.url));
  return spawnSync(process.execPath, [main, "trace", ...words], { encoding: "utf8", timeout: 20_000 });
}

type Figures = Record<string, Record<string, number>>;

/** The last line, without what depends on the machine. */
function figuresOf(stdout: string): { readonly policies: Figures } {
  const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { policies: Figures };
  for (const figures of Object.values(report.policies)) delete figures["us_per_decision"];
  return report;
}
