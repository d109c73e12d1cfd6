/** What one tenant's calls left at a provider is nobody else's: whatever others send, and whoever's key comes or goes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHash } from "node:crypto";
import { callFacts } from "../src/call-facts.ts";
import { json, startFakeUpstream, type Arrived, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const ALICE = "alice-key-0123456789";
const BOB = "bob-key-0123456789";
const CID = "cid-key-0123456789";
const LUNA = "gpt-6-luna";

let upstream: FakeUpstream;
let gateway: RunningGateway;
let data: string;

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), "sluice-tenants-"));
  upstream = await startFakeUpstream((outgoing, arrived, number) => {
    const said = arrived.path.includes("responses") ? kept(arrived) : CHAT;
    return json(said)(outgoing, arrived, number);
  });
  gateway = await start(`${ALICE},${BOB}`);
});
afterEach(async () => {
  await gateway.close();
  await upstream.close();
  rmSync(data, { recursive: true });
});

const CHAT = {
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
};

/** An answer called as its input says, with an item of the same name. */
function kept({ method, body }: Arrived): object {
  const { input } = method === "POST" && body.length > 0 ? (JSON.parse(body.toString()) as { input?: unknown }) : {};
  const name = typeof input === "string" ? input : "read";
  const content = [{ type: "output_text", text: "a secret" }];
  return {
    id: `resp_${name}`,
    object: "response",
    status: "completed",
    store: true,
    created_at: 1,
    model: LUNA,
    output: [{ type: "message", id: `msg_${name}`, role: "assistant", content }],
    usage: { input_tokens: 5, output_tokens: 9 },
  };
}

function start(keys: string, yaml = ""): Promise<RunningGateway> {
  return startGateway({
    data,
    environment: { KEY: "sk-provider-0123456789", SLUICE_API_KEYS: keys, ALICE, BOB, CID },
    yaml: `
policy: { default: ordered }
providers:
  openai: { baseUrl: "${upstream.url}/v1", apiKeyEnv: KEY }
  vllm: { baseUrl: "${upstream.url}/v1" }
aliases:
  all: [openai/gpt-4.1-nano, vllm/m]
  only-openai: [openai/gpt-4.1-nano, openai/${LUNA}]
${yaml}`,
  });
}

async function again(keys: string, yaml = ""): Promise<void> {
  await gateway.sluice.ledger.flush();
  await gateway.close();
  gateway = await start(keys, yaml);
}

interface Answer {
  readonly status: number;
  readonly target: string | null;
  readonly text: string;
}

async function call(key: string, path: string, body?: object, method = "POST"): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, target: response.headers.get("x-sluice-target"), text: await response.text() };
}

const ask = (key: string, input: unknown, more: object = {}) =>
  call(key, "/v1/responses", { model: `openai/${LUNA}`, input, ...more });
const get = async (key: string, id: string) => (await call(key, `/v1/responses/${id}`, undefined, "GET")).status;

describe("an answer of one key", () => {
  test("is not another's to read, go on from, cancel or delete, nor is one that nobody is known to own", async () => {
    await ask(ALICE, "alice");
    const before = upstream.requests.length;
    const told: string[] = [];
    for (const id of ["resp_alice", "resp_never"]) {
      for (const [method, operation] of [
        ["GET", ""],
        ["GET", "?stream=true"],
        ["GET", "/input_items"],
        ["POST", "/cancel"],
        ["DELETE", ""],
      ] as const) {
        const { status, text } = await call(BOB, `/v1/responses/${id}${operation}`, undefined, method);
        expect([method, operation, status]).toEqual([method, operation, 404]);
        told.push(text.replaceAll(id, "it"));
      }
      for (const model of [`openai/${LUNA}`, "only-openai", "vllm/m"]) {
        for (const more of [{ previous_response_id: id }, { conversation: { id } }]) {
          const { status, text } = await ask(BOB, "x", { model, ...more });
          expect([model, status]).toEqual([model, 400]);
          told.push(text.replaceAll(id, "it"));
        }
      }
    }
    // By what is said of it nobody can tell which of them there is.
    const half = told.length / 2;
    const plain = told.map((text) => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ""));
    expect(plain.slice(0, half)).toEqual(plain.slice(half));
    expect((await ask(BOB, [{ type: "item_reference", id: "msg_alice" }])).status).toBe(400);
    expect((await ask(BOB, [{ type: "reasoning", id: "rs_never", summary: [] }])).status).toBe(400);
    expect(upstream.requests).toHaveLength(before);
    expect(await get(ALICE, "resp_alice")).toBe(200);
    expect((await ask(ALICE, "on", { previous_response_id: "resp_alice" })).status).toBe(200);
  });

  test(
    "stays its own when a request of another names more files than are remembered",
    { timeout: 60_000 },
    async () => {
      await ask(ALICE, "alice");
      const named = Array.from({ length: 50_001 }, (_, index) => ({
        role: "assistant",
        audio: { id: `audio_${index}` },
      }));
      const messages = [...named, { role: "user", content: "x" }];
      for (const model of ["vllm/m", "openai/gpt-4.1-nano"]) {
        expect((await call(BOB, "/v1/chat/completions", { model, messages })).status).toBe(200);
      }
      expect(await get(BOB, "resp_alice")).toBe(404);
      expect(await get(ALICE, "resp_alice")).toBe(200);
      // Of one request no more are learned than anybody means.
      const bindings: unknown[] = [];
      await gateway.sluice.ledger.recall((some) => bindings.push(...some.filter(({ kind }) => kind === "hosted")));
      expect(bindings).toHaveLength(64);
    },
  );

  test("is not the next one's when its key is taken out, nor when keys change places", async () => {
    await ask(ALICE, "alice");
    await again(BOB);
    expect(await get(BOB, "resp_alice")).toBe(404);
    expect((await ask(BOB, "x", { previous_response_id: "resp_alice" })).status).toBe(400);
    await again(`${CID},${BOB},${ALICE}`);
    expect([await get(ALICE, "resp_alice"), await get(BOB, "resp_alice"), await get(CID, "resp_alice")]).toEqual([
      200, 404, 404,
    ]);
    const callers = (await gateway.allAttempts()).map(({ caller }) => caller);
    expect(new Set(callers).size).toBe(2);
  });

  test("is its team's, also of a key that takes the place of one of them", async () => {
    const keys = (first: string) => `keys:
  - { name: ${first.toLowerCase()}, keyEnv: ${first}, team: red }
  - { name: bob, keyEnv: BOB, team: red }
  - { name: other, sha256: "${"0".repeat(64)}" }`;
    await again("", keys("ALICE"));
    await ask(ALICE, "alice");
    expect(await get(BOB, "resp_alice")).toBe(200);
    await again("", keys("CID"));
    expect([await get(CID, "resp_alice"), await get(BOB, "resp_alice")]).toEqual([200, 200]);
    expect((await ask(CID, "x", { previous_response_id: "resp_alice" })).status).toBe(200);
  });
});

describe("an answer that nobody here asked for", () => {
  test("is the provider's to judge where there is one key, and where the config says so; nobody comes to own it", async () => {
    await again(`${ALICE},${BOB}`, "answers: { unowned: serve }");
    expect(await get(BOB, "resp_before")).toBe(200);
    expect((await ask(BOB, "x", { previous_response_id: "resp_before" })).status).toBe(200);
    expect(await get(ALICE, "resp_before")).toBe(200);
    await again(ALICE);
    expect(await get(ALICE, "resp_once")).toBe(200);
    expect((await ask(ALICE, "x", { previous_response_id: "resp_once" })).status).toBe(200);
    expect(await get(ALICE, "resp_once")).toBe(200);
  });
});

test("of one answer no more calls are learned than a model makes", async () => {
  const made = Array.from({ length: 1_000 }, (_, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name: "f", arguments: "{}" },
  }));
  const message = { role: "assistant", content: null, tool_calls: made };
  upstream.answer(json({ ...CHAT, choices: [{ index: 0, message, finish_reason: "tool_calls" }] }));
  const asked = { model: "vllm/m", messages: [{ role: "user", content: "x" }] };
  expect((await call(ALICE, "/v1/chat/completions", asked)).status).toBe(200);
  const calls: unknown[] = [];
  await gateway.sluice.ledger.recall((some) => calls.push(...some.filter(({ kind }) => kind === "call")));
  expect(calls).toHaveLength(256);
});

test("what a provider was given stays where it was found, whatever others send to whom", async () => {
  const body = (model: string) => ({
    model,
    messages: [
      { role: "assistant", audio: { id: "audio_alice" } },
      { role: "user", content: "x" },
    ],
  });
  const path = "/v1/chat/completions";
  // Takes what it does not know for nothing: that it answers says nothing of what it has.
  await call(ALICE, path, body("vllm/m"));
  expect((await call(ALICE, path, body("all"))).status).toBe(400);
  await call(ALICE, path, body("openai/gpt-4.1-nano"));
  for (const key of [BOB, ALICE]) expect((await call(key, path, body("vllm/m"))).status).toBe(200);
  for (const alias of ["all", "only-openai"]) {
    expect(await call(ALICE, path, body(alias))).toMatchObject({ status: 200, target: "openai/gpt-4.1-nano" });
  }
  expect((await call(BOB, path, body("all"))).status).toBe(400);
});

test("the salt of a tenant's cache is no hash by which its key is told", () => {
  const digest = (text: string, encoding: "hex" | "base64url") => createHash("sha256").update(text).digest(encoding);
  const keySha256 = digest(ALICE, "hex");
  const { cacheSalt } = callFacts({ name: "alice", tenant: "key:1", keySha256 });
  for (const encoding of ["hex", "base64url"] as const) {
    for (const text of [ALICE, keySha256]) expect(cacheSalt).not.toBe(digest(text, encoding));
  }
  expect(callFacts({ name: undefined, tenant: "" }).cacheSalt).toBeUndefined();
});
