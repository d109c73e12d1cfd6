/** What placing a prompt does to a client's own bytes: marks are set, texts are parted where they stand, and nothing else happens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createPlacer, type Placer, type Prompt, type Warming } from "../src/cache/placer.ts";
import { createPlanner } from "../src/cache/planner.ts";
import type { CachingMode } from "../src/cache/modes.ts";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../src/dialects/dialect.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";
import { openaiResponses } from "../src/dialects/openai-responses.ts";
import { outgoing, type Outgoing } from "../src/lane.ts";
import type { Target } from "../src/target.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { NO_FACTS, target } from "./made-target.ts";
import { prefixesOf } from "./prefix-places.ts";

/** A text of several steps; at some of their borders stands half a character, or all of one. */
const LONG = `${"word 😀é ".repeat(400)}\ud83d${"😀".repeat(1_500)}\udc00 and so on. ${"more of it, ".repeat(300)}`;
const text = fc.oneof(
  fc.constantFrom("", " ", "Hello", "\ud83d", "a\r\nb\n", LONG, LONG.slice(1), `${LONG}${LONG}`),
  fc.nat(9).map((ending) => `${LONG}${ending}`),
  fc.string(),
);
const LINE = "<!-- sluice:dynamic -->\n";
/** What a prompt begins with, now and then with the line by which a client says how much of it stays. */
const instructions = fc.oneof(
  text,
  text.map((said) => `${LONG}\n${LINE}${said}`),
);
const parameters = { type: "object", properties: {} };

/** In one dialect: what a client may say, with marks wherever it can and cannot put them. */
interface Surface {
  readonly dialect: Dialect;
  readonly target: Target;
  readonly body: fc.Arbitrary<JsonObject>;
}

const ephemeral = fc.option(
  fc.constantFrom<JsonObject>(
    { type: "ephemeral" },
    { type: "ephemeral", ttl: "1h" },
    { type: "ephemeral", ttl: "5m" },
  ),
  { nil: undefined, freq: 2 },
);
const breakpoint = fc.option(fc.constant<JsonObject>({ mode: "explicit" }), { nil: undefined, freq: 2 });

function block(type: string, marks: fc.Arbitrary<JsonObject | undefined>, name: string): fc.Arbitrary<JsonObject> {
  return fc.record({ text, mark: marks }).map(({ text: said, mark }) => ({ type, text: said, ...named(name, mark) }));
}

function named(name: string, mark: JsonObject | undefined): JsonObject {
  return mark === undefined ? {} : { [name]: mark };
}

function content(one: fc.Arbitrary<JsonObject>): fc.Arbitrary<JsonValue> {
  return fc.oneof(text, fc.array(one, { minLength: 1, maxLength: 3 }));
}

const anthropicBlock = block("text", ephemeral, "cache_control");
const thought: JsonObject = { type: "thinking", thinking: "Well.", signature: "c2lnbmVk" };
const anthropicTool = fc
  .record({ hosted: fc.boolean(), mark: ephemeral, deferred: fc.boolean() })
  .map(({ hosted, mark, deferred }): JsonObject => ({
    ...(hosted
      ? { type: "web_search_20250305", name: "web_search" }
      : { name: "look", description: LONG, input_schema: parameters, ...(deferred ? { defer_loading: true } : {}) }),
    ...named("cache_control", mark),
  }));
const anthropicTurn = fc.oneof(
  content(anthropicBlock).map((said) => ({ role: "user", content: said })),
  content(anthropicBlock).map((said) => ({ role: "assistant", content: said })),
  fc.constant<JsonObject>({ role: "assistant", content: [thought, { type: "text", text: LONG }] }),
  content(anthropicBlock).map((said): JsonObject => ({
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "toolu_1", content: said },
      { type: "text", text: "And?" },
    ],
  })),
);
const anthropic: Surface = {
  dialect: anthropicMessages,
  target: target("claude-haiku-5-5"),
  body: fc
    .record(
      {
        system: fc.oneof(content(anthropicBlock), instructions),
        tools: fc.array(anthropicTool, { maxLength: 3 }),
        messages: fc.array(anthropicTurn, { minLength: 1, maxLength: 6 }),
        cache_control: fc.constant<JsonObject>({ type: "ephemeral" }),
      },
      { requiredKeys: ["messages"] },
    )
    .map((said) => ({ model: "claude-haiku-5-5", max_tokens: 10, ...said })),
};

function openaiMessages(type: string, outputs: boolean): fc.Arbitrary<JsonObject> {
  const part = block(type, breakpoint, "prompt_cache_breakpoint");
  return fc.oneof(
    fc.record({ role: fc.constantFrom("user", "developer", "system"), content: content(part) }),
    fc.record({ role: fc.constant("developer"), content: instructions }),
    fc.constant<JsonObject>({ role: "assistant", content: "I have read it." }),
    content(part).map((said): JsonObject =>
      outputs
        ? { type: "function_call_output", call_id: "call_1", output: said }
        : { role: "tool", tool_call_id: "call_1", content: said },
    ),
  );
}

const options = fc.constantFrom<JsonObject>({ mode: "explicit" }, { ttl: "30m" }, { prewarm: true });
const chat: Surface = {
  dialect: openaiChat,
  target: target("gpt-6-luna"),
  body: fc
    .record(
      {
        messages: fc.array(openaiMessages("text", false), { minLength: 1, maxLength: 6 }),
        tools: fc.array(fc.constant<JsonObject>({ type: "function", function: { name: "look", parameters } }), {
          maxLength: 2,
        }),
        prompt_cache_options: options,
      },
      { requiredKeys: ["messages"] },
    )
    // What the provider insists on beside tools is said already.
    .map((said) => ({ model: "gpt-6-luna", reasoning_effort: "none", ...said })),
};
const responses: Surface = {
  dialect: openaiResponses,
  target: target("gpt-6-luna"),
  body: fc
    .record(
      {
        instructions,
        input: fc.oneof(text, fc.array(openaiMessages("input_text", true), { minLength: 1, maxLength: 6 })),
        tools: fc.array(
          fc.constantFrom<JsonObject>({ type: "function", name: "look", parameters }, { type: "web_search" }),
          { maxLength: 2 },
        ),
        prompt_cache_options: options,
      },
      { requiredKeys: ["input"] },
    )
    .map((said) => ({ model: "gpt-6-luna", ...said })),
};

const SURFACES = [
  ["Anthropic Messages", anthropic],
  ["OpenAI Chat Completions", chat],
  ["OpenAI Responses", responses],
] as const;
const RUNS = { numRuns: 25 };
const TIMEOUT_MS = 30_000;

/** What is wanted of the gateway with a call. */
interface Wish {
  readonly mode: CachingMode;
  readonly siblings: number;
  readonly warms: Warming | undefined;
}

const WISH: fc.Arbitrary<Wish> = fc.record({
  mode: fc.constantFrom("respect", "improve", "off"),
  siblings: fc.constantFrom(1, 3),
  warms: fc.constantFrom(undefined, undefined, "end", "static"),
});
const IMPROVED: Wish = { mode: "improve", siblings: 1, warms: undefined };

/** A few prompts that come back, each time with something else wanted. */
function callsOf({ body }: Surface): fc.Arbitrary<readonly (readonly [JsonObject, Wish])[]> {
  const turns = fc.array(fc.tuple(fc.nat(1), WISH), { minLength: 1, maxLength: 4 });
  return fc
    .tuple(body, body, turns)
    .map(([one, other, said]) => said.map(([at, wish]) => [at === 0 ? one : other, wish]));
}

describe.each(SURFACES)("%s, in its own dialect, whatever is wanted", (_name, surface) => {
  test(
    "nothing changes but marks, where texts are parted for them, and the client's lines",
    () => {
      fc.assert(
        fc.property(callsOf(surface), (calls) => {
          const gateway = new World(surface);
          for (const [body, wish] of calls) {
            const said = JSON.parse(
              JSON.stringify(body).replaceAll(JSON.stringify(LINE).slice(1, -1), ""),
            ) as JsonValue;
            expect(plain(gateway.send(body, wish))).toEqual(plain(said));
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "who asks for nothing in `respect` is sent as it is, and so is everybody with `off`",
    () => {
      fc.assert(
        fc.property(fc.array(surface.body, { minLength: 1, maxLength: 3 }), (bodies) => {
          const gateway = new World(surface);
          for (const body of bodies) {
            if (JSON.stringify(body).includes(JSON.stringify(LINE).slice(1, -1))) continue;
            for (const wish of [
              { ...IMPROVED, mode: "respect" },
              { ...IMPROVED, mode: "off", siblings: 8 },
            ] as const)
              expect(bytesOf(gateway.send(body, wish))).toEqual(bytesOf(JSON.parse(wellFormed(body)) as JsonValue));
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "the same request in the same state is the same bytes",
    () => {
      fc.assert(
        fc.property(callsOf(surface), (calls) => {
          const one = new World(surface);
          const other = new World(surface);
          for (const [body, wish] of calls) {
            // A plan that is not sent changes nothing.
            other.place(body, wish);
            expect(bytesOf(one.send(body, wish))).toEqual(bytesOf(other.send(body, wish)));
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "there are never more marks than the provider takes, nor a long one behind a short one, but where a client says so",
    () => {
      fc.assert(
        fc.property(callsOf(surface), (calls) => {
          const gateway = new World(surface);
          for (const [body, wish] of calls) {
            const sent = gateway.send(body, wish);
            if (wish.mode === "improve" || isTaken(marksIn(body))) expect(isTaken(marksIn(sent))).toBe(true);
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "policies are told as many warm tokens as the call would read",
    () => {
      fc.assert(
        fc.property(callsOf(surface), (calls) => {
          const gateway = new World(surface);
          for (const [body, wish] of calls) {
            const warm = gateway.warmTokens(body, wish);
            expect(gateway.predictedRead(body, wish)).toBe(warm);
            gateway.send(body, wish);
            expect(gateway.lastPredicted).toBe(warm);
            // To announce siblings costs a call nothing of what it reads.
            if (wish.mode === "improve")
              expect(gateway.predictedRead(body, { ...wish, siblings: 8 })).toBe(gateway.predictedRead(body, wish));
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );
});

function isTaken(marks: readonly JsonObject[]): boolean {
  const lifetimes = marks.map(({ ttl }) => (ttl === "1h" ? 3_600 : 300));
  return marks.length <= 4 && lifetimes.every((seconds, at) => at === 0 || seconds <= lifetimes[at - 1]!);
}

/** As it arrives: half a character has become another. */
function wellFormed(body: JsonObject): string {
  return Buffer.from(JSON.stringify(body)).toString("utf8");
}

test.each([
  ["Anthropic Messages", anthropic, "system", "text"],
  ["OpenAI Chat Completions", chat, "messages", "text"],
] as const)("%s: a part of which a text is parted keeps its other members' bytes", (_name, surface, field, type) => {
  const rest = '"n":9007199254740993, "f":1.0,"e":"\\u00e9"';
  const said = JSON.stringify(`${"word ".repeat(4_000)}\n<!-- sluice:dynamic -->\nnow`);
  const part = `{"type":"${type}","text":${said},${rest}}`;
  const system = field === "system" ? `"system":[${part}],` : "";
  const first = field === "system" ? "" : `{"role":"system","content":[${part}]},`;
  const raw = `{"model":"m","max_tokens":10,${system}"messages":[${first}{"role":"user","content":"Hello"}]}`;
  const sent = new World(surface).sendRaw(raw);
  expect(sent).toContain(rest);
  expect(sent).toContain('"text":"now"');
});

/** A placer with its memory, and a call every second. */
class World {
  readonly #surface: Surface;
  readonly #placer: Placer = createPlacer(createPlanner());
  #nowMs = Date.parse("2026-11-25T00:00:00Z");

  constructor(surface: Surface) {
    this.#surface = surface;
  }

  /** Of what was sent last, as it was when it was sent. */
  lastPredicted = 0;

  place(body: JsonObject, wish: Wish): Outgoing {
    return this.#made(body, wish).made;
  }

  predictedRead(body: JsonObject, wish: Wish): number {
    return this.#made(body, wish).placed.predictedRead;
  }

  warmTokens(body: JsonObject, wish: Wish): number {
    return this.#placer.warmTokens(this.#prompt(body, wish), this.#surface.target, false, this.#nowMs);
  }

  send(body: JsonObject, wish: Wish): JsonObject {
    const { made, placed } = this.#made(body, wish);
    placed.sent(made.unplaced, this.#nowMs);
    const read = placed.predictedRead;
    this.lastPredicted = read;
    placed.readable(this.#nowMs + 500);
    placed.settled({ ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: read, cacheWrite5m: 5_000 }, this.#nowMs + 900);
    this.#nowMs += 1_000;
    return JSON.parse(Buffer.from(made.bytes).toString("utf8")) as JsonObject;
  }

  /** To its boundary, as text. */
  sendRaw(raw: string): string {
    return Buffer.from(this.#made(raw, { ...IMPROVED, warms: "static" }).made.bytes).toString("utf8");
  }

  #prompt(body: JsonObject, { mode, siblings, warms }: Wish): Prompt {
    const request = this.#surface.dialect.readRequest(JSON.parse(wellFormed(body)) as JsonObject);
    return {
      request,
      prefixes: prefixesOf(request),
      namespace: "",
      task: "task",
      taskClass: undefined,
      session: undefined,
      mode,
      siblings,
      warms,
    };
  }

  #made(body: JsonObject | string, wish: Wish) {
    const { dialect, target: to } = this.#surface;
    const raw = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    // As it arrives: half a character has become another.
    const parsed = JSON.parse(raw.toString("utf8")) as JsonObject;
    const prompt = this.#prompt(parsed, wish);
    const { request } = prompt;
    const placed = this.#placer.place(prompt, to, false, this.#nowMs);
    const exchange = {
      id: "exchange",
      dialect,
      caller: { name: undefined, tenant: "" },
      headers: new Headers(),
      search: "",
      raw,
      body: parsed,
      request,
      receivedAtMs: 0,
      startedAt: 0,
    };
    const made = outgoing(exchange, { target: to, named: true }, dialect, {
      strict: false,
      call: NO_FACTS,
      placement: placed.placement,
    });
    return { made, placed };
  }
}

function bytesOf(value: JsonValue): string {
  return JSON.stringify(value);
}

const MARKS = new Set(["cache_control", "prompt_cache_breakpoint"]);
const WHOLE = new Set([...MARKS, "prompt_cache_key"]);

/** Without marks, and with texts joined that stand side by side. */
function plain(value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  const bare = Object.fromEntries(Object.entries(value).filter(([key]) => !WHOLE.has(key)));
  const { mode: _, ...more } = (bare["prompt_cache_options"] ?? {}) as JsonObject;
  return { ...walked(bare), prompt_cache_options: more };
}

function walked(value: JsonValue): JsonObject {
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, inner]) => [
      key,
      key === "content" || key === "system" || key === "output" ? joined(inner) : below(inner),
    ]),
  );
}

function below(value: JsonValue | undefined): JsonValue | undefined {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((inner) => below(inner) ?? null);
  if (!isObject(value)) return value;
  return walked(Object.fromEntries(Object.entries(value).filter(([key]) => !MARKS.has(key))));
}

/** A content as its texts and what is between them; a text alone is the same as a list of it. */
function joined(value: JsonValue | undefined): JsonValue {
  const parts: readonly JsonValue[] = Array.isArray(value) ? (value as readonly JsonValue[]) : [value ?? null];
  const made: JsonValue[] = [];
  for (const part of parts) {
    const said =
      typeof part === "string" ? part : isObject(part) && isText(part) ? (part["text"] as string) : undefined;
    const before = made.at(-1);
    if (said === undefined) made.push(below(part) ?? null);
    else if (typeof before === "string") made[made.length - 1] = before + said;
    else made.push(said);
  }
  return made;
}

function isText({ type, text: said }: JsonObject): boolean {
  return (type === "text" || type === "input_text") && typeof said === "string";
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** In the order of the prompt: tools, system, messages. */
function marksIn(body: JsonObject): readonly JsonObject[] {
  const { tools, system, messages, input, ...rest } = body;
  const own = Object.entries(rest).flatMap(([key, value]) => (MARKS.has(key) && isObject(value) ? [value] : []));
  return [...[tools, system, messages, input].flatMap(marksBelow), ...own];
}

function marksBelow(value: JsonValue | undefined): readonly JsonObject[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(marksBelow);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    MARKS.has(key) && isObject(inner) ? [inner] : key === "input_schema" ? [] : marksBelow(inner),
  );
}
