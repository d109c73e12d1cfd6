/** A path that nobody serves is refused in the words of the API that it belongs to, and told a path that is served. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

let provider: FakeUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  provider = await startFakeUpstream(json({}));
  gateway = await startGateway({ environment: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: `${provider.url}/v1` } });
});
afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const said = expect.any(String) as string;

describe.each([
  ["/api/nope", "POST /api/chat", { error: said }],
  ["/ollama/api/nope", "POST /ollama/api/chat", { error: said }],
  ["/ollama/v1/nope", "GET /ollama/api/tags", { error: said }],
  ["/anthropic/v1/nope", "POST /anthropic/v1/messages", { type: "error", error: { type: said, message: said } }],
  ["/v1/messages/batches", "POST /v1/messages", { type: "error", error: { type: said, message: said } }],
  [
    "/mistral/v1/agents/completions",
    "POST /mistral/v1/chat/completions",
    { object: "error", message: said, type: said },
  ],
  ["/openai/v1/images/generations", "POST /openai/v1/responses", { error: { type: said, message: said, code: said } }],
  ["/v1/moderations", "POST /v1/chat/completions", { error: { type: said, message: said, code: said } }],
  // Their names begin like others'.
  ["/apis", "POST /v1/chat/completions", { error: { type: said, message: said, code: said } }],
  ["/v1/messagesX", "POST /v1/chat/completions", { error: { type: said, message: said, code: said } }],
])("%s", (path, right, form) => {
  test.each(["GET", "POST", "DELETE"])("%s", async (method) => {
    const answer = await fetch(gateway.url + path, { method });
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toContain("application/json");
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject(form);
    expect(text).toContain(`${method} ${path} is not served here`);
    expect(text).toContain(right);
  });
});

test.each([
  ["/api/chat", { error: said }],
  ["/ollama/api/tags", { error: said }],
  ["/anthropic/v1/messages", { type: "error", error: { type: "invalid_request_error", message: said } }],
  ["/mistral/v1/chat/completions", { object: "error", message: said }],
  ["/v1/chat/completions", { error: { type: "invalid_request_error", message: said, code: "method_not_allowed" } }],
])("another method at %s is refused in the same words", async (path, form) => {
  const answer = await fetch(gateway.url + path, { method: "DELETE" });
  expect(answer.status).toBe(405);
  expect(answer.headers.get("allow")).toContain(path.endsWith("tags") ? "GET" : "POST");
  expect(await answer.json()).toMatchObject(form);
});

test("the root of Ollama's prefix says that somebody is there, as Ollama's own does", async () => {
  for (const path of ["/ollama", "/ollama/"]) {
    const answer = await fetch(gateway.url + path);
    expect([answer.status, await answer.text()]).toEqual([200, "Sluice is running"]);
    expect((await fetch(gateway.url + path, { method: "HEAD" })).status).toBe(200);
  }
});
