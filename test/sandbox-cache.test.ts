/**
 * The prompt caches of OpenAI (both contracts), Mistral and vLLM in the sandbox, rule by rule, on a clock that stands still until told.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { manualClock, startSandbox, type ManualClock, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
let clock: ManualClock;
beforeEach(async () => {
  clock = manualClock();
  sandbox = await startSandbox({ clock });
});
afterEach(() => sandbox.close());

interface Billed {
  readonly prompt: number;
  readonly cached: number | undefined;
  readonly written: number | undefined;
}

async function bill(provider: string, body: JsonObject, key: string = "key"): Promise<Billed> {
  const answer = await call(sandbox, provider, body, { key });
  if (answer.status !== 200) throw new Error(answer.text);
  const usage = at(answer.body, "usage");
  const details = at(usage, "prompt_tokens_details");
  return {
    prompt: Number(at(usage, "prompt_tokens")),
    cached: at(details, "cached_tokens") as number | undefined,
    written: at(details, "cache_write_tokens") as number | undefined,
  };
}

/** A prompt of exactly so many tokens, in all the forms that open a message with three. */
function prompt(tokens: number): JsonValue {
  return [{ role: "user", content: words(tokens - 3) }];
}

describe("OpenAI before GPT-5.6: automatic", () => {
  const model = "gpt-5.4-nano";
  const ask = (messages: JsonValue, more: JsonObject = {}) => bill("openai", { model, messages, ...more });

  test.each([
    { tokens: 1023, cached: 0 },
    { tokens: 1024, cached: 1024 },
    { tokens: 1151, cached: 1024 },
    { tokens: 1152, cached: 1152 },
    { tokens: 5000, cached: 4992 },
  ])("of $tokens tokens $cached are read again, in steps of 128 from 1024 on", async ({ tokens, cached }) => {
    expect(await ask(prompt(tokens))).toEqual({ prompt: tokens, cached: 0, written: undefined });
    expect(await ask(prompt(tokens))).toEqual({ prompt: tokens, cached, written: undefined });
  });

  test("a longer conversation reads what the shorter one left", async () => {
    await ask(prompt(2000));
    const longer = [
      ...(prompt(2000) as JsonValue[]),
      { role: "assistant", content: "ok" },
      { role: "user", content: words(500) },
    ];
    expect((await ask(longer)).cached).toBe(1920);
  });

  test("the machine forgets after minutes of idleness, and after an hour in any case", async () => {
    await ask(prompt(2000));
    clock.advance(449_000);
    expect((await ask(prompt(2000))).cached).toBe(1920);
    clock.advance(450_000);
    expect((await ask(prompt(2000))).cached).toBe(0);
    for (let minutes = 0; minutes < 54; minutes += 6) {
      clock.advance(360_000);
      expect((await ask(prompt(2000))).cached).toBe(1920);
    }
    clock.advance(360_000);
    expect((await ask(prompt(2000))).cached).toBe(0);
  });

  test("larger models keep it for a day, unless told to keep it in memory", async () => {
    const large = (more: JsonObject = {}) => bill("openai", { model: "gpt-5.4", messages: prompt(2000), ...more });
    await large();
    clock.advance(20 * 3_600_000);
    expect((await large()).cached).toBe(1920);
    await large({ prompt_cache_key: "m", prompt_cache_retention: "in_memory" });
    clock.advance(3_600_000);
    expect((await large({ prompt_cache_key: "m", prompt_cache_retention: "in_memory" })).cached).toBe(0);
  });

  test("beyond fifteen requests a minute of one prefix and key, the rest meets cold machines", async () => {
    const seen: (number | undefined)[] = [];
    for (let count = 0; count < 17; count++) seen.push((await ask(prompt(2000), { prompt_cache_key: "k" })).cached);
    expect(seen.slice(1, 15)).toEqual(Array.from({ length: 14 }, () => 1920));
    expect(seen[15]).toBe(0);
    expect(seen[16]).toBe(1920);
    expect((await ask(prompt(2000), { prompt_cache_key: "other" })).cached).toBe(0);
    clock.advance(61_000);
    expect((await ask(prompt(2000), { prompt_cache_key: "k" })).cached).toBe(1920);
  });

  const tool = (name: string): JsonObject => ({
    type: "function",
    function: { name, description: words(1200), parameters: { type: "object" } },
  });
  const base = { tools: [tool("a"), tool("b")], messages: prompt(1200) };
  test.each([
    ["nothing", {}, true],
    [
      "a tool subset",
      {
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "a" } }] },
        },
      },
      true,
    ],
    ["metadata", { metadata: { request: "2" } }, true],
    ["the order of tools", { tools: [tool("b"), tool("a")] }, false],
    [
      "the format of the answer, which stands behind the tools",
      { response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } } },
      true,
    ],
    ["the model", { model: "gpt-5.4-mini" }, false],
  ])("%s: the tools are read again: %s", async (_change, more, isRead) => {
    await ask(base.messages, { tools: base.tools, prompt_cache_key: "k" });
    const { cached } = await ask(base.messages, { tools: base.tools, prompt_cache_key: "k", ...more });
    expect((cached ?? 0) >= 1024).toBe(isRead);
  });

  test("another effort is another prompt, and so is another detail of a picture", async () => {
    await ask(prompt(2000));
    expect((await ask(prompt(2000), { reasoning_effort: "low" })).cached).toBe(0);
    expect((await ask(prompt(2000), { reasoning_effort: "none" })).cached).toBe(1920);
    const picture = (detail: string): JsonValue => [
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: "https://example.com/a.png", detail } },
          { type: "text", text: words(2000) },
        ],
      },
    ];
    await ask(picture("auto"), { prompt_cache_key: "p" });
    expect((await ask(picture("auto"), { prompt_cache_key: "p" })).cached).toBeGreaterThan(0);
    expect((await ask(picture("high"), { prompt_cache_key: "p" })).cached).toBe(0);
  });

  test("organisations share nothing", async () => {
    await ask(prompt(2000));
    expect((await bill("openai", { model, messages: prompt(2000) }, "other")).cached).toBe(0);
  });
});

describe("OpenAI from GPT-5.6 on: breakpoints", () => {
  const ask = (messages: JsonValue, more: JsonObject = {}) =>
    bill("openai", { model: "gpt-6-luna", reasoning_effort: "none", prompt_cache_key: "k", messages, ...more });
  const part = (text: string, mark?: JsonObject): JsonObject => ({
    type: "text",
    text,
    ...(mark === undefined ? {} : { prompt_cache_breakpoint: mark }),
  });
  const explicit = { mode: "explicit" };
  const system = (mark?: JsonObject) => ({ role: "system", content: [part(words(1997, "system"), mark)] });
  const user = (text: string, mark?: JsonObject) => ({ role: "user", content: [part(text, mark)] });

  test("the end of the prompt is written, at a price that is reported, and read to the token", async () => {
    expect(await ask(prompt(1500))).toEqual({ prompt: 1500, cached: 0, written: 1500 });
    expect(await ask(prompt(1500))).toEqual({ prompt: 1500, cached: 1500, written: 0 });
    const longer = [...(prompt(1500) as JsonValue[]), { role: "assistant", content: "ok" }, user(words(97))];
    expect(await ask(longer)).toEqual({ prompt: 1604, cached: 1500, written: 104 });
    expect(await ask(prompt(1023))).toEqual({ prompt: 1023, cached: 0, written: 0 });
  });

  test("the same system text before another question is no hit, until it is marked", async () => {
    await ask([system(), user("one")]);
    expect((await ask([system(), user("two")])).cached).toBe(0);
    await ask([system(explicit), user("three")]);
    expect((await ask([system(explicit), user("four")])).cached).toBe(2000);
  });

  test("in explicit mode only marks are written, and without any nothing is charged or cached", async () => {
    const options = { prompt_cache_options: { mode: "explicit" } };
    expect(await ask([system(explicit), user("one")], options)).toMatchObject({ written: 2000 });
    expect(await ask([system(explicit), user("two")], options)).toMatchObject({ cached: 2000, written: 0 });
    expect(await ask([system(), user("three")], options)).toMatchObject({ cached: 0, written: 0 });
  });

  test("of many marks the latest four are written in explicit mode, three beside the implicit one", async () => {
    const options = { prompt_cache_options: { mode: "explicit" } };
    const parts = [1, 2, 3, 4, 5].map((number) => part(words(1100, `part${number}`), explicit));
    await ask([{ role: "user", content: parts }], options);
    expect((await ask([{ role: "user", content: parts.slice(0, 1) }], options)).cached).toBe(0);
    expect((await ask([{ role: "user", content: parts.slice(0, 2) }], options)).cached).toBeGreaterThan(2200);
    await ask([{ role: "user", content: [...parts, part("end")] }], { prompt_cache_key: "i" });
    expect((await ask([{ role: "user", content: parts.slice(0, 2) }], { prompt_cache_key: "i" })).cached).toBe(0);
    expect(
      (await ask([{ role: "user", content: parts.slice(0, 3) }], { prompt_cache_key: "i" })).cached,
    ).toBeGreaterThan(3300);
  });

  test("an entry lives half an hour from its last use, or as long as its mark says", async () => {
    await ask(prompt(1500));
    clock.advance(1_799_000);
    expect((await ask(prompt(1500))).cached).toBe(1500);
    clock.advance(1_799_000);
    expect((await ask(prompt(1500))).cached).toBe(1500);
    clock.advance(1_801_000);
    expect((await ask(prompt(1500))).cached).toBe(0);
    await ask([system({ mode: "explicit", ttl: "12h" }), user("one")]);
    clock.advance(11 * 3_600_000);
    expect((await ask([system({ mode: "explicit", ttl: "12h" }), user("two")])).cached).toBe(2000);
  });

  test("without a key there is no telling", async () => {
    const unkeyed = () => bill("openai", { model: "gpt-6-luna", messages: prompt(1500) });
    const seen = [await unkeyed(), await unkeyed(), await unkeyed(), await unkeyed()].map((one) => one.cached);
    expect(seen).toEqual([0, 0, 1500, 1500]);
  });

  test("another key finds nothing", async () => {
    await ask(prompt(1500));
    expect((await ask(prompt(1500), { prompt_cache_key: "another" })).cached).toBe(0);
  });

  test("no more than the latest eighty breakpoints are looked at", async () => {
    const turns = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        role: index % 2 === 0 ? "assistant" : "user",
        content: `turn ${index}`,
      }));
    await ask(prompt(1500));
    const start = prompt(1500) as JsonValue[];
    // The entry's place is one of the eighty.
    expect((await ask([...start, ...turns(80)])).cached).toBe(0);
    expect(
      (await ask([...start, ...turns(79)].map((message) => ({ ...(message as JsonObject) })))).cached,
    ).toBeGreaterThan(0);
  });
});

describe("Mistral: by key", () => {
  const ask = (messages: JsonValue, more: JsonObject = {}) =>
    bill("mistral", { model: "mistral-small-latest", messages, ...more });
  const key = { prompt_cache_key: "k" };

  test.each([
    { tokens: 63, cached: 0 },
    { tokens: 64, cached: 64 },
    { tokens: 127, cached: 64 },
    { tokens: 801, cached: 768 },
  ])("of $tokens tokens $cached are read again, in blocks of 64", async ({ tokens, cached }) => {
    expect(await ask(prompt(tokens), key)).toMatchObject({ prompt: tokens, cached: 0 });
    expect(await ask(prompt(tokens), key)).toMatchObject({ prompt: tokens, cached });
  });

  test("without a key, or with another one, nothing", async () => {
    await ask(prompt(1000), key);
    expect((await ask(prompt(1000))).cached).toBe(0);
    expect((await ask(prompt(1000), { prompt_cache_key: "other" })).cached).toBe(0);
    expect((await ask(prompt(1000), key)).cached).toBe(960);
  });

  test("a hit is reported under its older name too", async () => {
    const body = { model: "mistral-small-latest", messages: prompt(1000), ...key };
    expect(at((await call(sandbox, "mistral", body)).body, "usage")).not.toHaveProperty("num_cached_tokens");
    expect(at((await call(sandbox, "mistral", body)).body, "usage", "num_cached_tokens")).toBe(960);
  });
});

describe("vLLM: blocks of sixteen", () => {
  const model = "Qwen/Qwen9";
  const reporting = async () => {
    await sandbox.close();
    sandbox = await startSandbox({ clock, vllm: { reportsCached: true, blocksMax: 100 } });
  };
  const ask = (tokens: number, more: JsonObject = {}) => bill("vllm", { model, messages: prompt(tokens), ...more });

  test.each([
    { tokens: 16, cached: 0 },
    { tokens: 17, cached: 16 },
    { tokens: 160, cached: 144 },
    { tokens: 165, cached: 160 },
  ])("of $tokens tokens $cached are found, the last one never", async ({ tokens, cached }) => {
    await reporting();
    expect((await ask(tokens)).cached).toBe(0);
    expect((await ask(tokens)).cached).toBe(cached);
  });

  test("a salt keeps callers apart", async () => {
    await reporting();
    await ask(500, { cache_salt: "a" });
    expect((await ask(500, { cache_salt: "b" })).cached).toBe(0);
    expect((await ask(500, { cache_salt: "a" })).cached).toBe(496);
  });

  test("what was used longest ago makes room, the ends of prompts before their beginnings", async () => {
    await reporting();
    await ask(800);
    await bill("vllm", { model, messages: [{ role: "user", content: words(957, "other") }] });
    const { cached } = await ask(800);
    expect(cached).toBeGreaterThan(0);
    expect(cached).toBeLessThan(784);
  });

  test("how much was found is unknown, not zero, unless the server was started to tell", async () => {
    await ask(500);
    expect((await ask(500)).cached).toBeUndefined();
    expect(sandbox.invoice.lines.at(-1)?.tokens.cacheRead).toBe(496);
    const metrics = await call(sandbox, "vllm", undefined, { path: "/metrics" });
    expect(metrics.text).toMatch(/^vllm:prefix_cache_queries_total\{[^}]*\} 1000$/m);
    expect(metrics.text).toMatch(/^vllm:prefix_cache_hits_total\{[^}]*\} 496$/m);
    expect(metrics.text).toMatch(/^vllm:num_requests_running\{[^}]*\} 0$/m);
  });

  test("is lost on reset", async () => {
    await reporting();
    await ask(500);
    await call(sandbox, "vllm", {}, { path: "/reset_prefix_cache" });
    expect((await ask(500)).cached).toBe(0);
  });
});
