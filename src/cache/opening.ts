/** How a conversation begins, as text: by value, without cache marks and noise. */
import type { ChatRequest, Message, Part } from "../chat.ts";
import { unmarked } from "./prefixes.ts";

/** The text that identifies a task's opening: everything up to and including the first user message. */
export function openingText(request: ChatRequest): string {
  const texts: string[] = [];
  for (const message of request.messages) {
    texts.push(messageText(message));
    if (message.role === "user") break;
  }
  return texts.join("\u0001");
}

function messageText(message: Message): string {
  return `${message.role}\u0002${message.parts.map(partText).join("\u0003")}`;
}

export function partText(part: Part): string {
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
