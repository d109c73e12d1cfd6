/** Responses that are kept for their account: to be read, gone on from, canceled and deleted. Within bounds, oldest out first. */
import type { JsonObject } from "../../../src/chat.ts";
import { stringOf } from "./wire.ts";
import type { Thought } from "./openai.responses.thought.ts";

export interface KeptResponse {
  readonly id: string;
  readonly account: string;
  readonly createdMs: number;
  readonly background: boolean;
  /** What the model was told: every item of the conversation up to this response. */
  readonly told: readonly JsonObject[];
  /** As it stands: queued, in progress, or with its ending. */
  body: JsonObject;
  /** Items of the answer; empty until it is complete. */
  said: readonly JsonObject[];
  /** What was thought in each reasoning item. */
  readonly thoughts: Map<string, Thought>;
  cancel(): void;
}

const RESPONSES_PER_ACCOUNT_MAX = 500;
const BYTES_MAX = 64 * 1024 * 1024;
const DAY_MS = 86_400_000;
const KEPT_DAYS = 30;

export class ResponseStore {
  /** By account and id, oldest first. */
  readonly #kept = new Map<string, KeptResponse & { bytes: number }>();
  #bytes = 0;

  get size(): number {
    return this.#kept.size;
  }

  /** @param ownBytes What it holds beside what the response before it holds already. */
  keep(response: KeptResponse, ownBytes: number): void {
    this.#kept.set(keyOf(response.account, response.id), Object.assign(response, { bytes: ownBytes }));
    this.#bytes += ownBytes;
    const own = [...this.#kept.values()].filter(({ account }) => account === response.account);
    for (const one of own.slice(0, Math.max(0, own.length - RESPONSES_PER_ACCOUNT_MAX))) this.#drop(one);
    for (const one of this.#kept.values()) {
      if (this.#bytes <= BYTES_MAX) break;
      this.#drop(one);
    }
  }

  find(account: string, id: string, nowMs: number): KeptResponse | undefined {
    const found = this.#kept.get(keyOf(account, id));
    return found === undefined || found.createdMs + KEPT_DAYS * DAY_MS <= nowMs ? undefined : found;
  }

  delete(response: KeptResponse): void {
    const kept = this.#kept.get(keyOf(response.account, response.id));
    if (kept !== undefined) this.#drop(kept);
  }

  /** An item that was said to this account, or told by it. */
  item(account: string, itemId: string): JsonObject | undefined {
    for (const response of this.#kept.values()) {
      if (response.account !== account) continue;
      const item = [...response.said, ...response.told].find((one) => stringOf(one["id"]) === itemId);
      if (item !== undefined) return item;
    }
    return undefined;
  }

  thought(account: string, itemId: string): Thought | undefined {
    for (const response of this.#kept.values()) {
      const thought = response.account === account ? response.thoughts.get(itemId) : undefined;
      if (thought !== undefined) return thought;
    }
    return undefined;
  }

  /** The reasoning that an item was said after, when it is known. */
  reasoningBefore(account: string, itemId: string): string | undefined {
    for (const response of this.#kept.values()) {
      if (response.account !== account) continue;
      const at = response.said.findIndex((item) => item["id"] === itemId);
      const before = response.said[at - 1];
      if (before?.["type"] === "reasoning") return stringOf(before["id"]);
    }
    return undefined;
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #drop(response: KeptResponse & { readonly bytes: number }): void {
    this.#kept.delete(keyOf(response.account, response.id));
    this.#bytes -= response.bytes;
  }
}

function keyOf(account: string, id: string): string {
  return `${account}\n${id}`;
}
