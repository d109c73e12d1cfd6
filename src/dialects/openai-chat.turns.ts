/**
 * Writes messages: each where it stood, every call answered right behind the message that made it.
 */
import type {
  AssistantMessage,
  CacheMark,
  ChatRequest,
  JsonObject,
  JsonValue,
  Message,
  Part,
  ToolCallPart,
  ToolResultPart,
} from "../chat.ts";
import { fieldWord } from "./field-words.ts";
import { writeDetail } from "./openai-chat.details.ts";
import { ownExtra, refuseMedia, textContent, writePart, type Content, type Lose } from "./openai-chat.write-parts.ts";
import { isObject, madeId, NAME } from "./openai-chat.words.ts";

/** A message whose content is still in parts, so that they can be marked. */
export interface Turn {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: Content[];
  /** Members beside role and content. */
  readonly members: JsonObject;
}

const NO_RESULT_TEXT = "no result was provided";
const CONTINUE_TEXT = "Continue from where you left off.";

/**
 * Each repair of what the API would refuse is a loss, and the same for the same conversation, so that prefixes stay.
 *
 * @param prefill Whether the last message may be the assistant's, to be continued.
 */
export function writeTurns(request: ChatRequest, prefill: boolean, lose: Lose): readonly Turn[] {
  const writer = new TurnWriter(request, lose);
  for (const [at, message] of request.messages.entries()) writer.add(message, `messages[${at}]`);
  return endedByUser(writer.end(), request, prefill, lose);
}

/** The servers that continue an answer want to be told so; the others would begin another one. */
function endedByUser(turns: readonly Turn[], { dialect }: ChatRequest, prefill: boolean, lose: Lose): readonly Turn[] {
  const last = turns.at(-1);
  if (last?.role !== "assistant" || dialect === NAME) return turns;
  if (prefill) return [...turns.slice(0, -1), { ...last, members: { ...last.members, prefix: true } }];
  lose("prefill", "messages");
  return [...turns, { role: "user", content: [textContent(CONTINUE_TEXT)], members: {} }];
}

/** The message on the wire. Text alone is said plainly, in the one form that every server takes. */
export function wireTurn({ role, content, members }: Turn, wire: (content: Content) => JsonObject): JsonObject {
  return { role, content: wireContent(content, wire), ...members };
}

function wireContent(content: readonly Content[], wire: (content: Content) => JsonObject): JsonValue {
  const parts = content.map(wire);
  const [only, ...others] = parts;
  if (only === undefined) return "";
  const isPlain = others.length === 0 && only["type"] === "text" && Object.keys(only).length === 2;
  return isPlain ? (only["text"] ?? "") : parts;
}

class TurnWriter {
  readonly #request: ChatRequest;
  readonly #lose: Lose;
  readonly #turns: Turn[] = [];
  /** Ids of the calls that still want their result, and how many of each: some clients number anew. */
  #waiting = new Map<string, number>();
  /** What came between calls and their results, or cannot stand in a result: nothing may stand there. */
  #held: Turn[] = [];

  constructor(request: ChatRequest, lose: Lose) {
    this.#request = request;
    this.#lose = lose;
  }

  add(message: Message, path: string): void {
    switch (message.role) {
      case "system":
      case "user": {
        const content = this.#contents(message.parts, path, message.role);
        const members = this.#extra(message, path);
        if (content.length === 0 && message.parts.length > 0) return;
        return this.#say({ role: message.role, content, members });
      }
      case "assistant":
        return this.#assistant(message, path);
      case "tool":
        for (const [at, part] of message.parts.entries())
          this.#result(part, `${path}.content[${at}]`, this.#extra(message, path));
    }
  }

  end(): readonly Turn[] {
    this.#answerWaiting();
    return this.#turns;
  }

  #say(turn: Turn): void {
    // A system message may come between calls and their results: it follows them. Anything else ends the waiting.
    if (turn.role === "system" && this.#waiting.size > 0) {
      this.#held.push(turn);
      return;
    }
    this.#answerWaiting();
    this.#turns.push(turn);
  }

  #assistant(message: AssistantMessage, path: string): void {
    const calls: JsonObject[] = [];
    const ids: string[] = [];
    const said: Part[] = [];
    for (const [at, part] of message.parts.entries()) {
      const where = `${path}.content[${at}]`;
      if (part.type === "tool-call") {
        calls.push(this.#call(part, where));
        ids.push(part.id);
      } else if (
        part.type === "opaque" &&
        part.dialect === NAME &&
        part.kind.endsWith("_tool_call") &&
        isObject(part.value)
      ) {
        calls.push(part.value);
        if (typeof part.value["id"] === "string") ids.push(part.value["id"]);
      } else if (part.type !== "reasoning" || this.#request.dialect !== NAME) {
        said.push(part);
      }
    }
    const content = this.#contents(said, path, "assistant");
    const members = {
      ...this.#reasoning(message),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...this.#extra(message, path),
    };
    this.#answerWaiting();
    for (const id of ids) this.#waiting.set(id, (this.#waiting.get(id) ?? 0) + 1);
    if (content.length === 0 && Object.keys(members).length === 0 && message.parts.length > 0) return;
    this.#turns.push({ role: "assistant", content, members });
  }

  /** Back in the form it came in; another dialect's reasoning is left out, as text it would be taken for the answer. */
  #reasoning({ parts }: AssistantMessage): JsonObject {
    if (this.#request.dialect !== NAME) return {};
    const blocks = parts.filter((part) => part.type === "reasoning");
    const text = blocks.map((block) => block.text).join("");
    const isSealed = blocks.some(
      (block) => block.signature !== undefined || block.redacted !== undefined || block.issuer !== undefined,
    );
    return {
      ...(text === "" ? {} : { reasoning_content: text }),
      ...(isSealed ? { reasoning_details: blocks.map(writeDetail) } : {}),
    };
  }

  #call(part: ToolCallPart, path: string): JsonObject {
    const args = part.arguments.trim() === "" ? "{}" : part.arguments;
    return {
      id: part.id === "" ? madeId(path) : part.id,
      type: "function",
      function: { name: part.name, arguments: args },
      ...ownExtra(part, this.#request.dialect, path, this.#lose),
    };
  }

  #result(part: ToolResultPart, path: string, members: JsonObject): void {
    const text = this.#contents(
      part.content.filter((inner) => !this.#isAttached(inner)),
      path,
      "tool",
    );
    const attached = this.#contents(
      part.content.filter((inner) => this.#isAttached(inner)),
      path,
      "user",
    );
    if (part.isError === true) this.#lose("is_error", path);
    const extra = ownExtra(part, this.#request.dialect, path, this.#lose);
    const waiting = this.#waiting.get(part.callId);
    if (waiting === undefined) {
      // The API refuses a result whose call is not in the message before it.
      this.#lose("orphan-tool-result", path);
      const content = [...text, ...attached];
      if (content.length === 0) content.push(textContent(NO_RESULT_TEXT));
      this.#say({ role: "user", content: endMarked(content, part.cache), members: {} });
      return;
    }
    if (waiting === 1) this.#waiting.delete(part.callId);
    else this.#waiting.set(part.callId, waiting - 1);
    if (attached.length > 0) {
      const title = textContent(`Attached to the result of tool call ${part.callId}:`);
      this.#held.push({ role: "user", content: [title, ...attached], members: {} });
      if (text.length === 0) text.push(textContent("The result is attached in the next user message."));
    }
    const content = endMarked(text, part.cache);
    this.#turns.push({ role: "tool", content, members: { tool_call_id: part.callId, ...extra, ...members } });
  }

  /** Results are text here: pictures follow when all results are said, as the user's. Who sent them in a result knows better. */
  #isAttached(inner: Part): boolean {
    if (this.#request.dialect === NAME) return false;
    return inner.type === "image" || inner.type === "document" || inner.type === "audio";
  }

  /** Every call has a result behind it, if need be one that says there is none. */
  #answerWaiting(): void {
    for (const [id, count] of this.#waiting) {
      for (let each = 0; each < count; each += 1) {
        this.#lose("orphan-tool-call", `tool_calls ${id.slice(0, 64)}`);
        this.#turns.push({ role: "tool", content: [textContent(NO_RESULT_TEXT)], members: { tool_call_id: id } });
      }
    }
    this.#waiting = new Map();
    this.#release();
  }

  #release(): void {
    this.#turns.push(...this.#held);
    this.#held = [];
  }

  #contents(parts: readonly Part[], path: string, role: Turn["role"]): Content[] {
    const contents: Content[] = [];
    for (const [at, part] of parts.entries()) {
      const where = `${path}.content[${at}]`;
      const isOwnResult = role === "tool" && this.#request.dialect === NAME;
      if (
        role !== "user" &&
        !isOwnResult &&
        (part.type === "image" || part.type === "document" || part.type === "audio")
      ) {
        refuseMedia(part.type, role, where);
      }
      const content = writePart(part, this.#request.dialect, where, this.#lose);
      if (content !== undefined) contents.push(content);
      else if (part.cache !== undefined) {
        // What is left out takes no mark with it: the part before it ends the same prefix.
        const before = contents.at(-1);
        if (before !== undefined) before.mark ??= part.cache;
      }
    }
    return contents;
  }

  #extra(message: Message, path: string): JsonObject {
    if (message.extra === undefined) return {};
    if (this.#request.dialect === NAME) return message.extra;
    for (const key of Object.keys(message.extra)) this.#lose(fieldWord(key), `${path}.${key}`);
    return {};
  }
}

/** A mark on the whole stands at its end. */
function endMarked(content: Content[], mark: CacheMark | undefined): Content[] {
  const last = content.at(-1);
  if (last !== undefined) last.mark ??= mark;
  return content;
}
