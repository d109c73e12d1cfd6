/** What OpenAI's Chat Completions refuses in tools, their choice, and the format of the answer. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Ask } from "../answer.ts";
import { invalidValue, kindOf, refuse } from "./openai.parameters.ts";
import { strictSchemaFault } from "./openai.schema.ts";
import { isObject, objects, stringOf } from "./wire.ts";

const TOOLS_MAX = 128;
const NAME = /^[a-zA-Z0-9_-]+$/;
const NAME_CHARACTERS_MAX = 64;

export function checkTools(tools: JsonValue | undefined): void {
  if (tools === undefined || tools === null) return;
  if (!Array.isArray(tools)) {
    throw refuse(
      `Invalid type for 'tools': expected an array of objects, but got ${kindOf(tools)} instead.`,
      "tools",
      "invalid_type",
    );
  }
  if (tools.length === 0) {
    throw refuse(
      "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "tools",
      "empty_array",
    );
  }
  if (tools.length > TOOLS_MAX) {
    throw refuse(
      `Invalid 'tools': array too long. Expected an array with maximum length ${TOOLS_MAX}, but got an array with length ${tools.length} instead.`,
      "tools",
      "array_above_max_length",
    );
  }
  for (const [index, tool] of objects(tools).entries()) checkTool(tool, `tools[${index}]`);
}

function checkTool(tool: JsonObject, path: string): void {
  const type = stringOf(tool["type"]);
  if (type === undefined) {
    throw refuse(`Missing required parameter: '${path}.type'.`, `${path}.type`, "missing_required_parameter");
  }
  if (type !== "function" && type !== "custom") throw invalidValue(`${path}.type`, type, ["function", "custom"]);
  const described = tool[type];
  if (!isObject(described)) {
    throw refuse(`Missing required parameter: '${path}.${type}'.`, `${path}.${type}`, "missing_required_parameter");
  }
  checkKeys(tool, ["type", type], path);
  const name = stringOf(described["name"]);
  const namePath = `${path}.${type}.name`;
  if (name === undefined) {
    throw refuse(`Missing required parameter: '${namePath}'.`, namePath, "missing_required_parameter");
  }
  checkName(name, namePath);
  if (type === "custom") return;
  const parameters = described["parameters"] ?? undefined;
  const schemaPath = `${path}.function.parameters`;
  if (parameters !== undefined && !isObject(parameters)) {
    throw refuse(
      `Invalid type for '${schemaPath}': expected an object, but got ${kindOf(parameters)} instead.`,
      schemaPath,
      "invalid_type",
    );
  }
  const fault = schemaFault(parameters, described["strict"] === true);
  if (fault !== undefined) {
    throw refuse(`Invalid schema for function '${name}': ${fault}`, schemaPath, "invalid_function_parameters");
  }
}

function checkKeys(value: JsonObject, known: readonly string[], path: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw refuse(`Unknown parameter: '${path}.${unknown}'.`, `${path}.${unknown}`, "unknown_parameter");
}

export function checkName(name: string, path: string): void {
  if (!NAME.test(name)) {
    throw refuse(
      `Invalid '${path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
      path,
      "invalid_value",
    );
  }
  if (name.length <= NAME_CHARACTERS_MAX) return;
  throw refuse(
    `Invalid '${path}': string too long. Expected a string with maximum length ${NAME_CHARACTERS_MAX}, but got a string with length ${name.length} instead.`,
    path,
    "string_above_max_length",
  );
}

/** Without `strict`, only that it describes an object whose arrays say what is in them. */
export function schemaFault(schema: JsonObject | undefined, strict: boolean): string | undefined {
  if (schema === undefined || Object.keys(schema).length === 0) return undefined;
  if (strict) return strictSchemaFault(schema);
  const type = schema["type"];
  if (type === "object" || (type === undefined && schema["$ref"] !== undefined)) return undefined;
  return `schema must be a JSON Schema of 'type: "object"', got 'type: ${typeof type === "string" ? `"${type}"` : "None"}'.`;
}

export interface ToolChoice {
  readonly choice: Ask["toolChoice"];
  readonly parallel: boolean;
}

export function toolChoiceOf(body: JsonObject): ToolChoice {
  const tools = objects(body["tools"]);
  const parallel = body["parallel_tool_calls"] !== false;
  if (body["parallel_tool_calls"] !== undefined && tools.length === 0) {
    throw refuse(
      "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
      "parallel_tool_calls",
    );
  }
  const given = body["tool_choice"] ?? undefined;
  if (given === undefined) return { choice: { kind: "auto" }, parallel };
  if (tools.length === 0) {
    // Saying that none may be called is true without any.
    if (given === "none") return { choice: { kind: "none" }, parallel };
    throw refuse(
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
      "tool_choice",
    );
  }
  return { choice: choiceOf(given, tools), parallel };
}

function choiceOf(given: JsonValue, tools: readonly JsonObject[]): Ask["toolChoice"] {
  if (given === "auto" || given === "none") return { kind: given };
  if (given === "required") return { kind: "any" };
  if (!isObject(given)) throw invalidValue("tool_choice", given, ["none", "auto", "required"]);
  const type = String(given["type"]);
  if (type === "allowed_tools") {
    const allowed = isObject(given["allowed_tools"]) ? given["allowed_tools"] : given;
    const mode = allowed["mode"];
    if (mode !== "auto" && mode !== "required") {
      throw invalidValue("tool_choice.allowed_tools.mode", mode ?? null, ["auto", "required"]);
    }
    const names = objects(allowed["tools"]).map((tool) => nameIn(tool));
    for (const name of names) checkOffered(name, tools);
    return { kind: mode === "auto" ? "auto" : "any", only: names };
  }
  if (type !== "function" && type !== "custom") {
    throw invalidValue("tool_choice.type", type, ["allowed_tools", "function", "custom"]);
  }
  const name = nameIn(given);
  checkOffered(name, tools);
  return { kind: "named", name };
}

function nameIn(tool: JsonObject): string {
  const described = tool[String(tool["type"])];
  return isObject(described) ? (stringOf(described["name"]) ?? "") : "";
}

function checkOffered(name: string, tools: readonly JsonObject[]): void {
  if (tools.some((tool) => nameIn(tool) === name)) return;
  throw refuse(`Invalid value for 'tool_choice': Tool choice '${name}' not found in 'tools' parameter.`, "tool_choice");
}

/** The schema that the answer must fit; `{}` for "some JSON object". */
export function answerSchemaOf(body: JsonObject, saysJson: () => boolean): JsonObject | undefined {
  const format = body["response_format"] ?? undefined;
  if (format === undefined) return undefined;
  const type = isObject(format) ? stringOf(format["type"]) : undefined;
  if (!isObject(format) || type === undefined) {
    throw refuse(
      "Missing required parameter: 'response_format.type'.",
      "response_format.type",
      "missing_required_parameter",
    );
  }
  if (type === "text") return undefined;
  if (type === "json_object") {
    if (saysJson()) return {};
    throw refuse(
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      "messages",
    );
  }
  if (type !== "json_schema") throw invalidValue("response_format.type", type, ["json_object", "json_schema", "text"]);
  const described = format["json_schema"];
  if (!isObject(described)) {
    throw refuse(
      "Missing required parameter: 'response_format.json_schema'.",
      "response_format.json_schema",
      "missing_required_parameter",
    );
  }
  const name = stringOf(described["name"]);
  if (name === undefined) {
    throw refuse(
      "Missing required parameter: 'response_format.json_schema.name'.",
      "response_format.json_schema.name",
      "missing_required_parameter",
    );
  }
  checkName(name, "response_format.json_schema.name");
  const schema = described["schema"];
  if (schema === undefined) return {};
  if (!isObject(schema)) {
    throw refuse(
      `Invalid type for 'response_format.json_schema.schema': expected an object, but got ${kindOf(schema)} instead.`,
      "response_format.json_schema.schema",
      "invalid_type",
    );
  }
  const fault = schemaFault(schema, described["strict"] === true);
  if (fault !== undefined) {
    throw refuse(`Invalid schema for response_format '${name}': ${fault}`, "response_format");
  }
  return schema;
}
