/**
 * The fixed words of Mistral's chat API that its directions share: finish reasons, ids, whose seals are its own.
 */
import { hash } from "node:crypto";
import type { DialectName, FinishReason } from "../chat.ts";
import { THINKING_CHUNK } from "./openai-chat.details.ts";

export const NAME = "mistral-chat";

export const WORD_OF_FINISH: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "context-full": "model_length",
  "tool-calls": "tool_calls",
  "content-filter": "stop",
  refusal: "stop",
  paused: "stop",
  other: "stop",
};

/** Why an answer ended that has no word here: a stop is all that is said. */
export const UNSAYABLE_FINISHES: ReadonlySet<FinishReason> = new Set(["content-filter", "refusal", "paused"]);

/** Whether Mistral can read what was sealed there; Chat Completions, which carries its chunks too, has a name of its own for that. */
export function isOwnSeal(issuer: DialectName | undefined): boolean {
  return issuer === NAME || issuer === THINKING_CHUNK;
}

const NINE_ALPHANUMERICS = /^[a-zA-Z0-9]{9}$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The only form of a call's id that the API takes. The same id gives the same one, so that prefixes stay equal. */
export function idOfNine(id: string): string {
  if (NINE_ALPHANUMERICS.test(id)) return id;
  let number = BigInt(`0x${hash("sha256", id, "hex")}`);
  let text = "";
  while (text.length < 9) {
    text += BASE62.charAt(Number(number % 62n));
    number /= 62n;
  }
  return text;
}
