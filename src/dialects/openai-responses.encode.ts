/**
 * Writes answers as OpenAI does: whole responses, or streams of numbered events with one terminal event and nothing behind it.
 */
import type { AnswerError, ChatEvent, JsonObject, Loss } from "../chat.ts";
import type { GatewayError } from "../errors.ts";
import type { EncodeOptions, Encoder } from "./dialect.ts";
import { errorBody } from "./openai-chat.errors.ts";
import { Answer } from "./openai-responses.answer.ts";
import { errorMembers, failureEvents, frame, toldMembers, type WireEvent } from "./openai-responses.errors.ts";

export function responsesEncoder(options: EncodeOptions, losses: Loss[]): Encoder {
  return options.stream ? new StreamEncoder(options, losses) : new WholeEncoder(options, losses);
}

class StreamEncoder implements Encoder {
  readonly #answer: Answer;
  #number = 0;
  #begun = false;
  #over = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (this.#over) return "";
    if (event.type === "error") return this.#fail(errorMembers(event.error));
    const said = this.#answer.take(event);
    const out = this.#begin() + this.#frames(said);
    return event.type === "done" ? out + this.#finish() : out;
  }

  end(): string {
    if (this.#over) return "";
    if (this.#answer.finished) return this.#begin() + this.#finish();
    return this.#fail(errorMembers({ status: 502, message: "the answer ended before it was complete" }));
  }

  fail(error: GatewayError, requestId: string): string {
    return this.#over ? "" : this.#fail(toldMembers(error, requestId));
  }

  #begin(): string {
    if (this.#begun) return "";
    this.#begun = true;
    const response = this.#answer.beginning();
    return this.#frames([
      { type: "response.created", response },
      { type: "response.in_progress", response },
    ]);
  }

  #finish(): string {
    this.#over = true;
    const closed = this.#frames(this.#answer.end());
    const response = this.#answer.whole();
    return closed + this.#frames([{ type: `response.${String(response["status"])}`, response }]);
  }

  /** What was complete before it failed stays in the response. */
  #fail(error: JsonObject): string {
    this.#over = true;
    const response = { ...this.#answer.beginning(), output: this.#answer.output.filter((item) => item !== undefined) };
    return this.#frames(failureEvents(error, response));
  }

  #frames(events: readonly WireEvent[]): string {
    return events.map((event) => frame(event, this.#number++)).join("");
  }
}

/** The whole form: nothing is said before the end. */
class WholeEncoder implements Encoder {
  readonly #answer: Answer;
  #error: AnswerError | undefined;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (event.type === "error") this.#error ??= event.error;
    else this.#answer.take(event);
    return "";
  }

  end(): string {
    if (this.#error !== undefined) return JSON.stringify(errorBody(this.#error));
    this.#answer.end();
    return JSON.stringify(this.#answer.whole());
  }
}
