/** Claude's tools, and the choice among them: what a request may say of them. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import type { Ask } from "../answer.ts";
import { invalid, type Thinking } from "./anthropic.thinking.ts";
import { isObject, objects, stringOf } from "./wire.ts";

const TOOL_FIELDS: ReadonlySet<string> = new Set([
  "type",
  "name",
  "description",
  "input_schema",
  "strict",
  "cache_control",
  "defer_loading",
  "input_examples",
  "eager_input_streaming",
  "allowed_callers",
]);

const OWN_TYPE = /^(?:[a-z0-9_]+_\d{8}|mcp_toolset)$/;

export function readTools(value: JsonValue | undefined): JsonObject[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid("tools: Input should be a valid list");
  const tools = objects(value);
  const names = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const type = stringOf(tool["type"]) ?? "custom";
    if (type !== "custom") {
      // Tools of its own are named with their date; their shapes are not looked into.
      if (OWN_TYPE.test(type)) continue;
      throw invalid(
        `tools.${index}: Input tag '${type}' found using 'type' does not match any of the expected tags: 'custom', 'bash_20250124', 'text_editor_20250728', 'web_search_20250305', 'mcp_toolset', …`,
      );
    }
    const name = stringOf(tool["name"]);
    if (name === undefined) throw invalid(`tools.${index}.custom.name: Field required`);
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name))
      throw invalid(`tools.${index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    if (names.has(name)) throw invalid("tools: Tool names must be unique.");
    names.add(name);
    const schema = tool["input_schema"];
    if (schema === undefined) throw invalid(`tools.${index}.custom.input_schema: Field required`);
    if (!isObject(schema))
      throw invalid(`tools.${index}.custom.input_schema: Input does not match the expected shape.`);
    if (schema["type"] !== "object") throw invalid(`tools.${index}.custom.input_schema.type: Input should be 'object'`);
    const unknown = Object.keys(tool).find((field) => !TOOL_FIELDS.has(field));
    if (unknown !== undefined) throw invalid(`tools.${index}.custom.${unknown}: Extra inputs are not permitted`);
  }
  return tools;
}

export function toolChoiceOf(
  value: JsonValue | undefined,
  tools: readonly JsonObject[],
  record: ModelRecord,
  thinking: Thinking,
): { readonly choice: Ask["toolChoice"]; readonly parallel: boolean } {
  if (!isObject(value)) return { choice: { kind: "auto" }, parallel: true };
  const parallel = value["disable_parallel_tool_use"] !== true;
  const type = String(value["type"]);
  if (type === "auto") return { choice: { kind: "auto" }, parallel };
  if (type === "none") return { choice: { kind: "none" }, parallel };
  if (type !== "any" && type !== "tool")
    throw invalid(
      `tool_choice: Input tag '${type}' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'`,
    );
  if (tools.length === 0) throw invalid("tool_choice: tool_choice may only be specified while providing tools");
  if (!record.forcedTools)
    throw invalid(`tool_choice.type '${type}' is not supported for this model. Use 'auto' or 'none'.`);
  if (thinking.on && thinking.state.startsWith("enabled"))
    throw invalid("Thinking may not be enabled when tool_choice forces tool use.");
  if (type === "any") return { choice: { kind: "any" }, parallel };
  const name = String(value["name"]);
  if (!tools.some((tool) => tool["name"] === name))
    throw invalid(`tool_choice.name: Tool '${name}' not found in provided tools`);
  return { choice: { kind: "named", name }, parallel };
}

/** Saying the default aloud is not saying anything. */
export function canonicalChoice(value: JsonValue | undefined): JsonValue {
  if (!isObject(value)) return ["auto", "", false];
  return [
    stringOf(value["type"]) ?? "auto",
    stringOf(value["name"]) ?? "",
    value["disable_parallel_tool_use"] === true,
  ];
}
