/**
 * Recorded answers and captured requests, read where they lie beside the checkout; skipped, and said so, where they do not.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, JsonObject } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { laterUsage, promptTokens, UNKNOWN_USAGE, type Usage } from "../src/usage.ts";

const material = join(import.meta.dirname, "../../shared/conformance");
const present = existsSync(join(material, "recordings/index.json"));
if (!present) console.warn("anthropic-messages: recordings skipped, ../shared/conformance is not beside this checkout");

interface Canonical {
  readonly text_chars: number;
  readonly reasoning_chars: number;
  readonly tools: readonly string[];
  readonly finish: string | null;
  readonly usage: Readonly<Record<string, number | null>> | null;
}
interface RecordEntry {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly kind: string;
  readonly status: number;
  readonly file: string;
  readonly canonical: Canonical;
}
interface Recording {
  readonly request?: { readonly body?: unknown };
  readonly response: { readonly body: unknown };
}

const FINISH_WORDS: Partial<Record<FinishReason, string>> = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "tool-calls": "tool",
  paused: "pause",
  refusal: "refusal",
};

describe.skipIf(!present)("recorded answers", () => {
  for (const entry of entries()) {
    if (entry.status === 200) {
      const chunkings = entry.kind === "sse" ? [Number.POSITIVE_INFINITY, 1, 7] : [Number.POSITIVE_INFINITY];
      test.each(chunkings)(`${entry.id} is read as recorded, in chunks of %d bytes`, (size) => {
        const { response } = recording(entry);
        const body = bodyBytes(response.body);
        const events = decode(body, entry.kind === "sse", size);
        expect(reading(events)).toEqual(recorded(entry, response.body));
      });
    }
    if (entry.status === 200 && entry.kind === "sse") {
      test(`${entry.id} passes the watcher untouched, with its usage and its end`, () => {
        const body = bodyBytes(recording(entry).response.body);
        for (const size of [Number.POSITIVE_INFINITY, 1, 7]) {
          const watcher = anthropicMessages.watcher();
          const frames = [...chunks(body, size).flatMap((chunk) => watcher.push(chunk)), ...watcher.end()];
          expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(body)).toBe(true);
          const seen = frames.flatMap((frame) => frame.events);
          const decoded = decode(body, true, Number.POSITIVE_INFINITY);
          const told = (event: ChatEvent) => ["start", "usage", "finish", "done", "error"].includes(event.type);
          expect(seen.filter(told)).toEqual(decoded.filter(told));
          const signatures = (events: readonly ChatEvent[]) =>
            events.flatMap((event) =>
              event.type === "reasoning-end" && event.signature !== undefined ? [event.signature] : [],
            );
          expect(signatures(seen)).toEqual(signatures(decoded));
        }
      });
    }
    if (entry.status !== 200 && entry.kind === "json") {
      test(`${entry.id} is read as an error with its status and the provider's words`, () => {
        const body = recording(entry).response.body;
        const error = anthropicMessages.readError(entry.status, bodyBytes(body));
        const said = (typeof body === "string" ? JSON.parse(body) : body) as {
          error: { type: string; message: string };
        };
        expect(error).toMatchObject({ status: entry.status, type: said.error.type, message: said.error.message });
      });
    }
  }
});

describe.skipIf(!present)("recorded and captured requests", () => {
  test("every recorded request that was answered is read, and written again to the same bytes twice", () => {
    let read = 0;
    for (const entry of entries()) {
      const body = recording(entry).request?.body;
      if (entry.status !== 200 || typeof body !== "object" || body === null) continue;
      checkRequest(body as JsonObject, entry.id);
      read += 1;
    }
    expect(read).toBeGreaterThan(50);
  });

  test("every captured messages request is read", () => {
    let read = 0;
    for (const file of readdirSync(join(material, "captures"))) {
      if (!file.endsWith(".json")) continue;
      const capture = JSON.parse(readFileSync(join(material, "captures", file), "utf8")) as {
        requests: { path: string; body: unknown }[];
      };
      for (const { path, body } of capture.requests) {
        if (!/\/v1\/messages(\?|$)/.test(path) || typeof body !== "object" || body === null) continue;
        checkRequest(body as JsonObject, file);
        read += 1;
      }
    }
    expect(read).toBeGreaterThan(20);
  });
});

function checkRequest(body: JsonObject, where: string): void {
  const request = anthropicMessages.readRequest(body);
  expect(request.model, where).toBe(body["model"]);
  const write = () =>
    JSON.stringify(anthropicMessages.writeRequest(request, { model: request.model, record: undefined }, []));
  expect(write(), where).toBe(write());
}

function entries(): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) => entry.provider === "anthropic" && entry.api === "messages");
}

function recording(entry: RecordEntry): Recording {
  return JSON.parse(readFileSync(join(material, "recordings", entry.file), "utf8")) as Recording;
}

function bodyBytes(body: unknown): Buffer {
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

function decode(body: Buffer, stream: boolean, size: number): ChatEvent[] {
  const decoder = anthropicMessages.decoder(stream);
  return [...chunks(body, size).flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}

function chunks(body: Buffer, size: number): Buffer[] {
  if (!Number.isFinite(size)) return [body];
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) parts.push(body.subarray(at, at + size));
  return parts;
}

function reading(events: readonly ChatEvent[]) {
  let usage: Usage = UNKNOWN_USAGE;
  let finish: string | undefined;
  let text = 0;
  let reasoning = 0;
  const tools: string[] = [];
  const inputs: string[] = [];
  for (const event of events) {
    if (event.type === "usage") usage = laterUsage(usage, event.usage);
    if (event.type === "finish") finish = FINISH_WORDS[event.reason];
    if (event.type === "text-delta") text += event.text.length;
    if (event.type === "reasoning-delta") reasoning += event.text.length;
    if (event.type === "tool-call-start") tools.push(event.name);
    if (event.type === "tool-call-delta") inputs[event.index] = (inputs[event.index] ?? "") + event.arguments;
    if (event.type === "error") throw new Error(event.error.message);
  }
  // Every recorded call is complete, so its arguments are JSON, also where the provider sent none.
  for (const input of inputs) JSON.parse(input);
  expect(events.at(-1)).toEqual({ type: "done" });
  return {
    text,
    reasoning,
    tools,
    finish,
    usage: {
      input: promptTokens(usage),
      uncached: usage.inputUncached,
      cacheRead: usage.cacheRead ?? 0,
      write: (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0),
      write1h: usage.cacheWrite1h ?? 0,
      output: usage.output,
      reasoning: usage.reasoning ?? 0,
    },
  };
}

/** The record's reading, with what compactions cost added: the index leaves it out, the bill does not. */
function recorded({ canonical, kind }: RecordEntry, body: unknown) {
  const usage = canonical.usage ?? {};
  const extra = compaction(kind, body);
  const number = (key: string) => usage[key] ?? 0;
  return {
    text: canonical.text_chars,
    reasoning: canonical.reasoning_chars,
    tools: canonical.tools,
    finish: canonical.finish,
    usage: {
      input: number("input") + extra.input + extra.read,
      uncached: number("uncached") + extra.input,
      cacheRead: number("cache_read") + extra.read,
      // Recorded before there was a split: the index then leaves all of it out of both lifetimes.
      write: number("cache_write"),
      write1h: number("cache_write_1h"),
      output: number("output") + extra.output,
      reasoning: number("reasoning"),
    },
  };
}

function compaction(kind: string, body: unknown): { input: number; read: number; output: number } {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const line =
    kind === "sse"
      ? text
          .split("\n")
          .findLast((one) => one.includes('"iterations"'))
          ?.slice("data:".length)
      : text;
  const sums = { input: 0, read: 0, output: 0 };
  if (line === undefined) return sums;
  const { usage } = JSON.parse(line) as { usage?: { iterations?: Record<string, number | string>[] } };
  for (const iteration of usage?.iterations ?? []) {
    if (iteration["type"] !== "compaction") continue;
    sums.input += Number(iteration["input_tokens"]);
    sums.read += Number(iteration["cache_read_input_tokens"]);
    sums.output += Number(iteration["output_tokens"]);
  }
  return sums;
}
