/** What self-hosted servers have can be called by the names that it has there, however late a server comes, and whoever else is there. */
import { afterEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway, type RunningOptions } from "./running.ts";

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  // The gateway first: its servers are then no longer asked.
  for (const one of running.splice(0).toReversed()) await one.close();
});

async function server(script: Script): Promise<FakeUpstream> {
  const started = await startFakeUpstream(script);
  running.push(started);
  return started;
}

async function gatewayOf(options: RunningOptions): Promise<RunningGateway> {
  const started = await startGateway(options);
  running.push(started);
  return started;
}

/** In a test that says how time goes by, nothing is asked in the background. */
const NEVER = { discoverAgainMs: 3_600_000 };

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "org/small",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
};

const vllm =
  (...ids: readonly string[]): Script =>
  (outgoing, arrived, number) =>
    json(arrived.method === "GET" ? { object: "list", data: [...ids.map((id) => ({ id })), { id: "" }, {}] } : ANSWER)(
      outgoing,
      arrived,
      number,
    );

const ollama =
  (...names: readonly string[]): Script =>
  (outgoing, arrived, number) =>
    json(
      arrived.method === "GET"
        ? { models: names.map((name) => ({ name, model: name, size: 7 })) }
        : {
            model: "m",
            created_at: "2026-11-22T12:00:00Z",
            message: { role: "assistant", content: "Hi." },
            done: true,
            done_reason: "stop",
            prompt_eval_count: 5,
            eval_count: 2,
          },
    )(outgoing, arrived, number);

const down: Script = json({}, 503);

const call = (url: string, model: string) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
  });

/** Who answers, or the status. */
async function answering(url: string, model: string): Promise<string | number> {
  const answer = await call(url, model);
  await answer.text();
  return answer.headers.get("x-sluice-target") ?? answer.status;
}

async function modelsOf(url: string): Promise<readonly string[]> {
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  return models.data.map((model) => model.id);
}

test("with a self-hosted server alone, auto is what that server says it serves", async () => {
  const { url: base } = await server(vllm("org/small"));
  const { url } = await gatewayOf({ environment: { VLLM_BASE_URL: base } });
  expect(await answering(url, "auto")).toBe("vllm/org/small");
  expect(await modelsOf(url)).toEqual(["auto", "org/small", "vllm/org/small"]);
});

test("beside other providers, a server's models go by the names they have there, and auto stays what it was", async () => {
  const openai = await server(json(ANSWER));
  const { url: tags } = await server(ollama("llama3.1:latest", "qwen3:4b", "gpt-oss:20b", "hf.co/org/repo:Q4_K_M"));
  const { url: data } = await server(vllm("mistralai/Mistral-Small-4-119B-2603", "gpt-5.4-nano"));
  const environment = {
    OPENAI_API_KEY: "sk-test",
    OPENAI_BASE_URL: `${openai.url}/v1`,
    OLLAMA_HOST: tags,
    VLLM_BASE_URL: data,
  };
  const { url } = await gatewayOf({ environment });
  // Nobody but the servers was asked.
  expect(openai.requests).toEqual([]);
  const goesTo: Readonly<Record<string, string>> = {
    "llama3.1": "ollama/llama3.1:latest",
    "llama3.1:latest": "ollama/llama3.1:latest",
    "Llama3.1": "ollama/llama3.1:latest",
    "qwen3:4b": "ollama/qwen3:4b",
    "hf.co/org/repo:Q4_K_M": "ollama/hf.co/org/repo:Q4_K_M",
    "mistralai/Mistral-Small-4-119B-2603": "vllm/mistralai/Mistral-Small-4-119B-2603",
    // What a server has comes before what a name's beginning tells, and after what the table knows.
    "gpt-oss:20b": "ollama/gpt-oss:20b",
    "gpt-5.4-nano": "openai/gpt-5.4-nano",
    "vllm/gpt-5.4-nano": "vllm/gpt-5.4-nano",
    "gpt-9": "openai/gpt-9",
    auto: "openai/gpt-5.4-nano",
  };
  for (const [name, target] of Object.entries(goesTo)) expect(await answering(url, name), name).toBe(target);
  const ids = await modelsOf(url);
  expect(ids).toEqual(expect.arrayContaining(["llama3.1:latest", "ollama/llama3.1:latest", "vllm/gpt-5.4-nano"]));
  expect(new Set(ids).size).toBe(ids.length);
  // Another tag is another model.
  for (const name of ["qwen3", "llama3.1:70b"]) expect(await answering(url, name), name).toBe(404);
  expect(await (await call(url, "llama3.2")).text()).toContain("did you mean `llama3.1:latest`");
  expect(await (await call(url, "mistralai/Mistral-Small-4")).text()).toContain(
    "did you mean `mistralai/Mistral-Small-4-1",
  );
});

test("an alias may stand for what a server has, and an alias of its name comes before it", async () => {
  const { url: base } = await server(ollama("llama3.1:latest", "qwen3:4b"));
  const { url } = await gatewayOf({
    environment: { OLLAMA_HOST: base },
    yaml: "aliases: { fast: llama3.1, 'qwen3:4b': 'llama3.1:latest' }",
  });
  expect(await answering(url, "fast")).toBe("ollama/llama3.1:latest");
  expect(await answering(url, "qwen3:4b")).toBe("ollama/llama3.1:latest");
});

test("of two servers that have a model the config's first is called, and the row says so; while it is down, the other", async () => {
  let isUp = true;
  const first = await server((...asked) => (isUp ? ollama("llama3.1:latest") : down)(...asked));
  const second = await server(ollama("llama3.1:latest", "qwen3:4b"));
  let nowMs = 0;
  const gateway = await gatewayOf({
    environment: {},
    yaml: `providers:\n  one: { kind: ollama, baseUrl: "${first.url}" }\n  two: { kind: ollama, baseUrl: "${second.url}" }\n`,
    now: () => nowMs,
    ...NEVER,
  });
  const answer = await call(gateway.url, "llama3.1");
  const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
  expect(row).toMatchObject({
    target: "one/llama3.1:latest",
    reason: "named by the client; `one` serves it and comes before two in the config",
  });
  expect(await answering(gateway.url, "qwen3:4b")).toBe("two/qwen3:4b");
  isUp = false;
  nowMs = 10_000;
  // The list is asked for, so the servers are.
  expect((await modelsOf(gateway.url)).filter((id) => id.endsWith("llama3.1:latest"))).toEqual([
    "llama3.1:latest",
    "two/llama3.1:latest",
  ]);
  expect(await answering(gateway.url, "llama3.1")).toBe("two/llama3.1:latest");
});

test("a server that was down at the start is asked again in the background until it answers", async () => {
  const started = await server(down);
  // By this clock every answer is of just now: no call asks.
  const { url, sluice, logged } = await gatewayOf({
    environment: { VLLM_BASE_URL: started.url },
    discoverAgainMs: 5,
    now: () => 0,
  });
  expect(await answering(url, "auto")).toBe(404);
  await until(() => started.requests.length > 3);
  started.answer(vllm("org/small"));
  await until(() => sluice.setup().targets.list().length > 1);
  expect(await answering(url, "auto")).toBe("vllm/org/small");
  // However often it was asked.
  const events = logged.map((line) => (JSON.parse(line) as { event: string }).event);
  expect(events.filter((event) => event.startsWith("models-"))).toEqual(["models-unknown", "models-known"]);
});

test("a name that nobody knows waits for the servers' lists once, and not again for some seconds", async () => {
  const started = await server(down);
  let nowMs = 0;
  const { url } = await gatewayOf({ environment: { OLLAMA_HOST: started.url }, now: () => nowMs, ...NEVER });
  started.answer(ollama("llama3.1:latest"));
  expect(started.requests).toHaveLength(1);
  expect(await answering(url, "llama3.1")).toBe(404);
  expect(started.requests).toHaveLength(1);
  nowMs = 5_000;
  expect(await answering(url, "llama3.1")).toBe("ollama/llama3.1:latest");
  // Pulled meanwhile.
  started.answer(ollama("llama3.1:latest", "qwen3:4b"));
  nowMs = 9_000;
  expect(await answering(url, "qwen3:4b")).toBe(404);
  nowMs = 10_000;
  expect(await answering(url, "qwen3:4b")).toBe("ollama/qwen3:4b");
});

test("many calls with a name that nobody knows ask a server once", async () => {
  const started = await server(ollama());
  let nowMs = 0;
  const { url } = await gatewayOf({ environment: { OLLAMA_HOST: started.url }, now: () => nowMs, ...NEVER });
  nowMs = 60_000;
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let lists = 0;
  started.answer(async (outgoing, arrived, number) => {
    if (arrived.method === "GET") {
      lists += 1;
      await held;
    }
    await ollama("llama3.1:latest")(outgoing, arrived, number);
  });
  const calls = Array.from({ length: 10 }, () => answering(url, "llama3.1"));
  await until(() => lists > 0);
  // A name that is known goes its way meanwhile.
  expect(await answering(url, "ollama/other")).toBe("ollama/other");
  release();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(["ollama/llama3.1:latest"]));
  expect(lists).toBe(1);
});

test("a server that takes the question and never answers holds nobody up for long", async () => {
  const silent = await server(() => {});
  const startedAt = performance.now();
  const { url } = await gatewayOf({ environment: { OLLAMA_HOST: silent.url }, ...NEVER });
  expect(await modelsOf(url)).toEqual(["auto"]);
  expect(await answering(url, "llama3.1")).toBe(404);
  // Once two seconds; from then on it is known.
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(silent.requests).toHaveLength(1);
});

test("what is no list of models is none, whatever it is", async () => {
  for (const value of [null, [], "x", {}, { data: {} }, { models: { name: "x" } }, { data: [null, 7, { id: 7 }] }]) {
    const odd = await server(json(value));
    const { url } = await gatewayOf({ environment: { VLLM_BASE_URL: odd.url }, ...NEVER });
    expect(await modelsOf(url), JSON.stringify(value)).toEqual(["auto"]);
  }
});
