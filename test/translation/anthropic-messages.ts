/** What Messages can say, one thing at a time. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fields, instead, mark, one, PDF, PNG, SCHEMA, type Said } from "./said.ts";

const HELLO: JsonObject = { role: "user", content: "Hello" };
const BASE: JsonObject = { model: "auto", max_tokens: 4000, messages: [HELLO] };
const TOOL: JsonObject = { name: "weather", input_schema: SCHEMA };
const OTHER: JsonObject = { name: "clock", input_schema: SCHEMA };
const TOOLS: JsonObject = { tools: [TOOL, OTHER] };
const USE: JsonObject = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } };
const CALLED: readonly JsonValue[] = [HELLO, { role: "assistant", content: [USE] }];
const RESULT: JsonObject = { type: "tool_result", tool_use_id: "toolu_1", content: "Sunny" };
const HI: JsonObject = { role: "assistant", content: [{ type: "text", text: "Hi" }] };
const EPHEMERAL: JsonObject = { type: "ephemeral" };

export const anthropicMessagesSaid: readonly Said[] = [
  ...fields(BASE, {
    cache_control: EPHEMERAL,
    billing_policy: mark("billing"),
    compaction: { type: mark("compaction") },
    container: "container_mark-kept",
    context_management: { edits: [{ type: "clear_tool_uses_20250919" }] },
    diagnostics: { previous_message_id: "msg_mark-before" },
    fallback_credit_token: mark("credit"),
    fallbacks: [{ model: mark("fallback") }],
    inference_geo: "us",
    max_tokens: 2345,
    mcp_servers: [{ type: "url", url: "https://host/mark-mcp", name: "m" }],
    service_tier: "standard_only",
    speed: "fast",
    stop_sequences: [mark("stop")],
    stream: true,
    system: mark("system"),
    temperature: 0.5,
    thread: { id: "thread_mark-kept" },
    top_k: 40,
    top_p: 0.5,
    user_profile_id: mark("profile"),
    workspace_id: mark("workspace"),
    some_new_field: mark("new"),
  }),
  one("max_tokens: 0", BASE, { max_tokens: 0 }),
  one("metadata.user_id", BASE, { metadata: { user_id: mark("user") } }),
  one("metadata: other members", BASE, { metadata: { other: mark("metadata") } }),
  one("output_config.effort", BASE, { output_config: { effort: "low" } }),
  one("output_config.effort: max", BASE, { output_config: { effort: "max" } }),
  one("output_config.format", BASE, { output_config: { format: { type: "json_schema", schema: SCHEMA } } }),
  one("output_format", BASE, { output_format: { type: "json_schema", schema: SCHEMA } }),
  one("output_config.task_budget", BASE, { output_config: { task_budget: { type: "tokens", total: 20_000 } } }),
  one("service_tier: auto", BASE, { service_tier: "auto" }),
  one("stop_sequences: five of them", BASE, { stop_sequences: ["a", "b", "c", "d", "e"].map((word) => mark(word)) }),
  one("system: blocks", BASE, { system: [{ type: "text", text: mark("system") }] }),
  one("thinking: enabled", BASE, { thinking: { type: "enabled", budget_tokens: 2048 } }),
  one("thinking: adaptive", BASE, { thinking: { type: "adaptive" } }),
  one("thinking: disabled", BASE, { thinking: { type: "disabled" } }),
  one(
    "thinking.display",
    BASE,
    { thinking: { type: "adaptive", display: "omitted" } },
    { thinking: { type: "adaptive" } },
  ),
  one("tools: custom (function)", BASE, { tools: [{ ...TOOL, description: mark("tool") }] }),
  one("tools: cache_control", BASE, { tools: [{ ...TOOL, cache_control: EPHEMERAL }] }, { tools: [TOOL] }),
  one("tools: strict", BASE, { tools: [{ ...TOOL, strict: true }] }, { tools: [TOOL] }),
  one("tools: defer_loading", BASE, { tools: [{ ...TOOL, defer_loading: true }, OTHER] }, TOOLS),
  one(
    "tools: input_examples",
    BASE,
    { tools: [{ ...TOOL, input_examples: [{ city: mark("example") }] }] },
    { tools: [TOOL] },
  ),
  one(
    "tools: web_search",
    BASE,
    { tools: [TOOL, { type: "web_search_20250305", name: "web_search" }] },
    { tools: [TOOL] },
  ),
  one("tools: web_search alone", BASE, { tools: [{ type: "web_search_20250305", name: "web_search" }] }),
  ...["none", "auto", "any"].map((type) => one(`tool_choice: ${type}`, BASE, { tool_choice: { type } }, TOOLS)),
  one("tool_choice: tool", BASE, { tool_choice: { type: "tool", name: "weather" } }, TOOLS),
  one(
    "tool_choice.disable_parallel_tool_use",
    BASE,
    { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    { ...TOOLS, tool_choice: { type: "auto" } },
  ),
  turns("messages: system in the middle", [HELLO, { role: "system", content: mark("late") }], [HELLO]),
  turns("messages: an unknown member", [{ ...HELLO, hint: mark("hint") }], [HELLO]),
  turns("messages: assistant last (prefill)", [HELLO, { role: "assistant", content: mark("prefill") }], [HELLO]),
  block("content: text", { type: "text", text: mark("text") }),
  block(
    "content: text.cache_control",
    { type: "text", text: "A", cache_control: EPHEMERAL },
    { type: "text", text: "A" },
  ),
  block(
    "content: text.cache_control.ttl",
    { type: "text", text: "A", cache_control: { ...EPHEMERAL, ttl: "1h" } },
    { type: "text", text: "A", cache_control: EPHEMERAL },
  ),
  block("content: image", { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } }),
  block("content: image, url", { type: "image", source: { type: "url", url: "https://host/mark-image.png" } }),
  block("content: image, file", { type: "image", source: { type: "file", file_id: "file_mark-hosted" } }),
  block("content: document", {
    type: "document",
    source: { type: "base64", media_type: "application/pdf", data: PDF },
  }),
  block("content: document, url", { type: "document", source: { type: "url", url: "https://host/mark-file.pdf" } }),
  block("content: document, text", document({})),
  block("content: document.title", document({ title: mark("title") }), document({})),
  block("content: document.context", document({ context: mark("context") }), document({})),
  block("content: document.citations", document({ citations: { enabled: true } }), document({})),
  block("content: document, file", { type: "document", source: { type: "file", file_id: "file_mark-hosted" } }),
  block("content: search_result", {
    type: "search_result",
    source: "https://host/mark-source",
    title: "T",
    content: [{ type: "text", text: mark("found") }],
  }),
  block("content: container_upload", { type: "container_upload", file_id: "file_mark-hosted" }),
  block("content: an unknown block", { type: "hologram", hologram: mark("hologram") }),
  answer("content: text.citations", [
    { type: "text", text: "Hi", citations: [{ type: "char_location", cited_text: mark("cited") }] },
  ]),
  answer("content: thinking", [{ type: "thinking", thinking: mark("thought"), signature: mark("signature") }, ...hi()]),
  answer("content: redacted_thinking", [{ type: "redacted_thinking", data: mark("redacted") }, ...hi()]),
  answer("content: a seal of openai-responses", [sealed(), ...hi()]),
  answer("content: a seal of openai-responses that nothing follows", [...hi(), sealed()]),
  answer("content: server_tool_use and its result", [
    { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: mark("query") } },
    { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] },
    ...hi(),
  ]),
  turns("content: tool_use and its result", [...CALLED, results({})], [HELLO]),
  turns("content: tool_result.is_error", [...CALLED, results({ is_error: true })], [...CALLED, results({})]),
  turns(
    "content: tool_result, blocks",
    [...CALLED, results({ content: [{ type: "text", text: mark("out") }] })],
    [...CALLED, results({})],
  ),
  turns("content: tool_result, an image", [...CALLED, results({ content: [image()] })], [...CALLED, results({})]),
  turns(
    "content: tool_result, tool_reference",
    [...CALLED, results({ content: [{ type: "tool_reference", tool_name: "clock" }] })],
    [...CALLED, results({ content: [] })],
  ),
  turns("content: tool_result without a call", [HELLO, HI, results({ content: mark("orphan") })], [HELLO, HI, HELLO]),
  turns("content: tool_use without a result", [...CALLED, HELLO], [HELLO, HELLO]),
  turns(
    "content: tool_use.caller",
    [HELLO, { role: "assistant", content: [{ ...USE, caller: { type: mark("caller") } }] }, results({})],
    [...CALLED, results({})],
  ),
  instead(
    "system: a billing line of a client's",
    { ...BASE, system: [{ type: "text", text: "A" }] },
    {
      ...BASE,
      system: [
        { type: "text", text: "x-anthropic-billing-header: cc_version=1" },
        { type: "text", text: "A" },
      ],
    },
  ),
];

function hi(): readonly JsonObject[] {
  return [{ type: "text", text: "Hi" }];
}

function sealed(): JsonObject {
  return { type: "redacted_thinking", data: "sluice:openai-responses:redacted:rs_1:mark-seal" };
}

function image(): JsonObject {
  return { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };
}

function document(given: JsonObject): JsonObject {
  return { type: "document", source: { type: "text", media_type: "text/plain", data: mark("document") }, ...given };
}

function results(given: JsonObject): JsonObject {
  return { role: "user", content: [{ ...RESULT, ...given }] };
}

function turns(what: string, messages: readonly JsonValue[], before: readonly JsonValue[]): Said {
  return instead(what, { ...BASE, ...TOOLS, messages: before }, { ...BASE, ...TOOLS, messages });
}

function block(what: string, said: JsonObject, before?: JsonObject): Said {
  const content = (blocks: readonly JsonValue[]) => [{ role: "user", content: blocks }];
  const hello = { type: "text", text: "Hello" };
  return instead(
    what,
    { ...BASE, messages: content(before === undefined ? [hello] : [before, hello]) },
    { ...BASE, messages: content([said, hello]) },
  );
}

function answer(what: string, content: readonly JsonValue[]): Said {
  return instead(
    what,
    { ...BASE, messages: [HELLO, HI, HELLO] },
    { ...BASE, messages: [HELLO, { role: "assistant", content }, HELLO] },
  );
}
