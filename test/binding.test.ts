/** Where a conversation must or should go back to: who issued its reasoning, and where its prefix is warm. */
import { describe, expect, test } from "vitest";
import { createBindings, WARM_BORDERS_MAX, type Bindings } from "../src/binding.ts";
import { placeBoundary, type Boundary } from "../src/cache/boundary.ts";
import type { CacheMark, ChatRequest, Message, Part } from "../src/chat.ts";
import { ISSUED_MAX, type Issued } from "../src/ledger-bindings.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { request, said, target } from "./made-target.ts";

const LONG = "The quick brown fox jumps over the lazy dog. ".repeat(400);
const SECOND = 1_000;

describe("reasoning goes back to who issued it", () => {
  const haiku = target("claude-haiku-5-5");
  const eu = target("claude-haiku-5-5", {}, "anthropic-eu");
  const thought = (part: Partial<Part>): ChatRequest =>
    request({
      messages: [said("Why?"), { role: "assistant", parts: [{ type: "reasoning", text: "…", ...part } as Part] }],
    });
  const issuers = (bindings: Bindings, given: ChatRequest) =>
    bindings.of(given, "").map(({ origin }) => origin?.instance);

  test("by its signature, and by its sealed data", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku);
    bindings.learnSignature("c2VhbGVk", eu);
    expect(issuers(bindings, thought({ signature: "c2lnbmF0dXJl" }))).toEqual(["anthropic"]);
    expect(issuers(bindings, thought({ text: "", redacted: "c2VhbGVk" }))).toEqual(["anthropic-eu"]);
  });

  test("and to nobody in particular when it bears none, or one that is not known", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku);
    expect(issuers(bindings, thought({}))).toEqual([]);
    expect(issuers(bindings, thought({ signature: "bm90IG91cnM" }))).toEqual([]);
    expect(issuers(bindings, request())).toEqual([]);
  });

  test("what a user pastes is not reasoning", () => {
    const bindings = createBindings();
    bindings.learnSignature("c2lnbmF0dXJl", haiku);
    const pasted: Message = { role: "user", parts: [{ type: "reasoning", text: "", signature: "c2lnbmF0dXJl" }] };
    expect(issuers(bindings, request({ messages: [pasted] }))).toEqual([]);
  });

  test("long seals are told apart by how they end, and by their length", () => {
    const bindings = createBindings();
    const seal = `${"A".repeat(4_000)}end`;
    bindings.learnSignature(seal, haiku);
    expect(issuers(bindings, thought({ signature: seal }))).toEqual(["anthropic"]);
    expect(issuers(bindings, thought({ signature: `A${seal}` }))).toEqual([]);
    expect(issuers(bindings, thought({ signature: `${"A".repeat(4_000)}And` }))).toEqual([]);
  });

  test("the oldest signatures are forgotten at the bound", () => {
    const bindings = createBindings();
    for (let index = 0; index <= ISSUED_MAX.seal; index += 1) bindings.learnSignature(`signature-${index}`, haiku);
    expect(issuers(bindings, thought({ signature: "signature-0" }))).toEqual([]);
    expect(issuers(bindings, thought({ signature: "signature-1" }))).toEqual(["anthropic"]);
  });
});

describe("what is written down", () => {
  const nano = target("gpt-5.4-nano");
  const other = target("gpt-5.4-mini");

  test("is a hash and names, once for each that is new or leads elsewhere", () => {
    const written: Issued[] = [];
    const bindings = createBindings((issued) => written.push(issued));
    for (let again = 0; again < 3; again += 1) {
      bindings.learnSignature("c2lnbmF0dXJl", nano);
      bindings.learnKept("resp_1", nano, "alice");
      bindings.learnCall("call_1", nano, "alice");
    }
    bindings.learnKept("resp_1", other, "alice");
    expect(written.map(({ kind, instance, model, caller }) => [kind, instance, model, caller])).toEqual([
      ["seal", "openai", "gpt-5.4-nano", ""],
      ["kept", "openai", "gpt-5.4-nano", "alice"],
      ["call", "openai", "gpt-5.4-nano", "alice"],
      ["kept", "openai", "gpt-5.4-mini", "alice"],
    ]);
    expect(JSON.stringify(written)).not.toMatch(/c2lnbmF0dXJl|resp_1|call_1/);
  });

  test("is known again, but never in the place of what has been learned since", () => {
    const written: Issued[] = [];
    const before = createBindings((issued) => written.push(issued));
    before.learnKept("resp_1", nano, "alice");
    before.learnKept("resp_2", nano, "alice");
    const after = createBindings();
    after.learnKept("resp_2", target("gpt-5.4-nano", {}, "elsewhere"), "alice");
    after.recall(written);
    expect(after.holder("resp_1", "alice")).toEqual({ instance: "openai", isOwn: true });
    expect(after.holder("resp_1", "bob")).toEqual({ instance: "openai", isOwn: false });
    expect(after.holder("resp_2", "alice")).toEqual({ instance: "elsewhere", isOwn: true });
  });

  test("a file's id is no answer's: naming it as a file makes nothing another caller's", () => {
    const bindings = createBindings();
    bindings.learnKept("resp_1", nano, "alice");
    bindings.learnHosted("resp_1", target("gpt-5.4-nano", {}, "elsewhere"));
    expect(bindings.holder("resp_1", "alice")).toEqual({ instance: "openai", isOwn: true });
  });
});

describe("a prefix is warm where it was sent", () => {
  const nano = target("gpt-5.4-nano");
  const small = target("mistral-small-2603");
  const first = request({ messages: [said(LONG, "system"), said("One?")] });
  const second = request({ messages: [...first.messages, said("Yes.", "assistant"), said("Two?")] });
  const answered: Usage = { ...UNKNOWN_USAGE, inputUncached: 4_000, cacheRead: 0, output: 10 };

  test("up to the last border that both prompts have", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), nano, answered, 0);
    expect(bindings.warmTokens(placed(second), nano, SECOND)).toBe(tokensOf(first));
  });

  test("at that target only", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), nano, answered, 0);
    expect(bindings.warmTokens(placed(second), target("gpt-5.4-mini"), SECOND)).toBe(0);
  });

  test("for that caller only", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placeBoundary(first, "alice"), nano, answered, 0);
    expect(bindings.warmTokens(placeBoundary(second, "alice"), nano, SECOND)).toBeGreaterThan(0);
    expect(bindings.warmTokens(placeBoundary(second, "bob"), nano, SECOND)).toBe(0);
  });

  test("as long as the model's cache lives", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), nano, answered, 0);
    expect(bindings.warmTokens(placed(second), nano, 300 * SECOND - 1)).toBeGreaterThan(0);
    expect(bindings.warmTokens(placed(second), nano, 300 * SECOND)).toBe(0);
  });

  test("not when it is shorter than what is cached at all, in the model's own tokens", () => {
    const text = "word ".repeat(950);
    const short = request({ messages: [said(text, "system"), said("One?")] });
    const dearer = target("gpt-5.4-nano", { tokenRatio: 1.42 });
    const bindings = createBindings();
    bindings.learnPrompt(placed(short), nano, answered, 0);
    bindings.learnPrompt(placed(short), dearer, answered, 0);
    expect(bindings.warmTokens(placed(short), nano, SECOND)).toBe(0);
    expect(bindings.warmTokens(placed(short), dearer, SECOND)).toBeGreaterThan(0);
  });

  test("a cache that goes by key is warm once a read has shown it", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), small, answered, 0);
    expect(bindings.warmTokens(placed(second), small, SECOND)).toBe(0);
    bindings.learnPrompt(placed(first), small, { ...answered, cacheRead: 3_968 }, 0);
    expect(bindings.warmTokens(placed(second), small, SECOND)).toBe(tokensOf(first));
  });

  test("a server's own cache is warm after each answer; one without a cache, never", () => {
    const local = target("gpt-5.4-nano", { cache: { kind: "local", stepTokens: 16 } });
    const none = target("mistral-small-2501");
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), local, answered, 0);
    bindings.learnPrompt(placed(first), none, { ...answered, cacheRead: 3_968 }, 0);
    expect(bindings.warmTokens(placed(second), local, SECOND)).toBe(tokensOf(first));
    expect(bindings.warmTokens(placed(second), none, SECOND)).toBe(0);
  });

  test("the oldest borders are forgotten at the bound", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(first), nano, answered, 0);
    const borders = Array.from({ length: 1_000 }, () => 0);
    for (let filled = 0; filled < WARM_BORDERS_MAX; filled += borders.length) {
      const other = borders.map((_, index) => ({ hash: `${filled + index}`, tokens: 1, marked: false }));
      bindings.learnPrompt({ borders: other, promptTokens: 0 }, nano, answered, 0);
    }
    expect(bindings.warmTokens(placed(second), nano, SECOND)).toBe(0);
  });
});

describe("where caches are marked, a prefix is warm at the marks only", () => {
  const haiku = target("claude-haiku-5-5");
  const conversation = (mark: CacheMark | undefined, ...users: readonly string[]): ChatRequest =>
    request({
      messages: [
        { role: "system", parts: [{ type: "text", text: LONG, ...(mark === undefined ? {} : { cache: mark }) }] },
        said(LONG),
        ...users.flatMap((text) => [said(text), said("Yes.", "assistant")]),
        said("Go on."),
      ],
    });
  const whole: Usage = { ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, cacheWrite5m: 8_000, output: 1 };

  test("a next turn finds the whole prompt of the turn before", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(conversation({})), haiku, whole, 0);
    const next = request({ messages: [...conversation({}).messages, said("Yes.", "assistant"), said("More.")] });
    expect(bindings.warmTokens(placed(next), haiku, SECOND)).toBe(tokensOf(conversation({})));
  });

  test("another conversation finds a marked system prompt", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(conversation({}, "One?")), haiku, whole, 0);
    const other = request({ messages: [...conversation({}).messages.slice(0, 1), said("Something else.")] });
    expect(bindings.warmTokens(placed(other), haiku, SECOND)).toBe(placed(other).borders[0]?.tokens);
  });

  test("but not one that stands in front of the only mark", () => {
    const bindings = createBindings();
    bindings.learnPrompt(placed(conversation(undefined, "One?")), haiku, whole, 0);
    const other = request({ messages: [...conversation(undefined).messages.slice(0, 1), said("Something else.")] });
    expect(bindings.warmTokens(placed(other), haiku, SECOND)).toBe(0);
  });

  test("up to what was read and written, not what came after the last mark", () => {
    const sent = request({
      messages: [{ role: "system", parts: [{ type: "text", text: LONG, cache: {} }] }, said(LONG)],
    });
    const half: Usage = { ...whole, inputUncached: 4_000, cacheWrite5m: 4_000 };
    const bindings = createBindings();
    bindings.learnPrompt(placed(sent), haiku, half, 0);
    expect(bindings.warmTokens(placed(sent), haiku, SECOND)).toBe(placed(sent).borders[0]?.tokens);
  });

  test("nothing is warm when nothing was read or written, or nothing was said of it", () => {
    const bindings = createBindings();
    const sent = placed(conversation({}));
    bindings.learnPrompt(sent, haiku, { ...whole, cacheWrite5m: 0, inputUncached: 8_000 }, 0);
    bindings.learnPrompt(sent, haiku, UNKNOWN_USAGE, 0);
    expect(bindings.warmTokens(sent, haiku, SECOND)).toBe(0);
  });

  test.each([
    ["five minutes", {}, 300],
    ["an hour where it was written for one", { cacheWrite1h: 100 }, 3_600],
  ])("for %s", (_what, written, seconds) => {
    const bindings = createBindings();
    const sent = placed(conversation({}));
    bindings.learnPrompt(sent, haiku, { ...whole, ...written }, 0);
    expect(bindings.warmTokens(sent, haiku, seconds * SECOND - 1)).toBeGreaterThan(0);
    expect(bindings.warmTokens(sent, haiku, seconds * SECOND)).toBe(0);
  });
});

function placed(given: ChatRequest): Boundary {
  return placeBoundary(given, "");
}

function tokensOf(given: ChatRequest): number {
  return placed(given).borders.at(-1)?.tokens ?? 0;
}
