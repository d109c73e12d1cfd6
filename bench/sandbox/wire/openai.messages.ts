/** What OpenAI's Chat Completions refuses in the messages: shapes, pictures, and tool messages that answer no call. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { pictureOf } from "../image.ts";
import { dataUrlOf } from "./chat.prompt.ts";
import { invalidValue, kindOf, listed, refuse, unsupported } from "./openai.parameters.ts";
import { isObject, objects, type Refusal, stringOf } from "./wire.ts";

const ROLES = ["system", "assistant", "user", "function", "tool", "developer"];
const MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  "role",
  "content",
  "name",
  "refusal",
  "audio",
  "function_call",
  "tool_calls",
  "tool_call_id",
  // Of an answer that is sent back as it came.
  "annotations",
]);
/** Which parts a role may hold. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ["text"],
  developer: ["text"],
  user: ["text", "image_url", "input_audio", "file"],
  assistant: ["text", "refusal"],
  tool: ["text"],
};
const MARKABLE: ReadonlySet<string> = new Set(["text", "image_url", "input_audio", "file"]);

export function checkMessages(messages: JsonValue | undefined, record: ModelRecord): void {
  if (messages === undefined || messages === null) throw missing("messages");
  if (!Array.isArray(messages)) {
    throw refuse(
      `Invalid type for 'messages': expected an array of objects, but got ${kindOf(messages)} instead.`,
      "messages",
      "invalid_type",
    );
  }
  if (messages.length === 0) {
    throw refuse(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "messages",
      "empty_array",
    );
  }
  for (const [index, message] of (messages as readonly JsonValue[]).entries()) {
    const path = `messages[${index}]`;
    if (!isObject(message)) {
      throw refuse(
        `Invalid type for '${path}': expected an object, but got ${kindOf(message)} instead.`,
        path,
        "invalid_type",
      );
    }
    checkMessage(message, path, record);
  }
  checkToolTraffic(objects(messages));
}

function missing(param: string): Refusal {
  return refuse(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
}

function checkMessage(message: JsonObject, path: string, record: ModelRecord): void {
  const role = stringOf(message["role"]);
  if (role === undefined) throw missing(`${path}.role`);
  if (!ROLES.includes(role)) throw invalidValue(`${path}.role`, role, ROLES);
  const unknown = Object.keys(message).find((key) => !MESSAGE_FIELDS.has(key));
  if (unknown !== undefined) {
    throw refuse(`Unknown parameter: '${path}.${unknown}'.`, `${path}.${unknown}`, "unknown_parameter");
  }
  const content = message["content"];
  const calls = message["tool_calls"] ?? undefined;
  if (role === "assistant") {
    if (calls !== undefined) checkCalls(calls, `${path}.tool_calls`);
    const saysNothing = content === undefined || content === null;
    if (
      saysNothing &&
      calls === undefined &&
      [message["refusal"], message["audio"], message["function_call"]].every((one) => one === undefined || one === null)
    ) {
      throw refuse("Invalid value for 'content': expected a string, got null.", `${path}.content`);
    }
    if (saysNothing) return;
  } else if (calls !== undefined) {
    throw refuse(`Unknown parameter: '${path}.tool_calls'.`, `${path}.tool_calls`, "unknown_parameter");
  }
  if (role === "tool" && stringOf(message["tool_call_id"]) === undefined) throw missing(`${path}.tool_call_id`);
  checkContent(content, role, `${path}.content`, record);
}

function checkContent(content: JsonValue | undefined, role: string, path: string, record: ModelRecord): void {
  if (content === undefined) throw missing(path);
  if (typeof content === "string") return;
  if (content === null) throw refuse("Invalid value for 'content': expected a string, got null.", path);
  if (!Array.isArray(content)) {
    throw refuse(
      `Invalid type for '${path}': expected one of a string or array of objects, but got ${kindOf(content)} instead.`,
      path,
      "invalid_type",
    );
  }
  if (content.length === 0) {
    throw refuse(
      `Invalid '${path}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
      path,
      "empty_array",
    );
  }
  for (const [index, part] of (content as readonly JsonValue[]).entries()) {
    if (!isObject(part)) {
      throw refuse(
        `Invalid type for '${path}[${index}]': expected an object, but got ${kindOf(part)} instead.`,
        `${path}[${index}]`,
        "invalid_type",
      );
    }
    checkPart(part, role, `${path}[${index}]`, record);
  }
}

function checkPart(part: JsonObject, role: string, path: string, record: ModelRecord): void {
  const type = stringOf(part["type"]);
  if (type === undefined) throw missing(`${path}.type`);
  const allowed = PARTS[role] ?? ["text"];
  if (!allowed.includes(type)) {
    throw refuse(
      `Invalid value: '${type}'. Supported values are: ${listed(allowed)}.`,
      `${path}.type`,
      "invalid_value",
    );
  }
  const known = ["type", type, ...(MARKABLE.has(type) ? ["prompt_cache_breakpoint"] : [])];
  const unknown = Object.keys(part).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw refuse(`Unknown parameter: '${path}.${unknown}'.`, `${path}.${unknown}`, "unknown_parameter");
  }
  if (part[type] === undefined) throw missing(`${path}.${type}`);
  if (type === "text" && typeof part["text"] !== "string") {
    throw refuse(
      `Invalid type for '${path}.text': expected a string, but got ${kindOf(part["text"] ?? null)} instead.`,
      `${path}.text`,
      "invalid_type",
    );
  }
  if (type === "image_url") checkImage(part["image_url"], `${path}.image_url`);
  checkBreakpoint(part["prompt_cache_breakpoint"], role, `${path}.prompt_cache_breakpoint`, record);
}

function checkImage(given: JsonValue | undefined, path: string): void {
  const url = isObject(given) ? stringOf(given["url"]) : undefined;
  if (!isObject(given)) {
    throw refuse(
      `Invalid type for '${path}': expected an object, but got ${kindOf(given ?? null)} instead.`,
      path,
      "invalid_type",
    );
  }
  if (url === undefined) throw missing(`${path}.url`);
  const detail = given["detail"] ?? "auto";
  if (!["auto", "low", "high", "original"].includes(String(detail))) {
    throw invalidValue(`${path}.detail`, detail, ["auto", "low", "high"]);
  }
  checkPictureUrl(url, `${path}.url`);
}

/** @throws Refusal when there is no picture to be had there. */
export function checkPictureUrl(url: string, path: string): void {
  const data = dataUrlOf(url);
  if (data === undefined) {
    const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (!isHttp) {
      throw refuse(
        `Invalid '${path}'. Expected a valid URL, but got a value with an invalid format.`,
        path,
        "invalid_value",
      );
    }
    // Nothing is fetched here; a name that cannot exist is one that could not be fetched.
    if (new URL(url).hostname.endsWith(".invalid")) {
      throw refuse(`Error while downloading ${url}.`, undefined, "invalid_image_url");
    }
    return;
  }
  if (data.bytes === undefined) throw refuse("Invalid base64 image_url.", path, "invalid_base64_image");
  if (pictureOf(data.bytes) === undefined) {
    throw refuse(
      "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
      undefined,
      "invalid_image_format",
    );
  }
}

export function checkBreakpoint(given: JsonValue | undefined, role: string, path: string, record: ModelRecord): void {
  if (given === undefined || given === null) return;
  if (record.cache.kind !== "marks") throw unsupported(path);
  if (role === "assistant") throw refuse(`Unknown parameter: '${path}'.`, path, "unknown_parameter");
  if (!isObject(given) || given["mode"] !== "explicit") {
    throw invalidValue(`${path}.mode`, isObject(given) ? (given["mode"] ?? null) : given, ["explicit"]);
  }
  const ttl = given["ttl"] ?? "30m";
  if (ttl !== "30m" && ttl !== "12h") throw invalidValue(`${path}.ttl`, ttl, ["30m", "12h"]);
}

function checkCalls(calls: JsonValue, path: string): void {
  if (!Array.isArray(calls) || calls.length === 0) {
    throw refuse(
      `Invalid '${path}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
      path,
      "empty_array",
    );
  }
  for (const [index, call] of objects(calls).entries()) {
    const at = `${path}[${index}]`;
    if (stringOf(call["id"]) === undefined) throw missing(`${at}.id`);
    const type = stringOf(call["type"]);
    if (type === undefined) throw missing(`${at}.type`);
    if (type !== "function" && type !== "custom") throw invalidValue(`${at}.type`, type, ["function", "custom"]);
    const called = isObject(call[type]) ? call[type] : undefined;
    if (called === undefined) throw missing(`${at}.${type}`);
    if (stringOf(called["name"]) === undefined) throw missing(`${at}.${type}.name`);
    if (type === "function" && typeof called["arguments"] !== "string") {
      throw called["arguments"] === undefined
        ? missing(`${at}.function.arguments`)
        : refuse(
            `Invalid type for '${at}.function.arguments': expected a string, but got ${kindOf(called["arguments"])} instead.`,
            `${at}.function.arguments`,
            "invalid_type",
          );
    }
  }
}

/** Every call is answered, by tool messages that follow it at once; every tool message answers a call. */
function checkToolTraffic(messages: readonly JsonObject[]): void {
  let open: { readonly index: number; readonly ids: Set<string> } | undefined;
  const close = () => {
    if (open === undefined || open.ids.size === 0) return;
    throw refuse(
      `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open.ids].join(", ")}`,
      `messages.[${open.index + 1}].role`,
    );
  };
  for (const [index, message] of messages.entries()) {
    if (message["role"] !== "tool") {
      close();
      const ids = objects(message["tool_calls"]).map((call) => String(call["id"]));
      open = ids.length === 0 ? undefined : { index, ids: new Set(ids) };
      continue;
    }
    if (open === undefined) {
      throw refuse(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        `messages.[${index}].role`,
      );
    }
    const id = String(message["tool_call_id"]);
    if (!open.ids.delete(id)) {
      throw refuse(
        `Invalid parameter: 'tool_call_id' of '${id}' not found in 'tool_calls' of previous message.`,
        `messages.[${index}].tool_call_id`,
      );
    }
  }
  close();
}
