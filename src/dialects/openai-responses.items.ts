/**
 * Reads the input's items. What the assistant said in one go is several items here and one message everywhere else.
 */
import type { JsonObject, JsonValue, Message, Part, ReasoningPart } from "../chat.ts";
import { required } from "./openai-chat.parts.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { KIND_CHARACTERS_MAX, readContent } from "./openai-responses.parts.ts";
import { isMadeId, isMadeThought, NAME } from "./openai-responses.words.ts";
import { heldSeal } from "./seal.ts";
import { invalid, told, toldWord } from "./refused.ts";

/** @param input Text that the user says, items, or nothing where the conversation is at the provider. */
export function readInput(input: JsonValue | undefined): Message[] {
  if (input === undefined || input === null) return [];
  if (typeof input === "string") return [{ role: "user", parts: [{ type: "text", text: input }] }];
  if (!isArray(input)) {
    throw invalid("input", `\`input\` is ${told(input)}; text or an array of input items is expected`);
  }
  const reader = new ItemReader();
  for (const [at, item] of input.entries()) reader.read(item, `input[${at}]`);
  return reader.end();
}

class ItemReader {
  readonly #messages: Message[] = [];
  /** What the assistant has said since others last spoke. */
  #said: Part[] = [];

  read(item: JsonValue, path: string): void {
    if (!isObject(item))
      throw invalid(path, `\`${path}\` is ${told(item)}; an object with \`type\` or \`role\` is expected`);
    const type = item["type"] ?? untypedAs(item);
    if (typeof type !== "string") {
      throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; the type of an input item is expected`);
    }
    switch (type) {
      case "message":
        return this.#message(item, path);
      case "function_call":
        return void this.#said.push(readCall(item, path));
      case "custom_tool_call":
        return void this.#said.push(readCustomCall(item, path));
      case "function_call_output":
      case "custom_tool_call_output":
        return this.#add(readResult(item, type, path));
      case "reasoning":
        return void this.#said.push(readReasoning(item));
      default:
        return this.#opaque(item, type);
    }
  }

  end(): Message[] {
    this.#close();
    return this.#messages;
  }

  #message(item: JsonObject, path: string): void {
    const { role } = item;
    switch (role) {
      case "assistant":
        this.#said.push(...readAnswer(item, path));
        return;
      case "user":
      case "system":
      case "developer":
        return this.#add({
          role: role === "user" ? "user" : "system",
          parts: readContent(item["content"], `${path}.content`),
          ...enveloped({ ...idOf(item), ...(role === "developer" ? { role } : {}) }),
          ...extraOf(item, ["role", "content"]),
        });
      default:
        throw invalid(`${path}.role`, `\`${path}.role\` is ${toldWord(role)}; one of ${ROLES} is expected`);
    }
  }

  /** Hosted tools' items and items to come: whose turn they belong to is told by their role or their name. */
  #opaque(item: JsonObject, type: string): void {
    const part: Part = {
      type: "opaque",
      dialect: NAME,
      kind: type.slice(0, KIND_CHARACTERS_MAX),
      value: item,
      envelope: { item: true },
    };
    if (item["role"] === "developer" || item["role"] === "system") this.#add({ role: "system", parts: [part] });
    else if (/_(?:output|response)$/.test(type)) this.#add({ role: "user", parts: [part] });
    else this.#said.push(part);
  }

  #add(message: Message): void {
    this.#close();
    this.#messages.push(message);
  }

  #close(): void {
    if (this.#said.length > 0) this.#messages.push({ role: "assistant", parts: this.#said });
    this.#said = [];
  }
}

/** Two kinds of items may leave out what they are. */
function untypedAs(item: JsonObject): string | undefined {
  if (item["role"] !== undefined) return "message";
  return item["id"] === undefined ? undefined : "item_reference";
}

/** Whether an item only names one that its provider keeps. */
export function isReference(item: JsonObject): boolean {
  return (item["type"] ?? untypedAs(item)) === "item_reference";
}

const ROLES = '"user", "assistant", "system", "developer"';

/** The parts of a message of the assistant's. The first says that an item begins, and bears what is true of all of it. */
function readAnswer(item: JsonObject, path: string): Part[] {
  const [first, ...others] = readContent(item["content"], `${path}.content`);
  if (first === undefined) return [];
  const { extra } = extraOf(item, ["role", "content"]);
  return [
    {
      ...first,
      ...(extra === undefined ? {} : { extra: { ...first.extra, message: extra } }),
      envelope: { item: idOf(item) },
    },
    ...others,
  ];
}

function readCall(item: JsonObject, path: string): Part {
  const given = item["arguments"];
  if (given !== undefined && given !== null && typeof given !== "string" && !isObject(given)) {
    throw invalid(`${path}.arguments`, `\`${path}.arguments\` is ${told(given)}; JSON text is expected`);
  }
  return {
    type: "tool-call",
    id: callId(item, path),
    name: required(item, "name", path),
    arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}),
    ...enveloped(idOf(item)),
    ...extraOf(item, ["call_id", "name", "arguments"]),
  };
}

/** A custom tool's input is any text; where arguments are JSON, it is one member of them. */
function readCustomCall(item: JsonObject, path: string): Part {
  return {
    type: "tool-call",
    id: callId(item, path),
    name: required(item, "name", path),
    arguments: JSON.stringify({ input: required(item, "input", path) }),
    envelope: { ...idOf(item), type: "custom_tool_call" },
    ...extraOf(item, ["call_id", "name", "input"]),
  };
}

function readResult(item: JsonObject, type: string, path: string): Message {
  return {
    role: "tool",
    parts: [
      {
        type: "tool-result",
        callId: callId(item, path),
        content: readContent(item["output"] ?? "", `${path}.output`),
        ...enveloped({ ...idOf(item), ...(type === "function_call_output" ? {} : { type }) }),
        ...extraOf(item, ["call_id", "output"]),
      },
    ],
  };
}

function callId(item: JsonObject, path: string): string {
  const id = textOf(item["call_id"]) ?? textOf(item["id"]) ?? "";
  if (id !== "") return id;
  throw invalid(`${path}.call_id`, `\`${path}.call_id\` is missing; the id that a call and its output share is needed`);
}

/** The summary, or what was thought itself where a server shows it. Everything as it stood is kept for its own wire. */
function readReasoning(item: JsonObject): ReasoningPart {
  const text = thoughtIn(item);
  const seal = textOf(item["encrypted_content"]) ?? "";
  const id = textOf(item["id"]);
  const sealed = seal === "" ? {} : heldSeal(seal, text === "" ? "redacted" : "signature", NAME);
  return {
    type: "reasoning",
    text,
    ...sealed,
    ...(sealed.issuer === NAME && id !== undefined ? { sealId: id } : {}),
    // An id that was made here leads to nobody.
    ...enveloped(without(item, ["type", "encrypted_content", ...(isMadeThought(item) ? ["id"] : [])])),
  };
}

/** What a reasoning item shows of the thought. */
export function thoughtIn(item: JsonObject): string {
  const summary = textsIn(item["summary"]);
  return summary === "" ? textsIn(item["content"]) : summary;
}

function textsIn(parts: JsonValue | undefined): string {
  if (!isArray(parts)) return "";
  const texts = parts.map((part) => (isObject(part) ? (textOf(part["text"]) ?? "") : ""));
  return texts.filter((text) => text !== "").join(PARAGRAPH);
}

/** Between the parts of a summary, as clients show them. */
export const PARAGRAPH = "\n\n";

/** An id that was made here is nobody's to be told. */
function idOf(item: JsonObject): JsonObject {
  const id = textOf(item["id"]);
  const status = textOf(item["status"]);
  return { ...(id === undefined || isMadeId(id) ? {} : { id }), ...(status === undefined ? {} : { status }) };
}

function enveloped(envelope: JsonObject | undefined): { readonly envelope?: JsonObject } {
  return envelope === undefined || Object.keys(envelope).length === 0 ? {} : { envelope };
}

/** Members that only this dialect knows. */
function extraOf(item: JsonObject, read: readonly string[]): { readonly extra?: JsonObject } {
  const extra = without(item, ["type", "id", "status", ...read]);
  return extra === undefined ? {} : { extra };
}
