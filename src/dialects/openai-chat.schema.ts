/**
 * JSON Schemas as OpenAI's strict mode takes them: every object closed, every property required.
 *
 * Other dialects' strictness asks for less; a schema that fails here is refused with a 400, and is better sent without.
 */
import { hash } from "node:crypto";
import type { JsonObject, JsonValue, ResponseFormat } from "../chat.ts";
import { isArray, isObject } from "./openai-chat.words.ts";

export function takesStrict(schema: JsonObject): boolean {
  return fits(schema, DEPTH_MAX);
}

/** The documented limit of nesting. */
const DEPTH_MAX = 10;
/** Keywords that strict mode refuses. */
const REFUSED: readonly string[] = [
  "allOf",
  "not",
  "oneOf",
  "dependentRequired",
  "dependentSchemas",
  "if",
  "then",
  "else",
  "default",
];
/** Keywords that hold schemas by name. */
const MAPS: readonly string[] = ["properties", "$defs", "definitions"];

function fits(schema: JsonValue | undefined, depth: number): boolean {
  if (typeof schema === "boolean" || schema === undefined) return schema !== false;
  if (!isObject(schema) || depth < 0) return false;
  if (REFUSED.some((keyword) => schema[keyword] !== undefined)) return false;
  const properties = isObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
  const types = isArray(schema["type"]) ? schema["type"] : [schema["type"]];
  if (types.includes("object") || properties.length > 0) {
    const required = isArray(schema["required"]) ? schema["required"] : [];
    if (schema["additionalProperties"] !== false || !properties.every((name) => required.includes(name))) return false;
  }
  const below = [
    ...MAPS.flatMap((keyword) => (isObject(schema[keyword]) ? Object.values(schema[keyword]) : [])),
    ...(isArray(schema["anyOf"]) ? schema["anyOf"] : []),
    schema["items"],
  ];
  return below.every((one) => one === undefined || fits(one, depth - 1));
}

/** Where nothing is said of strictness, another dialect's format is always strict: here only as far as the schema allows. */
export function schemaFormat(
  format: Extract<ResponseFormat, { type: "json-schema" }>,
  own: boolean,
  lose: (field: string, path?: string) => void,
): JsonObject {
  const { schema, name, description, strict } = format;
  const wanted = strict ?? (own ? undefined : true);
  const may = own || wanted !== true || takesStrict(schema);
  if (!may) lose("strict", "response_format");
  return {
    name: name ?? `schema_${hash("sha256", JSON.stringify(schema), "hex").slice(0, 16)}`,
    ...(description === undefined ? {} : { description }),
    schema,
    ...(wanted === undefined ? {} : { strict: may && wanted }),
  };
}
