/**
 * One thing that a client can say, beside what is said without it: what the page of losses is made of.
 */
import type { JsonObject, JsonValue } from "../../src/chat.ts";

export interface Said {
  /** As the page names it: the field, or the block. */
  readonly what: string;
  readonly without: JsonObject;
  readonly with: JsonObject;
  /** Its own leaf values that are told apart from anything else; each must be found in what is written. */
  readonly marks: readonly string[];
}

/** A text that nothing else says. */
export function mark(name: string): string {
  return `mark-${name}`;
}

/** Fields beside a body; `context` is what they need around them. */
export function fields(base: JsonObject, said: JsonObject, context: JsonObject = {}): Said[] {
  return Object.entries(said).map(([name, value]) => one(name, base, { [name]: value }, context));
}

/** One case of a name of its own, for what a field may be. */
export function one(what: string, base: JsonObject, patch: JsonObject, context: JsonObject = {}): Said {
  return { what, without: { ...base, ...context }, with: { ...base, ...context, ...patch }, marks: marksIn(patch) };
}

/** What stands in place of something, or after it: the two bodies are given whole. */
export function instead(what: string, without: JsonObject, withIt: JsonObject): Said {
  const before = new Set(marksIn(without));
  return { what, without, with: withIt, marks: marksIn(withIt).filter((found) => !before.has(found)) };
}

function marksIn(value: JsonValue | undefined): string[] {
  if (typeof value === "string") return value.match(/mark-[a-z0-9-]+/g) ?? [];
  if (typeof value !== "object" || value === null) return [];
  return [...new Set(Object.values(value).flatMap((held: JsonValue | undefined) => marksIn(held)))];
}

/** A picture of one pixel, and two files as short. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PDF: string = Buffer.from("%PDF-1.4\n%%EOF\n").toString("base64");
export const WAV: string = Buffer.from("RIFF$\0\0\0WAVEfmt ").toString("base64");

export const SCHEMA: JsonObject = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
/** Of these, `strict` does not take the second. */
export const LOOSE_SCHEMA: JsonObject = { type: "object", properties: { city: { type: "string" } } };
