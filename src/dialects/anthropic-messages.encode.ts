/**
 * Writes answers and errors as Anthropic does: whole messages, or streams whose blocks open and close one after the other.
 */
import { hash } from "node:crypto";
import type { AnswerError, ChatEvent, JsonObject, Loss } from "../chat.ts";
import type { GatewayError } from "../errors.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import { writeUsage } from "./anthropic-messages.usage.ts";
import { errorTypeOf, isObject, NAME, RAW_INPUT, STOP_REASON_OF_FINISH, toolIdOf } from "./anthropic-messages.words.ts";
import type { EncodeOptions, Encoder } from "./dialect.ts";
import { carriedSeal } from "./seal.ts";

export function messagesEncoder(options: EncodeOptions, losses: Loss[]): Encoder {
  return options.stream ? new StreamEncoder(options, losses) : new WholeEncoder(options, losses);
}

/** An error answer's body. */
export function writeError(error: GatewayError, requestId: string): JsonObject {
  const { status, message, type, details } = error;
  const isUnsaid = error.kind === "context-too-long" && !message.includes(TOO_LONG);
  return errorBody({ status, message: isUnsaid ? `${TOO_LONG}: ${message}` : message, type, details }, requestId);
}

/** Agents look for these words of Anthropic's, to shorten the conversation by themselves; no field says it. */
const TOO_LONG = "prompt is too long";

/** The event that says, inside a stream that has begun, that it failed. */
export function errorEvent(error: GatewayError, requestId: string): string {
  return sse("error", writeError(error, requestId));
}

interface Told {
  readonly status: number;
  readonly message: string;
  readonly type?: string | undefined;
  readonly details?: JsonObject | undefined;
}

function errorBody({ status, message, type, details }: Told, requestId: string): JsonObject {
  return {
    type: "error",
    error: { type: errorTypeOf(status, type), message, ...(details === undefined ? {} : { details }) },
    request_id: requestId,
  };
}

/** The streamed form. Message start is said with the first event, what was used and why it stopped with the last. */
class StreamEncoder implements Encoder {
  readonly #options: EncodeOptions;
  readonly #answer: Answer;
  #begun = false;
  #over = false;
  /** Position of the head block in the client's stream. */
  #index = 0;
  #isOpen = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (this.#over) return "";
    if (event.type === "error") {
      this.#over = true;
      return sse("error", errorBody(event.error, this.#options.id));
    }
    this.#answer.take(event);
    const begin = this.#begin();
    if (event.type !== "done") return begin + this.#flush();
    return begin + this.#finish();
  }

  end(): string {
    if (this.#over) return "";
    if (this.#answer.finished) return this.#begin() + this.#finish();
    this.#over = true;
    return sse(
      "error",
      errorBody({ status: 502, message: "the answer ended before it was complete" }, this.#options.id),
    );
  }

  #begin(): string {
    if (this.#begun) return "";
    this.#begun = true;
    const { usage } = this.#answer;
    const message: JsonObject = {
      ...this.#answer.head(),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      // Output is 0 here whatever is known: clients add this to the count at the end.
      usage: {
        input_tokens: 0,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        ...writeUsage(usage),
        output_tokens: 0,
      },
    };
    return sse("message_start", { type: "message_start", message });
  }

  /** Says what the head block has to say; the next one has its turn when it ended. */
  #flush(): string {
    const { blocks } = this.#answer;
    let out = "";
    for (let head = blocks[0]; head !== undefined; head = blocks[0]) {
      if (!this.#isOpen) {
        out += sse("content_block_start", {
          type: "content_block_start",
          index: this.#index,
          content_block: startOf(head),
        });
        this.#isOpen = true;
      }
      const text = head.chunks.join("");
      head.chunks.length = 0;
      if (text !== "") out += this.#delta(deltaOf(head, text));
      if (!head.ended) return out;
      if (head.kind === "thinking" && head.signature !== undefined) {
        out += this.#delta({ type: "signature_delta", signature: head.signature });
      }
      out += sse("content_block_stop", { type: "content_block_stop", index: this.#index });
      blocks.shift();
      this.#isOpen = false;
      this.#index += 1;
    }
    return out;
  }

  #delta(delta: JsonObject): string {
    return sse("content_block_delta", { type: "content_block_delta", index: this.#index, delta });
  }

  #finish(): string {
    this.#over = true;
    this.#answer.closeAll();
    const blocks = this.#flush();
    const delta = this.#answer.ending();
    return `${blocks}${sse("message_delta", { type: "message_delta", delta, usage: writeUsage(this.#answer.usage) })}${sse("message_stop", { type: "message_stop" })}`;
  }
}

function startOf(block: Block): JsonObject {
  switch (block.kind) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "redacted":
      return { type: "redacted_thinking", data: block.data };
    case "tool":
      return { type: "tool_use", id: block.id, name: block.name, input: {} };
  }
}

function deltaOf(block: Block, text: string): JsonObject {
  switch (block.kind) {
    case "text":
    case "redacted":
      return { type: "text_delta", text };
    case "thinking":
      return { type: "thinking_delta", thinking: text };
    case "tool":
      return { type: "input_json_delta", partial_json: text };
  }
}

/** The whole form: nothing is said before the end. */
class WholeEncoder implements Encoder {
  readonly #answer: Answer;
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  #error: AnswerError | undefined;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#losses = losses;
    this.#answer = new Answer(options, losses);
  }

  push(event: ChatEvent): string {
    if (event.type === "error") this.#error ??= event.error;
    else this.#answer.take(event);
    return "";
  }

  end(): string {
    if (this.#error !== undefined) return JSON.stringify(errorBody(this.#error, this.#options.id));
    this.#answer.closeAll();
    const head = JSON.stringify(this.#answer.head());
    const content = this.#answer.blocks.map((block) => this.#block(block)).join(",");
    const tail = JSON.stringify({
      ...this.#answer.ending(),
      usage: { input_tokens: 0, ...writeUsage(this.#answer.usage) },
    });
    return `${head.slice(0, -1)},"content":[${content}],${tail.slice(1)}`;
  }

  #block(block: Block): string {
    const text = block.chunks.join("");
    switch (block.kind) {
      case "text":
        return JSON.stringify({ type: "text", text });
      case "thinking":
        return JSON.stringify({ type: "thinking", thinking: text, signature: block.signature ?? "" });
      case "redacted":
        return JSON.stringify({ type: "redacted_thinking", data: block.data });
      case "tool": {
        // The input is put in as the text it came as: numbers and key order stay.
        const open = JSON.stringify({ type: "tool_use", id: block.id, name: block.name });
        return `${open.slice(0, -1)},"input":${this.#input(text, block.name)}}`;
      }
    }
  }

  #input(text: string, name: string): string {
    if (text.trim() === "" || text.trim() === "null") return "{}";
    if (isObjectText(text)) return text;
    this.#losses.push({ field: "tool-arguments", path: `tool_use ${name.slice(0, 64)}` });
    return JSON.stringify({ [RAW_INPUT]: text });
  }
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value);
  } catch {
    return false;
  }
}

type Block = { readonly chunks: string[]; ended: boolean } & (
  | { readonly kind: "text" }
  | { readonly kind: "thinking"; signature: string | undefined }
  | { readonly kind: "redacted"; readonly data: string }
  | { readonly kind: "tool"; readonly index: number; readonly id: string; readonly name: string }
);

/**
 * What has been said so far, as blocks in the order they began. Only the first is being written: calls that arrive interleaved
 * wait here for their turn. How much waits is bounded by what the upstream may generate.
 */
class Answer {
  readonly blocks: Block[] = [];
  usage: Usage = UNKNOWN_USAGE;
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  readonly #lost = new Set<string>();
  readonly #toolIds = new Set<string>();
  readonly #tools = new Map<number, Block>();
  #start: Extract<ChatEvent, { type: "start" }> | undefined;
  #finish: Extract<ChatEvent, { type: "finish" }> | undefined;
  #refused = false;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#losses = losses;
  }

  get finished(): boolean {
    return this.#finish !== undefined;
  }

  take(event: Exclude<ChatEvent, { type: "error" }>): void {
    switch (event.type) {
      case "start":
        this.#start = event;
        return;
      case "text-delta":
        this.#say("text", event.text);
        return;
      case "refusal-delta":
        this.#refused = true;
        this.#say("text", event.text);
        return;
      case "reasoning-delta":
        this.#say("thinking", event.text);
        return;
      case "reasoning-end":
        this.#endReasoning(
          event.signature === undefined ? undefined : carriedSeal(event.signature, "signature", event, NAME),
        );
        return;
      case "reasoning-redacted":
        this.#begin({
          kind: "redacted",
          data: carriedSeal(event.data, "redacted", event, NAME),
          chunks: [],
          ended: true,
        });
        return;
      case "tool-call-start":
        this.#startTool(event);
        return;
      case "tool-call-delta": {
        const tool = this.#tools.get(event.index);
        if (tool !== undefined && !tool.ended) tool.chunks.push(event.arguments);
        return;
      }
      case "tool-call-end": {
        const tool = this.#tools.get(event.index);
        if (tool !== undefined) tool.ended = true;
        return;
      }
      case "opaque":
        this.#lose(event.kind);
        return;
      case "usage":
        this.usage = laterUsage(this.usage, event.usage);
        return;
      case "finish":
        this.#finish = event;
        return;
      case "done":
        return;
    }
  }

  closeAll(): void {
    for (const block of this.blocks) block.ended = true;
  }

  /** The fields that open a message, streamed or whole. */
  head(): JsonObject {
    const said = this.#start?.id;
    return {
      id: said?.startsWith("msg_") === true ? said : messageId(this.#options.id),
      type: "message",
      role: "assistant",
      model: this.#start?.model ?? this.#options.model,
    };
  }

  /** Why it stopped. A call for tools is said as one even where the upstream called it a plain stop. */
  ending(): JsonObject {
    const finish = this.#finish;
    const reason = finish?.reason ?? "stop";
    const stopReason =
      this.#refused && reason === "stop"
        ? "refusal"
        : this.#tools.size > 0 && reason === "stop"
          ? "tool_use"
          : STOP_REASON_OF_FINISH[reason];
    const details = finish?.details;
    return {
      stop_reason: stopReason,
      stop_sequence: finish?.stopSequence ?? null,
      ...(stopReason === "refusal" && details?.["type"] === "refusal" ? { stop_details: details } : {}),
    };
  }

  #say(kind: "text" | "thinking", text: string): void {
    if (text === "") return;
    const last = this.blocks.at(-1);
    if (last?.kind === kind && !last.ended) last.chunks.push(text);
    else
      this.#begin(
        kind === "text"
          ? { kind, chunks: [text], ended: false }
          : { kind, chunks: [text], ended: false, signature: undefined },
      );
  }

  #endReasoning(signature: string | undefined): void {
    const last = this.blocks.at(-1);
    if (last?.kind === "thinking" && !last.ended) {
      last.signature = signature;
      last.ended = true;
      return;
    }
    // Thinking whose text is not shown still has its signature, which the next turn must bring back.
    if (signature !== undefined) this.#begin({ kind: "thinking", chunks: [], ended: true, signature });
  }

  #startTool({ index, id, name }: Extract<ChatEvent, { type: "tool-call-start" }>): void {
    const tool: Block = { kind: "tool", index, id: this.#uniqueId(id, index), name, chunks: [], ended: false };
    this.#begin(tool);
    this.#tools.set(index, tool);
  }

  /** Text and thinking end where something else begins; a call ends when it is told to. */
  #begin(block: Block): void {
    const last = this.blocks.at(-1);
    if (last !== undefined && last.kind !== "tool") last.ended = true;
    this.blocks.push(block);
  }

  #uniqueId(id: string, index: number): string {
    const wanted = id === "" ? toolIdOf(`${this.#options.id}:${index}`) : toolIdOf(id);
    const unique = this.#toolIds.has(wanted) ? toolIdOf(`${this.#options.id}:${index}:${id}`) : wanted;
    this.#toolIds.add(unique);
    return unique;
  }

  #lose(kind: string): void {
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#losses.push({ field: "answer-block", path: kind });
  }
}

/** An id of this dialect's form, the same for the same exchange. */
function messageId(id: string): string {
  return /^msg_[a-zA-Z0-9_-]+$/.test(id) ? id : `msg_${hash("sha256", id, "hex").slice(0, 24)}`;
}

function sse(event: string, data: JsonObject): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
