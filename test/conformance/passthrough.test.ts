/**
 * Recorded answers to clients of the same dialect: what the client sent arrives, what the provider sent arrives, and the ledger
 * has what it cost.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { object, readAnswer, sseEvents, type Counts } from "./answer.ts";
import { describeMaterial, recordings, type Json, type Recording } from "./material.ts";
import { changesOf } from "./quirks.ts";
import { respelt } from "./spelling.ts";
import { chunkings, CLIENT_KEY, keyOf, played, startStage, type Sent, type Stage } from "./stage.ts";

const all = recordings().filter((recording) => !isThoughtInChunks(recording));

describeMaterial("a recorded answer in the client's own dialect", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage(all.map((recording) => recording.provider));
  });
  afterAll(() => stage.close());

  for (const [number, recording] of all.entries()) {
    if (isAnswer(recording)) {
      test(`${recording.id} passes as it is`, () => passes(stage, recording));
      if (recording.kind === "sse") {
        const { name, bytes } = respelt(recording.response.bytes, number);
        const response = { ...recording.response, bytes };
        test(`${recording.id} passes as it is, with ${name}`, () => passes(stage, { ...recording, response }));
      }
      if (asksForUsage(recording)) {
        test(`${recording.id} hides its usage from a client that did not ask`, () => hides(stage, recording));
      }
    } else {
      test(`${recording.id} stays the error that it is`, () => fails(stage, recording));
    }
  }
});

/** What Mistral thought is no text of Chat Completions, whose clients get it written anew; `mistral.test.ts` has it for its own. */
function isThoughtInChunks({ provider, status, request }: Recording): boolean {
  return provider === "mistral" && status === 200 && (request.body["reasoning_effort"] ?? "none") !== "none";
}

/** 200s that hold an error, or chunks that a recorder parsed, are none. */
function isAnswer({ status, canonical, kind, request }: Recording): boolean {
  const isParsedStream = request.body["stream"] === true && kind !== "sse";
  return status === 200 && canonical.error === null && !isParsedStream;
}

async function passes(stage: Stage, recording: Recording): Promise<void> {
  const { provider, kind, response } = recording;
  for (const [chunking, pieces] of Object.entries(chunkings(response.bytes))) {
    if (kind !== "sse" && chunking !== "whole" && response.bytes.length > 4_096) continue;
    stage.upstream.answer(played({ status: recording.status, headers: headersOf(recording) }, pieces));
    const before = stage.upstream.requests.length;
    const sent = await send(stage, recording);
    expect(sent.status, chunking).toBe(200);
    expect(sent.bytes.toString("utf8"), chunking).toBe(response.bytes.toString("utf8"));
    expect(sent.headers["content-type"]?.split(";")[0], chunking).toBe(
      kind === "sse" ? "text/event-stream" : "application/json",
    );
    expect(stage.upstream.requests.length - before, "upstream requests").toBe(1);
    arrives(stage, recording);
    const [row, ...more] = await stage.gateway(provider).attempts(String(sent.headers["x-sluice-exchange"]));
    expect(more).toEqual([]);
    isBooked(row, recording);
  }
}

function asksForUsage({ kind, request, hasRequest }: Recording): boolean {
  return kind === "sse" && hasRequest && object(request.body["stream_options"])["include_usage"] === true;
}

/** The gateway asks in its place, for the ledger: the chunk that says nothing else is for nobody else. */
async function hides(stage: Stage, recording: Recording): Promise<void> {
  const { stream_options: _asked, ...body } = recording.request.body;
  const { random = [] } = chunkings(recording.response.bytes);
  stage.upstream.answer(played({ status: 200, headers: headersOf(recording) }, random));
  const sent = await send(stage, { ...recording, request: { ...recording.request, body } });
  const frames = recording.response.bytes.toString("utf8").split(/(?<=\r?\n\r?\n)/);
  expect(sent.bytes.toString("utf8")).toBe(frames.filter((frame) => !isUsageOnly(frame)).join(""));
  const arrived = JSON.parse(String(stage.upstream.requests.at(-1)?.body)) as Json;
  expect(arrived["stream_options"]).toEqual({ include_usage: true });
  const [row] = await stage.gateway(recording.provider).attempts(String(sent.headers["x-sluice-exchange"]));
  isBooked(row, recording);
}

function isUsageOnly(frame: string): boolean {
  const [first] = sseEvents(Buffer.from(frame));
  if (first === undefined || first.data === "[DONE]") return false;
  const { choices, usage } = JSON.parse(first.data) as Json;
  return Array.isArray(choices) && choices.length === 0 && Object.keys(object(usage)).length > 0;
}

async function fails(stage: Stage, recording: Recording): Promise<void> {
  const { api, provider, response, status } = recording;
  stage.upstream.answer(played({ status, headers: headersOf(recording) }, [response.bytes]));
  const before = stage.upstream.requests.length;
  const sent = await send(stage, recording);
  const said = JSON.parse(sent.bytes.toString("utf8")) as Json;
  expect(typeof (object(said["error"])["message"] ?? said["message"])).toBe("string");
  const tries = stage.upstream.requests.length - before;
  arrives(stage, recording);
  expect(sent.bytes.includes(keyOf(provider))).toBe(false);
  if (status === 200) {
    expect(sent.status).toBeGreaterThanOrEqual(400);
    return;
  }
  if (status === 401) {
    // About the gateway's credential, not the client's.
    expect([401, 500, 502, 503]).toContain(sent.status);
    expect(tries).toBeLessThanOrEqual(2);
    return;
  }
  if (status < 500) expect(sent.status).toBe(status);
  else expect(sent.status).toBeGreaterThanOrEqual(500);
  const told = JSON.parse(response.bytes.toString("utf8")) as Json;
  // What lacks the member that clients of Chat Completions look for is said to them again, in the same words.
  if (api === "messages" || typeof object(told["error"])["message"] === "string") {
    expect(sent.bytes.equals(response.bytes)).toBe(true);
  } else {
    expect(object(said["error"])["message"]).toEqual(told["message"] ?? expect.any(String));
  }
  if (status < 500 && status !== 429) expect(tries).toBe(1);
  else expect(tries).toBeLessThanOrEqual(3);
  const retryAfter = response.headers["retry-after"];
  if (retryAfter !== undefined) expect(Number(sent.headers["retry-after"])).toBeGreaterThanOrEqual(Number(retryAfter));
  const rows = await stage.gateway(provider).attempts(String(sent.headers["x-sluice-exchange"]));
  expect(rows.map((row) => row.outcome)).toEqual(Array.from({ length: tries }, () => "failed"));
}

function send(stage: Stage, { provider, api, request }: Recording): Promise<Sent> {
  const model = `${provider}/${String(request.body["model"])}`;
  return stage.send(provider, { api, headers: request.headers, body: written({ ...request.body, model }) });
}

/** Not as `JSON.stringify` writes by itself: bytes that are made anew do not look like it. */
function written(body: Json): string {
  return JSON.stringify(body, null, 1);
}

/** What the provider got of the request. */
function arrives(stage: Stage, recording: Recording): void {
  const { provider, api, request } = recording;
  const arrived = stage.upstream.requests.at(-1);
  if (arrived === undefined) throw new Error("nothing arrived");
  expect(arrived.path.split("?")[0]).toBe(
    `/${provider}${api === "messages" ? "/v1/messages" : "/v1/chat/completions"}`,
  );
  const text = arrived.body.toString("utf8");
  const body = JSON.parse(text) as Json;
  const { quirks, unasked } = changesOf(provider, request.body, body);
  expect(unasked).toEqual([]);
  if (text !== written(request.body)) expect(body).not.toEqual(request.body);
  // What the provider took as it was needs no help; recorders made some ids unlike what it gave.
  const helped = quirks.filter(({ before }) => !/REDACTED/.test(String(before)));
  if (recording.status === 200 && recording.hasRequest) expect(helped).toEqual([]);
  expect(body["stream"] === true).toBe(request.body["stream"] === true);
  const headers = JSON.stringify(arrived.headers);
  expect(headers + text).not.toContain(CLIENT_KEY);
  expect(headers).toContain(keyOf(provider));
  expect(arrived.headers["anthropic-beta"]).toBe(api === "messages" ? request.headers["anthropic-beta"] : undefined);
  const version = request.headers["anthropic-version"];
  if (api === "messages" && version !== undefined) expect(arrived.headers["anthropic-version"]).toBe(version);
}

const ABSENT_IS_NONE: ReadonlySet<string> = new Set(["openai", "anthropic", "mistral"]);

/** The ledger's row against the usage that was recorded, by the providers' own definitions. */
function isBooked(row: AttemptRow | undefined, { api, kind, provider, response }: Recording): void {
  const { usage } = readAnswer(api, kind === "sse", response.bytes);
  expect(row).toMatchObject({ outcome: "complete", status: 200, lane: "same", provider });
  if (usage === undefined) {
    expect(row?.usage_basis).not.toBe("reported");
    return;
  }
  expect(row?.usage_basis).toBe("reported");
  expect(bookedCounts(row)).toEqual(recordedCounts(usage, ABSENT_IS_NONE.has(provider)));
}

function bookedCounts(row: AttemptRow | undefined) {
  const usage = row?.usage;
  const write = (usage?.cache_write_5m ?? 0) + (usage?.cache_write_1h ?? 0) + (usage?.cache_write_other ?? 0);
  return {
    uncached: usage?.input_uncached,
    read: usage?.cache_read,
    write,
    write1h: usage?.cache_write_1h ?? 0,
    output: usage?.output,
    reasoning: usage?.reasoning ?? 0,
  };
}

function recordedCounts(usage: Counts, absentIsNone: boolean) {
  const { compaction } = usage;
  // Some servers count more from the cache than the prompt has.
  const read = Math.min(usage.cacheRead ?? 0, usage.input);
  return {
    uncached: usage.input - read - usage.cacheWrite + compaction.input,
    read: usage.cacheRead === undefined && !absentIsNone ? null : read + compaction.cacheRead,
    write: usage.cacheWrite,
    write1h: usage.cacheWrite1h,
    output: usage.output + compaction.output,
    reasoning: usage.reasoning,
  };
}

/** The headers that were kept, without those that describe how the bytes came. */
function headersOf({ kind, response }: Recording): Record<string, string> {
  const type = kind === "sse" ? "text/event-stream; charset=utf-8" : "application/json";
  return { "content-type": type, ...response.headers };
}
