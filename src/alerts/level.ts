/**
 * One level of one value: quiet, over, told, resolved. What is told of a window is told once; what it was told of is told to be over once.
 *
 * What is spent does not come back, so that a window that is over its level stays so, and a projection that sinks again takes nothing
 * back: an alert is resolved in a later window, when spend has been calm there for an hour, or when that one fires itself.
 */
import type { Alert, AlertBasis } from "./alert.ts";
import type { WindowSpan } from "../budgets/budget.ts";

/** As it is kept over a restart. */
export interface LevelState {
  /** Starts of the windows that were told of, newest last: after the clock was set back and on again, they are not told anew. */
  readonly told: readonly number[];
  readonly overSinceMs?: number;
  readonly calmSinceMs?: number;
  readonly open?: Alert;
}

export const QUIET: LevelState = { told: [] };

export interface Seen {
  readonly window: WindowSpan;
  readonly isOver: boolean;
  readonly isProjectedOver: boolean;
  /** Well below the level, by both. */
  readonly isCalm: boolean;
}

/** A projection must say so for this long. */
export const HOLD_MS = 300_000;
/** And spend must be calm for this long. */
export const CALM_MS = 3_600_000;
/** Below this share of the level. */
export const CALM_SHARE = 0.9;
const TOLD_MAX = 8;

export interface Step {
  readonly state: LevelState;
  /** What is to be told of the open alert. */
  readonly resolved: boolean;
  /** Of this window. */
  readonly fires: AlertBasis | undefined;
}

export function step(state: LevelState, seen: Seen, nowMs: number): Step {
  const fires = firingBasis(state, seen, nowMs);
  const told = fires === undefined ? state.told : [...state.told, seen.window.startMs].slice(-TOLD_MAX);
  const overSinceMs = seen.isProjectedOver ? since(state.overSinceMs, nowMs) : undefined;
  // Only where its window is over, and not where the clock was set back.
  const isPast = state.open !== undefined && state.open.window.startMs < seen.window.startMs;
  const calmSinceMs = isPast && seen.isCalm ? since(state.calmSinceMs, nowMs) : undefined;
  const resolved = isPast && (fires !== undefined || (calmSinceMs !== undefined && nowMs - calmSinceMs >= CALM_MS));
  return {
    state: {
      told,
      ...(overSinceMs === undefined ? {} : { overSinceMs }),
      ...(calmSinceMs === undefined || resolved ? {} : { calmSinceMs }),
      ...(state.open === undefined || resolved ? {} : { open: state.open }),
    },
    resolved,
    fires,
  };
}

function firingBasis(state: LevelState, seen: Seen, nowMs: number): AlertBasis | undefined {
  if (state.told.includes(seen.window.startMs)) return undefined;
  // Of a window before the one that is open nothing new is told: the clock was set back.
  if (state.open !== undefined && state.open.window.startMs > seen.window.startMs) return undefined;
  if (seen.isOver) return "actual";
  const { overSinceMs } = state;
  const isHeld = overSinceMs !== undefined && nowMs - since(overSinceMs, nowMs) >= HOLD_MS;
  return seen.isProjectedOver && isHeld ? "projected" : undefined;
}

/** A time that lies ahead is of a clock that was wrong. */
function since(sinceMs: number | undefined, nowMs: number): number {
  return sinceMs === undefined || sinceMs > nowMs ? nowMs : sinceMs;
}
