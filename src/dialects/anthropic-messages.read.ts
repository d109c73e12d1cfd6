/**
 * Reads a Messages request. Tolerant of what it does not know, plain about what cannot be.
 */
import type {
  AssistantMessage,
  ChatRequest,
  FunctionTool,
  JsonObject,
  JsonValue,
  Message,
  Part,
  ReasoningWish,
  ResponseFormat,
  SystemMessage,
  Tool,
  ToolChoice,
  ToolResultPart,
} from "../chat.ts";
import { inLoadingOrder } from "./anthropic-messages.deferred.ts";
import { readBlock, readMark, readToolResult } from "./anthropic-messages.parts.ts";
import { isArray, isObject, NAME, textOf, without } from "./anthropic-messages.words.ts";
import { invalid, told, toldWord } from "./refused.ts";

export function readRequest(body: JsonObject): ChatRequest {
  const outputConfig = optional(body, "output_config", "an object", isObject);
  const format = readFormat(outputConfig?.["format"] ?? body["output_format"]);
  const reasoning = readReasoning(body["thinking"], outputConfig);
  const metadata = optional(body, "metadata", "an object", isObject);
  const endUser = textOf(metadata?.["user_id"]);
  const otherMetadata = metadata === undefined ? undefined : without(metadata, ["user_id"]);
  const choice = optional(body, "tool_choice", 'an object such as {"type": "auto"}', isObject);
  const parallel = choice?.["disable_parallel_tool_use"];
  const toolChoice = choice === undefined ? undefined : readToolChoice(choice);
  const temperature = optional(body, "temperature", "a number", isNumber);
  const topP = optional(body, "top_p", "a number", isNumber);
  const topK = optional(body, "top_k", "a number", isNumber);
  const stop = readStop(body["stop_sequences"]);
  const serviceTier = optional(body, "service_tier", "a string", isString);
  const maxOutputTokens = readMaxTokens(body["max_tokens"]);
  const cache = readMark(body["cache_control"]);
  const messages = [...readSystem(body["system"]), ...readMessages(body["messages"])];
  return {
    dialect: NAME,
    model: readModel(body["model"]),
    stream: optional(body, "stream", "true or false", isBoolean) ?? false,
    wantsStreamUsage: true,
    messages,
    tools: inLoadingOrder(readTools(body["tools"]), messages),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(typeof parallel === "boolean" ? { parallelToolCalls: !parallel } : {}),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(stop === undefined ? {} : { stop }),
    ...(format === undefined ? {} : { responseFormat: format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(endUser === undefined ? {} : { endUser }),
    ...(otherMetadata === undefined ? {} : { metadata: otherMetadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(cache === undefined ? {} : { cache }),
    ...(hasServers(body["mcp_servers"]) ? { onlyHere: ["MCP servers (mcp_servers)"] } : {}),
    extra: readExtra(body, outputConfig, format),
  };
}

const READ_FIELDS: readonly string[] = [
  "model",
  "messages",
  "system",
  "max_tokens",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "stop_sequences",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "metadata",
  "service_tier",
  "cache_control",
];

/** What only this dialect can say: `thread`, `context_management`, `container`, betas to come. */
function readExtra(
  body: JsonObject,
  outputConfig: JsonObject | undefined,
  format: ResponseFormat | undefined,
): JsonObject {
  const restOfConfig =
    outputConfig === undefined
      ? undefined
      : without(outputConfig, format === undefined ? ["effort"] : ["effort", "format"]);
  const thinking = body["thinking"];
  const unreadThinking = isObject(thinking) && !THINKING_TYPES.has(textOf(thinking["type"]) ?? "");
  return {
    ...without(body, format === undefined ? READ_FIELDS : [...READ_FIELDS, "output_format"]),
    ...(restOfConfig === undefined ? {} : { output_config: restOfConfig }),
    ...(unreadThinking ? { thinking } : {}),
  };
}

function hasServers(servers: JsonValue | undefined): boolean {
  return isArray(servers) && servers.length > 0;
}

function readModel(value: JsonValue | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw invalid("model", "`model` is missing; name the model to use, as text");
}

/** 0 is allowed: it fills the cache and generates nothing. That there must be one is the provider's to say, where it is so. */
function readMaxTokens(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid("max_tokens", `\`max_tokens\` is ${told(value)}; a whole number of 0 or more is required`);
}

function readSystem(value: JsonValue | undefined): SystemMessage[] {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value === "string") return [{ role: "system", parts: [{ type: "text", text: value }] }];
  if (!isArray(value))
    throw invalid("system", `\`system\` is ${told(value)}; text or an array of text blocks is expected`);
  if (value.length === 0) return [];
  return [{ role: "system", parts: value.map((block, at) => readBlock(block, `system[${at}]`, "system")) }];
}

function readMessages(value: JsonValue | undefined): Message[] {
  if (!isArray(value))
    throw invalid("messages", `\`messages\` is ${told(value)}; an array with at least one message is required`);
  return value.flatMap((message, at) => readMessage(message, `messages[${at}]`));
}

function readMessage(value: JsonValue, path: string): Message[] {
  if (!isObject(value))
    throw invalid(path, `\`${path}\` is ${told(value)}; an object with \`role\` and \`content\` is expected`);
  const rest = without(value, ["role", "content"]);
  const extra = rest === undefined ? {} : { extra: rest };
  const role = value["role"];
  switch (role) {
    case "user":
      return readUser(value["content"], path, extra);
    case "assistant": {
      const parts = readContent(value["content"], `${path}.content`, "assistant");
      return [{ role: "assistant", parts, ...extra } satisfies AssistantMessage];
    }
    case "system":
      return [{ role: "system", parts: readContent(value["content"], `${path}.content`, "system"), ...extra }];
    default:
      throw invalid(
        `${path}.role`,
        `\`${path}.role\` is ${toldWord(role)}; one of "user", "assistant", "system" is expected`,
      );
  }
}

/** Tool results and what the user says stand in one message here; they are told apart, in their order. */
function readUser(content: JsonValue | undefined, path: string, extra: { readonly extra?: JsonObject }): Message[] {
  const messages: Message[] = [];
  let results: ToolResultPart[] = [];
  let parts: Part[] = [];
  const close = () => {
    if (results.length > 0) messages.push({ role: "tool", parts: results });
    if (parts.length > 0) messages.push({ role: "user", parts });
    results = [];
    parts = [];
  };
  if (typeof content === "string") return [{ role: "user", parts: [{ type: "text", text: content }], ...extra }];
  for (const [at, block] of contentBlocks(content, `${path}.content`).entries()) {
    const where = `${path}.content[${at}]`;
    if (isObject(block) && block["type"] === "tool_result") {
      if (parts.length > 0) close();
      results.push(readToolResult(block, where));
    } else {
      if (results.length > 0) close();
      parts.push(readBlock(block, where, "user"));
    }
  }
  close();
  const [first, ...others] = messages;
  return first === undefined ? [{ role: "user", parts: [], ...extra }] : [{ ...first, ...extra }, ...others];
}

function readContent(content: JsonValue | undefined, path: string, role: "assistant" | "system"): Part[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return contentBlocks(content, path).map((block, at) => readBlock(block, `${path}[${at}]`, role));
}

function contentBlocks(content: JsonValue | undefined, path: string): readonly JsonValue[] {
  if (isArray(content)) return content;
  throw invalid(path, `\`${path}\` is ${told(content)}; text or an array of content blocks is expected`);
}

function readTools(value: JsonValue | undefined): Tool[] {
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw invalid("tools", `\`tools\` is ${told(value)}; an array of tools is expected`);
  return value.map((tool, at) => readTool(tool, `tools[${at}]`));
}

function readTool(tool: JsonValue, path: string): Tool {
  if (!isObject(tool)) throw invalid(path, `\`${path}\` is ${told(tool)}; an object is expected`);
  const type = tool["type"];
  const name = textOf(tool["name"]);
  if (type !== undefined && type !== null && type !== "custom") {
    if (typeof type !== "string")
      throw invalid(`${path}.type`, `\`${path}.type\` is ${toldWord(type)}; text is expected`);
    return { type: "opaque", dialect: NAME, kind: type, ...(name === undefined ? {} : { name }), value: tool };
  }
  if (name === undefined || name === "")
    throw invalid(`${path}.name`, `\`${path}.name\` is missing; every tool needs a name`);
  const given = tool["input_schema"];
  // A schema may be as short as `true`: anything fits.
  const schema = given === true ? {} : given;
  if (schema !== undefined && !isObject(schema)) {
    throw invalid(
      `${path}.input_schema`,
      `\`${path}.input_schema\` is ${told(schema)}; a JSON Schema object is expected`,
    );
  }
  const description = textOf(tool["description"]);
  const cache = readMark(tool["cache_control"]);
  const extra = without(tool, [
    "type",
    "name",
    "description",
    "input_schema",
    "strict",
    "defer_loading",
    "cache_control",
  ]);
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    ...(schema === undefined ? {} : { parameters: schema }),
    ...(typeof tool["strict"] === "boolean" ? { strict: tool["strict"] } : {}),
    ...(typeof tool["defer_loading"] === "boolean" ? { deferred: tool["defer_loading"] } : {}),
    ...(cache === undefined ? {} : { cache }),
    ...(extra === undefined ? {} : { extra }),
  } satisfies FunctionTool;
}

function readToolChoice(choice: JsonObject): ToolChoice {
  switch (choice["type"]) {
    case "auto":
      return { type: "auto" };
    case "none":
      return { type: "none" };
    case "any":
      return { type: "required" };
    case "tool": {
      const name = textOf(choice["name"]);
      if (name !== undefined) return { type: "named", name };
      throw invalid("tool_choice.name", "`tool_choice.name` is missing; name the tool that must be called");
    }
    default:
      throw invalid(
        "tool_choice.type",
        `\`tool_choice.type\` is ${toldWord(choice["type"])}; one of "auto", "any", "tool", "none" is expected`,
      );
  }
}

const THINKING_TYPES: ReadonlySet<string> = new Set(["enabled", "adaptive", "disabled", "between_tools"]);

/** `between_tools` is how the models that cannot stop thinking altogether say "off". */
function readReasoning(
  thinking: JsonValue | undefined,
  outputConfig: JsonObject | undefined,
): ReasoningWish | undefined {
  const wish = {
    ...(typeof outputConfig?.["effort"] === "string" ? { effort: outputConfig["effort"] } : {}),
    ...(isObject(thinking) ? readThinking(thinking) : {}),
  };
  return Object.keys(wish).length === 0 ? undefined : wish;
}

function readThinking(thinking: JsonObject): ReasoningWish {
  const type = textOf(thinking["type"]);
  if (type === undefined || !THINKING_TYPES.has(type)) return {};
  const budget = thinking["budget_tokens"];
  if (
    type === "enabled" &&
    budget !== undefined &&
    !(typeof budget === "number" && Number.isSafeInteger(budget) && budget >= 0)
  ) {
    throw invalid(
      "thinking.budget_tokens",
      `\`thinking.budget_tokens\` is ${told(budget)}; a whole number of 1024 or more is expected`,
    );
  }
  const display = textOf(thinking["display"]);
  return {
    enabled: type === "enabled" || type === "adaptive",
    ...(type === "enabled" && typeof budget === "number" ? { budgetTokens: budget } : {}),
    ...(display === undefined ? {} : { display }),
  };
}

function readFormat(format: JsonValue | undefined): ResponseFormat | undefined {
  if (!isObject(format) || format["type"] !== "json_schema" || !isObject(format["schema"])) return undefined;
  return { type: "json-schema", schema: format["schema"] };
}

function readStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (isArray(value) && value.every(isString)) return value;
  throw invalid("stop_sequences", "`stop_sequences` is not an array of text");
}

function optional<Kind extends JsonValue>(
  body: JsonObject,
  key: string,
  right: string,
  is: (value: JsonValue) => value is Kind,
): Kind | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (is(value)) return value;
  throw invalid(key, `\`${key}\` is ${told(value)}; ${right} is expected`);
}

function isNumber(value: JsonValue): value is number {
  return typeof value === "number";
}
function isString(value: JsonValue): value is string {
  return typeof value === "string";
}
function isBoolean(value: JsonValue): value is boolean {
  return typeof value === "boolean";
}
