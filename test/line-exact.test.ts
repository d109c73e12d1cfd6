/** Numbers that a parser would round reach the provider as they were sent, in whatever dialect. */
import { afterEach, expect, test } from "vitest";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";

let line: Line;
afterEach(() => line.close());

const INPUT = '{"id":9007199254740993,"far":1e400,"near":0.1234567890123456789,"plain":7}';

test.each([
  [
    "Anthropic's",
    "/v1/messages",
    `{"max_tokens":9,"messages":[{"role":"user","content":"Go."},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":${INPUT}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"9007199254740993"}]}]`,
  ],
  [
    "Ollama's",
    "/api/chat",
    `{"stream":false,"messages":[{"role":"user","content":"Go."},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":${INPUT}}}]},{"role":"tool","tool_name":"f","content":"9007199254740993"}]`,
  ],
])("what %s client gave a tool is text again for a provider of Chat Completions", async (_whose, path, body) => {
  line = await startLine();
  const answer = await call(line.url, path, { body: Buffer.from(`${body},"model":"openai/gpt-5.4-nano"}`) });
  expect(answer.status, answer.text).toBe(200);
  const sent = JSON.parse(String(line.upstream("openai").requests.at(-1)?.body)) as {
    messages: { tool_calls?: { function: { arguments: string } }[] }[];
  };
  expect(sent.messages.flatMap(({ tool_calls = [] }) => tool_calls.map((made) => made.function.arguments))).toEqual([
    INPUT,
  ]);
});
