/** Mistral's messages: their fields by role, the order of roles, and tool-call ids of nine letters and digits. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { brokenPictureIn } from "./chat.prompt.ts";
import { extras, missing, refused, unprocessable, type Violation } from "./mistral.fields.ts";
import { isObject, objects, type Refusal, stringOf } from "./wire.ts";

const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  system: new Set(["role", "content"]),
  user: new Set(["role", "content"]),
  assistant: new Set(["role", "content", "tool_calls", "prefix"]),
  tool: new Set(["role", "content", "tool_call_id", "name"]),
};
const CHUNKS = ["text", "image_url", "document_url", "reference", "file", "thinking", "input_audio"];
const CALL_FIELDS: ReadonlySet<string> = new Set(["id", "type", "function", "index"]);

/** @throws Refusal 422 for shapes, 400 for what the shapes say. */
export function checkMistralMessages(messages: JsonValue | undefined): void {
  if (!Array.isArray(messages)) {
    throw unprocessable([
      { type: "list_type", at: ["messages"], message: "Input should be a valid list", input: messages ?? null },
    ]);
  }
  const violations = (messages as readonly JsonValue[]).flatMap((message, index) => messageViolations(message, index));
  if (violations.length > 0) throw unprocessable(violations);
  const checked = objects(messages);
  if (checked.length === 0) throw order("Conversation must have at least one message");
  for (const message of checked) checkIds(message);
  checkOrder(checked);
  const broken = brokenPictureIn(checked);
  if (broken !== undefined) {
    throw refused(`Image, '${broken.slice(0, 32)}...', could not be loaded as a valid image.`, "invalid_file", "3310");
  }
}

function messageViolations(message: JsonValue, index: number): Violation[] {
  const at = ["messages", index];
  if (!isObject(message)) {
    return [{ type: "model_attributes_type", at, message: "Input should be a valid dictionary", input: message }];
  }
  const role = stringOf(message["role"]) ?? "";
  const fields = FIELDS[role];
  if (fields === undefined) {
    return [
      {
        type: "union_tag_invalid",
        at,
        message: `Input tag '${role}' found using 'role' does not match any of the expected tags: 'assistant', 'system', 'tool', 'user'`,
        input: message,
      },
    ];
  }
  const below = [...at, role];
  const content = message["content"];
  return [
    ...extras(message, fields, below),
    ...(content === undefined && role !== "assistant" ? [missing([...below, "content"], message)] : []),
    ...objects(content).flatMap((chunk, place): Violation[] => {
      const type = stringOf(chunk["type"]) ?? "text";
      if (CHUNKS.includes(type)) return [];
      const found = `Input tag '${type}' found using 'type' does not match any of the expected tags: ${CHUNKS.map((one) => `'${one}'`).join(", ")}`;
      return [{ type: "union_tag_invalid", at: [...below, "content", place], message: found, input: chunk }];
    }),
    ...objects(message["tool_calls"]).flatMap((call, place) =>
      extras(call, CALL_FIELDS, [...below, "tool_calls", place]),
    ),
  ];
}

const NINE = /^[a-zA-Z0-9]{9}$/;

function checkIds(message: JsonObject): void {
  const ids = objects(message["tool_calls"]).map((call) => stringOf(call["id"]) ?? "null");
  const answered = message["role"] === "tool" ? [stringOf(message["tool_call_id"]) ?? "null"] : [];
  const wrong = [...ids, ...answered].find((id) => !NINE.test(id));
  if (wrong === undefined) return;
  throw refused(
    `Tool call id was ${wrong} but must be a-z, A-Z, 0-9, with a length of 9.`,
    "invalid_function_call",
    "3280",
  );
}

function order(message: string): Refusal {
  return refused(message, "invalid_request_message_order", "3230");
}

/**
 * Which role may follow which; an assistant that calls is followed by its results. The user after a tool is documented as refused and
 * served all the same (recorded in 2026).
 */
const FOLLOWS: Readonly<Record<string, readonly string[]>> = {
  "": ["system", "user", "assistant"],
  system: ["system", "user", "assistant"],
  user: ["system", "user", "assistant"],
  assistant: ["system", "user", "assistant"],
  tool: ["user", "assistant", "tool"],
};

function checkOrder(messages: readonly JsonObject[]): void {
  let previous = "";
  let open: string[] = [];
  for (const message of messages) {
    const role = String(message["role"]);
    if (role !== "tool" && open.length > 0) throw order("Not the same number of function calls and responses");
    const answersCall = role === "tool" && open.length > 0;
    if (!answersCall && FOLLOWS[previous]?.includes(role) !== true) {
      throw order(`Unexpected role '${role}' after role '${previous}'`);
    }
    if (role === "tool") {
      const id = String(message["tool_call_id"]);
      if (!open.includes(id)) throw order(`Unexpected tool call id ${id} in tool results`);
      open = open.filter((one) => one !== id);
    }
    if (role === "assistant") open = callsOf(message);
    previous = role;
  }
  if (open.length > 0) throw order("Not the same number of function calls and responses");
  const last = messages.at(-1);
  if (previous === "user" || previous === "tool" || (previous === "assistant" && last?.["prefix"] === true)) return;
  throw order(`Expected last role User or Tool (or Assistant with prefix True) for serving but got ${previous}`);
}

function callsOf(message: JsonObject): string[] {
  const calls = objects(message["tool_calls"]);
  const content = message["content"];
  const saysNothing =
    content === undefined || content === null || content === "" || (Array.isArray(content) && content.length === 0);
  if (calls.length === 0 && saysNothing) {
    throw refused(
      "Assistant message must have either content or tool_calls, but not none.",
      "invalid_request_assistant_message",
      "3240",
    );
  }
  return calls.map((call) => String(call["id"]));
}
