/** vLLM's OpenAI-compatible server; several base URLs are replicas of one model. */
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { CHAT, openaiCompatible, withVersion } from "./openai-compatible.ts";
import { nineCharacterIds, systemForDeveloper } from "./openai-chat.edits.ts";

export const vllm: Provider = openaiCompatible({
  kind: "vllm",
  environment: { apiKey: "VLLM_API_KEY", baseUrl: "VLLM_BASE_URL" },
  baseUrl: withVersion,
  needsKey: false,
  modelsPath: "/models",
  // Blocks of 16 tokens, kept until memory is needed.
  modelDefaults: { cache: { kind: "local", stepTokens: 16 } },
  // Whether the template knows `developer` depends on the model; `system` every one knows.
  quirks: (dialect, body, record) =>
    dialect === CHAT ? [...systemForDeveloper(body), ...(takesNine(record) ? nineCharacterIds(body) : [])] : [],
});

/** Mistral's own models come with Mistral's tokenizer, which refuses ids of any other form; no row has to say so. */
function takesNine(record: ModelRecord | undefined): boolean {
  return record?.toolCallIds === "nine-alphanumerics" || record?.id.startsWith("mistralai/") === true;
}
