/** Mistral and what a system says among the messages: it may open a conversation, and not end it. */
import { expect, test } from "vitest";
import { mistral } from "../providers/mistral.ts";
import { CHAT } from "../providers/openai-compatible.ts";
import type { JsonObject } from "../src/chat.ts";
import { edited, recordOf } from "./providers-edited.ts";

const small = recordOf("mistral-small-2603");
const said = (role: string, content: JsonObject["content"]): JsonObject => ({ role, content });
const opening = [said("system", "Be brief."), said("user", "Hello")];
const call = {
  role: "assistant",
  content: "",
  tool_calls: [{ id: "abcdefghi", function: { name: "f", arguments: "{}" } }],
};
const result = { role: "tool", tool_call_id: "abcdefghi", content: "22" };

function messages(...sent: readonly JsonObject[]): readonly JsonObject[] {
  const { body, losses } = edited(mistral, CHAT, { messages: sent }, small);
  expect(losses).toEqual([]);
  return body["messages"] as readonly JsonObject[];
}

test("what ends a turn is said by the user, in tags, and still is when the turn has been answered", () => {
  const remark = said("developer", "It is late.");
  const tagged = said("user", "<system>\nIt is late.\n</system>");
  const first = messages(...opening, remark);
  expect(first).toEqual([...opening, tagged]);
  const second = messages(...opening, remark, said("assistant", "Hi"), said("user", "And now?"));
  expect(second.slice(0, first.length)).toEqual(first);
});

test("parts are tagged one by one, and what follows a tool's result is the user's, too", () => {
  const parts = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  expect(messages(...opening, call, result, said("system", parts), said("user", "Go on.")).at(4)).toEqual(
    said("user", [
      { type: "text", text: "<system>\na\n</system>" },
      { type: "text", text: "<system>\nb\n</system>" },
    ]),
  );
});

test("what opens the conversation, or stands before the user's words, stays the system's", () => {
  const two = [said("system", "One."), said("system", "Two."), said("assistant", "Hi"), said("user", "Hello")];
  expect(messages(...two)).toEqual(two);
  const between = [...opening, said("assistant", "Hi"), said("system", "It is late."), said("user", "And now?")];
  expect(messages(...between)).toEqual(between);
});
