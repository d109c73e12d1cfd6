/**
 * Recorded answers and captured requests, read where they lie beside the checkout; skipped, and said so, where they do not.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatEvent, ChatRequest, JsonObject, Loss, Part } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { checked, OPTIONS } from "./ollama-chat-wire.ts";
import {
  bodyBytes,
  captured,
  entries,
  material,
  present,
  recording,
  type RecordEntry,
} from "./openai-chat-material.ts";
import { chunks, decode, indexed, ofIndex, portable, reading } from "./openai-chat-readings.ts";

const CHUNKINGS = [Number.POSITIVE_INFINITY, 1, 7];

function ownEntries(): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) => entry.api === "ollama.chat" || entry.api === "ollama.generate");
}

function dialectOf(entry: RecordEntry): Dialect {
  return entry.api === "ollama.chat" ? ollamaChat : ollamaGenerate;
}

// ---- An independent reading: as naive as a client's.

interface Wire {
  message?: WireMessage;
  response?: string;
  thinking?: string;
  done_reason?: string;
  prompt_eval_count?: number;
  eval_count?: number;
}
interface WireMessage {
  content: string;
  thinking?: string;
  tool_calls?: { id?: string; function: { name: string; arguments: unknown } }[];
}

function simpleReading(body: unknown, kind: string): ReturnType<typeof reading> {
  const wires =
    kind === "ndjson"
      ? String(body)
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as Wire)
      : [(typeof body === "string" ? JSON.parse(body) : body) as Wire];
  const said = wires.map((wire) => wire.message ?? { content: wire.response ?? "", thinking: wire.thinking ?? "" });
  const calls = said.flatMap((message) => ("tool_calls" in message ? (message.tool_calls ?? []) : []));
  const last = wires.at(-1);
  return {
    text: said.map((message) => message.content).join(""),
    refusal: "",
    reasoning: said.map((message) => message.thinking ?? "").join(""),
    calls: calls.map((call) => ({
      id: call.id ?? (expect.any(String) as string),
      name: call.function.name,
      arguments: JSON.stringify(call.function.arguments),
    })),
    finish: calls.length > 0 && last?.done_reason === "stop" ? "tool" : last?.done_reason,
    input: last?.prompt_eval_count ?? 0,
    cacheRead: undefined,
    cacheWrite: undefined,
    output: last?.eval_count,
    reasoningTokens: undefined,
  };
}

describe.skipIf(!present)("recorded answers", () => {
  test("there are some of both ends, whole and streamed", () => {
    const kinds = new Set(ownEntries().map((entry) => `${entry.api} ${entry.kind}`));
    expect(kinds.size).toBe(4);
  });

  test.each(ownEntries())("$id is read as recorded, in any chunks", (entry) => {
    const { body } = recording(entry).response;
    const expected = simpleReading(body, entry.kind);
    for (const size of CHUNKINGS) {
      expect(reading(decode(dialectOf(entry), bodyBytes(body), entry.kind === "ndjson", size))).toEqual(expected);
    }
    expect(indexed(expected)).toEqual(ofIndex(entry));
  });

  test.each(ownEntries().filter((entry) => entry.kind === "ndjson"))(
    "$id passes the watcher untouched, with its usage and its end",
    (entry) => {
      const body = bodyBytes(recording(entry).response.body);
      const decoded = decode(dialectOf(entry), body, true, Number.POSITIVE_INFINITY);
      const told = (event: ChatEvent) => ["start", "usage", "finish", "done", "error"].includes(event.type);
      for (const size of CHUNKINGS) {
        const watcher = dialectOf(entry).watcher();
        const frames = [...chunks(body, size).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
        expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(body)).toBe(true);
        expect(frames.flatMap((frame) => frame.events)).toEqual(decoded.filter(told));
        expect(frames.filter((frame) => frame.isDelta).length).toBe(body.toString().trimEnd().split("\n").length - 1);
      }
    },
  );

  test.each(ownEntries())("$id is the same answer after it was written for a client and read again", (entry) => {
    const { body } = recording(entry).response;
    const events = decode(dialectOf(entry), bodyBytes(body), entry.kind === "ndjson", Number.POSITIVE_INFINITY);
    for (const stream of [true, false]) {
      for (const dialect of [ollamaChat, ollamaGenerate, openaiChat, anthropicMessages]) {
        const encoder = dialect.encoder({ ...OPTIONS, stream }, []);
        const text = events.map((event) => encoder.push(event)).join("") + encoder.end();
        const again = reading(decode(dialect, Buffer.from(text), stream, Number.POSITIVE_INFINITY));
        expect(portable(again)).toEqual(portable(reading(events)));
        if (dialect !== anthropicMessages) expect(again.reasoning).toBe(reading(events).reasoning);
      }
    }
  });
});

const OTHERS = present
  ? [
      ...entries("openai").map((entry) => ({ entry, dialect: openaiChat })),
      ...entries("anthropic").map((entry) => ({ entry, dialect: anthropicMessages })),
    ].filter(({ entry }) => entry.status === 200)
  : [];

describe.skipIf(!present)("recorded answers of the other dialects", () => {
  test("say the same to a client of this one, whole and line by line", () => {
    let said = 0;
    for (const { entry, dialect } of OTHERS) {
      const body = bodyBytes(recording(entry).response.body);
      const events = decode(dialect, body, entry.kind === "sse", Number.POSITIVE_INFINITY);
      // Recordings of failures under status 200.
      if (events.some((event) => event.type === "error")) continue;
      for (const stream of [true, false]) {
        const encoder = ollamaChat.encoder({ ...OPTIONS, stream }, []);
        const text = events.map((event) => encoder.push(event)).join("") + encoder.end();
        checked(stream ? text : `${text}\n`);
        const again = reading(decode(ollamaChat, Buffer.from(text), stream, Number.POSITIVE_INFINITY));
        // There is no word for what was filtered: to this client it stopped.
        expect(portable(again, false), entry.id).toEqual(portable(reading(events), false));
      }
      said += 1;
    }
    expect(said).toBeGreaterThan(500);
  });
});

describe.skipIf(!present)("recorded and captured requests", () => {
  const bodies = (): { readonly body: JsonObject; readonly dialect: Dialect; readonly where: string }[] => [
    ...ownEntries().map((entry) => ({
      body: recording(entry).request?.body as JsonObject,
      dialect: dialectOf(entry),
      where: entry.id,
    })),
    ...captured()
      .filter(({ path }) => /^\/api\/(chat|generate)$/.test(path))
      .map(({ path, body }) => ({
        body: body as JsonObject,
        dialect: path === "/api/chat" ? ollamaChat : ollamaGenerate,
        where: path,
      })),
  ];

  test("of this dialect are read, with the stream that they ask for, and written back with all that they say", () => {
    for (const { body, dialect, where } of bodies()) {
      const request = dialect.readRequest(body);
      expect(request.model, where).toBe(body["model"]);
      expect(request.stream, where).toBe(body["stream"] ?? true);
      const losses: Loss[] = [];
      const written = dialect.writeRequest(request, { model: request.model, record: undefined }, losses);
      expect(losses, where).toEqual([]);
      // Ids that were made for calls are said from then on.
      expect(dialect.readRequest(written), where).toMatchObject(request);
      expect(JSON.stringify(dialect.writeRequest(request, { model: request.model, record: undefined }, []))).toBe(
        JSON.stringify(written),
      );
    }
    expect(bodies().length).toBeGreaterThan(17);
  });

  test("of this dialect are written to the others, and come back with every text, call and result in them", () => {
    for (const { body, dialect, where } of bodies()) {
      const request = dialect.readRequest(body);
      for (const other of [openaiChat, anthropicMessages, ollamaChat]) {
        const written = other.writeRequest(request, { model: "m", record: undefined }, []);
        expect(contents(other.readRequest(written)), `${where} as ${other.name}`).toEqual(
          expect.arrayContaining(contents(request)),
        );
      }
    }
  });

  test("of the other dialects are written to this one, with every text, call and result in them", () => {
    let written = 0;
    for (const { path, body } of captured()) {
      const dialect = /\/v1\/messages(\?|$)/.test(path)
        ? anthropicMessages
        : /\/chat\/completions(\?|$)/.test(path)
          ? openaiChat
          : undefined;
      if (dialect === undefined || typeof body !== "object" || body === null) continue;
      const request = dialect.readRequest(body as JsonObject);
      // With nothing but hosted tools, or with the messages before kept at the provider, it can be answered there only.
      if (request.tools.length > 0 && request.tools.every((tool) => tool.type === "opaque")) continue;
      if (request.extra["thread"] !== undefined) continue;
      const losses: Loss[] = [];
      const out = ollamaChat.writeRequest(request, { model: "m", record: undefined }, losses);
      const again = ollamaChat.readRequest(out);
      const joined = (texts: readonly string[]) => texts.join("\n\n");
      expect(joined(contents(again)), path).toBe(joined(contents(request)));
      expect(again.tools.length).toBe(request.tools.filter((tool) => tool.type === "function").length);
      const unexpected = losses.map((loss) => loss.field).filter((field) => !EXPECTED_LOSSES.has(field));
      expect(unexpected, path).toEqual([]);
      written += 1;
    }
    expect(written).toBeGreaterThan(25);
  });

  test("of a conversation are written so that each stays the beginning of the next", () => {
    let compared = 0;
    for (const file of [
      "claude-code--tools-loop.json",
      "claude-code--continue.json",
      "opencode--chat-tools-loop.json",
    ]) {
      const requests = (
        JSON.parse(readFileSync(join(material, "captures", file), "utf8")) as {
          requests: { path: string; body: JsonObject }[];
        }
      ).requests.filter(({ path }) => /messages|completions/.test(path));
      const writes = requests.map(({ path, body }) => {
        const dialect = path.includes("completions") ? openaiChat : anthropicMessages;
        return ollamaChat.writeRequest(dialect.readRequest(body), { model: "m", record: undefined }, []);
      });
      for (const [at, later] of writes.entries()) {
        const earlier = writes[at - 1];
        if (earlier === undefined) continue;
        const before = JSON.stringify(earlier["messages"]).slice(0, -1);
        if (!JSON.stringify(later["messages"]).startsWith(before.slice(0, 200))) continue;
        expect(JSON.stringify(later["messages"]).startsWith(before), `${file} ${at}`).toBe(true);
        expect(JSON.stringify(later["tools"])).toBe(JSON.stringify(earlier["tools"]));
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(4);
  });
});

const EXPECTED_LOSSES: ReadonlySet<string> = new Set([
  "user",
  "output_config",
  "context_management",
  "eager_input_streaming",
  "reasoning_effort",
  "budget_tokens",
  "hosted-tool",
  "unknown-block",
  "tool_choice",
  "strict",
  "is_error",
  "metadata",
  "verbosity",
  "service_tier",
  "parallel_tool_calls",
]);

/** What a request says, in its order: texts, calls and what they gave. */
function contents(request: ChatRequest): string[] {
  const said = (part: Part): string[] => {
    switch (part.type) {
      case "text":
        return [part.text];
      case "tool-call":
        return [`${part.name} ${JSON.stringify(JSON.parse(part.arguments === "" ? "{}" : part.arguments))}`];
      case "tool-result":
        return part.content.flatMap(said);
      default:
        return [];
    }
  };
  return request.messages.flatMap((message) => message.parts.flatMap(said));
}
