/**
 * Siblings of a fork: while one request writes a prefix, others that would write the same wait until it can be read.
 *
 * Whoever waits is let go when its leader's first event arrives, when the leader ends in any way, when its time is over, or when its
 * client leaves; then it plans again. If the leader failed, or took too long, the first to plan leads, and the others wait for that
 * one, or for the slow one after all, whichever is sooner. They are let go in the order in which they came.
 */
import type { Hold } from "./plan.ts";

export interface ForkJoin {
  /**
   * Resolves when the request is to plan again.
   *
   * @param leaders Any of whom lets it go. @param waitMs The longest wait.
   */
  wait(leaders: Iterable<number>, waitMs: number, signal: AbortSignal): Promise<WaitEnd>;
  /** The leader's prefix can be read, or never will be. */
  release(leader: number, isReadable: boolean): void;
  /** Requests that wait now. */
  readonly waiting: number;
  /** Whom they wait for. */
  readonly leaders: number;
}

/** Why a wait ended: there is something to read, there will not be from this leader (or the client left), or its time was over. */
export type WaitEnd = "readable" | "ended" | "over";

/** @param sleep Rejects when the signal aborts. */
export function createForkJoin(sleep: (ms: number, signal: AbortSignal) => Promise<void>): ForkJoin {
  const followers = new Map<number, Set<(isReadable: boolean) => void>>();
  let waiting = 0;
  return {
    get waiting() {
      return waiting;
    },
    get leaders() {
      return followers.size;
    },
    async wait(leaders, waitMs, signal) {
      const released = new AbortController();
      let end: WaitEnd = "ended";
      const release = (isReadable: boolean) => {
        if (isReadable) end = "readable";
        released.abort();
      };
      const awaited = [...leaders];
      for (const leader of awaited) followers.set(leader, (followers.get(leader) ?? new Set()).add(release));
      waiting += 1;
      try {
        await sleep(waitMs, AbortSignal.any([signal, released.signal]));
        return "over";
      } catch {
        // Released, or the client left: its own signal says which.
        return end;
      } finally {
        waiting -= 1;
        for (const leader of awaited) {
          const siblings = followers.get(leader);
          siblings?.delete(release);
          if (siblings?.size === 0) followers.delete(leader);
        }
      }
    },
    release(leader, isReadable) {
      const siblings = followers.get(leader);
      if (siblings === undefined) return;
      followers.delete(leader);
      for (const release of siblings) release(isReadable);
    },
  };
}

/** Longest time that a request waits, for all its leaders together. */
export const HOLD_MS_MAX = 60_000;
/** Leaders that a request waits for in vain: where two in a row did not get there, it is not for want of a leader. */
const IN_VAIN_MAX = 2;

/** Timers are early by as much as clocks are coarse. */
const CLOCK_MS = 2;

/**
 * How long a hold may be: until the leader's prompt should have been read, and once more as long as it takes to read it oneself, however
 * late one came; or just until then, where nobody hears when it can be read.
 */
export function holdMs({ untilMs, readingMs, isHeard }: Hold, nowMs: number): number {
  return Math.min(HOLD_MS_MAX, Math.max(0, untilMs - nowMs + (isHeard ? readingMs : CLOCK_MS)));
}

/**
 * What one request has waited for so far, over all its attempts, and whether it is to wait on: not longer for a leader than
 * {@link holdMs} says, not again for one that was waited for, not after {@link IN_VAIN_MAX} leaders that brought nothing, and not
 * longer than {@link HOLD_MS_MAX} in all. Pure, so that a replay in virtual time waits as the gateway does.
 */
export class Patience {
  readonly #leaders = new Set<number>();
  #heldMs = 0;
  #inVain = 0;

  /** All that were waited for. One that was given up may still be the first to be readable. */
  get leaders(): ReadonlySet<number> {
    return this.#leaders;
  }

  get heldMs(): number {
    return this.#heldMs;
  }

  /** Leaders that were waited for and brought nothing. */
  get inVain(): number {
    return this.#inVain;
  }

  isDue(hold: Hold | undefined): hold is Hold {
    return (
      hold !== undefined && !this.#leaders.has(hold.leader) && this.#heldMs < HOLD_MS_MAX && this.#inVain < IN_VAIN_MAX
    );
  }

  /** A wait begins. @returns the longest that it may take. */
  begin(hold: Hold, nowMs: number): number {
    this.#leaders.add(hold.leader);
    return Math.min(holdMs(hold, nowMs), HOLD_MS_MAX - this.#heldMs);
  }

  /** It is over. @returns whether the leader is to be given up, and this request to lead in its place. */
  end(hold: Hold, end: WaitEnd, tookMs: number): boolean {
    this.#heldMs += tookMs;
    // Of one that nobody hears of, the end of the time is what says that it can be read.
    if (end === "readable" || (end === "over" && !hold.isHeard)) return false;
    this.#inVain += 1;
    return end === "over";
  }
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
 * One request's waits, as its {@link Patience} has them.
 *
 * Who waits plans again right after it, and is sent without an `await` in between: all that a leader lets go are woken together, and
 * the next of them must find the first on its way.
 *
 * @example
 * let placed = place();
 * for (let hold = placed.hold; holding.isDue(hold); hold = placed.hold) {
 *   await holding.wait(hold, placed);
 *   placed = place();
 * }
 */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #patience = new Patience();

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  get heldMs(): number {
    return this.#patience.heldMs;
  }

  /** Leaders that were waited for and brought nothing. */
  get inVain(): number {
    return this.#patience.inVain;
  }

  isDue(hold: Hold | undefined): hold is Hold {
    return this.#patience.isDue(hold) && !this.#options.signal.aborted;
  }

  /** @param held Told when the leader was waited for in vain: then this request takes its place, and leads. */
  async wait(hold: Hold, held: { giveUp(): void }): Promise<void> {
    const { forkJoin, signal, now, elapsedMs } = this.#options;
    const since = elapsedMs();
    const waitMs = this.#patience.begin(hold, now());
    const end = await forkJoin.wait(this.#patience.leaders, waitMs, signal);
    if (this.#patience.end(hold, end, elapsedMs() - since)) held.giveUp();
  }
}
