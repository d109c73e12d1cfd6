/** Where a request goes that holds something of an earlier answer's: by each client, and in each client's words when it cannot. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clients } from "./binding-clients.ts";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const HAIKU = "claude-haiku-5-5";
const LUNA = "gpt-6-luna";

const upstreams = new Map<string, FakeUpstream>();
let gateway: RunningGateway;

beforeEach(async () => {
  for (const name of ["first", "second", "other"]) upstreams.set(name, await startFakeUpstream(thinks(name)));
  gateway = await start("alice-key-0123456789,bob-key-0123456789");
});

function start(keys: string): Promise<RunningGateway> {
  const at = (name: string, path: string) => `baseUrl: "${upstreams.get(name)?.url ?? ""}${path}", apiKeyEnv: KEY`;
  return startGateway({
    environment: { KEY: "sk-provider-0123456789", SLUICE_API_KEYS: keys },
    yaml: `
policy: { default: ordered, targets: [other/${LUNA}, first/${HAIKU}] }
providers:
  first: { kind: anthropic, ${at("first", "")} }
  second: { kind: anthropic, ${at("second", "")} }
  other: { kind: openai, ${at("other", "/v1")} }
  another: { kind: openai, ${at("other", "/v1")} }
aliases:
  all: [other/${LUNA}, first/${HAIKU}, second/claude-opus-5-5, second/${HAIKU}]
  without: [other/${LUNA}, first/${HAIKU}]
  backwards: [first/${HAIKU}, second/${HAIKU}, other/${LUNA}, other/gpt-4.1-nano]
  others: [first/${HAIKU}, second/${HAIKU}]
  all-keepers: [other/${LUNA}, another/${LUNA}]
`,
  });
}
afterEach(async () => {
  await gateway.close();
  for (const upstream of upstreams.values()) await upstream.close();
});

/** A thought under a seal of this provider's, and a call. The other answers in whatever dialect it is asked in. */
function thinks(name: string): Script {
  const content = [
    { type: "thinking", thinking: "Hm.", signature: `c2lnbmF0dXJl-${name}` },
    { type: "tool_use", id: `toolu_${name}`, name: "look", input: {} },
  ];
  const message = { id: `msg_${name}`, type: "message", role: "assistant", model: HAIKU };
  const usage = { input_tokens: 9, output_tokens: 5 };
  return json(name === "other" ? OTHER : { ...message, content, stop_reason: "tool_use", usage });
}

const OTHER = {
  id: "resp_other",
  object: "response",
  status: "completed",
  created_at: 1,
  created: 1,
  model: LUNA,
  store: true,
  output: [{ type: "message", id: "msg_kept", role: "assistant", content: [{ type: "output_text", text: "Four." }] }],
  choices: [{ index: 0, message: { role: "assistant", content: "Four." }, finish_reason: "stop" }],
  usage: { input_tokens: 5, output_tokens: 9, prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
};

function sent(name: string): number {
  return upstreams.get(name)?.requests.length ?? 0;
}

function bodyOf(name: string): string {
  return upstreams.get(name)?.requests.at(-1)?.body.toString() ?? "";
}

const holders = clients.filter(({ holdsSeals }) => holdsSeals);

describe.each(holders)("$name: reasoning in a loop that is open", (client) => {
  const ask = async (model: string) => (await client.send(gateway.url, client.first(model))).body;

  test("goes back to the very model that thought it, though others come first", async () => {
    const answer = await ask(`second/${HAIKU}`);
    const { status, target } = await client.send(gateway.url, client.results("all", answer));
    expect([status, target]).toEqual([200, `second/${HAIKU}`]);
    expect([sent("first"), sent("other")]).toEqual([0, 0]);
    expect(bodyOf("second")).toContain("c2lnbmF0dXJl-second");
  });

  test("to another model of the account where that one is not offered", async () => {
    const answer = await ask("second/claude-sonnet-5-5");
    const { status, target } = await client.send(gateway.url, client.results("all", answer));
    expect([status, target]).toEqual([200, "second/claude-opus-5-5"]);
  });

  test("nowhere else, not even when its provider fails", async () => {
    const answer = await ask(`second/${HAIKU}`);
    upstreams.get("second")?.answer(json({ type: "error", error: { type: "api_error", message: "down" } }, 500));
    const { status } = await client.send(gateway.url, client.results("all", answer));
    expect(status).toBeGreaterThanOrEqual(500);
    expect([sent("first"), sent("other")]).toEqual([0, 0]);
  });

  test("is a conflict where nobody offered can read it: with the field and the remedy in the client's words", async () => {
    const answer = await ask(`second/${HAIKU}`);
    const { status, body } = await client.send(gateway.url, client.results("auto", answer));
    expect(status).toBe(409);
    const [, field = ""] = /^`([^`]+)` is reasoning of second\/claude-haiku-5-5/.exec(client.message(body)) ?? [];
    expect(field).toMatch(client.sealField);
    expect(client.message(body)).toContain("name a model of second, or leave the loop's reasoning out");
    expect([sent("first"), sent("other")]).toEqual([0, 0]);
    const rows = await gateway.allAttempts();
    expect(rows.at(-1)).toMatchObject({ outcome: "rejected", error: "conflict", cost_usd: 0 });
  });

  test("is left out, and said to be, for who goes on with an alias that its issuer is not of", async () => {
    const answer = await ask(`second/${HAIKU}`);
    const { status, target, losses } = await client.send(gateway.url, client.results("without", answer));
    expect([status, target]).toEqual([200, `first/${HAIKU}`]);
    expect(losses).toContain("reasoning");
    expect(bodyOf("first")).not.toContain("c2lnbmF0dXJl");
  });

  test("is left out, and said to be, for who names a model of another dialect", async () => {
    const answer = await ask(`second/${HAIKU}`);
    const { status, target, losses } = await client.send(gateway.url, client.results(`other/${LUNA}`, answer));
    expect([status, target]).toEqual([200, `other/${LUNA}`]);
    expect(losses).toContain("reasoning");
    expect(bodyOf("other")).not.toContain("c2lnbmF0dXJl");
  });
});

describe.each(holders)("$name: reasoning of a turn that has ended", (client) => {
  test("is left out where its issuer is not offered: the conversation goes on, with a loss", async () => {
    const answer = (await client.send(gateway.url, client.first(`second/${HAIKU}`))).body;
    upstreams.get("other")?.answer(json({ error: { message: "down", type: "server_error" } }, 500));
    const { status, target, losses } = await client.send(gateway.url, client.next("without", answer));
    expect([status, target]).toEqual([200, `first/${HAIKU}`]);
    expect(losses).toContain("reasoning");
    expect(bodyOf("first")).not.toContain("c2lnbmF0dXJl-second");
  });

  test("brings its issuer before the others, which take its place when it fails", async () => {
    const answer = (await client.send(gateway.url, client.first(`first/${HAIKU}`))).body;
    const again = await client.send(gateway.url, client.next("all", answer));
    expect([again.status, again.target]).toEqual([200, `first/${HAIKU}`]);
    expect(bodyOf("first")).toContain("c2lnbmF0dXJl-first");
    upstreams.get("first")?.answer(json({ type: "error", error: { type: "overloaded_error", message: "full" } }, 529));
    const elsewhere = await client.send(gateway.url, client.next("all", answer));
    expect([elsewhere.status, elsewhere.target]).toEqual([200, `other/${LUNA}`]);
  });
});

test("who names a model in its own dialect is sent on as it stands", async () => {
  const [client] = clients;
  if (client === undefined) throw new Error("no client");
  const answer = (await client.send(gateway.url, client.first(`second/${HAIKU}`))).body;
  await client.send(gateway.url, client.results(`first/${HAIKU}`, answer));
  expect(JSON.parse(bodyOf("first"))).toEqual({ ...client.results(HAIKU, answer) });
});

describe("calls without reasoning", () => {
  const ollama = clients.find(({ holdsSeals }) => !holdsSeals);

  test("lead back to the model that called, and on to the others when it fails", async () => {
    if (ollama === undefined) throw new Error("no client");
    const answer = (await ollama.send(gateway.url, ollama.first(`second/${HAIKU}`))).body;
    const next = ollama.results("all", answer);
    expect((await ollama.send(gateway.url, next)).target).toBe(`second/${HAIKU}`);
    expect((await ollama.send(gateway.url, next, "bob-key-0123456789")).target).toBe(`other/${LUNA}`);
    upstreams.get("second")?.answer(json({ type: "error", error: { type: "overloaded_error", message: "full" } }, 529));
    const elsewhere = await ollama.send(gateway.url, next);
    expect([elsewhere.status, elsewhere.target]).toEqual([200, `other/${LUNA}`]);
  });

  test("are learned from streams that pass unread", async () => {
    const calls = CALLS_IN_STREAMS;
    for (const { path, model, stream, ask, next } of calls) {
      for (const name of ["second", "other"]) {
        upstreams.get(name)?.answer((outgoing) => {
          outgoing.writeHead(200, { "content-type": "text/event-stream" });
          outgoing.end(stream);
        });
      }
      const first = await post(path, { ...ask, model, stream: true });
      expect(first.text).toBe(stream);
      const others = ["first", "second", "other"].filter((name) => !model.startsWith(name));
      const before = others.map(sent);
      const { target } = await post(path, { ...next, model: "backwards", stream: true });
      expect(target).toBe(model);
      expect(others.map(sent)).toEqual(before);
    }
  });
});

async function post(path: string, body: object): Promise<{ readonly target: string | null; readonly text: string }> {
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { authorization: "Bearer alice-key-0123456789", "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { target: response.headers.get("x-sluice-target"), text: await response.text() };
}

const sse = (events: readonly object[]) =>
  events
    .map((event) => {
      const { type } = event as { type?: string };
      return `${type === undefined ? "" : `event: ${type}\n`}data: ${JSON.stringify(event)}\n\n`;
    })
    .join("");
const asked = { role: "user", content: "Look." };
const tool = { type: "function", function: { name: "look", parameters: { type: "object" } } };
const item = { type: "function_call", id: "fc_1", call_id: "call_item", name: "look", arguments: "{}" };
const response = { id: "resp_s", object: "response", model: LUNA, status: "completed", output: [item] };
const block = { type: "tool_use", id: "toolu_stream", name: "look", input: {} };

const CALLS_IN_STREAMS = [
  {
    path: "/v1/messages",
    model: `second/${HAIKU}`,
    stream: sse([
      { type: "message_start", message: { id: "msg_s", role: "assistant", content: [], usage: { input_tokens: 1 } } },
      { type: "content_block_start", index: 0, content_block: block },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } },
      { type: "message_stop" },
    ]),
    ask: { max_tokens: 9, messages: [asked] },
    next: {
      max_tokens: 9,
      messages: [
        asked,
        { role: "assistant", content: [block] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_stream", content: "4" }] },
      ],
    },
  },
  {
    path: "/v1/chat/completions",
    model: `other/gpt-4.1-nano`,
    stream: `${sse([
      { id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "" } }] },
      {
        id: "c",
        choices: [
          {
            index: 0,
            delta: { tool_calls: [{ index: 0, id: "call_s", type: "function", function: { name: "look" } }] },
          },
        ],
      },
      { id: "c", choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] },
    ])}data: [DONE]\n\n`,
    ask: { messages: [asked], tools: [tool], stream_options: { include_usage: true } },
    next: {
      tools: [tool],
      stream_options: { include_usage: true },
      messages: [
        asked,
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "call_s", type: "function", function: { name: "look", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "call_s", content: "4" },
      ],
    },
  },
  {
    path: "/v1/responses",
    model: `other/${LUNA}`,
    stream: sse([
      { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
      { type: "response.output_item.added", output_index: 0, item },
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response },
    ]),
    ask: { input: "Look." },
    next: { input: [asked, item, { type: "function_call_output", call_id: "call_item", output: "4" }] },
  },
];

describe("what a provider was given", () => {
  const withFile = (model: string) => ({
    model,
    max_tokens: 9,
    messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: "file_abc" } }] }],
  });
  const [client] = clients;
  const send = (body: object) => {
    if (client === undefined) throw new Error("no client");
    return client.send(gateway.url, body as Readonly<Record<string, unknown>>);
  };

  test("is where the named model is, and from then on where it was found", async () => {
    const unknown = await send(withFile("all"));
    expect(unknown.status).toBe(400);
    expect(unknown.body["error"]).toMatchObject({
      message:
        "`messages[0].content[0].source.file_id` names what only the provider has that it was given to, and that may be first or second: name the model as `first/<model-id>`",
    });
    expect((await send(withFile(`second/${HAIKU}`))).status).toBe(200);
    const known = await send(withFile("all"));
    expect([known.status, known.target?.split("/")[0]]).toEqual([200, "second"]);
    expect((await send(withFile("without"))).status).toBe(409);
    expect(sent("first") + sent("other")).toBe(0);
  });

  test("is no riddle where one provider only could have it", async () => {
    const { status, target } = await send(withFile("without"));
    expect([status, target]).toEqual([200, `first/${HAIKU}`]);
  });

  test.each([
    ["a container", { container: "container_1" }, "container"],
    ["a container's file", { container: { id: "container_1", skills: [] } }, "container.id"],
  ])("holds for %s as well", async (_what, fields, field) => {
    const { status, body } = await send({ model: "all", max_tokens: 9, messages: [asked], ...fields });
    expect(status).toBe(400);
    expect(body["error"]).toMatchObject({ message: expect.stringContaining(`\`${field}\``) });
  });

  test.each([
    ["hosted files", withFile(`other/${LUNA}`)],
    [
      "hosted containers or stores",
      { model: `other/${LUNA}`, max_tokens: 9, messages: [asked], container: "container_1" },
    ],
  ])("cannot be asked for in another dialect: %s", async (need, body) => {
    const refused = await send(body);
    expect(refused.status).toBe(400);
    expect(refused.body["error"]).toMatchObject({ message: expect.stringContaining(`the request needs ${need}`) });
  });
});

describe("items that are kept at a provider", () => {
  const reference = { type: "item_reference", id: "msg_kept" };
  const ask = (model: string, input: readonly object[], key?: string) => {
    const client = clients.find(({ name }) => name === "openai-responses");
    if (client === undefined) throw new Error("no client");
    return client.send(gateway.url, { model, input }, key);
  };

  test("are gone on from there, by their caller, and are a conflict elsewhere", async () => {
    await ask(`other/${LUNA}`, [asked]);
    expect(await ask("backwards", [reference, asked])).toMatchObject({ status: 200, target: `other/${LUNA}` });
    const elsewhere = await ask("others", [asked, reference]);
    expect(elsewhere.status).toBe(409);
    expect(elsewhere.body["error"]).toMatchObject({ code: "provider_conflict", param: "input[1].id" });
    const foreign = await ask(`other/${LUNA}`, [reference, asked], "bob-key-0123456789");
    expect(foreign.body["error"]).toMatchObject({ code: "item_not_found", param: "input[0].id" });
  });

  test("that nobody knows are nobody's where several call", async () => {
    for (const model of ["backwards", `other/${LUNA}`]) {
      const { status, body } = await ask(model, [reference, asked]);
      expect([status, body["error"]]).toMatchObject([400, { code: "item_not_found", param: "input[0].id" }]);
    }
    expect(sent("other")).toBe(0);
  });

  test("that nobody knows go to the only provider that keeps any, and are refused where two do", async () => {
    await gateway.close();
    gateway = await start("alice-key-0123456789");
    expect((await ask("backwards", [reference, asked])).target).toBe(`other/${LUNA}`);
    expect((await ask("all-keepers", [{ type: "item_reference", id: "rs_unknown" }, asked])).status).toBe(400);
  });

  test("a thought that only its id is left of leads to who keeps it", async () => {
    const thought = { id: "rs_kept", type: "reasoning", summary: [] };
    const call = { type: "function_call", id: "fc_9", call_id: "call_9", name: "look", arguments: "{}" };
    upstreams.get("other")?.answer(json({ ...OTHER, output: [thought, call] }));
    await ask(`other/${LUNA}`, [asked]);
    const output = { type: "function_call_output", call_id: "call_9", output: "4" };
    expect((await ask("backwards", [asked, thought, call, output])).target).toBe(`other/${LUNA}`);
    const { status, losses } = await ask("others", [asked, thought, call, output]);
    expect([status, losses]).toEqual([200, expect.stringContaining("reasoning")]);
    const foreign = await ask(`other/${LUNA}`, [asked, thought, call, output], "bob-key-0123456789");
    expect(foreign.body["error"]).toMatchObject({ code: "item_not_found", param: "input[1].id" });
  });
});
