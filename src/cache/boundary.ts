/**
 * Where a prompt's prefixes end: one hash per border (tools, each message), canonical, in the caller's namespace.
 *
 * Canonical means by value: without cache marks and string-or-array form, because agents' prefixes are stable as values and not
 * as bytes. The order of keys in a schema or in a call's arguments stays: the model sees it, so another order is another prefix.
 * Each hash covers everything before it, so equal hashes are equal prefixes.
 */
import { hash } from "node:crypto";
import type { CacheMark, ChatRequest, JsonValue, Message, Part, Tool } from "../chat.ts";
import { messageTokens, promptTokensWith, toolTokens } from "../tokens.ts";

export interface Boundary {
  /** Rising; the last one is the whole prompt. */
  readonly borders: readonly Border[];
  /** The whole request's estimated tokens (o200k), as `estimatePromptTokens` has them. */
  readonly promptTokens: number;
}

export interface Border {
  readonly hash: string;
  /** Estimated tokens (o200k) from the start of the prompt up to here. */
  readonly tokens: number;
  /** Whether the client marked this very place as the end of a prefix to be cached. */
  readonly marked: boolean;
}

/** Longest prefixes are the ones worth finding: only the last so many borders of a prompt are kept. */
const BORDERS_MAX = 64;

export function placeBoundary(request: ChatRequest, namespace: string): Boundary {
  const borders: Border[] = [];
  // No hash begins with a NUL, so that no namespace can be taken for one.
  let chain = `\u0000${namespace}`;
  let tokens = 0;
  const add = (text: string, mark: CacheMark | undefined, ownTokens: number) => {
    chain = hash("sha256", `${chain}\u0000${text}`, "base64url");
    tokens += ownTokens;
    borders.push({ hash: chain, tokens, marked: mark !== undefined });
  };
  // A tool that is offered only is no part of the prompt; once it is loaded it stands among the others, and is none either.
  const rendered = request.tools.filter((tool) => tool.type === "opaque" || tool.deferred !== true);
  if (rendered.length > 0) {
    const toolsTokens = rendered.reduce((sum, tool) => sum + toolTokens(tool), 0);
    add(rendered.map(toolText).join("\u0001"), markOn(rendered.at(-1)), toolsTokens);
  }
  for (const message of request.messages) {
    add(messageText(message), message.parts.at(-1)?.cache, messageTokens(message));
  }
  return { borders: borders.slice(-BORDERS_MAX), promptTokens: promptTokensWith(tokens, request) };
}

/** The text that identifies a task's opening: everything up to and including the first user message. */
export function openingText(request: ChatRequest): string {
  const texts: string[] = [];
  for (const message of request.messages) {
    texts.push(messageText(message));
    if (message.role === "user") break;
  }
  return texts.join("\u0001");
}

function markOn(tool: Tool | undefined): CacheMark | undefined {
  return tool?.type === "function" ? tool.cache : undefined;
}

function toolText(tool: Tool): string {
  return tool.type === "function"
    ? `${tool.name}\u0002${tool.description ?? ""}\u0002${JSON.stringify(tool.parameters ?? null)}`
    : unmarked(tool.value);
}

function messageText(message: Message): string {
  return `${message.role}\u0002${message.parts.map(partText).join("\u0003")}`;
}

function partText(part: Part): string {
  switch (part.type) {
    case "text":
    case "refusal":
      return part.text;
    case "reasoning":
      return part.redacted ?? part.text;
    case "tool-call":
      return `${part.name}\u0002${part.arguments}`;
    case "tool-result":
      return `${part.callId}\u0002${part.content.map(partText).join("\u0003")}`;
    case "image":
    case "document":
      return `${part.type}\u0002${JSON.stringify(part.source)}`;
    case "audio":
      return `audio\u0002${part.data}`;
    case "opaque":
      // A block that is not part of the prompt's meaning (a billing note) would part prefixes that are the same.
      return part.volatile === true ? "" : unmarked(part.value);
  }
}

/** Fields by which dialects mark the end of a prefix; a mark moves on with every turn. */
const MARKS: ReadonlySet<string> = new Set(["cache_control", "prompt_cache_breakpoint"]);

/** A value that only its dialect knows, as JSON text without the marks on it. */
function unmarked(value: JsonValue): string {
  return JSON.stringify(value, (key, inner: unknown) => (MARKS.has(key) ? undefined : inner));
}
