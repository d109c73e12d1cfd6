/**
 * Mistral's surface: recorded answers of Mistral pass to its clients as they are, and those of everybody else satisfy its official client,
 * which validates every answer, with the same text, calls, ending and usage.
 */
import { Mistral } from "@mistralai/mistralai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAnswer, type Answer } from "./answer.ts";
import { describeMaterial, recordings, type Json, type Recording } from "./material.ts";
import { written } from "./native.ts";
import { chunkings, CLIENT_KEY, played, startStage, type Stage } from "./stage.ts";

const all = recordings().filter(isAnswer);

describeMaterial("at Mistral's surface", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage(all.map((recording) => recording.provider));
  });
  afterAll(() => stage.close());

  for (const recording of all) {
    if (recording.provider === "mistral") {
      test(`${recording.id} passes as it is`, () => passes(stage, recording));
    } else {
      test(`${recording.id} is understood by Mistral's client`, () => isUnderstood(stage, recording));
    }
  }
});

/** 200s that hold an error, or chunks that a recorder parsed, are none. */
function isAnswer({ status, canonical, kind, request }: Recording): boolean {
  const isParsedStream = request.body["stream"] === true && kind !== "sse";
  return status === 200 && canonical.error === null && !isParsedStream;
}

async function passes(stage: Stage, recording: Recording): Promise<void> {
  const { kind, response, request } = recording;
  const type = kind === "sse" ? "text/event-stream; charset=utf-8" : "application/json";
  for (const pieces of Object.values(chunkings(response.bytes))) {
    stage.upstream.answer(played({ status: 200, headers: { "content-type": type } }, pieces));
    const gateway = stage.gateway("mistral");
    const asked: Json = request.body;
    const answer = await fetch(`${gateway.url}/mistral/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${CLIENT_KEY}`, "content-type": "application/json" },
      body: written({ ...asked, model: `mistral/${String(asked["model"])}` }),
    });
    expect(await answer.text()).toBe(response.bytes.toString("utf8"));
    expect(stage.upstream.requests.at(-1)?.body.toString("utf8")).toBe(written(asked));
    const [row] = await gateway.attempts(answer.headers.get("x-sluice-exchange"));
    expect(row).toMatchObject({ outcome: "complete", lane: "same", client_dialect: "mistral-chat" });
    const { usage } = readAnswer("chat", kind === "sse", response.bytes);
    if (usage === undefined) continue;
    const read = Math.min(usage.cacheRead ?? 0, usage.input);
    expect(row).toMatchObject({
      usage_basis: "reported",
      usage: { input_uncached: usage.input - read, cache_read: read, output: usage.output },
    });
  }
}

async function isUnderstood(stage: Stage, recording: Recording): Promise<void> {
  const { api, provider, kind, response } = recording;
  const expected = readAnswer(api, kind === "sse", response.bytes);
  const { random = [] } = chunkings(response.bytes);
  const type = kind === "sse" ? "text/event-stream" : "application/json";
  stage.upstream.answer(played({ status: 200, headers: { "content-type": type, ...response.headers } }, random));
  const client = new Mistral({
    serverURL: `${stage.gateway(provider).url}/mistral`,
    apiKey: CLIENT_KEY,
    retryConfig: { strategy: "none" },
  });
  const names = [...new Set(expected.tools.map((tool) => tool.name))];
  const asked = {
    // One that nobody knows: models that are known may be spoken to in another dialect than was recorded.
    model: `${provider}/recorded-model`,
    messages: [{ role: "user" as const, content: "Go on." }],
    ...(names.length === 0
      ? {}
      : { tools: names.map((name) => ({ type: "function" as const, function: { name, parameters: {} } })) }),
  };
  const heard = kind === "sse" ? await streamed(client, asked) : await whole(client, asked);
  expect(heard.text).toBe(expected.text + expected.refusal);
  expect(heard.calls.map((call) => call.name)).toEqual(
    names.length === 0 ? [] : expected.tools.map((tool) => tool.name),
  );
  for (const [at, tool] of expected.tools.entries()) {
    const value = jsonOf(tool.arguments);
    if (value !== undefined) expect(jsonOf(heard.calls[at]?.arguments)).toEqual(value);
  }
  expect(heard.finish).toBe(endingFor(expected));
  if (expected.usage === undefined) return;
  const { input, output, compaction } = expected.usage;
  expect(heard.usage).toEqual({
    input: input + compaction.input + compaction.cacheRead,
    output: output + compaction.output,
  });
}

interface Heard {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[];
  readonly finish: string | null | undefined;
  readonly usage: { readonly input: number | undefined; readonly output: number | undefined };
}
type Asked = Parameters<Mistral["chat"]["complete"]>[0];

async function whole(client: Mistral, asked: Asked): Promise<Heard> {
  const answer = await client.chat.complete(asked);
  const [choice] = answer.choices;
  return {
    text: textOf(choice?.message?.content),
    calls: (choice?.message?.toolCalls ?? []).map((call) => call.function),
    finish: choice?.finishReason,
    usage: { input: answer.usage.promptTokens, output: answer.usage.completionTokens },
  };
}

async function streamed(client: Mistral, asked: Asked): Promise<Heard> {
  let text = "";
  const calls: { name: string; arguments: unknown }[] = [];
  let finish: string | null | undefined;
  let usage: Heard["usage"] = { input: undefined, output: undefined };
  for await (const { data } of await client.chat.stream(asked)) {
    const [choice] = data.choices;
    text += textOf(choice?.delta.content);
    for (const call of choice?.delta.toolCalls ?? []) calls.push(call.function);
    finish = choice?.finishReason ?? finish;
    if (data.usage !== undefined) usage = { input: data.usage.promptTokens, output: data.usage.completionTokens };
  }
  return { text, calls, finish, usage };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((chunk: Json) => (chunk["type"] === "text" ? String(chunk["text"]) : "")).join("");
}

/** No arguments are the empty object. `undefined` for what is no JSON. */
function jsonOf(given: unknown): unknown {
  if (typeof given !== "string") return given;
  if (given.trim() === "") return {};
  try {
    return (JSON.parse(given) as unknown) ?? {};
  } catch {
    return undefined;
  }
}

/** Mistral has no word for a filter or a pause. */
function endingFor({ finish, tools }: Answer): string {
  if (tools.length > 0 && (finish === "tool" || finish === "stop")) return "tool_calls";
  if (finish === "length") return "length";
  return finish === "tool" ? "tool_calls" : "stop";
}
