import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, JsonObject, Loss } from "../src/chat.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";

const USAGE: Usage = {
  inputUncached: 10,
  cacheRead: 20,
  cacheWrite5m: 3,
  cacheWrite1h: 4,
  cacheWriteOther: undefined,
  output: 7,
  reasoning: 2,
};

const ANSWER: readonly ChatEvent[] = [
  { type: "start", id: "msg_up", model: "upstream-model" },
  { type: "reasoning-delta", text: "hm" },
  { type: "reasoning-delta", text: " so" },
  { type: "reasoning-end", signature: "c2ln" },
  { type: "reasoning-redacted", data: "ZW5j" },
  { type: "text-delta", text: "hel" },
  { type: "text-delta", text: "lo 🗽" },
  { type: "tool-call-start", index: 0, id: "toolu_1", name: "f" },
  { type: "tool-call-start", index: 1, id: "toolu_2", name: "g" },
  { type: "tool-call-delta", index: 1, arguments: '{"y"' },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993,"b":1.0}' },
  { type: "tool-call-delta", index: 1, arguments: ":2}" },
  { type: "tool-call-end", index: 0 },
  { type: "tool-call-end", index: 1 },
  { type: "usage", usage: USAGE },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];

interface Options {
  readonly stream?: boolean;
  readonly includeUsage?: boolean;
  readonly losses?: Loss[];
}

function encode(
  events: readonly ChatEvent[],
  { stream = true, includeUsage = true, losses = [] }: Options = {},
): string {
  const encoder = openaiChat.encoder({ stream, model: "asked", includeUsage, id: "x-1", createdSeconds: 99 }, losses);
  return events.map((event) => encoder.push(event)).join("") + encoder.end();
}

interface Wire {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly { index: number; delta: JsonObject; finish_reason: string | null; logprobs: null }[];
  readonly usage?: JsonObject | null;
}

/** Every rule of the stream's grammar, checked on the text a client would get. */
function checked(text: string, includeUsage: boolean): Wire[] {
  const frames = text.split("\n\n");
  expect(frames.pop()).toBe("");
  expect(frames.pop()).toBe("data: [DONE]");
  const wires = frames.map((frame) => {
    expect(frame).toMatch(/^data: \{[^\n]*\}$/);
    return JSON.parse(frame.slice("data: ".length)) as Wire;
  });
  expect(new Set(wires.map((wire) => [wire.id, wire.object, wire.created, wire.model].join())).size).toBe(1);
  expect(wires[0]?.object).toBe("chat.completion.chunk");
  expect(wires[0]?.choices[0]?.delta["role"]).toBe("assistant");
  const last = includeUsage ? wires.pop() : undefined;
  if (last !== undefined) {
    expect(last.choices).toEqual([]);
    expect(last.usage).toMatchObject({
      prompt_tokens: expect.any(Number),
      completion_tokens: expect.any(Number),
      total_tokens: expect.any(Number),
    });
  }
  const begun = new Set<number>();
  for (const [at, wire] of wires.entries()) {
    expect(wire.usage).toBe(includeUsage ? null : undefined);
    expect(wire.choices).toHaveLength(1);
    expect(wire.choices[0]?.index).toBe(0);
    expect(wire.choices[0]?.finish_reason === null).toBe(at < wires.length - 1);
    if (at > 0) expect(wire.choices[0]?.delta["role"]).toBeUndefined();
    for (const call of (wire.choices[0]?.delta["tool_calls"] ?? []) as unknown as {
      index: number;
      id?: string;
      type?: string;
      function: { name?: string; arguments: string };
    }[]) {
      expect(typeof call.function.arguments).toBe("string");
      if (begun.has(call.index)) {
        expect([call.id, call.type, call.function.name]).toEqual([undefined, undefined, undefined]);
      } else {
        expect(call.index).toBe(begun.size);
        expect(call).toMatchObject({
          id: expect.stringMatching(/./),
          type: "function",
          function: { name: expect.any(String) },
        });
        begun.add(call.index);
      }
    }
  }
  return wires;
}

function decode(text: string, stream: boolean): ChatEvent[] {
  const decoder = openaiChat.decoder(stream);
  return [...decoder.push(Buffer.from(text)), ...decoder.end()];
}

describe("a stream", () => {
  test.each([true, false])("keeps to the grammar (usage asked for: %s)", (includeUsage) => {
    const wires = checked(encode(ANSWER, { includeUsage }), includeUsage);
    expect(wires[0]).toMatchObject({ id: "chatcmpl-x-1", created: 99, model: "upstream-model" });
    expect(wires.at(-1)?.choices[0]?.finish_reason).toBe("tool_calls");
    expect(wires.map((wire) => wire.choices[0]?.delta["content"] ?? "").join("")).toBe("hello 🗽");
    expect(wires.map((wire) => wire.choices[0]?.delta["reasoning_content"] ?? "").join("")).toBe("hm so");
  });

  test("of any order of events keeps to the grammar", () => {
    const event: fc.Arbitrary<ChatEvent> = fc.oneof(
      fc.string().map((text) => ({ type: "text-delta", text }) as const),
      fc.string().map((text) => ({ type: "reasoning-delta", text }) as const),
      fc.string().map((text) => ({ type: "refusal-delta", text }) as const),
      fc
        .option(fc.string(), { nil: undefined })
        .map((signature) => ({ type: "reasoning-end", ...(signature === undefined ? {} : { signature }) }) as const),
      fc.string().map((data) => ({ type: "reasoning-redacted", data }) as const),
      fc.record({
        type: fc.constant("tool-call-start" as const),
        index: fc.nat(5),
        id: fc.constantFrom("", "null", "a", "b"),
        name: fc.string(),
      }),
      fc.record({ type: fc.constant("tool-call-delta" as const), index: fc.nat(5), arguments: fc.string() }),
      fc.record({ type: fc.constant("tool-call-end" as const), index: fc.nat(5) }),
      fc.constant({ type: "opaque", kind: "citations", value: null } as const),
      fc.constant({ type: "usage", usage: USAGE } as const),
      fc.constant({ type: "start", id: "c" } as const),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), fc.boolean(), (events, includeUsage) => {
        const seen = new Set<number>();
        // Each call begins once, as decoders see to it.
        const sane = events.filter((one) => {
          if (one.type !== "tool-call-start") return true;
          if (seen.has(one.index)) return false;
          seen.add(one.index);
          return true;
        });
        checked(
          encode([...sane, { type: "finish", reason: "stop" }, { type: "done" }], { includeUsage }),
          includeUsage,
        );
      }),
    );
  });

  test("says what there is at once", () => {
    const encoder = openaiChat.encoder(
      { stream: true, model: "m", includeUsage: false, id: "x", createdSeconds: 1 },
      [],
    );
    expect(encoder.push({ type: "start" })).toContain('"role":"assistant"');
    expect(encoder.push({ type: "text-delta", text: "a" })).toContain('"content":"a"');
    expect(encoder.push({ type: "tool-call-start", index: 0, id: "c", name: "f" })).toContain('"name":"f"');
    expect(encoder.push({ type: "tool-call-delta", index: 0, arguments: "{" })).toContain('"arguments":"{"');
  });

  test("brings the seals of reasoning in one delta before the finish", () => {
    const wires = checked(encode(ANSWER), true);
    const holders = wires.filter((wire) => wire.choices[0]?.delta["reasoning_details"] !== undefined);
    expect(holders).toEqual([wires.at(-2)]);
    expect(holders[0]?.choices[0]?.delta["reasoning_details"]).toEqual([
      { type: "reasoning.text", text: "hm so", signature: "c2ln", index: 0 },
      { type: "reasoning.encrypted", data: "ZW5j", index: 1 },
    ]);
  });

  test("ends as soon as all is said, once", () => {
    const encoder = openaiChat.encoder(
      { stream: true, model: "m", includeUsage: true, id: "x", createdSeconds: 1 },
      [],
    );
    const out = ANSWER.map((event) => encoder.push(event));
    expect(out.at(-1)).toMatch(/data: \[DONE\]\n\n$/);
    expect(encoder.push({ type: "done" })).toBe("");
    expect(encoder.end()).toBe("");
  });

  test("that ends without a finish never ends cleanly", () => {
    const text = encode(ANSWER.slice(0, 7));
    expect(text).not.toContain("[DONE]");
    expect(text.trimEnd().split("\n\n").at(-1)).toMatch(/^data: \{"error":/);
  });

  test("that fails says so in the dialect, and nothing after it", () => {
    const text = encode([
      ...ANSWER.slice(0, 7),
      { type: "error", error: { status: 529, message: "busy", type: "overloaded_error" } },
      { type: "text-delta", text: "late" },
      { type: "done" },
    ]);
    const frames = text.trimEnd().split("\n\n");
    expect(JSON.parse(String(frames.at(-1)).slice(6))).toEqual({
      error: { message: "busy", type: "service_unavailable_error", param: null, code: null },
    });
    expect(text).not.toContain("late");
    expect(text).not.toContain("[DONE]");
  });
});

describe("a whole answer", () => {
  test("has every part, with arguments as the text they were", () => {
    expect(JSON.parse(encode(ANSWER, { stream: false }))).toEqual({
      id: "chatcmpl-x-1",
      object: "chat.completion",
      created: 99,
      model: "upstream-model",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: "hello 🗽",
            refusal: null,
            reasoning_content: "hm so",
            reasoning_details: [
              { type: "reasoning.text", text: "hm so", signature: "c2ln", index: 0 },
              { type: "reasoning.encrypted", data: "ZW5j", index: 1 },
            ],
            tool_calls: [
              { id: "toolu_1", type: "function", function: { name: "f", arguments: '{"n":9007199254740993,"b":1.0}' } },
              { id: "toolu_2", type: "function", function: { name: "g", arguments: '{"y":2}' } },
            ],
          },
          logprobs: null,
          finish_reason: "tool_calls",
        },
      ],
      usage: {
        prompt_tokens: 37,
        completion_tokens: 7,
        total_tokens: 44,
        prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 7 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
  });

  test.each([
    [[{ type: "text-delta", text: "a" }], "a"],
    [[], ""],
    [[{ type: "tool-call-start", index: 0, id: "a", name: "f" }], null],
    [[{ type: "refusal-delta", text: "no" }], null],
  ] satisfies [ChatEvent[], string | null][])(
    "has content that is text or, where something else is said, null",
    (events, content) => {
      const { choices } = JSON.parse(encode([...events, { type: "finish", reason: "stop" }], { stream: false })) as {
        choices: [{ message: JsonObject }];
      };
      expect(choices[0].message["content"]).toBe(content);
    },
  );

  test("that failed is an error", () => {
    const text = encode(
      [
        ...ANSWER.slice(0, 7),
        {
          type: "error",
          error: {
            status: 404,
            message: "no such model",
            type: "not_found_error",
            code: "model_not_found",
            param: "model",
          },
        },
      ],
      { stream: false },
    );
    expect(JSON.parse(text)).toEqual({
      error: { message: "no such model", type: "not_found_error", param: "model", code: "model_not_found" },
    });
  });
});

describe("either form", () => {
  test.each([true, false])("read again is the same answer (streamed: %s)", (stream) => {
    const read = decode(encode(ANSWER, { stream }), stream);
    expect(
      read
        .filter((event) => event.type === "text-delta")
        .map((event) => event.text)
        .join(""),
    ).toBe("hello 🗽");
    expect(read.filter((event) => event.type === "tool-call-start").map(({ id, name }) => [id, name])).toEqual([
      ["toolu_1", "f"],
      ["toolu_2", "g"],
    ]);
    expect(read).toContainEqual({ type: "finish", reason: "tool-calls" });
    expect(read).toContainEqual({ type: "reasoning-end", signature: "c2ln" });
    expect(read).toContainEqual({ type: "reasoning-redacted", data: "ZW5j" });
    const usage = read.findLast((event) => event.type === "usage");
    expect(usage).toMatchObject({
      usage: { inputUncached: 10, cacheRead: 20, cacheWriteOther: 7, output: 7, reasoning: 2 },
    });
  });

  test.each([true, false])("says `{}` for a call without arguments (streamed: %s)", (stream) => {
    const call: ChatEvent[] = [
      { type: "start" },
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-end", index: 0 },
      { type: "tool-call-start", index: 1, id: "b", name: "g" },
      { type: "finish", reason: "tool-calls" },
      { type: "done" },
    ];
    const read = decode(encode(call, { stream }), stream);
    expect(read.filter((event) => event.type === "tool-call-delta")).toEqual([
      { type: "tool-call-delta", index: 0, arguments: "{}" },
      { type: "tool-call-delta", index: 1, arguments: "{}" },
    ]);
  });

  test.each([true, false])("gives calls ids that are there and each once (streamed: %s)", (stream) => {
    const call = (index: number, id: string): ChatEvent => ({ type: "tool-call-start", index, id, name: "f" });
    const text = encode(
      [
        call(0, "a"),
        call(1, "a"),
        call(2, ""),
        call(3, ""),
        { type: "finish", reason: "tool-calls" },
        { type: "done" },
      ],
      { stream },
    );
    const ids = decode(text, stream).flatMap((event) => (event.type === "tool-call-start" ? [event.id] : []));
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toBe("a");
    expect(ids).not.toContain("");
  });

  const finishes: readonly [FinishReason, string][] = [
    ["stop", "stop"],
    ["stop-sequence", "stop"],
    ["length", "length"],
    ["context-full", "length"],
    ["tool-calls", "tool_calls"],
    ["content-filter", "content_filter"],
    ["refusal", "content_filter"],
    ["paused", "stop"],
    ["other", "stop"],
  ];
  test.each(finishes)("says %s as %s", (reason, word) => {
    const events: ChatEvent[] = [{ type: "text-delta", text: "a" }, { type: "finish", reason }, { type: "done" }];
    expect(encode(events, { stream: false })).toContain(`"finish_reason":"${word}"`);
    expect(checked(encode(events), true).at(-1)?.choices[0]?.finish_reason).toBe(word);
  });

  test("says a stop with calls as one for calls, and a refusal that can be read as a plain stop", () => {
    const call: ChatEvent[] = [
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "finish", reason: "stop" },
      { type: "done" },
    ];
    expect(encode(call, { stream: false })).toContain('"finish_reason":"tool_calls"');
    const refusal: ChatEvent[] = [
      { type: "refusal-delta", text: "no" },
      { type: "finish", reason: "refusal" },
      { type: "done" },
    ];
    expect(encode(refusal, { stream: false })).toContain('"finish_reason":"stop"');
    expect(encode(refusal, { stream: false })).toContain('"refusal":"no"');
  });

  test("keeps an id and a time of its own dialect, and makes the same one for the same exchange otherwise", () => {
    const own = JSON.parse(
      encode(
        [
          { type: "start", id: "chatcmpl-up", createdSeconds: 5 },
          { type: "finish", reason: "stop" },
        ],
        { stream: false },
      ),
    ) as JsonObject;
    expect([own["id"], own["created"], own["model"]]).toEqual(["chatcmpl-up", 5, "asked"]);
    expect(encode(ANSWER)).toBe(encode(ANSWER));
  });

  test("does not make up details of usage that nobody counted", () => {
    const { usage } = JSON.parse(
      encode(
        [
          { type: "usage", usage: { ...UNKNOWN_USAGE, inputUncached: 5, output: 2 } },
          { type: "finish", reason: "stop" },
        ],
        { stream: false },
      ),
    ) as JsonObject;
    expect(usage).toEqual({ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 });
  });

  test("records what it has no word for, once each kind", () => {
    const losses: Loss[] = [];
    const opaque = (kind: string): ChatEvent => ({ type: "opaque", kind, value: null });
    encode(
      [
        opaque("citations"),
        opaque("citations"),
        opaque("server_tool_use"),
        { type: "finish", reason: "paused" },
        { type: "done" },
      ],
      { losses },
    );
    expect(losses).toEqual([
      { field: "answer-block", path: "citations" },
      { field: "answer-block", path: "server_tool_use" },
      { field: "finish_reason", path: "paused" },
    ]);
  });
});
