/** How large a window Ollama's models are loaded with: what the requests need, and seldom another one. */
import { afterEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway, type RunningOptions } from "./running.ts";

/** About 14 tokens. */
const RULE = "The house rules are long and do not change from call to call. ";
const SURFACES = ["/api/chat", "/v1/chat/completions"] as const;
const HOUR_MS = 3_600_000;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

interface Asked {
  readonly path?: string;
  /** In tokens, about. */
  readonly length: number;
  readonly more?: object;
  readonly model?: string;
}

interface Arrangement {
  readonly gateway: RunningGateway;
  readonly ask: (asked: Asked) => Promise<Response>;
}

async function front(options: RunningOptions): Promise<Arrangement> {
  const gateway = await startGateway(options);
  opened.push(gateway);
  return {
    gateway,
    ask: ({ path = "/api/chat", length, more, model = "ollama/llama3.1:latest" }) =>
      fetch(gateway.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          model,
          stream: false,
          messages: [{ role: "user", content: RULE.repeat(Math.ceil(length / 14)) }],
          ...more,
        }),
      }),
  };
}

describe("at the simulator", () => {
  async function simulated(settings = ""): Promise<Arrangement & { readonly loaded: () => Promise<number> }> {
    const sandbox: RunningSandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
    opened.push(sandbox);
    const yaml = `providers:
  ollama: { baseUrl: "${sandbox.url}/ollama"${settings} }
  sandbox: { baseUrl: "${sandbox.url}"${settings} }
`;
    return {
      ...(await front({ environment: {}, yaml })),
      async loaded() {
        const answer = await fetch(`${sandbox.url}/ollama/api/ps`);
        const { models } = (await answer.json()) as { readonly models: readonly { readonly context_length: number }[] };
        return models[0]?.context_length ?? 0;
      },
    };
  }

  test.each(SURFACES)(
    "a growing conversation at %s meets the ladder's steps, and nothing of it is cut",
    async (path) => {
      const { ask, loaded, gateway } = await simulated();
      const windows: number[] = [];
      for (let call = 1; call <= 20; call += 1) {
        const length = call * 1_000;
        const answer = await ask({ path, length });
        expect(answer.status, `call ${call}`).toBe(200);
        const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
        expect((row?.usage.input_uncached ?? 0) + (row?.usage.cache_read ?? 0)).toBeGreaterThan(length * 0.8);
        expect(row?.losses).toEqual([]);
        windows.push(await loaded());
      }
      expect([...new Set(windows)]).toEqual([8_192, 16_384, 32_768]);
      expect(windows).toEqual(windows.toSorted((a, b) => a - b));
    },
  );

  test.each(["ollama/llama3.1:latest", "sandbox/llama3.1:latest"])(
    "large and small calls in turn to %s do not load it again and again",
    async (model) => {
      const { ask, loaded } = await simulated();
      const windows: number[] = [];
      for (const length of [100, 10_000, 100, 10_000, 100]) {
        expect((await ask({ length, model })).status).toBe(200);
        windows.push(await loaded());
      }
      expect(windows).toEqual([8_192, 16_384, 16_384, 16_384, 16_384]);
    },
  );

  test("a client's own window wins and is kept, as long as it is enough", async () => {
    const { ask, loaded } = await simulated();
    await ask({ length: 100, more: { options: { num_ctx: 12_000 } } });
    expect(await loaded()).toBe(12_000);
    await ask({ length: 5_000, path: "/v1/chat/completions" });
    expect(await loaded()).toBe(12_000);
    await ask({ length: 10_000 });
    expect(await loaded()).toBe(16_384);
  });

  test("a number is the window of every call, and what does not fit is refused in words", async () => {
    const { ask, loaded } = await simulated(", contextTokens: 6000");
    expect((await ask({ length: 100 })).status).toBe(200);
    expect(await loaded()).toBe(6_000);
    for (const path of SURFACES) {
      const refused = await ask({ length: 9_000, path });
      expect(refused.status).toBe(400);
      expect(await refused.text()).toMatch(/exceeds the available context size/);
    }
    expect(await loaded()).toBe(6_000);
  });

  test("`off` leaves it to the server, which still cuts nothing", async () => {
    const { ask, loaded } = await simulated(", contextTokens: off");
    await ask({ length: 100 });
    expect(await loaded()).toBe(4_096);
    expect((await ask({ length: 9_000 })).status).toBe(400);
    expect(await loaded()).toBe(4_096);
  });

  test("a model's own maximum is the last step", async () => {
    const { ask, loaded } = await simulated(", models: { 'llama3.1:latest': { contextTokens: 20000 } }");
    for (const length of [9_000, 15_500]) expect((await ask({ length })).status).toBe(200);
    expect(await loaded()).toBe(20_000);
  });
});

describe("what is sent", () => {
  const ANSWER = {
    model: "any",
    created_at: "2026-11-24T00:00:00Z",
    message: { role: "assistant", content: "Yes." },
    done: true,
    done_reason: "stop",
    prompt_eval_count: 0,
    eval_count: 2,
  };

  async function recorded(): Promise<
    Arrangement & { readonly upstream: FakeUpstream; readonly clock: { ms: number }; readonly sent: () => unknown }
  > {
    const upstream = await startFakeUpstream(json(ANSWER));
    opened.push(upstream);
    const clock = { ms: Date.parse("2026-11-24T00:00:00Z") };
    const arrangement = await front({
      environment: { OLLAMA_HOST: upstream.url },
      yaml: "retries:\n  attemptsMax: 1\n",
      now: () => clock.ms,
    });
    return {
      ...arrangement,
      upstream,
      clock,
      sent() {
        const body = JSON.parse(upstream.requests.at(-1)?.body.toString("utf8") ?? "{}") as {
          readonly options?: { readonly num_ctx?: number };
        };
        return body.options?.num_ctx;
      },
    };
  }

  test.each([
    [undefined, false],
    [true, true],
    [false, false],
  ])("`truncate` as %s is %s upstream", async (said, upstream_) => {
    const { ask, upstream } = await recorded();
    await ask({ length: 10, ...(said === undefined ? {} : { more: { truncate: said } }) });
    const body = JSON.parse(upstream.requests.at(-1)?.body.toString("utf8") ?? "{}") as { readonly truncate?: boolean };
    expect(body.truncate).toBe(upstream_);
  });

  test("a window that the server has no memory for is not asked for again", async () => {
    const { ask, sent, upstream } = await recorded();
    await ask({ length: 10 });
    upstream.answer(json({ error: "model requires more system memory (32.0 GiB) than is available (7.1 GiB)" }, 500));
    expect((await ask({ length: 20_000 })).status).toBeGreaterThanOrEqual(500);
    expect(sent()).toBe(32_768);
    upstream.answer(json(ANSWER));
    await ask({ length: 10 });
    expect(sent()).toBe(8_192);
  });

  test("a prompt that the server counted larger than we did gets the next step when it comes again", async () => {
    const { ask, sent, upstream } = await recorded();
    const error =
      '{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error"}}';
    upstream.answer(json({ error }, 400));
    expect((await ask({ length: 4_000 })).status).toBe(400);
    expect(sent()).toBe(8_192);
    upstream.answer(json(ANSWER));
    await ask({ length: 4_000 });
    expect(sent()).toBe(16_384);
  });

  test("a model that nobody has asked for in an hour begins with a small window again", async () => {
    const { ask, sent, clock } = await recorded();
    await ask({ length: 20_000 });
    clock.ms += HOUR_MS - 1;
    await ask({ length: 10 });
    expect(sent()).toBe(32_768);
    clock.ms += HOUR_MS + 1;
    await ask({ length: 10 });
    expect(sent()).toBe(8_192);
  });

  test("the cap on an answer counts for no more than answers are long", async () => {
    const { ask, sent } = await recorded();
    await ask({ length: 10, path: "/v1/chat/completions", more: { max_tokens: 64_000 } });
    expect(sent()).toBe(16_384);
  });

  test.each([
    ["a prompt", {}],
    ["a raw prompt", { raw: true }],
    ["a template of its own", { template: "{{ .Prompt }}" }],
    ["the context of an earlier answer", { context: [1, 2, 3] }],
    ["a suffix", { suffix: "}" }],
  ])("/api/generate with %s has the window that others have", async (_what, more) => {
    const { ask, sent } = await recorded();
    await ask({ length: 10_000 });
    await ask({ length: 10, path: "/api/generate", more: { messages: undefined, prompt: "Hi", ...more } });
    expect(sent()).toBe(16_384);
    await ask({
      length: 10,
      path: "/api/generate",
      more: { messages: undefined, prompt: RULE.repeat(1_500), ...more },
    });
    expect(sent()).toBe(32_768);
  });

  test("a window that the server has no memory for in words of a caller's mistake is not asked for again, either", async () => {
    const { ask, sent, upstream } = await recorded();
    await ask({ length: 10 });
    upstream.answer(json({ error: "model requires more system memory (32.0 GiB) than is available (7.1 GiB)" }, 400));
    expect((await ask({ length: 20_000 })).status).toBe(400);
    upstream.answer(json(ANSWER));
    await ask({ length: 10 });
    expect(sent()).toBe(8_192);
  });

  test("a client's own window goes up as it is said, and is nobody else's", async () => {
    const { ask, sent } = await recorded();
    await ask({ length: 10 });
    for (const own of [1e18, 131_072]) {
      await ask({ length: 10, more: { options: { num_ctx: own } } });
      expect(sent()).toBe(own);
      await ask({ length: 10 });
      expect(sent()).toBe(8_192);
    }
  });

  test("a request to load a model has the window of its next calls", async () => {
    const { ask, sent } = await recorded();
    await ask({ length: 0, more: { messages: [], keep_alive: "1h" } });
    expect(sent()).toBe(8_192);
  });
});

describe("the setting", () => {
  test.each([
    ["providers:\n  openai: { contextTokens: 8192 }\n", /providers\.openai\.contextTokens.*leave it out/],
    ["providers:\n  ollama: { baseUrl: 'http://127.0.0.1:1', contextTokens: 3 }\n", /contextTokens.*512/],
    ["providers:\n  ollama: { baseUrl: 'http://127.0.0.1:1', contextTokens: some }\n", /contextTokens.*`auto`, `off`/],
  ])("is refused where it says nothing: %j", async (yaml, reason) => {
    await expect(startGateway({ environment: { OPENAI_API_KEY: "sk-simulated" }, yaml })).rejects.toThrow(reason);
  });
});
