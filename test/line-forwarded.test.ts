/** What is forwarded is an answer or an error, whatever its status says; vectors are those of the texts, or none at all. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const KEY = "sk-provider-0123456789abcdef";

let upstream: FakeUpstream;
let other: FakeUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startFakeUpstream(json({}));
  other = await startFakeUpstream(json({}));
  gateway = await startGateway({
    environment: { KEY },
    yaml: `
retries: { backoffMs: 1, attemptsMax: 1 }
breaker: { failures: 1000 }
providers:
  openai: { baseUrl: "${upstream.url}/v1", apiKeyEnv: KEY }
  mistral: { baseUrl: "${upstream.url}/v1", apiKeyEnv: KEY }
  anthropic: { baseUrl: "${upstream.url}", apiKeyEnv: KEY }
  vllm: { baseUrl: "${upstream.url}/v1" }
  ollama: { baseUrl: "${upstream.url}", headers: { x-proxy-key: "${KEY}" } }
`,
  });
});
beforeEach(() => {
  upstream.answer(json({}));
  other.answer(json({}));
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
  await other.close();
});

interface Heard {
  readonly status: number;
  readonly text: string;
  readonly rows: Awaited<ReturnType<RunningGateway["attempts"]>>;
}

async function ask(path: string, body: object, front: RunningGateway = gateway): Promise<Heard> {
  const answer = await fetch(front.url + path, { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, text, rows: await front.attempts(answer.headers.get("x-sluice-exchange")) };
}

const SURFACES = [
  { path: "/v1/embeddings", body: { model: "openai/text-embedding-3-small", input: "x" } },
  { path: "/v1/completions", body: { model: "openai/gpt-3.5-turbo-instruct", prompt: "x" } },
  { path: "/mistral/v1/embeddings", body: { model: "mistral/mistral-embed", input: ["x"] } },
  { path: "/mistral/v1/fim/completions", body: { model: "mistral/codestral-latest", prompt: "x" } },
  { path: "/api/embed", body: { model: "ollama/nomic-embed-text", input: "x" } },
  { path: "/api/embeddings", body: { model: "ollama/nomic-embed-text", prompt: "x" } },
  {
    path: "/v1/messages/count_tokens",
    body: { model: "anthropic/claude-haiku-5-5", messages: [{ role: "user", content: "x" }] },
  },
] as const;

describe.each(SURFACES)("at $path", ({ path, body }) => {
  test.each([
    {
      error: { message: `Incorrect API key provided: ${KEY}`, type: "invalid_request_error", code: "invalid_api_key" },
    },
    { error: `no such key: ${KEY}` },
    { object: "error", message: `bad key ${KEY}`, type: "invalid_request_error", code: 3000 },
    { type: "error", error: { type: "api_error", message: `key ${KEY}` } },
    { error: { message: `key ${KEY}` }, data: [], choices: [{}], embeddings: [[1]], embedding: [1], input_tokens: 3 },
  ])("an error under a status of 200 is one, and the provider's key stays here: %j", async (said) => {
    upstream.answer(json(said));
    const { status, text, rows } = await ask(path, body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).not.toContain(KEY);
    expect(rows).toMatchObject([{ outcome: "failed" }]);
  });

  test.each([{}, { data: null, choices: null, embeddings: null, embedding: null }, { usage: { prompt_tokens: 3 } }])(
    "an answer without what was asked for is a 502: %j",
    async (said) => {
      upstream.answer(json(said));
      const { status, text, rows } = await ask(path, body);
      expect(status).toBe(502);
      expect(text).toMatch(/the provider's answer/);
      expect(rows).toMatchObject([{ outcome: "failed", status: 502 }]);
    },
  );
});

test("the next target is asked where one answers with an error in place of vectors", async () => {
  upstream.answer(json({ error: { message: "model is loading", type: "server_error" } }));
  const vectors = { data: [{ index: 0, embedding: [0.5] }], usage: { prompt_tokens: 1, total_tokens: 1 } };
  other.answer(json(vectors));
  const front = await startGateway({
    environment: {},
    yaml: `
providers:
  a: { kind: vllm, baseUrl: "${upstream.url}/v1" }
  b: { kind: vllm, baseUrl: "${other.url}/v1" }
aliases: { vectors: [a/e5, b/e5] }
policy: { default: ordered }
`,
  });
  try {
    const { status, text, rows } = await ask("/v1/embeddings", { model: "vectors", input: "x" }, front);
    expect([status, JSON.parse(text)]).toEqual([200, vectors]);
    expect(rows.map(({ outcome }) => outcome).toSorted()).toEqual(["complete", "failed"]);
  } finally {
    await front.close();
  }
});

/** Two texts in each form, and what the vectors of an answer become in each. */
const TEXTS = ["one", "two"];
const openai = (encoding_format: string) => ({
  path: "/v1/embeddings",
  body: { model: "ollama/nomic-embed-text", input: TEXTS, encoding_format },
});
const ollama = { path: "/api/embed", body: { model: "vllm/e5", input: TEXTS } };
const same = { path: "/v1/embeddings", body: { model: "vllm/e5", input: TEXTS } };
const own = { path: "/api/embed", body: { model: "ollama/nomic-embed-text", input: TEXTS } };
const base64 = (...numbers: number[]) => Buffer.from(Float32Array.from(numbers).buffer).toString("base64");
/** As long as real ones are. */
const LONG = Array.from({ length: 64 }, (_, at) => (at - 30.5) / 64);
const item = (index: unknown, embedding: unknown) => ({ object: "embedding", index, embedding });

describe("vectors", () => {
  test.each([
    [
      "in the texts' order, whatever order they came in",
      [item(1, [2, 2]), item(0, [1, 1])],
      [
        [1, 1],
        [2, 2],
      ],
    ],
    ["where they say nothing of it, in the order they came in", [item(undefined, [1]), item(null, [2])], [[1], [2]]],
    ["where all say the same, too", [item(0, [1]), item(0, [2])], [[1], [2]]],
    [
      "out of base64",
      [item(0, base64(0.5, -2)), item(1, base64(1, 2))],
      [
        [0.5, -2],
        [1, 2],
      ],
    ],
    ["long and short ones", [item(1, LONG), item(0, [1e-7])], [[1e-7], LONG]],
  ] as const)("are given to Ollama's clients %s", async (_how, data, embeddings) => {
    upstream.answer(json({ object: "list", data, usage: { prompt_tokens: 4, total_tokens: 4 } }));
    const { status, text } = await ask(ollama.path, ollama.body);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ embeddings, prompt_eval_count: 4 });
  });

  test("are given to OpenAI's clients as numbers and as base64, digit by digit", async () => {
    upstream.answer(json({ embeddings: [LONG, [0.1]], prompt_eval_count: 3 }));
    const numbers = await ask("/v1/embeddings", openai("float").body);
    expect(JSON.parse(numbers.text)).toMatchObject({
      object: "list",
      data: [item(0, LONG), item(1, [0.1])],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
    const packed = await ask("/v1/embeddings", openai("base64").body);
    expect(JSON.parse(packed.text)).toMatchObject({ data: [item(0, base64(...LONG)), item(1, base64(0.1))] });
  });

  test("are not looked for inside of texts", async () => {
    const model = `x ${JSON.stringify(LONG)} y`;
    const said = { model, embeddings: [LONG, LONG], prompt_eval_count: 3 };
    upstream.answer(json(said));
    const { text } = await ask("/v1/embeddings", openai("float").body);
    expect(JSON.parse(text)).toMatchObject({ data: [item(0, LONG), item(1, LONG)] });
    expect((await ask(own.path, own.body)).text).toBe(JSON.stringify(said));
  });

  test("of nothing may be none at Ollama, which loads its model by that", async () => {
    upstream.answer(json({ embeddings: [], embedding: [] }));
    for (const path of ["/api/embed", "/api/embeddings"]) {
      const { status } = await ask(path, { model: "ollama/nomic-embed-text", input: "", prompt: "" });
      expect(status).toBe(200);
    }
  });

  test("in base64 are passed on to who asked for it, and are no numbers to who did not", async () => {
    const said = { data: [item(0, base64(1)), item(1, base64(2))], usage: { prompt_tokens: 2, total_tokens: 2 } };
    upstream.answer(json(said));
    const asked = await ask(same.path, { ...same.body, encoding_format: "base64" });
    expect([asked.status, asked.text]).toEqual([200, JSON.stringify(said)]);
    expect((await ask(same.path, same.body)).status).toBe(502);
  });

  const NO_VECTORS: readonly (readonly [string, unknown])[] = [
    ["too few", [[1, 2]]],
    ["too many", [[1], [2], [3]]],
    ["none", []],
    ["null", [null, [1]]],
    ["text", ["one!", "two!"]],
    ["lists of text", [["a"], ["b"]]],
    ["lists that are empty", [[], [1]]],
    ["a number that there is not", [LONG, [...LONG, null]]],
    ["no list", { 0: [1], 1: [2] }],
  ];
  const FRONTS = [openai("float"), openai("base64"), ollama, same, own];

  test.each(NO_VECTORS)(
    "that are %s are a 502 on either lane, and no error of the gateway's own",
    async (_what, said) => {
      const data = Array.isArray(said) ? said.map((embedding, index) => item(index, embedding)) : said;
      upstream.answer(json({ embeddings: said, data, usage: { prompt_tokens: 2 }, prompt_eval_count: 2 }));
      for (const { path, body } of FRONTS) {
        const { status, rows } = await ask(path, body);
        expect([path, status]).toEqual([path, 502]);
        // The server worked for it, and said for how much.
        expect(rows).toMatchObject([{ outcome: "failed", status: 502, usage: { input_uncached: 2 } }]);
      }
      expect(gateway.logged.filter((line) => line.includes('"internal"'))).toEqual([]);
    },
  );

  test.each([
    ["of a place that there is not", [item(0, [1]), item(2, [2])]],
    ["that are no items", [null, item(1, [2])]],
  ])("%s are a 502", async (_what, data) => {
    upstream.answer(json({ data, usage: { prompt_tokens: 2 } }));
    expect((await ask(ollama.path, ollama.body)).status).toBe(502);
  });

  test.each(["1e999", "NaN", "1 2", "--1", "1,,2"])("with %s for a number are a 502", async (number) => {
    const list = `[${number},${LONG.join(",")}]`;
    upstream.answer(
      (outgoing) => void outgoing.end(`{"embeddings":[${list},[${LONG.join(",")}]],"prompt_eval_count":2}`),
    );
    for (const { path, body } of [openai("float"), openai("base64"), own])
      expect([path, (await ask(path, body)).status]).toEqual([path, 502]);
  });

  test("that nobody counted the tokens of are told with our estimate, and unknown on the row", async () => {
    upstream.answer(json({ embeddings: [[1], [2]] }));
    const { text, rows } = await ask("/v1/embeddings", openai("float").body);
    const { usage } = JSON.parse(text) as { readonly usage: { readonly prompt_tokens: number } };
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    expect(rows).toMatchObject([
      { outcome: "complete", usage_basis: "unknown", usage: { input_uncached: null, output: 0 } },
    ]);
  });
});
