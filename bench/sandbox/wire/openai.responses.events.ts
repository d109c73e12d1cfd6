/** The stream of OpenAI's Responses API: each event numbered, each item announced, said and closed, no `[DONE]`. */
import type { JsonObject } from "../../../src/chat.ts";
import { countTokens, tokensOf } from "../tokens.ts";
import {
  contentOf,
  inputOf,
  itemOf,
  logprobsOf,
  type OutputPart,
  partsOf,
  responseOf,
  type ResponseStatus,
} from "./openai.responses.output.ts";
import type { ResponsesReading } from "./openai.responses.read.ts";
import { type Frame, isObject, type Reply } from "./wire.ts";

/** Random in the original, so that lengths of events tell nothing. */
const PADDING = "sandboxsandboxsandbox";

export function* responseFrames(reading: ResponsesReading, reply: Reply, ending: ResponseStatus): Iterable<Frame> {
  const numbered = new Numbered(reading);
  const envelope = (status: ResponseStatus) => ({ response: responseOf(reading, reply, status) });
  const isBackground = reading.body["background"] === true;
  yield numbered.event("response.created", envelope(isBackground ? "queued" : "in_progress"));
  if (isBackground) yield numbered.event("response.queued", envelope("queued"));
  yield numbered.event("response.in_progress", envelope("in_progress"));
  for (const [output_index, part] of partsOf(reading, reply).entries()) {
    const whole = itemOf(part, reading, reply, true);
    yield numbered.event("response.output_item.added", {
      output_index,
      item: itemOf(part, reading, reply, false),
    });
    yield* partFrames(numbered, part, { output_index, item_id: part.id }, reading);
    // What was thought and is not shown takes its time all the same.
    const silent = part.kind === "reasoning" && part.summary === "" ? part.tokens : 0;
    yield numbered.event("response.output_item.done", { output_index, item: whole }, silent);
  }
  yield numbered.event(`response.${ending}`, envelope(ending));
}

function* partFrames(
  numbered: Numbered,
  part: OutputPart,
  at: { readonly output_index: number; readonly item_id: string },
  reading: ResponsesReading,
): Iterable<Frame> {
  switch (part.kind) {
    case "reasoning":
      if (part.summary !== "") yield* summaryFrames(numbered, part.summary, at);
      break;
    case "text":
    case "refusal":
      yield* messageFrames(numbered, part, { ...at, content_index: 0 }, reading);
      break;
    case "call": {
      const isCustom = reading.callable(part.call.name)?.isCustom === true;
      const said = isCustom ? inputOf(part.call) : part.call.argumentsText;
      const type = isCustom ? "response.custom_tool_call_input" : "response.function_call_arguments";
      let opening = countTokens(part.call.name) + 8;
      for (const delta of tokensOf(said)) {
        yield numbered.delta(`${type}.delta`, { ...at, delta }, 1 + opening);
        opening = 0;
      }
      yield numbered.event(`${type}.done`, { ...at, [isCustom ? "input" : "arguments"]: said }, opening);
      break;
    }
  }
}

function* summaryFrames(numbered: Numbered, text: string, at: JsonObject): Iterable<Frame> {
  const place = { ...at, summary_index: 0 };
  yield numbered.event("response.reasoning_summary_part.added", { ...place, part: { type: "summary_text", text: "" } });
  for (const delta of tokensOf(text))
    yield numbered.delta("response.reasoning_summary_text.delta", { ...place, delta }, 1);
  yield numbered.event("response.reasoning_summary_text.done", { ...place, text });
  yield numbered.event("response.reasoning_summary_part.done", { ...place, part: { type: "summary_text", text } });
}

function* messageFrames(
  numbered: Numbered,
  part: { readonly kind: "text" | "refusal"; readonly text: string },
  at: JsonObject,
  reading: ResponsesReading,
): Iterable<Frame> {
  const { kind, text } = part;
  yield numbered.event("response.content_part.added", { ...at, part: contentOf({ kind, text: "" }, reading) });
  const isText = kind === "text";
  for (const delta of tokensOf(text)) {
    yield isText
      ? numbered.delta("response.output_text.delta", { ...at, delta, logprobs: logprobsOf(reading, delta) }, 1)
      : numbered.event("response.refusal.delta", { ...at, delta }, 1);
  }
  yield isText
    ? numbered.event("response.output_text.done", { ...at, text, logprobs: logprobsOf(reading, text) })
    : numbered.event("response.refusal.done", { ...at, refusal: text });
  yield numbered.event("response.content_part.done", { ...at, part: contentOf(part, reading) });
}

class Numbered {
  readonly #obfuscates: boolean;
  #count = 0;

  constructor({ body }: ResponsesReading) {
    const options = isObject(body["stream_options"]) ? body["stream_options"] : {};
    this.#obfuscates = options["include_obfuscation"] !== false;
  }

  event(type: string, data: JsonObject, tokens: number = 0): Frame {
    return eventFrame(type, { ...data, sequence_number: this.#count++ }, tokens);
  }

  delta(type: string, data: JsonObject, tokens: number): Frame {
    const obfuscation = PADDING.slice(0, 1 + (this.#count % PADDING.length));
    return this.event(type, this.#obfuscates ? { ...data, obfuscation } : data, tokens);
  }
}

export function eventFrame(type: string, data: JsonObject, tokens: number = 0): Frame {
  return { text: `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`, tokens };
}
