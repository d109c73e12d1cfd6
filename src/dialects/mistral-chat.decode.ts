/**
 * Reads Mistral's answers: Chat Completions', and what is its own in them: who sealed the thoughts, and which errors its clients know.
 */
import type { ChatEvent } from "../chat.ts";
import type { Decoder, WatchedFrame, Watcher } from "./dialect.ts";
import { isOwnSeal, NAME } from "./mistral-chat.words.ts";
import { chatDecoder } from "./openai-chat.decode.ts";
import { ChatWatcher } from "./openai-chat.watch.ts";
import { FAILED_FINISHES } from "./openai-chat.words.ts";

export function mistralDecoder(stream: boolean): Decoder {
  const decoder = chatDecoder(stream);
  return {
    push: (bytes) => decoder.push(bytes).map(asOwn),
    end: () => decoder.end().map(asOwn),
  };
}

export function mistralWatcher(): Watcher {
  const watcher = new ChatWatcher();
  return {
    push: (bytes) => watcher.push(bytes).map(frameAsOwn),
    end: () => watcher.end().map(frameAsOwn),
  };
}

function frameAsOwn(frame: WatchedFrame): WatchedFrame {
  return frame.events.length === 0 ? frame : { ...frame, events: frame.events.map(asOwn) };
}

function asOwn(event: ChatEvent): ChatEvent {
  if (event.type === "reasoning-end" && event.signature !== undefined) {
    return event.issuer === undefined || isOwnSeal(event.issuer) ? { ...event, issuer: NAME } : event;
  }
  if (event.type !== "error" || event.error.foreign !== true) return event;
  const { foreign: _foreign, ...error } = event.error;
  return { type: "error", error: isKnown(error.code) ? error : event.error };
}

/** Its clients throw at whatever is no chunk; among the finishes that mean a failure they know one word. */
function isKnown(code: string | undefined): boolean {
  return code === "error" || code === undefined || !FAILED_FINISHES.has(code);
}
