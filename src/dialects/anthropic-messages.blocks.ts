/**
 * Content blocks of an answer, streamed or whole, into events.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { elementSpans, memberSpan } from "./anthropic-messages.span.ts";
import { isArray, isObject, NAME, textOf } from "./anthropic-messages.words.ts";

/** How many blocks may be open at once. The dialect knows one; more is tolerated, without end is not. */
const OPEN_BLOCKS_MAX = 256;

interface OpenBlock {
  readonly kind: string;
  readonly start: JsonObject;
  /** Position among the answer's tool calls. */
  readonly toolIndex: number;
  /** JSON text of a tool's input as it arrives; for opaque blocks too. */
  input: string;
  signature: string;
  /** What an opaque block gathered from deltas that only its own dialect knows. */
  readonly gathered: Map<string, JsonValue | undefined>;
}

export class BlockReader {
  readonly #open = new Map<number, OpenBlock>();
  #tools = 0;

  /** @returns `undefined` when the event speaks of a block that was not begun, or has no form that can be read. */
  read(event: JsonObject): ChatEvent[] | undefined {
    const index = event["index"];
    if (typeof index !== "number") return undefined;
    if (event["type"] === "content_block_start") return this.#start(index, event["content_block"]);
    const block = this.#open.get(index);
    if (block === undefined) return undefined;
    if (event["type"] === "content_block_delta") {
      return isObject(event["delta"]) ? deltaEvents(block, event["delta"]) : undefined;
    }
    this.#open.delete(index);
    return endEvents(block);
  }

  closeAll(): ChatEvent[] {
    const events = [...this.#open.values()].flatMap(endEvents);
    this.#open.clear();
    return events;
  }

  #start(index: number, start: JsonValue | undefined): ChatEvent[] | undefined {
    if (!isObject(start) || this.#open.size >= OPEN_BLOCKS_MAX) return undefined;
    const kind = textOf(start["type"]) ?? "";
    const before = this.#open.get(index);
    const block: OpenBlock = {
      kind,
      start,
      toolIndex: kind === "tool_use" ? this.#tools : -1,
      input: "",
      signature: textOf(start["signature"]) ?? "",
      gathered: new Map(),
    };
    if (kind === "tool_use") this.#tools += 1;
    this.#open.set(index, block);
    return [...(before === undefined ? [] : endEvents(before)), ...startEvents(block)];
  }
}

function startEvents({ kind, start, toolIndex }: OpenBlock): ChatEvent[] {
  switch (kind) {
    case "text":
      return [...textDelta(start["text"]), ...citations(start["citations"])];
    case "thinking":
      return reasoningDelta(start["thinking"]);
    case "redacted_thinking":
      return [{ type: "reasoning-redacted", data: textOf(start["data"]) ?? "", issuer: NAME }];
    case "tool_use":
      return [toolStart(start, toolIndex)];
    default:
      return [];
  }
}

function deltaEvents(block: OpenBlock, delta: JsonObject): ChatEvent[] {
  switch (delta["type"]) {
    case "text_delta":
      return textDelta(delta["text"]);
    case "thinking_delta":
      return reasoningDelta(delta["thinking"]);
    case "signature_delta":
      block.signature = textOf(delta["signature"]) ?? block.signature;
      return [];
    case "citations_delta":
      return [{ type: "opaque", kind: "citations", value: delta["citation"] ?? null }];
    case "input_json_delta": {
      const part = textOf(delta["partial_json"]) ?? "";
      block.input += part;
      return block.kind !== "tool_use" || part === ""
        ? []
        : [{ type: "tool-call-delta", index: block.toolIndex, arguments: part }];
    }
    default:
      gather(block, delta);
      return [];
  }
}

function gather({ gathered, start }: OpenBlock, delta: JsonObject): void {
  for (const [key, value] of Object.entries(delta)) {
    if (key === "type") continue;
    const before = gathered.get(key) ?? start[key];
    gathered.set(key, typeof value === "string" && typeof before === "string" ? before + value : value);
  }
}

function endEvents(block: OpenBlock): ChatEvent[] {
  switch (block.kind) {
    case "text":
    case "redacted_thinking":
      return [];
    case "thinking":
      return [reasoningEnd(block.signature)];
    case "tool_use":
      return toolEnd(block);
    default:
      return [{ type: "opaque", kind: kindOf(block.kind), value: opaqueValue(block) }];
  }
}

/** No delta came: the input stood in the block's start, or there is none. */
function toolEnd({ start, toolIndex, input }: OpenBlock): ChatEvent[] {
  const whole = input === "" ? JSON.stringify(start["input"] ?? {}) : "";
  return [
    ...(whole === "" ? [] : [{ type: "tool-call-delta", index: toolIndex, arguments: whole } as const]),
    { type: "tool-call-end", index: toolIndex },
  ];
}

function opaqueValue({ start, input, gathered }: OpenBlock): JsonValue {
  return { ...start, ...Object.fromEntries(gathered), ...(input === "" ? {} : { input: parsedOrText(input) }) };
}

function parsedOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/**
 * The blocks of a whole answer.
 *
 * @param text The answer's own text: tool inputs are taken from it as they stand, since parsing would change numbers and keys.
 */
export function wholeBlockEvents(content: readonly JsonValue[], text: string): ChatEvent[] {
  const events: ChatEvent[] = [];
  const spans = inputSpans(content, text);
  let tools = 0;
  for (const [at, block] of content.entries()) {
    if (!isObject(block)) continue;
    switch (block["type"]) {
      case "text":
        events.push(...textDelta(block["text"]), ...citations(block["citations"]));
        break;
      case "thinking":
        events.push(...reasoningDelta(block["thinking"]), reasoningEnd(textOf(block["signature"]) ?? ""));
        break;
      case "redacted_thinking":
        events.push({ type: "reasoning-redacted", data: textOf(block["data"]) ?? "", issuer: NAME });
        break;
      case "tool_use":
        events.push(
          toolStart(block, tools),
          { type: "tool-call-delta", index: tools, arguments: spans[at] ?? JSON.stringify(block["input"] ?? {}) },
          { type: "tool-call-end", index: tools },
        );
        tools += 1;
        break;
      default:
        events.push({ type: "opaque", kind: kindOf(textOf(block["type"]) ?? ""), value: block });
    }
  }
  return events;
}

function inputSpans(content: readonly JsonValue[], text: string): readonly (string | undefined)[] {
  if (!content.some((block) => isObject(block) && block["type"] === "tool_use")) return [];
  const bytes = Buffer.from(text);
  const array = memberSpan(bytes, 0, "content");
  if (array === undefined) return [];
  return elementSpans(bytes, array.start).map((element) => {
    const input = memberSpan(bytes, element.start, "input");
    return input === undefined ? undefined : bytes.toString("utf8", input.start, input.end);
  });
}

function textDelta(text: JsonValue | undefined): ChatEvent[] {
  return typeof text === "string" && text !== "" ? [{ type: "text-delta", text }] : [];
}

function reasoningDelta(text: JsonValue | undefined): ChatEvent[] {
  return typeof text === "string" && text !== "" ? [{ type: "reasoning-delta", text }] : [];
}

function reasoningEnd(signature: string): ChatEvent {
  return { type: "reasoning-end", ...(signature === "" ? {} : { signature, issuer: NAME }) };
}

function citations(value: JsonValue | undefined): ChatEvent[] {
  return isArray(value) ? value.map((citation) => ({ type: "opaque", kind: "citations", value: citation })) : [];
}

function toolStart(block: JsonObject, index: number): ChatEvent {
  return { type: "tool-call-start", index, id: textOf(block["id"]) ?? "", name: textOf(block["name"]) ?? "" };
}

function kindOf(type: string): string {
  return type === "" ? "unknown" : type;
}
