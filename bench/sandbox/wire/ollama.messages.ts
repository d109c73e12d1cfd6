/** What Ollama cannot read of a conversation: it is strict about types and about nothing else. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { base64Bytes } from "../image.ts";
import { goType } from "./ollama.options.ts";
import { isObject, objects, Refusal } from "./wire.ts";

/** @throws Refusal for the first member of another type. */
export function checkTypes(body: JsonObject, request: "ChatRequest" | "GenerateRequest" | "EmbedRequest"): void {
  const wanted: readonly (readonly [field: string, is: (value: JsonValue) => boolean, type: string])[] = [
    ["model", (value) => typeof value === "string", "string"],
    ["stream", (value) => typeof value === "boolean", "bool"],
    ["options", isObject, "map[string]interface {}"],
    ["prompt", (value) => typeof value === "string", "string"],
    ["system", (value) => typeof value === "string", "string"],
    ["suffix", (value) => typeof value === "string", "string"],
    ["raw", (value) => typeof value === "boolean", "bool"],
    ["truncate", (value) => typeof value === "boolean", "bool"],
    ["shift", (value) => typeof value === "boolean", "bool"],
    ["images", Array.isArray, "[]api.ImageData"],
    ["messages", Array.isArray, "[]api.Message"],
    ["tools", Array.isArray, "api.Tools"],
    ["dimensions", (value) => typeof value === "number", "int"],
  ];
  for (const [field, is, type] of wanted) mustBe(body[field], is, `${request}.${field}`, type);
  checkImages(body["images"]);
  for (const message of objects(body["messages"])) checkMessage(message);
}

function checkMessage(message: JsonObject): void {
  const text = (value: JsonValue) => typeof value === "string";
  for (const field of ["role", "content", "thinking", "tool_name", "tool_call_id"])
    mustBe(message[field], text, `ChatRequest.messages.${field}`, "string");
  mustBe(message["images"], Array.isArray, "ChatRequest.messages.images", "[]api.ImageData");
  checkImages(message["images"]);
  mustBe(message["tool_calls"], Array.isArray, "ChatRequest.messages.tool_calls", "[]api.ToolCall");
  for (const call of objects(message["tool_calls"])) {
    const called = isObject(call["function"]) ? call["function"] : {};
    mustBe(
      called["arguments"],
      isObject,
      "ChatRequest.messages.tool_calls.function.arguments",
      "api.ToolCallFunctionArguments",
    );
  }
}

function mustBe(value: JsonValue | undefined, is: (value: JsonValue) => boolean, field: string, type: string): void {
  if (value === undefined || value === null || is(value)) return;
  throw new Refusal(400, `json: cannot unmarshal ${goType(value)} into Go struct field ${field} of type ${type}`);
}

function checkImages(images: JsonValue | undefined): void {
  for (const image of Array.isArray(images) ? (images as readonly JsonValue[]) : []) {
    if (typeof image === "string" && base64Bytes(image) !== undefined) continue;
    const at = typeof image === "string" ? Math.max(0, image.search(/[^A-Za-z0-9+/=]/)) : 0;
    throw new Refusal(400, `illegal base64 data at input byte ${at}`);
  }
}
