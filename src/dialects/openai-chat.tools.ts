/**
 * Reads what a request offers for calling, and what it wants called.
 */
import type { FunctionTool, JsonObject, JsonValue, Tool, ToolChoice } from "../chat.ts";
import { MARK_MEMBERS, readMark } from "./openai-chat.parts.ts";
import { isArray, isObject, NAME, textOf, without } from "./openai-chat.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

export function readTools(value: JsonValue | undefined): Tool[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("tools", `\`tools\` is ${told(value)}; an array of tools is expected`);
  return value.map((tool, at) => readTool(tool, `tools[${at}]`));
}

/** The `functions` that came before `tools`. */
export function readFunctions(value: JsonValue | undefined): Tool[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("functions", `\`functions\` is ${told(value)}; an array of functions is expected`);
  return value.map((held, at) => readFunction(held, `functions[${at}]`, {}));
}

function readTool(tool: JsonValue, path: string): Tool {
  if (!isObject(tool)) throw invalid(path, `\`${path}\` is ${told(tool)}; an object is expected`);
  const type = tool["type"] ?? "function";
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
  if (type === "function") return readFunction(tool["function"], `${path}.function`, tool);
  const custom = tool["custom"];
  const name = textOf(isObject(custom) ? custom["name"] : tool["name"]);
  return { type: "opaque", dialect: NAME, kind: type, ...(name === undefined ? {} : { name }), value: tool };
}

/** @param tool What the function stands in: its mark and members that only this dialect knows. */
function readFunction(held: JsonValue | undefined, path: string, tool: JsonObject): FunctionTool {
  if (!isObject(held)) throw invalid(path, `\`${path}\` is ${told(held)}; an object with \`name\` is expected`);
  const name = textOf(held["name"]) ?? "";
  if (name === "")
    throw invalid(`${path}.name`, `\`${path}.name\` is ${told(held["name"])}; every function needs a name`);
  const parameters = held["parameters"] ?? undefined;
  if (parameters !== undefined && !isObject(parameters)) {
    throw invalid(
      `${path}.parameters`,
      `\`${path}.parameters\` is ${told(parameters)}; a JSON Schema object is expected`,
    );
  }
  const description = textOf(held["description"]);
  const cache = readMark(tool) ?? readMark(held);
  const inner = without(held, ["name", "description", "parameters", "strict", ...MARK_MEMBERS]);
  const outer = without(tool, ["type", "function", ...MARK_MEMBERS]);
  const extra =
    inner === undefined && outer === undefined
      ? undefined
      : { ...outer, ...(inner === undefined ? {} : { function: inner }) };
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(typeof held["strict"] === "boolean" ? { strict: held["strict"] } : {}),
    ...(cache === undefined ? {} : { cache }),
    ...(extra === undefined ? {} : { extra }),
  };
}

/** @returns `undefined` for a form that only this dialect knows. */
export function readToolChoice(choice: JsonValue): ToolChoice | undefined {
  switch (choice) {
    case "none":
    case "auto":
    case "required":
      return { type: choice };
    // Mistral's word.
    case "any":
      return { type: "required" };
    default:
      if (isObject(choice)) return readChoiceObject(choice);
      throw invalid(
        "tool_choice",
        `\`tool_choice\` is ${toldWord(choice)}; "none", "auto", "required" or an object that names a tool is expected`,
      );
  }
}

function readChoiceObject(choice: JsonObject): ToolChoice | undefined {
  if (choice["type"] === "allowed_tools") {
    const allowed = isObject(choice["allowed_tools"]) ? choice["allowed_tools"] : choice;
    const tools = allowed["tools"];
    if (!isArray(tools))
      throw invalid(
        "tool_choice.allowed_tools.tools",
        `\`tool_choice.allowed_tools.tools\` is ${told(tools)}; an array of tools is expected`,
      );
    const names = tools.flatMap((tool) => (isObject(tool) ? (nameIn(tool) ?? []) : []));
    return { type: "subset", mode: allowed["mode"] === "required" ? "required" : "auto", names };
  }
  const name = nameIn(choice);
  if (name !== undefined) return { type: "named", name };
  if ((choice["type"] ?? "function") !== "function") return undefined;
  throw invalid(
    "tool_choice.function.name",
    "`tool_choice.function.name` is missing; name the function that must be called",
  );
}

/** A function's or custom tool's name, nested as this dialect has it or flat as older clients do. */
function nameIn(choice: JsonObject): string | undefined {
  const held = [choice["function"], choice["custom"]].find(isObject) ?? choice;
  return textOf(held["name"]);
}

/** `function_call`, which came before `tool_choice`. */
export function readFunctionCall(value: JsonValue): ToolChoice | undefined {
  if (value === "none" || value === "auto") return { type: value };
  const name = isObject(value) ? textOf(value["name"]) : undefined;
  if (name !== undefined) return { type: "named", name };
  throw invalid("function_call", `\`function_call\` is ${told(value)}; "none", "auto" or {"name": …} is expected`);
}
