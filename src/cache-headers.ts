/**
 * What an answer's headers say of the prompt's cache: what was read and written and what that saved against no caching, where it is
 * known when they are sent; what is expected to be read, where the answer is a stream that will tell at its end.
 */
import type { LedgerEntry } from "./ledger.ts";
import { usdText } from "./usage.ts";

export interface CacheFacts {
  /** The settled row; `undefined` while the answer runs. */
  readonly entry: LedgerEntry | undefined;
  readonly predictedRead: number;
  readonly heldMs: number;
}

export function cacheHeaders({ entry, predictedRead, heldMs }: CacheFacts): Record<string, string> {
  const said = entry === undefined ? `predicted_read=${predictedRead}` : cacheText(entry);
  return {
    ...(said === "" ? {} : { "x-sluice-cache": said }),
    ...(heldMs === 0 ? {} : { "x-sluice-held-ms": heldMs.toFixed(1) }),
  };
}

/** Only what is known: an absent word is not a zero. */
function cacheText({ usage, cacheSaved }: LedgerEntry): string {
  const words: readonly (readonly [string, number | string | undefined])[] = [
    ["read", usage.cacheRead],
    ["write5m", usage.cacheWrite5m],
    ["write1h", usage.cacheWrite1h],
    ["write", usage.cacheWriteOther],
    ["saved_usd", cacheSaved === undefined ? undefined : usdText(cacheSaved)],
  ];
  return words.flatMap(([word, value]) => (value === undefined ? [] : [`${word}=${value}`])).join(";");
}
