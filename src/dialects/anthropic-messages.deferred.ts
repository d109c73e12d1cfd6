/**
 * Tools that are offered but not part of the prompt until a search has loaded them, in the order in which they come into it.
 */
import type { JsonValue, Message, Part, Tool } from "../chat.ts";
import { isArray, isObject, textOf } from "./anthropic-messages.words.ts";

/**
 * The tools with the loaded ones last, in the order of their loading. Clients insert a loaded tool among the others, which moves
 * nothing here; where every tool is in the prompt, it would move all that follow, and what is cached of them would be gone.
 */
export function inLoadingOrder(tools: readonly Tool[], messages: readonly Message[]): readonly Tool[] {
  if (!tools.some(isDeferred)) return tools;
  const loaded = new Map(loadedNames(messages).map((name, index) => [name, index]));
  const place = (tool: Tool): number => (isDeferred(tool) ? (loaded.get(tool.name ?? "") ?? -1) : -1);
  const isLoaded = (tool: Tool): boolean => place(tool) >= 0;
  return [
    ...tools.filter((tool) => !isLoaded(tool)),
    ...tools.filter(isLoaded).sort((left, right) => place(left) - place(right)),
  ];
}

function isDeferred(tool: Tool): boolean {
  return tool.type === "function" && tool.deferred === true;
}

function loadedNames(messages: readonly Message[]): readonly string[] {
  const names = new Set<string>();
  const look = (part: Part): void => {
    if (part.type === "tool-result") part.content.forEach(look);
    if (part.type === "opaque") for (const name of referencedIn(part.value)) names.add(name);
  };
  for (const message of messages) message.parts.forEach(look);
  return [...names];
}

/** References stand alone in a client's own search, in a list in the API's, or in a system's word that a tool was added. */
function referencedIn(value: JsonValue | undefined): readonly string[] {
  if (isArray(value)) return value.flatMap(referencedIn);
  if (!isObject(value)) return [];
  if (value["type"] === "tool_reference") return [textOf(value["tool_name"]) ?? textOf(value["name"]) ?? ""];
  return [value["tool"], value["content"], value["tool_references"]].flatMap(referencedIn);
}
