/**
 * What an answer says, read by other means than the gateway's: the second opinion of these suites.
 */
import type { Json } from "./material.ts";

export type Api = "chat" | "messages";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As JSON text; "" where nothing was given. */
  readonly arguments: string;
}

/** In words that both surfaces have. */
export type Finish = "stop" | "length" | "tool" | "filter" | "pause" | "other";

export interface Counts {
  /** The whole prompt, cached tokens included. */
  readonly input: number;
  /** `undefined` where nothing is said about the cache. */
  readonly cacheRead: number | undefined;
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly reasoning: number;
  /** What compacting the conversation cost on top of the rest, which is not part of it. */
  readonly compaction: { readonly input: number; readonly cacheRead: number; readonly output: number };
}

export interface Answer {
  readonly text: string;
  /** What a surface with a place for it says instead of an answer. */
  readonly refusal: string;
  readonly reasoning: string;
  readonly tools: readonly ToolCall[];
  readonly finish: Finish | undefined;
  readonly usage: Counts | undefined;
}

/** @param isStream Whether the bytes are server-sent events rather than one JSON document. */
export function readAnswer(api: Api, isStream: boolean, bytes: Uint8Array): Answer {
  if (!isStream) {
    const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
    return api === "chat" ? chatOf(wholeChatMessage(value), value) : messageOf(value);
  }
  const events = sseEvents(bytes).flatMap(({ data }) => (data === "[DONE]" ? [] : [JSON.parse(data) as Json]));
  return api === "chat" ? chatStream(events) : messageStream(events);
}

export interface SseEvent {
  readonly event: string | undefined;
  readonly data: string;
}

/** The events that carry data, in order; comments are left out. */
export function sseEvents(bytes: Uint8Array): readonly SseEvent[] {
  return Buffer.from(bytes)
    .toString("utf8")
    .split(/\r?\n\r?\n/)
    .flatMap((block) => {
      const lines = block.split(/\r?\n/);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
      const event = lines
        .find((line) => line.startsWith("event:"))
        ?.slice(6)
        .trim();
      return data.length === 0 ? [] : [{ event, data: data.join("\n") }];
    });
}

// ---- Chat Completions

interface ChatMessage {
  text: string;
  refusal: string;
  reasoning: string;
  calls: { id: string; name: string; arguments: string }[];
  finish: string | undefined;
}

function wholeChatMessage(value: Json): ChatMessage {
  const [choice] = objects(value["choices"]);
  const message = object(choice?.["message"]);
  const said = contentOf(message["content"]);
  return {
    text: said.text,
    refusal: text(message["refusal"]),
    reasoning: said.reasoning + (reasoningOf(message) === "" ? reasoningInDetails(message) : reasoningOf(message)),
    calls: callsOf(message).map(({ id, name, arguments: given }) => ({ id, name, arguments: given })),
    finish: optionalText(choice?.["finish_reason"]),
  };
}

function chatStream(events: readonly Json[]): Answer {
  const message: ChatMessage = { text: "", refusal: "", reasoning: "", calls: [], finish: undefined };
  const places = new Map<string, number>();
  let usage: Json = {};
  for (const event of events) {
    const [choice] = objects(event["choices"]).filter((one) => (one["index"] ?? 0) === 0);
    const delta = object(choice?.["delta"]);
    const said = contentOf(delta["content"]);
    message.text += said.text;
    message.refusal += text(delta["refusal"]);
    message.reasoning += said.reasoning + reasoningOf(delta);
    for (const part of callsOf(delta)) {
      // Servers that give every call index 0 tell them apart by their ids.
      const isNew = part.id !== "" && !places.has(`${part.index}:${part.id}`);
      if (isNew || message.calls.length === 0) {
        places.set(`${part.index}:${part.id}`, message.calls.length);
        places.set(String(part.index), message.calls.length);
        message.calls.push({ id: part.id, name: part.name, arguments: part.arguments });
        continue;
      }
      const call = message.calls[places.get(String(part.index)) ?? message.calls.length - 1];
      if (call === undefined) continue;
      call.arguments += part.arguments;
      if (call.name === "") call.name = part.name;
    }
    message.finish = optionalText(choice?.["finish_reason"]) ?? message.finish;
    // Groq, to those who did not ask.
    usage = { ...usage, ...object(object(event["x_groq"])["usage"]), ...object(event["usage"]) };
  }
  return chatOf(message, { usage });
}

function chatOf(message: ChatMessage, holder: Json): Answer {
  return {
    text: message.text,
    refusal: message.refusal,
    reasoning: message.reasoning,
    tools: message.calls,
    finish: finishWord(message.finish, CHAT_FINISH),
    usage: chatUsage(object(holder["usage"])),
  };
}

/** Text, or the chunks that Mistral makes of an answer with reasoning in it. */
function contentOf(content: unknown): { text: string; reasoning: string } {
  if (typeof content === "string") return { text: content, reasoning: "" };
  const chunks = objects(content);
  return {
    text: chunks.map((chunk) => (chunk["type"] === "text" ? text(chunk["text"]) : "")).join(""),
    reasoning: chunks
      .flatMap((chunk) => objects(chunk["thinking"]))
      .map((chunk) => text(chunk["text"]))
      .join(""),
  };
}

/** Servers have two names for it, and some say both. */
function reasoningOf(message: Json): string {
  return optionalText(message["reasoning_content"]) ?? text(message["reasoning"]);
}

/** Where a whole answer has it under neither name. */
function reasoningInDetails(message: Json): string {
  return objects(message["reasoning_details"])
    .map((detail) => text(detail["text"]) + text(detail["summary"]))
    .join("");
}

function callsOf(message: Json): readonly { index: number; id: string; name: string; arguments: string }[] {
  const calls = objects(message["tool_calls"]).map((call, at) => {
    const said = object(call["function"] ?? call["custom"]);
    const given = said["arguments"] ?? said["input"];
    return {
      index: typeof call["index"] === "number" ? call["index"] : at,
      id: text(call["id"]),
      name: text(said["name"]),
      arguments: typeof given === "string" ? given : given === undefined || given === null ? "" : JSON.stringify(given),
    };
  });
  const legacy = object(message["function_call"]);
  if (Object.keys(legacy).length === 0) return calls;
  return [...calls, { index: 0, id: "", name: text(legacy["name"]), arguments: text(legacy["arguments"]) }];
}

function chatUsage(usage: Json): Counts | undefined {
  if (typeof usage["prompt_tokens"] !== "number") return undefined;
  const prompt = object(usage["prompt_tokens_details"]);
  const output = object(usage["completion_tokens_details"]);
  return {
    input: usage["prompt_tokens"],
    cacheRead:
      count(usage["num_cached_tokens"]) ??
      count(prompt["cached_tokens"]) ??
      count(object(usage["prompt_token_details"])["cached_tokens"]) ??
      count(usage["prompt_cache_hit_tokens"]),
    cacheWrite: count(prompt["cache_write_tokens"]) ?? 0,
    cacheWrite1h: 0,
    output: count(usage["completion_tokens"]) ?? 0,
    reasoning: count(output["reasoning_tokens"]) ?? 0,
    compaction: { input: 0, cacheRead: 0, output: 0 },
  };
}

const CHAT_FINISH: Readonly<Record<string, Finish>> = {
  stop: "stop",
  length: "length",
  model_length: "length",
  tool_calls: "tool",
  function_call: "tool",
  content_filter: "filter",
};

// ---- Messages

function messageOf(message: Json): Answer {
  const blocks = objects(message["content"]);
  return {
    text: blocks.map((block) => (block["type"] === "text" ? text(block["text"]) : "")).join(""),
    refusal: "",
    reasoning: blocks.map((block) => (block["type"] === "thinking" ? text(block["thinking"]) : "")).join(""),
    tools: blocks.flatMap((block) =>
      block["type"] === "tool_use"
        ? [{ id: text(block["id"]), name: text(block["name"]), arguments: JSON.stringify(block["input"]) }]
        : [],
    ),
    finish: finishWord(optionalText(message["stop_reason"]), MESSAGE_FINISH),
    usage: messageUsage(object(message["usage"])),
  };
}

function messageStream(events: readonly Json[]): Answer {
  const blocks = new Map<unknown, Record<string, unknown>>();
  let ending: Json = {};
  let usage: Json = {};
  for (const event of events) {
    if (event["type"] === "message_start") usage = { ...usage, ...object(object(event["message"])["usage"]) };
    if (event["type"] === "content_block_start") blocks.set(event["index"], { ...object(event["content_block"]) });
    const block = blocks.get(event["index"]);
    if (event["type"] === "content_block_delta" && block !== undefined) grow(block, object(event["delta"]));
    if (event["type"] === "message_delta") {
      ending = { ...ending, ...object(event["delta"]) };
      usage = { ...usage, ...given(object(event["usage"])) };
    }
  }
  for (const block of blocks.values()) {
    const json = text(block["json"]);
    if (json !== "") block["input"] = tolerant(json);
  }
  return messageOf({ ...ending, content: [...blocks.values()], usage });
}

function grow(block: Record<string, unknown>, delta: Json): void {
  const add = (key: string, more: unknown) => void (block[key] = text(block[key]) + text(more));
  if (delta["type"] === "text_delta") add("text", delta["text"]);
  if (delta["type"] === "thinking_delta") add("thinking", delta["thinking"]);
  if (delta["type"] === "input_json_delta") add("json", delta["partial_json"]);
}

/** What is cut is no JSON: it stays the text that it is. */
function tolerant(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

function messageUsage(usage: Json): Counts | undefined {
  if (typeof usage["input_tokens"] !== "number") return undefined;
  const read = count(usage["cache_read_input_tokens"]) ?? 0;
  const split = object(usage["cache_creation"]);
  const write1h = count(split["ephemeral_1h_input_tokens"]) ?? 0;
  const write = count(usage["cache_creation_input_tokens"]) ?? 0;
  // A stream's last count may have grown beyond the split that came first: server tools write for five minutes.
  const cacheWrite = Math.max(write, write1h + (count(split["ephemeral_5m_input_tokens"]) ?? 0));
  const compaction = { input: 0, cacheRead: 0, output: 0 };
  for (const iteration of objects(usage["iterations"])) {
    if (iteration["type"] !== "compaction") continue;
    compaction.input += count(iteration["input_tokens"]) ?? 0;
    compaction.cacheRead += count(iteration["cache_read_input_tokens"]) ?? 0;
    compaction.output += count(iteration["output_tokens"]) ?? 0;
  }
  return {
    input: usage["input_tokens"] + read + cacheWrite,
    cacheRead: read,
    cacheWrite,
    cacheWrite1h: write1h,
    output: count(usage["output_tokens"]) ?? 0,
    reasoning: count(object(usage["output_tokens_details"])["thinking_tokens"]) ?? 0,
    compaction,
  };
}

const MESSAGE_FINISH: Readonly<Record<string, Finish>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool",
  refusal: "filter",
  pause_turn: "pause",
};

// ---- JSON of unknown shape

function finishWord(word: string | undefined, words: Readonly<Record<string, Finish>>): Finish | undefined {
  return word === undefined ? undefined : (words[word] ?? "other");
}

export function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];
}

function given(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null && one !== undefined));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function optionalText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
