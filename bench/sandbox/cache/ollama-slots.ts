/**
 * Ollama's cache: what the runner of a loaded model holds in its slots, one for each request it serves at a time. Token by token, free,
 * and gone with the model.
 */
import type { Prompt } from "../prompt.ts";
import type { CachePlan } from "./cache.ts";

interface Slot {
  tokens: readonly string[];
  isBusy: boolean;
  /** Larger is later. */
  usedAt: number;
}

export interface SlotPlan extends CachePlan {
  /** What was generated stays in the slot, behind its prompt. */
  said(tokens: readonly string[]): void;
  free(): void;
}

/** The least share of a prompt that makes it a slot's own. */
const SIMILARITY_MIN = 0.1;

export class OllamaSlots {
  readonly #slots: readonly Slot[];
  #uses = 0;

  constructor(count: number) {
    this.#slots = Array.from({ length: count }, () => ({ tokens: [], isBusy: false, usedAt: 0 }));
  }

  /** Takes the free slot that holds most of the prompt's beginning, else the one that was idle longest. */
  plan(prompt: Prompt): SlotPlan {
    const tokens = prompt.blocks.flatMap((block) => block.tokens);
    const free = this.#slots.filter((slot) => !slot.isBusy);
    const known = free.map((slot) => ({ slot, shared: sharedLength(slot.tokens, tokens) }));
    const best = known.toSorted((a, b) => b.shared - a.shared)[0];
    const oldest = known.toSorted((a, b) => a.slot.usedAt - b.slot.usedAt)[0];
    const chosen = best !== undefined && best.shared >= tokens.length * SIMILARITY_MIN ? best : oldest;
    if (chosen === undefined) throw new Error("a request is only served where a slot is free");
    const { slot, shared } = chosen;
    slot.isBusy = true;
    // The last token is always read, for what comes after it.
    const read = Math.min(shared, Math.max(0, tokens.length - 1));
    return {
      bill: { uncached: tokens.length - read, read, write5m: 0, write1h: 0, writeOther: 0 },
      commit: () => {
        slot.tokens = tokens;
        slot.usedAt = ++this.#uses;
      },
      said: (generated) => {
        slot.tokens = [...tokens, ...generated];
      },
      free: () => {
        slot.isBusy = false;
      },
    };
  }
}

function sharedLength(a: readonly string[], b: readonly string[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length += 1;
  return length;
}
