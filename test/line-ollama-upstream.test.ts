/** What is particular to Ollama as a provider, at the front door: for its own clients and for those of others. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { json, startFakeUpstream, stream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const SURFACES = [
  { name: "its own client", path: "/api/chat", lane: "same" },
  { name: "a client of Chat Completions", path: "/v1/chat/completions", lane: "translated" },
] as const;

let upstream: FakeUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  gateway = await startGateway({
    environment: { OLLAMA_HOST: upstream.url, LOG_LEVEL: "silent" },
    yaml: "retries:\n  attemptsMax: 1\nbreaker:\n  failures: 1000\n",
  });
});
afterEach(() => upstream.answer((outgoing) => void outgoing.writeHead(500).end()));
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

function ask(path: string, more: object = {}): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "ollama/any:latest",
      stream: true,
      messages: [{ role: "user", content: "Hello." }],
      ...more,
    }),
  });
}

/** All that came before the connection ended, as it does after an error in a stream. */
async function heard(answer: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk, { stream: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return text;
}

function sent(): Record<string, unknown> {
  return JSON.parse(upstream.requests.at(-1)?.body.toString("utf8") ?? "{}") as Record<string, unknown>;
}

const STAMP = { model: "any:latest", created_at: "2026-11-24T00:00:00Z" };
const PIECE = { ...STAMP, message: { role: "assistant", content: "Yes." }, done: false };
const LAST = {
  ...STAMP,
  message: { role: "assistant", content: "" },
  done: true,
  done_reason: "stop",
  prompt_eval_count: 12,
  eval_count: 2,
};
const FAILED = { error: "an error was encountered while running the model: unexpected EOF" };

function lines(...all: readonly object[]): ReturnType<typeof stream> {
  return stream(all.map((line) => `${JSON.stringify(line)}\n`).join(""), 40, "application/x-ndjson");
}

describe.each(SURFACES)("with $name", ({ path, lane }) => {
  test("an error inside a stream of status 200 is the client's error, and a failed row", async () => {
    upstream.answer(lines(PIECE, FAILED));
    const answer = await ask(path);
    expect(answer.status).toBe(200);
    const text = await heard(answer);
    expect(text).toContain("Yes.");
    expect(text).toContain("unexpected EOF");
    const rows = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(rows).toMatchObject([{ outcome: "failed", lane }]);
  });

  test("an error as a stream's first line is an error's status", async () => {
    upstream.answer(lines(FAILED));
    const answer = await ask(path);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(await answer.text()).toContain("unexpected EOF");
  });

  test("a stream without its last line is told to be cut, and a failed row", async () => {
    upstream.answer(lines(PIECE, PIECE));
    const answer = await ask(path);
    const text = await heard(answer);
    expect(text).toContain('"error"');
    expect(text).not.toContain('"done":true');
    expect(text).not.toContain("[DONE]");
    const rows = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(rows).toMatchObject([{ outcome: "failed", lane }]);
  });

  test("a whole answer that is not done is no answer", async () => {
    upstream.answer(json(PIECE));
    const answer = await ask(path, { stream: false });
    expect(answer.status).toBe(502);
  });

  test.each([
    [undefined, null, 12],
    [0, 0, 12],
    [10, 10, 2],
  ])("of a prompt's cached tokens %s is told, and %s recorded", async (cached, read, uncached) => {
    upstream.answer(lines(PIECE, { ...LAST, ...(cached === undefined ? {} : { prompt_eval_cached_count: cached }) }));
    const answer = await ask(path);
    await answer.text();
    const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({ outcome: "complete", usage: { cache_read: read, input_uncached: uncached } });
  });
});

describe("how long a model is to stay", () => {
  test.each([["10m"], [0], [-1], [3600]])("is passed on as %j, of a chat and of a prompt", async (keepAlive) => {
    upstream.answer(lines(PIECE, LAST));
    await ask("/api/chat", { keep_alive: keepAlive }).then((answer) => answer.text());
    expect(sent()["keep_alive"]).toBe(keepAlive);
    upstream.answer(lines({ ...STAMP, response: "Yes.", done: false }, { ...LAST, response: "" }));
    await ask("/api/generate", { messages: undefined, prompt: "Hello.", keep_alive: keepAlive }).then((answer) =>
      answer.text(),
    );
    expect(sent()["keep_alive"]).toBe(keepAlive);
  });

  test("is nobody's to say where no client said it", async () => {
    upstream.answer(lines(PIECE, LAST));
    await ask("/v1/chat/completions").then((answer) => answer.text());
    expect(sent()).not.toHaveProperty("keep_alive");
  });
});

describe("calls of tools, which older servers give no ids", () => {
  const CALLED = {
    ...STAMP,
    message: {
      role: "assistant",
      content: "",
      tool_calls: [
        { function: { name: "get_weather", arguments: { place: "Bonn" } } },
        { function: { name: "get_weather", arguments: { place: "Kiel" } } },
      ],
    },
    done: false,
  };

  interface Called {
    readonly choices: readonly [{ readonly message: { readonly tool_calls: readonly { readonly id: string }[] } }];
  }

  async function ids(more: object = {}): Promise<readonly string[]> {
    upstream.answer(json({ ...LAST, message: CALLED.message }));
    const answer = (await (await ask("/v1/chat/completions", { stream: false, ...more })).json()) as Called;
    return answer.choices[0].message.tool_calls.map(({ id }) => id);
  }

  test("have the same ones each time, all different", async () => {
    const first = await ids();
    expect(new Set(first).size).toBe(2);
    expect(await ids()).toEqual(first);
  });

  test("are told by them which result is whose", async () => {
    const [bonn = "", kiel = ""] = await ids();
    const tool_calls = [bonn, kiel].map((id, at) => ({
      id,
      type: "function",
      function: { name: "get_weather", arguments: JSON.stringify({ place: ["Bonn", "Kiel"][at] }) },
    }));
    upstream.answer(json({ ...LAST, message: { role: "assistant", content: "Mild." } }));
    const answer = await ask("/v1/chat/completions", {
      stream: false,
      messages: [
        { role: "user", content: "How is the weather?" },
        { role: "assistant", content: null, tool_calls },
        { role: "tool", tool_call_id: bonn, content: "18 degrees" },
        { role: "tool", tool_call_id: kiel, content: "12 degrees" },
      ],
    });
    expect(answer.status).toBe(200);
    const messages = sent()["messages"] as readonly Record<string, unknown>[];
    expect(messages.slice(2)).toMatchObject([
      { role: "tool", content: "18 degrees", tool_name: "get_weather" },
      { role: "tool", content: "12 degrees", tool_name: "get_weather" },
    ]);
  });
});
