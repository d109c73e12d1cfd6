/**
 * What besides a prompt's text its provider's cache tells apart: a prefix is not read again where such a setting differs, from the level
 * on that the model's record says. A setting that says what holds in any case is none.
 */
import type { ChatRequest, JsonValue, Part, ReasoningWish } from "../chat.ts";
import type { CacheSettings, ModelRecord, SettingsLevel } from "../model.ts";
import type { PlannedSetting } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";

/** @returns by the place from which on it matters; `undefined`: nothing is set that does. */
export function cacheSettings(
  request: ChatRequest,
  prefixes: Pick<Prefixes, "spots" | "staticPlace">,
  record: Pick<ModelRecord, "cache" | "reasoning"> | undefined,
): readonly PlannedSetting[] | undefined {
  const levels = record !== undefined && "settings" in record.cache ? record.cache.settings : undefined;
  if (record === undefined || levels === undefined) return undefined;
  const found: PlannedSetting[] = [];
  for (const level of LEVELS) {
    const word = wordOf(levels[level] ?? {}, request, record.reasoning.defaultEffort);
    if (word !== "") found.push({ from: placeBehind(level, prefixes), word });
  }
  return found.length === 0 ? undefined : found;
}

const LEVELS: readonly SettingsLevel[] = ["prompt", "system", "messages"];

function placeBehind(level: SettingsLevel, { spots, staticPlace }: Pick<Prefixes, "spots" | "staticPlace">): number {
  if (level === "prompt") return 0;
  return level === "system" ? (spots[0]?.kind === "tools" ? 1 : 0) : staticPlace + 1;
}

function wordOf(settings: CacheSettings, request: ChatRequest, defaultEffort: string | undefined): string {
  let word = "";
  for (const [name, usual] of Object.entries(settings)) {
    const said = settingOf(name, request, defaultEffort);
    if (said !== undefined && said !== usual) word += `${name}=${JSON.stringify(said)};`;
  }
  return word;
}

/** As text; `undefined`: nothing is said. */
function settingOf(name: string, request: ChatRequest, defaultEffort: string | undefined): string | undefined {
  if (name.startsWith(REQUEST_FIELD)) return textOf(request.extra[name.slice(REQUEST_FIELD.length)]);
  if (name.startsWith(PART_FIELD)) return partsField(request, name.slice(PART_FIELD.length));
  switch (name) {
    case "images":
      return request.messages.some(({ parts }) => hasImage(parts)) ? "some" : undefined;
    case "parallelToolCalls":
      return request.parallelToolCalls?.toString();
    case "reasoning":
      return reasoningOf(request.reasoning, defaultEffort);
    case "responseFormat":
      return request.responseFormat?.type === "text" ? "text" : textOf(request.responseFormat);
    case "serviceTier":
      return request.serviceTier;
    case "toolChoice":
      return request.toolChoice?.type === "auto" ? "auto" : textOf(request.toolChoice);
    case "verbosity":
      return request.verbosity;
    default:
      return undefined;
  }
}

/** A field of the request that only its dialect can say, and one of any part. */
const REQUEST_FIELD = "extra.";
const PART_FIELD = "part.";

function textOf(value: JsonValue | undefined): string | undefined {
  return value === undefined || typeof value === "string" ? value : JSON.stringify(value);
}

function reasoningOf(wish: ReasoningWish | undefined, defaultEffort: string | undefined): string | undefined {
  if (wish === undefined) return undefined;
  const { effort, budgetTokens, enabled } = wish;
  if (budgetTokens === undefined && enabled === undefined && (effort ?? defaultEffort) === defaultEffort)
    return undefined;
  return JSON.stringify([effort ?? defaultEffort ?? null, budgetTokens ?? null, enabled ?? null]);
}

function hasImage(parts: readonly Part[]): boolean {
  return parts.some((part) => part.type === "image" || (part.type === "tool-result" && hasImage(part.content)));
}

/** What parts say there, each word once. */
function partsField({ messages }: ChatRequest, field: string): string | undefined {
  const said = new Set<string>();
  for (const { parts } of messages) {
    for (const { extra } of parts) {
      const text = textOf(extra?.[field]);
      if (text !== undefined) said.add(text);
    }
  }
  return said.size === 0 ? undefined : [...said].sort().join();
}
