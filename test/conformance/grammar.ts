/**
 * What the two chat surfaces promise about their streams, beyond what their words mean. Each function gives the promises that
 * were broken; none is the good answer.
 */
import { object, objects, sseEvents } from "./answer.ts";
import type { Json } from "./material.ts";

type Broken = (promise: string) => void;

/** @param wantsUsage Whether the client asked for usage in its stream. */
export function chatGrammar(bytes: Uint8Array, wantsUsage: boolean): readonly string[] {
  const broken: string[] = [];
  const say: Broken = (promise) => void broken.push(promise);
  const events = sseEvents(bytes);
  const last = events.at(-1);
  if (last?.data !== "[DONE]") say("`[DONE]` is last");
  if (events.filter(({ data }) => data === "[DONE]").length !== 1) say("`[DONE]` stands once");
  if (events.some(({ event }) => event !== undefined)) say("events have no names");
  const chunks = events.flatMap(({ data }) => (data === "[DONE]" ? [] : [JSON.parse(data) as Json]));
  if (chunks.some((chunk) => chunk["object"] !== "chat.completion.chunk")) say("each is a chat.completion.chunk");
  for (const field of ["id", "created", "model"]) {
    const values = new Set(chunks.map((chunk) => chunk[field]));
    if (values.size !== 1 || values.has(undefined)) say(`one ${field} for all`);
  }
  usageChunks(chunks, wantsUsage, say);
  choices(
    chunks.flatMap((chunk) => objects(chunk["choices"])),
    say,
  );
  return broken;
}

function usageChunks(chunks: readonly Json[], wantsUsage: boolean, say: Broken): void {
  const alone = chunks.filter((chunk) => objects(chunk["choices"]).length === 0);
  const counted = chunks.filter((chunk) => Object.keys(object(chunk["usage"])).length > 0);
  if (!wantsUsage) {
    if (alone.length > 0 || counted.length > 0) say("no usage for who did not ask");
    return;
  }
  if (alone.length > 1 || alone.some((chunk) => chunk !== chunks.at(-1))) say("the usage chunk is one and last");
  if (counted.some((chunk) => !alone.includes(chunk))) say("usage stands in its own chunk");
}

function choices(all: readonly Json[], say: Broken): void {
  if (object(all[0]?.["delta"])["role"] !== "assistant") say("the role comes first");
  const finishes = all.filter((choice) => typeof choice["finish_reason"] === "string");
  if (finishes.length !== 1) say("one finish_reason");
  if (finishes[0] !== all.at(-1)) say("nothing after the finish_reason");
  if (all.some((choice) => choice["index"] !== 0)) say("one choice, number 0");
  const begun: unknown[] = [];
  for (const call of all.flatMap((choice) => objects(object(choice["delta"])["tool_calls"]))) {
    const { index } = call;
    if (typeof index !== "number") say("a call's delta has its index");
    const isFirst = !begun.includes(index);
    if (isFirst && index !== begun.length) say("calls are numbered from 0");
    if (isFirst) begun.push(index);
    const name = object(call["function"])["name"];
    if (isFirst && (typeof call["id"] !== "string" || call["id"] === "" || typeof name !== "string" || name === "")) {
      say("a call begins with its id and name");
    }
    if (isFirst && call["type"] !== "function") say("a call begins with its type");
    if (!isFirst && call["id"] !== undefined) say("a call's id is said once");
  }
}

export function messagesGrammar(bytes: Uint8Array): readonly string[] {
  const broken: string[] = [];
  const say: Broken = (promise) => void broken.push(promise);
  const named = sseEvents(bytes);
  if (named.some(({ event, data }) => event !== (JSON.parse(data) as Json)["type"]))
    say("an event is named as its type");
  const events = named.map(({ data }) => JSON.parse(data) as Json).filter((event) => event["type"] !== "ping");
  const types = events.map((event) => String(event["type"]));
  if (types[0] !== "message_start" || types.lastIndexOf("message_start") !== 0) say("message_start is first and one");
  if (types.at(-1) !== "message_stop" || types.indexOf("message_stop") !== types.length - 1)
    say("message_stop is last and one");
  if (types.at(-2) !== "message_delta" || types.indexOf("message_delta") !== types.length - 2)
    say("message_delta is before it, and one");
  messageStart(object(events[0]?.["message"]), say);
  const delta = events.at(-2);
  if (typeof object(delta?.["usage"])["output_tokens"] !== "number") say("message_delta has usage");
  if (typeof object(delta?.["delta"])["stop_reason"] !== "string") say("message_delta has the stop_reason");
  blocks(events.slice(1, -2), say);
  return broken;
}

function messageStart(message: Json, say: Broken): void {
  if (typeof message["id"] !== "string" || message["id"] === "") say("the message has an id");
  if (message["type"] !== "message" || message["role"] !== "assistant") say("the message is the assistant's");
  if (JSON.stringify(message["content"]) !== "[]" || message["stop_reason"] !== null) say("the message begins empty");
  const usage = object(message["usage"]);
  if (typeof usage["input_tokens"] !== "number") say("message_start has the prompt's tokens");
  // Clients add it to the count at the end.
  if (usage["output_tokens"] !== 0) say("no output is counted at the start");
}

function blocks(events: readonly Json[], say: Broken): void {
  let next = 0;
  let open: string | undefined;
  for (const event of events) {
    const { index } = event;
    if (event["type"] === "content_block_start") {
      if (open !== undefined) say("one block is open at a time");
      if (index !== next) say("blocks are numbered in their order");
      open = String(object(event["content_block"])["type"]);
    } else if (event["type"] === "content_block_delta") {
      if (open === undefined || index !== next) say("a delta belongs to the open block");
      const kind = String(object(event["delta"])["type"]);
      if (open !== undefined && !(DELTAS[open] ?? []).includes(kind)) say(`a ${open} block has no ${kind}`);
    } else if (event["type"] === "content_block_stop") {
      if (open === undefined || index !== next) say("the open block is the one that is closed");
      open = undefined;
      next += 1;
    } else {
      say(`no ${String(event["type"])} between the blocks`);
    }
  }
  if (open !== undefined) say("every block is closed");
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ["text_delta", "citations_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  redacted_thinking: [],
  tool_use: ["input_json_delta"],
};
