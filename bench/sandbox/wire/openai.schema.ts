/** Strict mode's subset of JSON Schema, as far as it can be checked without compiling a grammar. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { isObject } from "./wire.ts";

const DEPTH_MAX = 10;
const PROPERTIES_MAX = 5000;
const REFUSED_KEYWORDS = [
  "allOf",
  "not",
  "dependentRequired",
  "dependentSchemas",
  "if",
  "then",
  "else",
  "oneOf",
  "patternProperties",
  "unevaluatedProperties",
  "default",
];

/** What is wrong with it, in OpenAI's words; `undefined` when nothing is. */
export function strictSchemaFault(schema: JsonObject): string | undefined {
  if (schema["type"] !== "object") {
    const type = typeof schema["type"] === "string" ? `"${schema["type"]}"` : "None";
    return `schema must be a JSON Schema of 'type: "object"', got 'type: ${type}'.`;
  }
  if (schema["anyOf"] !== undefined) return "In context=(), 'anyOf' is not permitted at the root.";
  const seen = { properties: 0 };
  return faultAt(schema, [], 0, seen);
}

function faultAt(
  schema: JsonObject,
  path: readonly string[],
  depth: number,
  seen: { properties: number },
): string | undefined {
  const context = `In context=(${path.map((step) => `'${step}'`).join(", ")})`;
  if (depth > DEPTH_MAX) return `${depth} levels of nesting exceeds limit of ${DEPTH_MAX}.`;
  const refused = REFUSED_KEYWORDS.find((keyword) => schema[keyword] !== undefined);
  if (refused !== undefined) return `${context}, '${refused}' is not permitted.`;
  const type = schema["type"];
  if (type === undefined && !["$ref", "anyOf", "enum", "const"].some((key) => schema[key] !== undefined)) {
    return `${context}, schema must have a 'type' key.`;
  }
  const isObjectType = type === "object" || (Array.isArray(type) && type.includes("object"));
  if (isObjectType) {
    const fault = objectFault(schema, context, seen);
    if (fault !== undefined) return fault;
  }
  for (const [step, child] of children(schema)) {
    const isLevel = step[0] === "properties" || step[0] === "items";
    const fault = faultAt(child, [...path, ...step], isLevel ? depth + 1 : depth, seen);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function objectFault(schema: JsonObject, context: string, seen: { properties: number }): string | undefined {
  if (schema["additionalProperties"] !== false) {
    return `${context}, 'additionalProperties' is required to be supplied and to be false.`;
  }
  const names = isObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
  seen.properties += names.length;
  if (seen.properties > PROPERTIES_MAX) return `the schema exceeds the limit of ${PROPERTIES_MAX} object properties.`;
  const required: readonly JsonValue[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const missing = names.find((name) => !required.includes(name));
  if (missing !== undefined) {
    return `${context}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing}'.`;
  }
  const extra = required.find((name) => !names.includes(String(name)));
  return extra === undefined ? undefined : `${context}, 'required' has an extra key '${String(extra)}'.`;
}

function children(schema: JsonObject): (readonly [readonly string[], JsonObject])[] {
  const found: (readonly [readonly string[], JsonObject])[] = [];
  for (const key of ["properties", "$defs", "definitions"]) {
    const group = schema[key];
    if (!isObject(group)) continue;
    for (const [name, child] of Object.entries(group)) if (isObject(child)) found.push([[key, name], child]);
  }
  if (isObject(schema["items"])) found.push([["items"], schema["items"]]);
  const union = schema["anyOf"];
  if (Array.isArray(union)) {
    for (const [index, child] of (union as readonly JsonValue[]).entries()) {
      if (isObject(child)) found.push([["anyOf", String(index)], child]);
    }
  }
  return found;
}
