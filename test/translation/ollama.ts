/** What Ollama's two ends can say, one thing at a time. */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { fields, instead, mark, one, PNG, SCHEMA, type Said } from "./said.ts";

const HELLO: JsonObject = { role: "user", content: "Hello" };
const BASE: JsonObject = { model: "auto", messages: [HELLO] };
const TOOL: JsonObject = { type: "function", function: { name: "weather", parameters: SCHEMA } };
const TOOLS: JsonObject = { tools: [TOOL] };
const CALL: JsonObject = { function: { name: "weather", arguments: { city: "Rome" } } };
const CALLED: readonly JsonValue[] = [HELLO, { role: "assistant", content: "", tool_calls: [CALL] }];
const RESULT: JsonObject = { role: "tool", tool_name: "weather", content: "Sunny" };
const HI: JsonObject = { role: "assistant", content: "Hi" };

/** `options` as both ends have them. */
const OPTIONS: JsonObject = {
  draft_num_predict: 2,
  embedding_only: true,
  f16_kv: true,
  frequency_penalty: 0.5,
  logits_all: true,
  low_vram: true,
  main_gpu: 1,
  min_p: 0.1,
  mirostat: 1,
  mirostat_eta: 0.2,
  mirostat_tau: 4,
  num_batch: 7,
  num_ctx: 4096,
  num_gpu: 1,
  num_keep: 7,
  num_predict: 2345,
  num_thread: 7,
  numa: true,
  penalize_newline: true,
  presence_penalty: 0.5,
  repeat_last_n: 7,
  repeat_penalty: 1.2,
  seed: 77,
  stop: [mark("stop")],
  temperature: 0.5,
  tfs_z: 0.5,
  top_k: 40,
  top_p: 0.5,
  typical_p: 0.5,
  use_mlock: true,
  use_mmap: false,
  vocab_only: true,
};

export const ollamaChatSaid: readonly Said[] = [
  ...shared(BASE),
  one("tools: function", BASE, { tools: [named({ description: mark("tool") })] }),
  one("tools: an unknown member", BASE, { tools: [named({ hint: mark("hint") })] }, { tools: [named({})] }),
  turns("messages: system", [{ role: "system", content: mark("system") }, HELLO], [HELLO]),
  turns("messages: images", [{ ...HELLO, images: [PNG] }], [HELLO]),
  turns("messages: thinking", [HELLO, { ...HI, thinking: mark("thought") }, HELLO], [HELLO, HI, HELLO]),
  turns("messages: an unknown member", [{ ...HELLO, hint: mark("hint") }], [HELLO]),
  turns("messages: an unknown role", [{ role: "oracle", content: mark("oracle") }, HELLO], [HELLO]),
  turns("messages: tool_calls and their results", [...CALLED, RESULT], [HELLO]),
  turns("messages: a result without a call", [HELLO, HI, { ...RESULT, content: mark("orphan") }], [HELLO, HI]),
  turns("messages: a call without a result", [...CALLED, HELLO], [HELLO, HELLO]),
  turns("messages: assistant last (prefill)", [HELLO, { ...HI, content: mark("prefill") }], [HELLO]),
];

const PROMPT: JsonObject = { model: "auto", prompt: "Hello" };

export const ollamaGenerateSaid: readonly Said[] = [
  ...shared(PROMPT),
  ...fields(PROMPT, {
    context: [1, 2, 3],
    height: 64,
    images: [PNG],
    raw: true,
    steps: 3,
    suffix: mark("suffix"),
    system: mark("system"),
    template: mark("template"),
    width: 64,
  }),
];

function shared(base: JsonObject): Said[] {
  return [
    ...fields(base, {
      _debug_render_only: true,
      format: SCHEMA,
      keep_alive: "7m",
      logprobs: true,
      shift: true,
      stream: false,
      think: true,
      truncate: true,
      some_new_field: mark("new"),
    }),
    one("format: json", base, { format: "json" }),
    one("think: false", base, { think: false }),
    one("truncate: false", base, { truncate: false }),
    one("think: low", base, { think: "low" }),
    one("top_logprobs", base, { top_logprobs: 3 }, { logprobs: true }),
    ...Object.entries(OPTIONS).map(([name, value]) => one(`options.${name}`, base, { options: { [name]: value } })),
  ];
}

function named(given: JsonObject): JsonObject {
  return { type: "function", function: { name: "weather", parameters: SCHEMA, ...given } };
}

function turns(what: string, messages: readonly JsonValue[], before: readonly JsonValue[]): Said {
  return instead(what, { ...BASE, ...TOOLS, messages: before }, { ...BASE, ...TOOLS, messages });
}
