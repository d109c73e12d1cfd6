import { describe, expect, test } from "vitest";
import type { ChatEvent, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { bodyBytes, entries, present, recording, type RecordEntry } from "./openai-chat-material.ts";
import { chunks, decode, indexed, portable, reading, seals } from "./openai-chat-readings.ts";
import { checkedStream } from "./openai-responses-grammar.ts";
import {
  finalResponse,
  ofResponsesIndex,
  responsesEntries,
  simpleResponse,
  wireSeals,
} from "./openai-responses-readings.ts";

const CHUNKINGS = [Number.POSITIVE_INFINITY, 1, 7];

/** Counts of tokens, and a failure in a stream that began well. */
const isAnswer = ({ id }: RecordEntry) => !/responses_count_tokens|openai-error/.test(id);
/** Several answers in one file, of which only the last was read by those who made the index. */
const isJoined = ({ id }: RecordEntry) => /reasoning-encrypted-content|openai-shell-tool/.test(id);

const answered = responsesEntries().filter((entry) => entry.status === 200);

describe.skipIf(!present)("recorded answers", () => {
  test("there are many of both forms", () => {
    expect(answered.filter((entry) => entry.kind === "sse").length).toBeGreaterThan(50);
    expect(answered.filter((entry) => entry.kind === "json").length).toBeGreaterThan(85);
  });

  test.each(answered.filter(isAnswer))("$id is read as recorded, in any chunks", (entry) => {
    const { body } = recording(entry).response;
    const response = finalResponse(body, entry.kind);
    for (const size of entry.kind === "sse" ? CHUNKINGS : [Number.POSITIVE_INFINITY]) {
      const events = decode(openaiResponses, bodyBytes(body), entry.kind === "sse", size);
      expect(reading(events)).toEqual(simpleResponse(response));
      expect(seals(events).length).toBe(wireSeals(response).length);
      if (entry.kind === "json") expect(seals(events)).toEqual(wireSeals(response));
    }
    if (!isJoined(entry)) expect(indexed(simpleResponse(response))).toEqual(ofResponsesIndex(entry));
  });

  test.each(answered.filter((entry) => !isAnswer(entry)))("$id is an error, not an answer", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(openaiResponses, bodyBytes(body), entry.kind === "sse", Number.POSITIVE_INFINITY);
    expect(events.map((event) => event.type)).toEqual(["error"]);
  });

  test.each(answered.filter((entry) => entry.kind === "sse"))(
    "$id passes the watcher untouched, with its usage, its seals and its end",
    (entry) => {
      const body = bodyBytes(recording(entry).response.body);
      const decoded = decode(openaiResponses, body, true, Number.POSITIVE_INFINITY);
      const told = (event: ChatEvent) => ["start", "usage", "finish", "done", "error"].includes(event.type);
      for (const size of CHUNKINGS) {
        const watcher = openaiResponses.watcher();
        const frames = [...chunks(body, size).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
        expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(body)).toBe(true);
        const seen = frames.flatMap((frame) => frame.events);
        expect(seen.filter(told)).toEqual(decoded.filter(told));
        expect(seals(seen)).toEqual(expect.arrayContaining(seals(decoded)));
        if (isAnswer(entry)) {
          expect(seals(seen)).toEqual(expect.arrayContaining(wireSeals(finalResponse(body.toString(), "sse"))));
        }
        expect(frames.some((frame) => frame.usageOnly)).toBe(false);
        const deltas = frames.filter(({ bytes }) => /^event: .*\.delta\r?$/m.test(Buffer.from(bytes).toString()));
        if (!isJoined(entry)) expect(frames.filter((frame) => frame.isDelta)).toEqual(deltas);
      }
    },
  );

  test.each(answered.filter(isAnswer))("$id says the same to clients of every dialect", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(openaiResponses, bodyBytes(body), entry.kind === "sse", Number.POSITIVE_INFINITY);
    for (const dialect of [openaiResponses, openaiChat, anthropicMessages]) saysTheSame(events, dialect);
  });

  test.each(responsesEntries().filter((entry) => entry.status !== 200))(
    "$id is read as an error with its status and the provider's words",
    (entry) => {
      const { body } = recording(entry).response;
      const error = openaiResponses.readError(entry.status, bodyBytes(body));
      const said = (typeof body === "string" ? JSON.parse(body) : body) as {
        error: { message: string; type: string; code: string; param: string | null };
      };
      expect(error).toMatchObject({ status: entry.status, message: said.error.message, type: said.error.type });
      expect(error.code).toBe(said.error.code);
      expect(error.param).toBe(said.error.param ?? undefined);
    },
  );
});

describe.skipIf(!present)("recorded answers of the other dialects", () => {
  const isWhole = (entry: RecordEntry) => !/dings-8fe0bae4|prompt_content_filtering/.test(entry.id);
  const others = (["openai", "anthropic"] as const).flatMap((provider) =>
    entries(provider)
      .filter((entry) => entry.status === 200 && isWhole(entry))
      .map((entry) => ({ ...entry, dialect: provider === "openai" ? openaiChat : anthropicMessages })),
  );

  test("there are hundreds", () => {
    expect(others.length).toBeGreaterThan(500);
  });

  test.each(others)("$id says the same to a client of this one", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(entry.dialect, bodyBytes(body), entry.kind === "sse", Number.POSITIVE_INFINITY);
    saysTheSame(events, openaiResponses);
  });
});

/** Written for a client of the dialect, whole and streamed, and read again. */
function saysTheSame(events: readonly ChatEvent[], dialect: Dialect): void {
  for (const stream of [true, false]) {
    const losses: Loss[] = [];
    const encoder = dialect.encoder({ stream, model: "m", includeUsage: true, id: "x-1", createdSeconds: 1 }, losses);
    const text = events.map((event) => encoder.push(event)).join("") + encoder.end();
    if (dialect === openaiResponses && stream) checkedStream(text);
    const again = reading(decode(dialect, Buffer.from(text), stream, Number.POSITIVE_INFINITY));
    const takesAnyText = dialect !== anthropicMessages || stream;
    expect(portable(again)).toEqual(portable(reading(events), takesAnyText));
    expect(losses.map((loss) => loss.field).filter((field) => !KNOWN_LOSSES.has(field))).toEqual([]);
  }
}

/** Hosted tools' blocks, arguments that are no object, an answer that was paused. */
const KNOWN_LOSSES: ReadonlySet<string> = new Set(["answer-block", "tool-arguments", "finish_reason"]);
