/** What Responses asks of the line beyond an answer: what is kept at a provider, numbered failures, and no WebSockets. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";
import { eventsOf } from "./openai-responses-grammar.ts";

const ALICE = "alice-key-0123456789";
const BOB = "bob-key-0123456789";
const MODEL = "gpt-6-luna";

let here: FakeUpstream;
let there: FakeUpstream;
let claude: FakeUpstream;
let gateway: RunningGateway;
beforeEach(async () => {
  here = await startFakeUpstream(kept("resp_here"));
  there = await startFakeUpstream(kept("resp_there"));
  claude = await startFakeUpstream((outgoing) => void outgoing.writeHead(500).end());
  gateway = await startGateway({
    environment: { KEY: "sk-provider-0123456789", SLUICE_API_KEYS: `${ALICE},${BOB}` },
    yaml: `
policy: { default: ordered }
answers: { unowned: serve }
providers:
  here: { kind: openai, baseUrl: "${here.url}/v1", apiKeyEnv: KEY }
  there: { kind: openai, baseUrl: "${there.url}/v1", apiKeyEnv: KEY }
  claude: { kind: anthropic, baseUrl: "${claude.url}", apiKeyEnv: KEY }
aliases: { both: [here/${MODEL}, there/${MODEL}], other: [claude/claude-haiku-5-5, here/gpt-5.4-nano] }
`,
  });
});
afterEach(async () => {
  await gateway.close();
  for (const upstream of [here, there, claude]) await upstream.close();
});

/** Says who it is, and what of it is kept. */
function kept(id: string): Script {
  return json({
    id,
    object: "response",
    created_at: 1_763_800_000,
    status: "completed",
    model: MODEL,
    output: [],
    usage: { input_tokens: 4, output_tokens: 2, total_tokens: 6 },
  });
}

interface Answer {
  readonly status: number;
  readonly target: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

async function call(method: string, path: string, body?: object, key: string = ALICE): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const said = (await response.json()) as Answer["body"];
  return { status: response.status, target: response.headers.get("x-sluice-target"), body: said };
}

function ask(body: object, key?: string): Promise<Answer> {
  return call("POST", "/v1/responses", { model: "both", input: "Hello", ...body }, key);
}

describe("an earlier response", () => {
  test("is gone on from at the provider that keeps it, though another one is first", async () => {
    await ask({ model: `there/${MODEL}` });
    const { status, target } = await ask({ previous_response_id: "resp_there" });
    expect([status, target]).toEqual([200, `there/${MODEL}`]);
    expect(here.requests).toHaveLength(0);
  });

  test("is a conflict where the named model is at another provider, which hears nothing of it", async () => {
    await ask({ model: `there/${MODEL}` });
    const { status, body } = await ask({ model: `here/${MODEL}`, previous_response_id: "resp_there" });
    expect(status).toBe(409);
    expect(body["error"]).toMatchObject({ code: "provider_conflict", param: "previous_response_id" });
    expect(here.requests).toHaveLength(0);
  });

  test("that nobody knows is refused where we would have to choose, and the provider's to judge where it is named", async () => {
    const { status, body } = await ask({ previous_response_id: "resp_unknown" });
    expect(status).toBe(400);
    expect(body["error"]).toMatchObject({ code: "previous_response_not_found", param: "previous_response_id" });
    expect(here.requests.length + there.requests.length).toBe(0);
    expect((await ask({ model: `there/${MODEL}`, previous_response_id: "resp_unknown" })).status).toBe(200);
    expect(there.requests).toHaveLength(1);
  });

  test("of another caller's is not there", async () => {
    await ask({ model: `there/${MODEL}` });
    const asked = { model: `there/${MODEL}`, previous_response_id: "resp_there" };
    expect((await ask(asked, BOB)).body["error"]).toMatchObject({ code: "previous_response_not_found" });
    expect((await call("GET", "/v1/responses/resp_there", undefined, BOB)).status).toBe(404);
    expect(there.requests).toHaveLength(1);
    expect((await ask(asked)).status).toBe(200);
  });

  test("is no reason to go to a provider that cannot know it", async () => {
    await ask({ model: `here/${MODEL}` });
    expect((await ask({ model: "other", previous_response_id: "resp_here" })).target).toBe("here/gpt-5.4-nano");
    expect(claude.requests).toHaveLength(0);
  });

  test("in a stream is learned, too, and so is the conversation that was named", async () => {
    const response = { id: "resp_streamed", object: "response", status: "completed", output: [], usage: null };
    there.answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      const event = (type: string) => `event: ${type}\ndata: ${JSON.stringify({ type, response })}\n\n`;
      outgoing.end(event("response.created") + event("response.completed"));
    });
    const streamed = await fetch(`${gateway.url}/v1/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${ALICE}` },
      body: JSON.stringify({ model: `there/${MODEL}`, input: "Hi", stream: true, conversation: "conv_1" }),
    });
    expect(await streamed.text()).toContain("resp_streamed");
    there.answer(kept("resp_there"));
    expect((await ask({ previous_response_id: "resp_streamed" })).target).toBe(`there/${MODEL}`);
    expect((await ask({ conversation: { id: "conv_1" } })).target).toBe(`there/${MODEL}`);
  });
});

describe("what is kept", () => {
  test.each([
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/cancel"],
    ["GET", "/input_items"],
  ])("%s …%s goes to its keeper, with our credential, and leaves no row", async (method, operation) => {
    await ask({ model: `there/${MODEL}` });
    const rows = (await gateway.allAttempts()).length;
    const { status, body } = await call(method, `/v1/responses/resp_there${operation}?limit=2`);
    expect([status, body["id"]]).toEqual([200, "resp_there"]);
    const arrived = there.requests.at(-1);
    expect([arrived?.method, arrived?.path]).toEqual([method, `/v1/responses/resp_there${operation}?limit=2`]);
    expect(arrived?.headers.authorization).toBe("Bearer sk-provider-0123456789");
    expect(await gateway.allAttempts()).toHaveLength(rows);
  });

  test("an id that is not known goes to the first provider that keeps any, whose refusal passes", async () => {
    const error = { error: { message: "Response with id 'resp_old' not found.", type: "invalid_request_error" } };
    here.answer(json(error, 404));
    expect(await call("GET", "/v1/responses/resp_old")).toMatchObject({ status: 404, body: error });
  });

  test("what is no id leads nowhere", async () => {
    for (const id of ["..%2Fmodels", "a%20b", "%2e%2e"]) {
      const { status, body } = await call("GET", `/v1/responses/${id}`);
      expect(status).toBe(404);
      expect(body["error"]).toMatchObject({ message: expect.any(String) });
    }
    expect(here.requests).toHaveLength(0);
  });

  test("a refusal of our credential is ours to mend, and quotes nothing", async () => {
    here.answer(json({ error: { message: "Incorrect API key provided: sk-provider-0123456789" } }, 401));
    const { status, body } = await call("GET", "/v1/responses/resp_old");
    expect(status).toBe(502);
    expect(JSON.stringify(body)).not.toContain("sk-provider");
  });

  test("nobody reads it without a key, and a provider that is gone is an error in the dialect", async () => {
    const wrong = await call("GET", "/v1/responses/resp_old", undefined, "wrong");
    expect(wrong.status).toBe(401);
    here.answer((outgoing) => void outgoing.destroy());
    const { status, body } = await call("GET", "/v1/responses/resp_old");
    expect(status).toBe(502);
    expect(body["error"]).toMatchObject({ message: expect.any(String) });
  });
});

test("a failure inside a translated stream has the number that follows", async () => {
  claude.answer((outgoing) => {
    const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(
      event("message_start", { message: { id: "msg_1", role: "assistant", content: [], usage: { input_tokens: 1 } } }) +
        event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }) +
        event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Hel" } }) +
        event("error", { error: { type: "overloaded_error", message: "too many" } }),
    );
  });
  const response = await fetch(`${gateway.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${ALICE}` },
    body: JSON.stringify({ model: "claude/claude-haiku-5-5", input: "Hi", stream: true }),
  });
  let text = "";
  const read = async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString("utf8");
  };
  await expect(read()).rejects.toThrow();
  const types = eventsOf(text).map(({ type }) => type);
  expect(types.slice(-2)).toEqual(["error", "response.failed"]);
  expect(text).toContain("too many");
});

test.each(["/v1/responses", "/openai/v1/responses"])("WebSockets at %s are declined at once", async (path) => {
  const { request } = await import("node:http");
  const status = await new Promise((resolve, reject) => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "x",
      "sec-websocket-version": "13",
    };
    request(gateway.url + path, { headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(426);
});
