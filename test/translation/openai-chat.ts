/** What Chat Completions can say, one thing at a time. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fields, instead, LOOSE_SCHEMA, mark, one, PDF, PNG, SCHEMA, WAV, type Said } from "./said.ts";

const HELLO: JsonObject = { role: "user", content: "Hello" };
const BASE: JsonObject = { model: "auto", messages: [HELLO] };
const TOOL: JsonObject = {
  type: "function",
  function: { name: "weather", description: "Tells it", parameters: SCHEMA },
};
const OTHER: JsonObject = { type: "function", function: { name: "clock", parameters: SCHEMA } };
const TOOLS: JsonObject = { tools: [TOOL, OTHER] };
const CALL: JsonObject = {
  id: "call_1",
  type: "function",
  function: { name: "weather", arguments: '{"city":"Rome"}' },
};
const CALLED: readonly JsonValue[] = [HELLO, { role: "assistant", content: null, tool_calls: [CALL] }];
const RESULT: JsonObject = { role: "tool", tool_call_id: "call_1", content: "Sunny" };

export const openaiChatSaid: readonly Said[] = [
  ...fields(BASE, {
    audio: { voice: mark("voice"), format: "wav" },
    frequency_penalty: 0.5,
    logit_bias: { "50256": -100 },
    max_completion_tokens: 2345,
    max_tokens: 2345,
    metadata: { key: mark("metadata") },
    modalities: ["text", "audio"],
    moderation: { model: mark("moderation") },
    n: 2,
    prediction: { type: "content", content: mark("prediction") },
    presence_penalty: 0.5,
    prompt_cache_key: mark("cache-key"),
    prompt_cache_options: { mode: "explicit" },
    prompt_cache_retention: "24h",
    reasoning_effort: "low",
    safety_identifier: mark("person"),
    seed: 77,
    stop: [mark("stop")],
    store: true,
    stream: true,
    temperature: 0.5,
    top_k: 40,
    top_p: 0.5,
    user: mark("user"),
    verbosity: "low",
    web_search_options: { search_context_size: "low" },
    min_p: 0.1,
  }),
  one("reasoning_effort: none", BASE, { reasoning_effort: "none" }),
  one("reasoning_effort: xhigh", BASE, { reasoning_effort: "xhigh" }),
  one("temperature: 1.9", BASE, { temperature: 1.9 }),
  one("temperature with top_p", BASE, { temperature: 0.5 }, { top_p: 0.5 }),
  one("temperature beside reasoning", BASE, { temperature: 0.5 }, { reasoning_effort: "high" }),
  one("max_completion_tokens: 0", BASE, { max_completion_tokens: 0 }),
  one("stop: five of them", BASE, { stop: ["a", "b", "c", "d", "e"].map((word) => mark(word)) }),
  one("stop: a line break", BASE, { stop: ["\n"] }),
  ...["auto", "default", "flex", "priority"].map((tier) => one(`service_tier: ${tier}`, BASE, { service_tier: tier })),
  one("logprobs", BASE, { logprobs: true }),
  one("top_logprobs", BASE, { top_logprobs: 3 }, { logprobs: true }),
  one("stream_options.include_usage", BASE, { stream_options: { include_usage: true } }, { stream: true }),
  one("stream_options.include_obfuscation", BASE, { stream_options: { include_obfuscation: false } }, { stream: true }),
  one("response_format: text", BASE, { response_format: { type: "text" } }),
  one("response_format: json_object", BASE, { response_format: { type: "json_object" } }),
  one("response_format: json_schema", BASE, format({})),
  one("response_format: json_schema.description", BASE, format({ description: mark("format") }), format({})),
  one("response_format: json_schema.strict", BASE, format({ strict: true }), format({})),
  one("response_format: json_schema, strict, of a loose schema", BASE, format({ strict: true, schema: LOOSE_SCHEMA })),
  one("response_format: grammar", BASE, { response_format: { type: "grammar", grammar: mark("grammar") } }),
  one("tools: function", BASE, { tools: [named({ description: mark("tool") })] }),
  one("tools: strict", BASE, { tools: [named({ strict: true })] }, { tools: [named({})] }),
  one(
    "tools: strict, of a loose schema",
    BASE,
    { tools: [named({ strict: true, parameters: LOOSE_SCHEMA })] },
    { tools: [named({ parameters: LOOSE_SCHEMA })] },
  ),
  one("tools: an unknown member", BASE, { tools: [named({ hint: mark("hint") })] }, { tools: [named({})] }),
  one(
    "tools: custom",
    BASE,
    { tools: [TOOL, { type: "custom", custom: { name: mark("custom") } }] },
    { tools: [TOOL] },
  ),
  one("tools: custom alone", BASE, { tools: [{ type: "custom", custom: { name: mark("custom") } }] }),
  one("functions", BASE, { functions: [{ name: mark("function"), parameters: SCHEMA }] }),
  one("function_call", BASE, { function_call: { name: "weather" } }, TOOLS),
  one("parallel_tool_calls: false", BASE, { parallel_tool_calls: false }, TOOLS),
  one("parallel_tool_calls: true", BASE, { parallel_tool_calls: true }, TOOLS),
  ...["none", "auto", "required"].map((choice) => one(`tool_choice: ${choice}`, BASE, { tool_choice: choice }, TOOLS)),
  one("tool_choice: one by name", BASE, { tool_choice: { type: "function", function: { name: "weather" } } }, TOOLS),
  one("tool_choice: allowed_tools", BASE, { tool_choice: allowed("auto") }, TOOLS),
  one("tool_choice: allowed_tools, required", BASE, { tool_choice: allowed("required") }, TOOLS),
  one("tool_choice: required, without tools", BASE, { tool_choice: "required" }),
  turns("messages: system", [{ role: "system", content: mark("system") }, HELLO], [HELLO]),
  turns("messages: developer", [{ role: "developer", content: mark("developer") }, HELLO], [HELLO]),
  turns("messages: system after the user", [HELLO, { role: "system", content: mark("late") }, HELLO], [HELLO, HELLO]),
  turns("messages: name", [{ ...HELLO, name: mark("name") }], [HELLO]),
  turns("messages: an unknown member", [{ ...HELLO, hint: mark("hint") }], [HELLO]),
  turns("messages: assistant first", [{ role: "assistant", content: mark("first") }, HELLO], [HELLO]),
  turns("messages: assistant last (prefill)", [HELLO, { role: "assistant", content: mark("prefill") }], [HELLO]),
  part("content: text", { type: "text", text: mark("text") }),
  part(
    "content: text, an unknown member",
    { type: "text", text: "A", hint: mark("hint") },
    { type: "text", text: "A" },
  ),
  part("content: image_url", { type: "image_url", image_url: { url: "https://host/mark-image.png" } }),
  part("content: image_url, base64", { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } }),
  part(
    "content: image_url.detail",
    { type: "image_url", image_url: { url: "https://host/a.png", detail: "low" } },
    { type: "image_url", image_url: { url: "https://host/a.png" } },
  ),
  part("content: input_audio", { type: "input_audio", input_audio: { data: WAV, format: "wav" } }),
  part("content: file", { type: "file", file: { file_data: `data:application/pdf;base64,${PDF}`, filename: "a.pdf" } }),
  part("content: file.file_id", { type: "file", file: { file_id: "file-mark-hosted" } }),
  part("content: an unknown part", { type: "hologram", hologram: mark("hologram") }),
  part(
    "content: prompt_cache_breakpoint",
    { type: "text", text: "A", prompt_cache_breakpoint: { mode: "explicit" } },
    { type: "text", text: "A" },
  ),
  part(
    "content: cache_control",
    { type: "text", text: "A", cache_control: { type: "ephemeral" } },
    { type: "text", text: "A" },
  ),
  instead("content: cache_control, five of them", marked([]), marked([{}, {}, {}, {}, {}])),
  instead("content: cache_control.ttl after a shorter one", marked([{}, {}]), marked([{}, { ttl: "1h" }])),
  turns("messages: tool_calls and their results", [...CALLED, RESULT], [HELLO]),
  turns(
    "messages: a tool result as parts",
    [...CALLED, { ...RESULT, content: [{ type: "text", text: mark("result") }] }],
    [...CALLED, RESULT],
  ),
  turns("messages: a result without a call", [HELLO, { ...RESULT, content: mark("orphan") }], [HELLO]),
  turns("messages: a call without a result", [...CALLED, HELLO], [HELLO, HELLO]),
  turns("messages: arguments that are not JSON", [...calledWith("{mark-cut"), RESULT], [...CALLED, RESULT]),
  turns("messages: custom tool call", [HELLO, { role: "assistant", tool_calls: [custom()] }, RESULT], [HELLO]),
  turns(
    "messages: refusal",
    [HELLO, { role: "assistant", content: null, refusal: mark("refused") }, HELLO],
    [HELLO, HELLO],
  ),
  turns(
    "messages: audio of the assistant's",
    [HELLO, spoken({ audio: { id: mark("audio") } }), HELLO],
    [HELLO, spoken({}), HELLO],
  ),
  turns(
    "messages: annotations",
    [HELLO, spoken({ annotations: [{ type: mark("annotation") }] }), HELLO],
    [HELLO, spoken({}), HELLO],
  ),
  turns(
    "messages: reasoning_content",
    [HELLO, spoken({ reasoning_content: mark("thought") }), HELLO],
    [HELLO, spoken({}), HELLO],
  ),
  turns(
    "messages: reasoning_details (sealed)",
    [HELLO, spoken({ reasoning_details: [{ type: "reasoning.encrypted", data: mark("sealed") }] }), HELLO],
    [HELLO, spoken({}), HELLO],
  ),
];

function format(given: JsonObject): JsonObject {
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema: SCHEMA, ...given } } };
}

function named(given: JsonObject): JsonObject {
  return { type: "function", function: { name: "weather", parameters: SCHEMA, ...given } };
}

function allowed(mode: string): JsonObject {
  return {
    type: "allowed_tools",
    allowed_tools: { mode, tools: [{ type: "function", function: { name: "weather" } }] },
  };
}

function custom(): JsonObject {
  return { id: "call_1", type: "custom", custom: { name: "sql", input: mark("input") } };
}

function spoken(given: JsonObject): JsonObject {
  return { role: "assistant", content: "Hi", ...given };
}

function calledWith(text: string): readonly JsonValue[] {
  const call = { id: "call_1", type: "function", function: { name: "weather", arguments: text } };
  return [HELLO, { role: "assistant", content: null, tool_calls: [call] }];
}

/** Some of them need tools to be offered. */
function turns(what: string, messages: readonly JsonValue[], before: readonly JsonValue[]): Said {
  return instead(what, { ...BASE, ...TOOLS, messages: before }, { ...BASE, ...TOOLS, messages });
}

function marked(marks: readonly JsonObject[]): JsonObject {
  const texts = ["A", "B", "C", "D", "E"].map((text, at) => ({
    type: "text",
    text,
    ...(marks[at] === undefined ? {} : { cache_control: { type: "ephemeral", ...marks[at] } }),
  }));
  return { ...BASE, messages: [{ role: "user", content: texts }] };
}

function part(what: string, said: JsonObject, before?: JsonObject): Said {
  const content = (parts: readonly JsonValue[]) => ({ ...BASE, messages: [{ role: "user", content: parts }] });
  const hello = { type: "text", text: "Hello" };
  return instead(what, content(before === undefined ? [hello] : [hello, before]), content([hello, said]));
}
