import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { promptTokens, UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { completed, CREATED, decode } from "./openai-responses-wire.ts";

function read(usage: JsonObject): Usage | undefined {
  const event = decode(CREATED + completed({ usage })).find((one) => one.type === "usage");
  return event?.type === "usage" ? event.usage : undefined;
}

describe("usage", () => {
  test.each<[string, JsonObject, Partial<Usage>]>([
    [
      "holds what the cache gave and took inside the input",
      { input_tokens: 30, input_tokens_details: { cached_tokens: 20, cache_write_tokens: 4 }, output_tokens: 9 },
      { inputUncached: 6, cacheRead: 20, cacheWriteOther: 4, output: 9 },
    ],
    [
      "has writes of two lifetimes in one bucket",
      {
        input_tokens: 30,
        input_tokens_details: { cache_write_tokens_details: { ttl_30m_tokens: 3, ttl_12h_tokens: 4 } },
      },
      { inputUncached: 23, cacheWriteOther: 7 },
    ],
    [
      "has the total of its writes where both are said",
      {
        input_tokens: 30,
        input_tokens_details: { cache_write_tokens: 7, cache_write_tokens_details: { ttl_30m_tokens: 3 } },
      },
      { inputUncached: 23, cacheWriteOther: 7 },
    ],
    ["leaves unknown what nobody counted", { input_tokens: 30, output_tokens: 0 }, { inputUncached: 30, output: 0 }],
    [
      "never has more from the cache than the prompt has",
      { input_tokens: 30, input_tokens_details: { cached_tokens: 40, cache_write_tokens: 5 } },
      { inputUncached: 0, cacheRead: 30, cacheWriteOther: 0 },
    ],
    [
      "has reasoning as a part of the output",
      { input_tokens: 1, output_tokens: 9, output_tokens_details: { reasoning_tokens: 5 } },
      { inputUncached: 1, output: 9, reasoning: 5 },
    ],
    ["takes no nonsense for a count", { input_tokens: "30", output_tokens: -1 }, {}],
  ])("%s", (_what, usage, wanted) => {
    expect(read(usage)).toEqual({ ...UNKNOWN_USAGE, ...wanted });
  });

  test("adds up to the input", () => {
    const usage = read({ input_tokens: 30, input_tokens_details: { cached_tokens: 20, cache_write_tokens: 4 } });
    expect(usage === undefined ? undefined : promptTokens(usage)).toBe(30);
  });
});
