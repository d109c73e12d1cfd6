/** `POST /sluice/v1/prewarm`: a prompt is written for the calls that come, by the simulator's bill. */
import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/chat.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { present, QUICK_RETRIES, startSimulation, type Simulation } from "./simulated.ts";

const EMPTY: JsonObject = { type: "object", properties: {}, additionalProperties: false };
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const STATIC = WORDS.repeat(220);

let simulation: Simulation;
afterEach(() => simulation.close());

interface Prewarmed {
  readonly target: string;
  readonly read: number | null;
  readonly written: number | null;
  readonly cost_usd: number | null;
  readonly output_tokens: number | null;
}

async function post(path: string, body: JsonObject | string, headers: Readonly<Record<string, string>> = {}) {
  return fetch(`${simulation.gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

async function prewarm(
  query: string,
  body: JsonObject,
): Promise<{ readonly said: Prewarmed; readonly row: AttemptRow }> {
  const response = await post(`/sluice/v1/prewarm${query}`, body);
  expect(response.status).toBe(200);
  const said = (await response.json()) as Prewarmed;
  const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
  expect(rows).toHaveLength(1);
  return { said, row: present(rows[0], "the row") };
}

async function call(path: string, body: JsonObject): Promise<AttemptRow> {
  const response = await post(path, body);
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
  return present(rows.at(-1), "the row");
}

function chat(model: string, question: string, system: string = STATIC): JsonObject {
  return {
    model,
    messages: [
      { role: "system", content: system },
      { role: "user", content: question },
    ],
  };
}

function responses(model: string, question: string, system: string = STATIC): JsonObject {
  return {
    model,
    input: [
      { role: "developer", content: system },
      { role: "user", content: question },
    ],
  };
}

function messages(question: string): JsonObject {
  return { model: "claude-haiku-5-5", max_tokens: 50, system: STATIC, messages: [{ role: "user", content: question }] };
}

/** What arrived at the provider last. */
function sent(): JsonObject {
  return present(simulation.sandbox.requests.at(-1), "the request").body as JsonObject;
}

const CLAUDE = "anthropic/claude-haiku-5-5";
const LUNA = "openai/gpt-6-luna";
const MISTRAL = "mistral/mistral-small-2603";
const VLLM = "vllm/mistralai/Mistral-Small-4-119B-2603";
const OLLAMA = "ollama/llama3.1:latest";

describe("at Claude nothing at all is generated, and a call after it reads what was written", () => {
  test.each([
    ["openai-chat", "/v1/chat/completions", (question: string) => chat(CLAUDE, question)],
    ["anthropic-messages", "/v1/messages", (question: string) => ({ ...messages(question), cache_control: MARK })],
    ["openai-responses", "/v1/responses", (question: string) => responses(CLAUDE, question)],
    ["ollama-chat", "/api/chat", (question: string) => chat(CLAUDE, question)],
  ] as const)("from %s", async (dialect, path, body) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said, row } = await prewarm(`?dialect=${dialect}`, { ...body("Hello"), stream: true });
    expect(said).toEqual({
      target: CLAUDE,
      read: 0,
      written: row.usage.cache_write_5m,
      cost_usd: row.cost_usd,
      output_tokens: 0,
    });
    expect(said.written).toBeGreaterThan(3_000);
    expect(said.cost_usd).toBeGreaterThan(0);
    expect(row.client_dialect).toBe(dialect);
    expect(sent()).toMatchObject({ max_tokens: 0 });
    const after = await call(path, body("Hello"));
    expect(after.usage.cache_read).toBe(said.written);
    expect(after.predicted_read).toBe(said.written);
  });

  test("beside a format or a forced tool one token is the least", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const tools = [{ name: "look", input_schema: { type: "object", properties: {} } }];
    const forced = { ...messages("Hello"), model: BUDGETED, tools, tool_choice: { type: "any" } };
    await prewarm("?dialect=anthropic-messages", forced);
    expect(sent()).toMatchObject({ max_tokens: 1 });
  });

  test("translated, too", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    await prewarm("", { ...chat(CLAUDE, "Hello"), reasoning_effort: "high" });
    expect(sent()).toMatchObject({ max_tokens: 0 });
    const schema = { type: "object", properties: {}, additionalProperties: false };
    const format = { type: "json_schema", json_schema: { name: "empty", schema, strict: true } };
    await prewarm("", { ...chat(CLAUDE, "Hello"), response_format: format });
    expect(sent()).toMatchObject({ max_tokens: 1 });
  });
});

const BUDGETED = "claude-haiku-4-5";
const LONGER = WORDS.repeat(420);

/** For calls that think with a budget, from a client of Claude's and from one of OpenAI's. */
const THINKING = [
  [
    "anthropic-messages",
    "/v1/messages",
    (question: string): JsonObject => ({
      ...messages(question),
      system: LONGER,
      model: BUDGETED,
      max_tokens: 4_000,
      thinking: { type: "enabled", budget_tokens: 2_000 },
    }),
  ],
  [
    "openai-chat",
    "/v1/chat/completions",
    (question: string): JsonObject => ({
      ...chat(`anthropic/${BUDGETED}`, question, LONGER),
      reasoning_effort: "high",
    }),
  ],
] as const;

describe("for calls that think with a budget, which no prompt without an answer can have", () => {
  test.each(THINKING)("%s: tools and system text are written, and read by them", async (dialect, path, body) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said, row } = await prewarm(`?dialect=${dialect}&until=static`, body("Hello"));
    expect(sent()).toMatchObject({ max_tokens: 0 });
    expect(sent()["thinking"]).toBeUndefined();
    expect(said.written).toBeGreaterThan(4_096);
    const after = await call(path, body("Something else."));
    expect(sent()["thinking"]).toMatchObject({ type: "enabled" });
    expect(after.usage.cache_read).toBe(said.written);
    expect(after.predicted_read).toBe(row.usage.cache_write_5m);
  });

  test.each(THINKING)(
    "%s: messages cannot be, and it is said before anything is paid",
    async (dialect, _path, body) => {
      simulation = await startSimulation({ yaml: QUICK_RETRIES });
      const response = await post(`/sluice/v1/prewarm?dialect=${dialect}`, body("Hello"));
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("until=static");
      expect(simulation.sandbox.requests.filter(({ method }) => method === "POST")).toEqual([]);
    },
  );
});

/** All that a provider's cache may tell apart, said aloud. */
const SETTINGS = [
  [
    "anthropic-messages",
    "/v1/messages",
    "claude-haiku-5-5",
    {
      ...messages("Hello"),
      thinking: { type: "adaptive" },
      output_config: { effort: "low" },
      tools: [{ name: "look", input_schema: { type: "object", properties: {} } }],
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
    },
  ],
  ["openai-chat", "/v1/chat/completions", "anthropic/claude-haiku-5-5", spoken()],
  ["openai-chat", "/v1/chat/completions", "openai/gpt-6-luna", spoken()],
  [
    "openai-responses",
    "/v1/responses",
    "openai/gpt-6-luna",
    {
      ...responses("", "Hello"),
      reasoning: { effort: "low" },
      text: { verbosity: "low", format: jsonFormat() },
      service_tier: "flex",
    },
  ],
  [
    "anthropic-messages",
    "/v1/messages",
    "openai/gpt-6-luna",
    { ...messages("Hello"), thinking: { type: "enabled", budget_tokens: 2_000 }, max_tokens: 4_000 },
  ],
] as const;

test.each(SETTINGS)(
  "%s%s to %s: all that the cache tells apart is said as calls say it",
  async (dialect, path, model, body) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    await post(`/sluice/v1/prewarm?dialect=${dialect}`, { ...body, model });
    const written = sent();
    await post(path, { ...body, model });
    const asked = sent();
    const isOther = (field: string) => JSON.stringify(written[field]) !== JSON.stringify(asked[field]);
    const other = [...new Set([...Object.keys(written), ...Object.keys(asked)])].filter(isOther);
    const ofLength = ["max_tokens", "max_completion_tokens", "max_output_tokens", "prompt_cache_options"];
    // What is marked is where the plan wants it.
    const prompt = ["system", "messages", "tools", "input"];
    expect(other.filter((field) => !ofLength.includes(field) && !prompt.includes(field))).toEqual([]);
  },
);

function spoken(): JsonObject {
  return {
    ...chat("", "Hello"),
    reasoning_effort: "low",
    verbosity: "low",
    service_tier: "flex",
    response_format: { type: "json_schema", json_schema: { name: "empty", schema: EMPTY, strict: true } },
    tools: [{ type: "function", function: { name: "look", parameters: EMPTY } }],
    parallel_tool_calls: false,
  };
}

function jsonFormat(): JsonObject {
  return { type: "json_schema", name: "empty", schema: EMPTY, strict: true };
}

const MARK = { type: "ephemeral" };

/** By which OpenAI finds a prefix again; in their own dialect clients say it themselves. */
function keyed(body: JsonObject): JsonObject {
  return { ...body, prompt_cache_key: "a-conversation" };
}

describe("at OpenAI", () => {
  test("Responses is told that nothing is to be generated, where the model understands it", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said } = await prewarm("?dialect=openai-responses", keyed(responses(LUNA, "Hello")));
    expect(said.output_tokens).toBe(0);
    expect(said.written).toBeGreaterThan(2_000);
    expect(sent()).toMatchObject({ prompt_cache_options: { prewarm: true } });
    const after = await call("/v1/responses", keyed(responses(LUNA, "Hello")));
    expect(after.usage.cache_read).toBe(said.written);
  });

  test.each([
    [LUNA, "openai-chat", "/v1/chat/completions", chat],
    [LUNA, "openai-responses", "/v1/responses", responses],
    [MISTRAL, "openai-chat", "/v1/chat/completions", chat],
  ] as const)(
    "%s, %s: calls after it have its key without saying one, and read it",
    async (model, dialect, path, body) => {
      simulation = await startSimulation({ yaml: QUICK_RETRIES });
      await prewarm(`?dialect=${dialect}&until=static`, body(model, "Hello"));
      const key = sent()["prompt_cache_key"];
      expect(key).toMatch(/^[\w-]{32}$/);
      const after = await call(path, body(model, "Something else."));
      expect(after.usage.cache_read).toBeGreaterThan(2_000);
      expect(sent()["prompt_cache_key"]).toBe(key);
      await call(path, body(model, "Hello", `Another. ${STATIC}`));
      expect(sent()["prompt_cache_key"]).toBeUndefined();
    },
  );

  test("instructions bear no mark, so that writing them alone is refused before anything is paid", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const body = { model: LUNA, instructions: STATIC, input: "Hello" };
    const response = await post("/sluice/v1/prewarm?dialect=openai-responses&until=static", body);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("until=end");
    expect(simulation.sandbox.requests.filter(({ method }) => method === "POST")).toEqual([]);
  });

  test("where nothing is cached without a key and none of ours is sent, it is refused before anything is paid", async () => {
    simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: off }\n` });
    expect((await post("/sluice/v1/prewarm", chat(MISTRAL, "Hello"))).status).toBe(400);
    expect(simulation.sandbox.requests.filter(({ method }) => method === "POST")).toEqual([]);
    const { said } = await prewarm("", keyed(chat(MISTRAL, "Hello")));
    expect(said.target).toBe(MISTRAL);
  });

  test("a model that does not is asked for the least", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said } = await prewarm("?dialect=openai-responses", responses("openai/gpt-5.4-nano", "Hello"));
    expect(said.output_tokens).toBeLessThanOrEqual(16);
    expect(sent()["prompt_cache_options"]).toBeUndefined();
    expect((await call("/v1/responses", responses("openai/gpt-5.4-nano", "Hello"))).usage.cache_read).toBeGreaterThan(
      2_000,
    );
  });

  test.each([
    [LUNA, {}],
    ["openai/gpt-5.4-nano", { max_tokens: 900 }],
    [LUNA, { stream: true, stream_options: { include_usage: true }, n: 3 }],
  ])("Chat Completions has no word for it: one token (%s, %o)", async (model, more) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said } = await prewarm("", { ...keyed(chat(model, "Hello")), ...more });
    expect(said.output_tokens).toBe(1);
    expect(sent()).toMatchObject({ max_completion_tokens: 1 });
    expect((await call("/v1/chat/completions", keyed(chat(model, "Hello")))).usage.cache_read).toBeGreaterThan(2_000);
  });
});

describe("a self-hosted server", () => {
  test.each([
    [VLLM, "openai-chat", "/v1/chat/completions"],
    [OLLAMA, "ollama-chat", "/api/chat"],
    [OLLAMA, "openai-chat", "/v1/chat/completions"],
  ] as const)("%s, from %s: one token, and its memory has the prompt", async (model, dialect, path) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said } = await prewarm(`?dialect=${dialect}`, chat(model, "Hello"));
    expect(said).toMatchObject({ target: model, output_tokens: 1, cost_usd: null });
    const after = await call(path, { ...chat(model, "Hello"), stream: false });
    expect(after.predicted_read).toBeGreaterThan(2_000);
  });
});

describe("as far as the prompt is static", () => {
  test.each([
    [CLAUDE, "", "/v1/chat/completions", chat],
    [LUNA, "?dialect=openai-responses", "/v1/responses", responses],
  ] as const)(
    "the end is not written, and calls that go on otherwise read it (%s)",
    async (model, query, path, body) => {
      simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: improve }\n` });
      const until = query === "" ? "?until=static" : `${query}&until=static`;
      const { said } = await prewarm(until, body(model, `Hello ${WORDS.repeat(100)}`));
      expect(said.written).toBeGreaterThan(2_000);
      expect(said.written).toBeLessThan(4_100);
      const after = await call(path, body(model, "Something else."));
      expect(after.usage.cache_read).toBe(said.written);
    },
  );

  test("to the client's own boundary, which never reaches the model", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const dated = (date: string) =>
      chat(CLAUDE, "Hello", `${STATIC}\n<!-- sluice:dynamic -->\nIt is ${date}. ${STATIC}`);
    const { said } = await prewarm("?until=static", dated("Monday"));
    expect(said.written).toBeLessThan(4_100);
    expect(JSON.stringify(sent())).not.toContain("sluice:dynamic");
    expect((await call("/v1/chat/completions", dated("Tuesday"))).usage.cache_read).toBe(said.written);
  });
});

test.each(["respect", "improve", "off"])("what is asked for is written whatever the mode (%s)", async (mode) => {
  simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: ${mode} }\n` });
  expect((await prewarm("?dialect=anthropic-messages", messages("Hello"))).said.written).toBeGreaterThan(3_000);
  const marked = { ...messages("Hello"), cache_control: MARK };
  const after = await call("/v1/messages", marked);
  expect(after.usage.cache_read).toBeGreaterThan(3_000);
});

describe("in the provider's own dialect", () => {
  const alike = (question: string): JsonObject => messages(question);

  test.each(["end", "static"])("calls after it read it without a mark of their own (%s)", async (until) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const { said } = await prewarm(`?dialect=anthropic-messages&until=${until}`, alike("Hello"));
    const question = until === "end" ? "Hello" : "Something else.";
    const after = await call("/v1/messages", alike(question));
    expect(after.usage.cache_read).toBe(said.written);
    expect(after.predicted_read).toBe(said.written);
  });

  test("beside the client's own marks, what was written is marked, and theirs stay", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const marked = (question: string): JsonObject => ({
      ...messages(question),
      messages: [{ role: "user", content: [{ type: "text", text: `${question} ${STATIC}`, cache_control: MARK }] }],
    });
    const { said } = await prewarm("?dialect=anthropic-messages&until=static", alike("Hello"));
    const response = await post("/v1/messages", marked("Something else."));
    expect(response.headers.get("x-sluice-cache-marks")).toBe("client=1;added=1");
    const [row] = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
    expect(row?.usage.cache_read).toBe(said.written);
    expect(JSON.stringify(sent()["messages"])).toContain("cache_control");
  });

  test("with `off`, they are sent as they are", async () => {
    simulation = await startSimulation({ yaml: `${QUICK_RETRIES}cache: { mode: off }\n` });
    await prewarm("?dialect=anthropic-messages", alike("Hello"));
    const after = await call("/v1/messages", alike("Hello"));
    expect(after.cache_marks).toBeNull();
    expect(after.predicted_read).toBe(0);
  });

  test("nobody else's calls are marked for it", async () => {
    const keys = ["sk-tenant-one-0123456789", "sk-tenant-two-0123456789"];
    simulation = await startSimulation({ yaml: QUICK_RETRIES, environment: { SLUICE_API_KEYS: keys.join(",") } });
    const as = (key: string | undefined) => ({ authorization: `Bearer ${key}` });
    await post("/sluice/v1/prewarm?dialect=anthropic-messages", alike("Hello"), as(keys[0]));
    await post("/v1/messages", alike("Hello"), as(keys[1]));
    expect(JSON.stringify(sent())).not.toContain("cache_control");
    await post("/v1/messages", alike("Hello"), as(keys[0]));
    expect(JSON.stringify(sent())).toContain("cache_control");
  });
});

test("the task is the one that the calls after it have", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  const headers = { "x-sluice-task": "t-1", "x-sluice-task-class": "review" };
  const response = await post("/sluice/v1/prewarm", chat(CLAUDE, "Hello"), headers);
  const rows = await simulation.gateway.attempts(response.headers.get("x-sluice-exchange"));
  expect(rows[0]).toMatchObject({ task: "t-1", task_class: "review" });
});

test("siblings that come while it is written wait for it", async () => {
  simulation = await startSimulation({ yaml: QUICK_RETRIES });
  const [{ said }, sibling] = await Promise.all([
    prewarm("?until=static", chat(CLAUDE, "Hello")),
    call("/v1/chat/completions", chat(CLAUDE, "Something else.")),
  ]);
  expect([said.read, sibling.usage.cache_read].filter((read) => read === 0)).toHaveLength(1);
});

describe("what cannot be done is refused in words", () => {
  test("where nothing is static, nothing can be written as far as that", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const body = { ...messages("Hello"), system: "" };
    const response = await post("/sluice/v1/prewarm?dialect=anthropic-messages&until=static", body);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("neither tools nor system text");
  });

  test.each([
    ["?dialect=openai-embeddings", chat(CLAUDE, "Hello"), 400, "`dialect` is one of"],
    ["?until=never", chat(CLAUDE, "Hello"), 400, "`until` is one of"],
    ["?depth=1", chat(CLAUDE, "Hello"), 400, "there is no parameter"],
    ["", "{", 400, "not valid JSON"],
    ["", "[]", 400, "must be a JSON object"],
    ["", "", 400, "the request body is empty"],
    ["", { messages: [] }, 400, "`model` is missing"],
    ["", chat("nobody/nothing", "Hello"), 404, "no provider is called"],
  ])("%s %#", async (query, body, status, words) => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES, withoutSandbox: true });
    const response = await post(`/sluice/v1/prewarm${query}`, body);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(words);
  });

  test("a provider's own refusal reaches the client in its dialect", async () => {
    simulation = await startSimulation({ yaml: QUICK_RETRIES });
    const body = { ...messages("Hello"), messages: [] };
    const response = await post("/sluice/v1/prewarm?dialect=anthropic-messages", body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
  });

  test("without a key of the gateway's", async () => {
    simulation = await startSimulation({ environment: { SLUICE_API_KEYS: "sk-tenant-one-0123456789" } });
    expect((await post("/sluice/v1/prewarm", chat(CLAUDE, "Hello"))).status).toBe(401);
    const headers = { authorization: "Bearer sk-tenant-one-0123456789" };
    expect((await post("/sluice/v1/prewarm", chat(CLAUDE, "Hello"), headers)).status).toBe(200);
  });

  test("by another method", async () => {
    simulation = await startSimulation();
    expect((await fetch(`${simulation.gateway.url}/sluice/v1/prewarm`)).status).toBe(405);
  });
});
