/**
 * Time as the sandbox sees it. Every lifetime and every pause goes through a clock, so a test can make an hour pass at once
 * and `bench` can run a day in a minute.
 */
export interface Clock {
  /** Milliseconds since the epoch, in sandbox time. */
  now(): number;
  /** Resolves after `milliseconds` of sandbox time, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface ManualClock extends Clock {
  /** Lets sandbox time pass, and wakes who was due. */
  advance(milliseconds: number): void;
  /** Resolves when somebody waits for time to pass: at once, when one does already. */
  whenAwaited(): Promise<void>;
}

/** The machine's clock, `speed` times as fast. */
export function systemClock(speed: number = 1): Clock {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * speed,
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        // What was due a moment ago is due now: the clock does not stand still between two looks at it.
        const timer = setTimeout(done, Math.min(Math.max(0, milliseconds / speed), 2 ** 31 - 1));
        signal?.addEventListener("abort", done);
      }),
  };
}

/** A clock that stands still until it is told otherwise. */
export function manualClock(startMs: number = Date.UTC(2026, 10, 24)): ManualClock {
  let now = startMs;
  const sleepers = new Set<{ readonly due: number; readonly wake: () => void }>();
  let watchers: (() => void)[] = [];
  return {
    now: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true || milliseconds <= 0) return resolve();
        const sleeper = {
          due: now + milliseconds,
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener("abort", sleeper.wake);
            resolve();
          },
        };
        sleepers.add(sleeper);
        for (const watcher of watchers) watcher();
        watchers = [];
        signal?.addEventListener("abort", sleeper.wake);
      }),
    advance: (milliseconds) => {
      now += milliseconds;
      for (const sleeper of [...sleepers].filter((one) => one.due <= now).sort((a, b) => a.due - b.due)) sleeper.wake();
    },
    whenAwaited: () => (sleepers.size > 0 ? Promise.resolve() : new Promise((resolve) => void watchers.push(resolve))),
  };
}

/** A clock that is moved on by whoever sleeps: pauses cost nothing and still leave their trace in the times. */
export function instantClock(startMs: number = Date.UTC(2026, 10, 24)): ManualClock {
  let now = startMs;
  return {
    now: () => now,
    sleep: (milliseconds, signal) => {
      if (Number.isFinite(milliseconds)) {
        if (signal?.aborted !== true) now += milliseconds;
        return new Promise((resolve) => void setImmediate(resolve));
      }
      // Forever is forever on any clock: only a client that leaves ends it.
      return new Promise((resolve) => {
        if (signal === undefined || signal.aborted) return resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    },
    advance: (milliseconds) => void (now += milliseconds),
    whenAwaited: () => Promise.resolve(),
  };
}
