/**
 * Reads what a request offers for calling, and what it wants called. Functions lie flat here.
 */
import type { FunctionTool, JsonObject, JsonValue, Tool, ToolChoice } from "../chat.ts";
import { MARK_MEMBERS, readMark } from "./openai-chat.parts.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";
import { KIND_CHARACTERS_MAX } from "./openai-responses.parts.ts";
import { NAME } from "./openai-responses.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

export function readTools(value: JsonValue | undefined): Tool[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("tools", `\`tools\` is ${told(value)}; an array of tools is expected`);
  return value.map((tool, at) => readTool(tool, `tools[${at}]`));
}

function readTool(tool: JsonValue, path: string): Tool {
  if (!isObject(tool)) throw invalid(path, `\`${path}\` is ${told(tool)}; an object with \`type\` is expected`);
  const { type } = tool;
  if (typeof type !== "string")
    throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
  if (type === "function") return readFunction(tool, path);
  const name = textOf(tool["name"]);
  return {
    type: "opaque",
    dialect: NAME,
    kind: type.slice(0, KIND_CHARACTERS_MAX),
    ...(name === undefined ? {} : { name }),
    value: tool,
  };
}

function readFunction(tool: JsonObject, path: string): FunctionTool {
  const name = textOf(tool["name"]) ?? "";
  if (name === "") {
    throw invalid(`${path}.name`, `\`${path}.name\` is ${told(tool["name"])}; every function needs a name`);
  }
  const parameters = tool["parameters"] ?? undefined;
  if (parameters !== undefined && !isObject(parameters)) {
    throw invalid(
      `${path}.parameters`,
      `\`${path}.parameters\` is ${told(parameters)}; a JSON Schema object is expected`,
    );
  }
  const description = textOf(tool["description"]);
  const { strict, defer_loading: deferred } = tool;
  const cache = readMark(tool);
  const extra = without(tool, [...READ_MEMBERS, ...MARK_MEMBERS]);
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(typeof strict === "boolean" ? { strict } : {}),
    ...(typeof deferred === "boolean" ? { deferred } : {}),
    ...(cache === undefined ? {} : { cache }),
    ...(extra === undefined ? {} : { extra }),
  };
}

const READ_MEMBERS: readonly string[] = ["type", "name", "description", "parameters", "strict", "defer_loading"];

/** @returns `undefined` for a form that only this dialect knows: a hosted tool that must be used. */
export function readToolChoice(choice: JsonValue | undefined): ToolChoice | undefined {
  switch (choice) {
    case undefined:
    case null:
      return undefined;
    case "none":
    case "auto":
    case "required":
      return { type: choice };
    default:
      if (isObject(choice)) return readChoiceObject(choice);
      throw invalid(
        "tool_choice",
        `\`tool_choice\` is ${toldWord(choice)}; "none", "auto", "required" or an object that names a tool is expected`,
      );
  }
}

function readChoiceObject(choice: JsonObject): ToolChoice | undefined {
  switch (choice["type"]) {
    case "function":
    case "custom": {
      // Clients of the older API nest the name.
      const name =
        textOf(choice["name"]) ?? (isObject(choice["function"]) ? textOf(choice["function"]["name"]) : undefined);
      if (name !== undefined) return { type: "named", name };
      throw invalid("tool_choice.name", "`tool_choice.name` is missing; name the tool that must be called");
    }
    case "allowed_tools":
      return readAllowed(choice);
    default:
      return undefined;
  }
}

/** A subset with hosted tools in it, which have no name, can be said in this dialect only. */
function readAllowed(choice: JsonObject): ToolChoice | undefined {
  const { tools } = choice;
  if (!isArray(tools)) {
    throw invalid("tool_choice.tools", `\`tool_choice.tools\` is ${told(tools)}; an array of tools is expected`);
  }
  const names = tools.map((tool) => (isObject(tool) && isNamed(tool) ? textOf(tool["name"]) : undefined));
  const known = names.filter((name) => name !== undefined);
  if (known.length < names.length) return undefined;
  return { type: "subset", mode: choice["mode"] === "required" ? "required" : "auto", names: known };
}

function isNamed(tool: JsonObject): boolean {
  return tool["type"] === "function" || tool["type"] === "custom";
}
