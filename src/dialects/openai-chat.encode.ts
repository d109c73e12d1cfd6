/**
 * Writes answers as OpenAI does: whole completions, or streams of chunks that end with one finish, the usage if it was asked for,
 * and the terminal mark.
 */
import { hash } from "node:crypto";
import type { AnswerError, ChatEvent, JsonObject, JsonValue, Loss, SealOrigin } from "../chat.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { EncodeOptions, Encoder } from "./dialect.ts";
import { writeDetails, type ReasoningBlock } from "./openai-chat.details.ts";
import { errorBody } from "./openai-chat.errors.ts";
import { DONE } from "./openai-chat.state.ts";
import { writeUsage } from "./openai-chat.usage.ts";
import { madeId, saidId, WORD_OF_FINISH } from "./openai-chat.words.ts";

export function chatEncoder(options: EncodeOptions, losses: Loss[]): Encoder {
  return options.stream ? new StreamEncoder(options, losses) : new WholeEncoder(options, losses);
}

class StreamEncoder implements Encoder {
  readonly #options: EncodeOptions;
  readonly #answer: Answer;
  /** What every chunk begins and ends with, once the answer has begun. */
  #head = "";
  readonly #tail: string;
  #over = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#answer = new Answer(options, losses);
    this.#tail = options.includeUsage ? ',"usage":null}\n\n' : "}\n\n";
  }

  push(event: ChatEvent): string {
    if (this.#over) return "";
    if (event.type === "error") {
      this.#over = true;
      return sse(errorBody(event.error));
    }
    const deltas = this.#answer.take(event);
    const said = this.#begin() + deltas.map((delta) => this.#chunk(delta, null)).join("");
    return event.type === "done" ? said + this.#finish() : said;
  }

  end(): string {
    if (this.#over) return "";
    if (this.#answer.finished) return this.#begin() + this.#finish();
    this.#over = true;
    return sse(errorBody({ status: 502, message: "the answer ended before it was complete" }));
  }

  #begin(): string {
    if (this.#head !== "") return "";
    this.#head = `data: ${JSON.stringify(this.#answer.head("chat.completion.chunk")).slice(0, -1)},"choices":[`;
    return this.#chunk({ role: "assistant", content: "", refusal: null }, null);
  }

  #chunk(delta: JsonObject, finish: string | null): string {
    const choice = `{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}`;
    return `${this.#head}${choice}]${this.#tail}`;
  }

  #finish(): string {
    this.#over = true;
    const rest = this.#answer.close();
    const details = writeDetails(this.#answer.reasoning);
    const last = details === undefined ? rest : [...rest, { reasoning_details: details }];
    const usage = `${this.#head}],"usage":${JSON.stringify(writeUsage(this.#answer.usage))}}\n\n`;
    return [
      ...last.map((delta) => this.#chunk(delta, null)),
      this.#chunk({}, this.#answer.finishWord()),
      ...(this.#options.includeUsage ? [usage] : []),
      `data: ${DONE}\n\n`,
    ].join("");
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
    const choice = { index: 0, message: answer.message(), logprobs: null, finish_reason: answer.finishWord() };
    return JSON.stringify({ ...answer.head("chat.completion"), choices: [choice], usage: writeUsage(answer.usage) });
  }
}

interface Call {
  /** Position among the calls on the wire. */
  readonly place: number;
  readonly id: string;
  readonly name: string;
  readonly arguments: string[];
  isOver: boolean;
}

/** What has been said so far. */
class Answer {
  readonly reasoning: ReasoningBlock[] = [];
  usage: Usage = UNKNOWN_USAGE;
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  readonly #lost = new Set<string>();
  readonly #text: string[] = [];
  readonly #refusal: string[] = [];
  readonly #calls = new Map<number, Call>();
  readonly #callIds = new Set<string>();
  #start: Extract<ChatEvent, { type: "start" }> | undefined;
  #finish: Extract<ChatEvent, { type: "finish" }> | undefined;
  #isThinking = false;
  #hasRefused = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#losses = losses;
  }

  get finished(): boolean {
    return this.#finish !== undefined;
  }

  /** @returns the deltas that say it. */
  take(event: Exclude<ChatEvent, { type: "error" }>): JsonObject[] {
    switch (event.type) {
      case "start":
        this.#start ??= event;
        return [];
      case "text-delta":
        this.#isThinking = false;
        // What was streamed has been said: only a whole answer is put together.
        if (!this.#options.stream) this.#text.push(event.text);
        return event.text === "" ? [] : [{ content: event.text }];
      case "refusal-delta":
        this.#isThinking = false;
        this.#hasRefused = true;
        if (!this.#options.stream) this.#refusal.push(event.text);
        return event.text === "" ? [] : [{ refusal: event.text }];
      case "reasoning-delta":
        return this.#think(event.text);
      case "reasoning-end":
        this.#endThought(event);
        return [];
      case "reasoning-redacted":
        this.#isThinking = false;
        this.reasoning.push({ text: "", redacted: event.data, ...originOf(event) });
        return [];
      case "tool-call-start":
        this.#isThinking = false;
        return this.#startCall(event);
      case "tool-call-delta": {
        const call = this.#calls.get(event.index);
        if (call === undefined || call.isOver || event.arguments === "") return [];
        call.arguments.push(event.arguments);
        return [callDelta(call.place, { arguments: event.arguments })];
      }
      case "tool-call-end": {
        const call = this.#calls.get(event.index);
        return call === undefined ? [] : endCall(call);
      }
      case "opaque":
        this.#lose("answer-block", event.kind);
        return [];
      case "usage":
        this.usage = laterUsage(this.usage, event.usage);
        return [];
      case "finish":
        this.#finish ??= event;
        return [];
      case "done":
        return [];
    }
  }

  /** What is still to be said of calls that nobody ended. */
  close(): JsonObject[] {
    return [...this.#calls.values()].flatMap(endCall);
  }

  /** The members that open a completion, whole or in chunks. */
  head(object: string): JsonObject {
    const said = this.#start?.id;
    return {
      id: said?.startsWith(ID_BEGINNING) === true ? said : completionId(this.#options.id),
      object,
      created: this.#start?.createdSeconds ?? this.#options.createdSeconds,
      model: this.#start?.model ?? this.#options.model,
    };
  }

  message(): JsonObject {
    const text = this.#text.join("");
    const refusal = this.#refusal.join("");
    const thought = this.reasoning.map((block) => block.text).join("");
    const details = writeDetails(this.reasoning);
    const calls = [...this.#calls.values()].map(({ id, name, arguments: args }): JsonValue => {
      return { id, type: "function", function: { name, arguments: args.join("") } };
    });
    return {
      role: "assistant",
      content: text === "" && (calls.length > 0 || refusal !== "") ? null : text,
      refusal: refusal === "" ? null : refusal,
      ...(thought === "" ? {} : { reasoning_content: thought }),
      ...(details === undefined ? {} : { reasoning_details: details }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    };
  }

  /** Why it stopped. A call for tools is said as one even where the upstream called it a plain stop. */
  finishWord(): string {
    const reason = this.#finish?.reason ?? "stop";
    if (reason === "paused") this.#lose("finish_reason", reason);
    if (reason === "stop" && this.#calls.size > 0) return WORD_OF_FINISH["tool-calls"];
    // The refusal is there to be read: nothing was filtered.
    if (reason === "refusal" && this.#hasRefused) return WORD_OF_FINISH.stop;
    return WORD_OF_FINISH[reason];
  }

  #think(text: string): JsonObject[] {
    if (text === "") return [];
    const last = this.reasoning.at(-1);
    if (this.#isThinking && last !== undefined) last.text += text;
    else this.reasoning.push({ text });
    this.#isThinking = true;
    return [{ reasoning_content: text }];
  }

  #endThought(event: Extract<ChatEvent, { type: "reasoning-end" }>): void {
    const { signature } = event;
    if (signature !== undefined) {
      // Thinking whose text is not shown still has its signature, which the next turn must bring back.
      const said = this.#isThinking ? this.reasoning.pop() : undefined;
      this.reasoning.push({ text: said?.text ?? "", signature, ...originOf(event) });
    }
    this.#isThinking = false;
  }

  #startCall({ index, id, name }: Extract<ChatEvent, { type: "tool-call-start" }>): JsonObject[] {
    const place = this.#calls.size;
    const call: Call = { place, id: this.#uniqueId(id, index), name, arguments: [], isOver: false };
    this.#calls.set(index, call);
    return [callDelta(place, { name, arguments: "" }, { id: call.id, type: "function" })];
  }

  #uniqueId(id: string, index: number): string {
    const wanted = saidId(id) ?? madeId(`${this.#options.id}:${index}`);
    const unique = this.#callIds.has(wanted) ? madeId(`${this.#options.id}:${index}:${id}`) : wanted;
    this.#callIds.add(unique);
    return unique;
  }

  #lose(field: string, kind: string): void {
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#losses.push({ field, path: kind });
  }
}

function originOf({ issuer, sealId }: SealOrigin): SealOrigin {
  return { ...(issuer === undefined ? {} : { issuer }), ...(sealId === undefined ? {} : { sealId }) };
}

/** Clients parse what they got as a call's arguments: none at all is an empty object. */
function endCall(call: Call): JsonObject[] {
  if (call.isOver) return [];
  call.isOver = true;
  if (call.arguments.some((text) => text.trim() !== "")) return [];
  call.arguments.splice(0, call.arguments.length, "{}");
  return [callDelta(call.place, { arguments: "{}" })];
}

function callDelta(index: number, held: JsonObject, head: JsonObject = {}): JsonObject {
  return { tool_calls: [{ index, ...head, function: held }] };
}

const ID_BEGINNING = "chatcmpl-";

/** An id of this dialect's form, the same for the same exchange. */
function completionId(id: string): string {
  if (id.startsWith(ID_BEGINNING)) return id;
  return `${ID_BEGINNING}${/^[a-zA-Z0-9_-]{1,64}$/.test(id) ? id : hash("sha256", id, "hex").slice(0, 24)}`;
}

function sse(data: JsonObject): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
