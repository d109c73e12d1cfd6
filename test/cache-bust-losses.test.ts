/** What counts as a loss: what the provider's own earlier counts promised and it did not read; and whose each part of it was. */
import { describe, expect, test } from "vitest";
import { createBustMemory, type Bust, type BustMemory, type SentPrompt } from "../src/cache/bust.ts";
import type { SentMark } from "../src/cache/sent-marks.ts";
import type { ChatRequest } from "../src/chat.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { AT, AUTOMATIC, billed, conversation, FIVE_MINUTES, prose, sentPrompt, SYSTEM, tool } from "./bust-prompts.ts";
import { said } from "./made-target.ts";

const first = conversation();
const next = conversation({}, ["Hello there", "Hello.", "And now?"]);
const automatic: Partial<SentPrompt> = { rules: AUTOMATIC, marks: [] };
const tokensOf = (request: ChatRequest) => sentPrompt(request).prefixes.promptTokens;
const read = (cacheRead: number, whole: number): Usage => ({
  ...UNKNOWN_USAGE,
  inputUncached: whole - cacheRead,
  cacheRead,
  output: 1,
});

interface Turn {
  readonly request: ChatRequest;
  readonly given?: Partial<SentPrompt>;
  readonly atMs?: number;
  readonly usage: Usage | undefined;
}
/** One after the other; what was said of the last. */
function told(turns: readonly Turn[], memory: BustMemory = createBustMemory()): Bust | undefined {
  let bust: Bust | undefined;
  for (const { request, given, atMs = 0, usage } of turns)
    bust = memory.sent(sentPrompt(request, given), AT + atMs).settled(usage);
  return bust;
}

describe("no loss is made up by our own count", () => {
  // The provider counts a fifth less than we estimate.
  const theirs = (request: ChatRequest) => Math.round(tokensOf(request) * 0.8);

  test("an automatic cache that reads all it had by its own count has lost nothing, however we count", () => {
    const had = theirs(first);
    const turns = [
      { request: first, given: automatic, usage: read(0, had) },
      { request: next, given: automatic, usage: read(had - (had % 128), theirs(next)) },
    ];
    expect(told(turns)).toBeUndefined();
    const less = { request: next, given: automatic, usage: read(had - (had % 128) - 384, theirs(next)) };
    expect(told([turns[0] as Turn, less])).toMatchObject({ cause: "evicted", lostTokens: 384 });
  });

  test("where only an estimate is known, what it may be wrong by is none", () => {
    const memory = createBustMemory();
    // Its answer runs: what it wrote is not told yet.
    memory.sent(sentPrompt(first, automatic), AT).readable(AT);
    const had = theirs(first);
    const usage = read(had - (had % 128), theirs(next));
    expect(memory.sent(sentPrompt(next, automatic), AT + 1).settled(usage)).toBeUndefined();
    const other = createBustMemory();
    other.sent(sentPrompt(first, automatic), AT).readable(AT);
    expect(other.sent(sentPrompt(next, automatic), AT + 1).settled(read(0, theirs(next)))?.cause).toBe("evicted");
  });

  test("what the class's conversations begin with is estimated, too", () => {
    const opening = (text: string) => conversation({}, [`${text} ${prose(30)}`]);
    const before = { request: opening("One."), usage: billed(0, theirs(opening("One."))) };
    const { prefixes } = sentPrompt(opening("Two."));
    const atStatic = Math.round((prefixes.tokens[prefixes.staticPlace] ?? 0) * 0.8);
    const after = (share: number): Turn => ({
      request: opening("Two."),
      given: { task: "another" },
      usage: billed(Math.round(atStatic * share), theirs(opening("Two."))),
    });
    expect(told([before, after(1)])).toBeUndefined();
    expect(told([before, after(0)])?.cause).toBe("provider");
  });

  test("a prompt whose answer never told what it wrote promises nothing", () => {
    const untold = { request: first, usage: undefined };
    expect(told([untold, { request: next, usage: billed(0, tokensOf(next)) }])).toBeUndefined();
    const silent = { request: first, given: automatic, usage: { ...UNKNOWN_USAGE, inputUncached: tokensOf(first) } };
    expect(told([silent, { request: next, given: automatic, usage: read(0, tokensOf(next)) }])).toBeUndefined();
  });

  test("what was foreseen to be read and was is no loss of the provider's", () => {
    const before = { request: first, usage: billed(0, tokensOf(first)) };
    const foreseen = (predictedRead: number): Turn => ({
      request: next,
      given: { predictedRead },
      usage: billed(1_500, tokensOf(next)),
    });
    expect(told([before, foreseen(1_500)])).toBeUndefined();
    expect(told([before, foreseen(tokensOf(first))])?.cause).toBe("provider");
  });

  test("another target's count says nothing of this one's", () => {
    const before = { request: first, given: { target: "other/claude" }, usage: billed(0, tokensOf(first) * 2) };
    expect(told([before, { request: next, usage: billed(tokensOf(first), tokensOf(next)) }])).toBeUndefined();
  });
});

describe("siblings that part at their end lose nothing by it", () => {
  const branch = (text: string) => conversation({}, ["Hello there", "Hello.", `${text}: ${prose(900, text.length)}`]);
  const base = tokensOf(conversation({}, ["Hello there", "Hello."]));

  test.each<[string, Partial<SentPrompt>]>([
    ["marked", {}],
    ["automatic", automatic],
  ])("%s", (_, given) => {
    const usage = given.marks === undefined ? billed(0, tokensOf(branch("one"))) : read(0, tokensOf(branch("one")));
    const before = { request: branch("one"), given, usage };
    const shared = base - (base % 128);
    expect(
      told([before, { request: branch("another"), given, usage: billed(shared, tokensOf(branch("another"))) }]),
    ).toBeUndefined();
  });

  test("but what comes again behind a change is lost by it, and no more than that", () => {
    const history = (word: string) =>
      conversation({}, ["Hello there", "Hello.", `It is ${word} now.`, prose(900, 3), "And then?"]);
    const whole = tokensOf(history("early"));
    const bust = told([
      { request: history("early"), usage: billed(0, whole) },
      { request: history("late"), usage: billed(base, whole) },
    ]);
    expect(bust).toMatchObject({ cause: "client", span: "messages[2].content[0]" });
    expect(bust?.lostTokens).toBeGreaterThan(850);
    expect(bust?.lostTokens).toBeLessThanOrEqual(whole - base);
  });
});

describe("each loss has its own cause", () => {
  const whole = tokensOf(first);
  const written = { request: first, usage: billed(0, whole) };

  test("a change at the end does not explain that what stands before it was not read, either", () => {
    const edited = conversation({}, ["Something else"]);
    expect(told([written, { request: edited, usage: billed(0, tokensOf(edited)) }])?.cause).toBe("provider");
  });

  test("a change behind a mark inside of a text takes nothing of what stands before the mark", () => {
    const dated = (day: string) => conversation({ messages: [said(`${SYSTEM} It is ${day}.`, "system"), said("Hi")] });
    const { prefixes } = sentPrompt(dated("Monday"));
    const place = prefixes.spots.findLastIndex(({ kind }) => kind === "text");
    const given = { marks: [{ place, ttlSeconds: 300 }] };
    const before = prefixes.tokens[place] ?? 0;
    const whole = tokensOf(dated("Monday"));
    const turns = (readTokens: number): readonly Turn[] => [
      { request: dated("Monday"), given, usage: { ...billed(0, before), inputUncached: whole - before } },
      { request: dated("Tuesday"), given, usage: { ...billed(readTokens, before), inputUncached: whole - before } },
    ];
    expect(told(turns(before))).toBeUndefined();
    expect(told(turns(0))).toMatchObject({ cause: "provider", lostTokens: before });
  });

  test("a model that was changed and changed back is no eviction and no text change", () => {
    // What one model's cache tells apart is nothing to another's.
    const settings = [{ from: 0, word: 'verbosity="low";' }];
    const elsewhere: Partial<SentPrompt> = { target: "openai/gpt", settings, ...automatic };
    const asked = { ...next, model: "gpt" };
    const later = conversation({}, ["Hello there", "Hello.", "And now?", "Now.", "And then?"]);
    const turns = [
      written,
      { request: asked, given: elsewhere, atMs: FIVE_MINUTES, usage: read(0, tokensOf(next)) },
      { request: later, atMs: FIVE_MINUTES + 10_000, usage: billed(0, tokensOf(later)) },
    ];
    expect(told(turns)).toMatchObject({ cause: "client", span: "model", breaker: "model" });
    const failedOver = turns.map((turn) => ({ ...turn, request: { ...turn.request, model: "any" } }));
    expect(told(failedOver)).toMatchObject({ cause: "gateway", span: "target" });
  });

  test("a new conversation of the class at another target has lost nothing", () => {
    const other = { request: conversation({}, ["Another"]), given: { task: "another", target: "other/claude" } };
    expect(told([written, { ...other, usage: billed(0, tokensOf(first)) }])).toBeUndefined();
  });

  test("another replica of the same target is the gateway's choice, whatever was expected of the target", () => {
    const at = (replica: string, predictedRead = 0): Partial<SentPrompt> => ({ ...automatic, replica, predictedRead });
    const before = { request: first, given: at("one"), usage: read(0, whole) };
    const after = (given: Partial<SentPrompt>): Turn => ({ request: next, given, usage: read(0, tokensOf(next)) });
    expect(told([before, after(at("two", whole))])).toMatchObject({ cause: "gateway", span: "replica" });
    expect(told([before, after(at("two"))])).toMatchObject({ cause: "gateway", span: "replica" });
    expect(told([before, after(at("one"))])?.cause).toBe("evicted");
  });

  test("a setting that the cache tells apart is the client's change", () => {
    const { staticPlace } = sentPrompt(first).prefixes;
    const set = (word: string): Partial<SentPrompt> => ({ settings: [{ from: staticPlace + 1, word }] });
    const long = conversation({}, [prose(900)]);
    const after = conversation({}, [prose(900), "Yes.", "And now?"]);
    const atStatic = sentPrompt(first).prefixes.tokens[staticPlace] ?? 0;
    const turns = (readTokens: number): readonly Turn[] => [
      { request: long, given: set('toolChoice="any; or = none";'), usage: billed(0, tokensOf(long)) },
      {
        request: after,
        given: set('reasoning="[\\"high\\",null]";toolChoice="any; or = none";'),
        usage: billed(readTokens, tokensOf(after)),
      },
    ];
    expect(told(turns(atStatic))).toMatchObject({ cause: "client", span: "reasoning", breaker: undefined });
    // It leaves what stands before the messages as it was.
    expect(told(turns(0))?.cause).toBe("provider");
  });

  test("a setting that an automatic cache tells apart takes all that it had", () => {
    const set = (word: string): Partial<SentPrompt> => ({ ...automatic, settings: [{ from: 0, word }] });
    const bust = told([
      { request: first, given: set('verbosity="low";'), usage: read(0, whole) },
      { request: next, given: set('verbosity="high";'), usage: read(0, tokensOf(next)) },
    ]);
    expect(bust).toMatchObject({ cause: "client", span: "verbosity", lostTokens: whole - (whole % 128) });
    const edited = conversation({}, ["Something else"]);
    const both = { request: edited, given: set('verbosity="high";'), usage: read(0, tokensOf(edited)) };
    const before = { request: first, given: set('verbosity="low";'), usage: read(0, whole) };
    expect(told([before, both])).toMatchObject({ cause: "client", span: "verbosity" });
  });

  const mark = (request: ChatRequest, given: Partial<SentMark>): SentMark => ({
    place: sentPrompt(request).prefixes.spots.length - 1,
    ttlSeconds: 300,
    by: "client",
    ...given,
  });

  test("a lifetime that the gateway made shorter than the client said is the gateway's", () => {
    const given: Partial<SentPrompt> = { marks: [mark(first, { saidSeconds: 3_600 })], marksBy: "client" };
    const turns = (atMs: number): readonly Turn[] => [
      { ...written, given },
      { request: next, given: { marksBy: "client" }, atMs, usage: billed(0, tokensOf(next)) },
    ];
    expect(told(turns(FIVE_MINUTES + 1))).toMatchObject({ cause: "gateway", breaker: "marks" });
    expect(told(turns(3_600_001))?.cause).toBe("expired");
  });

  test("a mark of the client's that was not sent is the gateway's, and one that it stopped to set the client's", () => {
    const given: Partial<SentPrompt> = { marks: [mark(first, {})], marksBy: "client" };
    const { prefixes } = sentPrompt(next);
    const place = prefixes.spots.length - 1;
    const saying = { ...prefixes, marks: [{ place, mark: {}, isWithin: false }] };
    const after = (own: Partial<SentPrompt>): Turn => ({
      request: next,
      given: { marks: [], ...own },
      usage: read(0, tokensOf(next)),
    });
    const before = { ...written, given };
    expect(told([before, after({ marksBy: "client", prefixes: saying })])?.cause).toBe("gateway");
    expect(told([before, after({ marksBy: "client" })])?.cause).toBe("client");
    expect(told([before, after({ marksBy: "gateway" })])?.cause).toBe("client");
    expect(told([written, after({ marksBy: "gateway" })])?.cause).toBe("gateway");
  });

  test("of two lifetimes, what ended is expired and what had not is the provider's", () => {
    const { staticPlace, tokens } = sentPrompt(first).prefixes;
    const long = conversation({}, [prose(900)]);
    const given = { marks: [mark(long, { place: staticPlace, ttlSeconds: 3_600 }), mark(long, {})] };
    const after = conversation({}, [prose(900), "Yes.", "And now?"]);
    const turns = (readTokens: number): readonly Turn[] => [
      { request: long, given, usage: billed(0, tokensOf(long)) },
      { request: after, atMs: FIVE_MINUTES + 1, usage: billed(readTokens, tokensOf(after)) },
    ];
    expect(told(turns(tokens[staticPlace] ?? 0))?.cause).toBe("expired");
    expect(told(turns(0))).toMatchObject({ cause: "provider" });
  });

  test("what comes at the very end of the lifetime has expired", () => {
    const turn = { request: next, atMs: FIVE_MINUTES, usage: billed(0, tokensOf(next)) };
    expect(told([written, turn])?.cause).toBe("expired");
    expect(told([written, { ...turn, atMs: FIVE_MINUTES - 1 }])?.cause).toBe("provider");
  });

  test("what another answer kept alive has not expired", () => {
    const turn = { request: next, atMs: FIVE_MINUTES + 1, usage: billed(0, tokensOf(next)) };
    expect(told([written, { ...turn, given: { predictedRead: whole } }])?.cause).toBe("provider");
    expect(told([written, turn])?.cause).toBe("expired");
  });

  test("what was sent before the one it goes on from could be read was cold, though that was readable when its own answer began", () => {
    const memory = createBustMemory();
    memory.sent(sentPrompt(conversation({}, ["One"])), AT).readable(AT + 900);
    const follower = sentPrompt(conversation({}, ["Two"]));
    const usage = billed(0, follower.prefixes.promptTokens);
    expect(memory.sent(follower, AT + 5).settled(usage)?.cause).toBe("cold");
    expect(memory.sent(sentPrompt(conversation({}, ["Three"])), AT + 901).settled(usage)?.cause).toBe("provider");
  });

  test("what was believed to be readable while it was still being written, and was not, was cold, and no fault of the provider's", () => {
    const memory = createBustMemory();
    memory.sent(sentPrompt(conversation({}, ["One"])), AT).readable(AT + 900);
    const request = conversation({}, ["Two"]);
    const usage = billed(0, tokensOf(request));
    const believed = sentPrompt(request, { predictedRead: tokensOf(request) - 10 });
    expect(memory.sent(believed, AT + 800).settled(usage)?.cause).toBe("cold");
  });

  test("a tool that changes loses what follows it", () => {
    const tools = [tool("alpha"), tool("beta", { description: `Does beta otherwise. ${prose(150)}` }), tool("gamma")];
    const changed = conversation({ tools });
    const bust = told([written, { request: changed, usage: billed(0, tokensOf(changed)) }]);
    expect(bust).toMatchObject({ cause: "client", breaker: "tool-description" });
    expect(bust?.lostTokens).toBeGreaterThan(tokensOf(conversation({ tools: [], messages: [said(SYSTEM, "system")] })));
  });
});
