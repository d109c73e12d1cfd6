/** Why a prompt was not read from its cache: each cause, each known breaker, and what is remembered for it. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { createBustMemory, type Bust, type BustMemory, type SentPrompt } from "../src/cache/bust.ts";
import { readDiagnosis } from "../src/cache/diagnosis.ts";
import { DigestPool, digestSpans } from "../src/cache/digests.ts";
import { spansOf } from "../src/cache/spans.ts";
import type { ChatRequest, JsonValue, Message } from "../src/chat.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import {
  AT,
  AUTOMATIC,
  billed,
  conversation,
  FIVE_MINUTES,
  MARKS,
  prose,
  sentPrompt,
  SYSTEM,
  tool,
} from "./bust-prompts.ts";
import { request, said } from "./made-target.ts";

interface Pair {
  readonly first?: Partial<SentPrompt>;
  readonly second?: Partial<SentPrompt>;
  readonly afterMs?: number;
  /** Share of the first prompt that the second one reads. */
  readonly readShare?: number;
  /** Whether the second one reads its tools and system text. */
  readonly readsStatic?: boolean;
  readonly memory?: BustMemory;
}

/** Two prompts one after the other, the first one written whole. */
function bustOf(one: ChatRequest, other: ChatRequest, pair: Pair = {}): Bust | undefined {
  const {
    first = {},
    second = {},
    afterMs = 10_000,
    readShare = 0,
    readsStatic = false,
    memory = createBustMemory(),
  } = pair;
  const firstSent = sentPrompt(one, first);
  const whole = firstSent.prefixes.promptTokens;
  memory.sent(firstSent, AT).settled(billed(0, whole));
  const secondSent = sentPrompt(other, second);
  const { tokens, staticPlace } = secondSent.prefixes;
  const read = readsStatic ? (tokens[staticPlace] ?? 0) : Math.round(whole * readShare);
  return memory.sent(secondSent, AT + afterMs).settled(billed(read, secondSent.prefixes.promptTokens));
}

const first = conversation();
const next = conversation({}, ["Hello there", "Hello.", "And now?"]);

describe("nothing was lost", () => {
  test("a prompt that goes on and reads all that was written is no bust", () => {
    expect(bustOf(first, next, { readShare: 1 })).toBeUndefined();
  });

  test("a first prompt has nothing to lose", () => {
    expect(createBustMemory().sent(sentPrompt(first), AT).settled(billed(0, 4_000))).toBeUndefined();
  });

  test("a provider that does not say what it read is not accused", () => {
    const memory = createBustMemory();
    memory.sent(sentPrompt(first), AT).settled(billed(0, 4_000));
    expect(memory.sent(sentPrompt(next), AT).settled({ ...UNKNOWN_USAGE, inputUncached: 4_000 })).toBeUndefined();
    expect(memory.sent(sentPrompt(next), AT).settled(undefined)).toBeUndefined();
  });

  test("another conversation of the task is not a version of the one before", () => {
    const title = request({ model: "claude", messages: [said("Name this.", "system"), said("A title, please")] });
    expect(bustOf(first, title)).toBeUndefined();
    // And the main line is still compared with its own.
    const memory = createBustMemory();
    bustOf(first, title, { memory });
    const main = memory.sent(sentPrompt(next), AT + 20_000).settled(billed(0, 5_000));
    expect(main?.cause).toBe("provider");
  });

  test("a branch from an earlier prompt loses nothing by parting from the later ones", () => {
    const memory = createBustMemory();
    const turns = ["Hello there", prose(2_000), "And now?"];
    for (const count of [1, 3]) {
      const sent = sentPrompt(conversation({}, turns.slice(0, count)));
      memory.sent(sent, AT).settled(billed(0, sent.prefixes.promptTokens));
    }
    const read = sentPrompt(first).prefixes.promptTokens;
    const branch = sentPrompt(conversation({}, ["Hello there", prose(2_000), "Or else?"]));
    expect(memory.sent(branch, AT).settled(billed(read, branch.prefixes.promptTokens))).toBeUndefined();
  });

  test("steps of an automatic cache are no loss", () => {
    const memory = createBustMemory();
    const given = { rules: AUTOMATIC, marks: [] };
    const sent = sentPrompt(first, given);
    const tokens = sent.prefixes.tokens.at(-1) ?? 0;
    memory.sent(sent, AT).settled({ ...UNKNOWN_USAGE, inputUncached: tokens, cacheRead: 0 });
    const read = tokens - (tokens % 128);
    const usage = { ...UNKNOWN_USAGE, inputUncached: 500, cacheRead: read, output: 1 };
    expect(memory.sent(sentPrompt(next, given), AT + 1).settled(usage)).toBeUndefined();
  });

  test("an edit behind the last mark loses nothing", () => {
    const only = sentPrompt(first).prefixes.staticPlace;
    const memory = createBustMemory();
    const marks = [{ place: only, ttlSeconds: 300 }];
    memory.sent(sentPrompt(first, { marks }), AT).settled({ ...billed(0, 3_000), inputUncached: 500 });
    const edited = sentPrompt(conversation({}, ["Something else"]), { marks });
    expect(memory.sent(edited, AT + 1).settled({ ...billed(3_000, 3_000), inputUncached: 500 })).toBeUndefined();
  });
});

describe("what is no loss yet, or not by what changed", () => {
  test("a hundredth, or less than a step, is within the providers' own counts", () => {
    const memory = createBustMemory();
    const sent = sentPrompt(first);
    const whole = sent.prefixes.promptTokens;
    memory.sent(sent, AT).settled(billed(0, whole));
    expect(memory.sent(sentPrompt(next), AT).settled(billed(whole - 20, whole + 20))).toBeUndefined();
    const given = { rules: AUTOMATIC, marks: [] };
    expect(bustOf(first, next, { first: given, second: given, readShare: 0.96 })).toBeUndefined();
    expect(bustOf(first, next, { first: given, second: given, readShare: 0.9 })?.cause).toBe("evicted");
  });

  test("an edit behind what was cached does not explain that nothing was read", () => {
    const marks = [{ place: sentPrompt(first).prefixes.staticPlace, ttlSeconds: 300 }];
    const edited = conversation({}, ["Something else"]);
    expect(bustOf(first, edited, { first: { marks }, second: { marks } })?.cause).toBe("provider");
    const two = (text: string): ChatRequest =>
      conversation({
        messages: [
          said(SYSTEM, "system"),
          {
            role: "user",
            parts: [
              { type: "text", text: "Hello there" },
              { type: "text", text },
              { type: "text", text: prose(400, 3) },
            ],
          },
        ],
      });
    expect(bustOf(two("one"), two("other"), { readsStatic: true })).toMatchObject({
      cause: "client",
      span: "messages[0].content[1]",
    });
    const part = [{ place: sentPrompt(two("one")).prefixes.spots.length - 4, ttlSeconds: 300 }];
    expect(bustOf(two("one"), two("other"), { first: { marks: part }, second: { marks: part } })?.cause).toBe(
      "provider",
    );
  });

  test("what was below the model's minimum was never cached", () => {
    const memory = createBustMemory();
    const short = (texts: readonly string[]) => request({ model: "claude", messages: texts.map((text) => said(text)) });
    memory.sent(sentPrompt(short(["Hello"])), AT).settled(undefined);
    const usage = { ...billed(0, 0), inputUncached: 80 };
    expect(memory.sent(sentPrompt(short(["Hello", "And?"])), AT).settled(usage)).toBeUndefined();
  });

  test("a sibling at another target, or one that shares less than the minimum, is not waited for", () => {
    const elsewhere = createBustMemory();
    elsewhere.sent(sentPrompt(first, { target: "other/claude" }), AT);
    expect(elsewhere.sent(sentPrompt(next), AT).settled(billed(0, 5_000))).toBeUndefined();
    const rules = { ...MARKS, minTokens: 4_096 };
    const memory = createBustMemory();
    const long = (word: string) => sentPrompt(conversation({}, [`${word} ${prose(4_000)}`]), { rules });
    expect(long("one").prefixes.tokens[long("one").prefixes.staticPlace]).toBeLessThan(4_096);
    memory.sent(long("one"), AT);
    expect(memory.sent(long("other"), AT).settled(billed(0, 9_000))).toBeUndefined();
  });

  test("of two targets' prompts, the target's own is what counts", () => {
    const memory = createBustMemory();
    const settle = (prompt: SentPrompt) => memory.sent(prompt, AT).settled(billed(0, prompt.prefixes.promptTokens));
    settle(sentPrompt(first));
    settle(sentPrompt(next, { target: "other/claude" }));
    expect(settle(sentPrompt(next))?.cause).toBe("provider");
  });
});

describe("whose change it was", () => {
  test("after the lifetime that was paid it has expired, whatever else changed", () => {
    expect(bustOf(first, next, { afterMs: FIVE_MINUTES - 1 })?.cause).toBe("provider");
    expect(bustOf(first, next, { afterMs: FIVE_MINUTES })?.cause).toBe("expired");
    const edited = conversation({ messages: [said(`Other. ${SYSTEM}`, "system"), said("Hello there")] });
    expect(bustOf(first, edited, { afterMs: FIVE_MINUTES + 1 })?.cause).toBe("expired");
  });

  test("a mark of an hour lives for an hour", () => {
    const sent = sentPrompt(first);
    const marks = [{ place: sent.prefixes.spots.length - 1, ttlSeconds: 3_600 }];
    expect(bustOf(first, next, { first: { marks }, afterMs: FIVE_MINUTES + 1 })?.cause).toBe("provider");
    expect(bustOf(first, next, { first: { marks }, afterMs: 3_600_001 })?.cause).toBe("expired");
  });

  test("an automatic cache that forgets within its idle time has evicted", () => {
    const given = { rules: AUTOMATIC, marks: [] };
    expect(bustOf(first, next, { first: given, second: given })).toMatchObject({
      cause: "evicted",
      breaker: undefined,
    });
  });

  test("the same prompt at another target of our choice is the gateway's; another model of the client's the client's", () => {
    const elsewhere = { target: "other/claude" };
    expect(bustOf(first, next, { second: elsewhere })).toMatchObject({ cause: "gateway", span: "target" });
    const renamed = { ...next, model: "claude-other" };
    expect(bustOf(first, renamed, { second: { target: "anthropic/claude-other" } })).toMatchObject({
      cause: "client",
      span: "model",
      breaker: "model",
    });
  });

  test("another key of ours is the gateway's, another key of the client's the client's", () => {
    const given = { rules: AUTOMATIC, marks: [] };
    const ours = (key: string) => ({ ...given, sentAs: { prompt_cache_key: key } });
    expect(bustOf(first, next, { first: ours("a"), second: ours("b") })).toMatchObject({
      cause: "gateway",
      span: "prompt_cache_key",
    });
    expect(bustOf(first, next, { first: ours("a"), second: ours("a") })?.cause).toBe("evicted");
    const theirs = [
      { ...first, promptCacheKey: "a" },
      { ...next, promptCacheKey: "b" },
    ] as const;
    expect(bustOf(...theirs, { first: given, second: given })).toMatchObject({
      cause: "client",
      span: "prompt_cache_key",
    });
  });

  test("a prompt without a mark behind the entry, or with one too far from it, is who set the marks", () => {
    const bare: Partial<SentPrompt> = { marks: [] };
    expect(bustOf(first, next, { second: bare })).toMatchObject({ cause: "gateway", breaker: "marks" });
    expect(bustOf(first, next, { second: { ...bare, marksBy: "client" } })?.cause).toBe("client");
    const long = conversation({}, ["Hello there", ...Array.from({ length: 20 }, (_, at) => `turn ${at}`)]);
    expect(bustOf(first, long)).toMatchObject({ cause: "gateway", breaker: "lookback" });
    const nearer = conversation({}, ["Hello there", ...Array.from({ length: 19 }, (_, at) => `turn ${at}`)]);
    expect(bustOf(first, nearer)?.cause).toBe("provider");
  });

  test("what a sibling was still writing is cold, and told in tokens of what they share", () => {
    const memory = createBustMemory();
    const leader = memory.sent(sentPrompt(conversation({}, ["One"])), AT);
    const follower = sentPrompt(conversation({}, ["Two"]), {});
    const bust = memory.sent(follower, AT + 5).settled(billed(0, follower.prefixes.promptTokens));
    expect(bust).toMatchObject({ cause: "cold", breaker: undefined });
    const shared = follower.prefixes.tokens[follower.prefixes.staticPlace] ?? 0;
    expect(bust?.lostTokens).toBeGreaterThan(shared * 0.95);
    expect(bust?.lostTokens).toBeLessThanOrEqual(shared);
    leader.readable(AT + 10);
  });

  test("a sibling that was readable is not cold, and one that failed wrote nothing", () => {
    const memory = createBustMemory();
    memory.sent(sentPrompt(conversation({}, ["One"])), AT).failed();
    const follower = sentPrompt(conversation({}, ["Two"]));
    expect(memory.sent(follower, AT + 5).settled(billed(0, follower.prefixes.promptTokens))).toBeUndefined();
    expect(memory.size.prompts).toBe(2);
  });

  test("a new conversation of the class that changes the static part is the client's change", () => {
    const dated = (day: string) =>
      conversation({ messages: [said(`Today is ${day}. ${SYSTEM}`, "system"), said("Hi")] });
    const bust = bustOf(dated("2026-11-24"), dated("2026-11-25"), { second: { task: "another" } });
    expect(bust).toMatchObject({ cause: "client", span: "system[0]", breaker: "timestamp" });
  });

  test("a class that is said holds for prompts that begin otherwise", () => {
    const edited = conversation({ messages: [said(`Another wording. ${SYSTEM}`, "system"), said("Hi")] });
    const other = { task: "another" };
    expect(bustOf(first, edited, { second: other })).toBeUndefined();
    expect(bustOf(first, edited, { first: { taskClass: "c" }, second: { ...other, taskClass: "c" } })).toMatchObject({
      cause: "client",
      span: "system[0]",
    });
  });

  test("two tenants' prompts are never compared", () => {
    const edited = conversation({ messages: [said(`Other. ${SYSTEM}`, "system"), said("Hello there")] });
    expect(bustOf(first, edited)?.cause).toBe("client");
    expect(bustOf(first, edited, { second: { tenant: "stranger" } })).toBeUndefined();
  });
});

describe("known breakers are recognised, with where they are", () => {
  const system = (text: string) => conversation({ messages: [said(text, "system"), said("Hello there")] });
  const image = (data: string): Message => ({
    role: "user",
    parts: [
      { type: "image", source: { type: "base64", mediaType: "image/png", data } },
      { type: "text", text: `What is it? ${prose(600, 3)}` },
    ],
  });
  const noise = (value: string): Message => ({
    role: "system",
    parts: [
      { type: "opaque", dialect: "some", kind: "billing", value: { text: value }, volatile: true },
      { type: "text", text: SYSTEM },
    ],
  });
  const history = ["Hello there", prose(400, 3), "Go on", prose(400, 5), "And then"];

  test.each<[string, ChatRequest, ChatRequest, string, number | undefined]>([
    [
      "timestamp",
      system(`${prose(300)} Now: 2026-11-25T02:00:01Z. ${SYSTEM}`),
      system(`${prose(300)} Now: 2026-11-25T02:00:09Z. ${SYSTEM}`),
      "system[0]",
      1_536,
    ],
    [
      "timestamp",
      system(`It is Wednesday, November 25, 2026. ${SYSTEM}`),
      system(`It is Thursday, November 26, 2026. ${SYSTEM}`),
      "system[0]",
      0,
    ],
    [
      "uuid",
      system(`Session 0b0e7a51-3a0f-4c0e-9d8e-000000000001. ${SYSTEM}`),
      system(`Session 9b0e7a51-3a0f-4c0e-9d8e-00000000000f. ${SYSTEM}`),
      "system[0]",
      0,
    ],
    ["nonce", system(`Nonce x8Fq2Lk9ZtQ1. ${SYSTEM}`), system(`Nonce Z1pW77ab0QrT. ${SYSTEM}`), "system[0]", 0],
    ["counter", system(`Call number 41. ${SYSTEM}`), system(`Call number 42. ${SYSTEM}`), "system[0]", 0],
    ["whitespace", first, system(SYSTEM.replace("careful. ", "careful.\n\n")), "system[0]", 0],
    [
      "tools-reordered",
      first,
      conversation({ tools: [tool("alpha"), tool("gamma"), tool("beta")] }),
      "tools[1].name",
      0,
    ],
    ["tools-changed", first, conversation({ tools: [tool("alpha"), tool("gamma")] }), "tools[1].name", 0],
    ["tools-changed", first, conversation({ tools: [] }), "tools", 0],
    [
      "tool-description",
      first,
      conversation({
        tools: [tool("alpha"), tool("beta", { description: `${tool("beta").description} More.` }), tool("gamma")],
      }),
      "tools[1].description",
      512,
    ],
    [
      "tool-parameters",
      first,
      conversation({
        tools: [tool("alpha", { parameters: { type: "object", properties: {} } }), tool("beta"), tool("gamma")],
      }),
      "tools[0].parameters",
      0,
    ],
    [
      "key-order",
      first,
      conversation({
        tools: [
          tool("alpha"),
          tool("beta"),
          tool("gamma", {
            parameters: { properties: { two: { type: "number" }, one: { type: "string" } }, type: "object" },
          }),
        ],
      }),
      "tools[2].parameters",
      0,
    ],
    [
      "image",
      conversation({ messages: [said(SYSTEM, "system"), image("AAAA")] }),
      conversation({ messages: [said(SYSTEM, "system"), image("BBBB")] }),
      "messages[0].content[0]",
      0,
    ],
    [
      "message-inserted",
      conversation({}, history),
      conversation({}, ["An earlier word", "Yes?", ...history]),
      "messages[0].content[0]",
      0,
    ],
    ["message-removed", conversation({}, history), conversation({}, history.slice(2)), "messages[0].content[0]", 0],
    [
      "compaction",
      conversation({}, history),
      conversation({}, [`A summary: ${prose(600, 9)}`, "And then?"]),
      "messages[0].content[0]",
      0,
    ],
    [
      "billing-line",
      conversation({ messages: [noise("hash=f8c"), said("Hello there")] }),
      conversation({ messages: [noise("hash=232"), said("Hello there")] }),
      "system[0]",
      undefined,
    ],
  ])("%s (%#)", (breaker, one, other, span, offset) => {
    const bust = bustOf(one, other, { readsStatic: span.startsWith("messages") });
    expect(bust).toMatchObject({ cause: "client", breaker, span, offset });
    // It costs what writing costs above reading.
    expect(bust?.lostPicoUsd).toBe(BigInt(bust?.lostTokens ?? 0) * 1_150n);
  });

  test("a rewritten history is a compaction only where most of it is gone and it is no longer than before", () => {
    const few = history.map((text, at) => (at < 2 ? `${text} edited` : text));
    expect(bustOf(conversation({}, history), conversation({}, few), { readsStatic: true })).toMatchObject({
      cause: "client",
      breaker: undefined,
    });
    const longer = Array.from({ length: 7 }, (_, at) => `another ${at}`);
    expect(bustOf(conversation({}, history), conversation({}, longer))?.breaker).toBeUndefined();
  });

  test("among what changes by itself, the one where the texts part is named, a time before a number", () => {
    const busts = (text: (what: string) => string, one: string, other: string) =>
      bustOf(system(text(one)), system(text(other)))?.breaker;
    expect(busts((time) => `1. Be careful at ${time}. ${SYSTEM}`, "10:21:04", "10:21:59")).toBe("timestamp");
    expect(busts((call) => `Since 2020-01-01. ${prose(300)} Call ${call}. ${SYSTEM}`, "41", "42")).toBe("counter");
    // What else changed with it is not excused by it.
    expect(busts((time) => `Be ${time} all day. ${SYSTEM}`, "quiet, 10:21:04", "loud, 10:21:59")).toBeUndefined();
    const id = "0b0e7a51-3a0f-4c0e-9d8e-000000000001";
    expect(busts((call) => `Call ${call}. ${prose(300)} ${id} ${SYSTEM}`, "41", "42")).toBe("counter");
  });

  test("of a very long text only its start is looked through", () => {
    const long = "word ".repeat(14_000);
    expect(bustOf(system(`${long}end`), system(`${long} end`))).toMatchObject({ cause: "client", breaker: undefined });
  });

  test("a plain edit is the client's, and of no known kind", () => {
    const bust = bustOf(first, system(SYSTEM.replace("careful", "careless")));
    expect(bust).toMatchObject({ cause: "client", span: "system[0]", breaker: undefined });
  });

  test("random key order inside a call's arguments is found there", () => {
    const called = (text: string): ChatRequest =>
      conversation({
        messages: [
          said(SYSTEM, "system"),
          said("Hello there"),
          { role: "assistant", parts: [{ type: "tool-call", id: "1", name: "alpha", arguments: text }] },
          {
            role: "tool",
            parts: [{ type: "tool-result", callId: "1", content: [{ type: "text", text: prose(200, 3) }] }],
          },
        ],
      });
    const bust = bustOf(called('{"one":1,"two":2}'), called('{"two":2,"one":1}'), { readsStatic: true });
    expect(bust).toMatchObject({
      breaker: "key-order",
      span: "messages[1].content[0]",
    });
  });

  test("noise that does not reach the provider is not blamed", () => {
    const [one, other] = [noise("hash=f8c"), noise("hash=232")].map((message) =>
      conversation({ messages: [message, said("Hello there")] }),
    );
    if (one === undefined || other === undefined) throw new Error("two requests");
    expect(bustOf(one, other, { second: { isNoiseSent: false } })?.cause).toBe("provider");
  });

  test("paths are the wire's where system text stands among the messages", () => {
    const turns = ["Hello.", prose(600, 3)];
    const before = conversation({}, ["Hello there", ...turns]);
    const edited = conversation({}, ["Hello here", ...turns]);
    const bust = bustOf(before, edited, { second: { systemApart: false }, readsStatic: true });
    expect(bust?.span).toBe("messages[1].content[0]");
  });
});

describe("what the provider says itself comes first", () => {
  const missed = (type: string, tokens: number) =>
    readDiagnosis({ cache_miss_reason: { type, cache_missed_input_tokens: tokens } });
  const settledWith = (other: ChatRequest, diagnosis: ReturnType<typeof readDiagnosis>, read = 0) => {
    const memory = createBustMemory();
    const sent = sentPrompt(first);
    memory.sent(sent, AT).settled(billed(0, sent.prefixes.promptTokens));
    const after = sentPrompt(other);
    return memory.sent(after, AT + 1).settled(billed(read, after.prefixes.promptTokens), diagnosis);
  };

  test("its tokens are told, with our path where it agrees", () => {
    const edited = conversation({ messages: [said(`Other. ${SYSTEM}`, "system"), said("Hello there")] });
    expect(settledWith(edited, missed("system_changed", 777))).toMatchObject({
      cause: "client",
      span: "system[0]",
      lostTokens: 777,
    });
  });

  test("a change that the client did not make is the gateway's", () => {
    expect(settledWith(next, missed("tools_changed", 777))).toMatchObject({ cause: "gateway", span: "tools" });
  });

  test.each([
    [{ type: "cache_miss", reason: "verbosity_changed", cache_missed_tokens: 9 }, "client", "verbosity"],
    [{ type: "cache_miss", reason: "context_compacted", cache_missed_tokens: 9 }, "client", "messages"],
    [{ type: "cache_miss", reason: "prompt_cache_key_changed", cache_missed_tokens: 9 }, "gateway", "prompt_cache_key"],
    [{ type: "cache_miss", reason: "model_changed", cache_missed_tokens: 9 }, "gateway", "model"],
  ])("%j", (value, cause, span) => {
    expect(settledWith(next, readDiagnosis(value))).toMatchObject({ cause, span, lostTokens: 9 });
  });

  test("no more is lost than was not read, whatever it says", () => {
    const whole = sentPrompt(next).prefixes.promptTokens;
    expect(settledWith(next, missed("messages_changed", 1_000_000), whole - 5)).toMatchObject({ lostTokens: 5 });
    expect(settledWith(next, missed("messages_changed", 1_000_000), whole)).toBeUndefined();
  });

  const judged = (other: ChatRequest, value: JsonValue, read = 0) => {
    const memory = createBustMemory();
    const sent = sentPrompt(first);
    memory.sent(sent, AT).settled(billed(0, sent.prefixes.promptTokens));
    const after = sentPrompt(other);
    const watch = memory.sent(after, AT + 1);
    const bust = watch.settled(billed(read, after.prefixes.promptTokens), readDiagnosis(value));
    return [watch.agrees, bust?.verdict?.word, bust?.verdict?.ours];
  };
  const systemEdited = conversation({ messages: [said(`Other. ${SYSTEM}`, "system"), said("Hello there")] });
  const reason = (type: string) => ({ cache_miss_reason: { type, cache_missed_input_tokens: 50 } });
  test.each<[string, ChatRequest, JsonValue, readonly unknown[]]>([
    ["the same piece", systemEdited, reason("system_changed"), [true, "system", undefined]],
    [
      "the same piece, by a word for all of the input",
      systemEdited,
      { type: "cache_miss", reason: "input_changed", cache_missed_tokens: 50 },
      [true, "input", undefined],
    ],
    ["another piece", systemEdited, reason("tools_changed"), [false, "tools", "client system[0]"]],
    ["a change that we do not see", next, reason("tools_changed"), [false, "tools", "provider tools[0].name"]],
    ["a hit where we see a change", systemEdited, { type: "cache_hit" }, [false, undefined, undefined]],
    ["nothing", systemEdited, null, [undefined, undefined, undefined]],
  ])("whether we would have said so is told: %s", (_, other, value, expected) => {
    expect(judged(other, value)).toEqual(expected);
  });

  test("where we have nothing to go by, we do not disagree", () => {
    const only = sentPrompt(first);
    const watch = createBustMemory().sent({ ...only, predictedRead: 0 }, AT);
    const bust = watch.settled(billed(0, only.prefixes.promptTokens), missed("system_changed", 50));
    expect([watch.agrees, bust?.cause, bust?.lostTokens, bust?.verdict]).toEqual([
      undefined,
      "client",
      50,
      { word: "system", ours: undefined },
    ]);
  });

  test("a hit that it confirms is no bust, and what it cannot tell leaves ours", () => {
    expect(settledWith(next, readDiagnosis({ type: "cache_hit" }))).toBeUndefined();
    for (const value of [
      null,
      {},
      { type: "unavailable" },
      { cache_miss_reason: null },
      { cache_miss_reason: { type: "unavailable" } },
    ]) {
      expect(readDiagnosis(value)).toBeUndefined();
    }
    expect(settledWith(next, undefined)?.cause).toBe("provider");
  });
});

describe("what is remembered", () => {
  const secret = "the-secret-of-the-prompt";
  const secretive = (extra: string) =>
    conversation({ messages: [said(`${SYSTEM} ${secret} ${extra}`, "system"), said(`${secret} asked`)] });

  test("is no text: numbers in the memory, and nothing of a request once it is sent", async () => {
    const spans = spansOf(secretive("one"));
    expect(spans.map(({ text }) => text).join("\n")).toContain(secret);
    expect(inspect(digestSpans(spans), { depth: 9, maxStringLength: 1_000_000 })).not.toContain(secret);

    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const memory = createBustMemory();
    const send = () => {
      const prompt = secretive("two");
      return { watch: memory.sent(sentPrompt(prompt), AT), request: new WeakRef(prompt) };
    };
    const { watch, request } = send();
    await nextTurn();
    collect();
    expect(request.deref()).toBeUndefined();
    expect(watch.settled(billed(0, 5_000))).toBeUndefined();
    expect(memory.size.prompts).toBe(2);
  });

  test("an excerpt is given only where content may be logged, and is short", () => {
    const bust = bustOf(secretive("one"), secretive("two"), { second: { excerpts: true } });
    expect(bust?.excerpt?.length).toBeGreaterThan(0);
    expect(bust?.excerpt?.length).toBeLessThanOrEqual(80);
  });

  test("is bounded in prompts and in bytes, whatever comes, and the oldest goes first", () => {
    const memory = createBustMemory({ promptsMax: 10, bytesMax: 40_000 });
    for (let at = 0; at < 60; at += 1) {
      memory.sent(sentPrompt(conversation({}, [`Hello ${at}`, prose(at * 20)]), { task: `task-${at}` }), AT + at);
      expect(memory.size.prompts).toBeLessThanOrEqual(10);
      expect(memory.size.bytes).toBeLessThanOrEqual(40_000);
    }
    const large = createBustMemory({ bytesMax: 100_000 });
    for (let at = 0; at < 60; at += 1) {
      large.sent(sentPrompt(conversation({}, [`Hello ${at}`]), { task: `task-${at}` }), AT);
      expect(large.size.bytes).toBeLessThanOrEqual(100_000);
    }
    expect(large.size.prompts).toBeGreaterThan(5);
    const many = createBustMemory();
    for (let at = 0; at < 50; at += 1) many.sent(sentPrompt(first), AT);
    expect(many.size.prompts).toBe(8);
  });

  test("what a caller begins with is digested once, and as many pieces are kept as may be", () => {
    const pool = new DigestPool();
    const spans = spansOf(first);
    const once = digestSpans(spans, [], pool);
    const again = digestSpans(spans, [], pool);
    expect(again).toEqual(once);
    expect(again.at(-2)).toBe(once.at(-2));
    const small = new DigestPool(2);
    digestSpans(spans, [], small);
    expect(small.size).toBe(2);
  });

  test("a conversation told by its prefixes' hashes is told as one that is read anew", () => {
    const turns = (count: number) => Array.from({ length: count }, (_, at) => `turn ${at} ${prose(300)}`);
    const noisy = (text: string, count: number) =>
      conversation({
        messages: [
          {
            role: "system",
            parts: [
              { type: "opaque", dialect: "d", kind: "k", value: text, volatile: true },
              { type: "text", text: SYSTEM },
            ],
          },
          ...turns(count).map((turn) => said(turn)),
        ],
      });
    const memory = createBustMemory();
    for (const count of [5, 7]) {
      const sent = sentPrompt(noisy(`a${count}`, count));
      memory.sent(sent, AT).settled(billed(0, sent.prefixes.promptTokens));
    }
    const edited = noisy("b", 7);
    const messages = edited.messages.map((message, at) => (at === 4 ? said("something else") : message));
    const bust = memory.sent(sentPrompt({ ...edited, messages }), AT).settled(billed(3_000, 6_000));
    expect(bust).toMatchObject({ cause: "client", span: "messages[3].content[0]", offset: 0 });
  });

  test("everything that is forgotten gives its bytes back", () => {
    const memory = createBustMemory();
    const watches = [first, next].map((prompt) => memory.sent(sentPrompt(prompt), AT));
    expect(memory.size.bytes).toBeGreaterThan(0);
    for (const watch of watches) watch.failed();
    for (const watch of watches) watch.failed();
    expect(memory.size).toEqual({ prompts: 0, bytes: 0 });
  });

  test("the same prompts in the same order tell the same", () => {
    const edited = conversation({ tools: [tool("beta"), tool("alpha")] });
    expect(bustOf(first, edited)).toEqual(bustOf(first, edited));
  });

  test("ten thousand messages that differ in the last character are told in time", () => {
    const turns = Array.from({ length: 5_000 }, (_, at) => `turn ${"x".repeat(at % 50)}`);
    const bust = bustOf(conversation({}, turns), conversation({}, [...turns.slice(0, -1), "turn y"]));
    expect(bust === undefined || bust.cause !== "gateway").toBe(true);
  });
});
