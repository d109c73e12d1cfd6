/**
 * Writes messages as Anthropic's turns: user and assistant in alternation, every call answered in the turn behind it.
 */
import type {
  CacheMark,
  ChatRequest,
  JsonObject,
  Message,
  Part,
  SystemMessage,
  ToolCallPart,
  ToolResultPart,
} from "../chat.ts";
import { jsonDeeperThan } from "../json-scan.ts";
import type { Markable } from "./anthropic-messages.marks.ts";
import { refuseMedia, resultBlock, writePart, type Lose } from "./anthropic-messages.write-parts.ts";
import { isObject, NAME, RAW_INPUT, toolIdOf } from "./anthropic-messages.words.ts";
import { isKept } from "./exact.ts";
import { fieldWord } from "./field-words.ts";

export type Block = Markable;

export interface Turn {
  readonly role: "user" | "assistant" | "system";
  readonly content: Block[];
  extra: JsonObject;
}

export interface Turns {
  readonly system: Block[];
  readonly messages: readonly Turn[];
}

export interface TurnOptions {
  /** Whether the model takes role `system` among the messages. */
  readonly systemInMessages: boolean;
  /** Whether the last turn may be the assistant's, to be continued. */
  readonly prefill: boolean;
}

const START_TEXT = "(The conversation begins here.)";
const CONTINUE_TEXT = "Continue from where you left off.";
/** As deep as a body may be by default. */
const ARGUMENTS_DEPTH_MAX = 200;
const NO_RESULT_TEXT = "no result was provided";

/** Each repair of what the API would refuse is a loss, and the same for the same conversation, so that prefixes stay. */
export function writeTurns(request: ChatRequest, options: TurnOptions, lose: Lose): Turns {
  const opening = leadingSystem(request.messages);
  const writer = new TurnWriter(request, options, lose);
  const system = opening.flatMap((message, at) => writer.systemBlocks(message, `messages[${at}]`));
  for (const [at, message] of request.messages.entries()) {
    if (at >= opening.length) writer.add(message, `messages[${at}]`);
  }
  return { system, messages: writer.end() };
}

function leadingSystem(messages: readonly Message[]): SystemMessage[] {
  const opening: SystemMessage[] = [];
  for (const message of messages) {
    if (message.role !== "system") break;
    opening.push(message);
  }
  return opening;
}

class TurnWriter {
  readonly #request: ChatRequest;
  readonly #options: TurnOptions;
  readonly #lose: Lose;
  readonly #turns: Turn[] = [];
  /** Ids as they were said → ids as they are written, for the calls that still want their result. */
  #waiting = new Map<string, string[]>();
  readonly #used = new Set<string>();
  /** For ids that were said more than once: how often. */
  readonly #again = new Map<string, number>();
  /** How many results a turn begins with. */
  readonly #resultsIn = new Map<Turn, number>();
  /** System turns that came between calls and their results: nothing may stand there. */
  #held: Turn[] = [];

  constructor(request: ChatRequest, options: TurnOptions, lose: Lose) {
    this.#request = request;
    this.#options = options;
    this.#lose = lose;
  }

  add(message: Message, path: string): void {
    if (message.role !== "system" && message.role !== "tool") this.#loseExtra(message.extra, path);
    switch (message.role) {
      case "system":
        return this.#addSystem(message, path);
      case "user":
        return this.#say("user", message.parts, path);
      case "assistant":
        return this.#addAssistant(message.parts, path);
      case "tool":
        for (const [at, part] of message.parts.entries()) this.#addResult(part, `${path}.content[${at}]`);
        this.#loseExtra(message.extra, path);
    }
  }

  systemBlocks(message: SystemMessage, path: string): Block[] {
    return this.#blocks(message.parts, path, "system");
  }

  end(): Turn[] {
    this.#answerWaiting();
    const first = this.#turns.find((turn) => turn.role !== "system");
    if (first === undefined || first.role === "assistant") {
      this.#lose("conversation-start", "messages[0]");
      this.#turns.unshift({ role: "user", content: [textBlock(START_TEXT)], extra: {} });
    }
    const last = this.#turns.at(-1);
    if (last?.role === "assistant") this.#endWithAssistant(last);
    return this.#turns;
  }

  #addSystem(message: SystemMessage, path: string): void {
    const blocks = this.systemBlocks(message, path);
    if (blocks.length === 0) return;
    if (!this.#options.systemInMessages) {
      this.#loseExtra(message.extra, path);
      // In its place, as a user's text: hoisting it would change the prefix that is cached.
      this.#push("user", blocks.map(inSystemTags));
      return;
    }
    const own = this.#request.dialect === NAME;
    if (!own) this.#loseExtra(message.extra, path);
    const turn: Turn = { role: "system", content: blocks, extra: own ? (message.extra ?? {}) : {} };
    if (this.#waiting.size > 0) this.#held.push(turn);
    else this.#turns.push(turn);
  }

  #addAssistant(parts: readonly Part[], path: string): void {
    const before = this.#turns.at(-1);
    // A second assistant message in a row goes on with the turn, whose calls may still be answered.
    if (before?.role !== "assistant" || this.#held.length > 0) this.#answerWaiting();
    this.#say("assistant", parts, path);
  }

  #say(role: "user" | "assistant", parts: readonly Part[], path: string): void {
    const blocks = this.#blocks(parts, path, role);
    if (blocks.length > 0) this.#push(role, blocks);
  }

  #blocks(parts: readonly Part[], path: string, role: Turn["role"]): Block[] {
    const blocks: Block[] = [];
    let markable: Block | undefined;
    for (const [at, part] of parts.entries()) {
      const where = `${path}.content[${at}]`;
      if (role !== "user" && (part.type === "image" || part.type === "document")) refuseMedia(part.type, role, where);
      const value =
        part.type === "tool-call" ? this.#call(part, where) : writePart(part, this.#request.dialect, where, this.#lose);
      if (value === undefined) {
        // What is left out takes no mark with it: the block before it ends the same prefix.
        moveMark(part.cache, markable);
        continue;
      }
      const block = { value, mark: part.type === "opaque" || part.type === "reasoning" ? undefined : part.cache };
      blocks.push(block);
      if (MARKABLE.has(String(value["type"]))) markable = block;
    }
    return blocks;
  }

  #call(part: ToolCallPart, path: string): JsonObject {
    const own = this.#request.dialect === NAME;
    if (!own) this.#loseExtra(part.extra, path);
    const id = this.#uniqueId(part.id);
    const same = this.#waiting.get(part.id);
    if (same === undefined) this.#waiting.set(part.id, [id]);
    else same.push(id);
    return {
      type: "tool_use",
      id,
      name: part.name,
      input: this.#input(part.arguments, path),
      ...(own ? { ...part.envelope, ...part.extra } : {}),
    };
  }

  /** The wire wants an object. Text that is none (a call that was cut) is kept as text inside one. */
  #input(text: string, path: string): JsonObject {
    if (text.trim() === "") return {};
    try {
      const value: unknown = JSON.parse(text);
      // What is parsed is written again, which takes a stack as deep as it is nested.
      if (isObject(value) && !jsonDeeperThan(Buffer.from(text), ARGUMENTS_DEPTH_MAX)) {
        if (!isKept(text, value)) this.#lose("tool-arguments", path);
        return value;
      }
    } catch {
      // Not JSON: kept below.
    }
    this.#lose("tool-arguments", path);
    return { [RAW_INPUT]: text };
  }

  /** Clients that number their calls anew in each turn use an id twice; the API wants each once. */
  #uniqueId(said: string): string {
    let id = toolIdOf(said);
    let again = this.#again.get(said) ?? 1;
    while (this.#used.has(id)) {
      again += 1;
      id = toolIdOf(`${said}_${again}`);
    }
    this.#used.add(id);
    this.#again.set(said, again);
    return id;
  }

  #addResult(part: ToolResultPart, path: string): void {
    if (this.#request.dialect !== NAME) this.#loseExtra(part.extra, path);
    const content = this.#blocks(part.content, path, "user");
    const mark = part.cache ?? content.findLast((block) => block.mark !== undefined)?.mark;
    const ids = this.#waiting.get(part.callId);
    const id = ids?.shift();
    if (ids?.length === 0) this.#waiting.delete(part.callId);
    if (id === undefined) {
      // The API refuses a result whose call is not in the turn before it.
      this.#lose("orphan-tool-result", path);
      this.#push("user", content.length === 0 ? [{ ...textBlock(NO_RESULT_TEXT), mark }] : content);
      return;
    }
    const extra = this.#request.dialect === NAME ? part.extra : undefined;
    this.#pushResult({ value: resultBlock(id, content, part.isError, extra), mark });
    if (this.#waiting.size === 0) this.#release();
  }

  /** Every call has a result in the turn behind it, if need be one that says there is none. */
  #answerWaiting(): void {
    for (const ids of this.#waiting.values()) {
      for (const id of ids) {
        this.#lose("orphan-tool-call", `tool_use ${id}`);
        this.#pushResult({ value: resultBlock(id, [textBlock(NO_RESULT_TEXT)], true, undefined), mark: undefined });
      }
    }
    this.#waiting = new Map();
    this.#release();
  }

  #release(): void {
    this.#turns.push(...this.#held);
    this.#held = [];
  }

  /** Results come first in their turn, in the order in which they were given. */
  #pushResult(block: Block): void {
    let last = this.#turns.at(-1);
    if (last?.role !== "user") {
      last = { role: "user", content: [], extra: {} };
      this.#turns.push(last);
    }
    const results = this.#resultsIn.get(last) ?? 0;
    last.content.splice(results, 0, block);
    this.#resultsIn.set(last, results + 1);
  }

  #push(role: "user" | "assistant", blocks: readonly Block[]): void {
    const last = this.#turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else this.#turns.push({ role, content: [...blocks], extra: {} });
  }

  #endWithAssistant(last: Turn): void {
    if (!this.#options.prefill) {
      this.#lose("prefill", "messages");
      this.#turns.push({ role: "user", content: [textBlock(CONTINUE_TEXT)], extra: {} });
      return;
    }
    // White space at its end is refused.
    const block = last.content.at(-1);
    const text = block?.value["text"];
    if (block === undefined || block.value["type"] !== "text" || typeof text !== "string") return;
    last.content[last.content.length - 1] = { value: { ...block.value, text: text.trimEnd() }, mark: block.mark };
  }

  #loseExtra(extra: JsonObject | undefined, path: string): void {
    for (const key of Object.keys(extra ?? {})) this.#lose(fieldWord(key), `${path}.${key}`);
  }
}

const MARKABLE: ReadonlySet<string> = new Set(["text", "image", "document", "tool_use"]);

function moveMark(mark: CacheMark | undefined, block: Block | undefined): void {
  if (mark !== undefined && block !== undefined) block.mark ??= mark;
}

function textBlock(text: string): Block {
  return { value: { type: "text", text }, mark: undefined };
}

function inSystemTags({ value, mark }: Block): Block {
  return typeof value["text"] === "string"
    ? { value: { type: "text", text: `<system>\n${value["text"]}\n</system>` }, mark }
    : { value, mark };
}
