import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { chunk, decode, DONE, finish } from "./openai-chat-wire.ts";

describe("usage", () => {
  const of = (usage: JsonObject) => {
    const event = decode(finish("stop", { usage }) + DONE).find((one) => one.type === "usage");
    return event?.type === "usage" ? event.usage : undefined;
  };

  test("counts what the cache gave and took out of the prompt", () => {
    const read = of({
      prompt_tokens: 100,
      completion_tokens: 50,
      prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      completion_tokens_details: { reasoning_tokens: 40 },
    });
    expect(read).toMatchObject({ inputUncached: 10, cacheRead: 60, cacheWriteOther: 30, output: 50, reasoning: 40 });
  });

  test.each([
    ["num_cached_tokens", { num_cached_tokens: 64, prompt_tokens_details: { cached_tokens: 1 } }],
    ["prompt_tokens_details", { prompt_tokens_details: { cached_tokens: 64 } }],
    ["prompt_token_details", { prompt_token_details: { cached_tokens: 64 } }],
    ["prompt_cache_hit_tokens", { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 }],
  ])("takes the cached tokens from %s", (_where, more) => {
    expect(of({ prompt_tokens: 100, completion_tokens: 1, ...more })).toMatchObject({
      inputUncached: 36,
      cacheRead: 64,
    });
  });

  test.each([[{}], [{ prompt_tokens_details: null }], [{ prompt_tokens_details: {} }]])(
    "leaves an absent count unknown (%j)",
    (more) => {
      expect(of({ prompt_tokens: 100, completion_tokens: 1, ...more })).toMatchObject({
        inputUncached: 100,
        cacheRead: undefined,
        cacheWriteOther: undefined,
      });
    },
  );

  test("keeps a zero that was said", () => {
    expect(of({ prompt_tokens: 100, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } })).toMatchObject(
      { cacheRead: 0, output: 0 },
    );
  });

  test("never has more parts than the whole", () => {
    const read = of({
      prompt_tokens: 29,
      completion_tokens: 6,
      prompt_tokens_details: { cached_tokens: 157, cache_write_tokens: 9 },
    });
    expect(read).toMatchObject({ inputUncached: 0, cacheRead: 29, cacheWriteOther: 0 });
  });

  test("that is said again and again is not added up: the last word counts", () => {
    const usage = (output: number, more: JsonObject = {}) => ({
      usage: { prompt_tokens: 10, completion_tokens: output, ...more },
    });
    const read = decode(
      chunk({ content: "a" }, usage(1, { prompt_tokens_details: { cached_tokens: 4 } })) +
        chunk({ content: "b" }, usage(2)) +
        finish("stop", usage(3)) +
        DONE,
    );
    const last = read.findLast((event) => event.type === "usage");
    expect(last).toMatchObject({ usage: { inputUncached: 6, cacheRead: 4, output: 3 } });
  });

  test("is found beside the finish, in a chunk of its own, and in Groq's corner", () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2 };
    const own = `data: ${JSON.stringify({ choices: [], usage })}\n\n`;
    for (const text of [finish("stop", { usage }), finish("stop") + own, finish("stop", { x_groq: { usage } })]) {
      expect(decode(text + DONE)).toContainEqual(expect.objectContaining({ type: "usage" }));
    }
  });

  test.each([[-1], [1.5], ["7"], [null]])("that is no count (%j) is unknown", (value) => {
    expect(of({ prompt_tokens: value, completion_tokens: value })).toMatchObject({
      inputUncached: undefined,
      output: undefined,
    });
  });
});
