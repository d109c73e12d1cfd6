/**
 * Writes messages: each where it stood, with one text, and its pictures before it.
 */
import type {
  AssistantMessage,
  ChatRequest,
  JsonObject,
  Message,
  Part,
  ToolCallPart,
  ToolMessage,
  ToolResultPart,
} from "../chat.ts";
import { jsonDeeperThan } from "../json-scan.ts";
import { isKept } from "./exact.ts";
import { fieldWord } from "./field-words.ts";
import { MESSAGE_KIND } from "./ollama-chat.messages.ts";
import { PartWriter, type Lose } from "./ollama-chat.write-parts.ts";
import { isObject, isOwn, madeId, parsed, RAW_ARGUMENTS } from "./ollama-chat.words.ts";

/** Deeper than this, a call's arguments are kept as text. */
const ARGUMENTS_DEPTH_MAX = 200;

/** @param hears Whether the model is known to take sound. */
export function writeMessages(request: ChatRequest, hears: boolean, lose: Lose): JsonObject[] {
  const writer = new MessageWriter(request, hears, lose);
  for (const [at, message] of request.messages.entries()) writer.add(message, `messages[${at}]`);
  return writer.end();
}

interface Result {
  readonly part: ToolResultPart;
  readonly path: string;
  readonly members: JsonObject;
}

class MessageWriter {
  readonly #own: boolean;
  readonly #lose: Lose;
  readonly #parts: PartWriter;
  readonly #written: JsonObject[] = [];
  /** Ids of the latest message's calls, in their order. */
  #calls: string[] = [];
  /** Results that came since. */
  #results: Result[] = [];
  readonly #names = new Map<string, string>();

  constructor(request: ChatRequest, hears: boolean, lose: Lose) {
    this.#own = isOwn(request.dialect);
    this.#lose = lose;
    this.#parts = new PartWriter(this.#own, hears, lose);
  }

  add(message: Message, path: string): void {
    if (message.role === "tool") return this.#hold(message, path);
    this.#release();
    if (message.role === "assistant") return this.#assistant(message, path);
    const [only] = message.parts;
    if (this.#own && only?.type === "opaque" && only.kind === MESSAGE_KIND && isObject(only.value)) {
      this.#written.push(only.value);
      return;
    }
    const said = this.#parts.write(message.parts, path);
    if (said === undefined && message.parts.length > 0) return;
    this.#written.push({ role: message.role, content: "", ...said, ...this.#extra(message.extra, path) });
  }

  end(): JsonObject[] {
    this.#release();
    return this.#written;
  }

  #assistant(message: AssistantMessage, path: string): void {
    const calls: JsonObject[] = [];
    const thoughts: string[] = [];
    const said: Part[] = [];
    this.#calls = [];
    for (const [at, part] of message.parts.entries()) {
      if (part.type === "tool-call") calls.push(this.#call(part, `${path}.content[${at}]`));
      else if (part.type === "reasoning" && part.redacted === undefined) thoughts.push(part.text);
      else said.push(part);
    }
    const thinking = thoughts.filter((text) => text !== "").join("\n\n");
    const content = this.#parts.write(said, path);
    if (content === undefined && thinking === "" && calls.length === 0 && message.parts.length > 0) return;
    this.#written.push({
      role: "assistant",
      content: "",
      ...content,
      ...(thinking === "" ? {} : { thinking }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...this.#extra(message.extra, path),
    });
  }

  #call(part: ToolCallPart, path: string): JsonObject {
    const id = part.id === "" ? madeId(path) : part.id;
    this.#calls.push(part.id);
    this.#names.set(part.id, part.name);
    return {
      id,
      function: { name: part.name, arguments: this.#arguments(part.arguments, path) },
      ...this.#extra(part.extra, path),
    };
  }

  /** The wire wants an object. Text that is none (a call that was cut) is kept as text inside one. */
  #arguments(text: string, path: string): JsonObject {
    if (text.trim() === "") return {};
    const value = parsed(text);
    // What is parsed is written again, which takes a stack as deep as it is nested.
    if (value !== undefined && !jsonDeeperThan(Buffer.from(text), ARGUMENTS_DEPTH_MAX)) {
      if (!isKept(text, value)) this.#lose("tool-arguments", path);
      return value;
    }
    this.#lose("tool-arguments", path);
    return { [RAW_ARGUMENTS]: text };
  }

  #hold({ parts, extra }: ToolMessage, path: string): void {
    for (const [at, part] of parts.entries()) {
      this.#results.push({ part, path: `${path}.content[${at}]`, members: this.#extra(extra, path) });
    }
  }

  /** In the order of the calls: most templates know of no ids, so that a result belongs to the call at its place. */
  #release(): void {
    const place = ({ part }: Result): number => {
      const at = this.#calls.indexOf(part.callId);
      return at < 0 ? this.#calls.length : at;
    };
    for (const result of this.#results.sort((left, right) => place(left) - place(right))) this.#result(result);
    this.#results = [];
  }

  #result({ part, path, members }: Result): void {
    if (part.isError === true) this.#lose("is_error", path);
    const name = this.#names.get(part.callId);
    this.#written.push({
      role: "tool",
      content: "",
      ...this.#parts.write(part.content, path),
      ...(name === undefined ? {} : { tool_name: name }),
      tool_call_id: part.callId,
      ...this.#extra(part.extra, path),
      ...members,
    });
  }

  #extra(extra: JsonObject | undefined, path: string): JsonObject {
    if (extra === undefined || this.#own) return extra ?? {};
    for (const key of Object.keys(extra)) this.#lose(fieldWord(key), `${path}.${key}`);
    return {};
  }
}
