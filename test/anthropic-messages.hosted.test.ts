import { expect, test } from "vitest";
import type { ChatRequest, FunctionTool, Loss, OpaqueTool } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";

const HOSTED: OpaqueTool = {
  type: "opaque",
  dialect: "openai-chat",
  kind: "web_search",
  name: "web_search",
  value: { type: "web_search" },
};
const FUNCTION: FunctionTool = { type: "function", name: "get_weather", parameters: { type: "object" } };

function write(changes: Partial<ChatRequest>): { readonly body: Record<string, unknown>; readonly lost: string[] } {
  const losses: Loss[] = [];
  const request: ChatRequest = {
    dialect: "openai-chat",
    model: "m",
    stream: false,
    wantsStreamUsage: false,
    messages: [{ role: "user", parts: [{ type: "text", text: "Hello" }] }],
    tools: [],
    extra: {},
    ...changes,
  };
  const body = anthropicMessages.writeRequest(request, { model: "m", record: undefined }, losses);
  return { body, lost: losses.map((loss) => loss.field) };
}

test("a hosted tool of another dialect is a loss beside functions, and a refusal alone", () => {
  const { body, lost } = write({ tools: [HOSTED, FUNCTION] });
  expect(body["tools"]).toEqual([{ name: "get_weather", input_schema: { type: "object" } }]);
  expect(lost).toEqual(["hosted-tool"]);
  expect(() => write({ tools: [HOSTED] })).toThrow(/web_search/);
});

test("a call of a hosted tool cannot be forced where it cannot be offered", () => {
  const { body, lost } = write({ tools: [HOSTED, FUNCTION], toolChoice: { type: "named", name: "web_search" } });
  expect(body["tool_choice"]).toEqual({ type: "auto" });
  expect(lost.toSorted()).toEqual(["hosted-tool", "tool_choice"]);
});
