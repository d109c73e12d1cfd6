/**
 * Ollama's native API, both ways: `POST /api/chat`, and `POST /api/generate` beside it (see `ollama-chat.generate.ts`). Each
 * direction is a file of its own; this one assembles them.
 *
 * A stream is lines of JSON, the last one `done` with the counts; a line without it is half an answer.
 */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import type { Dialect, EditOptions } from "./dialect.ts";
import { ollamaDecoder } from "./ollama-chat.decode.ts";
import { ollamaEncoder } from "./ollama-chat.encode.ts";
import { errorEvent, readError, writeError } from "./ollama-chat.errors.ts";
import { readPrompt, writePrompt } from "./ollama-chat.generate.ts";
import { NDJSON_CONTENT_TYPE } from "./ndjson.ts";
import { isolating, promptIsolating } from "./ollama-chat.isolating.ts";
import { CHAT_LINE, GENERATE_LINE, type LineForm } from "./ollama-chat.line.ts";
import { movable, promptMovable } from "./ollama-chat.movable.ts";
import { promptPlacing } from "./ollama-chat.placing.ts";
import { prewarming } from "./ollama-chat.prewarming.ts";
import { readRequest } from "./ollama-chat.read.ts";
import { OllamaWatcher } from "./ollama-chat.watch.ts";
import { GENERATE_NAME, NAME } from "./ollama-chat.words.ts";
import { writeRequest } from "./ollama-chat.write.ts";
import { keyPlacing } from "./openai-chat.placing.ts";

export const ollamaChat: Dialect = {
  name: NAME,
  readRequest,
  writeRequest,
  // Messages are where the older API has them.
  placing: keyPlacing,
  movable,
  isolating,
  ...answersAs(CHAT_LINE),
};

export const ollamaGenerate: Dialect = {
  name: GENERATE_NAME,
  readRequest: readPrompt,
  writeRequest: writePrompt,
  placing: promptPlacing,
  movable: promptMovable,
  isolating: promptIsolating,
  ...answersAs(GENERATE_LINE),
};

function answersAs(form: LineForm): Omit<Dialect, "name" | "readRequest" | "writeRequest"> {
  return {
    streamContentType: NDJSON_CONTENT_TYPE,
    edits,
    prewarming,
    decoder: (stream) => ollamaDecoder(form, stream),
    watcher: () => new OllamaWatcher(form),
    encoder: (options, losses) => ollamaEncoder(form, options, losses),
    readError,
    writeError,
    errorEvent,
  };
}

/** Usage always comes in this dialect's streams, so the model's name is all there is to change. */
function edits(body: JsonObject, { model, askLogprobs }: EditOptions): readonly Edit[] {
  const renamed: readonly Edit[] = body["model"] === model ? [] : [{ op: "set", path: ["model"], value: model }];
  return askLogprobs === true && body["logprobs"] !== true ? [...renamed, ...ASKING_LOGPROBS] : renamed;
}

const ASKING_LOGPROBS: readonly Edit[] = [{ op: "set", path: ["logprobs"], value: true }];
