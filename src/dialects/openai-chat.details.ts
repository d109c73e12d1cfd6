/**
 * Reasoning in a dialect that has no word for it.
 *
 * Text goes as `reasoning_content`, in deltas and messages, as most servers of this dialect and their clients have it. What a
 * provider sealed (a signature, encrypted reasoning) goes as `reasoning_details`, in OpenRouter's form, on a whole message or
 * in one delta before the stream's finish:
 *
 *     "reasoning_details": [
 *       { "type": "reasoning.text", "text": "…", "signature": "…", "index": 0, "format": "anthropic-messages" },
 *       { "type": "reasoning.encrypted", "data": "…", "index": 1, "id": "rs_…", "format": "openai-responses" }
 *     ]
 *
 * A client that sends an assistant message back as it got it (the SDKs' message objects do) thereby brings the seals home.
 * The list is said once and whole, as some clients put lists of deltas together and others keep the last one. The `format` says
 * who sealed it: a dialect's name, or another service's own word; without one nobody can be told to read it.
 */
import type { JsonObject, JsonValue, ReasoningPart, SealOrigin } from "../chat.ts";
import { isArray, isObject, textOf, without } from "./openai-chat.words.ts";

export interface ReasoningBlock extends SealOrigin {
  text: string;
  readonly signature?: string;
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
  const { signature, redacted, origin } = sealIn(detail);
  const extra = origin.issuer === undefined ? undefined : without(detail, READ_MEMBERS);
  return {
    type: "reasoning",
    text: textOfDetail(detail),
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redacted }),
    ...origin,
    ...(extra === undefined ? {} : { extra }),
  };
}

const READ_MEMBERS: readonly string[] = ["type", "text", "signature", "data", "index", "format", "id"];

export function textOfDetail(detail: JsonObject): string {
  return textOf(detail["text"]) ?? textOf(detail["summary"]) ?? "";
}

/** What seals a block of reasoning, and where that is from. */
export function sealIn(detail: JsonObject): {
  readonly signature: string | undefined;
  readonly redacted: string | undefined;
  readonly origin: SealOrigin;
} {
  const signature = textOf(detail["signature"]);
  const data = textOf(detail["data"]);
  const issuer = textOf(detail["format"]) ?? "";
  const sealId = textOf(detail["id"]) ?? "";
  return {
    signature: signature === "" ? undefined : signature,
    redacted: detail["type"] === "reasoning.encrypted" && data !== "" ? data : undefined,
    origin: { ...(issuer === "" ? {} : { issuer }), ...(sealId === "" ? {} : { sealId }) },
  };
}

/** A reasoning part as the member of `reasoning_details` that it was read from. */
export function writeDetail(part: ReasoningBlock, index: number): JsonObject {
  const { text, signature, redacted, issuer, sealId } = part;
  return {
    ...(redacted === undefined
      ? { type: "reasoning.text", text, ...(signature === undefined ? {} : { signature }) }
      : { type: "reasoning.encrypted", data: redacted }),
    index,
    ...(sealId === undefined ? {} : { id: sealId }),
    ...(issuer === undefined ? {} : { format: issuer }),
    ...part.extra,
  };
}

/** Who is said to have sealed Mistral's thinking chunks, of which only Mistral's API can be told. */
export const THINKING_CHUNK = "thinking-chunk";

/** The text of Mistral's thinking chunks. */
export function thinkingText(thinking: JsonValue | undefined): string {
  if (typeof thinking === "string") return thinking;
  if (!isArray(thinking)) return "";
  return thinking.map((chunk) => (isObject(chunk) ? (textOf(chunk["text"]) ?? "") : "")).join("");
}
