/**
 * Mistral's schema, which forbids what it does not name. Violations are a 422 with a list of what is wrong and where, as FastAPI
 * writes it; what the schema allows and the service does not is a 400 with a code of its own.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { isObject, Refusal } from "./wire.ts";

export type Location = readonly (string | number)[];

export interface Violation {
  readonly type: string;
  readonly at: Location;
  readonly message: string;
  readonly input: JsonValue;
}

/** A 400 in Mistral's own form. */
export function refused(message: string, type: string, code: string): Refusal {
  return new Refusal(400, message, { type, code });
}

export function unprocessable(violations: readonly Violation[]): Refusal {
  return new Refusal(422, "Unprocessable Entity", {
    details: violations.map((one) => ({
      type: one.type,
      loc: ["body", ...one.at],
      msg: one.message,
      input: one.input,
    })),
  });
}

export function extras(value: JsonObject, known: ReadonlySet<string>, at: Location): Violation[] {
  return Object.entries(value)
    .filter(([key]) => !known.has(key))
    .map(([key, input]) => ({
      type: "extra_forbidden",
      at: [...at, key],
      message: "Extra inputs are not permitted",
      input: input ?? null,
    }));
}

export function missing(at: Location, input: JsonValue): Violation {
  return { type: "missing", at, message: "Field required", input };
}

export function notOneOf(at: Location, wanted: readonly string[], input: JsonValue): Violation {
  const words = wanted.map((word) => `'${word}'`);
  const text = words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return { type: "literal_error", at, message: `Input should be ${text}`, input };
}

/** @throws Refusal 422 with everything that is wrong. */
export function checkMistralFields(body: JsonObject): void {
  const found: Violation[] = [];
  if (typeof body["model"] !== "string") found.push(missing(["model"], body));
  if (body["messages"] === undefined) found.push(missing(["messages"], body));
  found.push(...extras(body, FIELDS, []));
  for (const [field, rule] of Object.entries(RULES)) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    const violation = violationOf(rule, value, [field]);
    if (violation !== undefined) found.push(violation);
  }
  found.push(...toolViolations(body["tools"]), ...toolChoiceViolations(body["tool_choice"]));
  found.push(...formatViolations(body["response_format"]));
  if (found.length > 0) throw unprocessable(found);
}

export type Rule =
  | { readonly kind: "number"; readonly whole: boolean; readonly least: number; readonly most: number }
  | { readonly kind: "boolean" | "string" | "object" }
  | { readonly kind: "words"; readonly words: readonly string[] };

export const RULES: Readonly<Record<string, Rule>> = {
  temperature: { kind: "number", whole: false, least: 0, most: 1.5 },
  top_p: { kind: "number", whole: false, least: 0, most: 1 },
  max_tokens: { kind: "number", whole: true, least: 0, most: Infinity },
  random_seed: { kind: "number", whole: true, least: 0, most: Infinity },
  presence_penalty: { kind: "number", whole: false, least: -2, most: 2 },
  frequency_penalty: { kind: "number", whole: false, least: -2, most: 2 },
  n: { kind: "number", whole: true, least: 1, most: 128 },
  stream: { kind: "boolean" },
  logprobs: { kind: "boolean" },
  parallel_tool_calls: { kind: "boolean" },
  safe_prompt: { kind: "boolean" },
  metadata: { kind: "object" },
  prompt_cache_key: { kind: "string" },
  reasoning_effort: { kind: "words", words: ["none", "high"] },
  prompt_mode: { kind: "words", words: ["reasoning"] },
  service_tier: { kind: "words", words: ["auto", "standard_only"] },
};
const FIELDS: ReadonlySet<string> = new Set([
  ...Object.keys(RULES),
  "model",
  "messages",
  "tools",
  "tool_choice",
  "response_format",
  "stop",
  "prediction",
  "guardrails",
  "top_logprobs",
]);

export function violationOf(rule: Rule, value: JsonValue, at: Location): Violation | undefined {
  switch (rule.kind) {
    case "number": {
      const type = rule.whole ? "int_type" : "float_type";
      const message = `Input should be a valid ${rule.whole ? "integer" : "number"}`;
      if (typeof value !== "number" || (rule.whole && !Number.isInteger(value)))
        return { type, at, message, input: value };
      if (value < rule.least) {
        return {
          type: "greater_than_equal",
          at,
          message: `Input should be greater than or equal to ${rule.least}`,
          input: value,
        };
      }
      if (value <= rule.most) return undefined;
      return {
        type: "less_than_equal",
        at,
        message: `Input should be less than or equal to ${rule.most}`,
        input: value,
      };
    }
    case "boolean":
      if (typeof value === "boolean") return undefined;
      return { type: "bool_type", at, message: "Input should be a valid boolean", input: value };
    case "string":
      if (typeof value === "string") return undefined;
      return { type: "string_type", at, message: "Input should be a valid string", input: value };
    case "object":
      if (isObject(value)) return undefined;
      return { type: "dict_type", at, message: "Input should be a valid dictionary", input: value };
    case "words":
      return rule.words.includes(String(value)) ? undefined : notOneOf(at, rule.words, value);
  }
}

const TOOLS_MAX = 128;
const TOOL_TYPES = [
  "function",
  "web_search",
  "web_search_premium",
  "code_interpreter",
  "image_generation",
  "document_library",
];
const TOOL_FIELDS: ReadonlySet<string> = new Set(["type", "function"]);
const FUNCTION_FIELDS: ReadonlySet<string> = new Set(["name", "description", "strict", "parameters"]);

function toolViolations(tools: JsonValue | undefined): Violation[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) {
    return [{ type: "list_type", at: ["tools"], message: "Input should be a valid list", input: tools }];
  }
  if (tools.length > TOOLS_MAX) {
    return [
      {
        type: "too_long",
        at: ["tools"],
        message: `List should have at most ${TOOLS_MAX} items after validation, not ${tools.length}`,
        input: null,
      },
    ];
  }
  return (tools as readonly JsonValue[]).flatMap((tool, index): Violation[] => {
    const at = ["tools", index];
    if (!isObject(tool)) return [{ type: "dict_type", at, message: "Input should be a valid dictionary", input: tool }];
    const type = tool["type"] ?? "function";
    if (!TOOL_TYPES.includes(String(type))) return [notOneOf([...at, "type"], TOOL_TYPES, type)];
    if (type !== "function") return [];
    const described = tool["function"];
    if (!isObject(described)) return [missing([...at, "function"], tool)];
    return [
      ...extras(tool, TOOL_FIELDS, at),
      ...extras(described, FUNCTION_FIELDS, [...at, "function"]),
      ...(typeof described["name"] === "string" ? [] : [missing([...at, "function", "name"], described)]),
      ...(isObject(described["parameters"]) ? [] : [missing([...at, "function", "parameters"], described)]),
    ];
  });
}

const CHOICES = ["auto", "none", "any", "required"];

function toolChoiceViolations(choice: JsonValue | undefined): Violation[] {
  if (choice === undefined || choice === null) return [];
  if (!isObject(choice)) return CHOICES.includes(String(choice)) ? [] : [notOneOf(["tool_choice"], CHOICES, choice)];
  const named = choice["function"];
  if (isObject(named) && typeof named["name"] === "string") return extras(choice, TOOL_FIELDS, ["tool_choice"]);
  return [missing(["tool_choice", "function"], choice)];
}

const FORMATS = ["text", "json_object", "json_schema"];
const SCHEMA_FIELDS: ReadonlySet<string> = new Set(["name", "description", "schema", "strict"]);

function formatViolations(format: JsonValue | undefined): Violation[] {
  if (format === undefined || format === null) return [];
  const at = ["response_format"];
  if (!isObject(format))
    return [{ type: "dict_type", at, message: "Input should be a valid dictionary", input: format }];
  const type = format["type"] ?? "text";
  if (!FORMATS.includes(String(type))) return [notOneOf([...at, "type"], FORMATS, type)];
  if (type !== "json_schema") return [];
  const described = format["json_schema"];
  if (!isObject(described)) return [missing([...at, "json_schema"], format)];
  return [
    ...extras(described, SCHEMA_FIELDS, [...at, "json_schema"]),
    ...["name", "schema"]
      .filter((field) => described[field] === undefined)
      .map((field) => missing([...at, "json_schema", field], described)),
  ];
}
