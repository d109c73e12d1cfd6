/**
 * Anthropic Messages (`POST /v1/messages`), both ways. Each direction is a file of its own; this one assembles them.
 */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { MessagesWatcher, messagesDecoder, readError } from "./anthropic-messages.decode.ts";
import { errorEvent, messagesEncoder, writeError } from "./anthropic-messages.encode.ts";
import { readRequest } from "./anthropic-messages.read.ts";
import { NAME } from "./anthropic-messages.words.ts";
import { writeRequest } from "./anthropic-messages.write.ts";
import type { Dialect, EditOptions } from "./dialect.ts";

export const anthropicMessages: Dialect = {
  name: NAME,
  readRequest,
  writeRequest,
  edits,
  decoder: messagesDecoder,
  watcher: () => new MessagesWatcher(),
  encoder: messagesEncoder,
  readError,
  writeError,
  errorEvent,
};

/** Usage always comes in this dialect's streams, so the model's name is all there is to change. */
function edits(body: JsonObject, { model }: EditOptions): readonly Edit[] {
  return body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
}
