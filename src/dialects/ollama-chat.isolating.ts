/** A client's own body kept apart from other tenants': every model here has one cache for all who call, and no key parts it. */
import type { JsonObject } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { lineBefore, notIsolated, type Isolation } from "./isolating.ts";
import { isArray } from "./ollama-chat.words.ts";
import { lineEdits } from "./openai-chat.isolating.ts";

export function isolating(body: JsonObject, { line }: Isolation): readonly Edit[] {
  return line === undefined ? [] : lineEdits(body, line);
}

/** For a prompt without turns. @throws GatewayError for one that begins with what is no text, or with another template's own words. */
export function promptIsolating(
  { system, prompt, raw, context, template }: JsonObject,
  { line }: Isolation,
): readonly Edit[] {
  // Without a prompt it is a request to load the model.
  if (line === undefined || typeof prompt !== "string" || prompt === "") return [];
  if (raw === true) throw notIsolated("raw");
  if (isArray(context) && context.length > 0) throw notIsolated("context");
  if (typeof template === "string" && template !== "") throw notIsolated("template");
  return typeof system === "string" && system !== ""
    ? [{ op: "set", path: ["system"], value: lineBefore(line, system) }]
    : [{ op: "set", path: ["prompt"], value: lineBefore(line, prompt) }];
}
