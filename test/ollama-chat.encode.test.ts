import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatEvent, FinishReason, Loss } from "../src/chat.ts";
import { ollamaChat, ollamaGenerate } from "../src/dialects/ollama-chat.ts";
import { GatewayError } from "../src/errors.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { checked, decode, encode, OPTIONS, type WireLine, type WireSaid } from "./ollama-chat-wire.ts";

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
  { type: "start", id: "up-1", model: "upstream-model", createdSeconds: 1_785_873_561 },
  { type: "reasoning-delta", text: "hm" },
  { type: "reasoning-delta", text: " so" },
  { type: "reasoning-end" },
  { type: "text-delta", text: "hel" },
  { type: "text-delta", text: "lo 🗽\n" },
  { type: "tool-call-start", index: 0, id: "toolu_1", name: "f" },
  { type: "tool-call-delta", index: 0, arguments: '{"n":9007199254740993' },
  { type: "tool-call-delta", index: 0, arguments: ',"10":1.0,\n"2":{}}' },
  { type: "tool-call-end", index: 0 },
  { type: "usage", usage: USAGE },
  { type: "finish", reason: "tool-calls" },
  { type: "done" },
];
const HEAD = '"model":"upstream-model","created_at":"2026-08-04T19:59:21.000000000Z"';

/** Random answers by the contract of `ChatEvent`: calls may interleave, ids may be bad, ends may be missing. */
const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom("text", "refusal", "reasoning", "reasoning-end", "redacted", "opaque", "usage"),
    text: fc.string({ unit: "binary" }),
  }),
  fc.record({
    kind: fc.constantFrom("tool-start", "tool-delta", "tool-end"),
    call: fc.nat(3),
    text: fc.oneof(fc.string(), fc.constantFrom('{"a":1}', "{}", "")),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

function eventsOf(steps: readonly Step[], reason: FinishReason): ChatEvent[] {
  const events: ChatEvent[] = [{ type: "start" }];
  let calls = 0;
  for (const one of steps) {
    if ("call" in one) {
      if (one.kind === "tool-start") {
        events.push({ type: "tool-call-start", index: calls, id: one.text, name: `f${calls}` });
        calls += 1;
      } else if (one.call < calls) {
        events.push(
          one.kind === "tool-end"
            ? { type: "tool-call-end", index: one.call }
            : { type: "tool-call-delta", index: one.call, arguments: one.text },
        );
      }
      continue;
    }
    if (one.kind === "text") events.push({ type: "text-delta", text: one.text });
    if (one.kind === "refusal") events.push({ type: "refusal-delta", text: one.text });
    if (one.kind === "reasoning") events.push({ type: "reasoning-delta", text: one.text });
    if (one.kind === "reasoning-end") events.push({ type: "reasoning-end" });
    if (one.kind === "redacted") events.push({ type: "reasoning-redacted", data: one.text });
    if (one.kind === "opaque") events.push({ type: "opaque", kind: "citations", value: null });
    if (one.kind === "usage") events.push({ type: "usage", usage: USAGE });
  }
  return [...events, { type: "finish", reason }, { type: "done" }];
}

interface Told {
  text: string;
  reasoning: string;
  calls: [string, unknown][];
}

function said(events: readonly ChatEvent[]): Told {
  const told: Told = { text: "", reasoning: "", calls: [] };
  const calls: { name: string; arguments: string; ended: boolean }[] = [];
  for (const event of events) {
    if (event.type === "text-delta" || event.type === "refusal-delta") told.text += event.text;
    if (event.type === "reasoning-delta") told.reasoning += event.text;
    if (event.type === "tool-call-start") calls.push({ name: event.name, arguments: "", ended: false });
    const call = "index" in event ? calls[event.index] : undefined;
    if (event.type === "tool-call-delta" && call?.ended === false) call.arguments += event.arguments;
    if (event.type === "tool-call-end" && call !== undefined) call.ended = true;
  }
  told.calls = calls.map((call) => [call.name, argumentsOf(call.arguments)]);
  return told;
}

function argumentsOf(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return {};
  try {
    const value: unknown = JSON.parse(trimmed);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Kept as it is.
  }
  return { _raw: trimmed };
}

/** What a client reads, line by line. */
function readBy(lines: readonly WireLine[]): Told {
  const told: Told = { text: "", reasoning: "", calls: [] };
  for (const one of lines) {
    const held: WireSaid = one.message ?? (one as WireSaid);
    told.text += one.message?.content ?? one.response ?? "";
    told.reasoning += held.thinking ?? "";
    for (const { function: call } of held.tool_calls ?? []) told.calls.push([call.name, call.arguments]);
  }
  return told;
}

describe("a streamed answer", () => {
  test("is written line by line, with its counts in the last", () => {
    expect(encode(ANSWER)).toBe(
      [
        `{${HEAD},"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}`,
        `{${HEAD},"message":{"role":"assistant","content":"","thinking":" so"},"done":false}`,
        `{${HEAD},"message":{"role":"assistant","content":"hel"},"done":false}`,
        `{${HEAD},"message":{"role":"assistant","content":"lo 🗽\\n"},"done":false}`,
        `{${HEAD},"message":{"role":"assistant","content":"","tool_calls":[{"id":"toolu_1","function":{"index":0,"name":"f","arguments":{"n":9007199254740993,"10":1.0, "2":{}}}}]},"done":false}`,
        `{${HEAD},"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":37,"prompt_eval_cached_count":20,"eval_count":7}`,
        "",
      ].join("\n"),
    );
  });

  test("says each word at once, and a call when it is whole", () => {
    const encoder = ollamaChat.encoder(OPTIONS, []);
    expect(encoder.push({ type: "start" })).toBe("");
    expect(encoder.push({ type: "text-delta", text: "hi" })).toContain('"content":"hi"');
    expect(encoder.push({ type: "tool-call-start", index: 0, id: "a", name: "f" })).toBe("");
    expect(encoder.push({ type: "tool-call-delta", index: 0, arguments: "{}" })).toBe("");
    expect(encoder.push({ type: "tool-call-end", index: 0 })).toContain('"arguments":{}');
  });

  test.each([ollamaChat, ollamaGenerate])(
    "of $name keeps the grammar and loses nothing, whatever comes in whatever order",
    (dialect) => {
      fc.assert(
        fc.property(
          fc.array(step, { maxLength: 40 }),
          fc.constantFrom<FinishReason>("stop", "length", "refusal", "tool-calls", "other"),
          (steps, reason) => {
            const events = eventsOf(steps, reason);
            const text = encode(events, {}, [], dialect);
            expect(readBy(checked(text))).toEqual(said(events));
            const again = decode(text, true, [], dialect);
            expect(said(again)).toEqual(said(events));
            const whole = encode(events, { stream: false }, [], dialect);
            expect(readBy(checked(`${whole}\n`))).toEqual(said(events));
            expect(said(decode(whole, false, [], dialect))).toEqual(said(events));
          },
        ),
      );
    },
  );

  test("says calls in the order in which they began, whichever ends first", () => {
    const lines = checked(
      encode([
        { type: "start" },
        { type: "tool-call-start", index: 0, id: "a", name: "f" },
        { type: "tool-call-start", index: 1, id: "b", name: "g" },
        { type: "tool-call-delta", index: 1, arguments: '{"b":1}' },
        { type: "tool-call-end", index: 1 },
        { type: "tool-call-delta", index: 1, arguments: "late" },
        { type: "tool-call-delta", index: 0, arguments: "{}" },
        { type: "tool-call-end", index: 0 },
        { type: "finish", reason: "tool-calls" },
        { type: "done" },
      ]),
    );
    expect(readBy(lines).calls).toEqual([
      ["f", {}],
      ["g", { b: 1 }],
    ]);
  });

  test("gives calls without an id, or with one twice, an id of their own, the same for the same exchange", () => {
    const events: ChatEvent[] = ["", "a", "a", ""].flatMap((id, index) => [
      { type: "tool-call-start", index, id, name: "f" },
      { type: "tool-call-end", index },
    ]);
    const text = encode([...events, { type: "finish", reason: "stop" }, { type: "done" }]);
    checked(text);
    expect(encode([...events, { type: "finish", reason: "stop" }, { type: "done" }])).toBe(text);
  });

  test("keeps arguments that are no object as text inside one, and says so", () => {
    const losses: Loss[] = [];
    const cut: ChatEvent[] = [
      { type: "tool-call-start", index: 0, id: "a", name: "f" },
      { type: "tool-call-delta", index: 0, arguments: '{"a":"cu' },
      { type: "finish", reason: "length" },
      { type: "done" },
    ];
    expect(readBy(checked(encode(cut, {}, losses))).calls).toEqual([["f", { _raw: '{"a":"cu' }]]);
    expect(losses).toEqual([{ field: "tool-arguments", path: "tool_calls f" }]);
  });

  test("usage that comes after the finish is still told", () => {
    const lines = checked(
      encode([
        { type: "start" },
        { type: "finish", reason: "stop" },
        { type: "usage", usage: USAGE },
        { type: "done" },
      ]),
    );
    expect(lines.at(-1)).toMatchObject({ prompt_eval_count: 37, eval_count: 7 });
  });

  test("leaves out what the cache gave where nobody knows, and counts nothing as nothing", () => {
    const known = { ...UNKNOWN_USAGE, inputUncached: 5 };
    const [end] = checked(
      encode([{ type: "usage", usage: known }, { type: "finish", reason: "stop" }, { type: "done" }]),
    );
    expect(end).toMatchObject({ prompt_eval_count: 5, eval_count: 0 });
    expect(end).not.toHaveProperty("prompt_eval_cached_count");
    const zero = { ...known, cacheRead: 0 };
    const [other] = checked(
      encode([{ type: "usage", usage: zero }, { type: "finish", reason: "stop" }, { type: "done" }]),
    );
    expect(other).toHaveProperty("prompt_eval_cached_count", 0);
  });

  test("names the model that was asked for where the upstream names none", () => {
    expect(
      checked(
        encode([
          { type: "text-delta", text: "a" },
          { type: "finish", reason: "stop" },
        ]),
      )[0]?.model,
    ).toBe("asked");
  });

  test.each([
    ["stop", "stop", []],
    ["stop-sequence", "stop", []],
    ["length", "length", []],
    ["context-full", "length", []],
    ["tool-calls", "stop", []],
    ["other", "stop", []],
    ["content-filter", "stop", ["finish_reason"]],
    ["refusal", "stop", ["finish_reason"]],
    ["paused", "stop", ["finish_reason"]],
  ] as const)("that ends with %s is done for the reason %s", (reason, word, lost) => {
    const losses: Loss[] = [];
    const lines = checked(encode([{ type: "start" }, { type: "finish", reason }, { type: "done" }], {}, losses));
    expect(lines.at(-1)?.done_reason).toBe(word);
    expect(losses.map((loss) => loss.field)).toEqual(lost);
  });

  test("loses what it has no word for, each kind once", () => {
    const losses: Loss[] = [];
    encode(
      [
        { type: "reasoning-delta", text: "hm" },
        { type: "reasoning-end", signature: "c2ln" },
        { type: "reasoning-redacted", data: "eA==" },
        { type: "opaque", kind: "citations", value: null },
        { type: "opaque", kind: "citations", value: null },
        { type: "opaque", kind: "logprobs", value: null },
        { type: "refusal-delta", text: "no" },
        { type: "finish", reason: "stop" },
      ],
      {},
      losses,
    );
    expect(losses.map((loss) => `${loss.field} ${loss.path}`)).toEqual([
      "signature reasoning",
      "reasoning redacted",
      "answer-block citations",
      "answer-block logprobs",
      "refusal refusal",
    ]);
  });

  test("that ends without saying so is complete when it said why it stopped, and an error when not", () => {
    checked(
      encode([
        { type: "text-delta", text: "a" },
        { type: "finish", reason: "stop" },
      ]),
    );
    const text = encode([{ type: "text-delta", text: "half" }]);
    expect(JSON.parse(text.trimEnd().split("\n").at(-1) ?? "")).toEqual({
      error: "the answer ended before it was complete",
    });
  });

  test("ends with an error, and nothing follows", () => {
    const text = encode([
      { type: "text-delta", text: "half" },
      { type: "error", error: { status: 503, message: "overloaded" } },
      { type: "text-delta", text: "more" },
      { type: "done" },
    ]);
    expect(text.split("\n").slice(1)).toEqual(['{"error":"overloaded"}', ""]);
  });
});

describe("time", () => {
  /** A clock that goes on by as much each time it is looked at. */
  const clock = (stepNs: number) => {
    let now = -stepNs;
    return () => {
      now += stepNs;
      return now;
    };
  };

  test("is told to the nanosecond on every line, and passes", () => {
    const lines = checked(
      encode(
        [
          { type: "text-delta", text: "a" },
          { type: "text-delta", text: "b" },
          { type: "finish", reason: "stop" },
        ],
        { elapsedNs: clock(600_000_001) },
      ),
    );
    const times = lines.map((one) => one.created_at);
    expect(times[0]).toMatch(/^2026-08-04T19:59:2\d\.\d{9}Z$/);
    expect([...new Set(times)].toSorted()).toEqual(times);
    expect(times.at(-1)).not.toContain(".000000000Z");
  });

  test("becomes the durations: until the first word, and from there to the end", () => {
    const at = [2_000, 2_000, 9_000, 9_000, 9_000];
    const [, end] = checked(
      encode([{ type: "start" }, { type: "text-delta", text: "a" }, { type: "finish", reason: "stop" }], {
        elapsedNs: () => at.shift() ?? 9_000,
      }),
    );
    expect(end).toMatchObject({
      total_duration: 9_000,
      load_duration: 0,
      prompt_eval_duration: 2_000,
      eval_duration: 7_000,
    });
  });

  test("of an answer that came whole is the most that either can have taken", () => {
    const text = encode(ANSWER, { stream: false, elapsedNs: () => 9_000 });
    expect(JSON.parse(text)).toMatchObject({
      total_duration: 9_000,
      load_duration: 0,
      prompt_eval_duration: 9_000,
      eval_duration: 9_000,
    });
  });

  test("is never nothing where clients divide by it", () => {
    const [end] = checked(encode([{ type: "finish", reason: "stop" }], { elapsedNs: () => 0 }));
    expect(end).toMatchObject({ total_duration: 1, prompt_eval_duration: 1, eval_duration: 1 });
  });

  test("is not made up where nobody gives it", () => {
    const [end] = checked(encode([{ type: "finish", reason: "stop" }]));
    for (const name of ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"])
      expect(end).not.toHaveProperty(name);
  });

  test("is ours where the upstream's is no time that can be written", () => {
    const [first] = checked(
      encode([
        { type: "start", createdSeconds: 1_785_873_561_000 },
        { type: "finish", reason: "stop" },
      ]),
    );
    expect(first?.created_at).toBe("2026-08-04T19:59:21.000000000Z");
  });
});

describe("a whole answer", () => {
  test("is one object", () => {
    expect(encode(ANSWER, { stream: false })).toBe(
      `{${HEAD},"message":{"role":"assistant","content":"hello 🗽\\n","thinking":"hm so","tool_calls":[{"id":"toolu_1","function":{"index":0,"name":"f","arguments":{"n":9007199254740993,"10":1.0, "2":{}}}}]},"done":true,"done_reason":"stop","prompt_eval_count":37,"prompt_eval_cached_count":20,"eval_count":7}`,
    );
  });

  test("of the other end has its text on itself", () => {
    expect(JSON.parse(encode(ANSWER, { stream: false }, [], ollamaGenerate))).toMatchObject({
      response: "hello 🗽\n",
      thinking: "hm so",
      done: true,
    });
  });

  test("that failed is the error alone", () => {
    const text = encode([{ type: "error", error: { status: 503, message: "overloaded" } }], { stream: false });
    expect(text).toBe('{"error":"overloaded"}');
  });
});

describe("an error", () => {
  test("is one text, as a body and as a line", () => {
    const error = new GatewayError("rate-limited", "slow\ndown", { code: "x", type: "y" });
    expect(ollamaChat.writeError(error, "r-1")).toEqual({ error: "slow\ndown" });
    expect(ollamaChat.errorEvent(error, "r-1")).toBe('{"error":"slow\\ndown"}\n');
  });
});
