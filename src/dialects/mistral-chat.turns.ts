/**
 * Writes messages: every call answered right behind the message that made it, and nothing where the API lets nothing stand.
 */
import type { AssistantMessage, ChatRequest, JsonObject, JsonValue, Message, Part, ToolResultPart } from "../chat.ts";
import { fieldWord } from "./field-words.ts";
import { ownExtra, refuseMedia, writePart, type PartContext } from "./mistral-chat.write-parts.ts";
import { idOfNine, NAME } from "./mistral-chat.words.ts";

/** A message whose content is still in chunks. */
interface Turn {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: readonly JsonObject[];
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
export function writeMessages(request: ChatRequest, prefill: boolean, context: PartContext): readonly JsonObject[] {
  const writer = new TurnWriter(context);
  for (const [at, message] of request.messages.entries()) writer.add(message, `messages[${at}]`);
  const turns = writer.end();
  if (context.dialect === NAME) return turns.map(wireTurn);
  return systemPlaced(endedByUser(turns, prefill, context)).map(wireTurn);
}

/** "Expected last role User or Tool (or Assistant with prefix True)". */
function endedByUser(turns: readonly Turn[], prefill: boolean, { lose }: PartContext): readonly Turn[] {
  const last = turns.at(-1);
  if (last?.role !== "assistant") return turns;
  if (prefill) return [...turns.slice(0, -1), { ...last, members: { ...last.members, prefix: true } }];
  lose("prefill", "messages");
  return [...turns, { role: "user", content: [textChunk(CONTINUE_TEXT)], members: {} }];
}

/**
 * A system's words may open the conversation or a user's turn, but not end one or follow a tool's result. Where they do, the user says
 * them, in tags; and also in every later turn, where an answer follows them, so that the prompt of one turn stays the beginning of the
 * next one's.
 */
function systemPlaced(turns: readonly Turn[]): readonly Turn[] {
  return turns.map((turn, at) => {
    if (turn.role !== "system") return turn;
    const before = turns.slice(0, at).findLast((one) => one.role !== "system");
    const after = turns.slice(at).find((one) => one.role !== "system");
    const ends = after === undefined || after.role === "assistant";
    return before !== undefined && (ends || before.role === "tool") ? inTags(turn) : turn;
  });
}

function inTags({ content, members }: Turn): Turn {
  const tagged = content.map((chunk) =>
    typeof chunk["text"] === "string" ? { ...chunk, text: `<system>\n${chunk["text"]}\n</system>` } : chunk,
  );
  return { role: "user", content: tagged, members };
}

/** The message on the wire. Text alone is said plainly. */
function wireTurn({ role, content, members }: Turn): JsonObject {
  return { role, content: wireContent(content), ...members };
}

function wireContent(content: readonly JsonObject[]): JsonValue {
  const [only, ...others] = content;
  if (only === undefined) return "";
  const isPlain = others.length === 0 && only["type"] === "text" && Object.keys(only).length === 2;
  return isPlain ? (only["text"] ?? "") : content;
}

class TurnWriter {
  readonly #context: PartContext;
  readonly #own: boolean;
  readonly #turns: Turn[] = [];
  /** Ids of the calls that still want their result. */
  #waiting: string[] = [];
  /** What came between calls and their results, or cannot stand in a result: nothing may stand there. */
  #held: Turn[] = [];

  constructor(context: PartContext) {
    this.#context = context;
    this.#own = context.dialect === NAME;
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
      case "tool": {
        const members = this.#extra(message, path);
        for (const [at, part] of message.parts.entries()) this.#result(part, `${path}.content[${at}]`, members);
      }
    }
  }

  end(): readonly Turn[] {
    this.#answerWaiting();
    return this.#turns;
  }

  #say(turn: Turn): void {
    // A system message may come between calls and their results: it follows them. Anything else ends the waiting.
    if (turn.role === "system" && this.#waiting.length > 0) {
      this.#held.push(turn);
      return;
    }
    this.#answerWaiting();
    this.#turns.push(turn);
  }

  #assistant(message: AssistantMessage, path: string): void {
    const calls: JsonObject[] = [];
    const ids: string[] = [];
    for (const [at, part] of message.parts.entries()) {
      if (part.type !== "tool-call") continue;
      ids.push(part.id);
      calls.push({
        id: idOfNine(part.id),
        type: "function",
        function: { name: part.name, arguments: part.arguments.trim() === "" ? "{}" : part.arguments },
        ...ownExtra(part, `${path}.content[${at}]`, this.#context),
      });
    }
    const content = this.#contents(message.parts, path, "assistant");
    const members = { ...(calls.length === 0 ? {} : { tool_calls: calls }), ...this.#extra(message, path) };
    this.#answerWaiting();
    this.#waiting = ids;
    // "Assistant message must have either content or tool_calls".
    if (content.length === 0 && calls.length === 0 && !this.#own) return;
    this.#turns.push({ role: "assistant", content, members });
  }

  #result(part: ToolResultPart, path: string, members: JsonObject): void {
    const { lose } = this.#context;
    const content = this.#contents(
      part.content.filter((inner) => !this.#isAttached(inner)),
      path,
      "tool",
    );
    const attached = this.#contents(
      part.content.filter((inner) => this.#isAttached(inner)),
      path,
      "user",
    );
    if (part.isError === true) lose("is_error", path);
    const extra = ownExtra(part, path, this.#context);
    const at = this.#waiting.indexOf(part.callId);
    if (at < 0) {
      // The API refuses a result whose call is not in the message before it.
      lose("orphan-tool-result", path);
      const said = [...content, ...attached];
      this.#say({ role: "user", content: said.length === 0 ? [textChunk(NO_RESULT_TEXT)] : said, members: {} });
      return;
    }
    this.#waiting.splice(at, 1);
    const id = idOfNine(part.callId);
    if (attached.length > 0) {
      const title = textChunk(`Attached to the result of tool call ${id}:`);
      this.#held.push({ role: "user", content: [title, ...attached], members: {} });
      if (content.length === 0) content.push(textChunk("The result is attached in the next user message."));
    }
    this.#turns.push({ role: "tool", content, members: { tool_call_id: id, ...extra, ...members } });
  }

  /** Results are text: pictures follow when all results are said, as the user's. Who sent them in a result knows better. */
  #isAttached(inner: Part): boolean {
    return !this.#own && isMedia(inner);
  }

  /** Every call has a result behind it, if need be one that says there is none. */
  #answerWaiting(): void {
    for (const id of this.#waiting) {
      this.#context.lose("orphan-tool-call", `tool_calls ${id.slice(0, 64)}`);
      this.#turns.push({
        role: "tool",
        content: [textChunk(NO_RESULT_TEXT)],
        members: { tool_call_id: idOfNine(id) },
      });
    }
    this.#waiting = [];
    this.#turns.push(...this.#held);
    this.#held = [];
  }

  #contents(parts: readonly Part[], path: string, role: Turn["role"]): JsonObject[] {
    return parts.flatMap((part, at) => {
      const where = `${path}.content[${at}]`;
      if (role === "assistant" && (part.type === "tool-call" || this.#isNothing(part))) return [];
      if (role !== "user" && !this.#own && isMedia(part)) refuseMedia(part.type, role, where);
      const chunk = writePart(part, where, this.#context);
      return chunk === undefined ? [] : [chunk];
    });
  }

  /** An answer of no words would be one without content. */
  #isNothing(part: Part): boolean {
    return !this.#own && part.type === "text" && part.text === "";
  }

  #extra({ extra, envelope }: Message, path: string): JsonObject {
    if (this.#own) return { ...extra, ...envelope };
    for (const key of Object.keys(extra ?? {})) this.#context.lose(fieldWord(key), `${path}.${key}`);
    return {};
  }
}

function isMedia(part: Part): boolean {
  return part.type === "image" || part.type === "document" || part.type === "audio";
}

function textChunk(text: string): JsonObject {
  return { type: "text", text };
}
