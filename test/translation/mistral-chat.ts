/** What Mistral's chat API can say, one thing at a time. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fields, instead, mark, one, PNG, SCHEMA, WAV, type Said } from "./said.ts";

const HELLO: JsonObject = { role: "user", content: "Hello" };
const BASE: JsonObject = { model: "auto", messages: [HELLO] };
const TOOL: JsonObject = { type: "function", function: { name: "weather", parameters: SCHEMA } };
const OTHER: JsonObject = { type: "function", function: { name: "clock", parameters: SCHEMA } };
const TOOLS: JsonObject = { tools: [TOOL, OTHER] };
const CALL: JsonObject = { id: "abcdefghi", function: { name: "weather", arguments: '{"city":"Rome"}' } };
const CALLED: readonly JsonValue[] = [HELLO, { role: "assistant", content: "", tool_calls: [CALL] }];
const RESULT: JsonObject = { role: "tool", tool_call_id: "abcdefghi", name: "weather", content: "Sunny" };
const HI: JsonObject = { role: "assistant", content: "Hi" };

export const mistralChatSaid: readonly Said[] = [
  ...fields(BASE, {
    frequency_penalty: 0.5,
    guardrails: [{ block_on_error: true }],
    max_tokens: 2345,
    metadata: { key: mark("metadata") },
    n: 2,
    prediction: { type: "content", content: mark("prediction") },
    presence_penalty: 0.5,
    prompt_cache_key: mark("cache-key"),
    prompt_mode: "reasoning",
    random_seed: 77,
    reasoning_effort: "high",
    safe_prompt: true,
    stop: [mark("stop")],
    stream: true,
    temperature: 0.5,
    top_p: 0.5,
    some_new_field: mark("new"),
  }),
  one("guardrails: none", BASE, { guardrails: [] }),
  one("max_tokens: 0", BASE, { max_tokens: 0 }),
  one("safe_prompt: false", BASE, { safe_prompt: false }),
  one("reasoning_effort: none", BASE, { reasoning_effort: "none" }),
  ...["auto", "standard_only"].map((tier) => one(`service_tier: ${tier}`, BASE, { service_tier: tier })),
  one("logprobs", BASE, { logprobs: true }),
  one("response_format: text", BASE, { response_format: { type: "text" } }),
  one("response_format: json_object", BASE, { response_format: { type: "json_object" } }),
  one("response_format: json_schema", BASE, format({})),
  one("response_format: json_schema.description", BASE, format({ description: mark("format") }), format({})),
  one("tools: function", BASE, { tools: [named({ description: mark("tool") })] }),
  one("tools: strict", BASE, { tools: [named({ strict: true })] }, { tools: [named({})] }),
  one("tools: web_search", BASE, { tools: [TOOL, { type: "web_search" }] }, { tools: [TOOL] }),
  one("tools: web_search alone", BASE, { tools: [{ type: "web_search" }] }),
  one("parallel_tool_calls: false", BASE, { parallel_tool_calls: false }, TOOLS),
  ...["none", "auto", "any", "required"].map((choice) =>
    one(`tool_choice: ${choice}`, BASE, { tool_choice: choice }, TOOLS),
  ),
  one("tool_choice: one by name", BASE, { tool_choice: { type: "function", function: { name: "weather" } } }, TOOLS),
  turns("messages: system", [{ role: "system", content: mark("system") }, HELLO], [HELLO]),
  turns("messages: prefix", [HELLO, { ...HI, content: mark("prefix"), prefix: true }], [HELLO]),
  turns("messages: an unknown member", [{ ...HELLO, hint: mark("hint") }], [HELLO]),
  chunk("content: text", { type: "text", text: mark("text") }),
  chunk("content: image_url", { type: "image_url", image_url: "https://host/mark-image.png" }),
  chunk("content: image_url, base64", { type: "image_url", image_url: `data:image/png;base64,${PNG}` }),
  chunk(
    "content: image_url.detail",
    { type: "image_url", image_url: { url: "https://host/a.png", detail: "low" } },
    { type: "image_url", image_url: { url: "https://host/a.png" } },
  ),
  chunk("content: document_url", { type: "document_url", document_url: "https://host/mark-file.pdf" }),
  chunk(
    "content: document_url.document_name",
    { type: "document_url", document_url: "https://host/a.pdf", document_name: mark("title") },
    { type: "document_url", document_url: "https://host/a.pdf" },
  ),
  chunk("content: file", { type: "file", file_id: "file_mark-hosted" }),
  chunk("content: input_audio", { type: "input_audio", input_audio: WAV }),
  chunk("content: reference", { type: "reference", reference_ids: [mark("reference")] }),
  chunk("content: an unknown chunk", { type: "hologram", hologram: mark("hologram") }),
  turns(
    "messages: thinking",
    [HELLO, { role: "assistant", content: [thinking({}), { type: "text", text: "Hi" }] }, HELLO],
    [HELLO, HI, HELLO],
  ),
  turns(
    "messages: thinking.signature",
    [
      HELLO,
      { role: "assistant", content: [thinking({ signature: mark("signature") }), { type: "text", text: "Hi" }] },
      HELLO,
    ],
    [HELLO, { role: "assistant", content: [thinking({}), { type: "text", text: "Hi" }] }, HELLO],
  ),
  turns("messages: tool_calls and their results", [...CALLED, RESULT], [HELLO]),
  turns("messages: a result without a call", [HELLO, HI, { ...RESULT, content: mark("orphan") }], [HELLO, HI]),
  turns("messages: a call without a result", [...CALLED, HELLO], [HELLO, HELLO]),
];

function format(given: JsonObject): JsonObject {
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema: SCHEMA, ...given } } };
}

function named(given: JsonObject): JsonObject {
  return { type: "function", function: { name: "weather", parameters: SCHEMA, ...given } };
}

function thinking(given: JsonObject): JsonObject {
  return { type: "thinking", thinking: [{ type: "text", text: mark("thought") }], ...given };
}

function turns(what: string, messages: readonly JsonValue[], before: readonly JsonValue[]): Said {
  return instead(what, { ...BASE, ...TOOLS, messages: before }, { ...BASE, ...TOOLS, messages });
}

function chunk(what: string, said: JsonObject, before?: JsonObject): Said {
  const content = (chunks: readonly JsonValue[]) => ({ ...BASE, messages: [{ role: "user", content: chunks }] });
  const hello = { type: "text", text: "Hello" };
  return instead(what, content(before === undefined ? [hello] : [hello, before]), content([hello, said]));
}
