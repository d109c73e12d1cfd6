/** What OpenAI's Responses API refuses in its input: the shapes of items and of their parts. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { checkBreakpoint, checkPictureUrl } from "./openai.messages.ts";
import { invalidType, invalidValue, listed, refuse } from "./openai.parameters.ts";
import { missing } from "./openai.responses.parameters.ts";
import { isObject, stringOf } from "./wire.ts";

const ROLES = ["assistant", "system", "developer", "user"];
const MESSAGE_FIELDS: ReadonlySet<string> = new Set(["type", "role", "content", "id", "status", "phase"]);
const PHASES = ["commentary", "final_answer"];

/** Types an item may have, with what it must hold besides. */
const ITEMS: Readonly<Record<string, readonly string[]>> = {
  message: ["role", "content"],
  function_call: ["call_id", "name", "arguments"],
  function_call_output: ["call_id", "output"],
  custom_tool_call: ["call_id", "name", "input"],
  custom_tool_call_output: ["call_id", "output"],
  reasoning: ["summary"],
  item_reference: ["id"],
  web_search_call: [],
  file_search_call: [],
  computer_call: ["call_id"],
  computer_call_output: ["call_id", "output"],
  code_interpreter_call: [],
  image_generation_call: [],
  local_shell_call: ["call_id"],
  local_shell_call_output: ["output"],
  shell_call: ["call_id"],
  shell_call_output: ["call_id", "output"],
  apply_patch_call: ["call_id"],
  apply_patch_call_output: ["call_id", "status"],
  mcp_list_tools: [],
  mcp_approval_request: [],
  mcp_approval_response: ["approval_request_id"],
  mcp_call: [],
  tool_search_call: [],
  tool_search_output: [],
  additional_tools: ["tools"],
  compaction: ["encrypted_content"],
  program: ["code"],
  program_output: ["call_id"],
};
/** Held as a string, whatever a client thinks. */
const STRINGS: ReadonlySet<string> = new Set(["call_id", "name", "arguments", "input", "id", "encrypted_content"]);

/** An item's type; a message need not say it. */
export function typeOfItem(item: JsonObject): string {
  return stringOf(item["type"]) ?? "message";
}

/** @throws Refusal for the first that is none. */
export function checkItems(input: JsonValue | undefined, record: ModelRecord): void {
  if (!Array.isArray(input)) return;
  for (const [index, item] of (input as readonly JsonValue[]).entries()) {
    const path = `input[${index}]`;
    if (!isObject(item)) throw invalidType(path, "an input item", item);
    const { type } = item;
    const known = type === undefined || type === null ? undefined : ITEMS[String(type)];
    if (type !== undefined && type !== null && (typeof type !== "string" || known === undefined)) {
      throw invalidValue(path, typeof type === "string" ? type : "", Object.keys(ITEMS));
    }
    if (typeOfItem(item) === "message") checkMessage(item, path, record);
    else checkItem(item, known ?? [], path, record);
  }
}

function checkItem(item: JsonObject, required: readonly string[], path: string, record: ModelRecord): void {
  for (const field of required) {
    const value = item[field];
    if (value === undefined) throw missing(`${path}.${field}`);
    if (STRINGS.has(field) && typeof value !== "string") throw invalidType(`${path}.${field}`, "a string", value);
  }
  const { output } = item;
  if (Array.isArray(output) && typeOfItem(item).endsWith("call_output"))
    checkParts(output as readonly JsonValue[], "user", `${path}.output`, record);
}

function checkMessage(item: JsonObject, path: string, record: ModelRecord): void {
  const { role } = item;
  if (typeof role !== "string" || !ROLES.includes(role)) {
    throw invalidValue(path, typeof role === "string" ? role : "", ROLES);
  }
  const isPhased = role === "assistant";
  const unknown = Object.keys(item).find((key) => !MESSAGE_FIELDS.has(key) || (key === "phase" && !isPhased));
  if (unknown !== undefined) throw refuse(`Unknown parameter: '${path}.${unknown}'.`, `${path}.${unknown}`, UNKNOWN);
  const phase = item["phase"] ?? undefined;
  if (phase !== undefined && !PHASES.includes(String(phase))) throw invalidValue(`${path}.phase`, phase, PHASES);
  const { content } = item;
  if (content === undefined) throw missing(`${path}.content`);
  if (typeof content === "string") return;
  if (!Array.isArray(content))
    throw invalidType(`${path}.content`, "one of an array of objects or string", content ?? {});
  checkParts(content as readonly JsonValue[], role, `${path}.content`, record);
}

const UNKNOWN = "unknown_parameter";
/** Parts there are, and of these what a message of its role may hold. */
const PARTS = [
  "input_text",
  "input_image",
  "output_text",
  "refusal",
  "input_file",
  "computer_screenshot",
  "summary_text",
];
const SAID = ["output_text", "refusal"];
const TOLD = ["input_text", "input_image", "input_file", "computer_screenshot", "summary_text"];
const PART_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input_text: ["text", "prompt_cache_breakpoint"],
  input_image: ["image_url", "file_id", "detail", "prompt_cache_breakpoint"],
  input_file: ["file_data", "file_id", "file_url", "filename", "detail", "prompt_cache_breakpoint"],
  output_text: ["text", "annotations", "logprobs"],
  refusal: ["refusal"],
};

function checkParts(parts: readonly JsonValue[], role: string, path: string, record: ModelRecord): void {
  for (const [index, part] of parts.entries()) {
    const at = `${path}[${index}]`;
    if (!isObject(part)) throw invalidType(at, "an object", part);
    const { type } = part;
    if (typeof type !== "string" || !PARTS.includes(type)) throw invalidValue(`${at}.type`, type ?? "", PARTS);
    const allowed = role === "assistant" ? SAID : TOLD;
    if (!allowed.includes(type)) throw invalidValue(at, type, allowed);
    const fields = PART_FIELDS[type];
    const unknown = Object.keys(part).find((key) => key !== "type" && fields !== undefined && !fields.includes(key));
    if (unknown !== undefined) throw refuse(`Unknown parameter: '${at}.${unknown}'.`, `${at}.${unknown}`, UNKNOWN);
    checkPart(part, type, at);
    checkBreakpoint(part["prompt_cache_breakpoint"], role, `${at}.prompt_cache_breakpoint`, record);
  }
}

function checkPart(part: JsonObject, type: string, at: string): void {
  const said = type === "refusal" ? "refusal" : type.endsWith("_text") ? "text" : undefined;
  if (said !== undefined) {
    const value = part[said];
    if (value === undefined) throw missing(`${at}.${said}`);
    if (typeof value !== "string") throw invalidType(`${at}.${said}`, "a string", value);
  }
  if (type === "input_image") {
    const url = part["image_url"] ?? undefined;
    if (url === undefined && part["file_id"] === undefined) throw missing(`${at}.image_url`);
    if (url !== undefined && typeof url !== "string") throw invalidType(`${at}.image_url`, "an image URL", url);
    if (url !== undefined) checkPictureUrl(url, `${at}.image_url`);
    const detail = part["detail"] ?? "auto";
    if (!DETAILS.includes(String(detail))) throw invalidValue(`${at}.detail`, detail, DETAILS);
  }
  if (type === "input_file") checkFile(part, at);
}

const DETAILS = ["low", "high", "auto", "original"];
const DATA_URL = /^data:([^;,]*);base64,/;

function checkFile(part: JsonObject, at: string): void {
  const given = ["file_data", "file_id", "file_url"].filter((field) => typeof part[field] === "string");
  if (given.length === 0) {
    throw refuse(`Missing required parameter: one of ${listed(["file_id", "file_data", "file_url"])}.`, at);
  }
  const data = stringOf(part["file_data"]);
  if (data === undefined) return;
  const media = DATA_URL.exec(data)?.[1] ?? "";
  if (media !== "" && !/^(?:audio|video|image)\//.test(media)) return;
  const but = media === "" ? "a value without one" : `unsupported MIME type '${media}'`;
  throw refuse(
    `Invalid file data: '${at}.file_data'. Expected a base64-encoded data URL with a valid file MIME type (e.g. 'data:text/plain;base64,SGVsbG8sIFdvcmxkIQ=='), but got ${but}. Please see https://platform.openai.com/docs/assistants/tools/file-search#supported-files for supported file types.`,
    `${at}.file_data`,
    "invalid_value",
  );
}
