/** A server that cuts a prompt in silence: its answer to the rest is an error as long as nothing was sent, and marked after that. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { json, startFakeUpstream, stream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const SURFACES = [
  { name: "the same dialect", path: "/api/chat", lane: "same" },
  { name: "Chat Completions", path: "/v1/chat/completions", lane: "translated" },
] as const;

/** About 2,400 tokens. */
const RULES = "The house rules are long and do not change from call to call. ".repeat(180);
let asked = 0;
/** Each its own: what was answered before may be in the server's cache. */
function long(): string {
  asked += 1;
  return `Conversation ${asked}. ${RULES}`;
}
const LOSSES = 'sluice_translation_losses_total{from="openai-chat",to="ollama-chat",field="prompt-truncated"}';

let upstream: FakeUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  gateway = await startGateway({ environment: { OLLAMA_HOST: upstream.url, LOG_LEVEL: "warn" } });
});
afterEach(() => upstream.answer((outgoing) => void outgoing.writeHead(500).end()));
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

function ask(path: string, more: object = {}, text: string = long()): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "ollama/any:latest",
      stream: false,
      messages: [{ role: "user", content: text }],
      ...more,
    }),
  });
}

function last(promptTokens: number | undefined, more: object = {}): object {
  return {
    model: "any:latest",
    created_at: "2026-11-24T00:00:00Z",
    message: { role: "assistant", content: "Yes." },
    done: true,
    done_reason: "stop",
    ...(promptTokens === undefined ? {} : { prompt_eval_count: promptTokens }),
    eval_count: 2,
    ...more,
  };
}

describe.each(SURFACES)("with a client of $name", ({ path, lane }) => {
  test("a whole answer to a part of the prompt is a 400 in place of the answer", async () => {
    upstream.answer(json(last(1_000)));
    const answer = await ask(path);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(/cut the prompt to 1000 tokens.*num_ctx/);
    const [row, ...more] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(more).toEqual([]);
    // The server worked for it.
    expect(row).toMatchObject({
      outcome: "failed",
      lane,
      error: "context-too-long",
      usage: { input_uncached: 1_000, output: 2 },
      losses: [{ field: "prompt-truncated" }],
    });
    expect(
      gateway.logged.filter((line) => line.includes("prompt-truncated") && line.includes(row?.exchange ?? "")),
    ).toHaveLength(1);
  });

  test("a stream is told to its end, and its row is marked", async () => {
    const line = { ...last(undefined), done: false };
    upstream.answer(stream(`${JSON.stringify(line)}\n${JSON.stringify(last(1_000))}\n`, 50, "application/x-ndjson"));
    const answer = await ask(path, { stream: true });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("Yes.");
    const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({ outcome: "complete", lane, losses: [{ field: "prompt-truncated" }] });
    expect(gateway.logged.filter((line) => line.includes(row?.exchange ?? "none"))).toHaveLength(1);
  });

  test.each([
    ["a count as high as ours", long(), last(2_400)],
    ["a count that is somewhat lower: tokenizers differ", long(), last(1_700)],
    ["no count", long(), last(undefined)],
    ["a short prompt", "Hello there.", last(2)],
  ])("%s says nothing of the kind", async (_what, text, said) => {
    upstream.answer(json(said));
    const answer = await ask(path, { keep_alive: "5m" }, text);
    expect(answer.status).toBe(200);
    const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(row?.outcome).toBe("complete");
    expect(JSON.stringify(row?.losses)).not.toContain("prompt-truncated");
  });
});

test("the losses' metric counts them", async () => {
  const before = await gateway.metric(LOSSES);
  upstream.answer(json(last(1_000)));
  await ask("/v1/chat/completions").then((answer) => answer.text());
  expect(await gateway.metric(LOSSES)).toBe(before + 1);
});

test("who asks for the cut gets it", async () => {
  upstream.answer(json(last(1_000)));
  expect((await ask("/api/chat", { truncate: true })).status).toBe(200);
});

test("a version that leaves out of its count what was in its cache has cut nothing", async () => {
  const text = long();
  upstream.answer(json(last(2_400)));
  expect((await ask("/api/chat", {}, text)).status).toBe(200);
  upstream.answer(json(last(12)));
  expect((await ask("/api/chat", {}, text)).status).toBe(200);
  // One that tells both leaves nothing out.
  upstream.answer(json(last(12, { prompt_eval_cached_count: 0 })));
  expect((await ask("/api/chat", {}, text)).status).toBe(400);
});

describe("the simulator, which cuts as the server does", () => {
  let sandbox: RunningSandbox;
  let front: RunningGateway;
  beforeAll(async () => {
    const old = { contextTokens: 4_096, knowsTruncate: false };
    sandbox = await startSandbox({ host: "127.0.0.1", port: 0, ollama: old });
    front = await startGateway({
      environment: {},
      yaml: `providers:
  ollama: { baseUrl: "${sandbox.url}/ollama", contextTokens: off }
  sandbox: { baseUrl: "${sandbox.url}", contextTokens: off }
`,
    });
  });
  afterAll(async () => {
    await front.close();
    await sandbox.close();
  });

  test.each(["ollama/llama3.1", "sandbox/llama3.1:latest"])("is caught at it as %s", async (model) => {
    const turn = { role: "user", content: RULES };
    const answer = await fetch(`${front.url}/api/chat`, {
      method: "POST",
      body: JSON.stringify({
        model,
        stream: false,
        messages: Array.from({ length: 5 }, (_, at) => (at % 2 === 0 ? turn : { role: "assistant", content: "Yes." })),
      }),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(/cut the prompt/);
  });
});
