/** What an answer made at its provider (a container, a file, something said aloud) leads the next turn back there. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const HAIKU = "claude-haiku-5-5";
const AUDIO = "gpt-audio";

let upstream: FakeUpstream;
let gateway: RunningGateway;
beforeEach(async () => {
  upstream = await startFakeUpstream(json({}));
  const at = (path: string) => `baseUrl: "${upstream.url}${path}", apiKeyEnv: KEY`;
  gateway = await startGateway({
    environment: { KEY: "sk-provider-0123456789" },
    yaml: `
policy: { default: ordered }
providers:
  a1: { kind: anthropic, ${at("")} }
  a2: { kind: anthropic, ${at("")} }
  o1: { kind: openai, ${at("/v1")} }
  o2: { kind: openai, ${at("/v1")} }
aliases:
  claudes: [a1/${HAIKU}, a2/${HAIKU}]
  voices: [o1/${AUDIO}, o2/${AUDIO}]
  coders: [o1/gpt-6-luna, o2/gpt-6-luna]
`,
  });
});
afterEach(async () => {
  await gateway.close();
  await upstream.close();
});

const asked = { role: "user", content: "x" };
const output = { type: "bash_code_execution_output", file_id: "file_made" };
const ran = {
  type: "bash_code_execution_tool_result",
  tool_use_id: "srvtoolu_1",
  content: { type: "bash_code_execution_result", stdout: "", stderr: "", return_code: 0, content: [output] },
};
const container = { id: "container_made", expires_at: "2026-12-01T00:00:00Z" };
const message = { id: "msg_1", type: "message", role: "assistant", model: HAIKU };
const used = { input_tokens: 9, output_tokens: 5 };
const chat = { id: "c", created: 1, model: AUDIO };
const chunk = { ...chat, object: "chat.completion.chunk" };
const audio = { id: "audio_made", data: "AAAA", expires_at: 1, transcript: "hi" };
const coded = {
  id: "resp_1",
  object: "response",
  status: "completed",
  created_at: 1,
  model: "gpt-6-luna",
  output: [{ type: "code_interpreter_call", id: "ci_1", container_id: "cntr_made", code: "", status: "completed" }],
  usage: used,
};

interface Way {
  readonly path: string;
  readonly alias: string;
  readonly ask: object;
  readonly whole: object;
  readonly events: readonly object[];
  /** Requests of the next turn, each naming something that was made. */
  readonly next: readonly object[];
}

const fileNamed = { type: "document", source: { type: "file", file_id: "file_made" } };
const WAYS: Readonly<Record<string, Way>> = {
  "anthropic-messages": {
    path: "/v1/messages",
    alias: "claudes",
    ask: { max_tokens: 50, messages: [asked], tools: [{ type: "code_execution_20250825", name: "code_execution" }] },
    whole: { ...message, content: [ran], stop_reason: "end_turn", container, usage: used },
    events: [
      { type: "message_start", message: { ...message, content: [], stop_reason: null, usage: used } },
      { type: "content_block_start", index: 0, content_block: ran },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null, container }, usage: used },
      { type: "message_stop" },
    ],
    next: [
      { max_tokens: 50, container: "container_made", messages: [asked] },
      { max_tokens: 50, messages: [{ role: "user", content: [fileNamed] }] },
    ],
  },
  "openai-chat": {
    path: "/v1/chat/completions",
    alias: "voices",
    ask: { messages: [asked], modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } },
    whole: {
      ...chat,
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: null, audio }, finish_reason: "stop" }],
    },
    events: [
      { ...chunk, choices: [{ index: 0, delta: { role: "assistant", content: null } }] },
      { ...chunk, choices: [{ index: 0, delta: { audio: { id: "audio_made", transcript: "hi" } } }] },
      { ...chunk, choices: [{ index: 0, delta: { audio: { id: "audio_made", data: "AAAA" } } }] },
      { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
    ],
    next: [{ messages: [asked, { role: "assistant", audio: { id: "audio_made" } }, asked] }],
  },
  "openai-responses": {
    path: "/v1/responses",
    alias: "coders",
    ask: { input: "x", tools: [{ type: "code_interpreter", container: { type: "auto" } }] },
    whole: coded,
    events: [
      { type: "response.created", response: { ...coded, status: "in_progress", output: [] } },
      { type: "response.completed", response: coded },
    ],
    next: [{ input: "x", tools: [{ type: "code_interpreter", container: "cntr_made" }] }],
  },
};

const cases = Object.entries(WAYS).flatMap(([name, way]) => [false, true].map((stream) => ({ name, stream, ...way })));

test("of what a client was not told it cannot speak: nothing is learned of an answer in another dialect", async () => {
  const { whole, next } = WAYS["anthropic-messages"] ?? { whole: {}, next: [] };
  upstream.answer(json(whole));
  const send = async (path: string, body: object) => {
    const headers = { "content-type": "application/json" };
    return (await fetch(gateway.url + path, { method: "POST", headers, body: JSON.stringify(body) })).status;
  };
  expect(await send("/v1/chat/completions", { model: `a2/${HAIKU}`, messages: [asked] })).toBe(200);
  for (const body of next) expect(await send("/v1/messages", { ...body, model: "claudes" })).toBe(400);
});

test.each(cases)("$name, streamed: $stream", async ({ path, alias, ask, whole, events, next, stream }) => {
  const send = async (body: object) => {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    await response.text();
    return { status: response.status, target: response.headers.get("x-sluice-target") };
  };
  const end = path.includes("chat") ? "data: [DONE]\n\n" : "";
  upstream.answer((outgoing, arrived, number) => {
    if (!stream) return json(whole)(outgoing, arrived, number);
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("") + end);
  });
  const model = gateway.sluice.setup().targets.resolve(alias).targets.at(-1)?.name;
  for (const body of next) expect((await send({ ...body, stream, model: alias })).status).toBe(400);
  expect((await send({ ...ask, stream, model })).status).toBe(200);
  for (const body of next)
    expect(await send({ ...body, stream, model: alias })).toEqual({ status: 200, target: model });
});
