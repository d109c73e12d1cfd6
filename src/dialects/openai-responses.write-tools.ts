/**
 * Writes what is offered for calling, and what is wanted called.
 */
import type { ChatRequest, FunctionTool, JsonObject, Tool, ToolChoice } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import type { ModelRecord } from "../model.ts";
import { fieldWord } from "./field-words.ts";
import { takesStrict } from "./openai-chat.schema.ts";
import { NAME } from "./openai-responses.words.ts";
import type { Lose } from "./openai-responses.write-parts.ts";

/** `tools`, and what goes with them; nothing where no tool is offered, as far as can be seen: here some come with the input. */
export function writeTools(request: ChatRequest, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const tools = toolsOf(request, lose);
  const hasTools = tools.length > 0 || request.dialect === NAME;
  const { parallelToolCalls } = request;
  return {
    ...(tools.length === 0 ? {} : { tools }),
    ...choiceOf(request, hasTools, record, lose),
    ...(parallelToolCalls === undefined || !hasTools ? {} : { parallel_tool_calls: parallelToolCalls }),
  };
}

/**
 * Tools that are only loaded later stand last, so that one more of them does not move the others. Another dialect's hosted tools
 * can be done without where there are others to call.
 */
function toolsOf({ tools, dialect }: ChatRequest, lose: Lose): JsonObject[] {
  const hosted = tools.filter((tool) => tool.type === "opaque" && tool.dialect !== NAME);
  const [first] = hosted;
  if (first?.type === "opaque" && hosted.length === tools.length) {
    throw new GatewayError(
      "unsupported",
      `the hosted tool "${first.kind.slice(0, 64)}" does not exist in ${NAME}; offer it as a function or choose another model`,
      { param: "tools" },
    );
  }
  for (const tool of hosted) if (tool.type === "opaque") lose("hosted-tool", `tools ${tool.kind.slice(0, 64)}`);
  const isDeferred = (tool: Tool): boolean => dialect !== NAME && tool.type === "function" && tool.deferred === true;
  const said = tools.filter((tool) => tool.type !== "opaque" || tool.dialect === NAME);
  return [...said.filter((tool) => !isDeferred(tool)), ...said.filter(isDeferred)].map((tool) =>
    tool.type === "opaque" ? tool.value : functionTool(tool, dialect === NAME, lose),
  );
}

/** Strictness is always said: where it is not, this dialect's servers take more of it than others do. */
function functionTool(tool: FunctionTool, own: boolean, lose: Lose): JsonObject {
  const { name, description, parameters, strict, deferred, extra } = tool;
  if (!own) for (const key of Object.keys(extra ?? {})) lose(fieldWord(key), `tools.${key}`);
  const isStrict = strict === true && (own || takesStrict(parameters ?? {}));
  if (strict === true && !isStrict) lose("strict", `tools ${name.slice(0, 64)}`);
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? (own ? null : NO_PARAMETERS),
    ...(own && strict === undefined ? {} : { strict: isStrict }),
    ...(own && deferred !== undefined ? { defer_loading: deferred } : {}),
    ...(own ? extra : {}),
  };
}

const NO_PARAMETERS: JsonObject = { type: "object", properties: {} };

function choiceOf(request: ChatRequest, hasTools: boolean, record: ModelRecord | undefined, lose: Lose): JsonObject {
  const { toolChoice } = request;
  if (toolChoice === undefined) return {};
  const forces =
    toolChoice.type === "required" ||
    toolChoice.type === "named" ||
    (toolChoice.type === "subset" && toolChoice.mode === "required");
  const isGone = toolChoice.type === "named" && hostedElsewhere(request).has(toolChoice.name);
  if (!hasTools || isGone) {
    if (forces) lose("tool_choice", "tool_choice");
    return {};
  }
  if (forces && record?.forcedTools === false) {
    lose("tool_choice", "tool_choice");
    return { tool_choice: "auto" };
  }
  return { tool_choice: choiceValue(toolChoice, request) };
}

function hostedElsewhere({ tools }: ChatRequest): ReadonlySet<string | undefined> {
  return new Set(tools.filter((tool) => tool.type === "opaque" && tool.dialect !== NAME).map((tool) => tool.name));
}

function choiceValue(choice: ToolChoice, request: ChatRequest): string | JsonObject {
  const custom = customNames(request);
  const elsewhere = hostedElsewhere(request);
  switch (choice.type) {
    case "none":
    case "auto":
    case "required":
      return choice.type;
    case "named":
      return toolReference(choice.name, custom);
    case "subset":
      return {
        type: "allowed_tools",
        mode: choice.mode,
        tools: choice.names.filter((name) => !elsewhere.has(name)).map((name) => toolReference(name, custom)),
      };
  }
}

function customNames({ tools }: ChatRequest): ReadonlySet<string | undefined> {
  return new Set(tools.filter((tool) => tool.type === "opaque" && tool.kind === "custom").map((tool) => tool.name));
}

function toolReference(name: string, custom: ReadonlySet<string | undefined>): JsonObject {
  return { type: custom.has(name) ? "custom" : "function", name };
}
