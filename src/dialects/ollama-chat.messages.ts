/**
 * Reads a request's messages.
 */
import { OpenCalls } from "./open-calls.ts";
import type { JsonObject, JsonValue, Message, Part, ToolCallPart } from "../chat.ts";
import { readMedia } from "./ollama-chat.media.ts";

import { isArray, isObject, madeId, NAME, textOf, without } from "./ollama-chat.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

/** No messages at all is a request to load the model. */
export function readMessages(value: JsonValue | undefined): Message[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("messages", `\`messages\` is ${told(value)}; an array of messages is expected`);
  const reader = new MessageReader();
  return value.map((message, at) => reader.read(message, at));
}

class MessageReader {
  /** Calls that have no result yet: results that do not say whose they are belong to the first that fits. */
  readonly #open = new OpenCalls<ToolCallPart>();

  read(value: JsonValue, at: number): Message {
    const path = `messages[${at}]`;
    if (!isObject(value))
      throw invalid(path, `\`${path}\` is ${told(value)}; an object with \`role\` and \`content\` is expected`);
    const role = value["role"];
    if (typeof role !== "string")
      throw invalid(`${path}.role`, `\`${path}.role\` is ${toldWord(role)}; text such as "user" is expected`);
    switch (role.toLowerCase()) {
      case "system":
      case "developer":
        return { role: "system", parts: contentOf(value, path), ...extraOf(value, SAID_MEMBERS) };
      case "user":
        return { role: "user", parts: contentOf(value, path), ...extraOf(value, SAID_MEMBERS) };
      case "assistant":
        return this.#assistant(value, path, at);
      case "tool":
        return this.#result(value, path, at);
      default:
        // A model's template may have roles of its own ("control", "document"): only a server of this API knows them.
        return { role: "user", parts: [{ type: "opaque", dialect: NAME, kind: MESSAGE_KIND, value }] };
    }
  }

  #assistant(message: JsonObject, path: string, at: number): Message {
    const thinking = optionalText(message, "thinking", path);
    const calls = readCalls(message["tool_calls"], `${path}.tool_calls`, at);
    const parts: Part[] = [
      ...(thinking === "" ? [] : [{ type: "reasoning", text: thinking } as const]),
      ...contentOf(message, path),
      ...calls,
    ];
    for (const [index, call] of calls.entries()) {
      // The client named none, or forgot it, as some SDKs' types do.
      const hasMadeId = call.id === madeId(`${at}.${index}`);
      const made = hasMadeId ? [`made ${call.name}`, "made"] : [];
      this.#open.open(call, [`id ${call.id}`, `name ${call.name}`, "any", ...made]);
    }
    return { role: "assistant", parts, ...extraOf(message, [...SAID_MEMBERS, "thinking", "tool_calls"]) };
  }

  #result(message: JsonObject, path: string, at: number): Message {
    const id = optionalText(message, "tool_call_id", path);
    const name = optionalText(message, "tool_name", path);
    const call = this.#close(id, name);
    // The tool's name is known from its call, unless it is another one.
    const known = name === "" || name === call?.name ? ["tool_name"] : [];
    const callId = call?.id ?? (id === "" ? madeId(`${at}.result`) : id);
    return {
      role: "tool",
      parts: [{ type: "tool-result", callId, content: contentOf(message, path) }],
      ...extraOf(message, [...SAID_MEMBERS, "tool_call_id", ...known]),
    };
  }

  #close(id: string, name: string): ToolCallPart | undefined {
    if (id === "") return this.#open.close([name === "" ? "any" : `name ${name}`]);
    return this.#open.close([`id ${id}`, name === "" ? "made" : `made ${name}`]);
  }
}

/** The kind under which a message of a role that only this API's servers know is read. */
export const MESSAGE_KIND = "message";
const SAID_MEMBERS: readonly string[] = ["role", "content", "images"];

/** Pictures stand before the text, as the server puts them. */
function contentOf(message: JsonObject, path: string): Part[] {
  const text = optionalText(message, "content", path);
  return [
    ...readImages(message["images"], `${path}.images`),
    ...(text === "" ? [] : [{ type: "text", text } as const]),
  ];
}

export function readImages(value: JsonValue | undefined, path: string): Part[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid(path, `\`${path}\` is ${told(value)}; an array of base64 text is expected`);
  return value.map((image, at) => {
    if (typeof image === "string") return readMedia(image);
    throw invalid(`${path}[${at}]`, `\`${path}[${at}]\` is ${told(image)}; base64 text is expected`);
  });
}

function readCalls(value: JsonValue | undefined, path: string, at: number): ToolCallPart[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid(path, `\`${path}\` is ${told(value)}; an array is expected`);
  return value.map((call, index) => readCall(call, `${path}[${index}]`, madeId(`${at}.${index}`)));
}

function readCall(call: JsonValue, path: string, made: string): ToolCallPart {
  const held = isObject(call) ? call["function"] : undefined;
  if (!isObject(call) || !isObject(held))
    throw invalid(path, `\`${path}\` is ${told(call)}; an object with \`function\` is expected`);
  const name = textOf(held["name"]) ?? "";
  if (name === "") throw invalid(`${path}.function.name`, `\`${path}.function.name\` is missing; name the tool`);
  const given = held["arguments"];
  if (given !== undefined && given !== null && typeof given !== "string" && !isObject(given)) {
    throw invalid(
      `${path}.function.arguments`,
      `\`${path}.function.arguments\` is ${told(given)}; an object is expected`,
    );
  }
  const id = textOf(call["id"]) ?? "";
  return {
    type: "tool-call",
    id: id === "" ? made : id,
    name,
    // The server refuses text; clients that know other APIs send it all the same.
    arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}),
    ...extraOf(call, ["id", "type", "function"]),
  };
}

function optionalText(message: JsonObject, key: string, path: string): string {
  const value = message[key] ?? "";
  if (typeof value === "string") return value;
  throw invalid(`${path}.${key}`, `\`${path}.${key}\` is ${told(value)}; text is expected`);
}

function extraOf(holder: JsonObject, read: readonly string[]): { readonly extra?: JsonObject } {
  const rest = without(holder, read);
  return rest === undefined ? {} : { extra: rest };
}
