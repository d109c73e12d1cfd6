/**
 * Writes answers as Mistral does: whole completions, or streams whose calls come whole and whose last chunk has finish and usage.
 *
 * Its client refuses a call's delta without a name, and looks for usage nowhere but in the chunk with the finish.
 */
import type { AnswerError, ChatEvent, JsonObject, Loss } from "../chat.ts";
import type { EncodeOptions, Encoder } from "./dialect.ts";
import { Answer } from "./mistral-chat.answer.ts";
import { errorBody } from "./mistral-chat.errors.ts";
import { DONE } from "./openai-chat.state.ts";
import { writeUsage } from "./openai-chat.usage.ts";

export function mistralEncoder(options: EncodeOptions, losses: Loss[]): Encoder {
  return options.stream ? new StreamEncoder(options, losses) : new WholeEncoder(options, losses);
}

class StreamEncoder implements Encoder {
  readonly #answer: Answer;
  /** What every chunk begins with, once the answer has begun. */
  #head = "";
  #over = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (this.#over) return "";
    if (event.type === "error") return this.#fail(event.error);
    const deltas = this.#answer.take(event);
    const said = this.#begin() + deltas.map((delta) => this.#chunk(delta, null)).join("");
    return event.type === "done" ? said + this.#finish() : said;
  }

  end(): string {
    if (this.#over) return "";
    if (this.#answer.finished) return this.#begin() + this.#finish();
    return this.#fail({ status: 502, message: "the answer ended before it was complete" });
  }

  #begin(): string {
    if (this.#head !== "") return "";
    this.#head = `data: ${JSON.stringify(this.#answer.head("chat.completion.chunk")).slice(0, -1)},"choices":[`;
    return this.#chunk({ role: "assistant", content: "" }, null);
  }

  #chunk(delta: JsonObject, finish: string | null, rest = ""): string {
    const choice = JSON.stringify({ index: 0, delta, finish_reason: finish });
    return `${this.#head}${choice}]${rest}}\n\n`;
  }

  #finish(): string {
    this.#over = true;
    const rest = this.#answer.close().map((delta) => this.#chunk(delta, null));
    const usage = `,"usage":${JSON.stringify(writeUsage(this.#answer.usage))}`;
    return [...rest, this.#chunk({ content: "" }, this.#answer.finishWord(), usage), `data: ${DONE}\n\n`].join("");
  }

  #fail(error: AnswerError): string {
    this.#over = true;
    return `data: ${JSON.stringify(errorBody(error))}\n\n`;
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
    const answer = this.#answer;
    answer.close();
    const choice = { index: 0, finish_reason: answer.finishWord(), message: answer.message() };
    return JSON.stringify({ ...answer.head("chat.completion"), choices: [choice], usage: writeUsage(answer.usage) });
  }
}
