/**
 * Reasoning in a dialect that has no word for it.
 *
 * Text goes as `reasoning_content`, in deltas and messages, as most servers of this dialect and their clients have it. What a
 * provider sealed (a signature, encrypted reasoning) goes as `reasoning_details`, in OpenRouter's form, on a whole message or
 * in one delta before the stream's finish:
 *
 *     "reasoning_details": [
 *       { "type": "reasoning.text", "text": "…", "signature": "…", "index": 0 },
 *       { "type": "reasoning.encrypted", "data": "…", "index": 1 }
 *     ]
 *
 * A client that sends an assistant message back as it got it (the SDKs' message objects do) thereby brings the seals home.
 * The list is said once and whole, as some clients put lists of deltas together and others keep the last one. A `format` says
 * that another service sealed it in a way of its own; Sluice's have none.
 */
import type { JsonObject, JsonValue, ReasoningPart } from "../chat.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";

export interface ReasoningBlock {
  text: string;
  signature?: string;
  readonly redacted?: string;
  readonly extra?: JsonObject;
}

/** `undefined` when nothing is sealed: then the text alone says it all. */
export function writeDetails(blocks: readonly ReasoningBlock[]): readonly JsonObject[] | undefined {
  if (!blocks.some((block) => block.signature !== undefined || block.redacted !== undefined)) return undefined;
  return blocks.map(writeDetail);
}

/** The reasoning that an assistant message brings back. The details say more than the text beside them. */
export function readReasoning(message: JsonObject): ReasoningPart[] {
  const details = isArray(message["reasoning_details"]) ? message["reasoning_details"].filter(isObject) : [];
  if (details.length > 0) return details.map(readDetail);
  const told = REASONING_TEXTS.map((key) => textOf(message[key]) ?? "");
  const text = told.find((one) => one !== "");
  return text === undefined ? [] : [{ type: "reasoning", text }];
}

/** Where servers and clients keep reasoning's text. */
export const REASONING_TEXTS: readonly string[] = ["reasoning_content", "reasoning", "thinking"];

function readDetail(detail: JsonObject): ReasoningPart {
  const { signature, redacted } = sealIn(detail);
  const foreign = textOf(detail["format"]) === undefined ? undefined : without(detail, READ_MEMBERS);
  return {
    type: "reasoning",
    text: textOfDetail(detail),
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redacted }),
    ...(foreign === undefined ? {} : { extra: foreign }),
  };
}

const READ_MEMBERS: readonly string[] = ["type", "text", "signature", "data", "index"];

export function textOfDetail(detail: JsonObject): string {
  return textOf(detail["text"]) ?? textOf(detail["summary"]) ?? "";
}

/** What seals a block of reasoning. */
export function sealIn(detail: JsonObject): {
  readonly signature: string | undefined;
  readonly redacted: string | undefined;
} {
  const signature = textOf(detail["signature"]);
  const data = textOf(detail["data"]);
  return {
    signature: signature === "" ? undefined : signature,
    redacted: detail["type"] === "reasoning.encrypted" && data !== "" ? data : undefined,
  };
}

/** A reasoning part as the member of `reasoning_details` that it was read from. */
export function writeDetail(part: ReasoningBlock, index: number): JsonObject {
  const { text, signature, redacted } = part;
  return {
    ...(redacted === undefined
      ? { type: "reasoning.text", text, ...(signature === undefined ? {} : { signature }) }
      : { type: "reasoning.encrypted", data: redacted }),
    index,
    ...part.extra,
  };
}

/** The text of Mistral's thinking chunks. */
export function thinkingText(thinking: JsonValue | undefined): string {
  if (typeof thinking === "string") return thinking;
  if (!isArray(thinking)) return "";
  return thinking.map((chunk) => (isObject(chunk) ? (textOf(chunk["text"]) ?? "") : "")).join("");
}
