/** What runs of the same tasks came to: dollars for each success, and whether the ledger and the bill are one. */
import { usdText } from "../../src/usage.ts";
import type { Goal } from "../trace/goals.ts";
import { aligned } from "../trace/report.ts";
import type { DoneTask } from "./client.ts";
import type { Run } from "./run.ts";
import { TARGETS, type TargetName } from "./truth.ts";

/** Of the tasks in the second half, those that must be at the best target, and what a success may cost there over it. */
const SHARE_LEAST = 0.9;
const OVER_BEST_MAX = 1.05;

export interface ClassJudged {
  readonly className: string;
  /** The target that a success costs least at when it does all of the tasks. */
  readonly best: TargetName;
  /** Picodollars for each success, by whom the client named; of all tasks, and of the second half. */
  readonly perSuccess: ReadonlyMap<string, { readonly all: number; readonly late: number }>;
  /** Of the second half, begun at the best target. */
  readonly shareAtBest: number;
}

export function judged(runs: readonly Run[]): readonly ClassJudged[] {
  const names = [...new Set(runs.flatMap(({ tasks }) => tasks.map(({ className }) => className)))];
  return names.map((name) => {
    const perSuccess = new Map(
      runs.map(({ model, tasks }) => {
        const own = tasks.filter(({ className }) => className === name);
        return [model, { all: costPerSuccess(own), late: costPerSuccess(late(own)) }] as const;
      }),
    );
    const costs = TARGETS.map((target) => perSuccess.get(target)?.all ?? Number.POSITIVE_INFINITY);
    const best = TARGETS[costs.indexOf(Math.min(...costs))] ?? TARGETS[0];
    const chosen =
      runs.find(({ model }) => model === "auto")?.tasks.filter(({ className }) => className === name) ?? [];
    const atBest = late(chosen).filter(({ first, last }) => first === best && last === best).length;
    return { className: name, best, perSuccess, shareAtBest: atBest / late(chosen).length };
  });
}

export function goalsOf(classes: readonly ClassJudged[], runs: readonly Run[]): readonly Goal[] {
  const differing = runs.flatMap(({ bills }) => bills).filter((one) => one.ledgerPicoUsd !== one.invoicePicoUsd).length;
  return [
    ...classes.flatMap(({ className, best, perSuccess, shareAtBest }) => [
      { what: `${className}: second half at ${best}`, measured: shareAtBest, limit: SHARE_LEAST, isLeast: true },
      {
        what: `${className}: a success in the second half, over the best target's`,
        measured: (perSuccess.get("auto")?.late ?? Number.NaN) / (perSuccess.get(best)?.late ?? Number.NaN),
        limit: OVER_BEST_MAX,
        isLeast: false,
      },
    ]),
    { what: "sums of the ledger that are not the bill's", measured: differing, limit: 0, isLeast: false },
  ];
}

export function costsText(classes: readonly ClassJudged[], runs: readonly Run[]): string {
  const models = runs.map(({ model }) => model);
  const shown = (picoUsd: number | undefined) =>
    picoUsd === undefined || !Number.isFinite(picoUsd) ? "–" : `$${(picoUsd / 1e12).toFixed(5)}`;
  const rows = classes.map(({ className, best, perSuccess }) => [
    className,
    ...models.map((model) => `${shown(perSuccess.get(model)?.all)}${model === best ? " *" : ""}`),
    shown(perSuccess.get("auto")?.late),
  ]);
  return aligned([["a success costs", ...models, "auto, second half"], ...rows]);
}

export function billsText(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ model, bills }) =>
    bills
      .filter(({ requests, attempts }) => requests > 0 || attempts > 0)
      .map((one) => [
        model,
        one.target,
        String(one.attempts),
        usdText(one.ledgerPicoUsd),
        usdText(one.invoicePicoUsd),
        one.ledgerPicoUsd === one.invoicePicoUsd && one.attempts === one.requests ? "equal" : "DIFFERENT",
      ]),
  );
  return aligned([["named", "answered by", "calls", "ledger, $", "the simulator's bill, $", ""], ...rows]);
}

function costPerSuccess(tasks: readonly DoneTask[]): number {
  const cost = tasks.reduce((sum, task) => sum + task.cost, 0n);
  const successes = tasks.filter(({ isSuccess }) => isSuccess).length;
  return successes === 0 ? Number.POSITIVE_INFINITY : Number(cost) / successes;
}

function late(tasks: readonly DoneTask[]): readonly DoneTask[] {
  return tasks.slice(Math.floor(tasks.length / 2));
}
