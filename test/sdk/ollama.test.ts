/** Ollama's official client in front of every provider: at the official path and under the prefix. */
import { Ollama } from "ollama";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../running.ts";
import { echoOf, failure, isSame, resultsOf, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
let prefixed: Ollama;
beforeAll(async () => {
  simulation = await startSimulation();
  prefixed = new Ollama({ host: `${simulation.gateway.url}/ollama` });
});
afterAll(() => simulation.close());

/** The simulated server itself. */
const direct = () => new Ollama({ host: `${simulation.sandbox.url}/ollama` });

const SAID = "Grüße an alle 🌍, and a second sentence.";
const ASKED = "Use get_weather and get_time for me.";
const TOOLS = ["get_weather", "get_time"].map((name) => ({
  type: "function",
  function: {
    name,
    description: "Tells.",
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
  },
}));

describe.each([
  ["at the official path", () => simulation.ollama],
  ["under its prefix", () => prefixed],
])("Ollama's client %s", (_where, client) => {
  describe.each(TARGETS)("with $name", (target) => {
    const model = target.name;

    test("an answer is whole, counted and one row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const answer = await client().chat({ model, messages: [{ role: "user", content: SAID }] });
      expect(answer).toMatchObject({ done: true, done_reason: "stop", message: { content: echoOf(SAID) } });
      expect(answer.eval_count).toBeGreaterThan(0);
      expect(answer.total_duration).toBeGreaterThan(0);
      const added = (await simulation.gateway.allAttempts()).slice(before);
      expect(added).toHaveLength(1);
      expect(added[0]).toMatchObject({
        outcome: "complete",
        client_dialect: "ollama-chat",
        lane: isSame(target, "ollama-chat") ? "same" : "translated",
        usage: { output: answer.eval_count },
      });
    });

    test("a stream's lines are the answer, and the last one says how it ended", async () => {
      let text = "";
      let reason = "";
      for await (const line of await client().chat({
        model,
        messages: [{ role: "user", content: SAID }],
        stream: true,
      })) {
        text += line.message.content;
        reason = line.done_reason ?? reason;
      }
      expect({ text, reason }).toEqual({ text: echoOf(SAID), reason: "stop" });
    });

    test("tools are called with objects, and their results end the loop", async () => {
      const messages = [{ role: "user", content: ASKED }];
      const first = await client().chat({ model, messages, tools: TOOLS });
      const calls = first.message.tool_calls ?? [];
      expect(calls.map((call) => call.function.name)).toEqual(["get_weather", "get_time"]);
      for (const call of calls) expect(call.function.arguments).toEqual({ place: expect.any(String) as string });
      const second = await client().chat({
        model,
        messages: [
          ...messages,
          first.message,
          { role: "tool", tool_name: "get_weather", content: "18 degrees" },
          { role: "tool", tool_name: "get_time", content: "noon" },
        ],
        tools: TOOLS,
      });
      expect(second.message.content).toBe(resultsOf("18 degrees", "noon"));
    });

    test("a schema shapes the answer", async () => {
      const answer = await client().chat({
        model,
        messages: [{ role: "user", content: "Report on the outage." }],
        format: {
          type: "object",
          properties: { apples: { type: "integer" } },
          required: ["apples"],
          additionalProperties: false,
        },
      });
      expect(Object.keys(JSON.parse(answer.message.content) as object)).toEqual(["apples"]);
    });

    test("`generate` completes a prompt", async () => {
      const answer = await client().generate({ model, prompt: SAID });
      expect(answer).toMatchObject({ done: true, response: echoOf(SAID) });
      let text = "";
      for await (const line of await client().generate({ model, prompt: SAID, stream: true })) text += line.response;
      expect(text).toBe(echoOf(SAID));
    });

    test("what goes wrong is a ResponseError with its status", async () => {
      for (const status of [400, 404, 429]) {
        const error = await failure(
          client().chat({ model, messages: [{ role: "user", content: `[[sandbox: fault=${status}]] hello` }] }),
        );
        expect(error).toMatchObject({
          name: "ResponseError",
          status_code: status,
          error: expect.any(String) as string,
        });
      }
    });

    test("a stream that is aborted ends upstream too, and is one canceled row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const stream = await client().chat({
        model,
        messages: [{ role: "user", content: "[[sandbox: fault=stall events=20 tokens=400]] tell me more" }],
        stream: true,
      });
      const ended = failure(
        (async () => {
          for await (const _line of stream) stream.abort();
        })(),
      );
      expect(((await ended) as Error).name).toBe("AbortError");
      await until(() => simulation.sandbox.openRequests === 0);
      const added = (await simulation.gateway.allAttempts()).slice(before);
      expect(added.map((row) => row.outcome)).toEqual(["canceled"]);
    });
  });

  test("thoughts come where a model thinks", async () => {
    const asked = { messages: [{ role: "user", content: "Think of a number." }], think: true };
    for (const model of ["ollama/qwen3:4b", "sandbox/qwen3:4b", "anthropic/claude-haiku-5-5"]) {
      const answer = await client().chat({ model, ...asked });
      expect(answer.message.content, model).toMatch(/./);
      if (!model.startsWith("anthropic")) expect(answer.message.thinking, model).toMatch(/./);
    }
  });

  test("texts are embedded by Ollama, and counted", async () => {
    for (const model of ["ollama/nomic-embed-text", "sandbox/nomic-embed-text:latest"]) {
      const answer = await client().embed({ model, input: ["one", "two"] });
      expect(answer.embeddings.map((one) => one.length)).toEqual([768, 768]);
      const row = (await simulation.gateway.allAttempts()).at(-1);
      expect(row).toMatchObject({ usage_basis: "reported", usage: { input_uncached: answer.prompt_eval_count } });
    }
  });

  test("a model of the server is called as it always was, with its tag or without", async () => {
    for (const model of ["llama3.1", "llama3.1:latest", "qwen3:4b"]) {
      const answer = await client().chat({ model, messages: [{ role: "user", content: SAID }] });
      expect(answer.message.content, model).toBe(echoOf(SAID));
      const row = (await simulation.gateway.allAttempts()).at(-1);
      expect(row?.target, model).toBe(`ollama/${model === "llama3.1" ? "llama3.1:latest" : model}`);
    }
    expect((await client().generate({ model: "llama3.1", prompt: SAID })).response).toBe(echoOf(SAID));
    expect((await client().embed({ model: "nomic-embed-text", input: SAID })).embeddings).toHaveLength(1);
    const unknown = await failure(client().chat({ model: "llama3.2", messages: [{ role: "user", content: SAID }] }));
    // The sandbox, which takes any name, is behind it, and says this.
    expect(unknown).toMatchObject({ name: "ResponseError", status_code: 404 });
  });

  test("the list has the gateway's models and the server's own as the server lists them", async () => {
    const { models } = await client().list();
    const names = models.map((model) => model.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["auto", "anthropic/claude-haiku-5-5"]));
    const own = await direct().list();
    expect(own.models.length).toBeGreaterThan(3);
    for (const model of own.models) {
      expect(models, model.name).toContainEqual(model);
      // By one name only.
      expect(names).not.toContain(`ollama/${model.name}`);
    }
    // Another server's of the same name has its server's name before it.
    expect(names).toContain("sandbox/llama3.1:latest");
  });

  test("what the server has loaded is what it says", async () => {
    await client().chat({ model: "qwen3:4b", messages: [{ role: "user", content: SAID }] });
    const { models } = await client().ps();
    const own = await direct().ps();
    expect(own.models.map((model) => model.name)).toContain("qwen3:4b");
    for (const { expires_at: _, ...model } of own.models) expect(models).toContainEqual(expect.objectContaining(model));
  });

  test("each model can be shown: the server's own in its words, others as the table knows them", async () => {
    for (const model of ["llama3.1", "gemma3:1b", "nomic-embed-text"]) {
      const own = await direct().show({ model });
      for (const name of [model, `ollama/${model}`]) expect(await client().show({ model: name }), name).toEqual(own);
    }
    for (const { name, provider, dialect } of TARGETS) {
      const one = await client().show({ model: name });
      expect(one.capabilities, name).toContain("completion");
      expect(one.details.family, name).toBe(dialect === "ollama-chat" ? "llama" : provider);
    }
    // What nobody knows is not claimed.
    const local = await client().show({ model: "vllm/mistralai/Mistral-Small-4-119B-2603" });
    expect(local.capabilities).toEqual(["completion", "tools"]);
    for (const model of ["ollama/no-such-model", "vllm/no-such/model"]) {
      const error = await failure(client().show({ model }));
      expect(error, model).toMatchObject({ name: "ResponseError", status_code: 404 });
      expect((error as Error).message).toContain(`model '${model}' not found`);
    }
    const shown = await client().show({ model: "anthropic/claude-haiku-5-5" });
    expect(shown.capabilities).toEqual(["completion", "tools", "vision", "thinking"]);
    expect(Object.values(shown.model_info as unknown as Record<string, unknown>)).toContain("anthropic");
    expect((await client().version()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

test("with client keys, Ollama's own routes ask for one, in Ollama's words, and say which model is not there", async () => {
  const guarded = await startSimulation({
    withoutSandbox: true,
    environment: { SLUICE_API_KEYS: "the-key-of-this-client" },
  });
  try {
    const host = guarded.gateway.url;
    const error = await failure(new Ollama({ host }).list());
    expect(error).toMatchObject({ name: "ResponseError", status_code: 401 });
    const keyed = new Ollama({ host, headers: { authorization: "Bearer the-key-of-this-client" } });
    expect((await keyed.list()).models.length).toBeGreaterThan(0);
    const unknown = await failure(keyed.show({ model: "no-such-provider/model" }));
    expect(unknown).toMatchObject({ name: "ResponseError", status_code: 404 });
  } finally {
    await guarded.close();
  }
});
