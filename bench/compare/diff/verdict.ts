/** Which changes are regressions, by the limits that were given, and which cannot be judged. */
import type { Change, Difference, ReportDiff } from "./diff.ts";

/** As shares. `undefined`: whatever it does. */
export interface Limits {
  readonly costUp: number | undefined;
  readonly passDown: number | undefined;
  /** Whether what may be chance counts, too. */
  readonly isStrict: boolean;
}

export interface Verdict {
  readonly regressions: readonly string[];
  /** Past a limit, and not counted: they may be chance. */
  readonly doubtful: readonly string[];
  /** Limits that nothing could be held against. */
  readonly unjudged: readonly string[];
}

export function verdictOf(diff: ReportDiff, limits: Limits): Verdict {
  const { costUp, passDown } = limits;
  const verdict = { regressions: [] as string[], doubtful: [] as string[], unjudged: [] as string[] };
  if (costUp === undefined && passDown === undefined) return verdict;
  if (diff.isApart) verdict.unjudged.push("one report is of the sandbox, the other is not");
  for (const name of diff.gone) verdict.unjudged.push(`${name} is not in the new report`);
  for (const difference of diff.differences) {
    const held = [
      { limit: costUp, change: difference.cost, worse: difference.cost.change, what: "costs", unit: "%" },
      {
        limit: passDown,
        change: difference.passRate,
        worse: negative(difference.passRate.change),
        what: "passes",
        unit: "points",
      },
    ] as const;
    for (const { limit, change, worse, what, unit } of held) {
      if (limit === undefined) continue;
      const where = placeOf(difference);
      if (worse === undefined) {
        // A class of which nobody said what is right has no share, then or now.
        if (difference.taskClass === undefined)
          verdict.unjudged.push(`${where}: what it ${what} cannot be said of both`);
        continue;
      }
      if (worse <= limit + ROUNDING) continue;
      const direction = what === "costs" ? "more" : "less";
      const text = `${where} ${what} ${amount(worse)} ${unit} ${direction}${sureness(change, what)}; the limit is ${amount(limit)} ${unit}`;
      if (counts(difference, change, limits.isStrict)) verdict.regressions.push(text);
      else verdict.doubtful.push(text);
    }
  }
  return verdict;
}

/** So that 10 % more is not more than 10 %. */
const ROUNDING = 1e-9;

function negative(value: number | undefined): number | undefined {
  return value === undefined ? undefined : -value;
}

/** A whole target of too few tasks for an interval is believed, a class of it is not. */
function counts({ taskClass }: Difference, change: Change, isStrict: boolean): boolean {
  if (isStrict || change.isSignificant) return true;
  return change.interval === undefined && taskClass === undefined;
}

export function placeOf({ target, taskClass }: Difference): string {
  return taskClass === undefined ? target : `${target}, ${taskClass}`;
}

function sureness({ interval }: Change, what: "costs" | "passes"): string {
  if (interval === undefined) return " (too few tasks to say how sure that is)";
  const ends =
    what === "costs" ? interval : ([interval[1], interval[0]] as const).map((end) => (end === null ? null : -end));
  const [low, high] = ends.map((end) => (end === null ? "any" : amount(end)));
  return ` (95 %: ${low} to ${high})`;
}

function amount(share: number): string {
  const percent = share * 100;
  return percent.toFixed(Math.abs(percent) < 10 && !Number.isInteger(Math.round(percent * 1e6) / 1e6) ? 1 : 0);
}
