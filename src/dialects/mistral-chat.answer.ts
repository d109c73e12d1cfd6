/**
 * What has been said of an answer so far, as deltas for a stream and as a message for a whole.
 *
 * Thoughts are chunks of content, which makes a list of what is text otherwise. Who asked for thoughts expects that; who did not reads
 * the content as text, and so does its client's `parse`. So what shows nothing makes no list: a seal without text, which models that
 * think unasked leave, is brought only where there is a list anyway, or where there are calls, whose results may have to come back with it.
 */
import { hash } from "node:crypto";
import type { ChatEvent, JsonObject, Loss } from "../chat.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { EncodeOptions } from "./dialect.ts";
import { idOfNine, NAME, UNSAYABLE_FINISHES, WORD_OF_FINISH } from "./mistral-chat.words.ts";
import { saidId } from "./openai-chat.words.ts";
import { carriedSeal } from "./seal.ts";

interface TextBlock {
  readonly type: "text";
  text: string;
}
interface ThoughtBlock {
  readonly type: "thinking";
  text: string;
  seal: string | undefined;
  /** Nothing is shown of it: kept back as long as the content is text. */
  isHeld: boolean;
}

interface Call {
  /** Position among the calls on the wire. */
  readonly place: number;
  readonly id: string;
  readonly name: string;
  readonly arguments: string[];
  isOver: boolean;
}

export class Answer {
  usage: Usage = UNKNOWN_USAGE;
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  readonly #lost = new Set<string>();
  readonly #blocks: (TextBlock | ThoughtBlock)[] = [];
  /** The thought that is not at its end yet. */
  #thought: ThoughtBlock | undefined;
  readonly #calls = new Map<number, Call>();
  readonly #callIds = new Set<string>();
  #start: Extract<ChatEvent, { type: "start" }> | undefined;
  #finish: Extract<ChatEvent, { type: "finish" }> | undefined;

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
        return this.#say(event.text);
      case "refusal-delta":
        this.#lose("refusal", "refusal");
        return this.#say(event.text);
      case "reasoning-delta":
        return this.#think(event.text);
      case "reasoning-end":
        return this.#endThought(
          event.signature === undefined ? undefined : carriedSeal(event.signature, "signature", event, NAME),
        );
      case "reasoning-redacted":
        return [...this.#endThought(undefined), ...this.#endThought(carriedSeal(event.data, "redacted", event, NAME))];
      case "tool-call-start":
        return this.#startCall(event);
      case "tool-call-delta": {
        const call = this.#calls.get(event.index);
        if (call?.isOver === false) call.arguments.push(event.arguments);
        return [];
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

  /** What is still to be said of a thought and of calls that nobody ended. */
  close(): JsonObject[] {
    const ended = this.#endThought(undefined);
    if (this.#held.some(({ text }) => text !== "")) this.#lose("reasoning", "reasoning");
    return [...ended, ...[...this.#calls.values()].flatMap(endCall)];
  }

  /** The members that open a completion, whole or in chunks. */
  head(object: string): JsonObject {
    const said = this.#start?.id ?? "";
    return {
      id: OWN_ID.test(said) ? said : hash("sha256", this.#options.id, "hex").slice(0, 32),
      object,
      created: this.#start?.createdSeconds ?? this.#options.createdSeconds,
      model: this.#start?.model ?? this.#options.model,
    };
  }

  message(): JsonObject {
    const calls = [...this.#calls.values()].map(wireCall);
    const blocks = this.#blocks.filter((block) => block.type === "text" || !block.isHeld);
    const text = blocks.map((block) => (block.type === "text" ? block.text : "")).join("");
    const isPlain = blocks.every((block) => block.type === "text");
    return {
      role: "assistant",
      content: isPlain ? text : blocks.map((block) => (block.type === "text" ? { ...block } : wireThought(block))),
      tool_calls: calls.length === 0 ? null : calls,
    };
  }

  /** Why it stopped. A call for tools is said as one even where the upstream called it a plain stop. */
  finishWord(): string {
    const reason = this.#finish?.reason ?? "stop";
    if (reason === "stop" && this.#calls.size > 0) return WORD_OF_FINISH["tool-calls"];
    if (UNSAYABLE_FINISHES.has(reason)) this.#lose("finish_reason", reason);
    return WORD_OF_FINISH[reason];
  }

  #say(text: string): JsonObject[] {
    if (text === "") return [];
    const ended = this.#endThought(undefined);
    const last = this.#blocks.at(-1);
    if (last?.type === "text") last.text += text;
    else this.#blocks.push({ type: "text", text });
    return [...ended, { content: text }];
  }

  get #showsThoughts(): boolean {
    return this.#options.wantsReasoning ?? true;
  }

  #think(text: string): JsonObject[] {
    if (text === "") return [];
    const released = this.#thought === undefined && this.#showsThoughts ? this.#release() : [];
    this.#thought ??= this.#begin(!this.#showsThoughts);
    this.#thought.text += text;
    if (!this.#showsThoughts) return [];
    return [...released, { content: [{ type: "thinking", thinking: textChunks(text) }] }];
  }

  #begin(isHeld: boolean): ThoughtBlock {
    const block: ThoughtBlock = { type: "thinking", text: "", seal: undefined, isHeld };
    this.#blocks.push(block);
    return block;
  }

  #endThought(seal: string | undefined): JsonObject[] {
    const open = this.#thought;
    this.#thought = undefined;
    if (open === undefined && seal === undefined) return [];
    const block = open ?? this.#begin(true);
    block.seal = seal;
    // Its text has been said already.
    if (!block.isHeld) return [{ content: [wireThought({ ...block, text: "" })] }];
    if (seal === undefined) this.#lose("reasoning", "reasoning");
    const isList = this.#calls.size > 0 || this.#blocks.some((one) => one.type === "thinking" && !one.isHeld);
    return isList ? this.#release() : [];
  }

  get #held(): ThoughtBlock[] {
    return this.#blocks
      .filter((block) => block.type === "thinking")
      .filter((block) => block.isHeld && block.seal !== undefined);
  }

  /** The seals that were kept back, where content that is no text is to be expected. */
  #release(): JsonObject[] {
    const held = this.#held;
    for (const block of held) block.isHeld = false;
    return held.length === 0 ? [] : [{ content: held.map(wireThought) }];
  }

  #startCall({ index, id, name }: Extract<ChatEvent, { type: "tool-call-start" }>): JsonObject[] {
    const said = [...this.#endThought(undefined), ...this.#release()];
    const place = this.#calls.size;
    this.#calls.set(index, { place, id: this.#uniqueId(id, index), name, arguments: [], isOver: false });
    return said;
  }

  #uniqueId(id: string, index: number): string {
    const wanted = idOfNine(saidId(id) ?? `${this.#options.id}:${index}`);
    const unique = this.#callIds.has(wanted) ? idOfNine(`${this.#options.id}:${index}:${id}`) : wanted;
    this.#callIds.add(unique);
    return unique;
  }

  #lose(field: string, kind: string): void {
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#losses.push({ field, path: kind });
  }
}

const OWN_ID = /^[0-9a-f]{32}$/;

/** A call is said when all of it is known: every delta of one must bear its name. */
function endCall(call: Call): JsonObject[] {
  if (call.isOver) return [];
  call.isOver = true;
  return [{ tool_calls: [wireCall(call)] }];
}

/** Clients parse what they got as a call's arguments: none at all is an empty object. */
function wireCall(call: Call): JsonObject {
  const text = call.arguments.join("");
  return {
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: text.trim() === "" ? "{}" : text },
    index: call.place,
  };
}

function wireThought({ text, seal }: ThoughtBlock): JsonObject {
  return {
    type: "thinking",
    thinking: textChunks(text),
    ...(seal === undefined ? {} : { signature: seal }),
    closed: true,
  };
}

function textChunks(text: string): readonly JsonObject[] {
  return text === "" ? [] : [{ type: "text", text }];
}
