/**
 * Reads a request's messages.
 */
import type { CacheMark, JsonObject, JsonValue, Message, Part } from "../chat.ts";
import { OpenCalls } from "./open-calls.ts";
import { readReasoning, REASONING_TEXTS } from "./openai-chat.details.ts";
import { MARK_MEMBERS, readContent, readMark, required } from "./openai-chat.parts.ts";
import { isArray, isObject, madeId, NAME, saidId, textOf, without } from "./openai-chat.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

export function readMessages(value: JsonValue | undefined): Message[] {
  if (!isArray(value)) {
    throw invalid("messages", `\`messages\` is ${told(value)}; an array with at least one message is required`);
  }
  const reader = new MessageReader();
  return value.map((message, at) => reader.read(message, at));
}

interface OpenCall {
  readonly id: string;
  readonly name: string;
}

class MessageReader {
  /** Calls that have no result yet: results that do not say whose they are belong to the first that fits. */
  readonly #open = new OpenCalls<OpenCall>();

  read(value: JsonValue, at: number): Message {
    const path = `messages[${at}]`;
    if (!isObject(value))
      throw invalid(path, `\`${path}\` is ${told(value)}; an object with \`role\` and \`content\` is expected`);
    const role = value["role"];
    switch (role) {
      case "system":
      case "developer":
        return { role: "system", ...said(value, needed(value, path), []) };
      case "user":
        return { role: "user", ...said(value, needed(value, path), []) };
      case "assistant":
        return this.#assistant(value, path, at);
      case "tool":
      case "function":
        return this.#result(value, path);
      default:
        throw invalid(`${path}.role`, `\`${path}.role\` is ${toldWord(role)}; one of ${ROLES} is expected`);
    }
  }

  #assistant(message: JsonObject, path: string, at: number): Message {
    const refusal = textOf(message["refusal"]) ?? "";
    const calls = this.#calls(message, path, at);
    const parts: Part[] = [
      ...readReasoning(message),
      ...readContent(message["content"], `${path}.content`),
      ...(refusal === "" ? [] : [{ type: "refusal", text: refusal } as const]),
      ...calls,
    ];
    for (const call of calls) {
      if (call.type === "tool-call") this.#open.open(call, [`id ${call.id}`, `name ${call.name}`, "any"]);
    }
    return { role: "assistant", ...said(message, parts, ASSISTANT_MEMBERS) };
  }

  #calls(message: JsonObject, path: string, at: number): Part[] {
    const calls = message["tool_calls"] ?? [];
    if (!isArray(calls))
      throw invalid(`${path}.tool_calls`, `\`${path}.tool_calls\` is ${told(calls)}; an array is expected`);
    const read = calls.map((call, index) => readCall(call, `${path}.tool_calls[${index}]`, madeId(`${at}.${index}`)));
    const legacy = message["function_call"];
    return isObject(legacy)
      ? [...read, readFunction(legacy, `${path}.function_call`, madeId(`${at}.function`), undefined)]
      : read;
  }

  #result(message: JsonObject, path: string): Message {
    const name = textOf(message["name"]);
    const call = this.#close(saidId(message["tool_call_id"]), name);
    if (call === undefined) {
      throw invalid(
        `${path}.tool_call_id`,
        `\`${path}.tool_call_id\` is missing; name the call that this is the result of`,
      );
    }
    const mark = readMark(message);
    // The function's name is known from its call.
    const rest = without(message, [
      "role",
      "content",
      "tool_call_id",
      ...MARK_MEMBERS,
      ...(name === call.name ? ["name"] : []),
    ]);
    return {
      role: "tool",
      parts: [
        {
          type: "tool-result",
          callId: call.id,
          content: readContent(message["content"], `${path}.content`),
          ...(mark === undefined ? {} : { cache: mark }),
        },
      ],
      ...(rest === undefined ? {} : { extra: rest }),
    };
  }

  #close(id: string | undefined, name: string | undefined): OpenCall | undefined {
    if (id !== undefined) return this.#open.close([`id ${id}`]) ?? { id, name: "" };
    return this.#open.close([name === undefined ? "any" : `name ${name}`]);
  }
}

const ROLES = '"system", "developer", "user", "assistant", "tool"';
const ASSISTANT_MEMBERS: readonly string[] = [
  "refusal",
  "tool_calls",
  "function_call",
  "reasoning_details",
  ...REASONING_TEXTS,
];

/** The content of a role that must have one. */
function needed(message: JsonObject, path: string): Part[] {
  const content = message["content"];
  if (content !== undefined && content !== null) return readContent(content, `${path}.content`);
  throw invalid(
    `${path}.content`,
    `\`${path}.content\` is ${told(content)}; text or an array of content parts is expected`,
  );
}

/** @param read Members beside the content that the parts say already. */
function said(
  message: JsonObject,
  parts: readonly Part[],
  read: readonly string[],
): { readonly parts: readonly Part[]; readonly extra?: JsonObject } {
  const rest = without(message, ["role", "content", ...MARK_MEMBERS, ...read]);
  return { parts: marked(parts, readMark(message)), ...(rest === undefined ? {} : { extra: rest }) };
}

/** A mark on a message stands at its end. */
function marked(parts: readonly Part[], mark: CacheMark | undefined): readonly Part[] {
  const last = parts.at(-1);
  return mark === undefined || last === undefined || last.cache !== undefined
    ? parts
    : [...parts.slice(0, -1), { ...last, cache: mark }];
}

function readCall(call: JsonValue, path: string, made: string): Part {
  if (!isObject(call))
    throw invalid(path, `\`${path}\` is ${told(call)}; an object with \`id\` and \`function\` is expected`);
  const type = call["type"] ?? "function";
  const held = call["function"];
  if (type !== "function" && !isObject(held)) {
    return { type: "opaque", dialect: NAME, kind: `${textOf(type) ?? "unknown"}_tool_call`.slice(0, 64), value: call };
  }
  if (!isObject(held))
    throw invalid(`${path}.function`, `\`${path}.function\` is ${told(held)}; an object is expected`);
  return readFunction(
    held,
    `${path}.function`,
    saidId(call["id"]) ?? made,
    without(call, ["id", "type", "function", "index", ...MARK_MEMBERS]),
  );
}

function readFunction(held: JsonObject, path: string, id: string, extra: JsonObject | undefined): Part {
  const given = held["arguments"];
  if (given !== undefined && given !== null && typeof given !== "string" && !isObject(given)) {
    throw invalid(`${path}.arguments`, `\`${path}.arguments\` is ${told(given)}; JSON text is expected`);
  }
  return {
    type: "tool-call",
    id,
    name: required(held, "name", path),
    // Mistral's clients may send the object itself.
    arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}),
    ...(extra === undefined ? {} : { extra }),
  };
}
