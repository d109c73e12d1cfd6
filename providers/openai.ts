/** OpenAI: Chat Completions, Responses, and what is forwarded as it is. */
import type { ChatRequest, DialectName } from "../src/chat.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { EMBEDDINGS, forOpenai } from "./embeddings.edits.ts";
import { withoutEmptyCalls, withoutThoughts } from "./openai-chat.history.ts";
import { CHAT, openaiCompatible, PATHS } from "./openai-compatible.ts";
import { chatGeneration, responsesGeneration } from "./openai.generation.ts";

export const RESPONSES = "openai-responses";

export const openai: Provider = openaiCompatible({
  kind: "openai",
  defaultBaseUrl: "https://api.openai.com/v1",
  environment: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" },
  modelPrefixes: ["gpt-", "chatgpt-", "o1", "o3", "o4", "codex-", "text-embedding-", "davinci-", "babbage-"],
  paths: { ...PATHS, [RESPONSES]: "/responses" },
  prefers,
  // Not `openai-organization` and `openai-project`: those describe our account.
  answerHeaders: ["x-ratelimit-*", "openai-processing-ms", "openai-version", "openai-model"],
  absentCacheRead: "zero",
  refusesUnknownIds: true,
  quirks(dialect, body, record) {
    switch (dialect) {
      case CHAT:
        return [...withoutThoughts(body), ...withoutEmptyCalls(body), ...chatGeneration(body, record)];
      case RESPONSES:
        return responsesGeneration(body, record);
      case EMBEDDINGS:
        return forOpenai(body);
      default:
        return [];
    }
  },
});

/**
 * Chat Completions, which every server that stands in for OpenAI has; Responses where the model requires it: it is the one that takes
 * function tools and reasoning together.
 */
function prefers(request: ChatRequest, record: ModelRecord | undefined): DialectName | undefined {
  if (record === undefined || request.dialect === RESPONSES) return undefined;
  return record.chatToolsNeedEffortNone && callsFunctions(request) && thinks(request, record) ? RESPONSES : undefined;
}

function callsFunctions({ tools }: ChatRequest): boolean {
  return tools.some((tool) => tool.type === "function");
}

/** What is not said is the model's default. */
function thinks({ reasoning }: ChatRequest, record: ModelRecord): boolean {
  if (reasoning?.enabled === false) return false;
  const isAsked = reasoning?.enabled === true || reasoning?.budgetTokens !== undefined;
  return isAsked || (reasoning?.effort ?? record.reasoning.defaultEffort ?? "none") !== "none";
}
