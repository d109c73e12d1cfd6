/**
 * Tools that a search loads: where every tool is in the prompt, one more of them must not move the others.
 */
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { openaiChat } from "../src/dialects/openai-chat.ts";

const tool = (name: string, isDeferred = false): JsonObject => ({
  name,
  input_schema: { type: "object" },
  ...(isDeferred ? { defer_loading: true } : {}),
});
const reference = (name: string): JsonObject => ({ type: "tool_reference", tool_name: name });
const loading = (id: string, ...names: readonly string[]): readonly JsonObject[] => [
  { role: "assistant", content: [{ type: "tool_use", id, name: "search", input: {} }] },
  { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: names.map(reference) }] },
];

function names(tools: readonly JsonObject[], messages: readonly JsonObject[]): readonly string[] {
  const body = { model: "m", max_tokens: 1, tools, messages: [{ role: "user", content: "Go." }, ...messages] };
  const written = openaiChat.writeRequest(
    anthropicMessages.readRequest(body),
    { model: "m", record: undefined },
    [],
  ) as unknown as { readonly tools: readonly { readonly function: { readonly name: string } }[] };
  return written.tools.map((one) => one.function.name);
}

describe("in another dialect", () => {
  test("a tool that was inserted when it was loaded stands behind all that were there before", () => {
    const before = [tool("read"), tool("search"), tool("placeholder", true), tool("write")];
    const after = [tool("read"), tool("fetch", true), tool("search"), tool("placeholder", true), tool("write")];
    const first = names(before, []);
    expect(names(after, loading("a", "fetch"))).toEqual([...first, "fetch"]);
  });

  test("tools stand in the order of their loading, whichever way they were loaded", () => {
    const tools = [tool("a", true), tool("b", true), tool("c", true), tool("search")];
    const added = { role: "system", content: [{ type: "tool_addition", tool: { type: "tool_reference", name: "a" } }] };
    const searched = {
      role: "assistant",
      content: [
        {
          type: "tool_search_tool_result",
          tool_use_id: "s",
          content: { type: "tool_search_tool_search_result", tool_references: [reference("b")] },
        },
      ],
    };
    expect(names(tools, [...loading("x", "c"), searched, added])).toEqual(["search", "c", "b", "a"]);
  });

  test("a tool that is referred to twice, or is not deferred, does not move again", () => {
    const tools = [tool("a", true), tool("b", true), tool("search")];
    expect(names(tools, [...loading("x", "b", "a"), ...loading("y", "b", "search")])).toEqual(["search", "b", "a"]);
  });
});
