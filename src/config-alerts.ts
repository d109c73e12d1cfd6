/** What the config says of alerts: options of `alerts`, and the rules that they make. */
import { z } from "zod";
import type { AlertRule, BaselineRule } from "./alerts/alert.ts";
import { readBills } from "./alerts/bills.ts";
import { CALENDAR_UNITS, type CalendarUnit } from "./budgets/budget.ts";
import type { BudgetRow } from "./config-budgets.ts";
import { picoUsd } from "./config-classes.ts";
import {
  namedTwice,
  nameOf,
  scopeIssues,
  scopeOf,
  scopeOptions,
  timeZoneOption,
  type ScopeRow,
} from "./config-scopes.ts";

export interface WatchRow extends ScopeRow {
  readonly window: CalendarUnit;
  readonly baseline: "learned" | { readonly fixedUsd: number } | { readonly importedFrom: string };
  readonly levels?: readonly number[] | undefined;
  readonly floorUsd?: number | undefined;
}

export interface AlertsRow {
  readonly watch: readonly WatchRow[];
  readonly timeZone: string;
  readonly levels: readonly number[];
  readonly floorUsd: number;
  readonly deviations: number;
  readonly historyDays: number;
  readonly confidence: number | "off";
}

export const WATCHES_MAX = 32;
const LEVELS_MAX = 8;
const USD_MAX = 1_000_000_000;

const usd = z.number({ error: "must be a number of US dollars" }).max(USD_MAX);
const levelRows = z
  .array(z.number().gt(1, "must be more than 1: a multiple of the baseline").max(1_000))
  .min(1)
  .max(LEVELS_MAX);

const watch: z.ZodType<WatchRow> = z
  .strictObject({
    ...scopeOptions({
      name: "What it is called in alerts and metrics. Absent: what it is of and its window (`key-day`).",
      scope:
        "What is compared: everything (`global`, the default), or each client key (`key`), `team`, task class (`class`), `target`, `provider`, or value of a `tag`, with its own baseline.",
      of: "The one it is of (a key's name), or how those begin that are compared (`triage-*`). Absent: each.",
      tag: "A field of the requests' metadata that one of the `budgets` is of: its values are compared.",
    }),
    window: z
      .enum(CALENDAR_UNITS)
      .default("day")
      .describe(
        "What is compared with its like: an `hour`, a `day`, a `week` (from Monday) or a `month` of `alerts.timeZone`.",
      ),
    baseline: z
      .union(
        [
          z.literal("learned"),
          z.strictObject({
            fixedUsd: usd
              .positive("must be more than 0: without a baseline there is nothing to be over")
              .describe("What a window usually costs, each value its own."),
          }),
          z.strictObject({
            importedFrom: z
              .string()
              .min(1)
              .describe(
                "A CSV of past bills, from this file's folder on: `period,usd` (`2026-09,1234.56` or `2026-09-14,40.20`), with a column `value` where the scope has several.",
              ),
          }),
        ],
        { error: "must be `learned`, `{ fixedUsd: … }` or `{ importedFrom: file.csv }`" },
      )
      .default("learned")
      .describe(
        "What spend is compared with. `learned`: the median of like days of the six weeks before. A number where you know better, or bills from before Sluice.",
      ),
    levels: levelRows.optional().describe("In place of `alerts.levels`."),
    floorUsd: usd.min(0).optional().describe("In place of `alerts.floorUsd`."),
  })
  .superRefine((row, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    scopeIssues(row, issue);
  });

const WATCHED: readonly WatchRow[] = [
  { scope: "global", window: "day", baseline: "learned" },
  { scope: "key", window: "day", baseline: "learned" },
];

export const alerts: z.ZodType<AlertsRow> = z
  .strictObject({
    watch: z
      .array(watch)
      .max(WATCHES_MAX)
      .optional()
      .transform((rows) => rows ?? WATCHED)
      .describe("What is compared with its baseline. Absent: each day's spend, in all and by key. Empty: no alerts."),
    timeZone: timeZoneOption("Where days, weeks and months begin, as in `Europe/Paris`: where those work who spend."),
    levels: levelRows.default([1.5]).describe("Multiples of the baseline at which an alert fires, once a window each."),
    floorUsd: usd
      .min(0)
      .default(5)
      .describe("An alert needs so much more than the baseline. Raise it where small change wakes somebody."),
    deviations: z
      .number()
      .min(0)
      .max(10)
      .default(3.5)
      .describe(
        "A learned baseline's alert needs so many standard deviations of the value's own days, too: what differs by half from day to day anyway is no news at 150 %. 0: the levels alone.",
      ),
    historyDays: z
      .int()
      .min(7)
      .max(42)
      .default(14)
      .describe("So many days of a value must be known before its learned baseline holds."),
    confidence: z
      .union([z.number().min(0.5).max(0.999), z.literal("off")], { error: "must be from 0.5 to 0.999, or `off`" })
      .default(0.95)
      .describe(
        "How sure it must be that a window will be over a level before it is. Higher: later, and less often in vain. `off`: only what is spent counts.",
      ),
  })
  .prefault({})
  .superRefine(({ watch }, context) => {
    for (const { at, name } of namedTwice(watch))
      context.addIssue({ code: "custom", path: ["watch", at, "name"], message: `two watches are called \`${name}\`` });
  })
  .describe("Spend that leaves its own baseline: docs/alerts.md.");

export interface AlertRulesContext {
  readonly budgets: readonly BudgetRow[];
  readonly keepDays: number | undefined;
  readonly readFile: (path: string) => string;
  readonly problems: string[];
  readonly warnings: string[];
}

export function alertRules(given: AlertsRow, context: AlertRulesContext): readonly AlertRule[] {
  const { levels, floorUsd, deviations, historyDays, confidence, timeZone } = given;
  const { budgets, keepDays, problems, warnings } = context;
  const isLearned = given.watch.some(({ baseline }) => baseline === "learned");
  if (isLearned && keepDays !== undefined && keepDays < historyDays)
    warnings.push(
      `\`ledger.keepDays\` is ${keepDays}: alerts learn from ${historyDays} days or more (\`alerts.historyDays\`), and know nothing after a restart`,
    );
  return given.watch.map((row, at): AlertRule => {
    const { of, tag } = row;
    if (tag !== undefined && budgets.every((budget) => budget.tag !== tag))
      problems.push(
        `\`alerts.watch[${at}].tag\`: no budget is of \`${tag}\`, so that calls are not told apart by it; add \`{ tag: ${tag} }\` to \`budgets\`, which limits nothing`,
      );
    return {
      name: nameOf(row),
      scope: scopeOf(row),
      unit: row.window,
      timeZone,
      baseline: baselineOf(row, at, context),
      levels: [...new Set(row.levels ?? levels)].toSorted((one, other) => one - other),
      floor: picoUsd(row.floorUsd ?? floorUsd),
      deviations,
      historyDays,
      ...(tag === undefined ? {} : { tag }),
      ...(of === undefined || of === "*" ? {} : { of }),
      ...(confidence === "off" ? {} : { confidence }),
    };
  });
}

function baselineOf({ baseline }: WatchRow, at: number, { readFile, problems }: AlertRulesContext): BaselineRule {
  if (baseline === "learned") return { kind: "learned" };
  if ("fixedUsd" in baseline) return { kind: "fixed", amount: picoUsd(baseline.fixedUsd) };
  const where = `\`alerts.watch[${at}].baseline\`: ${baseline.importedFrom}`;
  let text;
  try {
    text = readFile(baseline.importedFrom);
  } catch (error) {
    problems.push(`${where} cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`);
    return { kind: "learned" };
  }
  const read = readBills(text);
  if ("bills" in read) return { kind: "imported", bills: read.bills };
  problems.push(...read.problems.map((problem) => `${where}, ${problem}`));
  return { kind: "learned" };
}
