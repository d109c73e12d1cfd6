/** One vLLM keeps every tenant's prompts in one cache: what one tenant has sent is not to be found by another's calls. */
import { afterEach, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import type { JsonObject } from "../src/chat.ts";
import { startGateway, type RunningGateway } from "./running.ts";
import { words } from "./sandbox-call.ts";

let sandbox: RunningSandbox;
let gateway: RunningGateway;

afterEach(async () => {
  await gateway.close();
  await sandbox.close();
});

const ANN = "key-of-ann-0123456789";
const BEN = "key-of-ben-0123456789";
const MODEL = "Qwen/Qwen3-8B";
const PROMPT = words(200);

async function start(keys: string | undefined): Promise<void> {
  sandbox = await startSandbox({ vllm: { reportsCached: true } });
  await startAgain(keys);
}

async function startAgain(keys: string | undefined): Promise<void> {
  gateway = await startGateway({
    environment: {
      VLLM_BASE_URL: `${sandbox.url}/vllm/v1`,
      ...(keys === undefined ? {} : { SLUICE_API_KEYS: keys }),
    },
  });
}

/** In each dialect that reaches it, the same prompt again and again. */
const WAYS: Readonly<Record<string, { readonly path: string; readonly body: JsonObject }>> = {
  "openai-chat": { path: "/v1/chat/completions", body: { messages: [{ role: "user", content: PROMPT }] } },
  "openai-completions": { path: "/v1/completions", body: { prompt: PROMPT } },
  "openai-responses": { path: "/v1/responses", body: { input: PROMPT } },
  "anthropic-messages": {
    path: "/v1/messages",
    body: { max_tokens: 32, messages: [{ role: "user", content: PROMPT }] },
  },
};

/** @returns how many of the prompt's tokens came from the cache. */
async function cached(way: string, key: string | undefined, more: JsonObject = {}): Promise<number | null> {
  const asked = WAYS[way];
  if (asked === undefined) throw new Error(way);
  const answer = await fetch(`${gateway.url}${asked.path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ model: `vllm/${MODEL}`, ...asked.body, ...more }),
  });
  expect(answer.status, await answer.text()).toBe(200);
  const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
  return row?.usage.cache_read ?? null;
}

/** Without what the gateway asks for itself. */
function calls(): RunningSandbox["requests"] {
  return sandbox.requests.filter(({ method }) => method === "POST");
}

function salts(): readonly unknown[] {
  return calls().map(({ body }) => (body as JsonObject)["cache_salt"]);
}

test.each(Object.keys(WAYS))(
  "%s: two keys share nothing, one key's calls do, and they still do after a restart",
  async (way) => {
    await start(`${ANN},${BEN}`);
    expect(await cached(way, ANN)).toBe(0);
    expect(await cached(way, BEN)).toBe(0);
    expect(await cached(way, ANN)).toBeGreaterThan(150);
    await gateway.close();
    await startAgain(`${ANN},${BEN}`);
    expect(await cached(way, BEN)).toBeGreaterThan(150);
  },
);

test("a salt of the client's own parts its calls further, and leads to nobody else's", async () => {
  await start(`${ANN},${BEN}`);
  const way = "openai-chat";
  await cached(way, ANN);
  expect(await cached(way, ANN, { cache_salt: "user-1" })).toBe(0);
  expect(await cached(way, ANN, { cache_salt: "user-2" })).toBe(0);
  expect(await cached(way, ANN, { cache_salt: "user-1" })).toBeGreaterThan(150);
  expect(await cached(way, BEN, { cache_salt: "user-1" })).toBe(0);
  // Whoever sees what was sent upstream (the server's log) cannot ask for it, either.
  for (const salt of new Set(salts())) expect(await cached(way, BEN, { cache_salt: String(salt), seed: 1 })).toBe(0);
});

test.each([null, "", 5, ["a"], {}])("%j as a salt is none, and the tenant's own stands", async (salt) => {
  await start(`${ANN},${BEN}`);
  await cached("openai-chat", ANN);
  expect(await cached("openai-chat", BEN, { cache_salt: salt })).toBe(0);
  expect(await cached("openai-chat", ANN, { cache_salt: salt })).toBeGreaterThan(150);
});

test("a body that has it twice is salted in both places, whichever one the server reads", async () => {
  await start(`${ANN},${BEN}`);
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": ANN },
    body: `{"cache_salt":"a","model":"vllm/${MODEL}","messages":[{"role":"user","content":"Hi"}],"cache_salt":"b"}`,
  });
  expect(answer.status).toBe(200);
  const sent = String(calls()[0]?.bodyBytes);
  expect(sent.match(/"cache_salt":"[\w-]{43}"/g)).toHaveLength(2);
});

test("the salt says neither whose it is nor the hash that the gateway knows the key by", async () => {
  await start(`${ANN},${BEN}`);
  await cached("openai-chat", ANN);
  await cached("openai-chat", BEN);
  const [ann, ben] = salts();
  for (const salt of [ann, ben]) expect(salt).toMatch(/^[\w-]{43}$/);
  expect(ann).not.toBe(ben);
  const sent = calls()
    .map((one) => String(one.bodyBytes) + JSON.stringify(one.headers))
    .join("");
  for (const { name, sha256 } of gateway.sluice.setup().keys) {
    expect(sent).not.toContain(name);
    expect(sent).not.toContain(sha256);
    expect(sent).not.toContain(Buffer.from(sha256, "hex").toString("base64url"));
  }
});

test("without keys there is one tenant: nothing is added, and a salt of the client's passes as it is", async () => {
  await start(undefined);
  expect(await cached("openai-chat", undefined)).toBe(0);
  expect(await cached("openai-chat", "anything")).toBeGreaterThan(150);
  expect(await cached("openai-chat", undefined, { cache_salt: "mine" })).toBe(0);
  expect(salts()).toEqual([undefined, undefined, "mine"]);
});
