import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, JsonObject, Loss } from "../src/chat.ts";
import type { Decoder, Dialect } from "../src/dialects/dialect.ts";
import { dialects } from "../src/dialects/index.ts";
import { applyEdits } from "../src/edit.ts";
import { answerOf, joined, type Says } from "./round-trip-answers.ts";
import { canonical, requestOf, WORDS } from "./round-trip-requests.ts";

const CHATS = Object.keys(WORDS).map(dialectNamed);
const PAIRS = CHATS.flatMap((from) => CHATS.map((to) => ({ from, to, name: `${from.name} and ${to.name}` })));

describe("a request of what both can say is read the same after its translation, and nothing is lost", () => {
  test.each(PAIRS)("$name", ({ from, to }) => {
    const common = (WORDS[from.name] ?? []).filter((word) => WORDS[to.name]?.includes(word));
    fc.assert(
      fc.property(requestOf(common), (request) => {
        const losses: Loss[] = [];
        const body = from.writeRequest({ ...request, dialect: from.name }, { model: "m", record: undefined }, losses);
        const read = from.readRequest(body);
        expect(canonical(read)).toEqual(canonical(request));
        const written = to.writeRequest(read, { model: "m", record: undefined }, losses);
        expect(canonical(to.readRequest(written))).toEqual(canonical(request));
        expect(losses).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("the same request is written in the same bytes", () => {
  test.each(PAIRS)("$name", ({ from, to }) => {
    const common = (WORDS[from.name] ?? []).filter((word) => WORDS[to.name]?.includes(word));
    fc.assert(
      fc.property(requestOf(common), (request) => {
        const write = () =>
          JSON.stringify(to.writeRequest({ ...request, dialect: from.name }, { model: "m", record: undefined }, []));
        expect(write()).toBe(write());
      }),
      { numRuns: 20 },
    );
  });
});

const SAYS: Readonly<Record<string, Says>> = {
  "openai-chat": {
    thoughts: true,
    seals: true,
    refusals: true,
    cacheRead: true,
    finishes: ["stop", "length", "content-filter"],
  },
  "openai-responses": {
    thoughts: true,
    seals: true,
    refusals: true,
    cacheRead: true,
    finishes: ["stop", "length", "content-filter"],
  },
  "anthropic-messages": {
    thoughts: true,
    seals: true,
    refusals: false,
    cacheRead: true,
    finishes: ["stop", "length", "refusal", "context-full", "paused"],
  },
  "mistral-chat": {
    thoughts: true,
    seals: true,
    refusals: false,
    cacheRead: true,
    finishes: ["stop", "length", "context-full"],
  },
  "ollama-chat": { thoughts: true, seals: false, refusals: false, cacheRead: false, finishes: ["stop", "length"] },
};
const FORMS = CHATS.flatMap((dialect) =>
  [true, false].map((stream) => ({ dialect, stream, name: `${dialect.name}, ${stream ? "streamed" : "whole"}` })),
);

describe("an answer that is written is read as what was said, in any chunking", () => {
  test.each(FORMS)("$name", ({ dialect, stream }) => {
    const says = SAYS[dialect.name];
    if (says === undefined) throw new Error(`what can ${dialect.name} say?`);
    // In a stream of Chat Completions the seals come in one list at its end, behind the text that they are of.
    const seals = says.seals && !(stream && dialect.name === "openai-chat");
    fc.assert(
      fc.property(
        answerOf({ ...says, seals }, dialect.name),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }),
        (events, sizes) => {
          const losses: Loss[] = [];
          const bytes = encoded(dialect, stream, events, losses);
          const read = decoded(dialect.decoder(stream), bytes, sizes);
          expect(joined(read)).toEqual(joined(events));
          expect(read.at(-1)).toEqual({ type: "done" });
          expect(losses).toEqual([]);
        },
      ),
      { numRuns: 80 },
    );
  });
});

describe("a stream that is watched comes out as it came, in any chunking, and tells the same", () => {
  test.each(CHATS.map((dialect) => ({ dialect, name: dialect.name })))("$name", ({ dialect }) => {
    const says = SAYS[dialect.name];
    if (says === undefined) throw new Error(`what can ${dialect.name} say?`);
    fc.assert(
      fc.property(
        answerOf(says, dialect.name),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }),
        (events, sizes) => {
          const bytes = encoded(dialect, true, events, []);
          const watch = (pieces: readonly Uint8Array[]) => {
            const watcher = dialect.watcher();
            return [...pieces.flatMap((piece) => watcher.push(piece)), ...watcher.end()];
          };
          const frames = watch(pieces(bytes, sizes));
          expect(Buffer.concat(frames.map((frame) => frame.bytes)).equals(bytes)).toBe(true);
          const told = frames.flatMap((frame) => frame.events);
          expect(told).toEqual(watch([bytes]).flatMap((frame) => frame.events));
          expect(joined(told).at(-1)).toEqual(joined(events).at(-1));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("the edits of the same-dialect lane", () => {
  const ALL = [...CHATS, dialectNamed("ollama-generate")].map((dialect) => ({ dialect, name: dialect.name }));
  const more = fc.dictionary(fc.stringMatching(/^x_[a-z]{1,6}$/), fc.jsonValue(), { maxKeys: 4 });

  test.each(ALL)("$name: by path they are what parsing and setting would be", ({ dialect }) => {
    fc.assert(
      fc.property(bodyOf(dialect), more, fc.boolean(), fc.nat(3), (body, extra, askStreamUsage, indent) => {
        const full = JSON.parse(JSON.stringify({ ...body, ...extra })) as JsonObject;
        const raw = Buffer.from(JSON.stringify(full, null, indent));
        const edits = dialect.edits(full, { model: "another/model", askStreamUsage });
        const edited = JSON.parse(Buffer.from(applyEdits(raw, edits)).toString("utf8")) as JsonObject;
        const asks = askStreamUsage && edited["stream_options"] !== undefined;
        expect(edited).toEqual({
          ...full,
          model: "another/model",
          ...(asks
            ? { stream_options: { ...(full["stream_options"] as object | undefined), include_usage: true } }
            : {}),
        });
      }),
      { numRuns: 60 },
    );
  });

  test.each(ALL)("$name: none give the very buffer", ({ dialect }) => {
    fc.assert(
      fc.property(bodyOf(dialect), more, (body, extra) => {
        const full = JSON.parse(JSON.stringify({ ...body, ...extra })) as JsonObject;
        const raw = Buffer.from(JSON.stringify(full));
        const edits = dialect.edits(full, { model: "m", askStreamUsage: false });
        expect(edits).toEqual([]);
        expect(applyEdits(raw, edits)).toBe(raw);
      }),
      { numRuns: 60 },
    );
  });
});

function bodyOf(dialect: Dialect): fc.Arbitrary<JsonObject> {
  const words = WORDS[dialect.name];
  if (words === undefined) return fc.record({ model: fc.constant("m"), prompt: fc.string(), stream: fc.boolean() });
  return requestOf(words).map((request) =>
    dialect.writeRequest({ ...request, dialect: dialect.name }, { model: "m", record: undefined }, []),
  );
}

function encoded(dialect: Dialect, stream: boolean, events: readonly ChatEvent[], losses: Loss[]): Buffer {
  const options = { stream, model: "m", includeUsage: true, wantsReasoning: true, id: "x1", createdSeconds: 1 };
  const encoder = dialect.encoder(options, losses);
  return Buffer.from([...events.map((event) => encoder.push(event)), encoder.end()].join(""));
}

function decoded(decoder: Decoder, bytes: Buffer, sizes: readonly number[]): ChatEvent[] {
  return [...pieces(bytes, sizes).flatMap((piece) => decoder.push(piece)), ...decoder.end()];
}

function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    found.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...found, bytes.subarray(at)];
}

function dialectNamed(name: string): Dialect {
  const found = dialects.find((dialect) => dialect.name === name);
  if (found === undefined) throw new Error(`there is no dialect ${name}`);
  return found;
}
