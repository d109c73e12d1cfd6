/** What OpenAI's Responses refuses of a model by its generation, and when it is spoken to in place of Chat Completions. */
import { describe, expect, test } from "vitest";
import { openai } from "../providers/openai.ts";
import type { JsonObject } from "../src/chat.ts";
import { applyEdits } from "../src/edit.ts";
import { NO_FACTS, request } from "./made-target.ts";
import { recordOf } from "./providers-edited.ts";

const NAME = "openai-responses";

describe("a body of Responses", () => {
  const mark = { mode: "explicit" };
  const text: JsonObject = { type: "input_text", text: "Hello" };
  const marked: JsonObject = { role: "user", content: [{ ...text, prompt_cache_breakpoint: mark }] };

  test.each<[string, string, JsonObject, JsonObject, readonly string[]]>([
    [
      "an effort that the model has not",
      "gpt-5-nano",
      { reasoning: { effort: "xhigh" } },
      { reasoning: { effort: "high" } },
      ["reasoning_effort"],
    ],
    [
      "a temperature beside reasoning",
      "gpt-5.4-nano",
      { temperature: 0.2, reasoning: { effort: "low" } },
      { reasoning: { effort: "low" } },
      ["temperature"],
    ],
    [
      "logprobs beside reasoning",
      "gpt-5-nano",
      { include: ["message.output_text.logprobs"] },
      { include: [] },
      ["logprobs"],
    ],
    [
      "marks where the model caches by itself",
      "gpt-5.4-nano",
      { input: [marked] },
      { input: [{ role: "user", content: [text] }] },
      ["prompt_cache_breakpoint"],
    ],
  ])("is without %s", (_what, model, sent, arrived, losses) => {
    const edits = openai.quirks?.(NAME, sent, recordOf(model), NO_FACTS) ?? [];
    expect(JSON.parse(Buffer.from(applyEdits(Buffer.from(JSON.stringify(sent)), edits)).toString())).toEqual(arrived);
    expect(edits.flatMap(({ loss }) => loss ?? [])).toEqual(losses);
  });

  test.each<[string | undefined, JsonObject]>([
    ["gpt-5.4-nano", { temperature: 0.2, include: ["message.output_text.logprobs"], tools: [{ type: "function" }] }],
    ["gpt-5.4-nano", { reasoning: { effort: "high" }, tools: [{ type: "function" }] }],
    ["gpt-6-luna", { input: [marked], prompt_cache_options: { ttl: "30m" } }],
    [undefined, { temperature: 0.2, reasoning: { effort: "xhigh" } }],
  ])("of %s in the model's own words stays the same buffer: %j", (model, sent) => {
    const raw = Buffer.from(JSON.stringify(sent));
    const record = model === undefined ? undefined : recordOf(model);
    expect(applyEdits(raw, openai.quirks?.(NAME, sent, record, NO_FACTS) ?? [])).toBe(raw);
  });
});

test("function tools together with an effort are for Responses, where the model refuses them elsewhere", () => {
  const tools = [{ type: "function" as const, name: "look" }];
  const record = recordOf("gpt-5.4-nano");
  const prefers = (given: Parameters<typeof request>[0], of = record) => openai.prefers?.(request(given), of);
  expect(prefers({ tools, reasoning: { effort: "high" } })).toBe(NAME);
  expect(prefers({ tools, reasoning: { effort: "none" } })).toBeUndefined();
  expect(prefers({ tools })).toBeUndefined();
  expect(prefers({ reasoning: { effort: "high" } })).toBeUndefined();
  expect(prefers({ tools, reasoning: { effort: "high" } }, recordOf("gpt-4.1-nano"))).toBeUndefined();
});
