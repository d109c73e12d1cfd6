/**
 * Mistral's chat API (`POST /v1/chat/completions` at Mistral), both ways: Chat Completions' relative with names, chunks, ids and errors
 * of its own, and with a client that validates every answer. Each direction is a file of its own; this one assembles them.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { Dialect, EditOptions } from "./dialect.ts";
import { mistralDecoder, mistralWatcher } from "./mistral-chat.decode.ts";
import { mistralEncoder } from "./mistral-chat.encode.ts";
import { errorEvent, writeError } from "./mistral-chat.errors.ts";
import { readRequest } from "./mistral-chat.read.ts";
import { NAME } from "./mistral-chat.words.ts";
import { writeRequest } from "./mistral-chat.write.ts";
import { readError } from "./openai-chat.errors.ts";
import { isolating } from "./openai-chat.isolating.ts";
import { movable } from "./openai-chat.movable.ts";
import { keyPlacing } from "./openai-chat.placing.ts";
import { shortest } from "./openai-chat.prewarming.ts";
import { isArray, isObject } from "./openai-chat.words.ts";
import { isForeignSeal } from "./seal.ts";
import { SSE_CONTENT_TYPE } from "./sse.ts";

export const mistralChat: Dialect = {
  name: NAME,
  streamContentType: SSE_CONTENT_TYPE,
  readRequest,
  writeRequest,
  edits,
  placing: keyPlacing,
  movable,
  isolating,
  prewarming: () => shortest("max_tokens"),
  decoder: mistralDecoder,
  watcher: mistralWatcher,
  encoder: mistralEncoder,
  readError,
  writeError,
  errorEvent,
};

/** Usage always comes in this dialect's streams; asking for it would be refused. */
function edits(body: JsonObject, { model }: EditOptions): readonly Edit[] {
  const renamed: readonly Edit[] = body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
  const foreign = isArray(body["messages"]) ? body["messages"].flatMap(withoutForeignSeals) : [];
  return foreign.length === 0 ? renamed : [...renamed, ...foreign];
}

/** What another dialect's server thought in an earlier turn stays as far as it can be read; its seal, which cannot, goes. */
function withoutForeignSeals(message: JsonValue, at: number): readonly Edit[] {
  const content = isObject(message) ? message["content"] : undefined;
  if (!isArray(content)) return [];
  const path = ["messages", at, "content"];
  const sealed = content.flatMap((chunk, index) =>
    isObject(chunk) && isForeignSeal(chunk["signature"]) ? [{ chunk, index }] : [],
  );
  const empty = sealed.filter(({ chunk }) => isArray(chunk["thinking"]) && chunk["thinking"].length === 0);
  if (empty.length > 0 && empty.length === content.length) return [{ op: "set", path, value: "", loss: "reasoning" }];
  return sealed.map((one): Edit => ({
    op: "delete",
    path: empty.includes(one) ? [...path, one.index] : [...path, one.index, "signature"],
    loss: "reasoning",
  }));
}
