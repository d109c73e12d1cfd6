/**
 * Circuit breakers, one per target: after enough failures in a row of time a target rests, then one call probes it.
 *
 * A resting target is moved to the end of the order, never struck from it: where it is the only one, a try beats a certain refusal.
 */
export type BreakerState = "closed" | "open" | "half-open";

export interface BreakerOptions {
  /** Failures within the window that open the breaker. */
  readonly failures: number;
  readonly windowMs: number;
  /** How long an open breaker rests before one probe is let through. */
  readonly restMs: number;
}

/** Targets watched at once; a client naming ever new models must not grow this. */
export const BREAKERS_MAX = 1_000;

export interface Breakers {
  resting(target: string, nowMs: number): boolean;
  succeeded(target: string): void;
  failed(target: string, nowMs: number): void;
}

interface Breaker {
  failuresAtMs: number[];
  openUntilMs: number;
  state: BreakerState;
}

/** @param onChange Told of every change of state (for the metric). */
export function createBreakers(
  options: () => BreakerOptions,
  onChange: (target: string, state: BreakerState) => void,
): Breakers {
  const breakers = new Map<string, Breaker>();
  const change = (target: string, breaker: Breaker, state: BreakerState) => {
    if (breaker.state === state) return;
    breaker.state = state;
    onChange(target, state);
  };
  return {
    resting(target, nowMs) {
      const breaker = breakers.get(target);
      if (breaker === undefined || breaker.state === "closed") return false;
      if (nowMs < breaker.openUntilMs) return true;
      // Rested: this caller is the probe; the others wait for what it finds.
      breaker.openUntilMs = nowMs + options().restMs;
      change(target, breaker, "half-open");
      return false;
    },
    succeeded(target) {
      const breaker = breakers.get(target);
      if (breaker === undefined) return;
      change(target, breaker, "closed");
      breakers.delete(target);
    },
    failed(target, nowMs) {
      const { failures, windowMs, restMs } = options();
      const breaker = breakers.get(target) ?? { failuresAtMs: [], openUntilMs: 0, state: "closed" };
      breakers.delete(target);
      breakers.set(target, breaker);
      breaker.failuresAtMs = [...breaker.failuresAtMs.filter((at) => at > nowMs - windowMs), nowMs].slice(-failures);
      if (breaker.state === "half-open" || breaker.failuresAtMs.length >= failures) {
        breaker.openUntilMs = nowMs + restMs;
        change(target, breaker, "open");
      }
      if (breakers.size > BREAKERS_MAX) {
        const [oldest] = breakers;
        if (oldest === undefined) return;
        const [name, forgotten] = oldest;
        breakers.delete(name);
        // Whoever shows its state would show it as open for ever.
        change(name, forgotten, "closed");
      }
    },
  };
}
