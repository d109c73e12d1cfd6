/**
 * The grammar of a Responses stream, checked event by event on the text that a client would get.
 */
import { expect } from "vitest";
import type { JsonObject, JsonValue } from "../src/chat.ts";

export interface WireEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [key: string]: JsonValue | undefined;
}

export function eventsOf(text: string): WireEvent[] {
  const frames = text.split("\n\n");
  expect(frames.pop()).toBe("");
  return frames.map((frame, at) => {
    const [, name, data] = /^event: ([a-z_.]+)\ndata: (\{[^\n]*\})$/.exec(frame) ?? [];
    const event = JSON.parse(data ?? "null") as WireEvent;
    expect(event.type).toBe(name);
    expect(event.sequence_number).toBe(at);
    return event;
  });
}

/** @returns the terminal event's response. */
export function checkedStream(text: string): JsonObject {
  const events = eventsOf(text);
  const [created, inProgress] = events;
  const last = events.at(-1);
  expect([created?.type, inProgress?.type]).toEqual(["response.created", "response.in_progress"]);
  expect(created?.["response"]).toMatchObject({ status: "in_progress", output: [], usage: null });
  expect(last?.type).toMatch(/^response\.(completed|incomplete)$/);
  const final = objectIn(last, "response");
  expect(`response.${String(final["status"])}`).toBe(last?.type);
  expect(final["id"]).toBe(objectIn(created, "response")["id"]);
  expect(final["usage"]).toMatchObject({
    input_tokens: expect.any(Number),
    input_tokens_details: { cached_tokens: expect.any(Number) },
    output_tokens: expect.any(Number),
    output_tokens_details: { reasoning_tokens: expect.any(Number) },
    total_tokens: expect.any(Number),
  });
  const items = new Items();
  for (const event of events.slice(2, -1)) items.take(event);
  expect(final["output"]).toEqual(items.end());
  return final;
}

/** What a client puts together from the events, and what the events say that it is. */
class Items {
  readonly #done = new Map<number, JsonObject>();
  readonly #open = new Map<number, { item: JsonObject; parts: string[]; openPart: number | undefined }>();
  #added = 0;
  readonly #ids = new Set<string>();

  take(event: WireEvent): void {
    const index = event["output_index"] as number;
    if (event.type === "response.output_item.added") return this.#add(index, objectIn(event, "item"));
    const held = this.#open.get(index);
    expect(held, `${event.type} of an item that is not open`).toBeDefined();
    if (held === undefined) return;
    if (event.type === "response.output_item.done") return this.#end(index, held, objectIn(event, "item"));
    expect(event["item_id"]).toBe(held.item["id"]);
    const part = (event["content_index"] ?? event["summary_index"] ?? 0) as number;
    switch (event.type) {
      case "response.content_part.added":
      case "response.reasoning_summary_part.added":
        expect(held.openPart).toBeUndefined();
        expect(part).toBe(held.parts.length);
        expect(textOf(objectIn(event, "part"))).toBe("");
        held.parts.push("");
        held.openPart = part;
        return;
      case "response.function_call_arguments.delta":
        if (held.parts.length === 0) held.parts.push("");
        held.parts[0] += event["delta"] as string;
        return;
      case "response.output_text.delta":
      case "response.refusal.delta":
      case "response.reasoning_summary_text.delta":
        expect(part).toBe(held.openPart);
        expect(event["delta"]).not.toBe("");
        held.parts[part] += event["delta"] as string;
        return;
      case "response.function_call_arguments.done":
        expect(event["arguments"]).toBe(held.parts[0] ?? "");
        return;
      case "response.output_text.done":
      case "response.reasoning_summary_text.done":
      case "response.refusal.done":
        expect(event["text"] ?? event["refusal"]).toBe(held.parts[part]);
        return;
      case "response.content_part.done":
      case "response.reasoning_summary_part.done":
        expect(textOf(objectIn(event, "part"))).toBe(held.parts[part]);
        held.openPart = undefined;
        return;
      default:
        throw new Error(`${event.type} is no event of an item`);
    }
  }

  end(): JsonObject[] {
    expect(this.#open.size).toBe(0);
    return [...this.#done.entries()].sort(([left], [right]) => left - right).map(([, item]) => item);
  }

  #add(index: number, item: JsonObject): void {
    expect(index).toBe(this.#added);
    this.#added += 1;
    const id = String(item["id"]);
    expect(id).toMatch(/^(msg_|rs_|fc_)[a-zA-Z0-9_]{8,}$/);
    expect(this.#ids.has(id)).toBe(false);
    this.#ids.add(id);
    expect(item["content"] ?? item["summary"] ?? []).toEqual([]);
    expect(item["arguments"] ?? "").toBe("");
    this.#open.set(index, { item, parts: [], openPart: undefined });
  }

  #end(
    index: number,
    held: { item: JsonObject; parts: string[]; openPart: number | undefined },
    item: JsonObject,
  ): void {
    expect(held.openPart).toBeUndefined();
    for (const key of ["id", "type", "role", "call_id", "name"]) expect(item[key]).toBe(held.item[key]);
    const said =
      item["type"] === "function_call"
        ? [item["arguments"] as string]
        : ((item["content"] ?? item["summary"]) as unknown as JsonObject[]).map(textOf);
    expect(said).toEqual(item["type"] === "function_call" && held.parts.length === 0 ? [""] : held.parts);
    if (item["type"] === "message") expect(said.length).toBeGreaterThan(0);
    this.#open.delete(index);
    this.#done.set(index, item);
  }
}

function textOf(part: JsonObject): string {
  return (part["text"] ?? part["refusal"]) as string;
}

function objectIn(holder: JsonObject | undefined, key: string): JsonObject {
  return (holder?.[key] ?? {}) as JsonObject;
}
