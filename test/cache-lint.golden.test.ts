/**
 * `sluice cache-lint` as people read it: an agent's session on Claude, and an application on three other providers' models.
 *
 * A difference is read before it is accepted (`npx vitest run --dir test cache-lint.golden -u`).
 */
import { expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { lintRun } from "./lint-given.ts";

const RULES = "Say what is true and nothing else, in plain words. ".repeat(150);
const ANSWER = "What was asked for is in the second file, from line 40 on. ".repeat(12);
const MARK = { type: "ephemeral" };

function tool(name: string): JsonObject {
  return { name, description: `${name}: ${"what it does. ".repeat(20)}`, input_schema: { type: "object" } };
}
function turn(texts: readonly string[], given: JsonObject = {}): JsonObject {
  const messages = texts.map((text, at) => ({
    role: at % 2 === 0 ? "user" : "assistant",
    content: [{ type: "text", text, ...(at === texts.length - 1 ? { cache_control: MARK } : {}) }],
  }));
  const system = [{ type: "text", text: RULES, cache_control: MARK }];
  const tools = [tool("read"), tool("write")];
  return { model: "claude-sonnet-4-6", max_tokens: 100, tools, system, messages, ...given };
}

test("a session of an agent", async () => {
  const { exitCode, output } = lintRun([
    turn(["Find it."]),
    turn(["Find it.", ANSWER, "And the other one?"]),
    turn(["Find it.", ANSWER, "And the other one?", ANSWER, "Thanks."], { tools: [tool("write"), tool("read")] }),
    turn(["Something else."], { system: `The current time is 10:21:04.\n${RULES}` }),
    turn(["Be brief."], { system: "Name the conversation.", tools: [] }),
  ]);
  expect(exitCode).toBe(1);
  await expect(output).toMatchFileSnapshot("golden/cache-lint-agent.txt");
});

test("an application on other models", async () => {
  const system = `${RULES}\n<!-- sluice:dynamic -->\nThe current time is 10:21:04.`;
  const body = (model: string, given: JsonObject = {}): JsonObject => {
    const said = [
      { role: "system", content: system },
      { role: "user", content: "Find it." },
    ];
    return { model, messages: said, ...given };
  };
  const { exitCode, output } = lintRun([
    body("gpt-5.4"),
    body("gpt-6-luna"),
    body("mistral-small-2603", { random_seed: 1 }),
    // Nothing in it asks for a key.
    {
      model: "mistral-small-2603",
      random_seed: 1,
      messages: [
        { role: "system", content: RULES },
        { role: "user", content: "Find it." },
      ],
    },
    body("claude-sonnet-4-6"),
    body("house-model"),
  ]);
  expect(exitCode).toBe(1);
  await expect(output).toMatchFileSnapshot("golden/cache-lint-application.txt");
});
