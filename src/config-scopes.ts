/** What a budget or a watched baseline is of, as the config says it: everything, or each value of a scope. */
import { z } from "zod";
import { BUDGET_SCOPES, type BudgetScope } from "./budgets/budget.ts";

export interface ScopeRow {
  readonly name?: string | undefined;
  readonly scope?: BudgetScope | undefined;
  readonly of?: string | undefined;
  readonly tag?: string | undefined;
}

/** @param says What each of them is for. */
export function scopeOptions(says: Readonly<Record<keyof ScopeRow, string>>): {
  readonly [Option in keyof Required<ScopeRow>]: z.ZodType<ScopeRow[Option]>;
} {
  return {
    name: z
      .string()
      .regex(/^[A-Za-z0-9._:-]{1,64}$/, "may hold letters, digits and . _ : - only, at most 64 characters")
      .optional()
      .describe(says.name),
    scope: z.enum(BUDGET_SCOPES).optional().describe(says.scope),
    of: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[^*]*\*?$/, "is one value, or how several begin: a `*` stands at its end only")
      .optional()
      .describe(says.of),
    tag: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, "may hold letters, digits and . _ - only, at most 64 characters")
      .optional()
      .describe(says.tag),
  };
}

export function timeZoneOption(says: string): z.ZodDefault<z.ZodString> {
  return z
    .string()
    .refine(isTimeZone, { error: "is no time zone that is known: name it as in `Europe/Paris`, or `UTC`" })
    .default("UTC")
    .describe(says);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** What of it does not go together. @param issue Told the option, and what is wrong with it. */
export function scopeIssues(row: ScopeRow, issue: (option: keyof ScopeRow, message: string) => void): void {
  const scope = scopeOf(row);
  if (row.tag !== undefined && scope !== "tag") issue("tag", "goes with `scope: tag`, or without a scope");
  if (row.tag === undefined && scope === "tag") issue("tag", "is missing: which field of the metadata it is of");
  if (row.of !== undefined && scope === "global") issue("of", "needs a `scope`: what it names one of");
}

export function scopeOf({ scope, tag }: Pick<ScopeRow, "scope" | "tag">): BudgetScope {
  return scope ?? (tag === undefined ? "global" : "tag");
}

/** As it is called, else by what it is of and its window. */
export function nameOf(row: ScopeRow & { readonly window: string }): string {
  if (row.name !== undefined) return row.name;
  const of = row.of === undefined || row.of === "*" ? "" : `-${row.of.replace(/[^A-Za-z0-9._:-]/g, "_")}`;
  return `${row.tag ?? scopeOf(row)}${of}-${row.window}`.slice(0, 64);
}

/** Which rows have a name that one before them has, and which name. */
export function namedTwice(
  rows: readonly (ScopeRow & { readonly window: string })[],
): readonly { readonly at: number; readonly name: string }[] {
  const names = rows.map(nameOf);
  return names.flatMap((name, at) => (names.indexOf(name) < at ? [{ at, name }] : []));
}
