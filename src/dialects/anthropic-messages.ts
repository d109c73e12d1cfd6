/**
 * Anthropic Messages (`POST /v1/messages`), both ways. Each direction is a file of its own; this one assembles them.
 */
import type { ChatRequest, JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { ModelRecord } from "../model.ts";
import { MessagesWatcher, messagesDecoder, readError } from "./anthropic-messages.decode.ts";
import { errorEvent, messagesEncoder, writeError } from "./anthropic-messages.encode.ts";
import { isolating } from "./anthropic-messages.isolating.ts";
import { movable } from "./anthropic-messages.movable.ts";
import { placing } from "./anthropic-messages.placing.ts";
import { prewarming } from "./anthropic-messages.prewarming.ts";
import { readRequest } from "./anthropic-messages.read.ts";
import { isArray, isObject, NAME } from "./anthropic-messages.words.ts";
import { writeRequest } from "./anthropic-messages.write.ts";
import type { Dialect, EditOptions } from "./dialect.ts";
import { isForeignSeal } from "./seal.ts";
import { SSE_CONTENT_TYPE, sseComment } from "./sse.ts";

export const anthropicMessages: Dialect = {
  name: NAME,
  streamContentType: SSE_CONTENT_TYPE,
  readRequest,
  writeRequest,
  edits,
  placing,
  movable,
  isolating,
  prewarming,
  refuses,
  decoder: messagesDecoder,
  watcher: () => new MessagesWatcher(),
  encoder: messagesEncoder,
  readError,
  writeError,
  errorEvent,
  comment: sseComment,
};

/** What was new, or has gone, from one generation of models to the next. */
function refuses(request: ChatRequest, record: ModelRecord): boolean {
  const { messages, reasoning } = request;
  const first = messages.findIndex((message) => message.role !== "system");
  const interjects = messages.some((message, at) => at > first && message.role === "system");
  const prefills = messages.at(-1)?.role === "assistant";
  const budgets = reasoning?.budgetTokens !== undefined;
  return (
    (interjects && !record.systemInMessages) ||
    (prefills && !record.prefill) ||
    (reasoning !== undefined && budgets !== (record.reasoning.kind === "budget"))
  );
}

/** Usage always comes in this dialect's streams. */
function edits(body: JsonObject, { model }: EditOptions): readonly Edit[] {
  const renamed: readonly Edit[] = body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
  const foreign = isArray(body["messages"]) ? body["messages"].flatMap(withoutForeignSeals) : [];
  return foreign.length === 0 ? renamed : [...renamed, ...foreign];
}

/** What another dialect's server thought in an earlier turn: its seal would be refused. A message without content would be, too. */
function withoutForeignSeals(message: JsonValue, at: number): readonly Edit[] {
  const content = isObject(message) && message["role"] === "assistant" ? message["content"] : undefined;
  if (!isArray(content)) return [];
  const foreign = content.flatMap((block, index) =>
    isObject(block) && (isForeignSeal(block["signature"]) || isForeignSeal(block["data"])) ? [index] : [],
  );
  const path = ["messages", at];
  if (foreign.length > 0 && foreign.length === content.length) return [{ op: "delete", path, loss: "reasoning" }];
  return foreign.map((index): Edit => ({ op: "delete", path: [...path, "content", index], loss: "reasoning" }));
}
