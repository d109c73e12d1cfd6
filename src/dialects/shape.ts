/** Which dialect a body is of, by the fields that only it has: for bodies that came by no path. */
import type { DialectName, JsonObject, JsonValue } from "../chat.ts";
import { NAME as ANTHROPIC } from "./anthropic-messages.words.ts";

/** @returns `undefined`: it is of none that holds a prompt. */
export function dialectOf(body: JsonObject): DialectName | undefined {
  return SHAPES.find(([, fits]) => fits(body))?.[0];
}

/** The first that fits: those with words of their own before those that many have. */
const SHAPES: readonly (readonly [DialectName, (body: JsonObject) => boolean])[] = [
  ["openai-responses", (body) => body["input"] !== undefined && body["messages"] === undefined],
  ["ollama-generate", (body) => typeof body["prompt"] === "string" && !hasMessages(body)],
  ["ollama-chat", (body) => hasMessages(body) && ["options", "keep_alive", "think"].some((field) => field in body)],
  ["mistral-chat", (body) => hasMessages(body) && ["random_seed", "safe_prompt"].some((field) => field in body)],
  [ANTHROPIC, (body) => hasMessages(body) && isAnthropic(body)],
  ["openai-chat", hasMessages],
];

function hasMessages(body: JsonObject): boolean {
  return Array.isArray(body["messages"]);
}

const ANTHROPIC_FIELDS = ["system", "anthropic_version", "thinking", "stop_sequences", "cache_control"];
const ANTHROPIC_BLOCKS: ReadonlySet<JsonValue | undefined> = new Set([
  "tool_use",
  "tool_result",
  "thinking",
  "document",
]);

function isAnthropic(body: JsonObject): boolean {
  // Whatever else of its words a body has (marks, thinking and a model are said elsewhere, too): there the system text has a place of
  // its own, and a choice of tools is an object.
  const first = objects(body["messages"])[0]?.["role"];
  if (first === "system" || first === "developer" || typeof body["tool_choice"] === "string") return false;
  return (
    ANTHROPIC_FIELDS.some((field) => field in body) ||
    objects(body["tools"]).some((tool) => "input_schema" in tool) ||
    objects(body["messages"]).some(({ content }) =>
      objects(content).some((block) => ANTHROPIC_BLOCKS.has(block["type"]) || "cache_control" in block),
    ) ||
    (typeof body["model"] === "string" && body["model"].startsWith("claude-"))
  );
}

function objects(value: JsonValue | undefined): readonly JsonObject[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).filter(
    (item): item is JsonObject => typeof item === "object" && item !== null && !Array.isArray(item),
  );
}
