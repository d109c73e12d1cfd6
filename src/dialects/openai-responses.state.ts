/**
 * What a streamed answer says beside its items, and whether it is complete. Shared by who reads a stream and who watches one.
 */
import { readDiagnosis } from "../cache/diagnosis.ts";
import type { AnswerError, ChatEvent, JsonObject } from "../chat.ts";
import { brokenAnswer } from "./openai-chat.state.ts";
import { isArray, isObject, textOf } from "./openai-chat.words.ts";
import { errorIn, failureOf } from "./openai-responses.errors.ts";
import { readUsage } from "./openai-responses.usage.ts";
import { CALL_TYPES, finishOf } from "./openai-responses.words.ts";

/** Events that come before anything is said. An error behind them is an answer that has not begun. */
export const OPENING: ReadonlySet<string> = new Set(["response.created", "response.queued", "response.in_progress"]);
/** Events after which nothing comes. */
export const TERMINAL: ReadonlySet<string> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.cancelled",
]);

export class StreamState {
  #begun = false;
  #opening: JsonObject = {};
  #failure: AnswerError | undefined;
  /** Nothing that follows counts: the terminal event or an error has passed. */
  over = false;

  /** What goes on in the background has begun with its first event: it is worked on, and billed, from there on. */
  open(event: JsonObject): ChatEvent[] {
    if (isObject(event["response"])) this.#opening = event["response"];
    return this.#opening["background"] === true ? this.start() : [];
  }

  /** The answer's beginning, once, with the first event that says anything. */
  start(): ChatEvent[] {
    if (this.#begun) return [];
    this.#begun = true;
    return [startOf(this.#opening)];
  }

  /** The terminal event: what was used, why it stopped, and that it did. */
  close(type: string, event: JsonObject, hasCalls: boolean): ChatEvent[] {
    const response = isObject(event["response"]) ? event["response"] : {};
    const isFailed = type === "response.failed";
    this.over = true;
    if (isFailed) return [this.#failed(isObject(response["error"]) ? failureOf(response) : undefined)];
    this.#opening = { ...this.#opening, ...response };
    return [...this.start(), ...ending({ ...response, status: type.slice("response.".length) }, hasCalls)];
  }

  /** An error event. Another event says so again, and is the one that some clients know: until then the stream goes on. */
  fail(event: JsonObject): void {
    this.#failure ??= errorIn(event);
  }

  broken(message: string): ChatEvent[] {
    this.over = true;
    return [brokenAnswer(message)];
  }

  /** The end of the bytes. Complete is only what said so. */
  end(): ChatEvent[] {
    if (this.over) return [];
    if (this.#failure === undefined) return this.broken("the provider's stream ended before the answer was complete");
    this.over = true;
    return [this.#failed(undefined)];
  }

  #failed(told: AnswerError | undefined): ChatEvent {
    return { type: "error", error: this.#failure ?? told ?? failureOf({}) };
  }
}

export function startOf(response: JsonObject): ChatEvent {
  const id = textOf(response["id"]) ?? "";
  const model = textOf(response["model"]) ?? "";
  const created = response["created_at"];
  return {
    type: "start",
    ...(id === "" ? {} : { id }),
    ...(model === "" ? {} : { model }),
    ...(typeof created === "number" && Number.isSafeInteger(created) && created > 0 ? { createdSeconds: created } : {}),
    ...(response["background"] === true ? { inBackground: true } : {}),
  };
}

/** What stands behind an answer's items, whole or streamed. */
export function ending(response: JsonObject, hasCalls: boolean): ChatEvent[] {
  return [
    ...usageIn(response),
    { ...finishEvent(response, hasCalls), ...keptOf(response), ...hostedOf(response) },
    { type: "done" },
  ];
}

export function usageIn(response: JsonObject): ChatEvent[] {
  const usage = response["usage"];
  if (!isObject(usage)) return [];
  const diagnosis = readDiagnosis(response["prompt_cache_diagnostics"]);
  return [{ type: "usage", usage: readUsage(usage), ...(diagnosis === undefined ? {} : { diagnosis }) }];
}

/** Items that are remembered of one answer: the first ones. */
const KEPT_ITEMS_MAX = 64;

function keptOf(response: JsonObject): { readonly kept?: readonly string[] } {
  if (response["store"] !== true) return {};
  const ids = itemsOf(response).flatMap((item) => textOf(item["id"]) ?? []);
  return ids.length === 0 ? {} : { kept: ids.slice(0, KEPT_ITEMS_MAX) };
}

/** The containers that it ran code in. */
function hostedOf(response: JsonObject): { readonly hosted?: readonly string[] } {
  const ids = new Set(itemsOf(response).flatMap((item) => textOf(item["container_id"]) ?? []));
  return ids.size === 0 ? {} : { hosted: [...ids].slice(0, KEPT_ITEMS_MAX) };
}

function finishEvent(response: JsonObject, hasCalls: boolean): Extract<ChatEvent, { type: "finish" }> {
  const status = textOf(response["status"]);
  if (status === "incomplete") {
    const details = isObject(response["incomplete_details"]) ? response["incomplete_details"] : {};
    const reason = finishOf(textOf(details["reason"]) ?? "");
    return { type: "finish", reason, ...(reason === "other" ? { details: { status, ...details } } : {}) };
  }
  // Some servers are short of a letter, others say nothing.
  if (status === undefined || status.startsWith("complete")) {
    return { type: "finish", reason: hasCalls ? "tool-calls" : "stop" };
  }
  const state = STATES.get(status);
  return { type: "finish", reason: "other", details: { status }, ...(state === undefined ? {} : { state }) };
}

/** An answer may be told before it is there, where nobody waits for it. */
const STATES: ReadonlyMap<string, "canceled" | "under-way"> = new Map([
  ["cancelled", "canceled"],
  ["queued", "under-way"],
  ["in_progress", "under-way"],
]);

export function itemsOf(response: JsonObject): readonly JsonObject[] {
  return isArray(response["output"]) ? response["output"].filter(isObject) : [];
}

export function isCall(item: JsonObject): boolean {
  return CALL_TYPES.has(textOf(item["type"]) ?? "");
}
