/** Text completion (`POST /v1/completions`), OpenAI's legacy and what self-hosted servers still have; and Mistral's in the middle. */
import type { ChatEvent, JsonObject, JsonValue } from "../chat.ts";
import type { Edit } from "../edit.ts";
import { UNKNOWN_USAGE, type Usage } from "../usage.ts";
import type { Dialect } from "./dialect.ts";
import { forwardedDialect } from "./forwarded.ts";
import { keyEdits, lineBefore, notIsolated, type Isolation } from "./isolating.ts";
import { mistralChat } from "./mistral-chat.ts";
import { openaiChat } from "./openai-chat.ts";
import { usageIn, UsageReader } from "./openai-chat.usage.ts";
import { isInput } from "./openai-embeddings.ts";

export const openaiCompletions: Dialect = forwardedDialect({
  name: "openai-completions",
  word: "text completions",
  ability: "text-completions",
  like: openaiChat,
  input: { field: "prompt", words: "a string, or a list of strings or tokens", isFit: isInput },
  isolating: promptIsolating,
  streams: true,
  readUsage,
  readContent,
});

/** `POST /v1/fim/completions`: the text between a `prompt` and a `suffix`. */
export const mistralFim: Dialect = forwardedDialect({
  name: "mistral-fim",
  word: "completions in the middle (FIM)",
  ability: "fill-in-the-middle",
  like: mistralChat,
  input: { field: "prompt", words: "a string", isFit: (value) => typeof value === "string" },
  isolating: promptIsolating,
  streams: true,
  readUsage,
  readContent,
});

/** @throws GatewayError for a prompt of tokens: which ones a text is, only its model knows. */
function promptIsolating(body: JsonObject, isolation: Isolation): readonly Edit[] {
  const { line } = isolation;
  const key = keyEdits(body, isolation);
  if (line === undefined) return key;
  const { prompt } = body;
  const lined = (text: JsonValue): JsonValue => {
    if (typeof text !== "string") throw notIsolated("prompt");
    return lineBefore(line, text);
  };
  return [
    ...key,
    { op: "set", path: ["prompt"], value: Array.isArray(prompt) ? prompt.map(lined) : lined(prompt ?? null) },
  ];
}

/** Nothing of it has a word elsewhere. */
function readContent({ choices }: JsonObject): readonly ChatEvent[] | undefined {
  return Array.isArray(choices) && choices.length > 0 ? [] : undefined;
}

function readUsage(answer: JsonObject): Usage {
  const usage = usageIn(answer);
  return usage === undefined ? UNKNOWN_USAGE : new UsageReader().read(usage);
}
