/**
 * Tools of OpenAI's Responses API: flat, brought into strict mode where nothing else is said, some of them run by OpenAI itself; and the
 * form of the answer.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Ask } from "../answer.ts";
import { invalidType, invalidValue, refuse } from "./openai.parameters.ts";
import { missing } from "./openai.responses.parameters.ts";
import { strictSchemaFault } from "./openai.schema.ts";
import { checkName, schemaFault } from "./openai.tools.ts";
import { isObject, objects, stringOf } from "./wire.ts";

/** Run by OpenAI, or told to it: taken here, and never called. */
const HOSTED: ReadonlySet<string> = new Set([
  "web_search",
  "web_search_2025_08_26",
  "web_search_preview",
  "web_search_preview_2025_03_11",
  "file_search",
  "code_interpreter",
  "computer_use_preview",
  "computer",
  "image_generation",
  "local_shell",
  "shell",
  "apply_patch",
  "mcp",
  "tool_search",
  "programmatic_tool_calling",
]);

/** A tool that the model may call, and how its calls are written. */
export interface CallableTool {
  readonly name: string;
  readonly schema: JsonValue | undefined;
  /** Called with a text instead of arguments. */
  readonly isCustom: boolean;
  readonly namespace?: string;
}

export interface ToolReading {
  readonly callable: readonly CallableTool[];
  /** As the answer repeats them: in strict mode where they could be brought into it. */
  readonly echoed: readonly JsonObject[];
}

/** @throws Refusal for the first tool that is none. */
export function readTools(tools: JsonValue | undefined, path: string = "tools"): ToolReading {
  if (!Array.isArray(tools)) return { callable: [], echoed: [] };
  const callable: CallableTool[] = [];
  const echoed = (tools as readonly JsonValue[]).map((tool, index) => {
    const read = readTool(tool, `${path}[${index}]`);
    callable.push(...read.callable);
    return read.echoed;
  });
  return { callable, echoed };
}

function readTool(
  tool: JsonValue,
  path: string,
): { readonly callable: readonly CallableTool[]; readonly echoed: JsonObject } {
  if (!isObject(tool)) throw invalidType(path, "a tool", tool);
  const type = stringOf(tool["type"]);
  if (type === undefined) throw missing(`${path}.type`);
  if (HOSTED.has(type)) return { callable: [], echoed: tool };
  if (type !== "function" && type !== "custom" && type !== "namespace") {
    throw invalidValue(`${path}.type`, type, ["function", "custom", "namespace", ...HOSTED]);
  }
  const name = stringOf(tool["name"]);
  if (name === undefined) throw missing(`${path}.name`);
  checkName(name, `${path}.name`);
  if (type === "namespace") {
    const within = readTools(tool["tools"], `${path}.tools`);
    return {
      callable: within.callable.map((one) => ({ ...one, namespace: name })),
      echoed: { ...tool, tools: within.echoed },
    };
  }
  if (type === "custom") return { callable: [{ name, schema: { type: "string" }, isCustom: true }], echoed: tool };
  const { parameters, strict } = parametersOf(tool, name, path);
  return {
    callable: [{ name, schema: parameters, isCustom: false }],
    echoed: { description: null, ...tool, parameters: parameters ?? null, strict },
  };
}

function parametersOf(
  tool: JsonObject,
  name: string,
  path: string,
): { readonly parameters: JsonObject | undefined; readonly strict: boolean } {
  const parameters = tool["parameters"] ?? undefined;
  const schemaPath = `${path}.parameters`;
  if (parameters !== undefined && !isObject(parameters)) throw invalidType(schemaPath, "an object", parameters);
  const asked = tool["strict"] ?? undefined;
  if (asked !== undefined && typeof asked !== "boolean") throw invalidType(`${path}.strict`, "a boolean", asked);
  const fault = schemaFault(parameters, asked === true);
  if (fault !== undefined) {
    throw refuse(`Invalid schema for function '${name}': ${fault}`, schemaPath, "invalid_function_parameters");
  }
  if (asked !== undefined || parameters === undefined) return { parameters, strict: asked ?? false };
  const closed = intoStrict(parameters) as JsonObject;
  // What cannot be brought into it stays as it came, and is no promise.
  return strictSchemaFault(closed) === undefined ? { parameters: closed, strict: true } : { parameters, strict: false };
}

/** Every object closed, and everything in it required: what was optional is not any more. */
function intoStrict(schema: JsonValue): JsonValue {
  if (Array.isArray(schema)) return (schema as readonly JsonValue[]).map(intoStrict);
  if (!isObject(schema)) return schema;
  const made: { [key: string]: JsonValue } = {};
  for (const [key, value] of Object.entries(schema)) {
    if (value !== undefined) made[key] = KEPT.has(key) ? value : intoStrict(value);
  }
  if (schema["type"] !== "object") return made;
  const properties = isObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
  return { properties: {}, ...made, required: properties, additionalProperties: false };
}
const KEPT: ReadonlySet<string> = new Set(["enum", "const", "required", "default", "examples"]);

/** @throws Refusal for a choice of what is not there. */
export function choiceOf(choice: JsonValue | undefined, tools: ToolReading): Ask["toolChoice"] {
  if (choice === undefined || choice === null || choice === "auto") return { kind: "auto" };
  if (choice === "none") return { kind: "none" };
  if (choice === "required") {
    if (tools.echoed.length > 0) return { kind: "any" };
    throw refuse("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice");
  }
  if (!isObject(choice)) return { kind: "auto" };
  const type = stringOf(choice["type"]);
  if (type === undefined) throw missing("tool_choice.type");
  if (type === "allowed_tools") {
    const { mode } = choice;
    if (mode !== "auto" && mode !== "required")
      throw invalidValue("tool_choice.mode", mode ?? "", ["auto", "required"]);
    const named = objects(choice["tools"]).filter((tool) => tool["type"] === "function" || tool["type"] === "custom");
    const only = named.map((tool) => offered(tool, tools));
    return { kind: mode === "auto" ? "auto" : "any", only };
  }
  if (type === "function" || type === "custom") {
    if (stringOf(choice["name"]) === undefined) throw missing("tool_choice.name");
    return { kind: "named", name: offered(choice, tools) };
  }
  if (HOSTED.has(type)) return { kind: "auto" };
  throw invalidValue("tool_choice.type", type, ["allowed_tools", "function", "custom", "mcp"]);
}

function offered(tool: JsonObject, { callable }: ToolReading): string {
  const name = stringOf(tool["name"]) ?? "";
  if (callable.some((one) => one.name === name)) return name;
  throw refuse(`Tool choice '${String(tool["type"])}' not found in 'tools' parameter.`, "tool_choice");
}

const FORMATS = ["json_object", "text", "json_schema"];

export interface FormatReading {
  /** What the answer must fit; `{}` for "some JSON object". */
  readonly schema: JsonObject | undefined;
  readonly echoed: JsonObject;
}

export function formatOf(text: JsonValue | undefined, saysJson: () => boolean): FormatReading {
  const format = isObject(text) ? (text["format"] ?? undefined) : undefined;
  if (format === undefined) return { schema: undefined, echoed: { type: "text" } };
  if (!isObject(format)) throw invalidType("text.format", "an object", format);
  const type = stringOf(format["type"]);
  if (type === undefined) throw missing("text.format.type");
  if (!FORMATS.includes(type)) throw invalidValue("text.format.type", type, FORMATS);
  if (type === "text") return { schema: undefined, echoed: { type } };
  if (type === "json_object") {
    if (saysJson()) return { schema: {}, echoed: { type } };
    throw refuse(
      "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
      "input",
    );
  }
  const name = stringOf(format["name"]);
  if (name === undefined) throw missing("text.format.name");
  checkName(name, "text.format.name");
  const { schema } = format;
  if (schema === undefined) throw missing("text.format.schema");
  if (!isObject(schema)) throw invalidType("text.format.schema", "an object", schema);
  const asked = format["strict"] ?? undefined;
  const fault = schemaFault(schema, asked === true);
  if (fault !== undefined) {
    throw refuse(`Invalid schema for response_format '${name}': ${fault}`, "text.format.schema", "invalid_json_schema");
  }
  const strict = asked ?? strictSchemaFault(schema) === undefined;
  return { schema, echoed: { description: null, ...format, strict } };
}
