/** Every promise of OpenAI's Responses streams, checked on the bytes of one. */
import { expect } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { at } from "./sandbox-call.ts";

export interface StreamedResponse {
  readonly types: readonly string[];
  readonly events: readonly JsonObject[];
  /** Of its last event. */
  readonly response: JsonObject;
}

const TERMINAL = ["response.completed", "response.incomplete", "response.failed"];

/** @returns What was streamed; fails the test for a promise that is not kept. */
export function checkedResponse(text: string): StreamedResponse {
  expect(text.endsWith("\n\n")).toBe(true);
  const events = text
    .trimEnd()
    .split("\n\n")
    .map((block) => {
      const [name, data, ...more] = block.split("\n");
      expect(more).toEqual([]);
      const event = JSON.parse(data?.replace(/^data: /, "") ?? "") as JsonObject;
      expect(name).toBe(`event: ${String(event["type"])}`);
      return event;
    });
  const types = events.map((event) => String(event["type"]));
  expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_, index) => index));
  expect(types[0]).toBe("response.created");
  expect(types.filter((type) => TERMINAL.includes(type))).toEqual([types.at(-1)]);
  const response = events.at(-1)?.["response"] as JsonObject;
  checkItems(events, response);
  return { types, events, response };
}

function checkItems(events: readonly JsonObject[], response: JsonObject): void {
  const items = (response["output"] ?? []) as readonly JsonObject[];
  const of = (type: string) => events.filter((event) => event["type"] === type);
  const added = of("response.output_item.added");
  const done = of("response.output_item.done");
  if (response["status"] === "failed") return;
  expect(added.map((event) => event["output_index"])).toEqual(items.map((_, index) => index));
  expect(done.map((event) => event["item"])).toEqual(items);
  expect(typeof at(response, "usage", "output_tokens")).toBe("number");
  for (const [index, item] of items.entries()) {
    const own = events.filter((event) => event["output_index"] === index);
    expect(own[0]?.["type"]).toBe("response.output_item.added");
    expect(own.at(-1)?.["type"]).toBe("response.output_item.done");
    for (const event of own.slice(1, -1)) expect(event["item_id"]).toBe(item["id"]);
    const said = own.map((event) => event["delta"] ?? "").join("");
    expect(said).toBe(saidBy(item));
  }
}

function saidBy(item: JsonObject): unknown {
  switch (item["type"]) {
    case "reasoning":
      return at(item, "summary", 0, "text") ?? "";
    case "message":
      return at(item, "content", 0, "text") ?? at(item, "content", 0, "refusal");
    case "function_call":
      return item["arguments"];
    case "custom_tool_call":
      return item["input"];
    default:
      throw new Error(`no such item: ${String(item["type"])}`);
  }
}
