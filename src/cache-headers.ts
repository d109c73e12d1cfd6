/**
 * What an answer's headers say of the prompt's cache: what was read and written and what that saved against no caching, where the
 * provider has told by the time they are sent, a stream's first event included; else what is expected to be read.
 */
import { usdText, type PicoUsd, type Usage } from "./usage.ts";

export interface CacheFacts {
  /** As far as it was told. */
  readonly usage: Usage;
  /** By what was told; `undefined`: not known. */
  readonly saved: PicoUsd | undefined;
  readonly predictedRead: number;
  readonly heldMs: number;
  /** What was done about the client's marks; `undefined`: nothing. */
  readonly marksChange: string | undefined;
}

export function cacheHeaders({ usage, saved, predictedRead, heldMs, marksChange }: CacheFacts): Record<string, string> {
  return {
    "x-sluice-cache": usage.cacheRead === undefined ? `predicted_read=${predictedRead}` : cacheText(usage, saved),
    ...(marksChange === undefined ? {} : { "x-sluice-cache-marks": marksChange }),
    ...(heldMs === 0 ? {} : { "x-sluice-held-ms": heldMs.toFixed(1) }),
  };
}

/** Only what is known: an absent word is not a zero. */
function cacheText(usage: Usage, saved: PicoUsd | undefined): string {
  const words: readonly (readonly [string, number | string | undefined])[] = [
    ["read", usage.cacheRead],
    ["write5m", usage.cacheWrite5m],
    ["write1h", usage.cacheWrite1h],
    ["write", usage.cacheWriteOther],
    ["saved_usd", saved === undefined ? undefined : usdText(saved)],
  ];
  return words.flatMap(([word, value]) => (value === undefined ? [] : [`${word}=${value}`])).join(";");
}
