/** What the sandbox makes up: instances of schemas, judged by zod; answers cut by caps and stops. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { JsonObject, JsonValue } from "../src/chat.ts";
import { answerTo, type Ask } from "../bench/sandbox/answer.ts";
import { directivesOf } from "../bench/sandbox/directives.ts";
import { instanceOf } from "../bench/sandbox/schema.ts";
import { countTokens, tokensOf } from "../bench/sandbox/tokens.ts";

function fits(schema: JsonObject, value: JsonValue): boolean {
  return z.fromJSONSchema(schema).safeParse(value).success;
}

const leaf: fc.Arbitrary<JsonObject> = fc.oneof(
  fc.constant({ type: "boolean" }),
  fc.constant({ type: "null" }),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.nat({ max: 60 }))
    .map(([minimum, span]) => ({ type: "integer", minimum, maximum: minimum + span })),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.nat({ max: 60 }))
    .map(([minimum, span]) => ({ type: "number", minimum, maximum: minimum + span })),
  fc.integer({ min: 1, max: 9 }).map((multipleOf) => ({ type: "integer", multipleOf, minimum: -40, maximum: 40 })),
  fc
    .tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 }))
    .map(([minLength, span]) => ({ type: "string", minLength, maxLength: minLength + span })),
  fc
    .constantFrom(
      "^[A-Z]{2}-\\d+$",
      "^(a|bc)+x?$",
      "^\\d{4}-\\d{2}$",
      "^[^0-9]{3,5}$",
      "^v\\d+\\.\\d+$",
      "^(?:on|off)$",
    )
    .map((pattern) => ({ type: "string", pattern })),
  fc.constantFrom("date-time", "date", "email", "uuid", "ipv4").map((format) => ({ type: "string", format })),
  fc
    .uniqueArray(fc.oneof(fc.string(), fc.integer()), { minLength: 1, maxLength: 4 })
    .map((values) => ({ enum: values })),
  fc.oneof(fc.string(), fc.integer(), fc.boolean()).map((value) => ({ const: value })),
);

const { schema: anySchema } = fc.letrec<{ schema: JsonObject }>((tie) => ({
  schema: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc
      .tuple(tie("schema"), fc.nat({ max: 3 }), fc.nat({ max: 3 }))
      .map(([items, minItems, span]) => ({ type: "array", items, minItems, maxItems: minItems + span })),
    fc
      .tuple(fc.dictionary(fc.constantFrom("a", "b", "c", "name"), tie("schema")), fc.boolean())
      .map(([properties, isClosed]) => ({
        type: "object",
        properties,
        required: Object.keys(properties),
        ...(isClosed ? { additionalProperties: false } : {}),
      })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
}));

describe("structured output", () => {
  test("an instance of any schema fits it, and the seed decides which", () => {
    fc.assert(
      fc.property(anySchema, fc.string(), (schema, seed) => {
        const value = instanceOf(schema, seed);
        expect(fits(schema, value)).toBe(true);
        expect(instanceOf(schema, seed)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, JsonObject]>([
    [
      "definitions that refer to themselves",
      {
        $defs: {
          node: {
            type: "object",
            properties: { value: { type: "string" }, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
            required: ["value", "next"],
            additionalProperties: false,
          },
        },
        type: "object",
        properties: { list: { $ref: "#/$defs/node" } },
        required: ["list"],
        additionalProperties: false,
      },
    ],
    [
      "intersections",
      {
        allOf: [
          { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
          { properties: { b: { type: "string" } }, required: ["b"] },
        ],
      },
    ],
    ["types in a list", { type: "object", properties: { a: { type: ["string", "null"] } }, required: ["a"] }],
    ["things that must differ", { type: "array", items: { enum: ["a", "b", "c"] }, minItems: 3, uniqueItems: true }],
  ])("%s", (_what, schema) => {
    for (const seed of ["a", "b", "c"]) expect(fits(schema, instanceOf(schema, seed))).toBe(true);
  });

  test("nothing said is an object", () => {
    expect(instanceOf({}, "seed")).toEqual({});
    expect(instanceOf(undefined, "seed")).toEqual({});
  });
});

describe("tokens", () => {
  test("joined are the text again, whatever it is", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => tokensOf(text).join("") === text));
  });
});

const ASK: Ask = {
  seed: "seed",
  lastUserText: "Tell me",
  toolResults: [],
  tools: [{ name: "look", schema: { type: "object", properties: { where: { type: "string" } }, required: ["where"] } }],
  toolChoice: { kind: "auto" },
  parallel: true,
  schema: undefined,
  maxTokens: undefined,
  stop: [],
  thinkingTokens: 0,
};
const directed = (text: string) => directivesOf({}, text);

describe("answers", () => {
  test("a cap cuts thought, text and calls in that order, and never exceeds itself", () => {
    const ask: Ask = { ...ASK, thinkingTokens: 6, toolChoice: { kind: "named", name: "look" } };
    const directives = directed('[[sandbox: then="x" text="one two three"]]');
    const whole = answerTo(ask, directives);
    expect(whole.finish).toBe("tool-calls");
    for (let maxTokens = 1; maxTokens <= whole.outputTokens; maxTokens++) {
      const cut = answerTo({ ...ask, maxTokens }, directives);
      expect(cut.outputTokens).toBeLessThanOrEqual(maxTokens);
      expect(whole.thinking.startsWith(cut.thinking)).toBe(true);
      expect(whole.text.startsWith(cut.text)).toBe(true);
      expect(cut.finish).toBe(maxTokens === whole.outputTokens ? "tool-calls" : "length");
      expect(cut.thinkingTokens === 6 || cut.text === "").toBe(true);
    }
  });

  test("the first stop that comes ends the answer, without it", () => {
    const answer = answerTo({ ...ASK, stop: ["three", "two"] }, directed('[[sandbox: text="one two three"]]'));
    expect(answer).toMatchObject({ text: "one ", finish: "stop-sequence", stopSequence: "two" });
  });

  test.each([
    ["the tool that is named", "please look around", {}, ["look"]],
    ["no tool whose name is part of a word", "please overlook it", {}, []],
    ["no tool when none may be called", "please look", { toolChoice: { kind: "none" } }, []],
    ["some tool when one must be", "hello", { toolChoice: { kind: "any" } }, ["look"]],
    ["only a tool that may be called now", "look", { toolChoice: { kind: "any", only: ["listen"] } }, ["listen"]],
    ["one of several when not in parallel", "look and listen", { parallel: false }, ["look"]],
    ["several", "look and listen", {}, ["look", "listen"]],
    ["none again once the results are there", "look", { toolResults: ["seen"] }, []],
  ] as const)("calls %s", (_what, lastUserText, more, names) => {
    const tools = [...ASK.tools, { name: "listen", schema: undefined }];
    const answer = answerTo({ ...ASK, tools, lastUserText, ...(more as Partial<Ask>) }, directed(lastUserText));
    expect(answer.calls.map((call) => call.name)).toEqual(names);
  });

  test("directives: a tool, its arguments, a length, a refusal", () => {
    const calling = answerTo(ASK, directed('[[sandbox: tool=look arguments="{\\"where\\":1}"]]'));
    expect(calling.calls).toEqual([{ name: "look", argumentsText: '{"where":1}' }]);
    expect(countTokens(answerTo(ASK, directed("[[sandbox: tokens=250]]")).text)).toBe(250);
    expect(answerTo(ASK, directed('[[sandbox: refusal="No."]]'))).toMatchObject({ text: "No.", finish: "refusal" });
  });

  test.each([
    ["openings without ends", "[[sandbox:".repeat(300_000)],
    ["quotes without ends", `[[sandbox: text=${'"'.repeat(300_001)}`],
  ])("%s are text like any other", (_what, text) => {
    expect(directed(text).size).toBe(0);
  });

  test("no answer is longer than any model's, however much is asked for", () => {
    expect(answerTo(ASK, directed("[[sandbox: tokens=1e12]]")).outputTokens).toBe(128_000);
  });
});
