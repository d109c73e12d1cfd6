/** An answer made in the background, in its stream: who leaves it stops nothing, and who takes it up again brings its bill. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";

const ALICE = "alice-key-0123456789";
const BOB = "bob-key-0123456789";
const MODEL = "gpt-5.4-nano";
const USAGE = { input_tokens: 4, output_tokens: 200, total_tokens: 204 };

let upstream: FakeUpstream;
let gateway: RunningGateway;
beforeEach(async () => {
  upstream = await startFakeUpstream((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(event("response.created", response("queued")));
    outgoing.write(event("response.in_progress", response("in_progress")));
  });
  gateway = await startGateway({
    environment: { KEY: "sk-provider-0123456789", SLUICE_API_KEYS: `${ALICE},${BOB}` },
    yaml: `providers:\n  openai: { kind: openai, baseUrl: "${upstream.url}/v1", apiKeyEnv: KEY }\n`,
  });
});
afterEach(async () => {
  await gateway.close();
  await upstream.close();
});

function response(status: string, members: object = {}): object {
  return { id: "resp_1", object: "response", status, background: true, model: MODEL, output: [], ...members };
}

function event(type: string, value: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, response: value })}\n\n`;
}

function ask(path: string, body?: object, key: string = ALICE, signal?: AbortSignal): Promise<Response> {
  return fetch(gateway.url + path, {
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Leaves its stream as soon as it has begun. @returns the exchange. */
async function begunAndLeft(): Promise<string | null> {
  const leave = new AbortController();
  const body = { model: `openai/${MODEL}`, input: "Hello", background: true, stream: true };
  const answer = await ask("/v1/responses", body, ALICE, leave.signal);
  leave.abort();
  await until(() => upstream.open === 0);
  return answer.headers.get("x-sluice-exchange");
}

test("who leaves the stream leaves its row open; the stream taken up again settles it, once", async () => {
  const exchange = await begunAndLeft();
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "open" }]);
  const rest =
    event("response.output_text.delta", {}) + event("response.completed", response("completed", { usage: USAGE }));
  upstream.answer((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(rest);
  });
  const resumed = await ask("/v1/responses/resp_1?stream=true&starting_after=1");
  expect(await resumed.text()).toBe(rest);
  expect(upstream.requests.at(-1)?.path).toBe("/v1/responses/resp_1?stream=true&starting_after=1");
  const rows = await gateway.attempts(exchange);
  expect(rows).toMatchObject([
    { outcome: "complete", usage: { input_uncached: 4, output: 200 }, usage_basis: "reported", cost_basis: "reported" },
  ]);
  await (await ask("/v1/responses/resp_1?stream=true")).text();
  expect(await gateway.attempts(exchange)).toEqual(rows);
});

test("a stream that is cut while it is taken up again settles nothing", async () => {
  const exchange = await begunAndLeft();
  upstream.answer((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(event("response.in_progress", response("in_progress")));
  });
  await (await ask("/v1/responses/resp_1?stream=true")).text();
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "open" }]);
});

test("another caller's asking is answered by nobody, and settles nothing", async () => {
  const exchange = await begunAndLeft();
  upstream.answer(json(response("completed", { usage: USAGE })));
  expect((await ask("/v1/responses/resp_1", undefined, BOB)).status).toBe(404);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "open" }]);
});

test("one that failed is a failed row, with what it cost", async () => {
  const exchange = await begunAndLeft();
  upstream.answer(json(response("failed", { usage: USAGE, error: { code: "server_error", message: "it broke" } })));
  await (await ask("/v1/responses/resp_1")).text();
  expect(await gateway.attempts(exchange)).toMatchObject([
    { outcome: "failed", usage: { input_uncached: 4, output: 200 }, cost_basis: "reported" },
  ]);
});

test("one that its provider has no more is lost, at its estimate", async () => {
  const exchange = await begunAndLeft();
  upstream.answer(json({ error: { message: "Response with id 'resp_1' not found." } }, 404));
  expect((await ask("/v1/responses/resp_1")).status).toBe(404);
  expect(await gateway.attempts(exchange)).toMatchObject([{ outcome: "lost", cost_basis: "estimated" }]);
});
