/**
 * A conversation as Ollama puts it before a model: what does not fit into the window is dropped without a word, the oldest messages first,
 * and then the middle of what is left.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { type Block, canonical, type Prompt, promptOf } from "../prompt.ts";
import { digest, opaqueTokens, tokensOf } from "../tokens.ts";
import { isObject, objects, Refusal, stringOf } from "./wire.ts";

export interface WindowRules {
  readonly contextTokens: number;
  readonly keepTokens: number;
  /** False: what does not fit is refused. */
  readonly truncates: boolean;
  /** False: the window is not moved on, and a prompt that fills it is refused. */
  readonly shifts: boolean;
}

/** @throws Refusal for what does not fit and must not be cut. */
export function chatPrompt(messages: readonly JsonObject[], tools: readonly JsonObject[], rules: WindowRules): Prompt {
  const toolBlocks = tools.map((tool) => block("tools", "tool", tool, tokensOf(JSON.stringify(tool))));
  const rendered = messages.map((message) => messageBlock(message));
  const kept = rules.truncates ? keptMessages(messages, rendered, promptOf(toolBlocks).tokens, rules) : rendered;
  return fitted(promptOf([...toolBlocks, ...kept]), rules);
}

/** A text that is no conversation. */
export function rawPrompt(tokens: readonly string[], rules: WindowRules): Prompt {
  return fitted(promptOf([{ level: "messages", identity: digest(...tokens), tokens }]), rules);
}

/** A message's tokens: the model's own answer leaves the same ones behind when it is told again. */
export function messageTokens(message: JsonObject): string[] {
  const role = stringOf(message["role"]) ?? "";
  const images = Array.isArray(message["images"]) ? (message["images"] as readonly JsonValue[]) : [];
  return [
    `<${role}:0>`,
    `<${role}:1>`,
    `<${role}:2>`,
    ...tokensOf(stringOf(message["content"]) ?? ""),
    ...images.flatMap((image) => opaqueTokens(String(image), IMAGE_TOKENS)),
    ...objects(message["tool_calls"]).flatMap((call) => ["<call>", ...tokensOf(callText(call))]),
  ];
}
const IMAGE_TOKENS = 768;

function callText(call: JsonObject): string {
  const called = isObject(call["function"]) ? call["function"] : {};
  return JSON.stringify({ name: called["name"], arguments: called["arguments"] });
}

function messageBlock(message: JsonObject): Block {
  const { role, content, images, tool_calls: calls, tool_name: name } = message;
  const seen = { role, content, images, tool_calls: calls, tool_name: name };
  return block("messages", "message", seen, messageTokens(message));
}

function block(
  level: Block["level"],
  kind: string,
  value: { readonly [key: string]: JsonValue | undefined },
  tokens: readonly string[],
): Block {
  return { level, identity: digest(kind, canonical(value)), tokens };
}

/** The longest end of the conversation that fits, its system messages before it; the last message always. */
function keptMessages(
  messages: readonly JsonObject[],
  rendered: readonly Block[],
  toolTokens: number,
  { contextTokens }: WindowRules,
): readonly Block[] {
  const last = messages.length - 1;
  for (let index = 0; index <= last; index++) {
    const start = loopStart(messages, index);
    const system = rendered.filter((_, at) => at < start && messages[at]?.["role"] === "system");
    const kept = [...system, ...rendered.slice(start)];
    if (index === last || toolTokens + promptOf(kept).tokens <= contextTokens) return kept;
  }
  return rendered;
}

/** A result stays with the call that it answers. */
function loopStart(messages: readonly JsonObject[], index: number): number {
  if (index === 0 || messages[index]?.["role"] !== "tool") return index;
  let start = index;
  while (start > 0 && messages[start - 1]?.["role"] === "tool") start -= 1;
  const before = messages[start - 1];
  return before?.["role"] === "assistant" && objects(before["tool_calls"]).length > 0 ? start - 1 : index;
}

function fitted(prompt: Prompt, { contextTokens, keepTokens, truncates, shifts }: WindowRules): Prompt {
  // The engine wants a token of room.
  const limit = contextTokens - 1;
  if (prompt.tokens <= limit) return prompt;
  if (!truncates) throw new Refusal(400, engineError(prompt.tokens, contextTokens));
  if (!shifts) throw new Refusal(400, TOO_LONG);
  const tokens = prompt.blocks.flatMap((one) => one.tokens);
  const keep = Math.min(keepTokens < 0 ? tokens.length : keepTokens, limit);
  const cut = [...tokens.slice(0, keep), ...tokens.slice(tokens.length - (limit - keep))];
  return promptOf([{ level: "messages", identity: digest(...cut), tokens: cut }]);
}

const TOO_LONG =
  "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length";

/** The engine's own answer, which the server passes on as a text. */
function engineError(promptTokens: number, contextTokens: number): string {
  return JSON.stringify({
    error: {
      code: 400,
      message: `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`,
      type: "exceed_context_size_error",
      n_prompt_tokens: promptTokens,
      n_ctx: contextTokens,
    },
  });
}
