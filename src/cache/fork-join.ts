/**
 * Siblings of a fork: while one request writes a prefix, others that would write the same wait until it can be read.
 *
 * Whoever waits is let go when its leader's first event arrives, when the leader ends in any way, when its time is over, or when its
 * client leaves; then it plans again. If the leader failed, the first to plan leads. They are let go in the order in which they came.
 */
import type { Hold } from "./plan.ts";

export interface ForkJoin {
  /** Resolves when the request is to plan again. @param waitMs The longest wait. */
  wait(hold: Hold, waitMs: number, signal: AbortSignal): Promise<void>;
  /** The leader's prefix can be read, or never will be. */
  release(leader: number): void;
  /** Requests that wait now. */
  readonly waiting: number;
  /** Whom they wait for. */
  readonly leaders: number;
}

/** @param sleep Rejects when the signal aborts. */
export function createForkJoin(sleep: (ms: number, signal: AbortSignal) => Promise<void>): ForkJoin {
  const followers = new Map<number, Set<() => void>>();
  let waiting = 0;
  return {
    get waiting() {
      return waiting;
    },
    get leaders() {
      return followers.size;
    },
    async wait({ leader }, waitMs, signal) {
      const released = new AbortController();
      const release = () => released.abort();
      const siblings = followers.get(leader) ?? new Set();
      followers.set(leader, siblings.add(release));
      waiting += 1;
      try {
        await sleep(waitMs, AbortSignal.any([signal, released.signal]));
      } catch {
        // Released, or the client left: its own signal says which.
      } finally {
        waiting -= 1;
        siblings.delete(release);
        if (siblings.size === 0 && followers.get(leader) === siblings) followers.delete(leader);
      }
    },
    release(leader) {
      const siblings = followers.get(leader);
      if (siblings === undefined) return;
      followers.delete(leader);
      for (const release of siblings) release();
    },
  };
}

/** Longest time that a request waits, for all its leaders together. */
export const HOLD_MS_MAX = 60_000;

/** How long a hold may be: twice what the leader's prompt is expected to take to be read. */
export function holdMs({ untilMs }: Hold, nowMs: number): number {
  return Math.min(HOLD_MS_MAX, Math.max(0, 2 * (untilMs - nowMs)));
}

export interface HoldingOptions {
  readonly forkJoin: ForkJoin;
  /** Aborted when the client has left. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch, as plans have them. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly elapsedMs: () => number;
}

/**
 * One request's waits: not longer for a leader than {@link holdMs} says, not again for one that was waited for in vain, and not longer
 * than {@link HOLD_MS_MAX} in all.
 *
 * Who waits plans again right after it, and is sent without an `await` in between: all that a leader lets go are woken together, and
 * the next of them must find the first on its way.
 *
 * @example
 * let placed = place();
 * for (let hold = placed.hold; holding.isDue(hold); hold = placed.hold) { await holding.wait(hold); placed = place(); }
 */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #leaders = new Set<number>();
  #heldMs = 0;

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  get heldMs(): number {
    return this.#heldMs;
  }

  isDue(hold: Hold | undefined): hold is Hold {
    return hold !== undefined && !this.#leaders.has(hold.leader) && !this.#options.signal.aborted;
  }

  async wait(hold: Hold): Promise<void> {
    const { forkJoin, signal, now, elapsedMs } = this.#options;
    this.#leaders.add(hold.leader);
    const since = elapsedMs();
    await forkJoin.wait(hold, Math.min(holdMs(hold, now()), HOLD_MS_MAX - this.#heldMs), signal);
    this.#heldMs += elapsedMs() - since;
  }
}
