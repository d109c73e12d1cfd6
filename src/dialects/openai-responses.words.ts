/**
 * The fixed words of Responses that reading and writing share: items, finish reasons, ids.
 */
import { hash } from "node:crypto";
import type { FinishReason, JsonObject } from "../chat.ts";
import { textOf } from "./openai-chat.words.ts";

export const NAME = "openai-responses";

/** What the client asks for by name instead of by a field. */
export const INCLUDE_SEALS = "reasoning.encrypted_content";
export const INCLUDE_LOGPROBS = "message.output_text.logprobs";

/** Items by which the model calls something that the client runs. A custom tool's input is any text. */
export const CALL_TYPES: ReadonlySet<string> = new Set(["function_call", "custom_tool_call"]);

/** Why an answer is not whole. */
const FINISH_OF_DETAIL: ReadonlyMap<string, FinishReason> = new Map(
  Object.entries<FinishReason>({
    max_output_tokens: "length",
    max_tokens: "length",
    content_filter: "content-filter",
  }),
);

export function finishOf(incompleteReason: string): FinishReason {
  return FINISH_OF_DETAIL.get(incompleteReason) ?? "other";
}

/** The reason by which an answer is not whole; none for those that are. */
export const DETAIL_OF_FINISH: Partial<Record<FinishReason, string>> = {
  length: "max_output_tokens",
  "context-full": "max_output_tokens",
  "content-filter": "content_filter",
  refusal: "content_filter",
};

export type ItemKind = "message" | "reasoning" | "call";

/** An id for an item of an answer that is written here: the same for the same exchange and place. */
export function itemId(kind: ItemKind, exchange: string, index: number): string {
  return `${ID_BEGINNINGS[kind]}${hash("sha256", `${exchange}:${index}`, "hex").slice(0, 32)}`;
}

const MADE_THOUGHT = "rs_sluice_";
const ID_BEGINNINGS: Readonly<Record<ItemKind, string>> = {
  message: "msg_sluice_",
  reasoning: MADE_THOUGHT,
  call: "fc_sluice_",
};
/** What an answer that is written here begins its id with. */
export const MADE_ANSWER = "resp_sluice_";

/** Whether an id was made here: no server of this dialect has anything by that name. */
export function isMadeId(id: string): boolean {
  return /^(?:resp|msg|fc|rs)_sluice_/.test(id);
}

/** Whether an item is a thought whose id was made here: no server of this dialect has it, and each would look for it. */
export function isMadeThought(item: JsonObject): boolean {
  return textOf(item["id"])?.startsWith(MADE_THOUGHT) === true;
}

/** The API takes no longer ones. */
const CALL_ID_CHARACTERS_MAX = 64;

/** The id itself where this dialect takes it; else a stable one made from it, the same in every request of a conversation. */
export function callIdOf(id: string): string {
  return id !== "" && id.length <= CALL_ID_CHARACTERS_MAX ? id : `call_${hash("sha256", id, "hex").slice(0, 40)}`;
}
