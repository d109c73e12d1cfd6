/** The kinds of provider there are, in the order in which the environment is asked for them. */
import type { Provider } from "../src/provider.ts";
import { anthropic } from "./anthropic.ts";
import { groq } from "./groq.ts";
import { mistral } from "./mistral.ts";
import { ollama } from "./ollama.ts";
import { openaiCompatibleServer } from "./openai-compatible.ts";
import { openai } from "./openai.ts";
import { sandbox } from "./sandbox.ts";
import { vllm } from "./vllm.ts";

export const providerKinds: readonly Provider[] = [
  openai,
  anthropic,
  mistral,
  groq,
  vllm,
  ollama,
  openaiCompatibleServer,
  sandbox,
];
