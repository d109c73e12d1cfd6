/** OpenAI, Chat Completions. */
import type { JsonObject } from "../src/chat.ts";
import type { Edit } from "../src/edit.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Provider } from "../src/provider.ts";
import { CHAT, openaiCompatible } from "./openai-compatible.ts";

export const openai: Provider = openaiCompatible({
  kind: "openai",
  defaultBaseUrl: "https://api.openai.com/v1",
  environment: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" },
  modelPrefixes: ["gpt-", "chatgpt-", "o1", "o3", "o4", "codex-"],
  // Not `openai-organization` and `openai-project`: those describe our account.
  answerHeaders: ["x-ratelimit-*", "openai-processing-ms", "openai-version", "openai-model"],
  absentCacheRead: "zero",
  quirks: (dialect, body, record) => (dialect === CHAT && record !== undefined ? reasoningQuirks(body, record) : []),
});

/** What reasoning models refuse on Chat Completions; nothing is changed for models that no table knows. */
function reasoningQuirks(body: JsonObject, record: ModelRecord): readonly Edit[] {
  if (record.reasoning.kind === "none") return [];
  const edits: Edit[] = [];
  // "Unsupported parameter: 'max_tokens' … Use 'max_completion_tokens' instead."
  if (body["max_tokens"] !== undefined) {
    edits.push(
      body["max_completion_tokens"] === undefined
        ? { op: "rename", path: ["max_tokens"], to: "max_completion_tokens" }
        : { op: "delete", path: ["max_tokens"] },
    );
  }
  if (record.chatToolsNeedEffortNone && hasFunctionTools(body)) {
    const effort = body["reasoning_effort"] ?? undefined;
    const isNone = (effort ?? record.reasoning.defaultEffort) === "none";
    if (!isNone) {
      // An effort that was asked for is lost; one that was only the model's default is nothing the caller said.
      const loss = effort === undefined ? {} : { loss: "reasoning" };
      edits.push({ op: "set", path: ["reasoning_effort"], value: "none", ...loss });
    }
  }
  return edits;
}

function hasFunctionTools(body: JsonObject): boolean {
  const tools = body["tools"];
  return Array.isArray(tools) && tools.some((tool) => (tool as JsonObject | null)?.["type"] === "function");
}
