/** What Responses can say, one thing at a time. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fields, instead, LOOSE_SCHEMA, mark, one, PDF, PNG, SCHEMA, WAV, type Said } from "./said.ts";

const HELLO: JsonObject = { role: "user", content: "Hello" };
const BASE: JsonObject = { model: "auto", input: "Hello" };
const TOOL: JsonObject = { type: "function", name: "weather", parameters: SCHEMA, strict: false };
const OTHER: JsonObject = { type: "function", name: "clock", parameters: SCHEMA, strict: false };
const TOOLS: JsonObject = { tools: [TOOL, OTHER] };
const CALL: JsonObject = { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Rome"}' };
const RESULT: JsonObject = { type: "function_call_output", call_id: "call_1", output: "Sunny" };
const HI: JsonObject = { role: "assistant", content: [{ type: "output_text", text: "Hi" }] };

export const openaiResponsesSaid: readonly Said[] = [
  ...fields(BASE, {
    access_programs: [mark("program")],
    background: true,
    context_management: [{ type: "compaction", compact_threshold: 1000 }],
    conversation: "conv_mark-kept",
    instructions: mark("instructions"),
    max_output_tokens: 2345,
    max_tool_calls: 3,
    metadata: { key: mark("metadata") },
    moderation: { model: mark("moderation") },
    previous_response_id: "resp_mark-kept",
    prompt: { id: "pmpt_mark-kept" },
    prompt_cache_key: mark("cache-key"),
    prompt_cache_options: { mode: "explicit" },
    prompt_cache_retention: "24h",
    safety_identifier: mark("person"),
    store: true,
    stream: true,
    temperature: 0.5,
    top_logprobs: 3,
    top_p: 0.5,
    user: mark("user"),
    some_new_field: mark("new"),
  }),
  one("background: false", BASE, { background: false }),
  one("include: reasoning.encrypted_content", BASE, { include: ["reasoning.encrypted_content"] }),
  one("include: message.output_text.logprobs", BASE, { include: ["message.output_text.logprobs"] }),
  one("include: file_search_call.results", BASE, { include: ["file_search_call.results"] }),
  one("reasoning.effort", BASE, { reasoning: { effort: "low" } }),
  one("reasoning.effort: none", BASE, { reasoning: { effort: "none" } }),
  one("reasoning.summary", BASE, { reasoning: { summary: "auto" } }, { reasoning: { effort: "low" } }),
  one("reasoning: an unknown member", BASE, { reasoning: { mode: mark("mode") } }),
  one("store: false", BASE, { store: false }),
  one("stream_options.include_obfuscation", BASE, { stream_options: { include_obfuscation: false } }, { stream: true }),
  one("truncation: auto", BASE, { truncation: "auto" }),
  one("truncation: disabled", BASE, { truncation: "disabled" }),
  ...["auto", "default", "flex", "priority"].map((tier) => one(`service_tier: ${tier}`, BASE, { service_tier: tier })),
  one("text.verbosity", BASE, { text: { verbosity: "low" } }),
  one("text.format: text", BASE, { text: { format: { type: "text" } } }),
  one("text.format: json_object", BASE, { text: { format: { type: "json_object" } } }),
  one("text.format: json_schema", BASE, format({})),
  one("text.format: json_schema.description", BASE, format({ description: mark("format") }), format({})),
  one("text.format: json_schema.strict", BASE, format({ strict: true }), format({})),
  one("text.format: grammar", BASE, { text: { format: { type: "grammar", grammar: mark("grammar") } } }),
  one("temperature: 1.9", BASE, { temperature: 1.9 }),
  one("max_output_tokens: 0", BASE, { max_output_tokens: 0 }),
  one("tools: function", BASE, { tools: [{ ...TOOL, description: mark("tool") }] }),
  one("tools: strict", BASE, { tools: [{ ...TOOL, strict: true }] }, { tools: [TOOL] }),
  one(
    "tools: strict, of a loose schema",
    BASE,
    { tools: [{ ...TOOL, parameters: LOOSE_SCHEMA, strict: true }] },
    { tools: [{ ...TOOL, parameters: LOOSE_SCHEMA }] },
  ),
  one("tools: defer_loading", BASE, { tools: [{ ...TOOL, defer_loading: true }, OTHER] }, TOOLS),
  one("tools: an unknown member", BASE, { tools: [{ ...TOOL, hint: mark("hint") }] }, { tools: [TOOL] }),
  one("tools: web_search", BASE, { tools: [TOOL, { type: "web_search" }] }, { tools: [TOOL] }),
  one("tools: web_search alone", BASE, { tools: [{ type: "web_search" }] }),
  one("tools: custom", BASE, { tools: [TOOL, { type: "custom", name: mark("custom") }] }, { tools: [TOOL] }),
  one("parallel_tool_calls: false", BASE, { parallel_tool_calls: false }, TOOLS),
  ...["none", "auto", "required"].map((choice) => one(`tool_choice: ${choice}`, BASE, { tool_choice: choice }, TOOLS)),
  one("tool_choice: one by name", BASE, { tool_choice: { type: "function", name: "weather" } }, TOOLS),
  one("tool_choice: allowed_tools", BASE, { tool_choice: allowed("auto") }, TOOLS),
  one("tool_choice: allowed_tools, required", BASE, { tool_choice: allowed("required") }, TOOLS),
  items("input: developer", [{ role: "developer", content: mark("developer") }, HELLO], [HELLO]),
  items("input: system", [{ role: "system", content: mark("system") }, HELLO], [HELLO]),
  items("input: an unknown member of a message", [{ ...HELLO, hint: mark("hint") }], [HELLO]),
  items("input: phase of a message", [HELLO, { ...HI, phase: mark("phase") }, HELLO], [HELLO, HI, HELLO]),
  items("input: ids and status", [HELLO, { ...HI, id: "msg_mark-id", status: "completed" }, HELLO], [HELLO, HI, HELLO]),
  items("input: assistant last", [HELLO, { role: "assistant", content: mark("prefill") }], [HELLO]),
  part("content: input_text", { type: "input_text", text: mark("text") }),
  part("content: input_image", { type: "input_image", image_url: "https://host/mark-image.png" }),
  part("content: input_image, base64", { type: "input_image", image_url: `data:image/png;base64,${PNG}` }),
  part(
    "content: input_image.detail",
    { type: "input_image", image_url: "https://host/a.png", detail: "low" },
    { type: "input_image", image_url: "https://host/a.png" },
  ),
  part("content: input_image.file_id", { type: "input_image", file_id: "file-mark-hosted" }),
  part("content: input_file", {
    type: "input_file",
    file_data: `data:application/pdf;base64,${PDF}`,
    filename: "a.pdf",
  }),
  part("content: input_file.file_url", { type: "input_file", file_url: "https://host/mark-file.pdf" }),
  part("content: input_file.file_id", { type: "input_file", file_id: "file-mark-hosted" }),
  part("content: input_audio", { type: "input_audio", input_audio: { data: WAV, format: "wav" } }),
  part("content: an unknown part", { type: "hologram", hologram: mark("hologram") }),
  part(
    "content: prompt_cache_breakpoint",
    { type: "input_text", text: "A", prompt_cache_breakpoint: { mode: "explicit" } },
    { type: "input_text", text: "A" },
  ),
  said("content: annotations of an answer", { annotations: [{ type: mark("annotation") }] }),
  said("content: logprobs of an answer", { logprobs: [{ token: mark("token") }] }),
  items(
    "input: refusal",
    [HELLO, { ...HI, content: [{ type: "refusal", refusal: mark("no") }] }, HELLO],
    [HELLO, HELLO],
  ),
  items("input: function_call and its output", [HELLO, CALL, RESULT], [HELLO]),
  items(
    "input: output as parts",
    [HELLO, CALL, { ...RESULT, output: [{ type: "input_text", text: mark("out") }] }],
    [HELLO, CALL, RESULT],
  ),
  items("input: an image in an output", [HELLO, CALL, imaged()], [HELLO, CALL, RESULT]),
  items("input: an output without a call", [HELLO, { ...RESULT, output: mark("orphan") }], [HELLO]),
  items("input: a call without an output", [HELLO, CALL, HELLO], [HELLO, HELLO]),
  items(
    "input: arguments that are not JSON",
    [HELLO, { ...CALL, arguments: "{mark-cut" }, RESULT],
    [HELLO, CALL, RESULT],
  ),
  items("input: namespace of a call", [HELLO, { ...CALL, namespace: mark("space") }, RESULT], [HELLO, CALL, RESULT]),
  items("input: custom_tool_call and its output", [HELLO, ...customs()], [HELLO]),
  items("input: reasoning", [HELLO, reasoning({}), HI, HELLO], [HELLO, HI, HELLO]),
  items(
    "input: reasoning.encrypted_content",
    [HELLO, reasoning({ encrypted_content: mark("sealed") }), HI, HELLO],
    [HELLO, HI, HELLO],
  ),
  items(
    "input: web_search_call",
    [HELLO, { type: "web_search_call", id: "ws_mark-call", status: "completed" }, HI, HELLO],
    [HELLO, HI, HELLO],
  ),
  items("input: item_reference", [HELLO, { type: "item_reference", id: "msg_mark-kept" }], [HELLO]),
  items("input: compaction", [{ type: "compaction", encrypted_content: mark("compact") }, HELLO], [HELLO]),
];

function format(given: JsonObject): JsonObject {
  return { text: { format: { type: "json_schema", name: "answer", schema: SCHEMA, ...given } } };
}

function allowed(mode: string): JsonObject {
  return { type: "allowed_tools", mode, tools: [{ type: "function", name: "weather" }] };
}

function imaged(): JsonObject {
  return { ...RESULT, output: [{ type: "input_image", image_url: `data:image/png;base64,${PNG}` }] };
}

function customs(): readonly JsonObject[] {
  return [
    { type: "custom_tool_call", call_id: "call_1", name: "sql", input: mark("input") },
    { type: "custom_tool_call_output", call_id: "call_1", output: mark("output") },
  ];
}

function reasoning(given: JsonObject): JsonObject {
  return { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: mark("thought") }], ...given };
}

function items(what: string, input: readonly JsonValue[], before: readonly JsonValue[]): Said {
  return instead(what, { ...BASE, ...TOOLS, input: before }, { ...BASE, ...TOOLS, input });
}

function part(what: string, given: JsonObject, before?: JsonObject): Said {
  const content = (parts: readonly JsonValue[]) => ({ ...BASE, input: [{ role: "user", content: parts }] });
  const hello = { type: "input_text", text: "Hello" };
  return instead(what, content(before === undefined ? [hello] : [hello, before]), content([hello, given]));
}

function said(what: string, given: JsonObject): Said {
  return items(
    what,
    [HELLO, { role: "assistant", content: [{ type: "output_text", text: "Hi", ...given }] }, HELLO],
    [HELLO, HI, HELLO],
  );
}
