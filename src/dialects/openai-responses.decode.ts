/**
 * Reads the answers of Responses' servers, whole or streamed, into events.
 */
import type { ChatEvent, JsonObject } from "../chat.ts";
import type { Decoder } from "./dialect.ts";
import { errorOf, isError } from "./openai-chat.errors.ts";
import { brokenAnswer, DONE, parsed } from "./openai-chat.state.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";
import { failureOf } from "./openai-responses.errors.ts";
import { OutputReader } from "./openai-responses.output.ts";
import { ending, itemsOf, OPENING, startOf, StreamState, TERMINAL, usageIn } from "./openai-responses.state.ts";
import { SseSplitter, type SseFrame } from "./sse.ts";

export function responsesDecoder(stream: boolean): Decoder {
  return stream ? new StreamDecoder() : new WholeDecoder();
}

class StreamDecoder implements Decoder {
  readonly #frames = new SseSplitter();
  readonly #state = new StreamState();
  #answerId = "";
  readonly #output = new OutputReader(() => this.#answerId);

  push(bytes: Uint8Array): ChatEvent[] {
    return this.#frames.push(bytes).flatMap((frame) => this.#read(frame));
  }

  end(): ChatEvent[] {
    const rest = this.#frames.end().flatMap((frame) => this.#read(frame));
    return [...rest, ...this.#state.end()];
  }

  #read(frame: SseFrame): ChatEvent[] {
    const data = frame.data?.trim() ?? "";
    if (this.#state.over || data === "" || data === DONE) return [];
    const event = parsed(data);
    if (event === undefined) return this.#state.broken("the provider's stream has an event that is not JSON");
    const type = typeOf(frame, event);
    if (saysError(type, event)) {
      this.#state.fail(event);
      return this.#state.end();
    }
    if (OPENING.has(type)) {
      const begun = this.#state.open(event);
      this.#answerId = textOf(responseOf(event)["id"]) ?? this.#answerId;
      return begun;
    }
    return TERMINAL.has(type) ? this.#close(type, event) : this.#item(type, event);
  }

  #item(type: string, event: JsonObject): ChatEvent[] {
    const said = this.#output.read(type, event);
    if (said === undefined) return this.#state.broken("the provider's answer has too many items");
    return said.length > 0 || type === ITEM_ADDED ? [...this.#state.start(), ...said] : [];
  }

  /** Servers that do not stream their items give them with the end. */
  #close(type: string, event: JsonObject): ChatEvent[] {
    if (type === "response.failed") return this.#state.close(type, event, false);
    const unsaid = this.#output.isEmpty ? itemsOf(responseOf(event)) : [];
    const rest = [...unsaid.flatMap((item) => this.#output.whole(item)), ...this.#output.end()];
    const [first, ...others] = this.#state.close(type, event, this.#output.hasCalls);
    if (first === undefined) return rest;
    return first.type === "start" ? [first, ...rest, ...others] : [...rest, first, ...others];
  }
}

export const ITEM_ADDED = "response.output_item.added";

export function responseOf(event: JsonObject): JsonObject {
  return isObject(event["response"]) ? event["response"] : {};
}

/** The event's own type counts; servers that leave it out name it in the `event:` field. */
export function typeOf(frame: SseFrame, event: JsonObject): string {
  return textOf(event["type"]) ?? frame.event;
}

export function saysError(type: string, event: JsonObject): boolean {
  return type === "error" || (!type.startsWith("response.") && isError(event));
}

/** A whole answer: read when all of it is there. Its size is bounded by who reads the body. */
class WholeDecoder implements Decoder {
  readonly #chunks: Uint8Array[] = [];

  push(bytes: Uint8Array): ChatEvent[] {
    this.#chunks.push(bytes);
    return [];
  }

  end(): ChatEvent[] {
    const text = utf8(Buffer.concat(this.#chunks));
    const response = text === undefined ? undefined : parsed(text);
    if (response === undefined) return [brokenAnswer("the provider's answer is not JSON")];
    if (!isArray(response["output"])) {
      if (isError(response)) return [{ type: "error", error: errorOf(response, undefined) }];
      return [brokenAnswer("the provider's answer has no output")];
    }
    if (response["status"] === "failed") return [...usageIn(response), { type: "error", error: failureOf(response) }];
    const output = new OutputReader(() => textOf(response["id"]) ?? "");
    return [
      startOf(response),
      ...itemsOf(response).flatMap((item) => output.whole(item)),
      ...ending(response, output.hasCalls),
    ];
  }
}

/** `undefined` when the bytes are not UTF-8: replacing what cannot be read would pass garbage on as an answer. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
