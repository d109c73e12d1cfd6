/** What only some models can, through the front door: never silently left out, and never sent where it is refused. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { startSimulation, type Simulation } from "./sdk/simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({ withoutSandbox: true });
});
afterAll(() => simulation.close());

const HI = [{ role: "user", content: "Hi" }];
const LOOK = { type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } };
const CUSTOM = { type: "custom", custom: { name: "sql" } };
const CHAT = "/v1/chat/completions";
const CLAUDE = "anthropic/claude-haiku-5-5";
const LLAMA = "ollama/llama3.1:latest";

interface Told {
  readonly status: number;
  readonly target: string | null;
  readonly losses: string | null;
  readonly text: string;
  readonly exchange: string | null;
}

async function post(path: string, body: JsonObject, headers: Readonly<Record<string, string>> = {}): Promise<Told> {
  const response = await fetch(simulation.gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    target: response.headers.get("x-sluice-target"),
    losses: response.headers.get("x-sluice-losses"),
    exchange: response.headers.get("x-sluice-exchange"),
    text: await response.text(),
  };
}

describe("on Chat Completions", () => {
  const NEEDS: readonly (readonly [word: string, given: JsonObject])[] = [
    ["logprobs", { logprobs: true, top_logprobs: 2 }],
    ["audio as an answer (modalities)", { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } }],
    ["web search (web_search_options)", { web_search_options: {} }],
    ["custom tools", { tools: [CUSTOM] }],
    ["custom tools", { tools: [CUSTOM, LOOK] }],
  ];

  test.each(NEEDS)("%s of a model of another dialect is refused by name, not left out", async (word, given) => {
    for (const model of [CLAUDE, LLAMA]) {
      const told = await post(CHAT, { model, messages: HI, ...given });
      expect(told.status, told.text).toBe(400);
      expect(told.text).toContain(`the request needs ${word}, which ${model} cannot take; `);
    }
  });

  test.each(["logprobs", "custom tools"])("%s: `auto` asks only who can", async (word) => {
    for (const [, given] of NEEDS.filter(([named]) => named === word)) {
      const told = await post(CHAT, { model: "auto", messages: HI, ...given });
      expect(told, told.text).toMatchObject({ status: 200, target: "openai/gpt-5.4-nano" });
    }
    const named = await post(CHAT, { model: CLAUDE, messages: HI, ...NEEDS.find(([one]) => one === word)?.[1] });
    expect(named.text).toContain("name a model that can (`openai/gpt-5.4`");
  });

  test.each(["audio as an answer (modalities)", "web search (web_search_options)"])(
    "%s: nobody whom `auto` may ask can, which it says",
    async (word) => {
      const given = NEEDS.find(([one]) => one === word)?.[1];
      const told = await post(CHAT, { model: "auto", messages: HI, ...given });
      expect(told.status).toBe(400);
      expect(told.text).toContain(`the request needs ${word}`);
    },
  );

  test("who named the model in its provider's own dialect is answered or refused by the provider", async () => {
    const small = await post(CHAT, { model: "mistral/mistral-small-2603", messages: HI, logprobs: true });
    expect(small.status).toBe(400);
    expect(small.text).toContain("Logprobs are not enabled");
    const nano = await post(CHAT, { model: "openai/gpt-5.4-nano", messages: HI, modalities: ["text"] });
    expect(nano).toMatchObject({ status: 200, losses: null });
  });
});

test("MCP servers are Anthropic's to call: nobody else is asked, and nobody answers without them", async () => {
  const body = { max_tokens: 50, messages: HI, mcp_servers: [{ type: "url", url: "https://example.com", name: "x" }] };
  const named = await post("/v1/messages", { ...body, model: LLAMA });
  expect(named.status).toBe(400);
  expect(named.text).toContain("the request needs MCP servers (mcp_servers), which ollama/llama3.1:latest cannot take");
  expect((await post("/v1/messages", { ...body, model: "auto" })).target).toBe(CLAUDE);
});

describe("calls that are not conversations", () => {
  test.each([
    ["/v1/embeddings", { input: "a" }, "embeddings", "openai/text-embedding-3-small"],
    ["/v1/completions", { prompt: "a" }, "text completions", "openai/gpt-3.5-turbo-instruct"],
    ["/mistral/v1/fim/completions", { prompt: "a" }, "completions in the middle (FIM)", "mistral/codestral-2508"],
    ["/api/embed", { input: "a" }, "embeddings", "openai/text-embedding-3-small"],
  ])("%s with `auto` names a model that can, where it may choose from none", async (path, body, word, model) => {
    const told = await post(path, { ...body, model: "auto" });
    expect(told.status, told.text).toBe(400);
    expect(told.text).toContain(`the request needs ${word}`);
    expect(told.text).toContain(`name a model that can (\`${model}\``);
  });

  test("`auto` chooses among its targets one that can, and answers conversations with the others", async () => {
    const targets = "policy:\n  targets: [openai/text-embedding-3-small, mistral/codestral-2508]\n";
    const own = await startSimulation({ withoutSandbox: true, yaml: targets });
    try {
      const embedded = await own.openai.embeddings.create({ model: "auto", input: ["a", "b"] });
      expect(embedded.data).toHaveLength(2);
      const said = await own.openai.chat.completions.create({
        model: "auto",
        messages: [{ role: "user", content: "Hi" }],
      });
      expect(said.model).toBe("codestral-2508");
      const filled = await own.mistral.fim.complete({ model: "auto", prompt: "def f(", suffix: "return 1" });
      expect(filled.choices).toHaveLength(1);
    } finally {
      await own.close();
    }
  });
});

describe("function tools of a model that thinks unless it is told otherwise", () => {
  const TOOL = { name: "look", input_schema: { type: "object", properties: {} } };
  test.each([
    [CHAT, { tools: [LOOK] }],
    ["/v1/messages", { tools: [TOOL], max_tokens: 2_000 }],
  ])("%s: it is asked where it may think beside them", async (path, given) => {
    const told = await post(path, {
      model: "openai/gpt-6-luna",
      messages: [{ role: "user", content: "use look" }],
      ...given,
    });
    expect(told.status, told.text).toBe(200);
    expect(told.losses ?? "").not.toContain("reasoning");
    expect((await simulation.gateway.attempts(told.exchange))[0]).toMatchObject({
      upstream_dialect: "openai-responses",
    });
  });

  test("where only Chat Completions can say the rest, that it does not think is on the answer", async () => {
    const told = await post(CHAT, { model: "openai/gpt-6-luna", messages: HI, tools: [LOOK], n: 2 });
    expect(told, told.text).toMatchObject({ status: 200, losses: "reasoning_effort" });
  });

  test("who says `none`, or whose model does not think by itself, is sent as it is", async () => {
    for (const given of [{ model: "openai/gpt-6-luna", reasoning_effort: "none" }, { model: "openai/gpt-5.4-nano" }]) {
      const told = await post(CHAT, { messages: HI, tools: [LOOK], ...given });
      expect(told, told.text).toMatchObject({ status: 200, losses: null });
    }
  });
});

describe("a JSON object, asked for without a word on JSON", () => {
  test.each(["openai/gpt-5.4-nano", "mistral/mistral-small-2603"])(
    "is given by %s to Ollama's clients, and what was added is named",
    async (model) => {
      const told = await post("/api/chat", { model, messages: HI, format: "json", stream: false });
      expect(told, told.text).toMatchObject({ status: 200, losses: "json_instruction" });
      const said = await post("/api/chat", { model, messages: [{ role: "user", content: "a json" }], format: "json" });
      expect(said, said.text).toMatchObject({ status: 200, losses: null });
    },
  );
});

describe("what was left out", () => {
  test("has its own name, or says where it stood; a client's own words are no label", async () => {
    const told = await post(CHAT, {
      model: CLAUDE,
      messages: HI,
      store: true,
      logit_bias: { "1": 2 },
      "my field, (new)": 1,
      mine: 2,
    });
    expect(told.status, told.text).toBe(200);
    expect(told.losses).toBe("store, logit_bias, unknown-field(my_field___new_ mine)");
    const metrics = await (await fetch(`${simulation.gateway.url}/metrics`)).text();
    expect(metrics).toContain('field="unknown-field"');
    expect(metrics).not.toMatch(/field="(?:mine|my|unknown-field\()/);
  });

  test("who called a tool of Anthropic's is nothing when it was the model", async () => {
    const call = { type: "tool_use", id: "toolu_1", name: "look", input: {}, caller: { type: "direct" } };
    const told = await post(
      "/v1/messages",
      {
        model: "openai/gpt-5.4-nano",
        max_tokens: 2_000,
        tools: [{ name: "look", input_schema: { type: "object", properties: {} } }],
        messages: [
          { role: "user", content: "use look" },
          { role: "assistant", content: [call] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "r" }] },
        ],
      },
      { "x-sluice-strict": "true" },
    );
    expect(told, told.text).toMatchObject({ status: 200, losses: null });
  });
});
