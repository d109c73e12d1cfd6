/**
 * Writes messages as input items: each in its place, every call with its output, every thought with what it led to.
 */
import type {
  AssistantMessage,
  CacheMark,
  ChatRequest,
  JsonObject,
  JsonValue,
  Message,
  Part,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
} from "../chat.ts";
import { fieldWord } from "./field-words.ts";
import { parsed } from "./openai-chat.state.ts";
import { isObject, textOf } from "./openai-chat.words.ts";
import { callIdOf, NAME } from "./openai-responses.words.ts";
import {
  inputContent,
  outputContent,
  ownExtra,
  textContent,
  type Content,
  type Lose,
} from "./openai-responses.write-parts.ts";

/** An item whose content is still in parts, so that they can be marked; without content it is whole. */
export interface Item {
  readonly members: JsonObject;
  readonly content?: readonly Content[];
  /** Where the content goes, and whether text alone is said plainly. */
  readonly key: "content" | "output";
}

export interface WrittenTurns {
  readonly instructions: string | undefined;
  readonly items: readonly Item[];
}

const NO_RESULT_TEXT = "no result was provided";
const CONTINUE_TEXT = "Continue from where you left off.";

/** Each repair of what the API would refuse is a loss, and the same for the same conversation, so that prefixes stay. */
export function writeTurns(request: ChatRequest, lose: Lose): WrittenTurns {
  const writer = new TurnWriter(request, lose);
  const opening = request.messages[0];
  const hasInstructions = request.dialect === NAME && opening?.envelope?.["instructions"] === true;
  for (const [at, message] of request.messages.entries()) {
    if (at > 0 || !hasInstructions) writer.add(message, `messages[${at}]`);
  }
  return { instructions: hasInstructions ? plainText(opening) : undefined, items: writer.end() };
}

function plainText({ parts }: Message): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/**
 * @param wire Writes a content part with its mark.
 * @param alwaysList Whether outputs are lists even where text alone would do: a mark must not change the form of what bears it.
 */
export function wireItem(
  { members, content, key }: Item,
  wire: (content: Content) => JsonObject,
  alwaysList: boolean,
): JsonObject {
  if (content === undefined) return members;
  const [only, ...others] = content.map(wire);
  if (only === undefined) return { ...members, [key]: "" };
  const isText = others.length === 0 && only["type"] === "input_text" && Object.keys(only).length === 2;
  return { ...members, [key]: key === "output" && isText && !alwaysList ? only["text"] : [only, ...others] };
}

class TurnWriter {
  readonly #request: ChatRequest;
  readonly #own: boolean;
  readonly #lose: Lose;
  readonly #items: Item[] = [];
  /** Calls and results that belong together; everything else of the kind is an orphan. */
  readonly #paired: ReadonlySet<Part>;
  /** The last part that can bear a mark. */
  #markable: Content | undefined;

  constructor(request: ChatRequest, lose: Lose) {
    this.#request = request;
    this.#own = request.dialect === NAME;
    this.#lose = lose;
    this.#paired = pairs(request.messages);
  }

  add(message: Message, path: string): void {
    switch (message.role) {
      case "system":
      case "user":
        return this.#say(message, path);
      case "assistant":
        this.#loseExtra(message, path);
        this.#assistant(message, path);
        return;
      case "tool":
        this.#loseExtra(message, path);
        for (const [at, part] of message.parts.entries()) this.#result(part, `${path}.content[${at}]`);
    }
  }

  /** No server of this dialect goes on with an answer that has begun. */
  end(): readonly Item[] {
    if (!this.#own && this.#items.at(-1)?.members["role"] === "assistant") {
      this.#lose("prefill", "messages");
      this.#push({ members: { role: "user" }, content: [textContent(CONTINUE_TEXT)], key: "content" });
    }
    return this.#items;
  }

  #push(item: Item): void {
    this.#items.push(item);
    if (item.content !== undefined) this.#markable = item.content.findLast(isMarkable) ?? this.#markable;
  }

  #say(message: Message, path: string): void {
    const [first] = message.parts;
    if (first?.type === "opaque" && isOwnItem(first)) {
      this.#push({ members: objectOf(first.value), key: "content" });
      return;
    }
    const content = this.#contents(message.parts, path);
    this.#loseExtra(message, path);
    if (content.length === 0 && message.parts.length > 0) return;
    const { role = message.role, ...envelope } = this.#own ? (message.envelope ?? {}) : {};
    const extra = this.#own ? message.extra : {};
    this.#push({ members: { role, ...envelope, ...extra }, content, key: "content" });
  }

  #assistant({ parts }: AssistantMessage, path: string): void {
    const items: Item[] = [];
    let said: { item: Item; values: JsonObject[] } | undefined;
    for (const [at, part] of parts.entries()) {
      const where = `${path}.content[${at}]`;
      const words = this.#words(part, where);
      if (words !== undefined) {
        if (said === undefined || (this.#own && isObject(part.envelope?.["item"]))) {
          const values: JsonObject[] = [];
          said = { item: { members: { ...this.#answerMembers(part), content: values }, key: "content" }, values };
          items.push(said.item);
        }
        said.values.push(words);
      } else {
        const item = this.#assistantItem(part, where);
        if (item === undefined) continue;
        said = undefined;
        items.push({ members: item, key: "content" });
      }
      this.#moveMark(part.cache);
    }
    for (const item of this.#own ? items : this.#withoutOrphans(items, path)) this.#push(item);
    for (const part of parts) if (part.type === "tool-call") this.#answerOrphan(part);
  }

  #words(part: Part, path: string): JsonObject | undefined {
    if (part.type !== "opaque") return outputContent(part, this.#request.dialect, path, this.#lose);
    return part.dialect === NAME && !isOwnItem(part) ? objectOf(part.value) : undefined;
  }

  /** The members of a message beside its content. */
  #answerMembers(first: Part): JsonObject {
    const envelope = this.#own ? first.envelope?.["item"] : undefined;
    const extra = this.#own ? first.extra?.["message"] : undefined;
    return { type: "message", role: "assistant", ...objectOf(envelope), ...objectOf(extra) };
  }

  #assistantItem(part: Part, path: string): JsonObject | undefined {
    switch (part.type) {
      case "tool-call":
        return this.#call(part, path);
      case "reasoning":
        return this.#thought(part, path);
      case "opaque":
        if (isOwnItem(part)) return objectOf(part.value);
        if (part.volatile !== true) this.#lose("unknown-block", path);
        return undefined;
      default:
        // Results are items of others; nothing else is left.
        this.#lose("unknown-block", path);
        return undefined;
    }
  }

  #call(part: ToolCallPart, path: string): JsonObject {
    const { type = "function_call", ...envelope } = this.#own ? (part.envelope ?? {}) : {};
    const said =
      type === "custom_tool_call"
        ? { input: customInput(part.arguments) }
        : { arguments: part.arguments.trim() === "" ? "{}" : part.arguments };
    return {
      type,
      call_id: callIdOf(part.id),
      name: part.name,
      ...said,
      ...envelope,
      ...ownExtra(part, this.#request.dialect, path, this.#lose),
    };
  }

  /** Only its issuer can read a thought, and only with the id that it was given. What is not sealed would be looked for, by its id. */
  #thought(part: ReasoningPart, path: string): JsonObject | undefined {
    const seal = part.issuer === NAME ? (part.signature ?? part.redacted) : undefined;
    const sealed = seal === undefined ? {} : { encrypted_content: seal };
    if (this.#own && part.issuer === (seal === undefined ? undefined : NAME)) {
      return { type: "reasoning", summary: [], ...part.envelope, ...sealed };
    }
    if (seal === undefined) {
      this.#lose("reasoning", path);
      return undefined;
    }
    return {
      type: "reasoning",
      ...(part.sealId === undefined ? {} : { id: part.sealId }),
      summary: part.text === "" ? [] : [{ type: "summary_text", text: part.text }],
      ...sealed,
    };
  }

  /** A thought without what it led to is refused, and what it led to is never another thought. */
  #withoutOrphans(items: readonly Item[], path: string): readonly Item[] {
    return items.filter((item, at) => {
      const next = items[at + 1];
      const isOrphan = isThought(item) && (next === undefined || isThought(next));
      if (isOrphan) this.#lose("orphan-reasoning", path);
      return !isOrphan;
    });
  }

  #answerOrphan(part: ToolCallPart): void {
    if (this.#own || this.#paired.has(part)) return;
    this.#lose("orphan-tool-call", `function_call ${part.id.slice(0, 64)}`);
    this.#output(callIdOf(part.id), [textContent(NO_RESULT_TEXT)], {});
  }

  #result(part: ToolResultPart, path: string): void {
    const content = this.#contents(part.content, path);
    const last = content.at(-1);
    if (last !== undefined) last.mark ??= part.cache;
    else this.#moveMark(part.cache);
    if (part.isError === true) this.#lose("is_error", path);
    const extra = ownExtra(part, this.#request.dialect, path, this.#lose);
    if (this.#own || this.#paired.has(part)) {
      this.#output(callIdOf(part.callId), content, { ...(this.#own ? part.envelope : {}), ...extra });
      return;
    }
    // The API refuses an output whose call is not in the input before it.
    this.#lose("orphan-tool-result", path);
    if (content.length === 0) content.push(textContent(NO_RESULT_TEXT));
    this.#push({ members: { role: "user" }, content, key: "content" });
  }

  #output(callId: string, content: readonly Content[], members: JsonObject): void {
    this.#push({ members: { type: "function_call_output", call_id: callId, ...members }, content, key: "output" });
  }

  #contents(parts: readonly Part[], path: string): Content[] {
    const contents: Content[] = [];
    for (const [at, part] of parts.entries()) {
      const content = inputContent(part, this.#request.dialect, `${path}.content[${at}]`, this.#lose);
      if (content !== undefined) contents.push(content);
      else if (contents.length === 0) this.#moveMark(part.cache);
      else moveMark(part.cache, contents.findLast(isMarkable));
    }
    return contents;
  }

  /** What cannot bear a mark leaves it to what comes before: nearly the same prefix ends there. */
  #moveMark(mark: CacheMark | undefined): void {
    moveMark(mark, this.#markable);
  }

  #loseExtra(message: Message, path: string): void {
    if (this.#own) return;
    for (const key of Object.keys(message.extra ?? {})) this.#lose(fieldWord(key), `${path}.${key}`);
  }
}

/** The calls that have a result behind them, and the results that have a call before them; ids may be used again and again. */
function pairs(messages: readonly Message[]): ReadonlySet<Part> {
  const paired = new Set<Part>();
  const open = new Map<string, Part[]>();
  for (const part of messages.flatMap((message): readonly Part[] => message.parts)) {
    if (part.type === "tool-call") open.set(part.id, [...(open.get(part.id) ?? []), part]);
    const call = part.type === "tool-result" ? open.get(part.callId)?.shift() : undefined;
    if (call !== undefined) paired.add(call).add(part);
  }
  return paired;
}

function moveMark(mark: CacheMark | undefined, content: Content | undefined): void {
  if (mark !== undefined && content !== undefined) content.mark ??= mark;
}

const MARKABLE: ReadonlySet<string> = new Set(["input_text", "input_image", "input_file"]);

function isMarkable({ value }: Content): boolean {
  return MARKABLE.has(textOf(value["type"]) ?? "");
}

function isThought({ members }: Item): boolean {
  return members["type"] === "reasoning";
}

function isOwnItem(part: Extract<Part, { type: "opaque" }>): boolean {
  return part.dialect === NAME && part.envelope?.["item"] === true;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** What the reading has put into arguments, taken out again. */
function customInput(args: string): string {
  return textOf(parsed(args)?.["input"]) ?? args;
}
