/** Where a call goes and why, through the front door: classes, keys, trials, what was learned, and what is told of each decision. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { json } from "./fake-upstream.ts";
import { answers, startLine, type Line, type LineOptions } from "./line-setup.ts";
import { SAID_PICO_USD, wires, type Wire } from "./line-wires.ts";
import { until } from "./running.ts";

const wireOf = (dialect: string): Wire => {
  const found = wires.find((wire) => wire.dialect === dialect);
  if (found === undefined) throw new Error(`there is no wire ${dialect}`);
  return found;
};
const openai = wireOf("openai-chat");
const anthropic = wireOf("anthropic-messages");
const DEAR = `dear/${openai.model}`;
const CHEAP = `cheap/${anthropic.model}`;
/** The one costs ten times what the other does. */
const PRICES = `models:
  ${openai.model}: { price: { input: 1, cacheRead: 0.1, output: 5 } }
  ${anthropic.model}: { price: { input: 0.1, cacheRead: 0.01, output: 0.5 } }
`;

let nowMs = Date.UTC(2026, 10, 22, 9);
const lines: Line[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const line of lines.splice(0)) await line.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Options extends LineOptions {
  /** In the place of the prices above. */
  readonly models?: string;
}

async function started(classes: string, options: Options = {}): Promise<Line> {
  const line = await startLine({
    upstreams: { dear: openai, cheap: anthropic },
    now: () => nowMs,
    ...options,
    yaml: `${options.models === undefined ? PRICES : `models:${options.models}`}${options.yaml ?? ""}\nclasses: { ${classes} }`,
  });
  lines.push(line);
  return line;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "sluice-choice-"));
  folders.push(made);
  return made;
}

async function stop(line: Line): Promise<void> {
  await line.close();
  lines.splice(lines.indexOf(line), 1);
}

/** While no gateway has it open. */
function change(data: string, sql: string, ...values: string[]): void {
  const database = new DatabaseSync(join(data, "ledger.sqlite"));
  database.prepare(sql).run(...values);
  database.close();
}

function read(data: string): string {
  const database = new DatabaseSync(join(data, "ledger.sqlite"));
  const row = database.prepare("SELECT value FROM states WHERE name = 'task-estimates'").get();
  database.close();
  return String(row?.["value"]);
}

interface Asked {
  readonly status: number;
  readonly target: string | null;
  readonly reason: string | null;
  readonly task: string;
  readonly exchange: string;
  readonly text: string;
}

async function ask(
  { gateway }: Line,
  headers: Readonly<Record<string, string>> = {},
  { model = "auto", wire = openai, text = "Hello" } = {},
): Promise<Asked> {
  const answer = await gateway.app.request(wire.path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(wire.request({ model, text })),
  });
  const said = await answer.text();
  await until(() => gateway.sluice.admission.inFlight === 0);
  return {
    status: answer.status,
    target: answer.headers.get("x-sluice-target"),
    reason: answer.headers.get("x-sluice-reason"),
    task: answer.headers.get("x-sluice-task") ?? "",
    exchange: answer.headers.get("x-sluice-exchange") ?? "",
    text: said,
  };
}

interface Explained {
  readonly status: number;
  readonly policy: string;
  readonly reason: string;
  readonly trial: boolean;
  readonly tried: readonly string[];
  readonly turns_so_far: number | null;
  readonly incumbent: string | null;
  readonly candidates: readonly {
    readonly target: string;
    readonly price: { readonly source: string } | null;
    readonly expected_call_usd: number | null;
    readonly total_usd: number | null;
    readonly total_pico_usd: string | null;
    readonly cost_usd: Readonly<Record<string, number>>;
    readonly escalation: { readonly cost_usd: number };
    readonly success: { readonly source: string; readonly tasks: number; readonly value: number };
    readonly turns: { readonly source: string };
  }[];
  readonly excluded: readonly { readonly target: string; readonly why: string }[];
}

async function explained(
  { gateway }: Line,
  exchange: string,
  headers: Record<string, string> = {},
): Promise<Explained> {
  const answer = await gateway.app.request(`/sluice/v1/decisions/${exchange}`, { headers });
  return { status: answer.status, ...((await answer.json()) as Omit<Explained, "status">) };
}

async function tell({ gateway }: Line, task: string, outcome: "success" | "failure"): Promise<void> {
  const path = `/sluice/v1/tasks/${task}/outcome`;
  const answer = await gateway.app.request(path, { method: "POST", body: JSON.stringify({ outcome }) });
  expect(answer.status).toBe(200);
}

let taskNumber = 0;

/** So many tasks of the class at the target, each told as it went. */
async function done(line: Line, model: string, outcome: "success" | "failure", tasks: number): Promise<void> {
  for (let index = 0; index < tasks; index += 1) {
    taskNumber += 1;
    const { task, status } = await ask(line, named("triage", `${model}-${taskNumber}`), { model });
    expect(status).toBe(200);
    await tell(line, task, outcome);
  }
}

/** A task of its own, of a class. */
function named(className: string, task: string): Readonly<Record<string, string>> {
  return { "x-sluice-task-class": className, "x-sluice-task": task.replace(/[^\w-]/g, ".") };
}

const BOTH = `targets: [${DEAR}, ${CHEAP}]`;

describe("cheapest-task behind auto", () => {
  test.each(wires.map((wire) => ({ wire, name: wire.dialect })))("answers a client of $name", async ({ wire }) => {
    const line = await started(`"*": { ${BOTH} }`);
    const byName = await ask(line, {}, { wire, model: "auto:cheapest-task" });
    expect(byName).toMatchObject({ status: 200, target: CHEAP });
    expect(byName.reason).toMatch(new RegExp(`^cheapest-task: ${CHEAP} \\$0\\.\\d+ `));
    expect((await ask(line, {}, { wire, text: "Bye", model: "auto:ordered" })).target).toBe(DEAR);
  });

  test("learns from what is told of tasks, and goes where they succeed", async () => {
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task }`);
    expect((await ask(line, named("triage", "first"))).target).toBe(CHEAP);
    await done(line, CHEAP, "failure", 8);
    await done(line, DEAR, "success", 8);
    const after = await ask(line, named("triage", "last"));
    expect(after.target).toBe(DEAR);
    const decision = await explained(line, after.exchange);
    expect(decision.candidates[0]).toMatchObject({ target: DEAR, success: { source: "class statistics" } });
  });

  test("keeps what it learned over a restart, and learns it again from the ledger where it was lost", async () => {
    const data = folder();
    const classes = `triage: { ${BOTH}, policy: cheapest-task }`;
    const before = await started(classes, { data });
    await done(before, CHEAP, "failure", 8);
    await done(before, DEAR, "success", 8);
    await stop(before);
    const known = async (line: Line, task: string) => {
      const { target, exchange } = await ask(line, named("triage", task));
      expect(target).toBe(DEAR);
      return (await explained(line, exchange)).candidates[0]?.success;
    };

    nowMs += 1_000;
    const after = await started(classes, { data });
    const first = await known(after, "a");
    expect(first?.tasks).toBeCloseTo(8, 0);
    expect(after.gateway.logged.join("")).not.toContain("tasks-relearned");
    await stop(after);

    for (const lost of ["no JSON", "{}", '{"keptAtMs": 1e99, "estimates": {"version": 1, "classes": 7}}']) {
      change(data, "UPDATE states SET value = ? WHERE name = 'task-estimates'", lost);
      const wiped = await started(classes, { data });
      // What says of itself that it is from the future is all that there is.
      if (lost.includes("1e99")) expect((await ask(wiped, named("triage", `b${lost.length}`))).target).toBe(CHEAP);
      else expect(await known(wiped, `b${lost.length}`)).toEqual(first);
      await stop(wiped);
    }
  });

  test("learns after a crash what had ended since it was kept last, and nothing twice", async () => {
    const data = folder();
    const classes = `triage: { ${BOTH}, policy: cheapest-task }`;
    const line = await started(classes, { data });
    await done(line, CHEAP, "failure", 3);
    await stop(line);
    const kept = read(data);
    nowMs += 1_000;
    const next = await started(classes, { data });
    await done(next, CHEAP, "failure", 5);
    await stop(next);
    // As a crash leaves it: what was learned last is not there.
    change(data, "UPDATE states SET value = ? WHERE name = 'task-estimates'", kept);
    const after = await started(classes, { data });
    expect(after.gateway.logged.join("")).toContain('"tasks":5');
    const { exchange } = await ask(after, named("triage", "after"));
    const cheap = (await explained(after, exchange)).candidates.find(({ target }) => target === CHEAP);
    expect(cheap?.success.tasks).toBeGreaterThan(7);
    expect(cheap?.success.tasks).toBeLessThanOrEqual(8);
  });

  test("counts a task once, however often it ends, and the outcome that was told last", async () => {
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task }`);
    const { task } = await ask(line, named("triage", "a"), { model: CHEAP });
    for (const outcome of ["failure", "success", "failure", "success"] as const) await tell(line, task, outcome);
    const { exchange } = await ask(line, named("triage", "b"));
    const one = (await explained(line, exchange)).candidates.find(({ target }) => target === CHEAP);
    expect(one?.success.tasks).toBe(1);
    // One success of one, with what was assumed before it weighing four.
    expect(one?.success.value).toBeGreaterThan(0.8);
  });
});

describe("a class of tasks", () => {
  test("has targets and a policy of its own: by its name, by how it begins, and by `*`", async () => {
    const line = await started(
      `"*": { ${BOTH} }, "bulk-*": { policy: cheapest-task }, bulk-mail: { targets: ${DEAR} }`,
    );
    const went = async (className: string) => (await ask(line, named(className, className))).target;
    expect(await went("chat")).toBe(DEAR);
    expect(await went("bulk-news")).toBe(CHEAP);
    expect(await went("bulk-mail")).toBe(DEAR);
    // Who names a policy gets that one.
    expect((await ask(line, named("bulk-x", "y"), { model: "auto:ordered" })).target).toBe(DEAR);
  });

  test("is known by the name that an operator gave it", async () => {
    const line = await started(`"*": { ${BOTH} }, mail: { policy: cheapest-task }`);
    const { exchange, target } = await ask(line);
    expect(target).toBe(DEAR);
    const [row] = await line.gateway.attempts(exchange);
    const path = `/sluice/v1/task-classes/${row?.task_class}`;
    await line.gateway.app.request(path, { method: "PUT", body: JSON.stringify({ name: "mail" }) });
    expect((await ask(line, { "x-sluice-task": "another" })).target).toBe(CHEAP);
  });

  test("may say where its data may go, and what it says holds for who names a model, too", async () => {
    const line = await started(`secret: { ${BOTH}, deny: dear, policy: cheapest-task }`);
    expect((await ask(line, named("secret", "a"))).target).toBe(CHEAP);
    const refused = await ask(line, named("secret", "b"), { model: DEAR });
    expect(refused.status).toBe(403);
    expect(openai.errorIn(refused.text).message).toContain(`${DEAR} denied (dear)`);
    expect((await ask(line, named("open", "c"), { model: DEAR })).status).toBe(200);
    const decision = await explained(line, (await ask(line, named("secret", "d"))).exchange);
    expect(decision.excluded).toEqual([{ target: DEAR, why: "denied (dear)" }]);
  });
});

describe("a key", () => {
  const keys = `keys:
  - { name: inside, keyEnv: INSIDE_KEY, residency: eu }
  - { name: outside, keyEnv: OUTSIDE_KEY, deny: "cheap/*" }
  - { name: nowhere, keyEnv: NOWHERE_KEY, allow: cheap, deny: cheap }
`;
  const environment = { INSIDE_KEY: "inside-key-01", OUTSIDE_KEY: "outside-key-1", NOWHERE_KEY: "nowhere-key-1" };
  const as = (key: string) => ({ authorization: `Bearer ${key}` });

  test.each(wires.map((wire) => ({ wire, name: wire.dialect })))(
    "that may call none is told of each why, in the words of $name",
    async ({ wire }) => {
      const line = await started(`"*": { ${BOTH} }`, { yaml: keys.replace(", residency: eu", ""), environment });
      const refused = await ask(line, wire.headers(environment.NOWHERE_KEY), { wire });
      expect(refused.status).toBe(403);
      const { message } = wire.errorIn(refused.text);
      expect(message).toContain(`${DEAR} not among the allowed; ${CHEAP} denied (cheap)`);
      expect(message).not.toContain("Hello");
      const decision = await explained(line, refused.exchange, as(environment.NOWHERE_KEY));
      expect(decision).toMatchObject({ status: 200, policy: "none", candidates: [] });
      expect(decision.reason).toContain("denied (cheap)");
    },
  );

  test("that may not call what could take the request is told so with the others' reasons", async () => {
    const line = await started(`"*": { ${BOTH} }`, { yaml: keys.replace(", residency: eu", ""), environment });
    const answer = await line.gateway.app.request(anthropic.path, {
      method: "POST",
      headers: { "content-type": "application/json", ...as(environment.OUTSIDE_KEY) },
      body: JSON.stringify({
        ...anthropic.request({ model: "auto" }),
        tools: [{ type: "web_search_20250305", name: "web_search" }],
      }),
    });
    expect(answer.status).toBe(400);
    const { message } = anthropic.errorIn(await answer.text());
    expect(message).toContain(DEAR);
    expect(message).toContain(`nor can it go elsewhere: ${CHEAP} denied (cheap/*)`);
  });

  test("that must stay in a place calls providers that keep data there, and no other", async () => {
    const line = await started(`"*": { ${BOTH} }`, { yaml: keys, environment, residency: { cheap: "eu" } });
    expect((await ask(line, as(environment.INSIDE_KEY))).target).toBe(CHEAP);
    const refused = await ask(line, as(environment.INSIDE_KEY), { model: DEAR });
    expect(refused.status).toBe(403);
    expect(refused.text).toContain("where it keeps data is not known (must be eu)");
    expect((await ask(line, as(environment.OUTSIDE_KEY), { model: DEAR })).status).toBe(200);
  });
});

describe("a decision", () => {
  test("is told in dollars, with the source of each figure, and its parts add up", async () => {
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task }`);
    const { exchange, reason } = await ask(line, named("triage", "a"));
    const decision = await explained(line, exchange);
    expect(decision).toMatchObject({ policy: "cheapest-task", tried: [CHEAP], turns_so_far: 0, trial: false });
    expect(decision.reason).toBe(reason);
    expect((await line.gateway.attempts(exchange))[0]?.reason).toBe(reason);
    expect(decision.candidates.map(({ target }) => target)).toEqual([CHEAP, DEAR]);
    for (const one of decision.candidates) {
      expect(one.price?.source).toBe("config");
      expect(one.turns.source).toBe("assumption");
      const { sum = Number.NaN, ...parts } = one.cost_usd;
      expect(Object.values(parts).reduce((total, part) => total + part, 0)).toBeCloseTo(sum, 12);
      expect(sum + one.escalation.cost_usd).toBeCloseTo(one.total_usd ?? Number.NaN, 12);
      expect(BigInt(one.total_pico_usd ?? "")).toBe(BigInt(Math.round((one.total_usd ?? 0) * 1e12)));
    }
  });

  test("keeps its figures: what is learned after it changes nothing of it, nor does a restart", async () => {
    const data = folder();
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task }`, { data });
    const { exchange } = await ask(line, named("triage", "a"));
    const before = await explained(line, exchange);
    await done(line, DEAR, "success", 5);
    expect(await explained(line, exchange)).toEqual(before);
    await stop(line);
    const restarted = await started(`triage: { ${BOTH}, policy: ordered }`, { data });
    expect(await explained(restarted, exchange)).toEqual(before);
  });

  test("of a model that the client named says so", async () => {
    const line = await started(`"*": { ${BOTH} }`);
    const { exchange, reason } = await ask(line, {}, { model: DEAR });
    expect(reason).toBe("named by the client");
    const decision = await explained(line, exchange);
    expect(decision).toMatchObject({ policy: "named", reason, tried: [DEAR], excluded: [] });
    expect(decision.candidates).toMatchObject([{ target: DEAR, price: { source: "config" } }]);
    expect(decision.candidates[0]?.expected_call_usd).toBeGreaterThan(0);
  });

  test("tells what could not take the call", async () => {
    const line = await started(`"*": { ${BOTH} }`);
    const answer = await line.gateway.app.request(anthropic.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...anthropic.request({ model: "auto" }),
        tools: [{ type: "web_search_20250305", name: "web_search" }],
      }),
    });
    await answer.text();
    const decision = await explained(line, answer.headers.get("x-sluice-exchange") ?? "");
    expect(decision.tried).toEqual([CHEAP]);
    expect(decision.excluded).toMatchObject([{ target: DEAR }]);
    expect(decision.excluded[0]?.why).toContain("cannot take");
  });

  test("is shown to its tenant only, and there is none of an exchange that is not there", async () => {
    const environment = { SLUICE_API_KEYS: "alice-key-0001,bob-key-00002" };
    const line = await started(`"*": { ${BOTH} }`, { environment });
    const [alice, bob] = ["alice-key-0001", "bob-key-00002"].map((key) => ({ authorization: `Bearer ${key}` }));
    const { exchange } = await ask(line, alice);
    expect((await explained(line, exchange, alice)).status).toBe(200);
    expect((await explained(line, exchange, bob)).status).toBe(404);
    expect((await explained(line, exchange)).status).toBe(401);
    for (const none of ["0".repeat(36), "x".repeat(300), "%00"])
      expect((await explained(line, none, alice)).status).toBe(404);
  });

  test("goes with its row", async () => {
    const data = folder();
    const line = await started(`"*": { ${BOTH} }`, { data, yaml: "ledger: { keepDays: 1 }" });
    const { exchange } = await ask(line);
    await stop(line);
    nowMs += 3 * 86_400_000;
    const later = await started(`"*": { ${BOTH} }`, { data, yaml: "ledger: { keepDays: 1 }" });
    await until(async () => (await explained(later, exchange)).status === 404);
  });
});

describe("trials", () => {
  const classes = (usd: number) => `triage: { ${BOTH}, policy: cheapest-task, trials: { usdPerDay: ${usd} } }`;
  const triage = (line: Line, task: string) => ask(line, named("triage", task));

  /** Asks until one is tried. @returns the task's name. */
  async function tried(line: Line, most = 200): Promise<string | undefined> {
    for (let index = 0; index < most; index += 1) {
      const name = `try-${nowMs}-${index}`;
      const { reason } = await triage(line, name);
      if (reason?.includes("(tried") === true) return name;
    }
    return undefined;
  }

  test("are made only where there is money for them, and a trial's task stays where it began, also after a restart", async () => {
    const data = folder();
    const line = await started(classes(5), { data });
    const name = await tried(line);
    if (name === undefined) throw new Error("nothing was tried");
    const again = await triage(line, name);
    expect(again).toMatchObject({ target: DEAR });
    expect(again.reason).toContain("a trial is finished where it began");
    expect(await explained(line, again.exchange)).toMatchObject({ trial: true, incumbent: DEAR });
    await stop(line);
    const after = await started(classes(5), { data });
    expect((await triage(after, name)).target).toBe(DEAR);
    await stop(after);
    const without = await started(`triage: { ${BOTH}, policy: cheapest-task }`, { data });
    expect(await tried(without, 60)).toBeUndefined();
  });

  test("take no more than a day's money, which a restart does not give anew, and the next day does", async () => {
    const data = folder();
    // Enough for one: what a task at the dear target is expected to cost, and hardly more.
    const first = await started(classes(5), { data: folder() });
    const exchange = (await triage(first, "look")).exchange;
    const dear = (await explained(first, exchange)).candidates.find(({ target }) => target === DEAR);
    const enough = (dear?.total_usd ?? 0) * 1.5;
    const line = await started(classes(enough), { data });
    expect(await tried(line)).toBeDefined();
    expect(await tried(line, 60)).toBeUndefined();
    await stop(line);
    const after = await started(classes(enough), { data });
    expect(await tried(after, 60)).toBeUndefined();
    nowMs += 86_400_000;
    expect(await tried(after)).toBeDefined();
  });

  test("give back what they did not take", async () => {
    const line = await started(classes(5));
    const { trials } = line.gateway.sluice;
    const money = { from: "triage", perDay: 5_000_000_000_000n };
    const name = await tried(line);
    if (name === undefined) throw new Error("nothing was tried");
    const expected = money.perDay - trials.left(money, nowMs);
    await tell(line, name, "success");
    // One call of one turn at ten times the price of `SAID`.
    expect(money.perDay - trials.left(money, nowMs)).toBeLessThan(expected);
    expect(money.perDay - trials.left(money, nowMs)).toBeGreaterThan(SAID_PICO_USD);
  });
});

describe("how long answers take", () => {
  test("is learned from them: a target that misses its class's objective comes after one that keeps it", async () => {
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task, totalP95Ms: 25 }`);
    const answer = answers(anthropic);
    line.upstream("cheap").answer((outgoing, arrived, number) => {
      nowMs += 45;
      return answer(outgoing, arrived, number);
    });
    for (let index = 0; index < 21; index += 1) await ask(line, named("triage", `slow-${index}`), { model: CHEAP });
    const { reason, exchange } = await ask(line, named("triage", "last"));
    expect(reason).toMatch(/then cheap\/\S+ \$\S+ \(answer p95 \d+ ms > 25 ms/);
    expect((await explained(line, exchange)).tried).toEqual([DEAR]);
  });
});

describe("a target that rests after failures", () => {
  test("comes last, and the decision says so", async () => {
    const line = await started(`triage: { ${BOTH}, policy: cheapest-task }`, {
      yaml: "retries: { attemptsMax: 1 }\nbreaker: { failures: 2 }",
    });
    line.upstream("cheap").answer(json(anthropic.error(500, "broken"), 500));
    for (const name of ["a", "b"]) expect((await ask(line, named("triage", name))).status).toBeGreaterThanOrEqual(500);
    const after = await ask(line, named("triage", "c"));
    expect(after).toMatchObject({ status: 200, target: DEAR });
    expect(after.reason).toContain("resting");
  });
});

test("where one is too small and another lacks what is needed, the error says both", async () => {
  const line = await started(`"*": { ${BOTH} }`, {
    models: `
  ${openai.model}: { price: { input: 1, output: 5 }, contextTokens: 2000, maxInputTokens: 1000 }
  ${anthropic.model}: { price: { input: 1, output: 5 } }
`,
  });
  const answer = await line.gateway.app.request(openai.path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...openai.request({ model: "auto", text: "word ".repeat(5_000) }), n: 2 }),
  });
  expect(answer.status).toBe(400);
  const { message } = openai.errorIn(await answer.text());
  expect(message).toContain(`${DEAR} takes 1000 (the prompt is about`);
  expect(message).toMatch(new RegExp(`elsewhere: ${CHEAP} cannot take`));
  expect(message).not.toContain("word word");
});
