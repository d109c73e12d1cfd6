/** Tasks through the front door: which calls are one, when it ends, what is told of it, and what a restart keeps. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { ClassRow } from "../src/ledger-task-classes.ts";
import type { TaskDetail, TaskRow } from "../src/ledger-task-query.ts";
import type { EndedTask } from "../src/tasks/ended-task.ts";
import { STEP_MS_MAX } from "../src/tasks/steady.ts";
import { json } from "./fake-upstream.ts";
import { startLine, type Line } from "./line-setup.ts";
import { SAID, SAID_PICO_USD, wires } from "./line-wires.ts";
import { until } from "./running.ts";

const chat = wires.find(({ dialect }) => dialect === "openai-chat");
if (chat === undefined) throw new Error("there is no such wire");
const openai = chat;
const MINUTE = 60_000;

let nowMs = Date.UTC(2026, 10, 22, 9);
const lines: Line[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const line of lines.splice(0)) await line.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function started(options: Parameters<typeof startLine>[0] = {}): Promise<Line> {
  const line = await startLine({ upstreams: { one: openai, two: openai }, now: () => nowMs, ...options });
  lines.push(line);
  return line;
}

interface Message {
  readonly role: string;
  readonly content: string;
}

interface Asked {
  readonly status: number;
  readonly task: string;
  readonly exchange: string;
  readonly text: string;
}

async function ask(
  { gateway }: Line,
  body: { readonly messages?: readonly Message[] } & Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Asked> {
  const answer = await gateway.app.request("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: `one/${openai.model}`, messages: [user("Hello")], ...body }),
  });
  const text = await answer.text();
  await until(() => gateway.sluice.admission.inFlight === 0);
  return {
    status: answer.status,
    task: answer.headers.get("x-sluice-task") ?? "",
    exchange: answer.headers.get("x-sluice-exchange") ?? "",
    text,
  };
}

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const system = (content: string): Message => ({ role: "system", content });

async function get<Body>({ gateway }: Line, path: string, headers: Record<string, string> = {}): Promise<Body> {
  const answer = await gateway.app.request(`/sluice/v1/${path}`, { headers });
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as Body;
}

async function list(line: Line, query = ""): Promise<readonly TaskRow[]> {
  return (await get<{ data: readonly TaskRow[] }>(line, `tasks${query}`)).data;
}

async function post(
  { gateway }: Line,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<{ status: number; body: { error?: { message: string; param: string | null } } }> {
  const answer = await gateway.app.request(`/sluice/v1/${path}`, {
    method,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as object };
}

function ended(line: Line): EndedTask[] {
  const all: EndedTask[] = [];
  line.gateway.sluice.tasks.onEnded((task) => all.push(task));
  return all;
}

/** Time as it goes by for a gateway that looks at the clock now and then. */
async function pass(line: Line, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= STEP_MS_MAX) {
    nowMs += Math.min(left, STEP_MS_MAX);
    await line.gateway.sluice.tasks.sweep();
  }
}

describe("calls that name no task", () => {
  test("are one where they go on from each other, another where they only begin alike, and a child where they fork", async () => {
    const line = await started();
    const opening = [system("You are helpful."), user("Fix the bug.")];
    const second = [...opening, assistant("Done."), user("Now test it.")];
    const one = await ask(line, { messages: opening });
    expect((await ask(line, { messages: second })).task).toBe(one.task);
    nowMs += 10 * MINUTE;
    const other = await ask(line, { messages: opening });
    expect(other.task).not.toBe(one.task);
    const third = [...second, assistant("Green."), user("Ship it.")];
    expect((await ask(line, { messages: third })).task).toBe(one.task);
    const fork = await ask(line, { messages: [...second, assistant("Green."), user("Write it down.")] });
    expect([one.task, other.task]).not.toContain(fork.task);
    const rows = await list(line);
    expect(rows.map(({ task, parent }) => [task, parent])).toEqual([
      [fork.task, one.task],
      [other.task, null],
      [one.task, null],
    ]);
    const whole = await get<TaskDetail>(line, `tasks/${one.task}`);
    expect(whole).toMatchObject({ turns: 3, exchanges: 3, parent: null, source: "prefix", ended_at: null });
    expect(whole.spend.cost_pico_usd).toBe(String(3n * SAID_PICO_USD));
    expect(whole.with_children.cost_pico_usd).toBe(String(4n * SAID_PICO_USD));
    expect(whole.children.map(({ task }) => task)).toEqual([fork.task]);
    expect(whole.by_target).toMatchObject([{ provider: "one", attempts: 3 }]);
    expect(whole.calls[0]?.attempts[0]).toMatchObject({ target: `one/${openai.model}`, policy: "named" });
  });

  test("are one where they go on from each other's answers by an id that the provider keeps", async () => {
    const line = await started();
    const answer = (id: string) =>
      json({
        id,
        object: "response",
        created_at: 1_763_800_000,
        status: "completed",
        model: openai.model,
        output: [],
        usage: { input_tokens: 4, output_tokens: 2, total_tokens: 6 },
      });
    const respond = async (body: object) => {
      const response = await line.gateway.app.request("/v1/responses", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: `one/${openai.model}`, ...body }),
      });
      await response.text();
      expect(response.status).toBe(200);
      return response.headers.get("x-sluice-task");
    };
    line.upstream("one").answer(answer("resp_1"));
    const first = await respond({ input: "Hello" });
    line.upstream("one").answer(answer("resp_2"));
    expect(await respond({ input: "More", previous_response_id: "resp_1" })).toBe(first);
    expect(await respond({ input: "And more", previous_response_id: "resp_2" })).toBe(first);
    expect(await respond({ input: "Another" })).not.toBe(first);
    expect(await list(line)).toMatchObject([{ turns: 1 }, { task: first, turns: 3 }]);
  });

  test("the same prompt again is no new turn, and says that the answer did not do", async () => {
    const line = await started();
    const first = await ask(line, {});
    const again = await ask(line, {});
    expect(again.task).toBe(first.task);
    expect(await list(line)).toMatchObject([{ turns: 1, exchanges: 2, signals: { resend: 1 } }]);
    line.upstream("one").answer(json({ error: { message: "no" } }, 400));
    const messages = [user("Something else")];
    const refused = await ask(line, { messages });
    expect(refused.status).toBe(400);
    line.upstream("one").answer(json(openai.whole(SAID)));
    expect((await ask(line, { messages })).task).toBe(refused.task);
    expect(await list(line)).toMatchObject([{ turns: 1, exchanges: 2, signals: { retry: 1 } }, {}]);
  });
});

test("a call that names no task goes on with one that was named, and is not another try of it", async () => {
  const line = await started();
  await ask(line, {}, { "x-sluice-task": "job-1" });
  expect((await ask(line, {})).task).toMatch(/^t-/);
  await ask(line, { messages: [user("First")] }, { "x-sluice-task": "job-1" });
  expect((await ask(line, { messages: [user("First"), assistant("Yes"), user("Then?")] })).task).toBe("job-1");
});

describe("a task ends", () => {
  test("when nobody has called for as long as it may be idle, and a late call opens it again", async () => {
    const line = await started({ yaml: "tasks: { idleMinutes: 20 }" });
    const all = ended(line);
    const named = { "x-sluice-task": "job-1", "x-sluice-task-class": "triage" };
    await ask(line, {}, named);
    await pass(line, 19 * MINUTE);
    expect(all).toEqual([]);
    await pass(line, 2 * MINUTE);
    expect(all).toMatchObject([{ id: "job-1", className: "triage", outcome: undefined, legs: [{ turns: 1 }] }]);
    expect(all[0]?.before).toBeUndefined();
    expect(await list(line)).toMatchObject([{ task: "job-1", ends: 1, success: null }]);
    expect((await list(line))[0]?.ended_at).not.toBeNull();

    nowMs += 1;
    await ask(line, { messages: [user("More")] }, named);
    expect((await list(line))[0]?.ended_at).toBeNull();
    await pass(line, 21 * MINUTE);
    expect(all[1]).toMatchObject({ id: "job-1", legs: [{ turns: 2 }] });
    expect(all[1]?.before).toMatchObject({ outcome: undefined, legs: [{ turns: 1 }] });
    expect(await list(line)).toMatchObject([{ task: "job-1", ends: 2, turns: 2 }]);
  });

  test("by its class's own time", async () => {
    const line = await started({ yaml: "classes: { slow: { idleMinutes: 120 } }" });
    const all = ended(line);
    await ask(line, {}, { "x-sluice-task": "a", "x-sluice-task-class": "slow" });
    await ask(line, {}, { "x-sluice-task": "b", "x-sluice-task-class": "fast" });
    await pass(line, 31 * MINUTE);
    expect(all.map(({ id }) => id)).toEqual(["b"]);
  });

  test("not by a clock that jumps, whichever way", async () => {
    const line = await started();
    const all = ended(line);
    await ask(line, {}, { "x-sluice-task": "a" });
    for (const jump of [400 * 86_400_000, -800 * 86_400_000]) {
      nowMs += jump;
      await line.gateway.sluice.tasks.sweep();
    }
    expect(all).toEqual([]);
    expect((await ask(line, { messages: [user("More")] }, { "x-sluice-task": "a" })).status).toBe(200);
    nowMs += 400 * 86_400_000;
    await pass(line, 31 * MINUTE);
    expect(all).toMatchObject([{ id: "a", legs: [{ turns: 2 }] }]);
  });
});

describe("an outcome", () => {
  test("that is told ends the task, is kept over later ends, and the last one told is right", async () => {
    const line = await started();
    const all = ended(line);
    const { task } = await ask(line, {});
    expect((await post(line, `tasks/${task}/outcome`, { outcome: "success" })).status).toBe(200);
    expect(all).toMatchObject([{ id: task, outcome: { success: 1, source: "told" } }]);
    // Said once more, it is no news.
    expect((await post(line, `tasks/${task}/outcome`, { outcome: "success" })).status).toBe(200);
    expect(all.length).toBe(1);
    expect((await post(line, `tasks/${task}/outcome`, { score: 0.25 })).status).toBe(200);
    expect(all[1]).toMatchObject({ outcome: { success: 0.25 }, before: { outcome: { success: 1, source: "told" } } });
    expect(await list(line)).toMatchObject([{ task, success: 0.25, success_source: "told", ends: 2 }]);
    expect(await list(line, "?outcome=failure")).toHaveLength(1);
    expect(await list(line, "?outcome=success")).toHaveLength(0);

    const opening = [user("Hello")];
    expect((await ask(line, { messages: [...opening, assistant("Hello"), user("Bye")] })).task).toBe(task);
    await pass(line, 31 * MINUTE);
    expect(all.at(-1)).toMatchObject({ id: task, outcome: { success: 0.25, source: "told" }, legs: [{ turns: 2 }] });
  });

  test("is told by who has the tenant's key, and by nobody else", async () => {
    const line = await started({ environment: { SLUICE_API_KEYS: "alice-key-0001,bob-key-00002" } });
    const [alice, bob] = ["alice-key-0001", "bob-key-00002"].map((key) => ({ authorization: `Bearer ${key}` }));
    const named = { "x-sluice-task": "job-1" };
    await ask(line, {}, { ...alice, ...named });
    const denied = await post(line, "tasks/job-1/outcome", { outcome: "failure" }, bob);
    expect(denied.status).toBe(404);
    expect(denied.body.error?.message).toContain("`job-1`");
    // The same id of another tenant is another task.
    await ask(line, {}, { ...bob, ...named });
    await ask(line, { messages: [user("More")] }, { ...bob, ...named });
    expect((await post(line, "tasks/job-1/outcome", { outcome: "failure" }, bob)).status).toBe(200);
    const ofAlice = await get<TaskDetail>(line, "tasks/job-1", alice);
    expect(ofAlice).toMatchObject({ turns: 1, success: null });
    expect(await get<TaskDetail>(line, "tasks/job-1", bob)).toMatchObject({ turns: 2, success: 0 });
    expect((await post(line, "tasks/job-1/outcome", { outcome: "success" })).status).toBe(401);
  });

  test.each([
    [{ outcome: "great" }, 400],
    [{ score: 1.5 }, 400],
    [{ outcome: "success", score: 1 }, 400],
    [{ outcome: "success", note: "x" }, 400],
    ["{", 400],
    ["[]", 400],
    ["", 400],
    [{ outcome: "success".padEnd(10_000, "!") }, 413],
  ])("of %j is refused", async (body, status) => {
    const line = await started();
    const { task } = await ask(line, {});
    const answer = await post(line, `tasks/${task}/outcome`, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error?.message).toMatch(/body/);
    expect(await list(line)).toMatchObject([{ success: null, ended_at: null }]);
  });

  test("of a task that nobody knows, or of what is no id, is refused", async () => {
    const line = await started();
    expect((await post(line, "tasks/nobody/outcome", { outcome: "success" })).status).toBe(404);
    expect((await post(line, `tasks/${"x".repeat(200)}/outcome`, { outcome: "success" })).status).toBe(400);
    const unknown = await line.gateway.app.request("/sluice/v1/tasks/nobody");
    expect(unknown.status).toBe(404);
    expect((await line.gateway.app.request("/sluice/v1/tasks?clas=x")).status).toBe(400);
  });

  test("is seen in the answers where nobody tells it", async () => {
    const line = await started();
    const format = {
      response_format: {
        type: "json_schema",
        json_schema: { name: "x", schema: { type: "object", required: ["a"] }, strict: true },
      },
    };
    const says = (text: string) => json(openai.whole({ ...SAID, texts: [text] }));
    line.upstream("one").answer(says('{"a": 1}'));
    await ask(line, format, { "x-sluice-task": "good" });
    line.upstream("one").answer(says("I'd rather not."));
    await ask(line, format, { "x-sluice-task": "bad" });
    await pass(line, 31 * MINUTE);
    const rows = await list(line);
    const of = (id: string) => rows.find(({ task }) => task === id);
    expect(of("good")).toMatchObject({ success: 1, success_source: "signals", signals: { "answer-valid": 1 } });
    expect(of("bad")).toMatchObject({ success: 0, success_source: "signals", signals: { "answer-broken": 1 } });
  });

  test("is seen in a stream that passes unread as well", async () => {
    const line = await started();
    line.upstream("one").answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(openai.events({ ...SAID, texts: ['{"a"', ": 1}"] }).join(""));
    });
    await ask(line, { stream: true, response_format: { type: "json_object" } }, { "x-sluice-task": "good" });
    expect(await list(line)).toMatchObject([{ signals: { "answer-valid": 1 } }]);
  });

  test("words of frustration are counted where the operator asks for it, and not kept", async () => {
    const line = await started({ yaml: 'tasks: { frustration: ["that is wrong"] }' });
    const named = { "x-sluice-task": "a" };
    const opening = [user("Fix it."), assistant("Done.")];
    await ask(line, { messages: opening.slice(0, 1) }, named);
    await ask(line, { messages: [...opening, user("THAT IS WRONG, you zebra.")] }, named);
    const whole = await get<TaskDetail>(line, "tasks/a");
    expect(whole.signals).toEqual({ frustrated: 1 });
    expect(JSON.stringify(whole) + line.gateway.logged.join("")).not.toContain("zebra");
  });
});

describe("after a restart", () => {
  test("open tasks go on, with what they took before, and end", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-tasks-"));
    folders.push(folder);
    const before = await started({ data: folder });
    const opening = [user("Fix the bug.")];
    const second = [...opening, assistant("Done."), user("Now test it.")];
    const { task } = await ask(before, { messages: opening });
    await ask(before, { messages: second });
    const over = await ask(before, { messages: [user("Another")] });
    await post(before, `tasks/${over.task}/outcome`, { outcome: "success" });
    await before.close();
    lines.length = 0;

    const after = await started({ data: folder });
    const all = ended(after);
    const third = [...second, assistant("Green."), user("Ship it.")];
    expect(after.gateway.sluice.tasks.progress("", task)).toEqual({ turnsSoFar: 2, incumbent: `one/${openai.model}` });
    expect((await ask(after, { messages: third })).task).toBe(task);
    await pass(after, 31 * MINUTE);
    expect(all).toMatchObject([{ id: task, legs: [{ turns: 3, cost: 3n * SAID_PICO_USD }] }]);
    // What is over is known by its row.
    expect((await post(after, `tasks/${over.task}/outcome`, { outcome: "failure" })).status).toBe(200);
    expect(all[1]).toMatchObject({ id: over.task, outcome: { success: 0 }, before: { outcome: { success: 1 } } });
  });
});

describe("classes", () => {
  test("are told as distributions, with what is not known beside them and never as 0", async () => {
    const line = await started();
    const named = (id: string) => ({ "x-sluice-task": id, "x-sluice-task-class": "triage" });
    await ask(line, {}, named("a"));
    await ask(line, { messages: [user("More")] }, named("a"));
    await ask(line, {}, named("b"));
    await ask(line, {}, named("c"));
    await post(line, "tasks/a/outcome", { outcome: "success" });
    await post(line, "tasks/b/outcome", { outcome: "failure" });
    const { data } = await get<{ data: readonly ClassRow[] }>(line, "task-classes?since=2020-01-01&class=triage");
    const usd = Number(SAID_PICO_USD) / 1e12;
    expect(data).toMatchObject([
      {
        class: "triage",
        tasks: 3,
        open: 1,
        cost_usd: { n: 3, p50: usd, p90: 2 * usd, unpriced_tasks: 0 },
        tokens: { n: 3, p50: 47, p90: 94, unknown_tasks: 0 },
        turns: { n: 3, p50: 1, p90: 2 },
        cache_read_ratio: { n: 3, mean: 0.25 },
        success: { n: 2, mean: 0.5, told: 2, by_signals: 0, unknown: 1 },
        cost_per_success_usd: { n: 2, tasks: 2 },
        by_target: [{ target: `one/${openai.model}`, tasks: 3 }],
      },
    ]);
    // All that was spent on the two whose outcome is known, for one success.
    expect(data[0]?.cost_per_success_usd.mean).toBeCloseTo(3 * usd, 15);
  });

  test("that nobody names have an id, and the name that an operator gives them, also after a restart", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-tasks-"));
    folders.push(folder);
    const line = await started({ data: folder });
    const messages = [system("You sort letters."), user("A letter")];
    const { task } = await ask(line, { messages });
    const [row] = await list(line);
    expect(row?.class).toMatch(/^c-[0-9a-f]{12}$/);
    const id = row?.class ?? "";
    expect((await post(line, `task-classes/${id}`, { name: "letters" }, {}, "PUT")).status).toBe(200);
    expect((await post(line, "task-classes/c-other", { name: "letters" }, {}, "PUT")).status).toBe(409);
    expect((await post(line, `task-classes/${id}`, { name: "x".repeat(10_000) }, {}, "PUT")).status).toBe(413);
    expect((await post(line, `task-classes/${id}`, { name: "x".repeat(200) }, {}, "PUT")).status).toBe(400);
    expect(await list(line, "?class=letters")).toMatchObject([{ task, class: id, class_name: "letters" }]);
    await line.close();
    lines.length = 0;
    const after = await started({ data: folder });
    const { data } = await get<{ data: readonly (ClassRow & { name: string })[] }>(
      after,
      "task-classes?since=2020-01-01&class=letters",
    );
    expect(data).toMatchObject([{ class: id, name: "letters", tasks: 1 }]);
  });

  test("of a task are those of what it mostly does, not of a title that is made beside it", async () => {
    const line = await started();
    const named = { "x-sluice-task": "a" };
    await ask(line, { messages: [system("Make a title."), user("Hello")] }, named);
    const main = [system("You are an agent. ".repeat(200)), user("Hello")];
    await ask(line, { messages: main }, named);
    await ask(line, { messages: [...main, assistant("Yes"), user("More")] }, named);
    expect(await list(line)).toMatchObject([{ turns: 2, exchanges: 3, signals: { side: 1 } }]);
  });
});

test("metrics are observed when a task ends, by its class and target, once", async () => {
  const line = await started();
  const { gateway } = line;
  const named = { "x-sluice-task": "a", "x-sluice-task-class": "triage" };
  await ask(line, {}, named);
  await ask(line, { messages: [user("More")], model: `two/${openai.model}` }, named);
  await ask(line, {}, { "x-sluice-task": "b", "x-sluice-task-class": "triage" });
  expect(await gateway.metric('sluice_task_turns_count{class="triage",target="several"}')).toBe(0);
  await pass(line, 31 * MINUTE);
  await post(line, "tasks/a/outcome", { outcome: "success" });
  const labels = `class="triage",target="several"`;
  expect(await gateway.metric(`sluice_task_turns_sum{${labels}}`)).toBe(2);
  expect(await gateway.metric(`sluice_task_turns_count{${labels}}`)).toBe(1);
  expect(await gateway.metric(`sluice_task_tokens_sum{${labels}}`)).toBe(94);
  expect(await gateway.metric(`sluice_task_cost_usd_sum{${labels}}`)).toBeCloseTo(
    Number(2n * SAID_PICO_USD) / 1e12,
    15,
  );
  expect(await gateway.metric(`sluice_task_outcomes_total{${labels},outcome="unknown"}`)).toBe(1);
  const alone = `class="triage",target="one/${openai.model}"`;
  expect(await gateway.metric(`sluice_task_tokens_sum{${alone}}`)).toBe(47);
});

describe("what cannot name a task", () => {
  test("is refused where it is meant for us, and passed over where it is the application's own", async () => {
    const line = await started();
    for (const header of ["x-sluice-task", "x-sluice-task-class", "x-sluice-task-parent"]) {
      const refused = await ask(line, {}, { [header]: "x".repeat(10_000) });
      expect(refused.status).toBe(400);
      expect(openai.errorIn(refused.text).message).toContain(`\`${header}\``);
    }
    for (const metadata of [{ task: 7, task_class: {} }, { task: "two words" }, { task: "x".repeat(10_000) }]) {
      const passed = await ask(line, { metadata, messages: [user(JSON.stringify(metadata).slice(0, 50))] });
      expect(passed.status).toBe(200);
      expect(passed.task).toMatch(/^t-/);
    }
    expect(await list(line)).toHaveLength(3);
  });

  test("the header is right where header and metadata say different things", async () => {
    const line = await started();
    const { task } = await ask(line, { metadata: { task: "by-metadata" } }, { "x-sluice-task": "by-header" });
    expect(task).toBe("by-header");
  });

  test("tasks that name each other as parents do no harm", async () => {
    const line = await started();
    await ask(line, {}, { "x-sluice-task": "a", "x-sluice-task-parent": "b" });
    await ask(line, {}, { "x-sluice-task": "b", "x-sluice-task-parent": "a" });
    const whole = await get<TaskDetail>(line, "tasks/a");
    expect(whole.children.map(({ task }) => task)).toEqual(["b"]);
    expect(whole.with_children.cost_pico_usd).toBe(String(2n * SAID_PICO_USD));
    await get(line, "task-classes?since=2020-01-01");
  });
});

test("calls that are refused make no task", async () => {
  const line = await started();
  expect((await ask(line, { model: "nobody/knows" }, { "x-sluice-task": "a" })).status).toBe(404);
  await pass(line, 31 * MINUTE);
  expect(await list(line)).toEqual([]);
});

test("pages go on where the one before ended", async () => {
  const line = await started();
  for (const id of ["a", "b", "c"]) await ask(line, {}, { "x-sluice-task": id });
  const first = await get<{ data: TaskRow[]; next_cursor: string }>(line, "tasks?limit=2");
  expect(first.data.map(({ task }) => task)).toEqual(["c", "b"]);
  const second = await get<{ data: TaskRow[]; next_cursor: null }>(line, `tasks?limit=2&cursor=${first.next_cursor}`);
  expect(second.data.map(({ task }) => task)).toEqual(["a"]);
  expect(second.next_cursor).toBeNull();
});
