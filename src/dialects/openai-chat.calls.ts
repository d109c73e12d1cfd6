/**
 * Tool calls of an answer, whose fragments come in any order and with less to tell them apart than one would like.
 */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import { isArray, isObject, madeId, saidId, textOf } from "./openai-chat.words.ts";

interface Call {
  /** Position among the answer's calls, in the order in which their names became known; -1 until then. */
  index: number;
  /** What the server calls its place; several calls may share one. */
  readonly place: number;
  readonly id: string | undefined;
  name: string;
  arguments: string;
  isOver: boolean;
}

/** How many calls one answer may hold. */
const CALLS_MAX = 1_000;

export class CallReader {
  readonly #calls: Call[] = [];
  #begun = 0;
  /** What ids are made from, where the server gives none. */
  readonly #answerId: () => string;

  constructor(answerId: () => string) {
    this.#answerId = answerId;
  }

  get count(): number {
    return this.#calls.length;
  }

  /** The `tool_calls` of a stream's delta. */
  fragments(value: JsonValue | undefined): ChatEvent[] {
    if (!isArray(value)) return [];
    return value.flatMap((fragment, at) => (isObject(fragment) ? this.#fragment(fragment, at) : []));
  }

  /** The `tool_calls` of a whole message: each is a call, whatever it says of its place. */
  whole(value: JsonValue | undefined): ChatEvent[] {
    if (!isArray(value)) return [];
    return value.flatMap((call) => (isObject(call) ? this.#fragment({ ...call, index: this.#calls.length }, 0) : []));
  }

  /** The `function_call` that came before `tool_calls`. */
  legacy(value: JsonValue | undefined): ChatEvent[] {
    return isObject(value) ? this.#fragment({ index: 0, function: value }, 0) : [];
  }

  /** No call goes on after the answer said why it stopped. */
  end(): ChatEvent[] {
    return this.#calls.flatMap((call) => (call.isOver ? [] : this.#over(call)));
  }

  #fragment(fragment: JsonObject, at: number): ChatEvent[] {
    const said = saidBy(fragment);
    const place = typeof fragment["index"] === "number" ? fragment["index"] : at;
    const before = this.#calls.findLast((call) => call.place === place && !call.isOver);
    const events: ChatEvent[] = [];
    let call = before !== undefined && goesOn(before, said) ? before : undefined;
    if (call === undefined) {
      // A rest of arguments that follows no call begins none.
      const isNothing = said.id === undefined && said.name === "";
      if (isNothing || this.#calls.length >= CALLS_MAX) return [];
      if (before !== undefined) events.push(...this.#over(before));
      call = { index: -1, place, id: said.id, name: "", arguments: "", isOver: false };
      this.#calls.push(call);
    }
    if (call.name === "") call.name = said.name;
    call.arguments += said.arguments;
    // Its name may come later than its place; until then nothing can be said of it.
    if (call.name !== "") events.push(...this.#begin(call, said.arguments));
    return events;
  }

  #begin(call: Call, more: string): ChatEvent[] {
    const delta = (text: string): ChatEvent[] =>
      text === "" ? [] : [{ type: "tool-call-delta", index: call.index, arguments: text }];
    if (call.index >= 0) return delta(more);
    call.index = this.#begun;
    this.#begun += 1;
    const id = call.id ?? madeId(`${this.#answerId()}:${call.index}`);
    return [{ type: "tool-call-start", index: call.index, id, name: call.name }, ...delta(call.arguments)];
  }

  #over(call: Call): ChatEvent[] {
    call.isOver = true;
    const begun = this.#begin(call, "");
    return [...begun, { type: "tool-call-end", index: call.index }];
  }
}

interface Said {
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
}

/** A custom tool's input is text of any kind; it has no form but that of arguments here. */
function saidBy(fragment: JsonObject): Said {
  const held = isObject(fragment["function"]) ? fragment["function"] : fragment["custom"];
  const call = isObject(held) ? held : {};
  const given = call["arguments"] ?? call["input"];
  return {
    id: saidId(fragment["id"]),
    name: textOf(call["name"]) ?? "",
    // Servers that send an object send it whole.
    arguments: typeof given === "string" ? given : isObject(given) ? JSON.stringify(given) : "",
  };
}

/** Whether a fragment at the same place belongs to the call there: some servers send every call at place 0. */
function goesOn(call: Call, said: Said): boolean {
  if (said.id !== undefined) return said.id === call.id || (call.id === undefined && call.index < 0);
  if (said.name === "" || call.name === "") return true;
  // A second name without an id: a new call if the one before has all it needs.
  return !isWhole(call.arguments);
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
