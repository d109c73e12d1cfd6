/**
 * An answer as Responses tells it: items that open and close, their parts in between, each delta in its place.
 */
import type { ChatEvent, JsonObject, JsonValue, Loss, SealOrigin } from "../chat.ts";
import { laterUsage, UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { EncodeOptions } from "./dialect.ts";
import { parsed } from "./openai-chat.state.ts";
import { madeId, saidId } from "./openai-chat.words.ts";
import { responseId, type WireEvent } from "./openai-responses.errors.ts";
import { writeUsage } from "./openai-responses.usage.ts";
import { DETAIL_OF_FINISH, itemId, NAME, type ItemKind } from "./openai-responses.words.ts";
import { carriedSeal, type SealForm } from "./seal.ts";

type Status = "completed" | "incomplete";
type PartKind = "output_text" | "refusal";

interface Part {
  readonly kind: PartKind;
  readonly chunks: string[];
}

type Item = { readonly id: string; readonly index: number } & (
  | { readonly kind: "message"; readonly parts: Part[] }
  | { readonly kind: "reasoning"; readonly chunks: string[] }
  | { readonly kind: "call"; readonly callId: string; readonly name: string; readonly chunks: string[] }
);
type OpenItem<Kind extends ItemKind> = Extract<Item, { kind: Kind }>;

export class Answer {
  /** Items that are closed, by their index. */
  readonly output: JsonObject[] = [];
  usage: Usage = UNKNOWN_USAGE;
  readonly #options: EncodeOptions;
  readonly #losses: Loss[];
  readonly #lost = new Set<string>();
  /** A message or a thought: closed when something else begins. */
  #open: OpenItem<"message"> | OpenItem<"reasoning"> | undefined;
  /** Calls may go on side by side. */
  readonly #calls = new Map<number, OpenItem<"call">>();
  readonly #callIds = new Set<string>();
  #items = 0;
  #refused = false;
  #start: Extract<ChatEvent, { type: "start" }> | undefined;
  #finish: Extract<ChatEvent, { type: "finish" }> | undefined;

  constructor(options: EncodeOptions, losses: Loss[]) {
    this.#options = options;
    this.#losses = losses;
  }

  get finished(): boolean {
    return this.#finish !== undefined;
  }

  /** @returns the events that say it. */
  take(event: Exclude<ChatEvent, { type: "error" }>): WireEvent[] {
    switch (event.type) {
      case "start":
        this.#start ??= event;
        return [];
      case "text-delta":
        return this.#say("output_text", event.text);
      case "refusal-delta":
        this.#refused = true;
        return this.#say("refusal", event.text);
      case "reasoning-delta":
        return this.#think(event.text);
      case "reasoning-end":
        return this.#endThought(event.signature, event);
      case "reasoning-redacted":
        return [...this.#close("completed"), ...this.#seal(event.data, "redacted", event)];
      case "tool-call-start":
        return this.#startCall(event);
      case "tool-call-delta":
        return this.#callDelta(event.index, event.arguments);
      case "tool-call-end":
        return this.#endCall(event.index);
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

  /** Closes what is open. What an answer that was cut short had begun is not whole either. */
  end(): WireEvent[] {
    const status: Status = this.#detail() === undefined ? "completed" : "incomplete";
    const calls = [...this.#calls.values()].flatMap((call) => this.#closeCall(call, status));
    this.#calls.clear();
    return [...this.#close(status), ...calls];
  }

  /** The response as it is at its beginning. */
  beginning(): JsonObject {
    return { ...this.#head("in_progress", null), output: [], ...TAIL, store: this.#isRemembered, usage: null };
  }

  /** The response at its end. */
  whole(): JsonObject {
    const detail = this.#detail();
    if (this.#finish?.reason === "paused") this.#lose("finish_reason", "paused");
    const whole = {
      ...this.#head(
        detail === undefined ? "completed" : "incomplete",
        detail === undefined ? null : { reason: detail },
      ),
      output: this.output,
      ...TAIL,
      store: this.#isRemembered,
      usage: writeUsage(this.usage),
    };
    this.#options.remember?.(whole);
    return whole;
  }

  get #isRemembered(): boolean {
    return this.#options.remember !== undefined;
  }

  #head(status: string, details: JsonObject | null): JsonObject {
    return {
      id: this.#id(),
      object: "response",
      created_at: this.#start?.createdSeconds ?? this.#options.createdSeconds,
      status,
      error: null,
      incomplete_details: details,
      instructions: null,
      max_output_tokens: null,
      model: this.#start?.model ?? this.#options.model,
    };
  }

  /** What is remembered here has a name of our own, by which nobody else is asked for it. */
  #id(): string {
    const said = this.#start?.id;
    const isTheirs = said?.startsWith("resp_") === true && this.#options.remember === undefined;
    return isTheirs ? said : responseId(this.#options.id);
  }

  /** Why the answer is not whole; a refusal that can be read is. */
  #detail(): string | undefined {
    const reason = this.#finish?.reason ?? "stop";
    return reason === "refusal" && this.#refused ? undefined : DETAIL_OF_FINISH[reason];
  }

  // ---- Words

  #say(kind: PartKind, text: string): WireEvent[] {
    if (text === "") return [];
    const opened: WireEvent[] = [];
    let message = this.#open;
    if (message?.kind !== "message") {
      opened.push(...this.#close("completed"));
      message = { kind: "message", parts: [], ...this.#next("message") };
      this.#open = message;
      opened.push(added(message, messageItem(message, "in_progress")));
    }
    let part = message.parts.at(-1);
    if (part?.kind !== kind) {
      if (part !== undefined) opened.push(...closedPart(message, part));
      part = { kind, chunks: [] };
      message.parts.push(part);
      opened.push({ type: "response.content_part.added", ...placeOf(message), part: partValue(kind, "") });
    }
    part.chunks.push(text);
    const type = kind === "refusal" ? "response.refusal.delta" : "response.output_text.delta";
    const rest = kind === "refusal" ? {} : { logprobs: [] };
    return [...opened, { type, ...placeOf(message), delta: text, ...rest }];
  }

  #think(text: string): WireEvent[] {
    if (text === "") return [];
    const opened: WireEvent[] = [];
    let thought = this.#open;
    if (thought?.kind !== "reasoning") {
      opened.push(...this.#close("completed"));
      thought = { kind: "reasoning", chunks: [], ...this.#next("reasoning") };
      this.#open = thought;
      opened.push(added(thought, thoughtItem(thought, undefined)), {
        type: "response.reasoning_summary_part.added",
        ...summaryPlaceOf(thought),
        part: { type: "summary_text", text: "" },
      });
    }
    thought.chunks.push(text);
    return [...opened, { type: "response.reasoning_summary_text.delta", ...summaryPlaceOf(thought), delta: text }];
  }

  #endThought(signature: string | undefined, origin: SealOrigin): WireEvent[] {
    if (this.#open?.kind === "reasoning") {
      const seal = signature === undefined ? undefined : carriedSeal(signature, "signature", origin, NAME);
      return this.#close("completed", seal);
    }
    // Thinking whose text is not shown still has its seal, which the next turn must bring back.
    if (signature === undefined) return [];
    return [...this.#close("completed"), ...this.#seal(signature, "signature", origin)];
  }

  /** A thought of which nothing is shown. */
  #seal(seal: string, form: SealForm, origin: SealOrigin): WireEvent[] {
    const thought: OpenItem<"reasoning"> = { kind: "reasoning", chunks: [], ...this.#next("reasoning") };
    const begun = added(thought, thoughtItem(thought, undefined));
    return [begun, this.#done(thought, thoughtItem(thought, carriedSeal(seal, form, origin, NAME)))];
  }

  /** Ends the message or thought that is open, if any. */
  #close(status: Status, seal?: string): WireEvent[] {
    const item = this.#open;
    this.#open = undefined;
    switch (item?.kind) {
      case undefined:
        return [];
      case "message": {
        const last = item.parts.at(-1);
        return [...(last === undefined ? [] : closedPart(item, last)), this.#done(item, messageItem(item, status))];
      }
      case "reasoning": {
        const text = item.chunks.join("");
        const place = summaryPlaceOf(item);
        return [
          { type: "response.reasoning_summary_text.done", ...place, text },
          { type: "response.reasoning_summary_part.done", ...place, part: { type: "summary_text", text } },
          this.#done(item, thoughtItem(item, seal)),
        ];
      }
    }
  }

  // ---- Calls

  #startCall({ index, id, name }: Extract<ChatEvent, { type: "tool-call-start" }>): WireEvent[] {
    const before = this.#calls.get(index);
    const closed = [...this.#close("completed"), ...(before === undefined ? [] : this.#closeCall(before, "completed"))];
    const call: OpenItem<"call"> = {
      kind: "call",
      callId: this.#uniqueId(id, index),
      name,
      chunks: [],
      ...this.#next("call"),
    };
    this.#calls.set(index, call);
    return [...closed, added(call, callItem(call, "in_progress"))];
  }

  #callDelta(index: number, args: string): WireEvent[] {
    const call = this.#calls.get(index);
    if (call === undefined || args === "") return [];
    call.chunks.push(args);
    return [argumentsDelta(call, args)];
  }

  /** A call whose arguments are no JSON was perhaps cut: whether it was, the answer's end tells. */
  #endCall(index: number): WireEvent[] {
    const call = this.#calls.get(index);
    if (call === undefined) return [];
    const text = call.chunks.join("");
    if (text.trim() !== "" && parsed(text) === undefined) return [];
    this.#calls.delete(index);
    return this.#closeCall(call, "completed");
  }

  /** Clients parse what they got as a call's arguments: none at all is an empty object. */
  #closeCall(call: OpenItem<"call">, status: Status): WireEvent[] {
    const isEmpty = call.chunks.every((text) => text.trim() === "");
    const rest = isEmpty && status === "completed" ? [argumentsDelta(call, "{}")] : [];
    if (rest.length > 0) call.chunks.push("{}");
    return [
      ...rest,
      {
        type: "response.function_call_arguments.done",
        item_id: call.id,
        output_index: call.index,
        arguments: call.chunks.join(""),
      },
      this.#done(call, callItem(call, status)),
    ];
  }

  #uniqueId(id: string, index: number): string {
    const wanted = saidId(id) ?? madeId(`${this.#options.id}:${index}`);
    const unique = this.#callIds.has(wanted) ? madeId(`${this.#options.id}:${index}:${id}`) : wanted;
    this.#callIds.add(unique);
    return unique;
  }

  // ---- Items

  #next(kind: ItemKind): { readonly id: string; readonly index: number } {
    const index = this.#items;
    this.#items += 1;
    return { id: itemId(kind, this.#options.id, index), index };
  }

  #done(item: Item, value: JsonObject): WireEvent {
    this.output[item.index] = value;
    return { type: "response.output_item.done", output_index: item.index, item: value };
  }

  #lose(field: string, kind: string): void {
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#losses.push({ field, path: kind });
  }
}

/** What clients' types have and the answer's way back does not know: the request's own settings. */
const TAIL: JsonObject = {
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  temperature: null,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: null,
  truncation: "disabled",
  metadata: {},
};

function added(item: Item, value: JsonObject): WireEvent {
  return { type: "response.output_item.added", output_index: item.index, item: value };
}

function messageItem({ id, parts }: OpenItem<"message">, status: string): JsonObject {
  const content = parts.map((part): JsonValue => partValue(part.kind, part.chunks.join("")));
  return { id, type: "message", status, role: "assistant", content };
}

function thoughtItem({ id, chunks }: OpenItem<"reasoning">, seal: string | undefined): JsonObject {
  const text = chunks.join("");
  return {
    id,
    type: "reasoning",
    summary: text === "" ? [] : [{ type: "summary_text", text }],
    ...(seal === undefined ? {} : { encrypted_content: seal }),
  };
}

function callItem({ id, callId, name, chunks }: OpenItem<"call">, status: string): JsonObject {
  return { id, type: "function_call", status, arguments: chunks.join(""), call_id: callId, name };
}

function partValue(kind: PartKind, text: string): JsonObject {
  return kind === "refusal"
    ? { type: "refusal", refusal: text }
    : { type: "output_text", text, annotations: [], logprobs: [] };
}

function closedPart(message: OpenItem<"message">, { kind, chunks }: Part): WireEvent[] {
  const text = chunks.join("");
  const place = placeOf(message);
  return [
    kind === "refusal"
      ? { type: "response.refusal.done", ...place, refusal: text }
      : { type: "response.output_text.done", ...place, text, logprobs: [] },
    { type: "response.content_part.done", ...place, part: partValue(kind, text) },
  ];
}

/** Where the message's latest part stands. */
function placeOf({ id, index, parts }: OpenItem<"message">): JsonObject {
  return { item_id: id, output_index: index, content_index: Math.max(0, parts.length - 1) };
}

function summaryPlaceOf({ id, index }: OpenItem<"reasoning">): JsonObject {
  return { item_id: id, output_index: index, summary_index: 0 };
}

function argumentsDelta({ id, index }: OpenItem<"call">, delta: string): WireEvent {
  return { type: "response.function_call_arguments.delta", item_id: id, output_index: index, delta };
}
