/**
 * One conversation that uses what both dialects have, said in each of them: three variants that differ in how.
 */
import type { Api } from "./answer.ts";
import type { Json } from "./material.ts";

/** A picture of one pixel. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const SYSTEM = "You are careful. Réponds en 日本語 🙂, briefly.";
const REMARK = "The user is on a train.";
const QUESTION = "What does it show, and what is the weather there?";
const FOLLOW_UP = "And tomorrow?";
const THOUGHT = "I will look both up.";
const RESULTS = ["22 °C, 🌤", '{"price": 12.50, "currency": "€"}'] as const;

const WEATHER = {
  type: "object",
  properties: {
    city: { type: "string", description: "Name, e.g. “Zürich”" },
    days: { type: "array", items: { type: "object", properties: { offset: { type: "integer", minimum: 0 } } } },
    unit: { anyOf: [{ type: "string", enum: ["C", "F"] }, { type: "null" }] },
  },
  required: ["city"],
  additionalProperties: false,
};
const PRICE = {
  type: "object",
  properties: { "2": { type: "string" }, "10": { $ref: "#/$defs/n" } },
  $defs: { n: { type: "number" } },
};
const ARGUMENTS = [
  { city: "Zürich", days: [{ offset: 0 }] },
  { "2": "b", "10": 1.5 },
] as const;

export type Variant = "plain" | "marked" | "odd";
export const VARIANTS: readonly Variant[] = ["plain", "marked", "odd"];

export function richRequest(api: Api, variant: Variant, model: string): Json {
  return api === "chat" ? chat(variant, model) : messages(variant, model);
}

/** Ids as other servers make them; Messages allow no such, from nobody. */
const IDS: Readonly<Record<Variant, readonly [string, string]>> = {
  plain: ["call_0123456789abcdefghij", "call_9876543210zyxwvutsrq"],
  marked: ["toolu_01AbCdEfGhIjKlMnOpQrStUv", "toolu_01ZyXwVuTsRqPoNmLkJiHgFe"],
  odd: ["functions.weather:0", "fc|1/ü"],
};
const MARK = { cache_control: { type: "ephemeral" } };

function chat(variant: Variant, model: string): Json {
  const [first, second] = IDS[variant];
  const mark = variant === "marked" ? MARK : {};
  const call = (id: string, name: string, value: object) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(value) },
  });
  const result = (id: string, text: string) => ({
    role: "tool",
    tool_call_id: id,
    content: variant === "odd" ? [{ type: "text", text }] : text,
  });
  const tool = (name: string, parameters: object) => ({
    type: "function",
    function: { name, description: `Looks up the ${name}.`, parameters },
  });
  return {
    model,
    messages: [
      { role: "system", content: variant === "plain" ? SYSTEM : [{ type: "text", text: SYSTEM, ...mark }] },
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
          { type: "text", text: QUESTION, ...mark },
        ],
      },
      ...(variant === "marked" ? [{ role: "system", content: REMARK }] : []),
      {
        role: "assistant",
        content: variant === "odd" ? null : THOUGHT,
        tool_calls: [
          call(first, "weather", ARGUMENTS[0]),
          call(second, "price", variant === "odd" ? {} : ARGUMENTS[1]),
        ],
      },
      result(first, RESULTS[0]),
      result(second, RESULTS[1]),
      { role: "user", content: FOLLOW_UP },
    ],
    tools: [tool("weather", WEATHER), tool("price", PRICE)],
    ...CHAT_WISHES[variant],
  };
}

const CHAT_WISHES: Readonly<Record<Variant, Json>> = {
  plain: {
    tool_choice: { type: "function", function: { name: "weather" } },
    temperature: 0.5,
    max_tokens: 300,
    stop: ["END", "\n\nHuman:"],
  },
  marked: { tool_choice: "required", parallel_tool_calls: false, top_p: 0.9 },
  odd: { tool_choice: "none", stop: "END", temperature: 0, max_completion_tokens: 1, stream: true },
};

function messages(variant: Variant, model: string): Json {
  const [first, second] = IDS[variant === "odd" ? "marked" : variant];
  const mark = variant === "marked" ? MARK : {};
  const result = (id: string, text: string) => ({
    type: "tool_result",
    tool_use_id: id,
    content: variant === "odd" ? [{ type: "text", text }] : text,
  });
  const tool = (name: string, schema: object) => ({
    name,
    description: `Looks up the ${name}.`,
    input_schema: schema,
  });
  return {
    model,
    system: variant === "plain" ? SYSTEM : [{ type: "text", text: SYSTEM, ...mark }],
    messages: [
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
          { type: "text", text: QUESTION, ...mark },
        ],
      },
      ...(variant === "marked" ? [{ role: "system", content: REMARK }] : []),
      {
        role: "assistant",
        content: [
          ...(variant === "odd" ? [] : [{ type: "text", text: THOUGHT }]),
          { type: "tool_use", id: first, name: "weather", input: ARGUMENTS[0] },
          { type: "tool_use", id: second, name: "price", input: variant === "odd" ? {} : ARGUMENTS[1] },
        ],
      },
      {
        role: "user",
        content: [result(first, RESULTS[0]), result(second, RESULTS[1]), { type: "text", text: FOLLOW_UP }],
      },
    ],
    tools: [tool("weather", WEATHER), tool("price", PRICE)],
    ...MESSAGES_WISHES[variant],
  };
}

const MESSAGES_WISHES: Readonly<Record<Variant, Json>> = {
  plain: {
    tool_choice: { type: "tool", name: "weather" },
    temperature: 0.5,
    max_tokens: 300,
    stop_sequences: ["END", "\n\nHuman:"],
  },
  marked: { tool_choice: { type: "any", disable_parallel_tool_use: true }, top_p: 0.9, max_tokens: 4_096 },
  odd: { tool_choice: { type: "none" }, stop_sequences: ["END"], temperature: 0, max_tokens: 1, stream: true },
};
