/**
 * OpenAI Responses (`POST /v1/responses`), both ways. Each direction is a file of its own; this one assembles them.
 *
 * Errors outside a stream, and the fields that mean the same in both, are the older API's.
 */
import type { JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { Dialect, EditOptions } from "./dialect.ts";
import { readError, writeError } from "./openai-chat.errors.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";
import { responsesDecoder } from "./openai-responses.decode.ts";
import { responsesEncoder } from "./openai-responses.encode.ts";
import { errorEvent } from "./openai-responses.errors.ts";
import { isolating } from "./openai-responses.isolating.ts";
import { movable } from "./openai-responses.movable.ts";
import { placing } from "./openai-responses.placing.ts";
import { remembering } from "./openai-responses.remembering.ts";
import { prewarming } from "./openai-responses.prewarming.ts";
import { readRequest } from "./openai-responses.read.ts";
import { ResponsesWatcher } from "./openai-responses.watch.ts";
import { isMadeId, isMadeThought, NAME } from "./openai-responses.words.ts";
import { writeRequest } from "./openai-responses.write.ts";
import { isForeignSeal } from "./seal.ts";
import { SSE_CONTENT_TYPE, sseComment } from "./sse.ts";

export const openaiResponses: Dialect = {
  name: NAME,
  readRequest,
  writeRequest,
  edits,
  placing,
  movable,
  isolating,
  prewarming,
  streamContentType: SSE_CONTENT_TYPE,
  keepsAnswers: true,
  remembering,
  comment: sseComment,
  decoder: responsesDecoder,
  watcher: () => new ResponsesWatcher(),
  encoder: responsesEncoder,
  readError,
  writeError,
  errorEvent,
};

/** Usage always comes in this dialect's streams. */
function edits(body: JsonObject, { model }: EditOptions): readonly Edit[] {
  const renamed: readonly Edit[] = body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
  const foreign = isArray(body["input"]) ? body["input"].flatMap(withoutForeign) : [];
  return foreign.length === 0 ? renamed : [...renamed, ...foreign];
}

/**
 * What another dialect's server thought in an earlier turn: its seal would be refused, and its id not be found. The ids of whatever
 * else was said then are of our own making, and nobody's to be told.
 */
function withoutForeign(item: JsonValue, at: number): readonly Edit[] {
  if (!isObject(item)) return [];
  if (item["type"] !== "reasoning") {
    return isMadeId(textOf(item["id"]) ?? "") ? [{ op: "delete", path: ["input", at, "id"] }] : [];
  }
  return isForeignSeal(item["encrypted_content"]) || isMadeThought(item)
    ? [{ op: "delete", path: ["input", at], loss: "reasoning" }]
    : [];
}
