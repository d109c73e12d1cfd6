/**
 * Rows of calls that were refused before anybody was known to have made them (no key, a wrong one, the gateway full): anyone can make
 * such calls, as many as the network carries, and a row each would fill the disk. They were never sent and cost nothing; the
 * first are written, the rest are counted only.
 */
export interface StrangerRows {
  /** Whether one more row may be written. */
  take(nowMs: number): boolean;
}

/** Written at once, for whoever sets up a client and looks for its mistakes. */
export const STRANGER_ROWS_BURST = 100;
/** After those, rows a second: about 30 MB of ledger a day at most. */
const ROWS_PER_SECOND = 1;

export function createStrangerRows(): StrangerRows {
  let left = STRANGER_ROWS_BURST;
  let countedAtMs = -Infinity;
  return {
    take(nowMs) {
      // A clock that was set back gives nothing, and takes nothing.
      const seconds = Math.max(0, nowMs - countedAtMs) / 1000;
      countedAtMs = nowMs;
      left = Math.min(STRANGER_ROWS_BURST, left + seconds * ROWS_PER_SECOND);
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
