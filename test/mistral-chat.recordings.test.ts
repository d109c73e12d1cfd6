import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject, Loss } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { mistralChat } from "../src/dialects/mistral-chat.ts";
import { ollamaChat } from "../src/dialects/ollama-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { expectAccepted } from "./mistral-chat-accepted.ts";
import { completion, completionChunk } from "./mistral-chat-schema.ts";
import { checked, checkedWhole, encode, sealsBrought } from "./mistral-chat-wire.ts";
import {
  bodyBytes,
  captured,
  entries,
  material,
  present,
  recording,
  requestsOf,
  type RecordEntry,
} from "./openai-chat-material.ts";
import { chunks, decode, indexed, ofIndex, portable, reading, seals, simpleReading } from "./openai-chat-readings.ts";

const WHOLE = Number.POSITIVE_INFINITY;
const CHUNKINGS = [WHOLE, 1, 7];

const bodyOf = (entry: RecordEntry): unknown => recording(entry).response.body;

describe.skipIf(!present)("recorded answers of Mistral", () => {
  const all = entries("openai").filter((entry) => entry.provider === "mistral");
  const answered = all.filter((entry) => entry.status === 200);

  test("are there", () => expect(answered.length).toBeGreaterThan(60));

  test.each(answered)("$id is read as recorded, in any chunks", (entry) => {
    const body = bodyOf(entry);
    const expected = simpleReading(body, entry.kind);
    for (const size of entry.kind === "sse" ? CHUNKINGS : [WHOLE]) {
      expect(reading(decode(mistralChat, bodyBytes(body), entry.kind === "sse", size))).toEqual(expected);
    }
    expect(indexed(expected)).toEqual(ofIndex(entry));
  });

  test.each(answered)("$id fits the client's schemas as we know them", (entry) => {
    const body = bodyOf(entry);
    if (entry.kind !== "sse") completion.parse(typeof body === "string" ? JSON.parse(body) : body);
    else for (const data of dataOf(String(body))) completionChunk.parse(JSON.parse(data));
  });

  test.each(answered.filter((entry) => entry.kind === "sse"))("$id passes the watcher untouched", (entry) => {
    const body = bodyBytes(bodyOf(entry));
    const told = (event: ChatEvent) => ["start", "usage", "finish", "done", "error"].includes(event.type);
    const decoded = decode(mistralChat, body, true, WHOLE).filter(told);
    for (const size of CHUNKINGS) {
      const watcher = mistralChat.watcher();
      const frames = [...chunks(body, size).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
      expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(body)).toBe(true);
      expect(frames.flatMap((frame) => [...frame.events]).filter(told)).toEqual(decoded);
      expect(frames.some((frame) => frame.usageOnly)).toBe(false);
    }
  });

  test.each(all.filter((entry) => entry.status !== 200))("$id is read as the error it is", (entry) => {
    const body = bodyOf(entry) as JsonObject;
    const { message, type, code } = body;
    expect(mistralChat.readError(entry.status, bodyBytes(body))).toEqual({ status: entry.status, message, type, code });
  });
});

const SOURCES: readonly (readonly [string, Dialect, readonly RecordEntry[]])[] = [
  ["Chat Completions", openaiChat, entries("openai")],
  ["Anthropic's Messages", anthropicMessages, entries("anthropic")],
  ["Ollama", ollamaChat, entriesOf("ollama.chat")],
];

describe.skipIf(!present).each(SOURCES)("recorded answers of %s", (_name, dialect, recorded) => {
  const answered = recorded.filter((entry) => entry.status === 200);

  test.each(answered)("$id says the same to Mistral's client, whole and streamed", (entry) => {
    const events = decode(dialect, bodyBytes(bodyOf(entry)), entry.kind !== "json", WHOLE);
    if (events.some((event) => event.type === "error")) return;
    for (const stream of [true, false]) {
      const text = encode(events, { stream });
      if (stream) checked(text);
      else checkedWhole(text);
      const again = decode(mistralChat, Buffer.from(text), stream, WHOLE);
      expect(portable(reading(again))).toEqual(portable(reading(events)));
      expect(reading(again).reasoning).toBe(reading(events).reasoning);
      expect(seals(again)).toHaveLength(sealsBrought(events).length);
      // Who did not ask for thoughts gets text, but for seals that calls may have to bring back.
      const plain = decode(mistralChat, Buffer.from(encode(events, { stream, wantsReasoning: false })), stream, WHOLE);
      expect(portable(reading(plain))).toEqual(portable(reading(events)));
    }
  });
});

describe.skipIf(!present)("recorded and captured requests", () => {
  const requests = entries("openai").flatMap((entry) => {
    const body = recording(entry).request?.body;
    return entry.status === 200 && isRequest(body) ? [{ id: entry.id, provider: entry.provider, body }] : [];
  });

  test("Mistral's own are read, and written again with nothing lost and nothing added", () => {
    const own = requests.filter((request) => request.provider === "mistral");
    expect(own.length).toBeGreaterThan(50);
    for (const { id, body } of own) {
      const read = mistralChat.readRequest(body);
      const losses: Loss[] = [];
      const written = mistralChat.writeRequest(read, { model: read.model, record: undefined }, losses);
      expect(
        losses.filter((loss) => !loss.field.startsWith("orphan")),
        id,
      ).toEqual([]);
      expect(mistralChat.readRequest(written), id).toEqual(withNineCharacterIds(read));
    }
  });

  test("those of other servers, and of agents, are written as the API takes them", () => {
    let written = 0;
    const readings = [
      ...requests.map(({ id, body }) => ({ id, read: () => openaiChat.readRequest(body) })),
      ...captured().flatMap(({ path, body }) => {
        if (!isRequest(body) || !/\/v1\/messages(\?|$)/.test(path)) return [];
        return [{ id: path, read: () => anthropicMessages.readRequest(body) }];
      }),
    ];
    for (const { id, read } of readings) {
      const request = read();
      const isBound =
        (request.tools.length > 0 && request.tools.every((tool) => tool.type === "opaque")) ||
        request.extra["thread"] !== undefined;
      const out = attempt(() => mistralChat.writeRequest(request, { model: "m", record: undefined }, []));
      if (out === undefined) continue;
      expect(isBound && request.extra["thread"] === undefined, id).toBe(false);
      expectAccepted(out, id);
      written += 1;
    }
    expect(written).toBeGreaterThan(350);
  });

  test("what a conversation was written as stays the beginning of what its next turn is written as", () => {
    let compared = 0;
    for (const file of ["claude-code--tools-loop.json", "claude-code--continue.json", "claude-code--toolsearch.json"]) {
      const bodies = requestsOf(file).filter(({ path }) => /\/v1\/messages(\?|$)/.test(path));
      const writes = bodies.map(({ body }) =>
        mistralChat.writeRequest(
          anthropicMessages.readRequest(body as JsonObject),
          { model: "m", record: undefined },
          [],
        ),
      );
      for (const [at, next] of writes.entries()) {
        const [shorter, longer] = [writes[at - 1]?.["messages"] ?? [], next["messages"]] as [unknown[], unknown[]];
        if (shorter.length === 0 || shorter.length >= longer.length) continue;
        if (JSON.stringify(shorter[0]) !== JSON.stringify(longer[0])) continue;
        expect(longer.slice(0, shorter.length), file).toEqual(shorter);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(3);
  });

  test("those of the official client are read, and nothing in them is unknown", () => {
    const chat = requestsOf("sdk--mistral.json").filter(({ path }) => path.endsWith("/chat/completions"));
    expect(chat).toHaveLength(2);
    for (const { body } of chat) expect(mistralChat.readRequest(body as JsonObject)).toMatchObject({ extra: {} });
  });
});

function entriesOf(api: string): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) => entry.api === api);
}

function isRequest(body: unknown): body is JsonObject {
  return (
    typeof body === "object" && body !== null && "messages" in body && "model" in body && typeof body.model === "string"
  );
}

/** `undefined` for what cannot be said: a file or hosted tools that are somebody else's. */
function attempt(write: () => JsonObject): JsonObject | undefined {
  try {
    return write();
  } catch (error) {
    expect(error).toMatchObject({ kind: "unsupported" });
    return undefined;
  }
}

/** What a reading is once its ids have gone through the only form there is. */
function withNineCharacterIds(value: unknown): unknown {
  const nine = expect.stringMatching(/^[a-zA-Z0-9]{9}$/);
  return JSON.parse(JSON.stringify(value), (key, held: unknown) =>
    key === "callId" || (key === "id" && typeof held === "string" && /_/.test(held)) ? nine : held,
  );
}

function dataOf(text: string): string[] {
  return text.split("\n\n").flatMap((frame) => (frame.startsWith("data: {") ? [frame.slice("data: ".length)] : []));
}
