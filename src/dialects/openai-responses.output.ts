/**
 * The items of an answer, streamed or whole, into events. Items are told apart by their place: some servers change ids on the way.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { isArray, isObject, madeId, textOf } from "./openai-chat.words.ts";
import { PARAGRAPH, thoughtIn } from "./openai-responses.items.ts";
import { CALL_TYPES, NAME } from "./openai-responses.words.ts";

/** How many items one answer may hold. */
const ITEMS_MAX = 10_000;

interface OpenItem {
  readonly key: string;
  readonly type: string;
  /** Position among the answer's calls; -1 for what is no call, or one whose name is not known yet. */
  call: number;
  /** Of a call: what has come of its arguments before its name. */
  waiting: string;
  /** What has been said of it, by the part. */
  readonly said: Map<string, string>;
  /** Which of the two texts of a thought is told: the first that comes. */
  thought: "summary" | "content" | undefined;
  annotated: boolean;
  over: boolean;
}

export class OutputReader {
  readonly #items = new Map<string, OpenItem>();
  /** What ids are made from, where the server gives none. */
  readonly #answerId: () => string;
  #calls = 0;

  constructor(answerId: () => string) {
    this.#answerId = answerId;
  }

  get hasCalls(): boolean {
    return this.#calls > 0;
  }

  /** Whether any item was begun. */
  get isEmpty(): boolean {
    return this.#items.size === 0;
  }

  /** @returns `undefined` when there are more items than one answer may have. */
  read(type: string, event: JsonObject): ChatEvent[] | undefined {
    const item = this.#itemOf(type, event);
    if (item === undefined) return this.#items.size >= ITEMS_MAX ? undefined : [];
    const text = textOf(event["delta"]) ?? "";
    switch (type) {
      case "response.output_item.added":
        return this.#begin(item, event["item"]);
      case "response.output_item.done":
        return this.#end(item, objectOf(event["item"]));
      case "response.output_text.delta":
        return [...this.#say(item, event["content_index"], text, "text-delta"), ...logprobs(event["logprobs"])];
      case "response.refusal.delta":
        return this.#say(item, event["content_index"], text, "refusal-delta");
      case "response.output_text.annotation.added":
        item.annotated = true;
        return [opaque("annotations", event["annotation"] ?? null)];
      case "response.reasoning_summary_text.delta":
        return this.#think(item, "summary", event["summary_index"], text);
      case "response.reasoning_text.delta":
        return this.#think(item, "content", event["content_index"], text);
      case "response.function_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
        return this.#call(item, undefined, text);
      default:
        return [];
    }
  }

  /** A whole item: read as if it had been streamed in one piece. */
  whole(item: JsonObject): ChatEvent[] {
    const event = { output_index: this.#items.size, item };
    return [
      ...(this.read("response.output_item.added", event) ?? []),
      ...(this.read("response.output_item.done", event) ?? []),
    ];
  }

  /** What nobody ended. */
  end(): ChatEvent[] {
    return [...this.#items.values()].flatMap((item) => (item.over ? [] : this.#end(item, {})));
  }

  #itemOf(type: string, event: JsonObject): OpenItem | undefined {
    const index = event["output_index"];
    const key = typeof index === "number" ? String(index) : (textOf(event["item_id"]) ?? "");
    const held = this.#items.get(key);
    const isNew = held === undefined || (held.over && type === "response.output_item.added");
    if (!isNew) return held.over ? undefined : held;
    if (this.#items.size >= ITEMS_MAX) return undefined;
    const itemType = textOf(objectOf(event["item"])["type"]) ?? TYPE_OF_EVENT.get(type);
    if (itemType === undefined) return undefined;
    const item: OpenItem = {
      key,
      type: itemType,
      call: -1,
      waiting: "",
      said: new Map(),
      thought: undefined,
      annotated: false,
      over: false,
    };
    this.#items.set(key, item);
    return item;
  }

  #begin(item: OpenItem, value: JsonValue | undefined): ChatEvent[] {
    return CALL_TYPES.has(item.type) ? this.#call(item, objectOf(value), "") : [];
  }

  #say(item: OpenItem, part: JsonValue | undefined, text: string, type: "text-delta" | "refusal-delta"): ChatEvent[] {
    if (text === "") return [];
    note(item, part, text);
    return [{ type, text }];
  }

  /** A summary comes in parts, which clients show as paragraphs. */
  #think(item: OpenItem, from: "summary" | "content", part: JsonValue | undefined, text: string): ChatEvent[] {
    item.thought ??= from;
    if (text === "" || item.thought !== from) return [];
    const isNext = item.said.size > 0 && saidOf(item, part) === "";
    note(item, part, text);
    return [{ type: "reasoning-delta", text: isNext ? PARAGRAPH + text : text }];
  }

  /** A call begins when its name is known. */
  #call(item: OpenItem, value: JsonObject | undefined, more: string): ChatEvent[] {
    item.waiting += more;
    const events: ChatEvent[] = [];
    if (item.call < 0) {
      const name = textOf(value?.["name"]) ?? "";
      if (name === "") return [];
      item.call = this.#calls;
      this.#calls += 1;
      const id = textOf(value?.["call_id"]) ?? textOf(value?.["id"]) ?? "";
      events.push({
        type: "tool-call-start",
        index: item.call,
        id: id === "" ? madeId(`${this.#answerId()}:${item.call}`) : id,
        name,
      });
    }
    if (item.waiting !== "") {
      note(item, 0, item.waiting);
      events.push({ type: "tool-call-delta", index: item.call, arguments: item.waiting });
      item.waiting = "";
    }
    return events;
  }

  #end(item: OpenItem, value: JsonObject): ChatEvent[] {
    item.over = true;
    if (CALL_TYPES.has(item.type)) return this.#endCall(item, value);
    if (item.type === "message") return this.#endMessage(item, value);
    if (item.type === "reasoning") return endThought(item, value);
    return value["type"] === undefined ? [] : [opaque(item.type, value)];
  }

  #endCall(item: OpenItem, value: JsonObject): ChatEvent[] {
    const begun = this.#call(item, value, "");
    const rest = restOf(item, 0, textOf(value["arguments"]) ?? textOf(value["input"]) ?? "");
    return item.call < 0
      ? []
      : [...begun, ...this.#call(item, value, rest), { type: "tool-call-end", index: item.call }];
  }

  #endMessage(item: OpenItem, value: JsonObject): ChatEvent[] {
    const content = isArray(value["content"]) ? value["content"] : [];
    return content.flatMap((part, at): ChatEvent[] => {
      if (!isObject(part)) return [];
      const isNew = saidOf(item, at) === "";
      const annotations = isArray(part["annotations"]) && !item.annotated ? part["annotations"] : [];
      return [
        ...this.#say(item, at, restOf(item, at, textOf(part["text"]) ?? ""), "text-delta"),
        ...this.#say(item, at, restOf(item, at, textOf(part["refusal"]) ?? ""), "refusal-delta"),
        ...annotations.map((annotation) => opaque("annotations", annotation)),
        ...(isNew ? logprobs(part["logprobs"]) : []),
      ];
    });
  }
}

function note({ said }: OpenItem, part: JsonValue | undefined, text: string): void {
  const key = String(part ?? 0);
  said.set(key, (said.get(key) ?? "") + text);
}

function saidOf({ said }: OpenItem, part: JsonValue | undefined): string {
  return said.get(String(part ?? 0)) ?? "";
}

/** What of the whole, which comes with the end, was not streamed: all of it by some servers. */
function restOf(item: OpenItem, part: number, whole: string): string {
  const said = saidOf(item, part);
  return whole.startsWith(said) ? whole.slice(said.length) : "";
}

/** The seal comes with the end. */
function endThought(item: OpenItem, value: JsonObject): ChatEvent[] {
  const isShown = item.said.size > 0;
  const text = isShown ? "" : thoughtIn(value);
  const rest: ChatEvent[] = text === "" ? [] : [{ type: "reasoning-delta", text }];
  return [...rest, ...sealEvents(value, isShown || text !== "")];
}

/** @param isShown Whether any of the thought can be read: then the seal is under it, else in its stead. */
export function sealEvents(item: JsonObject, isShown: boolean): ChatEvent[] {
  const seal = textOf(item["encrypted_content"]) ?? "";
  const id = textOf(item["id"]) ?? "";
  const origin = { issuer: NAME, ...(id === "" ? {} : { sealId: id }) };
  if (isShown) return [{ type: "reasoning-end", ...(seal === "" ? {} : { signature: seal, ...origin }) }];
  return seal === "" ? [] : [{ type: "reasoning-redacted", data: seal, ...origin }];
}

/** What an item is of which nothing was said before: some servers leave out that it begins. */
const TYPE_OF_EVENT: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
  }),
);

function logprobs(value: JsonValue | undefined): ChatEvent[] {
  return isArray(value) && value.length > 0 ? [opaque("logprobs", value)] : [];
}

function opaque(kind: string, value: JsonValue): ChatEvent {
  return { type: "opaque", kind, value };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}
