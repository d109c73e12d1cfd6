/**
 * Reads a request's messages.
 */
import { OpenCalls } from "./open-calls.ts";
import type { JsonObject, JsonValue, Message, Part, ToolCallPart } from "../chat.ts";
import { readContent } from "./mistral-chat.parts.ts";
import { required } from "./openai-chat.parts.ts";
import { isArray, isObject, madeId, saidId, textOf, without } from "./openai-chat.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

export function readMessages(value: JsonValue | undefined): Message[] {
  if (!isArray(value)) {
    throw invalid("messages", `\`messages\` is ${told(value)}; an array with at least one message is required`);
  }
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
    switch (role) {
      case "system":
      // Not a role of this API, but of clients that were made for another.
      case "developer":
        return { role: "system", ...said(value, path, []) };
      case "user":
        return { role: "user", ...said(value, path, []) };
      case "assistant":
        return this.#assistant(value, path, at);
      case "tool":
        return this.#result(value, path);
      default:
        throw invalid(`${path}.role`, `\`${path}.role\` is ${toldWord(role)}; one of ${ROLES} is expected`);
    }
  }

  #assistant(message: JsonObject, path: string, at: number): Message {
    const calls = message["tool_calls"] ?? [];
    if (!isArray(calls))
      throw invalid(`${path}.tool_calls`, `\`${path}.tool_calls\` is ${told(calls)}; an array is expected`);
    const read = calls.map((call, index) => readCall(call, `${path}.tool_calls[${index}]`, madeId(`${at}.${index}`)));
    for (const call of read) this.#open.open(call, [`id ${call.id}`, `name ${call.name}`, "any"]);
    const { parts, ...rest } = said(message, path, ["tool_calls", "prefix"]);
    return {
      role: "assistant",
      parts: [...parts, ...read],
      ...rest,
      // Where it stands says it: an answer that ends the conversation is to be continued.
      ...(message["prefix"] === true ? { envelope: { prefix: true } } : {}),
    };
  }

  #result(message: JsonObject, path: string): Message {
    const name = textOf(message["name"]);
    const id = saidId(message["tool_call_id"]);
    const key = id === undefined ? (name === undefined ? "any" : `name ${name}`) : `id ${id}`;
    const call = this.#open.close([key]);
    const callId = id ?? call?.id;
    if (callId === undefined) {
      throw invalid(
        `${path}.tool_call_id`,
        `\`${path}.tool_call_id\` is missing; name the call that this is the result of`,
      );
    }
    // A function's name is known from its call, too.
    const isKnown = name !== undefined && name === call?.name;
    const { parts, extra } = said(message, path, ["tool_call_id", ...(isKnown ? ["name"] : [])]);
    return {
      role: "tool",
      parts: [{ type: "tool-result", callId, content: parts }],
      ...(extra === undefined ? {} : { extra }),
      ...(isKnown ? { envelope: { name } } : {}),
    };
  }
}

const ROLES = '"system", "user", "assistant", "tool"';

/** @param read Members beside the content that are read elsewhere. */
function said(
  message: JsonObject,
  path: string,
  read: readonly string[],
): { readonly parts: readonly Part[]; readonly extra?: JsonObject } {
  const rest = without(message, ["role", "content", ...read]);
  return {
    parts: readContent(message["content"], `${path}.content`),
    ...(rest === undefined ? {} : { extra: rest }),
  };
}

function readCall(call: JsonValue, path: string, made: string): ToolCallPart {
  if (!isObject(call))
    throw invalid(path, `\`${path}\` is ${told(call)}; an object with \`id\` and \`function\` is expected`);
  const held = call["function"];
  if (!isObject(held))
    throw invalid(`${path}.function`, `\`${path}.function\` is ${told(held)}; an object is expected`);
  const given = held["arguments"];
  if (given !== undefined && given !== null && typeof given !== "string" && !isObject(given)) {
    throw invalid(
      `${path}.function.arguments`,
      `\`${path}.function.arguments\` is ${told(given)}; JSON text or an object is expected`,
    );
  }
  const rest = without(call, ["id", "type", "function", "index"]);
  return {
    type: "tool-call",
    id: saidId(call["id"]) ?? made,
    name: required(held, "name", `${path}.function`),
    arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}),
    ...(rest === undefined ? {} : { extra: rest }),
  };
}
