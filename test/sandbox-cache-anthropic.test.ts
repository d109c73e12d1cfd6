/**
 * Anthropic's prompt cache in the sandbox, rule by rule: what is read, written and billed, on a clock that stands still until told.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { manualClock, startSandbox, type ManualClock, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, open, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
let clock: ManualClock;
beforeEach(async () => {
  clock = manualClock();
  sandbox = await startSandbox({ clock });
});
afterEach(() => sandbox.close());

interface Billed {
  readonly uncached: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
}

async function bill(body: JsonObject, key: string = "key"): Promise<Billed> {
  const answer = await call(sandbox, "anthropic", { max_tokens: 20, model: SONNET, ...body }, { key });
  if (answer.status !== 200) throw new Error(answer.text);
  const usage = at(answer.body, "usage");
  const number = (...path: string[]) => Number(at(usage, ...path));
  const split = {
    write5m: number("cache_creation", "ephemeral_5m_input_tokens"),
    write1h: number("cache_creation", "ephemeral_1h_input_tokens"),
  };
  expect(number("cache_creation_input_tokens")).toBe(split.write5m + split.write1h);
  return { uncached: number("input_tokens"), read: number("cache_read_input_tokens"), ...split };
}

/** 1024 tokens at least, and tokens as the sandbox counts them. */
const SONNET = "claude-sonnet-4-6";
type Mark = "5m" | "1h" | undefined;

function text(content: string, mark?: Mark): JsonObject {
  return { type: "text", text: content, ...marked(mark) };
}
function marked(mark: Mark): JsonObject {
  return mark === undefined
    ? {}
    : { cache_control: mark === "5m" ? { type: "ephemeral" } : { type: "ephemeral", ttl: mark } };
}
function user(...blocks: JsonObject[]): JsonObject {
  return { role: "user", content: blocks };
}
function tool(mark?: Mark, description: string = words(1500, "tool")): JsonObject {
  return { name: "look", description, input_schema: { type: "object" }, ...marked(mark) };
}

/** Its description, and what the tool says around it. */
const TOOL_TOKENS = 1500 + 45;

describe("minimum", () => {
  test.each([
    { model: "claude-haiku-4-5", minimum: 4096 },
    { model: "claude-opus-4-6", minimum: 4096 },
    { model: "claude-opus-4-7", minimum: 2048 },
    { model: "claude-sonnet-4-6", minimum: 1024 },
    { model: "claude-opus-4-8", minimum: 1024 },
    { model: "claude-haiku-5-5", minimum: 512 },
    { model: "claude-opus-5-5", minimum: 512 },
    { model: "claude-sonnet-5-5", minimum: 512 },
  ])("$model caches from $minimum tokens on, and below silently not", async ({ model, minimum }) => {
    // Newer models count some 30 % more: find the largest prompt that is still below.
    const counted = async (length: number) => {
      const { uncached, write5m } = await bill({ model, messages: [user(text(words(length), "5m"))] });
      return { tokens: uncached + write5m, written: write5m };
    };
    const ratio = (await counted(10_000)).tokens / 10_000;
    const start = Math.floor(minimum / ratio) - 8;
    const seen: number[] = [];
    for (let length = start; length < start + 20; length++) {
      const { tokens, written } = await counted(length);
      expect(written).toBe(tokens >= minimum ? tokens : 0);
      seen.push(tokens);
    }
    expect(seen[0]).toBeLessThan(minimum);
    expect(seen.at(-1)).toBeGreaterThanOrEqual(minimum);
  });
});

describe("marks", () => {
  test("without one nothing is cached", async () => {
    const body = { messages: [user(text(words(3000)))] };
    expect(await bill(body)).toEqual({ uncached: 3003, read: 0, write5m: 0, write1h: 0 });
    expect(await bill(body)).toEqual({ uncached: 3003, read: 0, write5m: 0, write1h: 0 });
  });

  test("the prompt is billed in three parts: read, written for an hour, written for five minutes; the rest at base price", async () => {
    const body = {
      system: [text(words(1999, "system"), "1h")],
      messages: [user(text(words(997), "5m"), text(words(10, "tail")))],
    };
    expect(await bill(body)).toEqual({ uncached: 10, read: 0, write1h: 2000, write5m: 1000 });
    expect(await bill(body)).toEqual({ uncached: 10, read: 3000, write1h: 0, write5m: 0 });
    const longer = {
      ...body,
      messages: [...body.messages, { role: "assistant", content: "ok" }, user(text(words(97, "more"), "5m"))],
    };
    // The assistant's message is three tokens and its text.
    expect(await bill(longer)).toEqual({ uncached: 0, read: 3000, write1h: 0, write5m: 10 + 4 + 100 });
  });

  test("a mark on the request stands on its last block, and counts as one of the four", async () => {
    const body = { cache_control: { type: "ephemeral" }, messages: [user(text(words(2000)))] };
    expect(await bill(body)).toMatchObject({ uncached: 0, write5m: 2003 });
    expect(await bill(body)).toMatchObject({ read: 2003 });
    const four = user(...[1, 2, 3, 4].map((number) => text(words(1100, `part${number}`), "5m")), text("tail"));
    await expect(bill({ ...body, messages: [four] })).rejects.toThrow(
      "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    );
  });

  test.each([
    {
      what: "five marks",
      body: { messages: [user(...[1, 2, 3, 4, 5].map((number) => text(`${number}`, "5m")))] },
      says: "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    },
    {
      what: "an hour after five minutes",
      body: { system: [text("a", "5m")], messages: [user(text("b", "1h"))] },
      says: "messages: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
    },
    {
      what: "another lifetime for the request than for its last block",
      body: { cache_control: { type: "ephemeral", ttl: "1h" }, messages: [user(text("b", "5m"))] },
      says: "the last block already has a cache_control with a different ttl",
    },
    {
      what: "a lifetime that there is not",
      body: { messages: [user({ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "30m" } })] },
      says: "cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
    },
    {
      what: "a mark on a thought",
      body: {
        messages: [
          user(text("a")),
          {
            role: "assistant",
            content: [{ type: "thinking", thinking: "", signature: "x", cache_control: { type: "ephemeral" } }],
          },
          user(text("b")),
        ],
      },
      says: "thinking.cache_control: Extra inputs are not permitted",
    },
    {
      what: "a mark on an empty text",
      body: { messages: [user(text("a"), text("", "5m"))] },
      says: "text content blocks must be non-empty",
    },
  ])("$what: refused", async ({ body, says }) => {
    await expect(bill(body)).rejects.toThrow(says);
  });
});

describe("look-back", () => {
  const prefix = text(words(2000), "5m");
  const fillers = (count: number) => Array.from({ length: count }, (_, index) => text(`filler ${index}`));

  test.each([
    { added: 18, found: true },
    { added: 19, found: false },
  ])("an entry $added blocks before the mark's own is found: $found", async ({ added, found }) => {
    await bill({ messages: [user(prefix)] });
    // Counting the marked block: twenty places, and the entry is the one before the fillers.
    const unmarked = text(words(2000));
    const body = { messages: [user(unmarked, ...fillers(added), text("end", "5m"))] };
    expect((await bill(body)).read).toBe(found ? 2003 : 0);
  });

  test("a run of calls and results counts as one place", async () => {
    await bill({ messages: [user(prefix)] });
    const rounds = Array.from({ length: 30 }, (_, index) => [
      { role: "assistant", content: [{ type: "tool_use", id: `t${index}`, name: "look", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: `t${index}`, content: "seen" }] },
    ]).flat();
    const body = {
      messages: [user(text(words(2000))), ...rounds, { role: "assistant", content: "ok" }, user(text("end", "5m"))],
    };
    expect((await bill(body)).read).toBe(2003);
  });

  test("a mark in between is found again where one at the end is too far", async () => {
    await bill({ messages: [user(prefix)] });
    const body = { messages: [user(text(words(2000), "5m"), ...fillers(40), text("end", "5m"))] };
    expect((await bill(body)).read).toBe(2003);
  });
});

describe("lifetime", () => {
  const body = (mark: Mark) => ({ messages: [user(text(words(2000), mark))] });

  test.each([
    { mark: "5m" as const, seconds: 300 },
    { mark: "1h" as const, seconds: 3600 },
  ])("an entry for $mark lives $seconds seconds, and each read begins them anew", async ({ mark, seconds }) => {
    await bill(body(mark));
    clock.advance((seconds - 1) * 1000);
    expect((await bill(body(mark))).read).toBe(2003);
    clock.advance((seconds - 1) * 1000);
    expect((await bill(body(mark))).read).toBe(2003);
    clock.advance(seconds * 1000);
    expect((await bill(body(mark))).read).toBe(0);
  });

  test("what was paid for five minutes does not live for an hour behind an entry that was", async () => {
    const short = { system: [text(words(2000, "system"), "5m")], messages: [user(text("a"))] };
    await bill(short);
    const long = { system: [text(words(2000, "system"))], messages: [user(text(words(2000), "1h"))] };
    expect(await bill(long)).toMatchObject({ read: 2001, write1h: 2003 });
    clock.advance(301_000);
    expect((await bill(long)).read).toBe(0);
  });

  test("an entry that is found by looking back is prolonged like one that is marked", async () => {
    await bill(body("5m"));
    clock.advance(200_000);
    await bill({ messages: [user(text(words(2000)), text("end", "5m"))] });
    clock.advance(200_000);
    expect((await bill(body("5m"))).read).toBe(2003);
  });

  test("reading the end prolongs what stands marked before it", async () => {
    const marks = { system: [text(words(2000, "system"), "5m")], messages: [user(text(words(2000), "5m"))] };
    await bill(marks);
    clock.advance(200_000);
    await bill(marks);
    clock.advance(200_000);
    expect((await bill({ ...marks, messages: [user(text("another"))] })).read).toBe(2001);
  });
});

test("an entry can be read once the answer that writes it has begun, and not before", async () => {
  await sandbox.close();
  sandbox = await startSandbox({ clock, pace: { firstTokenMs: 1000 } });
  const body = { model: SONNET, max_tokens: 20, stream: true, messages: [user(text(words(2000), "5m"))] };
  const readOf = async (response: Promise<Response>) =>
    Number(/"cache_read_input_tokens":(\d+)/.exec(await (await response).text())?.[1]);
  const first = open(sandbox, "anthropic", body);
  await clock.whenAwaited();
  // Both have looked before either has begun.
  const second = open(sandbox, "anthropic", body);
  while (sandbox.requests.length < 2 || sandbox.requests[1]?.bodyBytes.length === 0)
    await new Promise((resolve) => void setImmediate(resolve));
  clock.advance(1000);
  expect(await readOf(first)).toBe(0);
  expect(await readOf(second)).toBe(0);
  const third = open(sandbox, "anthropic", body);
  await clock.whenAwaited();
  clock.advance(1000);
  expect(await readOf(third)).toBe(2003);
});

test("a request that is refused or fails writes nothing", async () => {
  const body = { messages: [user(text(words(2000), "5m"))] };
  sandbox.faults.next({ name: "529" });
  await expect(bill(body)).rejects.toThrow("Overloaded");
  expect((await bill(body)).read).toBe(0);
});

describe("what a change loses", () => {
  const image = (byte: number): JsonObject => ({
    type: "image",
    source: {
      type: "base64",
      media_type: "image/png",
      data: Buffer.concat([PNG, Buffer.from([byte])]).toString("base64"),
    },
  });
  const PNG = Buffer.from("89504e470d0a1a0a0000000d494844520000002000000020", "hex");
  const base = {
    tools: [tool("5m")],
    system: [text(words(1500, "system"), "5m")],
    messages: [user(text(words(1500), "5m"))],
  };
  const TOOLS = TOOL_TOKENS;
  const SYSTEM = TOOLS + 1501;
  const ALL = SYSTEM + 1503;

  const changes: readonly (readonly [change: string, body: JsonObject, read: number])[] = [
    ["nothing", {}, ALL],
    ["a tool's description", { tools: [tool("5m", words(1499, "tool"))] }, 0],
    ["another tool in front", { tools: [{ name: "first", input_schema: { type: "object" } }, tool("5m")] }, 0],
    ["the model", { model: "claude-sonnet-4-5" }, 0],
    ["system text", { system: [text(words(1499, "system"), "5m")] }, TOOLS],
    ["speed", { speed: "fast" }, TOOLS],
    [
      "the format of the answer",
      { output_config: { format: { type: "json_schema", schema: { type: "object", additionalProperties: false } } } },
      TOOLS,
    ],
    ["tool_choice", { tool_choice: { type: "none" } }, SYSTEM],
    ["parallel calls", { tool_choice: { type: "auto", disable_parallel_tool_use: true } }, SYSTEM],
    ["tool_choice, to its default", { tool_choice: { type: "auto" } }, ALL],
    ["effort", { output_config: { effort: "low" } }, SYSTEM],
    ["effort, to its default", { output_config: { effort: "high" } }, ALL],
    ["thinking", { thinking: { type: "adaptive" } }, SYSTEM],
    ["thinking, to its default", { thinking: { type: "disabled" } }, ALL],
    ["an image at the end", { messages: [user(text(words(1500), "5m"), image(1))] }, SYSTEM],
    [
      "the end of the messages",
      { messages: [...base.messages, { role: "assistant", content: "ok" }, user(text("more"))] },
      ALL,
    ],
    ["user text", { messages: [user(text(words(1499), "5m"))] }, SYSTEM],
    ["metadata", { metadata: { user_id: "someone" } }, ALL],
    ["max_tokens and stop", { max_tokens: 10, stop_sequences: ["x"] }, ALL],
    ["temperature", { temperature: 0.3 }, ALL],
  ];
  test.each(changes)("%s", async (_change, body, read) => {
    await bill(base);
    expect((await bill({ ...base, ...body })).read).toBe(read);
  });

  test("content as a string or as its block, and the order of a block's own keys: nothing", async () => {
    await bill({ messages: [user(text(words(2000))), { role: "assistant", content: "ok" }, user(text("x", "5m"))] });
    const same = {
      messages: [
        { content: words(2000), role: "user" },
        { role: "assistant", content: [{ text: "ok", type: "text" }] },
        user({ ...marked("5m"), text: "x", type: "text" }),
      ],
    };
    expect((await bill(same)).write5m).toBe(0);
  });

  test("the order of keys in a call's input: everything from there on", async () => {
    const loop = (input: JsonValue) => ({
      messages: [
        user(text(words(2000), "5m")),
        { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "look", input }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: words(500), ...marked("5m") }] },
      ],
    });
    await bill(loop({ a: 1, b: 2 }));
    expect(await bill(loop({ a: 1, b: 2 }))).toMatchObject({ write5m: 0, uncached: 0 });
    expect(await bill(loop({ b: 2, a: 1 }))).toMatchObject({ read: 2003 });
  });

  test("another workspace: everything", async () => {
    await bill(base, "one");
    expect((await bill(base, "other")).read).toBe(0);
  });

  test("earlier thoughts of models that forget them, when the user speaks again", async () => {
    const model = "claude-haiku-4-5";
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const ask = async (messages: JsonValue[]) =>
      call(sandbox, "anthropic", { model, max_tokens: 2000, thinking, messages });
    const first = await ask([user(text(words(5000), "5m"))]);
    const thought = at(first.body, "content") as JsonValue;
    const answered = { role: "assistant", content: thought };
    const countedWith = at(
      (await ask([user(text(words(5000), "5m")), answered, user(text("next"))])).body,
      "usage",
      "input_tokens",
    );
    const spoken = (thought as JsonObject[]).filter((block) => block["type"] !== "thinking");
    const countedWithout = at(
      (await ask([user(text(words(5000), "5m")), { role: "assistant", content: spoken }, user(text("next"))])).body,
      "usage",
      "input_tokens",
    );
    // The thought is not sent to the model; only the message's own opening tokens may stand elsewhere.
    expect(Math.abs(Number(countedWith) - Number(countedWithout))).toBeLessThanOrEqual(3);
  });
});

describe("filling the cache ahead", () => {
  const body = { max_tokens: 0, messages: [user(text(words(2000), "5m"))] };

  test("max_tokens 0 writes and says nothing", async () => {
    const answer = await call(sandbox, "anthropic", { model: SONNET, ...body });
    expect(answer.body).toMatchObject({ content: [], stop_reason: "max_tokens", usage: { output_tokens: 0 } });
    expect((await bill({ ...body, max_tokens: 20 })).read).toBe(2003);
  });

  test.each([
    ["stream", { stream: true }],
    ["a budget of thinking", { model: "claude-haiku-4-5", thinking: { type: "enabled", budget_tokens: 1024 } }],
    [
      "a format",
      { output_config: { format: { type: "json_schema", schema: { type: "object", additionalProperties: false } } } },
    ],
    ["a forced tool", { tools: [tool()], tool_choice: { type: "any" } }],
  ])("not with %s", async (_with, more) => {
    expect((await call(sandbox, "anthropic", { model: SONNET, ...body, ...more })).status).toBe(400);
  });
});

test("deferred tools cost nothing until a result refers to them, and then only from there on", async () => {
  const deferred = { ...tool(), name: "deep", defer_loading: true };
  const conversation = [
    user(text(words(2000), "5m")),
    { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "look", input: {} }] },
  ];
  const result = (content: JsonValue) => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: "t1", content, ...marked("5m") }],
  });
  const one = { tools: [tool()], messages: [...conversation, result("seen")] };
  await bill(one);
  expect(await bill({ ...one, tools: [tool(), deferred] })).toMatchObject({ write5m: 0, uncached: 0 });
  const loaded = {
    tools: [tool(), deferred],
    messages: [...conversation, result([{ type: "tool_reference", tool_name: "deep" }])],
  };
  const billed = await bill(loaded);
  expect(billed.read).toBe(2003 + TOOL_TOKENS);
  expect(billed.write5m).toBeGreaterThan(1500);
  expect(await bill(loaded)).toMatchObject({ write5m: 0, uncached: 0 });
});
