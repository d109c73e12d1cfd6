/**
 * What a request offers for calling, both ways.
 */
import type { ChatRequest, FunctionTool, JsonObject, JsonValue, Tool, ToolChoice } from "../chat.ts";
import { GatewayError } from "../errors.ts";

import { fieldWord } from "./field-words.ts";
import { isArray, isObject, isOwn, NAME, textOf, without } from "./ollama-chat.words.ts";
import { invalid, told } from "./refused.ts";

export function readTools(value: JsonValue | undefined): Tool[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("tools", `\`tools\` is ${told(value)}; an array of tools is expected`);
  return value.map((tool, at) => readTool(tool, `tools[${at}]`));
}

function readTool(tool: JsonValue, path: string): Tool {
  if (!isObject(tool)) throw invalid(path, `\`${path}\` is ${told(tool)}; an object is expected`);
  const held = tool["function"];
  const type = textOf(tool["type"]) ?? "function";
  if (type !== "function" && !isObject(held)) return { type: "opaque", dialect: NAME, kind: type, value: tool };
  if (!isObject(held))
    throw invalid(`${path}.function`, `\`${path}.function\` is ${told(held)}; an object with \`name\` is expected`);
  const name = textOf(held["name"]) ?? "";
  if (name === "")
    throw invalid(`${path}.function.name`, `\`${path}.function.name\` is missing; every tool needs a name`);
  const parameters = held["parameters"] ?? undefined;
  if (parameters !== undefined && !isObject(parameters)) {
    throw invalid(
      `${path}.function.parameters`,
      `\`${path}.function.parameters\` is ${told(parameters)}; a JSON Schema object is expected`,
    );
  }
  const description = textOf(held["description"]);
  const inner = without(held, ["name", "description", "parameters", "strict"]);
  const outer = without(tool, ["type", "function"]);
  const extra = { ...outer, ...(inner === undefined ? {} : { function: inner }) };
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(typeof held["strict"] === "boolean" ? { strict: held["strict"] } : {}),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

type Lose = (field: string, path?: string) => void;

/**
 * The tools on the wire. There is no word for a choice among them: none is said by offering none, some by offering those, and
 * that one must be called is lost.
 */
export function writeTools(request: ChatRequest, lose: Lose): JsonObject[] {
  const { toolChoice, parallelToolCalls } = request;
  const tools = sayable(request, lose).map((tool) => writeTool(tool, request, lose));
  if (forces(toolChoice)) lose("tool_choice", "tool_choice");
  if (tools.length > 0 && parallelToolCalls === false) lose("parallel_tool_calls", "parallel_tool_calls");
  return tools;
}

/**
 * Tools that are only loaded later stand last, so that one more of them does not move the others. Another dialect's hosted tools
 * can be done without where there are others to call.
 */
function sayable({ tools, toolChoice }: ChatRequest, lose: Lose): Tool[] {
  if (toolChoice?.type === "none") return [];
  const hosted = tools.filter((tool) => tool.type === "opaque" && !isOwn(tool.dialect));
  const [first] = hosted;
  if (first?.type === "opaque" && hosted.length === tools.length) {
    throw new GatewayError(
      "unsupported",
      `the hosted tool "${first.kind.slice(0, 64)}" does not exist in ${NAME}; offer it as a function or choose another model`,
      { param: "tools" },
    );
  }
  for (const tool of hosted) if (tool.type === "opaque") lose("hosted-tool", `tools ${tool.kind.slice(0, 64)}`);
  const isDeferred = (tool: Tool): boolean => tool.type === "function" && tool.deferred === true;
  const names = toolChoice?.type === "subset" ? new Set(toolChoice.names) : undefined;
  const said = tools.filter((tool) => !hosted.includes(tool) && (names === undefined || names.has(tool.name ?? "")));
  return [...said.filter((tool) => !isDeferred(tool)), ...said.filter(isDeferred)];
}

function forces(choice: ToolChoice | undefined): boolean {
  return (
    choice?.type === "required" || choice?.type === "named" || (choice?.type === "subset" && choice.mode === "required")
  );
}

function writeTool(tool: Tool, { dialect }: ChatRequest, lose: Lose): JsonObject {
  return tool.type === "opaque" ? tool.value : functionTool(tool, isOwn(dialect), lose);
}

function functionTool(tool: FunctionTool, own: boolean, lose: Lose): JsonObject {
  if (!own) for (const key of Object.keys(tool.extra ?? {})) lose(fieldWord(key), `tools.${key}`);
  if (!own && tool.strict === true) lose("strict", `tools ${tool.name.slice(0, 64)}`);
  const { function: inner, ...outer } = own ? (tool.extra ?? {}) : {};
  return {
    type: "function",
    function: {
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      // The server's own type has no optional parts here: left out, templates would print a null.
      parameters: { ...(tool.parameters?.["type"] === undefined ? { type: "object" } : {}), ...parametersOf(tool) },
      ...(own && tool.strict !== undefined ? { strict: tool.strict } : {}),
      ...(isObject(inner) ? inner : {}),
    },
    ...outer,
  };
}

function parametersOf({ parameters }: FunctionTool): JsonObject {
  return parameters ?? { properties: {} };
}
