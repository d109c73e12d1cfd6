/**
 * Writes what may be called. Hosted tools are their own service's only.
 */
import type { ChatRequest, FunctionTool, JsonObject, Tool } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { fieldWord } from "./field-words.ts";
import { NAME } from "./mistral-chat.words.ts";
import type { Lose } from "./mistral-chat.write-parts.ts";
import { isObject } from "./openai-chat.words.ts";

/**
 * Tools that are only loaded later stand last, so that one more of them does not move the others. Another dialect's hosted tools
 * can be done without where there are others to call.
 */
export function writeTools({ tools, dialect }: ChatRequest, lose: Lose): JsonObject[] {
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
  const isDeferred = (tool: Tool): boolean => tool.type === "function" && tool.deferred === true;
  const said = tools.filter((tool) => !hosted.includes(tool));
  return [...said.filter((tool) => !isDeferred(tool)), ...said.filter(isDeferred)].map((tool) =>
    tool.type === "opaque" ? tool.value : functionTool(tool, dialect === NAME, lose),
  );
}

export function isHostedElsewhere({ tools }: ChatRequest, name: string): boolean {
  return tools.some((tool) => tool.type === "opaque" && tool.dialect !== NAME && tool.name === name);
}

/** The schema of a function that takes nothing, which must be there all the same. */
const NO_PARAMETERS: JsonObject = { type: "object", properties: {} };

function functionTool(tool: FunctionTool, own: boolean, lose: Lose): JsonObject {
  if (!own) for (const key of Object.keys(tool.extra ?? {})) lose(fieldWord(key), `tools.${key}`);
  const { function: inner, ...outer } = own ? (tool.extra ?? {}) : {};
  return {
    type: "function",
    function: {
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      parameters: tool.parameters ?? NO_PARAMETERS,
      ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      ...(isObject(inner) ? inner : {}),
    },
    ...outer,
  };
}
