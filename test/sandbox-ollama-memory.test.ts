/** Ollama's memory in the sandbox: what of a prompt is found in it, what empties it, what is cut off, and who waits for whom. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { manualClock, startSandbox, type ManualClock, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { OllamaOptions } from "../bench/sandbox/wire/ollama.ts";
import { at, call, open, user, words } from "./sandbox-call.ts";

let clock: ManualClock;
let sandbox: RunningSandbox;
const start = async (ollama: OllamaOptions = {}) => {
  clock = manualClock();
  sandbox = await startSandbox({ clock, ollama });
};
const restart = async (ollama: OllamaOptions) => {
  await sandbox.close();
  await start(ollama);
};
beforeEach(() => start());
afterEach(() => sandbox.close());

const chat = async (messages: JsonValue, more: JsonObject = {}) => {
  const answer = await call(sandbox, "ollama", { model: "llama3.1", messages, stream: false, ...more });
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
};
/** Prompt tokens, and those of them that were in memory. */
const counts = async (messages: JsonValue, more: JsonObject = {}) => {
  const body = await chat(messages, more);
  return { prompt: body["prompt_eval_count"], cached: body["prompt_eval_cached_count"] };
};
const system = (count: number): JsonObject => ({ role: "system", content: words(count) });
const loaded = async () =>
  (await call(sandbox, "ollama", undefined, { path: "/api/ps" })).body["models"] as readonly JsonObject[];

describe("what is in memory", () => {
  test("is found token by token, but for the last one", async () => {
    expect(await counts([system(1000), user("one two")])).toEqual({ prompt: 1008, cached: 0 });
    expect(await counts([system(1000), user("one two")])).toEqual({ prompt: 1008, cached: 1007 });
    expect(await counts([system(1000), user("one three")])).toEqual({ prompt: 1008, cached: 1007 });
    expect(await counts([system(1000), user("other")])).toEqual({ prompt: 1007, cached: 1006 });
    expect(await counts([system(500), user("one two")])).toEqual({ prompt: 508, cached: 503 });
  });

  test("holds the answer too, for who tells it again as it came", async () => {
    const question = user("Hello there");
    const first = await chat([question]);
    const answer = first["message"] as JsonObject;
    const before = Number(first["prompt_eval_count"]) + Number(first["eval_count"]);
    const again = await counts([question, answer, user("And?")]);
    expect(Number(again.cached)).toBeGreaterThanOrEqual(before);
    await call(sandbox, "ollama", { model: "llama3.1", messages: [user(words(100, "other"))] });
    await chat([question]);
    const changed = await counts([question, { ...answer, content: "Something else." }, user("And?")]);
    expect(Number(changed.cached)).toBeLessThan(before);
  });

  test("a thought is not told again, and ends what is the same", async () => {
    const first = await chat([user("Hello")], { model: "qwen3:4b" });
    const { thinking: _, ...answer } = first["message"] as JsonObject;
    const again = await counts([user("Hello"), answer, user("And?")], { model: "qwen3:4b" });
    expect(again.cached).toBe(first["prompt_eval_count"]);
  });

  test("is one conversation for each request that is served at a time", async () => {
    const conversations = [[user(words(500, "one"))], [user(words(500, "two"))]];
    const interleaved = async () => {
      const cached = [];
      for (const index of [0, 1, 0, 1]) cached.push((await counts(conversations[index] ?? [])).cached);
      return cached;
    };
    expect(await interleaved()).toEqual([0, 3, 3, 3]);
    await restart({ parallel: 2 });
    expect(await interleaved()).toEqual([0, 0, 502, 502]);
  });

  test("is not told of before 0.33.3, which is not zero", async () => {
    for (const [version, tells] of [
      ["0.33.2", false],
      ["0.33.3", true],
      ["0.9.0", false],
      ["1.0.0-rc1", true],
    ] as const) {
      await restart({ version });
      expect("prompt_eval_cached_count" in (await chat([user("Hi")]))).toBe(tells);
      expect(sandbox.invoice.lines.at(-1)?.tokens.cacheRead).toBe(0);
    }
  });

  test.each([
    ["num_ctx", { num_ctx: 8192 }],
    ["num_batch", { num_batch: 1024 }],
    ["num_gpu", { num_gpu: 12 }],
    ["main_gpu", { main_gpu: 1 }],
    ["use_mmap", { use_mmap: false }],
    ["num_thread", { num_thread: 4 }],
  ])("is lost when the model is loaded anew for another %s", async (_name, options) => {
    await restart({ loadMs: 3000 });
    const ask = async (more: JsonObject) => {
      const asked = chat([system(1000), user("Hi")], more);
      const isLoading = await Promise.race([asked.then(() => false), clock.whenAwaited().then(() => true)]);
      if (isLoading) clock.advance(3000);
      const body = await asked;
      return { loaded: Number(body["load_duration"]) > 1e9, cached: body["prompt_eval_cached_count"] };
    };
    expect(await ask({})).toEqual({ loaded: true, cached: 0 });
    expect(await ask({})).toEqual({ loaded: false, cached: 1006 });
    expect(await ask({ options })).toEqual({ loaded: true, cached: 0 });
    expect(await ask({ options })).toEqual({ loaded: false, cached: 1006 });
    expect(await ask({})).toEqual({ loaded: true, cached: 0 });
  });

  test.each([
    ["another temperature, seed or cap", { options: { temperature: 0, seed: 1, num_predict: 5 } }],
    ["the window that it has already, said aloud", { options: { num_ctx: 4096 } }],
    ["as many layers as fit", { options: { num_gpu: -1 } }],
  ])("is not lost by %s", async (_what, more) => {
    await counts([system(1000), user("Hi")]);
    expect((await counts([system(1000), user("Hi")], more)).cached).toBe(1006);
  });

  test("is lost on reset", async () => {
    await counts([user("Hi")]);
    sandbox.reset();
    expect(await loaded()).toEqual([]);
    expect((await counts([user("Hi")])).cached).toBe(0);
  });
});

describe("a model", () => {
  test("stays for five idle minutes after its last answer, then it is gone with what it held", async () => {
    await counts([user("Hi")]);
    const [model] = await loaded();
    expect(model).toMatchObject({ name: "llama3.1:latest", context_length: 4096 });
    expect(Date.parse(String(model?.["expires_at"]))).toBe(clock.now() + 300_000);
    clock.advance(299_000);
    expect((await counts([user("Hi")])).cached).not.toBe(0);
    clock.advance(300_000);
    expect(await loaded()).toEqual([]);
    expect((await counts([user("Hi")])).cached).toBe(0);
  });

  test.each([
    [{ keep_alive: "10s" }, 10_000],
    [{ keep_alive: "1h30m" }, 5_400_000],
    [{ keep_alive: 60 }, 60_000],
  ])("stays for as long as it is told to: %j", async (more, stays) => {
    await counts([user("Hi")], more);
    clock.advance(stays - 1);
    expect(await loaded()).toHaveLength(1);
    clock.advance(1);
    expect(await loaded()).toHaveLength(0);
  });

  test("stays for ever when told so, and goes at once when told so", async () => {
    await counts([user("Hi")], { keep_alive: -1 });
    clock.advance(10 * 365 * 86_400_000);
    expect(await loaded()).toHaveLength(1);
    await counts([user("Hi")], { keep_alive: 0 });
    expect(await loaded()).toHaveLength(0);
  });

  test("is loaded and let go by requests that ask nothing, which nobody bills", async () => {
    const load = await call(sandbox, "ollama", { model: "llama3.1", messages: [] });
    expect(load.body).toMatchObject({ done: true, done_reason: "load", message: { role: "assistant", content: "" } });
    expect(await loaded()).toHaveLength(1);
    const unload = await call(sandbox, "ollama", { model: "llama3.1", keep_alive: 0 }, { path: "/api/generate" });
    expect(unload.body).toMatchObject({ done: true, done_reason: "unload", response: "" });
    expect(await loaded()).toHaveLength(0);
    expect(sandbox.invoice.lines).toHaveLength(0);
  });

  test("makes room for the fourth when it was idle longest", async () => {
    for (const model of ["one", "two", "three", "one", "four"]) await chat([user("Hi")], { model });
    expect((await loaded()).map(({ name }) => String(name)).sort()).toEqual([
      "four:latest",
      "one:latest",
      "three:latest",
    ]);
  });
});

describe("a prompt that is too long", () => {
  const turns = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content: words(1000, `turn${String.fromCodePoint(97 + index)}`),
    }));

  test("loses its oldest messages without a word, never the system's nor the last one", async () => {
    const whole = await counts([system(100), ...turns(3)]);
    expect(whole.prompt).toBe(103 + 3 * 1003);
    const cut = await counts([system(100), ...turns(7)]);
    expect(cut.prompt).toBe(103 + 3 * 1003);
    // What went before the dropped ones is found, and how the user's next one opens.
    expect(cut.cached).toBe(103 + 3);
  });

  test("keeps a result with the call that it answers", async () => {
    const called = { role: "assistant", content: "", tool_calls: [{ function: { name: "look", arguments: {} } }] };
    const results = [called, { role: "tool", content: words(2500) }, { role: "tool", content: words(2500, "other") }];
    expect(await counts([user(words(500)), ...results])).toEqual({ prompt: 4095, cached: 0 });
    // The same prompt as without what was dropped.
    expect(await counts(results)).toEqual({ prompt: 4095, cached: 4094 });
  });

  test("of a single message loses its middle", async () => {
    const { prompt } = await counts([user(words(5000))]);
    expect(prompt).toBe(4095);
    expect((await counts([user(words(5000))], { options: { num_ctx: 8192 } })).prompt).toBe(5003);
  });

  test("fits into no larger window than the model was trained for", async () => {
    const more = { model: "gemma3:1b", options: { num_ctx: 1_000_000 } };
    await counts([user("Hi")], more);
    expect((await loaded())[0]?.["context_length"]).toBe(32_768);
  });
});

describe("who comes while others are served", () => {
  const slow = (name: string, signal?: AbortSignal) =>
    open(
      sandbox,
      "ollama",
      { model: "llama3.1", messages: [user(`${name} [[sandbox: tokens=10 tps=10]]`)] },
      signal === undefined ? {} : { signal },
    );
  /** Resolves when so many requests have come, each of them served or waiting. */
  const come = async (count: number) => {
    const isThere = () => (sandbox.requests[count - 1]?.bodyBytes.length ?? 0) > 0;
    while (!isThere()) await new Promise((resolve) => void setImmediate(resolve));
    await new Promise((resolve) => void setImmediate(resolve));
  };

  /** Lets time pass until an answer is there. */
  async function passing<Value>(answer: Promise<Value>): Promise<Value> {
    const state = { isThere: false };
    const watched = answer.finally(() => void (state.isThere = true));
    while (!state.isThere) {
      clock.advance(100);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    return watched;
  }

  test("waits for its turn, in the order of coming, and gets not even a head before", async () => {
    const begun: string[] = [];
    const answers = [];
    for (const [index, name] of ["first", "second", "third"].entries()) {
      answers.push(slow(name).then((response) => (begun.push(name), response.text())));
      await come(index + 1);
    }
    expect(begun.length).toBeLessThanOrEqual(1);
    await passing(Promise.all(answers));
    expect(begun).toEqual(["first", "second", "third"]);
    const starts = sandbox.invoice.lines.map(({ atMs }) => atMs);
    for (const [index, startedMs] of starts.slice(1).entries())
      expect(startedMs - (starts[index] ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  test("is turned away when too many wait already", async () => {
    await restart({ queueMax: 1 });
    const served = slow("first").then((response) => response.text());
    await come(1);
    const waiting = slow("second").then((response) => response.text());
    await come(2);
    const refused = await slow("third");
    expect(refused.status).toBe(503);
    expect(await refused.json()).toEqual({
      error: "server busy, please try again.  maximum pending requests exceeded",
    });
    await passing(Promise.all([served, waiting]));
    expect(sandbox.invoice.lines).toHaveLength(2);
  });

  test("is served at once where there is another place", async () => {
    await restart({ parallel: 2 });
    const both = Promise.all([slow("first"), slow("second")].map(async (answer) => (await answer).text()));
    await passing(both);
    const [one, two] = sandbox.invoice.lines;
    expect(Math.abs((one?.atMs ?? 0) - (two?.atMs ?? 0))).toBeLessThan(1000);
  });

  test("asks the same as another that is being served: each has a slot of its own", async () => {
    await restart({ parallel: 2 });
    await passing(Promise.all([slow("same"), slow("same")].map(async (answer) => (await answer).text())));
    expect(sandbox.invoice.lines.map(({ tokens }) => tokens.cacheRead)).toEqual([0, 0]);
  });

  test("and leaves while it waits, is served nothing, billed nothing, and holds nobody up", async () => {
    const served = slow("first").then((response) => response.text());
    await come(1);
    const leaving = new AbortController();
    const left = slow("second", leaving.signal).catch(() => "left");
    await come(2);
    const behind = slow("third").then((response) => response.text());
    await come(3);
    leaving.abort();
    expect(await left).toBe("left");
    await passing(Promise.all([served, behind]));
    expect(sandbox.invoice.lines).toHaveLength(2);
    expect(sandbox.openRequests).toBe(0);
  });

  test("with another window waits until the model is free, and whoever comes after waits behind", async () => {
    await restart({ parallel: 2 });
    const served = slow("first").then((response) => response.text());
    await come(1);
    const other = call(sandbox, "ollama", {
      model: "llama3.1",
      messages: [user("second")],
      options: { num_ctx: 8192 },
      stream: false,
    });
    await come(2);
    const behind = slow("third").then((response) => response.text());
    await passing(Promise.all([served, other, behind]));
    expect(sandbox.requests.map(({ status }) => status)).toEqual([200, 200, 200]);
    // The one in the middle is no stream.
    expect(sandbox.invoice.lines.map(({ stream }) => stream)).toEqual([true, false, true]);
    expect(at((await other).body, "prompt_eval_cached_count")).toBe(0);
    expect(sandbox.invoice.lines.map(({ tokens }) => tokens.cacheRead)).toEqual([0, 0, 0]);
  });
});
