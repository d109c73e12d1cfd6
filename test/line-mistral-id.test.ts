/** What Mistral's surface adds to an answer, and what it leaves alone. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

let upstream: FakeUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  gateway = await startGateway({
    environment: { OPENAI_API_KEY: "upstream-key", OPENAI_BASE_URL: `${upstream.url}/v1`, LOG_LEVEL: "silent" },
    yaml: "retries:\n  backoffMs: 1\n",
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const ANSWER =
  '{ "object":"list","data":[{"embedding":[1.0,9007199254740993]}],"model":"m","usage":{"prompt_tokens":1} }';

function embed(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "openai/text-embedding-3-small", input: "one" }),
  });
}

function plays(text: string): void {
  upstream.answer((outgoing) => void outgoing.writeHead(200, { "content-type": "application/json" }).end(text));
}

test("an id is added where there is none, and every other byte stays", async () => {
  plays(ANSWER);
  const answer = await embed("/mistral/v1/embeddings");
  const text = await answer.text();
  const exchange = answer.headers.get("x-sluice-exchange") ?? "";
  expect(JSON.parse(text)).toMatchObject({ id: exchange });
  expect(text.replace(`"id":"${exchange}"`, "")).toContain('"data":[{"embedding":[1.0,9007199254740993]}]');
});

test("it is for Mistral's clients only, wherever they come", async () => {
  plays(ANSWER);
  expect(await (await embed("/v1/embeddings")).text()).toBe(ANSWER);
  const known = await embed("/v1/embeddings", { "user-agent": "mistral-client-python/2.0.0" });
  expect(await known.json()).toHaveProperty("id");
});

test("one that is there stays", async () => {
  const text = ANSWER.replace("{ ", '{ "id":"own",');
  plays(text);
  expect(await (await embed("/mistral/v1/embeddings")).text()).toBe(text);
});

test("errors have their status and their words", async () => {
  upstream.answer(json({ error: { message: "no such model", type: "invalid_request_error" } }, 404));
  const answer = await embed("/mistral/v1/embeddings");
  expect(answer.status).toBe(404);
  expect(await answer.text()).toContain("no such model");
});

test("it works without a server, too", async () => {
  plays(ANSWER);
  const answer = await gateway.app.request("/mistral/v1/embeddings", {
    method: "POST",
    body: JSON.stringify({ model: "openai/text-embedding-3-small", input: "one" }),
  });
  expect(await answer.json()).toHaveProperty("id");
});
