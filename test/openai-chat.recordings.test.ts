import { describe, expect, test } from "vitest";
import type { ChatEvent, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { bodyBytes, entries, present, recording, type RecordEntry } from "./openai-chat-material.ts";
import {
  chunks,
  decode,
  indexed,
  ofIndex,
  portable,
  reading,
  seals,
  simpleReading,
  usageOnlyFrames,
} from "./openai-chat-readings.ts";

/** Answers that are none: chunks as an SDK's classes wrote them, and an error under status 200. */
const NOT_ANSWERS: ReadonlySet<string> = new Set([
  "ollama.chat.json.dings-8fe0bae4f48fd0cb44bed2f2994798c0ba3c2772c73c398802b919bbf60d2848.0",
  "azure-openai.chat.json.test_azure-test_prompt_content_filtering.0",
]);

const CHUNKINGS = [Number.POSITIVE_INFINITY, 1, 7];

describe.skipIf(!present)("recorded answers", () => {
  const answered = entries("openai").filter((entry) => entry.status === 200);
  const isAnswer = (entry: RecordEntry) => !NOT_ANSWERS.has(entry.id);

  test("there are answers of every provider", () => {
    expect(new Set(answered.map((entry) => entry.provider)).size).toBeGreaterThan(10);
    expect(answered.length).toBeGreaterThan(400);
  });

  test.each(answered.filter(isAnswer))("$id is read as recorded, in any chunks", (entry) => {
    const { body } = recording(entry).response;
    const expected = simpleReading(body, entry.kind);
    for (const size of entry.kind === "sse" ? CHUNKINGS : [Number.POSITIVE_INFINITY]) {
      expect(reading(decode(openaiChat, bodyBytes(body), entry.kind === "sse", size))).toEqual(expected);
    }
    expect(indexed(expected)).toEqual(ofIndex(entry));
  });

  test.each(answered.filter((entry) => !isAnswer(entry)))("$id is an error, not an answer", (entry) => {
    const events = decode(openaiChat, bodyBytes(recording(entry).response.body), false, Number.POSITIVE_INFINITY);
    expect(events.map((event) => event.type)).toEqual(["error"]);
  });

  test.each(answered.filter((entry) => entry.kind === "sse"))(
    "$id passes the watcher untouched, with its usage and its end",
    (entry) => {
      const body = bodyBytes(recording(entry).response.body);
      const decoded = decode(openaiChat, body, true, Number.POSITIVE_INFINITY);
      const told = (event: ChatEvent) => ["start", "usage", "finish", "done", "error"].includes(event.type);
      for (const size of CHUNKINGS) {
        const watcher = openaiChat.watcher();
        const frames = [...chunks(body, size).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
        expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(body)).toBe(true);
        const seen = frames.flatMap((frame) => frame.events);
        expect(seen.filter(told)).toEqual(decoded.filter(told));
        expect(seals(seen)).toEqual(seals(decoded));
        const hidden = frames.filter((frame) => frame.usageOnly).map((frame) => Buffer.from(frame.bytes).toString());
        expect(hidden).toEqual(usageOnlyFrames(body.toString()));
        const said = decoded.some((event) => event.type.endsWith("-delta") || event.type === "tool-call-start");
        expect(frames.some((frame) => frame.isDelta)).toBe(said);
      }
    },
  );

  test.each(answered.filter(isAnswer))(
    "$id is the same answer after it was written for a client and read again",
    (entry) => {
      const { body } = recording(entry).response;
      const events = decode(openaiChat, bodyBytes(body), entry.kind === "sse", Number.POSITIVE_INFINITY);
      for (const stream of [true, false]) {
        for (const dialect of [openaiChat, anthropicMessages]) {
          const losses: Loss[] = [];
          const encoder = dialect.encoder(
            { stream, model: "m", includeUsage: true, id: "x-1", createdSeconds: 1 },
            losses,
          );
          const text = events.map((event) => encoder.push(event)).join("") + encoder.end();
          const again = reading(decode(dialect, Buffer.from(text), stream, Number.POSITIVE_INFINITY));
          const takesAnyText = dialect === openaiChat || stream;
          expect(portable(again)).toEqual(portable(reading(events), takesAnyText));
        }
      }
    },
  );

  test.each(entries("openai").filter((entry) => entry.status !== 200))(
    "$id is read as an error with its status and the provider's words",
    (entry) => {
      const { body } = recording(entry).response;
      const error = openaiChat.readError(entry.status, bodyBytes(body));
      const answer = (typeof body === "string" ? JSON.parse(body) : body) as {
        error?: { message: string; type?: string };
        message?: string;
        type?: string;
      };
      const said = answer.error ?? answer;
      expect(error.status).toBe(entry.status);
      expect(error.message).toBe(said.message);
      expect(error.type).toBe(said.type ?? undefined);
    },
  );
});

describe.skipIf(!present)("recorded answers of the other dialect", () => {
  const answered = entries("anthropic").filter((entry) => entry.status === 200);
  test.each(answered)("$id says the same to a client of this one", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(anthropicMessages, bodyBytes(body), entry.kind === "sse", Number.POSITIVE_INFINITY);
    for (const stream of [true, false]) {
      const encoder = openaiChat.encoder({ stream, model: "m", includeUsage: true, id: "x-1", createdSeconds: 1 }, []);
      const text = events.map((event) => encoder.push(event)).join("") + encoder.end();
      const again = decode(openaiChat, Buffer.from(text), stream, Number.POSITIVE_INFINITY);
      expect(portable(reading(again))).toEqual(portable(reading(events)));
      expect(seals(again)).toEqual(seals(events));
    }
  });
});
