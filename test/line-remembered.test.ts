/** Answers of targets that keep nothing, gone on from by their ids: what stands in their place, for whom, and what no provider is told. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, startFakeUpstream, type Arrived, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const ALICE = "alice-key-0123456789";
const BOB = "bob-key-0123456789";
const CLAUDE = "claude/claude-haiku-5-5";
const OPENAI = "openai/gpt-5.4-nano";
const OURS = /(?:resp|msg|fc|rs)_sluice_/;

let claude: FakeUpstream;
let openai: FakeUpstream;
let gateway: RunningGateway;
beforeEach(async () => {
  claude = await startFakeUpstream(
    json({
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "claude-haiku-5-5",
      content: [
        { type: "text", text: "It is in the almanac." },
        { type: "tool_use", id: "toolu_1", name: "look", input: { page: 3 } },
      ],
      stop_reason: "tool_use",
      usage: { input_tokens: 4, output_tokens: 2 },
    }),
  );
  openai = await startFakeUpstream(
    json({
      id: "resp_theirs",
      object: "response",
      status: "completed",
      model: "gpt-5.4-nano",
      output: [],
      usage: { input_tokens: 4, output_tokens: 2 },
    }),
  );
  gateway = await start();
});
afterEach(async () => {
  await gateway.close();
  await claude.close();
  await openai.close();
});

function start(more = ""): Promise<RunningGateway> {
  return startGateway({
    environment: { KEY: "sk-provider-0123456789", SLUICE_API_KEYS: `${ALICE},${BOB}` },
    yaml: `
providers:
  claude: { kind: anthropic, baseUrl: "${claude.url}", apiKeyEnv: KEY }
  openai: { kind: openai, baseUrl: "${openai.url}/v1", apiKeyEnv: KEY }
${more}`,
  });
}

type Json = Readonly<Record<string, unknown>>;

async function call(method: string, path: string, body?: object, key: string = ALICE) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const said = (await response.json()) as Json;
  return { status: response.status, losses: response.headers.get("x-sluice-losses"), body: said };
}

function ask(body: object, key?: string) {
  return call("POST", "/v1/responses", { model: CLAUDE, ...body }, key);
}

const TOOLS = [{ type: "function", name: "look", parameters: { type: "object", properties: {} } }];
const QUESTION = [
  { role: "developer", content: "Be exact." },
  { role: "user", content: "Where is it?" },
];

async function answered() {
  const { status, body } = await ask({ input: QUESTION, tools: TOOLS });
  expect(status).toBe(200);
  expect(body["store"]).toBe(true);
  const output = body["output"] as readonly { readonly id: string; readonly type: string }[];
  expect(output.map(({ type }) => type)).toEqual(["message", "function_call"]);
  for (const { id } of [body as { id: string }, ...output]) expect(id).toMatch(OURS);
  return { id: String(body["id"]), items: output.map(({ id }) => id) };
}

const RESULT = { type: "function_call_output", call_id: "toolu_1", output: "page 3" };
const ANSWER_ITEMS = [
  { type: "message", role: "assistant", content: [{ type: "output_text", text: "It is in the almanac." }] },
  { type: "function_call", call_id: "toolu_1", name: "look", arguments: '{"page":3}' },
];

function sent(upstream: FakeUpstream): Json {
  const last = upstream.requests.at(-1) as Arrived;
  return JSON.parse(last.body.toString("utf8")) as Json;
}

describe("what was said before", () => {
  test("is all of it in the request, whether it is named as an answer or item by item, and no id of ours", async () => {
    const { id, items } = await answered();
    const references = items.map((item) => ({ type: "item_reference", id: item }));
    for (const named of [
      { previous_response_id: id, input: [RESULT] },
      { input: [...QUESTION, ...references, RESULT] },
      // As some clients send it: without a type, which an id alone says.
      { input: [...QUESTION, ...items.map((item) => ({ id: item })), RESULT] },
    ]) {
      expect((await ask({ ...named, model: OPENAI, tools: TOOLS })).status).toBe(200);
      const body = sent(openai);
      expect(body["input"]).toMatchObject([
        { role: "developer", content: "Be exact." },
        { role: "user", content: "Where is it?" },
        ...ANSWER_ITEMS,
        RESULT,
      ]);
      expect(body).not.toHaveProperty("previous_response_id");
      expect(JSON.stringify(body)).not.toMatch(OURS);
    }
  });

  test("goes to a target of another dialect as well, and on from there", async () => {
    const { id } = await answered();
    const next = await ask({ previous_response_id: id, input: [RESULT], tools: TOOLS });
    expect([next.status, next.losses]).toEqual([200, null]);
    expect(JSON.stringify(sent(claude)["messages"])).toMatch(/Where is it.*almanac.*page 3/s);
    const after = await ask({
      previous_response_id: next.body["id"],
      input: [RESULT, { role: "user", content: "So?" }],
    });
    expect(after.status).toBe(200);
    expect(JSON.stringify(sent(claude)["messages"])).toMatch(/Where is it.*almanac.*page 3.*almanac.*So\?/s);
  });

  test("does not have its instructions: they are for one answer only", async () => {
    const { body } = await ask({ input: "Where is it?", instructions: "Answer in verse." });
    await ask({ previous_response_id: body["id"], input: "And now?", tools: TOOLS });
    expect(JSON.stringify(sent(claude))).toMatch(/Where is it.*And now/s);
    expect(JSON.stringify(sent(claude))).not.toContain("verse");
  });

  test("that the client brings itself is told without our ids", async () => {
    const { items } = await answered();
    const own = ANSWER_ITEMS.map((item, at) => ({ ...item, id: items[at] }));
    await ask({ model: OPENAI, store: false, input: [...QUESTION, ...own, RESULT] });
    expect(sent(openai)["input"]).toEqual([...QUESTION, ...ANSWER_ITEMS, RESULT]);
  });

  test("is counted, too", async () => {
    const { id } = await answered();
    const count = { model: CLAUDE, previous_response_id: id, input: [RESULT] };
    const few = await call("POST", "/v1/responses/input_tokens", { model: CLAUDE, input: "Hi" });
    const more = await call("POST", "/v1/responses/input_tokens", count);
    expect(Number(more.body["input_tokens"])).toBeGreaterThan(Number(few.body["input_tokens"]));
  });
});

describe("is not there", () => {
  const gone = { error: { type: "invalid_request_error", message: expect.stringContaining("`store: false`") } };

  test("for another caller", async () => {
    const { id, items } = await answered();
    for (const body of [
      { previous_response_id: id, input: "And now?" },
      { input: [{ type: "item_reference", id: items[0] }] },
    ]) {
      const { status, body: said } = await ask(body, BOB);
      expect(status).toBe(400);
      expect(said).toMatchObject(gone);
    }
    expect((await call("GET", `/v1/responses/${id}`, undefined, BOB)).status).toBe(404);
    expect((await call("DELETE", `/v1/responses/${id}`, undefined, BOB)).status).toBe(404);
    expect(claude.requests).toHaveLength(1);
  });

  test("after a restart, and says what to do about it, also to who names OpenAI, which is asked for nothing", async () => {
    const { id, items } = await answered();
    await gateway.close();
    gateway = await start();
    const asked = { model: OPENAI, input: [...QUESTION, { type: "item_reference", id: items[1] }] };
    expect((await ask(asked)).body).toMatchObject({
      error: { param: "input[2].id", code: "item_not_found", message: expect.stringContaining(String(items[1])) },
    });
    expect((await ask({ previous_response_id: id, input: "And now?" })).body).toMatchObject({
      error: { param: "previous_response_id", code: "previous_response_not_found" },
    });
    expect(openai.requests).toHaveLength(0);
  });

  test.each([
    ["store: false", "", { store: false }],
    ["nothing is to be remembered", "answers: { rememberBytesMax: 0 }\n", {}],
  ])("where %s", async (_why, yaml, members) => {
    await gateway.close();
    gateway = await start(yaml);
    const { body } = await ask({ input: QUESTION, ...members });
    expect(body["store"]).toBe(false);
    const next = await ask({ previous_response_id: body["id"], input: "And now?" });
    expect(next.status).toBe(400);
    expect(next.body).toMatchObject(gone);
  });
});

describe("by its id", () => {
  test("it is read, its input listed, and deleted", async () => {
    const { id, items } = await answered();
    const { body } = await call("GET", `/v1/responses/${id}`);
    expect(body).toMatchObject({ id, status: "completed", store: true, output: items.map((item) => ({ id: item })) });
    const listed = await call("GET", `/v1/responses/${id}/input_items?order=asc&limit=1`);
    expect(listed.body).toMatchObject({
      object: "list",
      data: [{ type: "message", role: "developer", content: [{ type: "input_text", text: "Be exact." }] }],
      has_more: true,
    });
    expect((await call("POST", `/v1/responses/${id}/cancel`)).status).toBe(400);
    expect((await call("GET", `/v1/responses/${id}?stream=true`)).status).toBe(400);
    expect((await call("DELETE", `/v1/responses/${id}`)).body).toEqual({ id, object: "response", deleted: true });
    expect((await call("GET", `/v1/responses/${id}`)).status).toBe(404);
    expect(openai.requests).toHaveLength(0);
  });

  test("a wish that it be stored is met, and no loss", async () => {
    const { status, losses, body } = await ask({ input: "Where is it?", store: true });
    expect([status, losses, body["store"]]).toEqual([200, null, true]);
  });
});

test("nothing that was said is logged", async () => {
  const { id } = await answered();
  await ask({ previous_response_id: id, input: [RESULT], tools: TOOLS });
  expect(gateway.logged.join("\n")).not.toMatch(/almanac|Where is it/);
});
