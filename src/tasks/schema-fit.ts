/**
 * Whether a value fits a JSON Schema, as far as can be told cheaply. What is not looked at (patterns, formats, remote references, what
 * is nested very deep) is taken to fit: a signal must not call a good answer broken.
 */
import { isDeepStrictEqual } from "node:util";

const DEPTH_MAX = 32;
/** Values and schemas that are looked at, over all. */
const STEPS_MAX = 10_000;

export function fits(value: unknown, schema: unknown): boolean {
  const budget = { steps: STEPS_MAX };
  return check(value, schema, { root: schema, depth: 0, budget });
}

interface Place {
  readonly root: unknown;
  readonly depth: number;
  readonly budget: { steps: number };
}

type Schema = Readonly<Record<string, unknown>>;

function check(value: unknown, schema: unknown, place: Place): boolean {
  place.budget.steps -= 1;
  if (place.budget.steps < 0 || place.depth > DEPTH_MAX) return true;
  if (schema === false) return false;
  if (!isObject(schema)) return true;
  const inner = { ...place, depth: place.depth + 1 };
  const { $ref, type, enum: values, anyOf, oneOf, allOf } = schema;
  if (typeof $ref === "string" && !check(value, referred($ref, place.root), inner)) return false;
  if (type !== undefined && !hasType(value, type, schema["nullable"] === true)) return false;
  if (Array.isArray(values) && !values.some((one) => isDeepStrictEqual(one, value))) return false;
  if ("const" in schema && !isDeepStrictEqual(schema["const"], value)) return false;
  if (Array.isArray(allOf) && !allOf.every((one) => check(value, one, inner))) return false;
  for (const either of [anyOf, oneOf]) {
    if (Array.isArray(either) && !either.some((one) => check(value, one, inner))) return false;
  }
  if (Array.isArray(value)) return itemsFit(value, schema, inner);
  if (isObject(value)) return fieldsFit(value, schema, inner);
  if (typeof value === "number") return isWithin(value, schema);
  return true;
}

function hasType(value: unknown, type: unknown, isNullable: boolean): boolean {
  if (value === null && isNullable) return true;
  const types = Array.isArray(type) ? type : [type];
  return types.some((one) => {
    switch (one) {
      case "null":
        return value === null;
      case "array":
        return Array.isArray(value);
      case "object":
        return isObject(value);
      case "integer":
        return Number.isInteger(value);
      case "number":
      case "string":
      case "boolean":
        return typeof value === one;
      default:
        return true;
    }
  });
}

function itemsFit(items: readonly unknown[], schema: Schema, place: Place): boolean {
  const { items: ofAll, prefixItems, minItems, maxItems } = schema;
  if (typeof minItems === "number" && items.length < minItems) return false;
  if (typeof maxItems === "number" && items.length > maxItems) return false;
  const first = Array.isArray(prefixItems) ? prefixItems : [];
  return items.every((item, index) => check(item, index < first.length ? first[index] : ofAll, place));
}

function fieldsFit(value: Schema, schema: Schema, place: Place): boolean {
  const { required, properties, additionalProperties, patternProperties } = schema;
  if (Array.isArray(required) && required.some((name) => typeof name === "string" && !Object.hasOwn(value, name))) {
    return false;
  }
  const known = isObject(properties) ? properties : {};
  return Object.entries(value).every(([name, field]) => {
    if (Object.hasOwn(known, name)) return check(field, known[name], place);
    return patternProperties !== undefined || check(field, additionalProperties, place);
  });
}

function isWithin(value: number, { minimum, maximum }: Schema): boolean {
  return !(typeof minimum === "number" && value < minimum) && !(typeof maximum === "number" && value > maximum);
}

/** Only within the schema itself; what is elsewhere is not looked at. */
function referred(reference: string, root: unknown): unknown {
  if (!reference.startsWith("#")) return true;
  let found: unknown = root;
  for (const step of reference.slice(1).split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
