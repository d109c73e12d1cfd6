/** What the config says of classes of tasks and of where data may go: options, and what a policy makes of them. */
import { z } from "zod";
import { checkRows, type CheckRows } from "./config-checks.ts";
import { expectRow, type ExpectRows } from "./config-expectations.ts";
import type { ClassRules } from "./policies/constraints.ts";
import type { DataRules } from "./policies/policy.ts";
import type { PicoUsd } from "./usage.ts";

/** Where data may go, as a class and a key say it. */
export interface DataRows {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  readonly residency?: readonly string[] | undefined;
}

/** What holds for the tasks of one class. */
export interface ClassRow extends DataRows, CheckRows, ExpectRows {
  readonly name?: string | undefined;
  readonly idleMinutes?: number | undefined;
  readonly targets?: readonly string[] | undefined;
  readonly policy?: string | undefined;
  readonly successLeast?: number | undefined;
  readonly firstTokenP95Ms?: number | undefined;
  readonly totalP95Ms?: number | undefined;
  readonly failureUsd?: number | undefined;
  readonly switchMargin?: number | undefined;
  readonly trials?: { readonly usdPerDay: number } | undefined;
}

export const className: z.ZodType<string> = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, "may hold letters, digits and . _ : - only, at most 128 characters");
const classKey = z
  .string()
  .regex(
    /^(?:\*|[A-Za-z0-9._:-]{1,128}\*?)$/,
    "must be a class (letters, digits and . _ : -, at most 128 characters), how several begin (`triage-*`), or `*` for all",
  );
export const idleMinutes: z.ZodType<number> = z.number().positive().max(10_080);

const oneOrMore = (error: string) =>
  z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)], { error });

const NAMED_AS = "a target (`eu/mistral-small`), a provider (`eu`), or how targets begin (`eu/mistral-*`)";

const targetPattern = z.string().regex(/^[^\s*]+\*?$/, `must be ${NAMED_AS}`);
const targetPatterns = z.union([targetPattern.transform((one) => [one]), z.array(targetPattern).min(1)], {
  error: `must be ${NAMED_AS}, or a list of such`,
});

/** Options of a class and of a key. @param whose As their descriptions go on: "the tasks of this class". */
export function dataRows(whose: string): {
  readonly allow: z.ZodType<readonly string[] | undefined>;
  readonly deny: z.ZodType<readonly string[] | undefined>;
  readonly residency: z.ZodType<readonly string[] | undefined>;
} {
  return {
    allow: targetPatterns
      .optional()
      .describe(
        `Where data of ${whose} may go: a target, a provider, or how targets begin (\`eu/mistral-*\`). Absent: anywhere.`,
      ),
    deny: targetPatterns.optional().describe(`Where data of ${whose} may not go, named as in \`allow\`.`),
    residency: oneOrMore("must be a place or a list of places, as `providers.<name>.residency` says them")
      .optional()
      .describe(`Data of ${whose} goes only to providers whose \`residency\` is one of these.`),
  };
}

export const classes: z.ZodType<Readonly<Record<string, ClassRow>>> = z
  .record(
    classKey,
    z.strictObject({
      name: className
        .optional()
        .describe("What a class that is derived from its prompts (`c-…`) is called in what is shown."),
      idleMinutes: idleMinutes.optional().describe("In place of `tasks.idleMinutes`, for the tasks of this class."),
      targets: oneOrMore("must be a target or a list of targets")
        .optional()
        .describe("What `auto` chooses from for the tasks of this class, in place of `policy.targets`."),
      policy: z.string().optional().describe("Who decides where `auto` goes, in place of `policy.default`."),
      successLeast: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe(
          "The quality floor: the share of tasks that must succeed at a target, with 95 % of certainty, as far as outcomes are told. Absent: a target that is known to fail more often than it succeeds comes last; 0: only money counts.",
        ),
      firstTokenP95Ms: z
        .int()
        .positive()
        .optional()
        .describe(
          "A target whose streams begin later than this in 5 of 100 answers comes after those that keep to it.",
        ),
      totalP95Ms: z.int().positive().optional().describe("The same of the whole answer."),
      failureUsd: z
        .number()
        .min(0)
        .optional()
        .describe(
          "What a failed task costs you beside what it takes to do it again (somebody's time). The higher, the more reliability is paid for.",
        ),
      switchMargin: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe(
          "The share of what is left to pay that must be saved for a running task to change its target; 0.1 when absent.",
        ),
      ...dataRows("the tasks of this class"),
      ...checkRows,
      expect: expectRow
        .optional()
        .describe(
          "A finished comparison (`npm run bench -- compare`, its `report.json`, from this file's folder on) that live tasks of this class are held against, target by target: tokens and cost a task, refusals, answers out of form. Where they leave it, `sluice_drift` and a message say so. With a `*`, each class of the report is by its own name.",
        ),
      trials: z
        .strictObject({
          usdPerDay: z
            .number()
            .min(0)
            .describe(
              "What may be spent a day (UTC) on whole tasks that are sent to another target than the best known, to learn of it.",
            ),
        })
        .optional()
        .describe("Absent: nothing is tried. All classes that get it from one section share its money."),
    }),
  )
  .superRefine((rows, context) => {
    for (const [key, row] of Object.entries(rows)) {
      if (row.name === undefined || !key.endsWith("*")) continue;
      context.addIssue({
        code: "custom",
        path: [key, "name"],
        message: "names one class; give it to its id (`c-…`), not to several",
      });
    }
  })
  .default({})
  .describe(
    "By class of tasks: as its callers name it, as `/sluice/v1/task-classes` does, how several begin (`triage-*`), or `*` for all. Where several fit, the one that says most decides, option by option.",
  );

/** What a policy is to keep to. */
export function classRulesOf(row: Partial<ClassRow>): ClassRules {
  const { successLeast, firstTokenP95Ms, totalP95Ms, failureUsd, switchMargin } = row;
  return {
    ...dataRulesOf(row),
    ...(successLeast === undefined ? {} : { successLeast }),
    ...(firstTokenP95Ms === undefined ? {} : { firstTokenP95Ms }),
    ...(totalP95Ms === undefined ? {} : { totalP95Ms }),
    ...(failureUsd === undefined ? {} : { failureCost: picoUsd(failureUsd) }),
    ...(switchMargin === undefined ? {} : { switchMargin }),
  };
}

/** @returns `undefined` where nothing is said. */
export function dataRulesOf({ allow, deny, residency }: DataRows): DataRules | undefined {
  if (allow === undefined && deny === undefined && residency === undefined) return undefined;
  return {
    ...(allow === undefined ? {} : { allow }),
    ...(deny === undefined ? {} : { deny }),
    ...(residency === undefined ? {} : { residency }),
  };
}

export function picoUsd(usd: number): PicoUsd {
  return BigInt(Math.round(usd * 1e12));
}
