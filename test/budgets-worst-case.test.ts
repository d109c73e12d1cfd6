/** What is reserved for a call is never less than what it can cost. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { worstCase, type SentCall } from "../src/budgets/worst-case.ts";
import type { JsonObject } from "../src/chat.ts";
import { dialects } from "../src/dialects/index.ts";
import { RECORD_DEFAULTS, type ModelRecord } from "../src/model.ts";
import { estimateTokens } from "../src/tokens.ts";
import { costOf, type Price, type Usage } from "../src/usage.ts";

const PRICE: Price = {
  version: "v",
  rates: { inputUncached: 10n, cacheRead: 1n, cacheWrite5m: 12n, cacheWrite1h: 20n, output: 50n },
};
const RECORD: ModelRecord = {
  ...RECORD_DEFAULTS,
  id: "m",
  provider: "p",
  contextTokens: 100_000,
  maxInputTokens: 90_000,
  maxOutputTokens: 8_000,
};

function bound(dialect: string, body: JsonObject, change: Partial<SentCall> = {}) {
  const found = dialects.find(({ name }) => name === dialect);
  if (found === undefined) throw new Error(`no dialect is called ${dialect}`);
  const request = found.readRequest({ model: "m", ...body });
  const bodyBytes = Buffer.byteLength(JSON.stringify(body));
  return worstCase({ request, record: RECORD, price: PRICE, body, bodyBytes, isTranslated: false, ...change });
}

const said = (content: unknown) => ({ messages: [{ role: "user", content }] }) as JsonObject;

test("a prompt has no more tokens than its body has bytes, whatever it says", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({ unit: "grapheme", maxLength: 400 }),
      (one, other) => {
        const text = `${one.toWellFormed()}${other}`;
        const { promptTokens } = bound("openai-chat", said(text));
        expect(promptTokens).toBeGreaterThanOrEqual(estimateTokens(text));
        expect(promptTokens).toBeGreaterThanOrEqual(text.length);
      },
    ),
  );
});

test("costs no less than any usage within its tokens, however it is cached, beyond a cliff of the price, too", () => {
  const price: Price = {
    ...PRICE,
    over: [{ promptTokens: 300, rates: { ...PRICE.rates, inputUncached: 40n, output: 60n } }],
  };
  const part = fc.nat(400);
  fc.assert(
    fc.property(part, part, part, part, fc.nat(20), fc.boolean(), (uncached, read, short, long, output, isSteep) => {
      const usage: Usage = {
        inputUncached: uncached,
        cacheRead: read,
        cacheWrite5m: short,
        cacheWrite1h: long,
        cacheWriteOther: 0,
        output,
        reasoning: 0,
      };
      const prompt = uncached + read + short + long;
      const used = isSteep ? price : PRICE;
      const { cost, promptTokens } = bound(
        "openai-chat",
        { ...said("x".repeat(prompt)), max_tokens: 20 },
        { price: used },
      );
      expect(promptTokens).toBeGreaterThanOrEqual(prompt);
      expect((cost ?? 0n) >= (costOf(usage, used) ?? 0n)).toBe(true);
    }),
  );
});

describe("the prompt is the model's whole window", () => {
  test.each<[string, string, JsonObject]>([
    ["a picture", "openai-chat", said([{ type: "image_url", image_url: { url: "https://a.example/b.png" } }])],
    [
      "a file that the provider keeps",
      "anthropic-messages",
      { max_tokens: 5, ...said([{ type: "document", source: { type: "file", file_id: "f" } }]) },
    ],
    ["an answer that the provider keeps", "openai-responses", { input: "go on", previous_response_id: "resp_1" }],
    ["a tool of the provider's own", "openai-responses", { input: "hi", tools: [{ type: "web_search" }] }],
  ])("with %s: the body does not hold what is read", (_, dialect, body) => {
    expect(bound(dialect, body).promptTokens).toBe(90_000);
  });

  test("where the body is larger than that", () => {
    expect(bound("openai-chat", said("x".repeat(200_000))).promptTokens).toBe(90_000);
  });
});

describe("the answer", () => {
  test.each<[string, JsonObject, Partial<SentCall>, number]>([
    ["is as long as the cap", { max_tokens: 100 }, {}, 100],
    ["is as long as the model's longest, without a cap", {}, {}, 8_000],
    ["is no longer than that, whatever the cap", { max_tokens: 1_000_000 }, {}, 8_000],
    ["is several, where several are asked for", { max_tokens: 100, n: 3 }, {}, 300],
    [
      "may be as long as the model's where the cap is raised for its thoughts",
      { max_tokens: 100, reasoning_effort: "high" },
      { isTranslated: true },
      8_000,
    ],
    ["is long where nobody knows", {}, { record: undefined }, 131_072],
  ])("%s", (_, fields, change, tokens) => {
    expect(bound("openai-chat", { ...said("hi"), ...fields }, change).outputTokens).toBe(tokens);
  });

  test("to texts that become vectors is none", () => {
    expect(bound("openai-embeddings", { input: "hi" }).outputTokens).toBe(0);
  });

  test("is as many as there are prompts, and as are made to choose from", () => {
    expect(bound("openai-completions", { prompt: ["a", "b"], max_tokens: 10, best_of: 3 }).outputTokens).toBe(60);
    expect(bound("openai-completions", { prompt: [1, 2, 3], max_tokens: 10 }).outputTokens).toBe(10);
  });
});

test("a model without a price has no cost, and tokens all the same", () => {
  expect(bound("openai-chat", { ...said("hi"), max_tokens: 5 }, { price: undefined })).toMatchObject({
    cost: undefined,
    outputTokens: 5,
  });
});
