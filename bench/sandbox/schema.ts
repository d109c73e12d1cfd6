/**
 * An instance of a JSON schema, fixed by a seed: what a model would answer under structured output, without the model.
 */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { sampleOf } from "./pattern.ts";
import { digest, pick } from "./tokens.ts";

/** Deeper than this only what is required is made, so that recursive schemas end. */
const GENEROUS_DEPTH = 4;
const DEPTH_MAX = 24;

export function instanceOf(schema: JsonValue | undefined, seed: string): JsonValue {
  return make(isObject(schema) ? schema : {}, { root: isObject(schema) ? schema : {}, seed, depth: 0, name: "value" });
}

interface Place {
  readonly root: JsonObject;
  readonly seed: string;
  readonly depth: number;
  /** The property's name: strings are made of it, so that a reader sees what is what. */
  readonly name: string;
}

function make(given: JsonObject, place: Place): JsonValue {
  const schema = resolve(given, place);
  if (schema["const"] !== undefined) return schema["const"];
  const choices = schema["enum"];
  if (Array.isArray(choices) && choices.length > 0) return choices[pick(place.seed, choices.length)] as JsonValue;
  switch (typeOf(schema, place)) {
    case "object":
      return makeObject(schema, place);
    case "array":
      return makeArray(schema, place);
    case "integer":
      return makeNumber(schema, place, true);
    case "number":
      return makeNumber(schema, place, false);
    case "boolean":
      return pick(place.seed, 2) === 1;
    case "null":
      return null;
    default:
      return makeString(schema, place);
  }
}

/** The schema without references, unions and intersections. */
function resolve(given: JsonObject, place: Place): JsonObject {
  let schema = given;
  for (let step = 0; step < DEPTH_MAX; step++) {
    const reference = schema["$ref"];
    const union = schema["anyOf"] ?? schema["oneOf"];
    const all = schema["allOf"];
    if (typeof reference === "string") {
      const { $ref: _, ...rest } = schema;
      schema = merge(pointed(place.root, reference), rest);
    } else if (Array.isArray(all)) {
      const { allOf: _, ...rest } = schema;
      schema = all.filter(isObject).reduce((sum, one) => merge(sum, resolve(one, place)), rest);
    } else if (Array.isArray(union) && union.some(isObject)) {
      const { anyOf: _, oneOf: __, ...rest } = schema;
      schema = merge(rest, branch(union.filter(isObject), place));
    } else {
      return schema;
    }
  }
  return schema;
}

/** One branch of a union: any while there is room, the one that ends soonest when deep. */
function branch(branches: readonly JsonObject[], place: Place): JsonObject {
  if (place.depth >= GENEROUS_DEPTH) {
    const ending =
      branches.find((one) => one["type"] === "null") ??
      branches.find((one) => !["object", "array"].includes(String(one["type"])) && one["$ref"] === undefined);
    if (ending !== undefined) return ending;
  }
  const telling = branches.filter((one) => one["type"] !== "null");
  const pool = telling.length > 0 ? telling : branches;
  return pool[pick(`${place.seed}|`, pool.length)] ?? {};
}

function merge(a: JsonObject, b: JsonObject): JsonObject {
  const properties =
    isObject(a["properties"]) && isObject(b["properties"])
      ? { properties: { ...a["properties"], ...b["properties"] } }
      : {};
  const required =
    Array.isArray(a["required"]) && Array.isArray(b["required"])
      ? { required: [...new Set([...a["required"], ...b["required"]])] }
      : {};
  return { ...a, ...b, ...properties, ...required };
}

function pointed(root: JsonObject, reference: string): JsonObject {
  if (!reference.startsWith("#")) return {};
  let at: JsonValue | undefined = root;
  for (const raw of reference
    .slice(1)
    .split("/")
    .filter((part) => part !== "")) {
    const key = decodeURIComponent(raw).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(at)) at = at[Number(key)] as JsonValue | undefined;
    else if (isObject(at)) at = at[key];
    else return {};
  }
  return isObject(at) ? at : {};
}

function typeOf(schema: JsonObject, place: Place): string {
  const type = schema["type"];
  if (typeof type === "string") return type;
  if (Array.isArray(type) && type.length > 0) {
    const telling = type.filter((one) => one !== "null");
    const ending = place.depth >= GENEROUS_DEPTH && type.includes("null");
    return String(ending ? "null" : (telling[0] ?? "null"));
  }
  if (schema["properties"] !== undefined || schema["additionalProperties"] !== undefined) return "object";
  if (schema["items"] !== undefined || schema["prefixItems"] !== undefined) return "array";
  if (schema["minimum"] !== undefined || schema["maximum"] !== undefined) return "number";
  return place.depth === 0 ? "object" : "string";
}

function makeObject(schema: JsonObject, place: Place): JsonObject {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"].map(String) : []);
  const made: Record<string, JsonValue> = {};
  if (place.depth >= DEPTH_MAX) return made;
  for (const [name, property] of Object.entries(properties)) {
    if (!required.has(name) && place.depth >= GENEROUS_DEPTH) continue;
    made[name] = make(isObject(property) ? property : {}, below(place, name));
  }
  const rest = isObject(schema["additionalProperties"]) ? schema["additionalProperties"] : {};
  for (const name of required) if (!(name in made)) made[name] = make(rest, below(place, name));
  for (let extra = 1; Object.keys(made).length < numberOr(schema["minProperties"], 0); extra++)
    made[`key${extra}`] = make(rest, below(place, `key${extra}`));
  return made;
}

function makeArray(schema: JsonObject, place: Place): JsonValue[] {
  const least = numberOr(schema["minItems"], 0);
  const most = numberOr(schema["maxItems"], Math.max(least, 2));
  const prefix = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"].filter(isObject) : [];
  const wanted =
    place.depth >= GENEROUS_DEPTH
      ? least
      : Math.max(least, prefix.length, Math.min(most, 1 + pick(`${place.seed}#`, 2)));
  if (place.depth >= DEPTH_MAX) return [];
  const made: JsonValue[] = [];
  const seen = new Set<string>();
  for (let index = 0; made.length < wanted && index < wanted * 8; index++) {
    const item = prefix[made.length] ?? (isObject(schema["items"]) ? schema["items"] : {});
    const value = make(item, below(place, `${place.name}${index}`));
    const text = JSON.stringify(value);
    if (schema["uniqueItems"] === true && seen.has(text)) continue;
    seen.add(text);
    made.push(value);
  }
  return made;
}

function makeNumber(schema: JsonObject, place: Place, whole: boolean): number {
  const step = numberOr(schema["multipleOf"], whole ? 1 : 0);
  const above = schema["exclusiveMinimum"];
  const under = schema["exclusiveMaximum"];
  const margin = step > 0 ? step : 1e-3;
  const low =
    typeof above === "number"
      ? above + margin
      : numberOr(
          schema["minimum"],
          typeof under === "number" ? under - 100 : Math.min(0, numberOr(schema["maximum"], 0)),
        );
  const high = typeof under === "number" ? under - margin : numberOr(schema["maximum"], low + 100);
  const unit = pick(place.seed, 1000) / 1000;
  const value = low + (high - low) * unit;
  if (step > 0) {
    const least = Math.ceil(low / step - 1e-9);
    const most = Math.floor(high / step + 1e-9);
    const product = Math.min(most, Math.max(least, Math.round(value / step))) * step;
    return whole ? Math.round(product) : Number(product.toPrecision(12));
  }
  return Number(Math.min(high, Math.max(low, value)).toPrecision(6));
}

const FORMATS: Readonly<Record<string, (seed: string) => string>> = {
  "date-time": (seed) => `2026-0${1 + pick(seed, 9)}-1${pick(seed, 10)}T09:30:00Z`,
  date: (seed) => `2026-0${1 + pick(seed, 9)}-1${pick(seed, 10)}`,
  time: () => "09:30:00Z",
  duration: (seed) => `PT${1 + pick(seed, 59)}M`,
  email: (seed) => `user${pick(seed, 1000)}@example.com`,
  hostname: (seed) => `host${pick(seed, 1000)}.example.com`,
  ipv4: (seed) => `192.0.2.${pick(seed, 255)}`,
  ipv6: (seed) => `2001:db8::${pick(seed, 9999).toString(16)}`,
  uri: (seed) => `https://example.com/${pick(seed, 1000)}`,
  uuid: (seed) => {
    const hex = Buffer.from(digest(seed)).toString("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  },
};

function makeString(schema: JsonObject, place: Place): string {
  const pattern = schema["pattern"];
  const least = numberOr(schema["minLength"], 0);
  const most = numberOr(schema["maxLength"], Infinity);
  if (typeof pattern === "string") {
    const sample = sampleOf(pattern, place.seed, least, most);
    if (sample !== undefined) return sample;
  }
  const format = FORMATS[String(schema["format"] ?? "")];
  if (format !== undefined) return format(place.seed);
  const word = `${place.name}-${digest(place.seed)
    .replaceAll(/[^a-z0-9]/gi, "")
    .slice(0, 4)
    .toLowerCase()}`;
  return [...word.padEnd(least, "x")].slice(0, most).join("");
}

function below(place: Place, name: string): Place {
  return { root: place.root, seed: `${place.seed}/${name}`, depth: place.depth + 1, name };
}

function numberOr(value: JsonValue | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
