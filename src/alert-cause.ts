/** Why an alert fires: asks the ledger what the window's calls took, and what those of comparable windows did. */
import type { Alert, AlertRule, Cause } from "./alerts/alert.ts";
import { changeOf } from "./alerts/change.ts";
import { partsOf, USUAL_WEIGHTS, type Weights } from "./alerts/cause.ts";
import { causeText } from "./alerts/text.ts";
import { calendarWindows } from "./budgets/windows.ts";
import { NO_VALUE, OTHER_VALUES } from "./budgets/values.ts";
import type { CourseQuery, GrowthQuery, GrowthScope, Took } from "./ledger-growth.ts";

export interface CauseDependencies {
  readonly growth: (query: GrowthQuery) => Promise<readonly Took[]>;
  readonly course: (query: CourseQuery) => Promise<readonly Took[]>;
  readonly ruleOf: (name: string) => AlertRule | undefined;
  /** By the model's price; `undefined`: it has none. */
  readonly weightsOf: (target: string) => Weights | undefined;
  /** What a class is called. */
  readonly classNameOf: (id: string) => string | undefined;
}

/** The same day of so many weeks, or so many months. */
const WINDOWS = 4;
const MONTHS = 2;
const DAY_MS = 86_400_000;
const COURSE_MS = DAY_MS;
const COURSE_SLOT_MS = 300_000;

export async function causeOf(alert: Alert, dependencies: CauseDependencies): Promise<Cause | undefined> {
  const rule = dependencies.ruleOf(alert.rule);
  // Values that share one are not known one by one.
  if (rule === undefined || (alert.value === OTHER_VALUES && alert.scope !== "global")) return undefined;
  const scope: GrowthScope = {
    scope: alert.scope,
    ...(alert.tag === undefined ? {} : { tag: alert.tag }),
    value: alert.value === NO_VALUE ? undefined : alert.value,
  };
  const { startMs } = alert.window;
  const elapsedMs = alert.firedAtMs - startMs;
  const windows = [startMs, ...comparable(rule, startMs)].map((fromMs) => ({ fromMs, toMs: fromMs + elapsedMs }));
  const rows = await dependencies.growth({ ...scope, windows });
  const now = rows.filter(({ window }) => window === 0);
  const before = rows.filter(({ window }) => window !== 0);
  // Before a key was there its windows say nothing.
  const known = new Set(before.map(({ window }) => window)).size;
  const parts = partsOf(now, before, Math.max(1, known), dependencies.weightsOf);
  const [first] = parts?.parts ?? [];
  if (parts === undefined || first === undefined) return undefined;
  const weights = dependencies.weightsOf(first.target) ?? USUAL_WEIGHTS;
  const fromMs = alert.firedAtMs - COURSE_MS;
  const row = now.find((one) => one.target === first.target && (one.taskClass ?? NO_VALUE) === first.taskClass);
  const course =
    row === undefined
      ? []
      : await dependencies.course({
          ...scope,
          taskClass: row.taskClass,
          target: first.target,
          fromMs,
          toMs: alert.firedAtMs,
          slotMs: COURSE_SLOT_MS,
        });
  const change = changeOf(first.kind, course, weights);
  const cause = { ...parts, sinceMs: change === undefined ? undefined : fromMs + change * COURSE_SLOT_MS };
  return { ...cause, text: causeText(cause, rule.timeZone, dependencies.classNameOf) };
}

/** Starts of earlier windows that are like it: the same hour or day of the week, weeks, months. */
function comparable({ unit, timeZone }: AlertRule, startMs: number): readonly number[] {
  const windowOf = calendarWindows(unit, timeZone);
  if (unit === "month") {
    const starts: number[] = [];
    for (let at = startMs; starts.length < MONTHS; starts.push(at)) at = windowOf(at - 1).startMs;
    return starts;
  }
  // In the window's middle: where clocks are changed it begins an hour earlier or later.
  const halfMs = (windowOf(startMs).endMs - startMs) / 2;
  return Array.from({ length: WINDOWS }, (_, back) => windowOf(startMs + halfMs - (back + 1) * 7 * DAY_MS).startMs);
}
