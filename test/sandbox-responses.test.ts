/** OpenAI's Responses API in the sandbox, with the official client as the judge. */
import OpenAI, { APIError } from "openai";
import type { FunctionTool, ResponseInputItem, ResponseOutputItem } from "openai/resources/responses/responses";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { manualClock, startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { JsonObject } from "../src/chat.ts";
import { at, call, open, words } from "./sandbox-call.ts";
import { checkedResponse } from "./sandbox-responses-grammar.ts";

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

const client = (key: string = "key") => new OpenAI({ baseURL: `${sandbox.url}/openai/v1`, apiKey: key, maxRetries: 0 });
const post = (body: JsonObject, more: JsonObject = {}) =>
  call(sandbox, "openai", { model: "gpt-5.4-nano", ...body, ...more }, { path: "/v1/responses" });

/** What was said is told again as it came; the types of the two differ in what the sandbox never says. */
const said = (output: readonly ResponseOutputItem[]) => output as ResponseInputItem[];

const WEATHER: FunctionTool = {
  type: "function",
  name: "get_weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 5 } },
    required: ["city", "days"],
    additionalProperties: false,
  },
};
const LOOSE = {
  type: "function",
  name: "look",
  parameters: { type: "object", properties: { at: { type: "string" }, near: { type: "string" } }, required: ["at"] },
} as unknown as FunctionTool;

describe("an answer", () => {
  test("is the sandbox's own, the same for the same input, and counted", async () => {
    const ask = () => client().responses.create({ model: "gpt-5.4-nano", input: "Hello there" });
    const [first, second] = [await ask(), await ask()];
    expect(first.output_text).toBe("This is the sandbox, not a model. You said: Hello there");
    expect(second.output_text).toBe(first.output_text);
    expect(second.id).not.toBe(first.id);
    expect(first).toMatchObject({ object: "response", status: "completed", error: null, store: true });
    const [line] = sandbox.invoice.lines;
    expect(first.usage).toEqual({
      input_tokens: line?.tokens.uncached,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: line?.tokens.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: (line?.tokens.uncached ?? 0) + (line?.tokens.output ?? 0),
    });
    expect(line?.costPicoUsd).toBe(
      BigInt(line?.tokens.uncached ?? 0) * 200_000n + BigInt(line?.tokens.output ?? 0) * 1_250_000n,
    );
  });

  test.each([
    ["a text", {}],
    ["a thought that is shown", { reasoning: { effort: "low", summary: "auto" } }],
    ["a thought that is not", { reasoning: { effort: "high" }, include: ["reasoning.encrypted_content"] }],
    ["calls", { input: "Use get_weather and look", tools: [WEATHER, LOOSE] }],
    ["a custom call", { input: "patch it", tools: [{ type: "custom", name: "patch" }] }],
    ["a refusal", { input: '[[sandbox: refusal="I would rather not."]]' }],
    ["what its cap left of it", { input: "[[sandbox: tokens=100]]", max_output_tokens: 16 }],
    [
      "what its cap left of a call",
      {
        input: '[[sandbox: tool=look arguments="{\\"at\\":\\"a very long place indeed, and longer\\"}"]]',
        tools: [LOOSE],
        max_output_tokens: 16,
      },
    ],
    ["half a thought", { reasoning: { effort: "high" }, max_output_tokens: 16 }],
    ["log probabilities", { include: ["message.output_text.logprobs"] }],
    ["unpadded events", { stream_options: { include_obfuscation: false } }],
  ])("streams %s by the grammar, and the stream adds up to it", async (_what, more) => {
    const body = { input: "Hello there", ...more } as JsonObject;
    const { stream_options: _, ...plain } = body;
    const whole = (await post(plain)).body;
    const streamed = checkedResponse((await post(body, { stream: true })).text);
    const anonymous = (value: unknown) =>
      JSON.stringify(value).replaceAll(/"(?:id|call_id|encrypted_content|item_id)":"[^"]*"/g, "");
    expect(anonymous(streamed.response["output"])).toBe(anonymous(whole["output"]));
    expect(streamed.response["status"]).toBe(whole["status"]);
    expect(streamed.response["usage"]).toEqual(whole["usage"]);
    // Refusals are not padded, nor is anything for who did without.
    const padded = streamed.events.filter(
      ({ type }) => String(type).endsWith(".delta") && type !== "response.refusal.delta",
    );
    for (const event of padded) expect("obfuscation" in event).toBe(body["stream_options"] === undefined);
  });

  test("through the client's own stream: the same response at its end", async () => {
    const body = { model: "gpt-5.4-nano", input: "Use get_weather", tools: [WEATHER] };
    const whole = await client().responses.create(body);
    const stream = client().responses.stream(body);
    const final = await stream.finalResponse();
    expect(final.output[0]).toMatchObject({ type: "function_call", name: "get_weather" });
    expect(at(final as unknown as JsonObject, "output", 0, "arguments")).toBe(
      at(whole as unknown as JsonObject, "output", 0, "arguments"),
    );
    expect(final.usage).toEqual(whole.usage);
  });

  test("fits its schema", async () => {
    const parsed = await client().responses.parse({
      model: "gpt-5.4-nano",
      input: "Weather",
      text: { format: { type: "json_schema", name: "weather", strict: true, schema: WEATHER.parameters ?? {} } },
    });
    expect(Object.keys(parsed.output_parsed ?? {}).sort()).toEqual(["city", "days"]);
  });

  test("a prompt that only warms the cache has no answer", async () => {
    const { body } = await post({
      model: "gpt-6-luna",
      input: words(1500),
      prompt_cache_options: { prewarm: true },
      prompt_cache_key: "k",
    });
    expect(body).toMatchObject({ status: "completed", output: [], usage: { output_tokens: 0 } });
    expect(sandbox.invoice.lines[0]?.tokens).toMatchObject({ cacheWriteOther: 1503, output: 0 });
  });
});

describe("tools", () => {
  test("without a word about it they are strict: what was optional is required then", async () => {
    const loose = await post({ input: "look", tools: [{ ...LOOSE, strict: false } as unknown as JsonObject] });
    const brought = await post({ input: "look", tools: [LOOSE as unknown as JsonObject] });
    expect(at(brought.body, "tools", 0, "strict")).toBe(true);
    expect(at(brought.body, "tools", 0, "parameters", "required")).toEqual(["at", "near"]);
    expect(at(brought.body, "tools", 0, "parameters", "additionalProperties")).toBe(false);
    expect(at(loose.body, "tools", 0, "parameters", "required")).toEqual(["at"]);
  });

  test("what cannot be brought into strict mode stays as it came", async () => {
    const parameters = { type: "object", properties: { a: { oneOf: [{ type: "string" }] } } };
    const { body } = await post({ input: "look", tools: [{ type: "function", name: "look", parameters }] });
    expect(at(body, "tools", 0)).toMatchObject({ strict: false, parameters });
  });

  test("a loop goes on with every item of the answer, and quotes the result", async () => {
    const question: ResponseInputItem = { role: "user", content: "Use get_weather for Paris" };
    const body = {
      model: "gpt-5.4-nano",
      tools: [WEATHER],
      reasoning: { effort: "low" as const },
      include: ["reasoning.encrypted_content" as const],
      store: false,
    };
    const first = await client().responses.create({ ...body, input: [question] });
    expect(first.output.map(({ type }) => type)).toEqual(["reasoning", "function_call"]);
    const made = first.output[1];
    if (made?.type !== "function_call") throw new Error("no call was made");
    const result = { type: "function_call_output" as const, call_id: made.call_id, output: "18 degrees" };
    const second = await client().responses.create({ ...body, input: [question, ...said(first.output), result] });
    expect(second.output_text).toContain("The tool said: 18 degrees");
    expect(second.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0);
  });

  test("those in a namespace and those that came to be known in the conversation are called too", async () => {
    const inside = { type: "function", name: "spawn", parameters: { type: "object", properties: {} } };
    const { body } = await post({ input: "spawn it", tools: [{ type: "namespace", name: "agents", tools: [inside] }] });
    expect(at(body, "output", 0)).toMatchObject({ type: "function_call", name: "spawn", namespace: "agents" });
    const told = await post({
      input: [
        { type: "additional_tools", tools: [inside] },
        { role: "user", content: "spawn it" },
      ],
    });
    expect(at(told.body, "output", 0, "name")).toBe("spawn");
  });
});

describe("state", () => {
  test("a response is kept for its account until it is deleted, and gone on from", async () => {
    const first = await client().responses.create({ model: "gpt-5.4-nano", input: "My name is Ann." });
    expect(await client().responses.retrieve(first.id)).toMatchObject({ id: first.id, output: first.output });
    const second = await client().responses.create({
      model: "gpt-5.4-nano",
      input: "Who am I?",
      previous_response_id: first.id,
    });
    const manual = await client().responses.create({
      model: "gpt-5.4-nano",
      input: [
        { role: "user", content: "My name is Ann." },
        ...said(first.output),
        { role: "user", content: "Who am I?" },
      ],
    });
    expect(second.previous_response_id).toBe(first.id);
    expect(second.usage).toEqual(manual.usage);
    await expect(client("other").responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    await client().responses.delete(first.id);
    await expect(client().responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
  });

  test("nobody else's, nothing that was not stored and nothing that was lost can be gone on from", async () => {
    const kept = await client().responses.create({ model: "gpt-5.4-nano", input: "Hi" });
    const unstored = await client().responses.create({ model: "gpt-5.4-nano", input: "Hi", store: false });
    const goOn = (id: string, key: string) =>
      client(key).responses.create({ model: "gpt-5.4-nano", input: "And?", previous_response_id: id });
    for (const [id, key] of [
      [kept.id, "other"],
      [unstored.id, "key"],
      ["resp_none", "key"],
    ] as const) {
      await expect(goOn(id, key)).rejects.toMatchObject({ status: 400, code: "previous_response_not_found" });
    }
    sandbox.reset();
    await expect(goOn(kept.id, "key")).rejects.toMatchObject({ code: "previous_response_not_found" });
  });

  test("instructions are not carried over, the conversation is", async () => {
    const first = (await post({ input: "Hi", instructions: words(100) })).body;
    const second = (await post({ input: "And?", previous_response_id: first["id"] ?? null })).body;
    expect(second["instructions"]).toBeNull();
    expect(Number(at(second, "usage", "input_tokens"))).toBeLessThan(100);
  });

  test("no more than 500 are kept for an account, however many others ask", async () => {
    const ids = [];
    for (let count = 0; count < 502; count++) ids.push((await post({ input: `${count}` })).body["id"]);
    const get = (id: unknown, key: string) =>
      call(sandbox, "openai", undefined, { path: `/v1/responses/${String(id)}`, key });
    expect((await get(ids[0], "key")).status).toBe(404);
    expect((await get(ids[1], "key")).status).toBe(404);
    expect((await get(ids[2], "key")).status).toBe(200);
  });

  test("an item that is kept can be referred to", async () => {
    const first = (await post({ input: "Hi" })).body;
    const reference = { type: "item_reference", id: at(first, "output", 0, "id") ?? null };
    expect((await post({ input: [reference, { role: "user", content: "And?" }] })).status).toBe(200);
    const lost = await post({ input: [{ type: "item_reference", id: "msg_none" }], store: false });
    expect(lost.status).toBe(404);
    expect(at(lost.body, "error", "message")).toContain("Items are not persisted when `store` is set to false.");
  });

  test("a stream that the client left at its last event is complete, one that it left before is not", async () => {
    const events = checkedResponse((await post({ input: "Hi", stream: true })).text).types.length;
    const left = async (after: number) => {
      const leaving = new AbortController();
      const headers = { "x-sandbox-fault": `stall events=${after}`, "x-sandbox-bytes-after-done": "1" };
      const body = { model: "gpt-5.4-nano", input: "Hi", stream: true };
      const response = await open(sandbox, "openai", body, { path: "/v1/responses", headers, signal: leaving.signal });
      const reader = response.body?.getReader();
      let text = "";
      while (text.split("\n\n").length <= after) text += Buffer.from((await reader?.read())?.value ?? []).toString();
      const lines = sandbox.invoice.lines.length;
      leaving.abort();
      while (sandbox.invoice.lines.length === lines) await new Promise((resolve) => void setImmediate(resolve));
      return (await client().responses.retrieve(/"id":"(resp_[^"]*)"/.exec(text)?.[1] ?? "")).status;
    };
    expect(await left(events)).toBe("completed");
    expect(await left(events - 3)).toBe("cancelled");
  });
});

describe("the cache", () => {
  const told = (count: number) => ({
    input: [
      { role: "developer", content: words(count) },
      { role: "user", content: "Hi" },
    ],
  });
  const bill = async (body: JsonObject) => {
    const answer = await post(body);
    expect(answer.status, answer.text).toBe(200);
    const details = at(answer.body, "usage", "input_tokens_details") as JsonObject;
    const { tokens } = sandbox.invoice.lines.at(-1) ?? {};
    expect(details).toMatchObject({ cached_tokens: tokens?.cacheRead, cache_write_tokens: tokens?.cacheWriteOther });
    return details;
  };

  test("before 5.6 goes by itself, in steps of 128", async () => {
    expect(await bill(told(1500))).toEqual({ cached_tokens: 0, cache_write_tokens: 0 });
    expect(await bill(told(1500))).toEqual({ cached_tokens: 1408, cache_write_tokens: 0 });
    expect((await bill({ ...told(1500), tools: [LOOSE as unknown as JsonObject] }))["cached_tokens"]).toBe(0);
  });

  test("from 5.6 on is written at breakpoints, for half an hour or for twelve", async () => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ clock });
    const ask = (key: string, more: JsonObject = {}) =>
      bill({ model: "gpt-6-luna", prompt_cache_key: key, ...told(1500), ...more });
    const long = { prompt_cache_options: { ttl: "12h" } };
    expect(await ask("short")).toMatchObject({
      cache_write_tokens: 1507,
      cache_write_tokens_details: { ttl_30m_tokens: 1507, ttl_12h_tokens: 0 },
    });
    expect(await ask("long", long)).toMatchObject({
      cache_write_tokens_details: { ttl_30m_tokens: 0, ttl_12h_tokens: 1507 },
    });
    clock.advance(31 * 60_000);
    expect((await ask("short"))["cached_tokens"]).toBe(0);
    expect((await ask("long", long))["cached_tokens"]).toBe(1507);
  });

  test("of what is gone on from holds all of it", async () => {
    const first = (await post(told(1500))).body;
    const prompt = Number(at(first, "usage", "input_tokens"));
    const second = await bill({ input: "And?", previous_response_id: first["id"] ?? null });
    expect(Number(second["cached_tokens"])).toBeGreaterThan(prompt - 128);
  });

  test("thoughts of earlier turns are read again where the model keeps them, or is told to", async () => {
    const tokens = async (model: string, reasoning: JsonObject) => {
      const effort = { model, reasoning: { effort: "high", ...reasoning } };
      const first = (await post({ ...effort, input: "Hi [[sandbox: thinking=500]]" })).body;
      const second = (await post({ ...effort, input: "And?", previous_response_id: first["id"] ?? null })).body;
      return Number(at(second, "usage", "input_tokens"));
    };
    expect(await tokens("gpt-5.4-nano", {})).toBeLessThan(500);
    expect(await tokens("gpt-5.4-nano", { context: "all_turns" })).toBeGreaterThan(500);
    expect(await tokens("gpt-6-luna", {})).toBeGreaterThan(500);
    expect(await tokens("gpt-6-luna", { context: "current_turn" })).toBeLessThan(500);
  });
});

describe("in the background", () => {
  const ask = () =>
    client().responses.create({ model: "gpt-5.4-nano", input: "[[sandbox: tokens=100 tps=10]]", background: true });

  test("it is answered at once, worked on for as long as it takes, and billed then", async () => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ clock });
    const queued = await ask();
    expect(queued).toMatchObject({ status: "queued", output: [], background: true });
    await clock.whenAwaited();
    expect((await client().responses.retrieve(queued.id)).status).toBe("in_progress");
    expect(sandbox.invoice.lines).toHaveLength(0);
    clock.advance(10_000);
    const done = await client().responses.retrieve(queued.id);
    expect(done.status).toBe("completed");
    expect(done.usage?.output_tokens).toBe(100);
    expect(sandbox.invoice.lines).toMatchObject([{ ending: "complete", tokens: { output: 100 } }]);
  });

  test("it is canceled, twice without harm, and billed for what it had by then", async () => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ clock });
    const queued = await ask();
    await clock.whenAwaited();
    clock.advance(4000);
    expect((await client().responses.cancel(queued.id)).status).toBe("cancelled");
    expect((await client().responses.cancel(queued.id)).status).toBe("cancelled");
    await new Promise((resolve) => void setImmediate(resolve));
    expect(sandbox.invoice.lines).toMatchObject([{ ending: "client-left", tokens: { output: 40 } }]);
  });

  test("what was answered at once cannot be canceled, and what is not stored cannot be worked on later", async () => {
    const { id } = await client().responses.create({ model: "gpt-5.4-nano", input: "Hi" });
    await expect(client().responses.cancel(id)).rejects.toThrow("Cannot cancel a synchronous response.");
    expect((await post({ input: "Hi", background: true, store: false })).status).toBe(400);
  });
});

describe("beside it", () => {
  test("tokens are counted without an answer, and as they are billed", async () => {
    const body = { model: "gpt-5.4-nano", input: "Use get_weather", instructions: "Be short.", tools: [WEATHER] };
    const counted = await client().responses.inputTokens.count(body);
    const answered = await client().responses.create(body);
    expect(counted).toEqual({ object: "response.input_tokens", input_tokens: answered.usage?.input_tokens });
    expect(sandbox.invoice.lines).toHaveLength(1);
  });

  test("a failure inside the stream is an error event and a failed response, and an error to the client", async () => {
    sandbox.faults.next({ name: "error-event", afterEvents: 6 });
    const { text } = await post({ input: "Hello there", stream: true });
    const { types, response } = checkedResponse(text);
    expect(types.slice(-2)).toEqual(["error", "response.failed"]);
    expect(response).toMatchObject({ status: "failed", error: { code: "server_is_overloaded" } });
    const stored = await call(sandbox, "openai", undefined, { path: `/v1/responses/${String(response["id"])}` });
    expect(stored.body["status"]).toBe("failed");
    sandbox.faults.next({ name: "error-event", afterEvents: 6 });
    const streaming = client().responses.stream({ model: "gpt-5.4-nano", input: "Hello there" });
    await expect(streaming.finalResponse()).rejects.toBeInstanceOf(APIError);
  });

  test("over a WebSocket it is not spoken, and says so at once", async () => {
    expect((await call(sandbox, "openai", undefined, { path: "/v1/responses" })).status).toBe(426);
  });
});
