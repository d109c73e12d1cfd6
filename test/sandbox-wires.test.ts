/** What holds on every wire of the sandbox alike: faults, framing, directions in the text, pace, and a bill for each answer. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { manualClock, startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { call, eventsIn, open, user, withoutIds } from "./sandbox-call.ts";

interface Surface {
  readonly provider: string;
  readonly path: string;
  /** A request with this text in it. */
  readonly asks: (text: string) => JsonObject;
  /** Whether it generates. */
  readonly streams: boolean;
}

const chat = (model: string) => (text: string) => ({ model, messages: [user(text)], max_completion_tokens: 500 });
const surfaces: readonly Surface[] = [
  { provider: "openai", path: "/v1/chat/completions", asks: chat("gpt-5.4-nano"), streams: true },
  { provider: "openai", path: "/v1/responses", asks: (input) => ({ model: "gpt-5.4-nano", input }), streams: true },
  {
    provider: "openai",
    path: "/v1/completions",
    asks: (prompt) => ({ model: "gpt-3.5-turbo-instruct", prompt, max_tokens: 500 }),
    streams: true,
  },
  {
    provider: "openai",
    path: "/v1/embeddings",
    asks: (input) => ({ model: "text-embedding-3-small", input }),
    streams: false,
  },
  {
    provider: "anthropic",
    path: "/v1/messages",
    asks: (text) => ({ model: "claude-haiku-4-5", max_tokens: 500, messages: [user(text)] }),
    streams: true,
  },
  {
    provider: "mistral",
    path: "/v1/chat/completions",
    asks: (text) => ({ model: "mistral-small-latest", messages: [user(text)] }),
    streams: true,
  },
  {
    provider: "mistral",
    path: "/v1/fim/completions",
    asks: (prompt) => ({ model: "codestral-2508", prompt }),
    streams: true,
  },
  { provider: "mistral", path: "/v1/embeddings", asks: (input) => ({ model: "mistral-embed", input }), streams: false },
  { provider: "vllm", path: "/v1/chat/completions", asks: chat("Qwen/Qwen9"), streams: true },
  {
    provider: "vllm",
    path: "/v1/completions",
    asks: (prompt) => ({ model: "Qwen/Qwen9", prompt, max_tokens: 500 }),
    streams: true,
  },
  { provider: "vllm", path: "/v1/embeddings", asks: (input) => ({ model: "BAAI/bge-m3", input }), streams: false },
  {
    provider: "ollama",
    path: "/api/chat",
    asks: (text) => ({ model: "llama3.1", messages: [user(text)] }),
    streams: true,
  },
  { provider: "ollama", path: "/api/generate", asks: (prompt) => ({ model: "llama3.1", prompt }), streams: true },
  { provider: "ollama", path: "/api/embed", asks: (input) => ({ model: "nomic-embed-text", input }), streams: false },
];

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

describe.each(surfaces)("$provider $path", ({ provider, path, asks, streams }) => {
  const send = (text: string, stream: boolean) =>
    call(sandbox, provider, { ...asks(text), ...(streams ? { stream } : {}) }, { path });

  test("answers, and bills that once", async () => {
    expect((await send("Hello", false)).status).toBe(200);
    expect(sandbox.invoice.lines).toMatchObject([{ provider, ending: "complete", stream: false }]);
    expect(sandbox.invoice.lines[0]?.tokens.uncached).toBeGreaterThan(0);
  });

  test.each([400, 401, 403, 404, 413, 429, 500, 502, 503, 504])("%d on demand, billed to nobody", async (status) => {
    const answer = await send(`Hello [[sandbox: fault=${status} times=1]]`, streams);
    expect(answer.status).toBe(status);
    expect(answer.body["error"] ?? answer.body["message"] ?? answer.body["detail"]).toBeDefined();
    expect(sandbox.invoice.lines).toHaveLength(0);
    expect((await send(`Hello [[sandbox: fault=${status} times=1]]`, streams)).status).toBe(200);
  });

  test("a connection that is reset, an answer that is none", async () => {
    await expect(send("[[sandbox: fault=reset]]", false)).rejects.toThrow();
    expect((await send("[[sandbox: fault=html]]", false)).text).toContain("502 Bad Gateway");
    expect((await send("[[sandbox: fault=empty]]", false)).text).toBe("");
    expect(sandbox.invoice.lines).toHaveLength(0);
  });

  test("an answer in one piece that breaks off", async () => {
    const { text } = await send("[[sandbox: fault=truncated]]", false);
    expect(() => void JSON.parse(text)).toThrow();
    expect(sandbox.invoice.lines).toMatchObject([{ ending: "broken" }]);
  });
});

describe.each(surfaces.filter(({ streams }) => streams))("$provider $path, streamed", ({ provider, path, asks }) => {
  const send = (text: string, stream: boolean, headers: Record<string, string> = {}) =>
    call(sandbox, provider, { ...asks(text), stream }, { path, headers });

  test("directions in the text", async () => {
    const whole = await send('[[sandbox: text="As told."]]', false);
    expect(whole.text).toContain("As told.");
    const short = await send("[[sandbox: tokens=7]]", true);
    expect(short.status).toBe(200);
    expect(sandbox.invoice.lines.at(-1)?.tokens.output).toBe(7);
  });

  test("a stream's events come whole through any framing", async () => {
    const plain = eventsIn((await send("Hello", true)).text).map(withoutVarying);
    expect(plain.length).toBeGreaterThan(5);
    for (const framing of [{ chunk: "1" }, { chunk: "7", crlf: "1" }, { comments: "1" }, { "bytes-after-done": "1" }]) {
      sandbox.reset();
      const headers = Object.fromEntries(Object.entries(framing).map(([name, value]) => [`x-sandbox-${name}`, value]));
      const odd = eventsIn((await send("Hello", true, headers)).text).map(withoutVarying);
      expect(odd).toEqual(plain);
    }
  });

  test("a stream that ends too soon, goes wrong or holds what cannot be read", async () => {
    const whole = eventsIn((await send("Hello", true)).text).length;
    for (const fault of ["cut-clean", "truncated", "error-event"]) {
      const { status, text } = await send(`Hello [[sandbox: fault=${fault} events=3]]`, true);
      expect(status).toBe(200);
      expect(eventsIn(text).length).toBeLessThan(whole);
      expect(/"error"(?!:null)/.test(text)).toBe(fault === "error-event");
    }
    const broken = eventsIn((await send("Hello [[sandbox: fault=broken-event]]", true)).text);
    const read = broken.filter((event) => event !== "[DONE]").map((event) => () => JSON.parse(event) as unknown);
    expect(read.filter((parse) => throws(parse))).toHaveLength(1);
    const first = await send("[[sandbox: fault=error-first]]", true);
    expect([first.status, eventsIn(first.text).length]).toEqual([200, 1]);
    expect(sandbox.invoice.lines.map(({ ending }) => ending)).toEqual([
      "complete",
      "broken",
      "broken",
      "broken",
      "broken",
    ]);
  });

  test("a client that leaves pays for what it got by then", async () => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ clock });
    const leaving = new AbortController();
    const opening = open(
      sandbox,
      provider,
      { ...asks("[[sandbox: tokens=100 tps=10]]"), stream: true },
      { path, signal: leaving.signal },
    );
    for (let second = 0; second < 4; second++) {
      await clock.whenAwaited();
      clock.advance(1000);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    await (await opening).body?.getReader().read();
    leaving.abort();
    while (sandbox.invoice.lines.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    const [line] = sandbox.invoice.lines;
    expect(line).toMatchObject({ ending: "client-left", stream: true });
    expect(line?.tokens.output).toBeGreaterThan(0);
    expect(line?.tokens.output).toBeLessThan(100);
  });
});

function withoutVarying(event: string): string {
  return withoutIds(event).replaceAll(/"(?:created_at|completed_at)":\d+|"item_id":"[^"]*"|"context":\[[^\]]*\]/g, "");
}

function throws(parse: () => unknown): boolean {
  try {
    parse();
    return false;
  } catch {
    return true;
  }
}
