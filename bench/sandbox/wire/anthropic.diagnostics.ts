/**
 * Why a prompt was not read from the cache, for a request that asks (`diagnostics`): it is compared with the one that an earlier answer
 * was given to. Only requests that ask are remembered, the first of a conversation by asking with `null`.
 */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import { BoundedMap, type PromptBill } from "../cache/cache.ts";
import type { Block } from "../prompt.ts";
import { invalid } from "./anthropic.thinking.ts";
import { isObject } from "./wire.ts";

/** What two requests are told apart by. */
export interface Fingerprint {
  /** Whose: nobody asks after another's answers. */
  readonly account: string;
  /** With the speed it is asked to have. */
  readonly model: string;
  readonly blocks: readonly Block[];
  /** Whatever else makes the prompt another one: thinking, the tool choice. */
  readonly others: string;
}

interface Remembered {
  readonly fingerprint: Fingerprint;
  /** What a request could have read that goes on from it. */
  readonly cachedTokens: number;
}

const REMEMBERED_MAX = 10_000;

export class Diagnoses {
  readonly #remembered = new BoundedMap<Remembered>(REMEMBERED_MAX);

  /** @returns the answer's `diagnostics`, by its id and its bill; `undefined`: nobody asked. */
  read(asked: JsonValue | undefined, fingerprint: Fingerprint): (id: string, bill: PromptBill) => JsonObject {
    if (asked === undefined || asked === null) return () => ({});
    const previous = isObject(asked) ? (asked["previous_message_id"] ?? null) : undefined;
    if (previous !== null && typeof previous !== "string")
      throw invalid("diagnostics.previous_message_id: Input should be a valid string");
    return (id, bill) => {
      const earlier = previous === null ? undefined : this.#remembered.get(`${fingerprint.account} ${previous}`);
      const cachedTokens = bill.read + bill.write5m + bill.write1h;
      this.#remembered.set(`${fingerprint.account} ${id}`, { fingerprint, cachedTokens });
      if (previous === null) return { diagnostics: null };
      const reason =
        earlier === undefined
          ? { type: "previous_message_not_found" }
          : reasonOf(earlier, fingerprint, Math.max(0, earlier.cachedTokens - bill.read));
      return { diagnostics: reason === undefined ? null : { cache_miss_reason: reason } };
    };
  }

  clear(): void {
    this.#remembered.clear();
  }
}

/** In the order in which the documentation has them: each holds only where those before it are the same. */
function reasonOf({ fingerprint: earlier }: Remembered, later: Fingerprint, missed: number): JsonObject | undefined {
  const changed = (what: string) => ({ type: `${what}_changed`, cache_missed_input_tokens: missed });
  if (earlier.model !== later.model) return changed("model");
  for (const level of ["system", "tools"] as const)
    if (identities(earlier, level).join() !== identities(later, level).join()) return changed(level);
  const after = identities(later, "messages");
  // Those of the request before, and more.
  if (identities(earlier, "messages").some((identity, at) => after[at] !== identity)) return changed("messages");
  return earlier.others === later.others ? undefined : { type: "unavailable" };
}

function identities({ blocks }: Fingerprint, level: Block["level"]): readonly string[] {
  return blocks.flatMap((block) => (block.level === level ? [block.identity] : []));
}
