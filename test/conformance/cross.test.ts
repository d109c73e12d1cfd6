/**
 * Recorded answers to clients of the other dialect, by their official SDKs: the same text, calls, ending and usage, in a stream
 * that keeps its dialect's promises.
 */
import { APIError as AnthropicError } from "@anthropic-ai/sdk";
import { APIError as OpenAIError } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { object, readAnswer, type Answer, type Api, type Counts, type ToolCall } from "./answer.ts";
import { ask, type Heard, type Way } from "./clients.ts";
import { chatGrammar, messagesGrammar } from "./grammar.ts";
import { describeMaterial, recordings, type Json, type Recording } from "./material.ts";
import { respelt } from "./spelling.ts";
import { chunkings, played, startStage, type Stage } from "./stage.ts";

const all = recordings();

describeMaterial("a recorded answer in the other dialect", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage(all.map((recording) => recording.provider));
  });
  afterAll(() => stage.close());

  for (const [number, recording] of all.entries()) {
    const other = recording.api === "chat" ? "messages" : "chat";
    if (isAnswer(recording)) {
      for (const way of waysOf(recording)) {
        test(`${recording.id} is understood by the ${other} client, ${way}`, () =>
          isUnderstood(stage, recording, way, number));
      }
    } else if (recording.status !== 200) {
      test(`${recording.id} is the ${other} client's own error`, () => isRefused(stage, recording));
    }
  }
});

function waysOf({ kind }: Recording): readonly Way[] {
  return kind === "sse" ? ["events", "helper"] : ["whole"];
}

/** What was answered, and how it ended, is known: recorders that parsed a stream kept it as something else. */
function isAnswer({ status, canonical, kind, request }: Recording): boolean {
  const isParsedStream = request.body["stream"] === true && kind !== "sse";
  return status === 200 && canonical.error === null && !isParsedStream;
}

/** @param number Streams come to the client's helper in one of their other spellings, in turn. */
async function isUnderstood(stage: Stage, recording: Recording, way: Way, number: number): Promise<void> {
  const { api, provider, kind, response, request } = recording;
  const other: Api = api === "chat" ? "messages" : "chat";
  const expected = readAnswer(api, kind === "sse", response.bytes);
  const { random = [] } = chunkings(way === "helper" ? respelt(response.bytes, number).bytes : response.bytes);
  const type = kind === "sse" ? "text/event-stream" : "application/json";
  stage.upstream.answer(played({ status: 200, headers: { "content-type": type, ...response.headers } }, random));
  const before = stage.upstream.requests.length;
  const heard = await ask(other, stage.gateway(provider).url, way, {
    model: `${provider}/${String(request.body["model"])}`,
    tools: [...new Set(expected.tools.map((tool) => tool.name))],
  });
  expect(stage.upstream.requests.length - before).toBe(1);
  expect(object(JSON.parse(String(stage.upstream.requests.at(-1)?.body)))["stream"] === true).toBe(kind === "sse");
  says(heard, expected, other, way);
}

function says({ answer, bytes }: Heard, expected: Answer, client: Api, way: Way): void {
  expect(answer.text).toBe(said(expected, client));
  // The chat helper knows no reasoning: of what it does not know it keeps the last piece.
  if (client === "messages" || way !== "helper") expect(answer.reasoning).toBe(expected.reasoning);
  expect(answer.tools.map((tool) => tool.name)).toEqual(expected.tools.map((tool) => tool.name));
  for (const [at, tool] of expected.tools.entries()) sameArguments(answer.tools[at]?.arguments ?? "", tool, way);
  const ids = answer.tools.map((tool) => tool.id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
  expect(answer.finish).toBe(endingFor(expected));
  const asksForUsage = client === "messages" || way !== "events";
  if (!asksForUsage) expect(answer.usage).toBeUndefined();
  else if (expected.usage !== undefined) expect(counts(answer.usage)).toEqual(counts(expected.usage));
  if (way === "whole") isWhole(JSON.parse(bytes.toString("utf8")) as Json, client);
  else expect(client === "chat" ? chatGrammar(bytes, way === "helper") : messagesGrammar(bytes)).toEqual([]);
}

/** Messages have no place for a refusal but their text. */
function said(expected: Answer, client: Api): string {
  return client === "messages" ? expected.text + expected.refusal : expected.text;
}

/** As values: how they are written is the dialect's. What was cut is no JSON and stays the text that it is. */
function sameArguments(heard: string, { arguments: given }: ToolCall, way: Way): void {
  const value = jsonOf(given);
  if (value !== undefined) expect(jsonOf(heard)).toEqual(value);
  // The helpers make of it what they can.
  else if (way !== "helper") expect(heard).toContain(JSON.stringify(given).slice(1, -1));
}

/** No arguments are the empty object. `undefined` for what is no JSON. */
function jsonOf(given: string): unknown {
  if (given.trim() === "") return {};
  try {
    return JSON.parse(given) ?? {};
  } catch {
    return undefined;
  }
}

/** A call for tools is one, whatever the server called it; a refusal is an ending of its own in Messages. */
function endingFor({ finish, tools, refusal }: Answer): Answer["finish"] {
  if (finish === "stop" && tools.length > 0) return "tool";
  if (finish === "stop" && refusal !== "") return "filter";
  // Chat Completions have no word for a pause.
  return finish === "pause" || finish === "other" ? "stop" : finish;
}

function counts(usage: Counts | undefined) {
  if (usage === undefined) return undefined;
  const { input, cacheRead, cacheWrite, output, compaction } = usage;
  return {
    input: input + compaction.input + compaction.cacheRead,
    // Some servers count more from the cache than the prompt has.
    cacheRead: Math.min(cacheRead ?? 0, input) + compaction.cacheRead,
    cacheWrite,
    output: output + compaction.output,
  };
}

function isWhole(value: Json, client: Api): void {
  if (client === "messages") {
    expect(value).toMatchObject({ type: "message", role: "assistant", id: expect.stringMatching(/^msg_/) });
    return;
  }
  expect(value).toMatchObject({ object: "chat.completion", id: expect.any(String), created: expect.any(Number) });
  expect(value["choices"]).toMatchObject([{ index: 0, message: { role: "assistant" } }]);
}

async function isRefused(stage: Stage, recording: Recording): Promise<void> {
  const { api, provider, status, response, request } = recording;
  const other: Api = api === "chat" ? "messages" : "chat";
  stage.upstream.answer(
    played({ status, headers: { "content-type": "application/json", ...response.headers } }, [response.bytes]),
  );
  const model = `${provider}/${String(request.body["model"])}`;
  const url = stage.gateway(provider).url;
  const way: Way = request.body["stream"] === true ? "events" : "whole";
  const thrown = await ask(other, url, way, { model, tools: [] }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const Expected = other === "chat" ? OpenAIError : AnthropicError;
  if (!(thrown instanceof Expected)) throw thrown ?? new Error("the client did not throw");
  if (status === 401) {
    expect([401, 500, 502, 503]).toContain(thrown.status);
    return;
  }
  if (status < 500) expect(thrown.status).toBe(status);
  else expect(thrown.status).toBeGreaterThanOrEqual(500);
  const body = JSON.parse(response.bytes.toString("utf8")) as Json;
  expect(thrown.message).toContain(String(object(body["error"])["message"] ?? body["message"]));
  const retryAfter = response.headers["retry-after"];
  if (retryAfter !== undefined)
    expect(Number(thrown.headers?.get("retry-after"))).toBeGreaterThanOrEqual(Number(retryAfter));
}
