/** What the config says of money: options of `budgets`, and the rules that they make. */
import { z } from "zod";
import { BUDGET_ACTIONS, CALENDAR_UNITS } from "./budgets/budget.ts";
import type { BudgetAction, BudgetRule, BudgetScope, BudgetWindow, CalendarUnit } from "./budgets/budget.ts";
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
import { nearest } from "./nearest.ts";

export interface BudgetRow extends ScopeRow {
  readonly window: string;
  readonly timeZone: string;
  readonly limitUsd?: number | undefined;
  readonly action: BudgetAction;
  readonly notifyAt: readonly number[];
  readonly taskUsd?: number | undefined;
  readonly unpricedUsdPerMillionTokens?: number | undefined;
}

export const BUDGETS_MAX = 256;
const LEVELS_MAX = 8;
const MINUTE_MS = 60_000;
const UNITS_MS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 1_440 * MINUTE_MS };
const LENGTH_MS_MAX = 366 * 1_440 * MINUTE_MS;
const USD_MAX = 1_000_000_000;

const money = (what: string) =>
  z
    .number({ error: `must be a number of US dollars${what}` })
    .positive(`must be more than 0${what}`)
    .max(USD_MAX, `is in US dollars, and must be at most ${USD_MAX}`);

const row: z.ZodType<BudgetRow> = z
  .strictObject({
    ...scopeOptions({
      name: "What it is called in notices and metrics. Absent: what it is of and its window (`key-day`). Spend goes on under another name.",
      scope:
        "What it is of: everything (`global`, the default), or one budget for each client key (`key`), `team`, task class (`class`), `target`, `provider`, or value of a `tag`.",
      of: "The one it is of (a key's name, `openai/gpt-5.4`), or how those begin that have one each (`triage-*`). Absent: each has one. Calls without a class or tag are of `none`.",
      tag: "A field of the request's `metadata` (or of the header `x-sluice-tags: department=search`), each value of which has a budget. Callers say it themselves: use keys where they are not trusted.",
    }),
    window: z
      .string()
      .refine((text) => windowOf(text, "UTC") !== undefined, {
        error: `must be one of ${CALENDAR_UNITS.join(", ")}, or a length from 1m to 366d (\`90m\`, \`24h\`, \`7d\`)`,
      })
      .default("month")
      .describe(
        "`hour`, `day`, `week` (from Monday) or `month` of the calendar; or a length (`90m`, `24h`, `7d`): what was spent in the time of that length before each call.",
      ),
    timeZone: timeZoneOption(
      "Where its hours, days, weeks and months begin, as in `Europe/Paris`: that of whoever pays the bill.",
    ),
    limitUsd: money(": leave the option out to count only")
      .optional()
      .describe("What may be spent in a window. Absent: spend is counted and shown, and nothing limited."),
    action: z
      .enum(BUDGET_ACTIONS)
      .default("notify")
      .describe(
        "`notify`: it is said, and nothing refused. `block`: a call that may cost more than is left is not sent (402). `downgrade`: once it is used up, only targets are called that are expected to finish the task for `taskUsd`.",
      ),
    notifyAt: z
      .array(z.number().positive("must be more than 0: a share of the limit").max(10))
      .max(LEVELS_MAX)
      .default([0.8, 1])
      .describe("Shares of the limit at which a notice is told, once a window each."),
    taskUsd: money("")
      .optional()
      .describe("With `downgrade`: what a task may be expected to cost once the limit is reached."),
    unpricedUsdPerMillionTokens: money("")
      .optional()
      .describe(
        "What tokens of a model without a price are taken to cost. Absent: nobody knows, so that `block` refuses such a model, and other budgets count its calls apart.",
      ),
  })
  .superRefine((row, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    const scope = scopeOf(row);
    scopeIssues(row, issue);
    if (row.action !== "notify" && row.limitUsd === undefined)
      issue("limitUsd", `is missing: \`action: ${row.action}\` needs a limit`);
    if (row.action === "downgrade" && row.taskUsd === undefined)
      issue("taskUsd", "is missing: `action: downgrade` needs what a task may cost from the limit on");
    if (row.action !== "downgrade" && row.taskUsd !== undefined) issue("taskUsd", "goes with `action: downgrade` only");
    if (row.action === "downgrade" && (scope === "target" || scope === "provider"))
      issue("action", `\`downgrade\` chooses among targets: a ${scope} can be given \`block\`, others are called then`);
  });

export const budgets: z.ZodType<readonly BudgetRow[]> = z
  .array(row)
  .max(BUDGETS_MAX)
  .superRefine((rows, context) => {
    for (const { at, name } of namedTwice(rows))
      context.addIssue({ code: "custom", path: [at, "name"], message: `two budgets are called \`${name}\`` });
  })
  .default([])
  .describe("What may be spent, on what, in which window. A call counts in every budget that it falls under.");

export function budgetRules(rows: readonly BudgetRow[]): readonly BudgetRule[] {
  return rows.map((row) => {
    const { of, tag, limitUsd, taskUsd, unpricedUsdPerMillionTokens: unpriced } = row;
    const window = windowOf(row.window, row.timeZone);
    if (window === undefined) throw new Error(`\`${row.window}\` is no window`);
    return {
      name: nameOf(row),
      scope: scopeOf(row),
      window,
      action: row.action,
      notifyAt: [...new Set(row.notifyAt)].toSorted((one, other) => one - other),
      ...(tag === undefined ? {} : { tag }),
      ...(of === undefined || of === "*" ? {} : { of }),
      ...(limitUsd === undefined ? {} : { limit: picoUsd(limitUsd) }),
      ...(taskUsd === undefined ? {} : { taskLimit: picoUsd(taskUsd) }),
      ...(unpriced === undefined ? {} : { unpricedPerToken: picoUsd(unpriced / 1_000_000) }),
    };
  });
}

/** A name that is misspelled would bound nobody. @param problems Grows. */
export function checkBudgets(
  rows: readonly BudgetRow[],
  known: {
    readonly keys: readonly { readonly name: string; readonly team?: string }[];
    readonly providers: readonly string[];
  },
  problems: string[],
): void {
  const names: Readonly<Partial<Record<BudgetScope, readonly string[]>>> = {
    key: known.keys.map(({ name }) => name),
    team: known.keys.flatMap(({ team }) => team ?? []),
    // With none, the sandbox answers.
    ...(known.providers.length === 0 ? {} : { provider: known.providers }),
  };
  for (const [at, row] of rows.entries()) {
    const { of } = row;
    const scope = scopeOf(row);
    const there = names[scope];
    if (of === undefined || there === undefined) continue;
    const isThere = of.endsWith("*") ? there.some((name) => name.startsWith(of.slice(0, -1))) : there.includes(of);
    if (isThere) continue;
    const near = nearest(of, there, 1)[0];
    const known = there.length === 0 ? "there is none" : `there are ${[...new Set(there)].join(", ")}`;
    problems.push(
      `\`budgets[${at}].of\`: no ${scope} is called \`${of}\`; ${near === undefined ? known : `did you mean \`${near}\`?`}`,
    );
  }
}

function windowOf(text: string, timeZone: string): BudgetWindow | undefined {
  const unit = CALENDAR_UNITS.find((one): one is CalendarUnit => one === text);
  if (unit !== undefined) return { kind: "calendar", unit, timeZone };
  const [, count, letter] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  const lengthMs = Number(count) * (UNITS_MS[letter ?? ""] ?? Number.NaN);
  return lengthMs >= MINUTE_MS && lengthMs <= LENGTH_MS_MAX ? { kind: "rolling", lengthMs } : undefined;
}
