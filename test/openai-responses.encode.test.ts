import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, JsonObject, Loss } from "../src/chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { reading } from "./openai-chat-readings.ts";
import { checkedStream, eventsOf } from "./openai-responses-grammar.ts";

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
  { type: "reasoning-end", signature: "c2ln", issuer: "anthropic-messages" },
  { type: "reasoning-redacted", data: "ZW5j", issuer: "anthropic-messages" },
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

function encode(events: readonly ChatEvent[], stream = true, losses: Loss[] = []): string {
  const encoder = openaiResponses.encoder(
    { stream, model: "asked", includeUsage: true, id: "x-1", createdSeconds: 99 },
    losses,
  );
  return events.map((event) => encoder.push(event)).join("") + encoder.end();
}

function whole(events: readonly ChatEvent[], losses: Loss[] = []): JsonObject {
  return JSON.parse(encode(events, false, losses)) as JsonObject;
}

function decode(text: string, stream: boolean): ChatEvent[] {
  const decoder = openaiResponses.decoder(stream);
  return [...decoder.push(Buffer.from(text)), ...decoder.end()];
}

const ENDING: readonly ChatEvent[] = [{ type: "finish", reason: "stop" }, { type: "done" }];

describe("a stream", () => {
  test("keeps to the grammar, and ends with the very response that the whole form is", () => {
    const final = checkedStream(encode(ANSWER));
    expect(final).toEqual(whole(ANSWER));
    expect(final).toMatchObject({
      id: "resp_sluice_x-1",
      object: "response",
      created_at: 99,
      model: "upstream-model",
      status: "completed",
      store: false,
      error: null,
      incomplete_details: null,
      usage: {
        input_tokens: 37,
        input_tokens_details: { cached_tokens: 20, cache_write_tokens: 7 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 44,
      },
    });
    const output = final["output"] as unknown as JsonObject[];
    expect(output.map((item) => item["type"])).toEqual([
      "reasoning",
      "reasoning",
      "message",
      "function_call",
      "function_call",
    ]);
    expect(output[0]).toMatchObject({
      summary: [{ type: "summary_text", text: "hm so" }],
      encrypted_content: "sluice:anthropic-messages:signature::c2ln",
    });
    expect(output[1]).toMatchObject({ summary: [], encrypted_content: "sluice:anthropic-messages:redacted::ZW5j" });
    expect(output[3]).toMatchObject({
      call_id: "toolu_1",
      name: "f",
      status: "completed",
      arguments: '{"n":9007199254740993,"b":1.0}',
    });
  });

  test("says each thing at once, with nothing kept back", () => {
    const encoder = openaiResponses.encoder(
      { stream: true, model: "m", includeUsage: true, id: "x", createdSeconds: 1 },
      [],
    );
    const said = (event: ChatEvent) =>
      encoder
        .push(event)
        .match(/^event: .*$/gm)
        ?.map((line) => line.slice(7)) ?? [];
    expect(said({ type: "start" })).toEqual(["response.created", "response.in_progress"]);
    expect(said({ type: "text-delta", text: "a" })).toEqual([
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
    ]);
    expect(said({ type: "text-delta", text: "b" })).toEqual(["response.output_text.delta"]);
    expect(said({ type: "tool-call-start", index: 0, id: "c", name: "f" })).toEqual([
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
    ]);
    expect(said({ type: "tool-call-end", index: 0 })).toEqual([
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
    ]);
    expect(said({ type: "finish", reason: "tool-calls" })).toEqual([]);
    expect(said({ type: "done" })).toEqual(["response.completed"]);
    expect(encoder.end()).toBe("");
  });

  test("is the same bytes for the same exchange", () => {
    expect(encode(ANSWER)).toBe(encode(ANSWER));
    expect(encode(ANSWER, false)).toBe(encode(ANSWER, false));
  });

  test("read again says the same", () => {
    for (const stream of [true, false]) {
      const again = decode(encode(ANSWER, stream), stream);
      expect({ ...reading(again), cacheWrite: 7 }).toEqual(reading(ANSWER));
    }
  });

  test("has words and a refusal in one message, one part each", () => {
    const final = checkedStream(
      encode([{ type: "start" }, { type: "text-delta", text: "a" }, { type: "refusal-delta", text: "no" }, ...ENDING]),
    );
    expect(final["output"]).toMatchObject([
      {
        type: "message",
        content: [
          { type: "output_text", text: "a" },
          { type: "refusal", refusal: "no" },
        ],
      },
    ]);
  });

  test("without words at all is a response without output", () => {
    expect(checkedStream(encode([{ type: "start" }, ...ENDING]))).toMatchObject({ output: [], status: "completed" });
  });

  test("keeps the id of a response that has one", () => {
    expect(whole([{ type: "start", id: "resp_abc" }, ...ENDING])).toMatchObject({ id: "resp_abc", model: "asked" });
  });

  test("that nobody counted has zeros where clients' types have numbers", () => {
    const final = whole([{ type: "start" }, { type: "usage", usage: UNKNOWN_USAGE }, ...ENDING]);
    expect(final["usage"]).toEqual({
      input_tokens: 0,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 0,
    });
  });
});

describe("calls", () => {
  const call = (id: string, index = 0): ChatEvent => ({ type: "tool-call-start", index, id, name: "f" });
  const args = (text: string): ChatEvent => ({ type: "tool-call-delta", index: 0, arguments: text });
  const end: ChatEvent = { type: "tool-call-end", index: 0 };
  const calls = (events: readonly ChatEvent[], reason: FinishReason = "tool-calls") =>
    checkedStream(encode([{ type: "start" }, ...events, { type: "finish", reason }, { type: "done" }]))[
      "output"
    ] as unknown as JsonObject[];

  test("without arguments are calls with an empty object", () => {
    expect(calls([call("a"), end])).toMatchObject([{ arguments: "{}", status: "completed" }]);
    expect(calls([call("a")])).toMatchObject([{ arguments: "{}", status: "completed" }]);
  });

  test("that were cut with the answer are not complete, and say what came", () => {
    expect(calls([call("a"), args('{"a":'), end], "length")).toMatchObject([
      { arguments: '{"a":', status: "incomplete" },
    ]);
  });

  test("whose arguments are no JSON by the model's own fault are complete all the same", () => {
    expect(calls([call("a"), args("{oops"), end])).toMatchObject([{ arguments: "{oops", status: "completed" }]);
  });

  test("have ids of their own, each", () => {
    const ids = calls([call("a"), call("a", 1), call("", 2)]).map((item) => item["call_id"]);
    expect(ids[0]).toBe("a");
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id) => typeof id === "string" && id.length > 0)).toBe(true);
  });
});

describe("an answer ends", () => {
  test.each<[FinishReason, string, string | undefined]>([
    ["stop", "completed", undefined],
    ["stop-sequence", "completed", undefined],
    ["tool-calls", "completed", undefined],
    ["paused", "completed", undefined],
    ["other", "completed", undefined],
    ["length", "incomplete", "max_output_tokens"],
    ["context-full", "incomplete", "max_output_tokens"],
    ["content-filter", "incomplete", "content_filter"],
    ["refusal", "incomplete", "content_filter"],
  ])("for %s as %s (%s)", (reason, status, detail) => {
    const final = checkedStream(
      encode([{ type: "start" }, { type: "text-delta", text: "a" }, { type: "finish", reason }, { type: "done" }]),
    );
    expect(final).toMatchObject({
      status,
      incomplete_details: detail === undefined ? null : { reason: detail },
      output: [{ status }],
    });
  });

  test("complete where the refusal can be read", () => {
    const events: ChatEvent[] = [{ type: "start" }, { type: "refusal-delta", text: "no" }];
    expect(whole([...events, { type: "finish", reason: "refusal" }, { type: "done" }])).toMatchObject({
      status: "completed",
    });
  });

  test("with the losses that its way back had, each kind once", () => {
    const losses: Loss[] = [];
    const opaque: ChatEvent = { type: "opaque", kind: "citations", value: null };
    whole([{ type: "start" }, opaque, opaque, { type: "finish", reason: "paused" }, { type: "done" }], losses);
    expect(losses).toEqual([
      { field: "answer-block", path: "citations" },
      { field: "finish_reason", path: "paused" },
    ]);
  });
});

describe("a failure", () => {
  const error: ChatEvent = {
    type: "error",
    error: { status: 529, type: "overloaded_error", message: "too busy", param: "p" },
  };

  test("inside a stream is said twice, with what was complete before it", () => {
    const events = eventsOf(
      encode([
        { type: "start" },
        { type: "text-delta", text: "a" },
        { type: "reasoning-delta", text: "b" },
        error,
        { type: "text-delta", text: "never" },
      ]),
    );
    const members = { type: "service_unavailable_error", code: null, message: "too busy", param: "p" };
    expect(events.slice(-2)).toMatchObject([
      { type: "error", code: null, message: "too busy", param: "p", error: members },
      {
        type: "response.failed",
        response: {
          id: "resp_sluice_x-1",
          status: "failed",
          error: { code: "server_error", message: "too busy" },
          output: [{ type: "message", content: [{ text: "a" }] }],
        },
      },
    ]);
    expect(events.filter((event) => event.type === "response.completed")).toEqual([]);
  });

  test("is an answer that ended without saying why", () => {
    const events = eventsOf(encode([{ type: "start" }, { type: "text-delta", text: "a" }]));
    expect(events.at(-1)).toMatchObject({ type: "response.failed", response: { error: { code: "server_error" } } });
  });

  test("of a whole answer is an error's body", () => {
    expect(whole([{ type: "start" }, error])).toEqual({
      error: { message: "too busy", type: "service_unavailable_error", param: "p", code: null },
    });
  });

  test("that comes behind the finish is none: nothing is missing", () => {
    const text = encode([{ type: "start" }, { type: "finish", reason: "stop" }]);
    expect(eventsOf(text).at(-1)?.type).toBe("response.completed");
  });
});

describe("any events in any order", () => {
  const text = fc.string({ unit: "binary", maxLength: 8 });
  const step: fc.Arbitrary<ChatEvent> = fc.oneof(
    text.map((said): ChatEvent => ({ type: "text-delta", text: said })),
    text.map((said): ChatEvent => ({ type: "refusal-delta", text: said })),
    text.map((said): ChatEvent => ({ type: "reasoning-delta", text: said })),
    text.map((said): ChatEvent => ({ type: "reasoning-end", ...(said === "" ? {} : { signature: said }) })),
    text.map((said): ChatEvent => ({ type: "reasoning-redacted", data: said })),
    fc.nat(3).map((index): ChatEvent => ({ type: "tool-call-end", index })),
    fc.tuple(fc.nat(3), text).map(([index, said]): ChatEvent => ({ type: "tool-call-delta", index, arguments: said })),
    fc.constant<ChatEvent>({ type: "opaque", kind: "citations", value: null }),
    fc.constant<ChatEvent>({ type: "usage", usage: USAGE }),
  );
  const FINISHES: readonly FinishReason[] = ["stop", "length", "tool-calls", "refusal", "content-filter", "other"];

  test("make a stream of the grammar, and the same response whole", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(fc.nat(29)),
        fc.constantFrom(...FINISHES),
        (steps, at, reason) => {
          const events: ChatEvent[] = [{ type: "start" }];
          for (const [place, one] of steps.entries()) {
            const index = at.indexOf(place);
            if (index >= 0) events.push({ type: "tool-call-start", index, id: `c${index}`, name: "f" });
            events.push(one);
          }
          events.push({ type: "finish", reason }, { type: "done" });
          expect(checkedStream(encode(events))).toEqual(whole(events));
        },
      ),
      { numRuns: 300 },
    );
  });
});
