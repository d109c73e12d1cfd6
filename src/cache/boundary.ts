/**
 * Where a prompt's prefixes end: one hash per border (tools, each message), canonical, in the caller's namespace.
 *
 * Canonical means by value: without cache marks, key order or string-or-array form, because agents' prefixes are stable as
 * values and not as bytes. Each hash covers everything before it, so equal hashes are equal prefixes.
 */
import { hash } from "node:crypto";
import type { ChatRequest, Message, Part, Tool } from "../chat.ts";
import { estimateTokens } from "../tokens.ts";

export interface Boundary {
  /** Rising; the last one is the whole prompt. */
  readonly borders: readonly Border[];
}

export interface Border {
  readonly hash: string;
  /** Estimated tokens (o200k) from the start of the prompt up to here. */
  readonly tokens: number;
}

/** Longest prefixes are the ones worth finding: only the last so many borders of a prompt are kept. */
const BORDERS_MAX = 64;

export function placeBoundary(request: ChatRequest, namespace: string): Boundary {
  const borders: Border[] = [];
  let chain = hash("sha256", namespace, "base64url");
  let tokens = 0;
  const add = (text: string) => {
    chain = hash("sha256", `${chain}\u0000${text}`, "base64url");
    tokens += estimateTokens(text);
    borders.push({ hash: chain, tokens });
  };
  if (request.tools.length > 0) add(request.tools.map(toolText).join("\u0001"));
  for (const message of request.messages) add(messageText(message));
  return { borders: borders.slice(-BORDERS_MAX) };
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

function toolText(tool: Tool): string {
  return tool.type === "function"
    ? `${tool.name}\u0002${tool.description ?? ""}\u0002${JSON.stringify(tool.parameters ?? null)}`
    : JSON.stringify(tool.value);
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
      return part.volatile === true ? "" : JSON.stringify(part.value);
  }
}
