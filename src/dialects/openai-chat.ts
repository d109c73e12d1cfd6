/**
 * OpenAI Chat Completions (`POST /v1/chat/completions`), both ways, and what the many servers that speak it make of it. Each
 * direction is a file of its own; this one assembles them.
 *
 * Reasoning, for which the dialect has no word, goes as `openai-chat.details.ts` says.
 */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { Dialect, EditOptions } from "./dialect.ts";
import { chatDecoder } from "./openai-chat.decode.ts";
import { chatEncoder } from "./openai-chat.encode.ts";
import { errorEvent, readChatError, writeError } from "./openai-chat.errors.ts";
import { isolating } from "./openai-chat.isolating.ts";
import { movable } from "./openai-chat.movable.ts";
import { placing } from "./openai-chat.placing.ts";
import { prewarming } from "./openai-chat.prewarming.ts";
import { readRequest } from "./openai-chat.read.ts";
import { ChatWatcher } from "./openai-chat.watch.ts";
import { isObject, NAME } from "./openai-chat.words.ts";
import { writeRequest } from "./openai-chat.write.ts";
import { SSE_CONTENT_TYPE, sseComment } from "./sse.ts";

export const openaiChat: Dialect = {
  name: NAME,
  streamContentType: SSE_CONTENT_TYPE,
  readRequest,
  writeRequest,
  edits,
  placing,
  movable,
  isolating,
  prewarming,
  decoder: chatDecoder,
  watcher: () => new ChatWatcher(),
  encoder: chatEncoder,
  readError: readChatError,
  writeError,
  errorEvent,
  comment: sseComment,
};

function edits(body: JsonObject, { model, askStreamUsage, askLogprobs }: EditOptions): readonly Edit[] {
  return [
    ...(body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model } as const]),
    ...(askStreamUsage ? askingUsage(body["stream_options"]) : []),
    ...(askLogprobs === true && body["logprobs"] !== true ? ASKING_LOGPROBS : []),
  ];
}

const ASKING_LOGPROBS: readonly Edit[] = [{ op: "set", path: ["logprobs"], value: true }];

/** Without being asked, a stream does not say what it used. */
function askingUsage(options: JsonObject[string]): readonly Edit[] {
  if (!isObject(options)) return [{ op: "set", path: ["stream_options"], value: { include_usage: true } }];
  if (options["include_usage"] === true) return [];
  return [{ op: "set", path: ["stream_options", "include_usage"], value: true }];
}
