/** What goes wrong in the sandbox on demand, how fast it is, what it limits, and what it does when a client leaves or does not read. */
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { instantClock, manualClock, startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { at, call, CHATS, eventsIn, hello, open, withoutIds, words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

describe("faults", () => {
  test.each([400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 529])(
    "%d is answered in each provider's words, billed to nobody",
    async (status) => {
      for (const { provider, body } of CHATS) {
        sandbox.faults.next({ name: String(status) as "429", provider, retryAfter: 2 });
        const answer = await call(sandbox, provider, body);
        expect(answer.status).toBe(status);
        expect(answer.body["error"] ?? answer.body["message"] ?? answer.body["detail"]).toBeDefined();
        expect(answer.headers.get("retry-after")).toBe(
          status === 401 && (provider === "mistral" || provider === "vllm") ? null : "2",
        );
        expect((await call(sandbox, provider, body)).status).toBe(200);
      }
      expect(sandbox.invoice.lines).toHaveLength(CHATS.length);
    },
  );

  test("asked for by a header or a marker, `times` times", async () => {
    const body = hello("gpt-5.4-nano");
    const headers = { "x-sandbox-fault": "429 retry-after=1 times=2" };
    const statuses = [];
    for (let count = 0; count < 3; count++) statuses.push((await call(sandbox, "openai", body, { headers })).status);
    expect(statuses).toEqual([429, 429, 200]);
    const marked = { ...body, messages: [{ role: "user", content: "Hi [[sandbox: fault=500 times=1]]" }] };
    expect((await call(sandbox, "openai", marked)).status).toBe(500);
    expect((await call(sandbox, "openai", marked)).status).toBe(200);
  });

  test("a planned fault fits its provider and model only, and `clear` lifts it", async () => {
    sandbox.faults.always({ name: "503", provider: "openai", model: "gpt-5.4-nano" });
    expect((await call(sandbox, "openai", hello("gpt-5.4-mini"))).status).toBe(200);
    expect((await call(sandbox, "mistral", hello("mistral-small-latest"))).status).toBe(200);
    expect((await call(sandbox, "openai", hello("gpt-5.4-nano"))).status).toBe(503);
    expect((await call(sandbox, "openai", hello("gpt-5.4-nano"))).status).toBe(503);
    sandbox.faults.clear();
    expect((await call(sandbox, "openai", hello("gpt-5.4-nano"))).status).toBe(200);
  });

  test("quota and rate limit are told apart by what an SDK must not retry", async () => {
    sandbox.faults.next({ name: "429-quota" });
    const quota = await call(sandbox, "openai", hello("gpt-5.4-nano"));
    expect(at(quota.body, "error", "code")).toBe("insufficient_quota");
    expect(quota.headers.has("retry-after")).toBe(false);
  });

  test.each(["garbage", "html", "empty"] as const)("%s is a 200 that is no answer", async (name) => {
    for (const stream of [false, true]) {
      sandbox.faults.next({ name });
      const answer = await call(sandbox, "openai", { ...hello("gpt-5.4-nano"), stream });
      expect(answer.status).toBe(200);
      expect(() => answer.body).toThrow();
      expect(answer.text).not.toContain("chat.completion");
    }
    expect(sandbox.invoice.lines).toHaveLength(0);
  });

  test.each(["reset", "cut"] as const)("%s breaks the connection", async (name) => {
    sandbox.faults.next({ name });
    await expect(call(sandbox, "openai", { ...hello("gpt-5.4-nano"), stream: true })).rejects.toThrow();
    expect(sandbox.requests.at(-1)).toMatchObject({ fault: name, clientLeft: false });
  });

  test("a cut comes after as many events as was said, and what was generated is billed", async () => {
    const body = { ...hello("gpt-5.4-nano"), stream: true };
    const events = eventsIn((await call(sandbox, "openai", body)).text);
    sandbox.faults.next({ name: "cut-clean", afterEvents: 5 });
    const cut = eventsIn((await call(sandbox, "openai", body)).text);
    expect(cut.map(withoutIds)).toEqual(events.slice(0, 5).map(withoutIds));
    const [whole, broken] = sandbox.invoice.lines;
    expect(broken).toMatchObject({ ending: "broken", tokens: { uncached: whole?.tokens.uncached, output: 4 } });
  });

  test("a broken event is followed by the others, and a stream may be cut inside one", async () => {
    const body = { ...hello("gpt-5.4-nano"), stream: true };
    sandbox.faults.next({ name: "broken-event" });
    const events = eventsIn((await call(sandbox, "openai", body)).text);
    expect(() => JSON.parse(events[3] ?? "") as unknown).toThrow();
    expect(events.at(-1)).toBe("[DONE]");
    sandbox.faults.next({ name: "truncated", afterBytes: 333 });
    expect((await call(sandbox, "openai", body)).text).toHaveLength(333);
  });

  test("a stall lasts until the client leaves", async () => {
    sandbox.faults.next({ name: "stall", afterEvents: 2 });
    const leave = new AbortController();
    const response = await open(
      sandbox,
      "openai",
      { ...hello("gpt-5.4-nano"), stream: true },
      { signal: leave.signal },
    );
    const reader = response.body?.getReader();
    await reader?.read();
    leave.abort();
    await vi.waitFor(() => expect(sandbox.openRequests).toBe(0));
    expect(sandbox.requests.at(-1)).toMatchObject({ clientLeft: true, fault: "stall" });
    expect(sandbox.invoice.lines.at(-1)).toMatchObject({ ending: "client-left" });
  });
});

describe("pace", () => {
  const quick = async () => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ clock, pace: { firstTokenMs: 500, tokensPerSecond: 10 } });
    return clock;
  };

  test("an answer takes the time to its first token and a tenth of a second for each one", async () => {
    const clock = await quick();
    const startMs = clock.now();
    const answered = call(sandbox, "openai", { ...hello("gpt-5.4-nano"), stream: true });
    const isOver = () => Promise.race([clock.whenAwaited().then(() => false), answered.then(() => true)]);
    while (!(await isOver())) clock.advance(100);
    await answered;
    const tookMs = clock.now() - startMs;
    // Thirteen tokens; the clock goes on by up to one step while the last bytes are on their way.
    expect(tookMs).toBeGreaterThanOrEqual(500 + 1300);
    expect(tookMs).toBeLessThanOrEqual(500 + 1300 + 200);
  });

  test("on a clock that is moved on by whoever waits, an hour's answer is there at once and still took an hour", async () => {
    await sandbox.close();
    const clock = instantClock();
    sandbox = await startSandbox({ clock, pace: { firstTokenMs: 3_600_000 } });
    const startMs = clock.now();
    expect((await call(sandbox, "openai", hello("gpt-5.4-nano"))).status).toBe(200);
    expect(sandbox.invoice.lines[0]?.atMs).toBe(startMs + 3_600_000);
  });

  test("a client that leaves stops the generation, and is billed for what was generated until then", async () => {
    const clock = await quick();
    const leave = new AbortController();
    const asked = open(
      sandbox,
      "openai",
      { ...hello("gpt-5.4-nano"), stream: true, messages: [{ role: "user", content: "Hi [[sandbox: tokens=1000]]" }] },
      { signal: leave.signal },
    );
    await clock.whenAwaited();
    clock.advance(500);
    const reader = (await asked).body?.getReader();
    await reader?.read();
    await clock.whenAwaited();
    clock.advance(2000);
    await clock.whenAwaited();
    leave.abort();
    await vi.waitFor(() => expect(sandbox.openRequests).toBe(0));
    const [line] = sandbox.invoice.lines;
    expect(line?.ending).toBe("client-left");
    expect(line?.tokens.output).toBeGreaterThanOrEqual(20);
    expect(line?.tokens.output).toBeLessThan(30);
    expect(line?.tokens.uncached).toBeGreaterThan(0);
  });

  test("a client that leaves before the first token has had its prompt read", async () => {
    const clock = await quick();
    const leave = new AbortController();
    const asked = open(sandbox, "openai", hello("gpt-5.4-nano"), { signal: leave.signal }).catch(() => undefined);
    await clock.whenAwaited();
    leave.abort();
    await asked;
    await vi.waitFor(() => expect(sandbox.invoice.lines).toHaveLength(1));
    expect(sandbox.invoice.lines[0]).toMatchObject({ ending: "client-left", tokens: { uncached: 4, output: 0 } });
  });

  test("a client that does not read holds up the answer, not memory", async () => {
    const socket = connect(sandbox.port, "127.0.0.1");
    const body = JSON.stringify({
      ...hello("gpt-5.4-nano"),
      stream: true,
      messages: [{ role: "user", content: "Hi [[sandbox: tokens=120000]]" }],
    });
    socket.write(
      `POST /openai/v1/chat/completions HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer key\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    await new Promise((resolve) => void socket.once("readable", resolve));
    // The whole answer is about thirty megabytes; the machine's socket buffers hold a few of them.
    await new Promise((resolve) => void setImmediate(resolve));
    expect(sandbox.openRequests).toBe(1);
    expect(sandbox.invoice.lines).toHaveLength(0);
    socket.destroy();
    await vi.waitFor(() => expect(sandbox.invoice.lines).toHaveLength(1));
    const [line] = sandbox.invoice.lines;
    expect(line?.ending).toBe("client-left");
    expect(line?.tokens.output).toBeLessThan(100_000);
  });
});

describe("rate limits", () => {
  const limited = async (limits: Parameters<typeof startSandbox>[0]) => {
    await sandbox.close();
    const clock = manualClock();
    sandbox = await startSandbox({ ...limits, clock });
    return clock;
  };

  test("requests run out, are counted in headers, and come back with time; other accounts have their own", async () => {
    const clock = await limited({ limits: { openai: { requestsPerMinute: 2 } } });
    const body = hello("gpt-5.4-nano");
    const first = await call(sandbox, "openai", body);
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    await call(sandbox, "openai", body);
    const refused = await call(sandbox, "openai", body);
    expect(refused.status).toBe(429);
    expect(at(refused.body, "error", "code")).toBe("rate_limit_exceeded");
    expect(refused.headers.get("retry-after")).toBe("30");
    expect((await call(sandbox, "openai", body, { key: "other" })).status).toBe(200);
    clock.advance(30_000);
    expect((await call(sandbox, "openai", body)).status).toBe(200);
  });

  test("Anthropic counts what is written and not what is read, and reserves max_tokens", async () => {
    await limited({ limits: { anthropic: { inputTokensPerMinute: 3000, outputTokensPerMinute: 1000 } } });
    const body = {
      model: "claude-sonnet-4-6",
      max_tokens: 100,
      messages: [
        { role: "user", content: [{ type: "text", text: words(2500), cache_control: { type: "ephemeral" } }] },
      ],
    };
    const left = (answer: { headers: Headers }, name: string) =>
      Number(answer.headers.get(`anthropic-ratelimit-${name}-remaining`));
    const written = await call(sandbox, "anthropic", body);
    expect(left(written, "input-tokens")).toBe(3000 - 2503);
    expect(left(written, "output-tokens")).toBe(900);
    const read = await call(sandbox, "anthropic", body);
    expect(read.status).toBe(200);
    expect(left(read, "input-tokens")).toBe(3000 - 2503);
    expect((await call(sandbox, "anthropic", { ...body, max_tokens: 1000 })).status).toBe(429);
  });
});
