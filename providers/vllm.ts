/** vLLM's OpenAI-compatible server; several base URLs are replicas of one model. */
import { createHash } from "node:crypto";
import type { JsonObject } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { EMBEDDINGS, forOpenai } from "./embeddings.edits.ts";
import { CHAT, openaiCompatible, withVersion } from "./openai-compatible.ts";
import { nineCharacterIds, systemForDeveloper } from "./openai-chat.edits.ts";

export const vllm: Provider = openaiCompatible({
  kind: "vllm",
  environment: { apiKey: "VLLM_API_KEY", baseUrl: "VLLM_BASE_URL" },
  baseUrl: withVersion,
  needsKey: false,
  modelsPath: "/models",
  // Beside `/v1`, not below it.
  healthPath: "/../health",
  // Counters of tokens. A server has one model, so what they say is true of it whatever their labels.
  cacheCounters: {
    path: "/../metrics",
    queries: "vllm:prefix_cache_queries",
    hits: "vllm:prefix_cache_hits",
    // Later versions say it in tokens; where layers differ, blocks times their size is less than that.
    size: {
      name: "vllm:cache_config_info",
      tokens: "kv_cache_size_tokens",
      blocks: "num_gpu_blocks",
      blockTokens: "block_size",
    },
  },
  // Rather much for a server: four times too large costs next to nothing, half as large a fifth of the hits.
  replicaCacheTokens: 2_000_000,
  // Blocks of 16 tokens, kept until memory is needed. What it does not know it ignores.
  modelDefaults: {
    cache: { kind: "local", stepTokens: 16 },
    abilities: { logprobs: true, "audio-output": false, "web-search-options": false, "custom-tools": false },
  },
  // Whether the template knows `developer` depends on the model; `system` every one knows.
  quirks: (dialect, body, record, call) => [
    ...(dialect === CHAT ? [...systemForDeveloper(body), ...(takesNine(record) ? nineCharacterIds(body) : [])] : []),
    ...(dialect === EMBEDDINGS ? forOpenai(body) : []),
    ...(call.cacheSalt === undefined ? [] : [salted(body, call.cacheSalt)]),
  ],
});

/** Mistral's own models come with Mistral's tokenizer, which refuses ids of any other form; no row has to say so. */
function takesNine(record: ModelRecord | undefined): boolean {
  return record?.toolCallIds === "nine-alphanumerics" || record?.id.startsWith("mistralai/") === true;
}

/**
 * All tenants' prompts are in one cache, and how soon an answer begins tells whether a prefix is in it. A salt of the client's own goes
 * into the tenant's, never in its place: it may part the tenant's callers further, and lead to nobody else's entries.
 */
function salted(body: JsonObject, tenant: string): Edit {
  const own = body["cache_salt"];
  const value =
    typeof own === "string" && own !== ""
      ? createHash("sha256").update(`${tenant}\u0000${own}`).digest("base64url")
      : tenant;
  return { op: "set", path: ["cache_salt"], value };
}
