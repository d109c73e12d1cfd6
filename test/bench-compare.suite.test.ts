/** Suites, request logs and ledgers as the tasks of `bench compare`: what is read, and how what cannot be read is said. */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { openLedgerTasks } from "../bench/compare/ledger-tasks.ts";
import { openRequests } from "../bench/compare/requests.ts";
import { openSuite, SHIPPED } from "../bench/compare/suite.ts";
import { surveyed } from "../bench/compare/survey.ts";
import type { Task } from "../bench/compare/task.ts";
import { cleansUp, compare, folderOf } from "./comparing.ts";

cleansUp();

async function all(tasks: AsyncIterable<Task>): Promise<readonly Task[]> {
  const read: Task[] = [];
  for await (const task of tasks) read.push(task);
  return read;
}

const GOOD = '{"prompt": "Say one.", "expected": "one"}';

describe("what is wrong is said with file, line and field", () => {
  test.each([
    ["no JSON", `${GOOD}\n{"prompt": `, /^s\.jsonl:2: it is not JSON/],
    ["no object", `${GOOD}\n\n[1]`, /^s\.jsonl:3: must be a JSON object/],
    ["nothing that is asked", '{"expected": "one"}', /^s\.jsonl:1: .*`prompt` or `messages`/],
    [
      "asked in two ways",
      '{"prompt": "a", "messages": [{"role": "user", "content": "b"}]}',
      /either `prompt` or `messages`/,
    ],
    ["a field that there is not", '{"prompt": "a", "expect": "one"}', /^s\.jsonl:1: `expect`: there is no such field/],
    ["a check that there is not", '{"prompt": "a", "check": {"kind": "smell"}}', /^s\.jsonl:1: `check/],
    [
      "a check's field",
      '{"prompt": "a", "check": [{"kind": "number", "value": "1"}]}',
      /^s\.jsonl:1: `check\[0\]\.value`/,
    ],
    [
      "a pattern that looks around",
      '{"prompt": "a", "check": {"kind": "regex", "pattern": "(?=a)"}}',
      /^s\.jsonl:1: `check.*looks around/,
    ],
    [
      "right in two ways",
      '{"prompt": "a", "expected": "b", "check": {"kind": "exact", "value": "b"}}',
      /^s\.jsonl:1: `expected`/,
    ],
    ["a tool without a name", '{"prompt": "a", "tools": [{"description": "b"}]}', /^s\.jsonl:1: `tools\[0\]\.name`/],
    ["a role", '{"messages": [{"role": "wizard", "content": "b"}]}', /^s\.jsonl:1: `messages\[0\]/],
    [
      "the assistant last",
      '{"messages": [{"role": "assistant", "content": "b"}]}',
      /^s\.jsonl:1: `messages`: must end/,
    ],
    ["a class", '{"prompt": "a", "class": "a b"}', /^s\.jsonl:1: `class`: may hold letters/],
    [
      "an id twice",
      '{"prompt": "a", "id": "x"}\n# a remark\n{"prompt": "b", "id": "x"}',
      /^s\.jsonl:3: `id`: two tasks are called `x`/,
    ],
    ["defaults", '{"defaults": {"prompt": "a"}}', /^s\.jsonl:1: `defaults\.prompt`: there is no such field/],
    ["nothing", "\n# nothing\n", /^s\.jsonl: has no tasks/],
  ])("JSONL: %s", async (_what, text, expected) => {
    const folder = folderOf({ "s.jsonl": text });
    const { code, told } = await compare(["s.jsonl", "--dry-run"], { folder });
    expect(told).toMatch(expected);
    expect(told.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
  });

  test.each([
    ["no list of tasks", "tasks: 1\n", /^s\.yaml:1: `tasks` must be a list/],
    ["no YAML", "tasks:\n  - prompt: [\n", /^s\.yaml:\d: /],
    ["a field of the file", "defaults: {}\ntasks: []\nextra: 1\n", /^s\.yaml:3: `extra`/],
    [
      "a field of a task",
      "tasks:\n  - prompt: a\n  - prompt: b\n    expectd: c\n",
      /^s\.yaml:4: `tasks\[1\]\.expectd`: there is no such field/,
    ],
    ["a value", "tasks:\n  - prompt: a\n    maxTokens: many\n", /^s\.yaml:3: `tasks\[0\]\.maxTokens`/],
    ["defaults", "defaults:\n  class: a b\ntasks:\n  - prompt: a\n", /^s\.yaml:2: `defaults\.class`/],
  ])("YAML: %s", async (_what, text, expected) => {
    const folder = folderOf({ "s.yaml": text });
    await expect(all(openSuite(join(folder, "s.yaml")).tasks())).rejects.toThrow(expected);
  });

  test.each([
    ["a file that is not there", ["nowhere.jsonl"], /nowhere\.jsonl: there is no such file; suites that are shipped/],
    ["another kind of file", ["s.txt"], /must end in \.jsonl, \.yaml or \.yml/],
    ["a flag that there is not", ["--verbose"], /--verbose.*--help lists the flags/],
    ["a number that is none", ["--repeats", "many"], /--repeats must be a whole number from 1 to 1000/],
    ["no money", ["--max-usd", "0"], /--max-usd must be a number above 0/],
    ["cold and warm", ["--cold", "--warm"], /either --cold or --warm/],
    ["resuming something else", ["--resume", "out", "--seed", "3"], /--resume goes on with what was asked for then/],
    ["nothing to resume", ["--resume", "out"], /there is nothing to resume/],
    ["a ledger that is none", ["--ledger", "s.txt"], /s\.txt: it is no ledger that can be read/],
    ["a suite twice", ["classification", "classification"], /two suites are called classification/],
  ])("flags: %s", async (_what, words, expected) => {
    const folder = folderOf({ "s.txt": "hello" });
    const { code, told } = await compare(words, { folder });
    expect(told).toMatch(expected);
    expect(told.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
  });
});

test("what stands in `defaults` holds for the tasks behind it, unless they say otherwise", async () => {
  const lines = [
    '{"prompt": "a"}',
    '{"defaults": {"system": "S", "class": "c"}}',
    '{"prompt": "b"}',
    '{"prompt": "d", "system": "T"}',
  ];
  const folder = folderOf({ "s.jsonl": lines.join("\n") });
  const tasks = await all(openSuite(join(folder, "s.jsonl")).tasks());
  expect(tasks.map(({ id, class: name, system }) => [id, name, system])).toEqual([
    ["1", "s", undefined],
    ["2", "c", "S"],
    ["3", "c", "T"],
  ]);
});

test("the suites that are shipped can be read, have something to be checked, and differ in what they ask", async () => {
  const suites = SHIPPED.map(openSuite);
  const { tasks, suites: read } = await surveyed(suites);
  expect(tasks).toBeGreaterThanOrEqual(60);
  for (const suite of read) expect(suite.tasks).toBeGreaterThanOrEqual(10);
  for (const suite of suites) for await (const task of suite.tasks()) expect(task.checks.length).toBeGreaterThan(0);
  for await (const task of openSuite("agent-loop").tasks()) {
    expect(task.simulated?.calls.length).toBeGreaterThanOrEqual(10);
    // Each call that is to be made has a result.
    for (const { tool, arguments: given } of task.simulated?.calls ?? []) {
      const results = task.tools.find(({ name }) => name === tool)?.results ?? [];
      expect(results.some(({ when }) => Object.entries(when ?? {}).every(([key, value]) => given[key] === value))).toBe(
        true,
      );
    }
  }
});

describe("request logs", () => {
  const openai = {
    model: "gpt-5.4",
    max_tokens: 99,
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: [{ type: "text", text: "Weather?" }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: '{"at":"sea"}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "wet" },
    ],
    tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
  };
  const anthropic = {
    model: "claude-haiku-5-5",
    max_tokens: 50,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    messages: [
      { role: "user", content: "Weather?" },
      {
        role: "assistant",
        content: [
          { type: "text", text: "I look." },
          { type: "tool_use", id: "t1", name: "look", input: { at: "sea" } },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "wet" }] }] },
    ],
    tools: [{ name: "look", input_schema: { type: "object", properties: {} } }],
  };

  test("of OpenAI and of Anthropic, alone, as a line's `body` or `request`, are tasks that run", async () => {
    const lines = [
      openai,
      anthropic,
      { custom_id: "1", method: "POST", url: "/v1/chat/completions", body: openai },
      { request: anthropic },
    ];
    const folder = folderOf({ "log.jsonl": lines.map((line) => JSON.stringify(line)).join("\n") });
    const tasks = await all(openRequests(join(folder, "log.jsonl")).tasks());
    expect(tasks[0]).toMatchObject({ system: "Be kind.", maxTokens: 99, checks: [] });
    expect(tasks[1]).toMatchObject({ system: "Be brief.", maxTokens: 50 });
    expect(tasks[1]?.messages).toEqual([
      { role: "user", content: "Weather?" },
      { role: "assistant", content: "I look.", calls: [{ id: "t1", tool: "look", arguments: { at: "sea" } }] },
      { role: "tool", call: "t1", content: "wet" },
    ]);
    expect(tasks[2]?.messages).toEqual(tasks[0]?.messages);
    const { code, printed } = await compare(["--requests", "log.jsonl", "--out", "out"], { folder });
    expect(code).toBe(0);
    expect(printed).toContain("nothing was judged at both");
  }, 60_000);

  test.each([
    ["no messages", { model: "m" }, /^log\.jsonl:1: `messages`/],
    [
      "a picture",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      /^log\.jsonl:1: `messages`: image_url is not text/,
    ],
    [
      "a tool of the provider's",
      { messages: [{ role: "user", content: "a" }], tools: [{ type: "web_search" }] },
      /^log\.jsonl:1: `tools`/,
    ],
    ["no messages in a body", { body: { messages: [] } }, /^log\.jsonl:1: `body\.messages`/],
  ])("%s: file, line and field", async (_what, line, expected) => {
    const folder = folderOf({ "log.jsonl": JSON.stringify(line) });
    await expect(all(openRequests(join(folder, "log.jsonl")).tasks())).rejects.toThrow(expected);
  });
});

test("tasks of a ledger are as long as they were, of words that mean nothing", async () => {
  const folder = folderOf({ "s.jsonl": `${GOOD}\n{"prompt": "Say two.", "expected": "two", "next": ["And three?"]}` });
  await compare(["s.jsonl", "--out", "out"], { folder });
  const file = join(folder, "out", "ledger.sqlite");
  const tasks = await all(openLedgerTasks(file, 4, 1).tasks());
  expect(tasks).toHaveLength(4);
  for (const task of tasks) expect(task.checks).toEqual([]);
  const database = new DatabaseSync(file, { readOnly: true });
  const turns = database.prepare("SELECT count(*) AS calls FROM attempts GROUP BY task").all();
  database.close();
  const lengths = (await all(openLedgerTasks(file, 100, 1).tasks())).map(({ next }) => next.length + 1);
  expect(ordered(lengths)).toEqual(ordered(turns.map(({ calls }) => Number(calls))));
  const { code } = await compare(["--ledger", file, "--sample", "2", "--out", "again"], { folder });
  expect(code).toBe(0);
}, 60_000);

function ordered(numbers: readonly number[]): readonly number[] {
  return numbers.toSorted((one, other) => one - other);
}

test("a hundred thousand tasks are read one after the other, in little memory", async () => {
  const folder = folderOf();
  const file = join(folder, "many.jsonl");
  const out = createWriteStream(file);
  const prompt = "word ".repeat(200);
  for (let at = 0; at < 100_000; at += 1)
    if (!out.write(`{"prompt": "${prompt}${at}", "expected": "${at}"}\n`)) await once(out, "drain");
  out.end();
  await once(out, "close");
  const before = process.memoryUsage().rss;
  let most = 0;
  let count = 0;
  for await (const _task of openSuite(file).tasks()) {
    count += 1;
    if (count % 5_000 === 0) most = Math.max(most, process.memoryUsage().rss);
  }
  expect(count).toBe(100_000);
  // The file is 100 MB.
  expect(most - before).toBeLessThan(120 * 1024 * 1024);
}, 60_000);
