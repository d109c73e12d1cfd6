/** What the config pins of finished comparisons: `classes.<name>.expect`, and the expectations that the files hold. */
import { z } from "zod";
import type { Expectation } from "./drift/drift.ts";
import { expectationsOf, readPinned, REPORT_TASKS_LEAST, type PinnedReport } from "./drift/expectation.ts";

export interface ExpectRow {
  readonly report: string;
  readonly class?: string | undefined;
  readonly tolerance: number;
}

/** What a class may have of it. */
export interface ExpectRows {
  readonly expect?: ExpectRow | undefined;
}

/** Pairs of class and target that are watched, each with some lines in `/metrics`. */
export const EXPECTATIONS_MAX = 200;
const TOLERANCE = 0.05;

export const expectRow: z.ZodType<ExpectRow> = z.union(
  [
    z
      .string()
      .min(1)
      .transform((report) => ({ report, tolerance: TOLERANCE })),
    z.strictObject({
      report: z.string().min(1).describe("The `report.json`, from this file's folder on."),
      class: z
        .string()
        .min(1)
        .optional()
        .describe("What the report calls the class, where it calls it otherwise. Not with a `*`."),
      tolerance: z
        .number()
        .min(0)
        .max(10)
        .default(TOLERANCE)
        .describe(
          "Share by which tokens and cost may differ besides what the report's own chance allows. Raise it where live tasks are not quite those of the suite.",
        ),
    }),
  ],
  { error: "must be a `report.json`, or `{ report, class, tolerance }`" },
);

export interface ExpectationsContext {
  /** From the config's folder on. */
  readonly readFile: (path: string) => string;
  /** The providers that are configured; none: the simulator answers to every name. */
  readonly providers: readonly string[];
  readonly problems: string[];
  readonly warnings: string[];
}

interface ClassWithExpectation extends ExpectRows {
  readonly name?: string | undefined;
}

/** For what is wrong with one, the rest is read all the same. */
export function expectationsIn(
  classes: Readonly<Record<string, ClassWithExpectation>>,
  context: ExpectationsContext,
): readonly Expectation[] {
  const reports = new Map<string, PinnedReport | undefined>();
  const found = new Map<string, Expectation>();
  // Who says most of a class comes first, and keeps it.
  const rows = Object.entries(classes).toSorted(([one], [other]) => rankOf(other) - rankOf(one));
  for (const [key, { name, expect }] of rows) {
    if (expect === undefined) continue;
    const where = `\`classes.${key}.expect\`: ${expect.report}`;
    if (!reports.has(expect.report)) reports.set(expect.report, reportOf(expect.report, where, context));
    const report = reports.get(expect.report);
    if (report === undefined) continue;
    for (const expectation of ofRow(key, name, expect, report, where, context)) {
      const pair = `${expectation.className}\u0000${expectation.target}`;
      if (!found.has(pair)) found.set(pair, expectation);
    }
  }
  if (found.size > EXPECTATIONS_MAX)
    context.problems.push(
      `\`classes.<name>.expect\`: ${found.size} pairs of class and target are expected something of, and ${EXPECTATIONS_MAX} at most are watched: name the classes that matter`,
    );
  return [...found.values()].slice(0, EXPECTATIONS_MAX);
}

/** Names before beginnings, longer beginnings before shorter ones. */
function rankOf(key: string): number {
  return key.endsWith("*") ? key.length : Number.MAX_SAFE_INTEGER;
}

function reportOf(
  file: string,
  where: string,
  { readFile, problems, warnings, providers }: ExpectationsContext,
): PinnedReport | undefined {
  let text;
  try {
    text = readFile(file);
  } catch (error) {
    problems.push(`${where} cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`);
    return undefined;
  }
  const read = readPinned(text);
  if (typeof read === "string") {
    problems.push(`${where} ${read}`);
    return undefined;
  }
  if (read.is_sandbox && providers.length > 0)
    warnings.push(`${where} is of the simulator: what is expected by it is made up`);
  if (read.state === "partial") warnings.push(`${where} is of a comparison that was not finished`);
  return read;
}

function ofRow(
  key: string,
  name: string | undefined,
  expect: ExpectRow,
  report: PinnedReport,
  where: string,
  { providers, problems, warnings }: ExpectationsContext,
): readonly Expectation[] {
  const known = [...new Set(report.targets.flatMap((target) => target.by_class.map((one) => one.class)))];
  const isBeginning = key.endsWith("*");
  if (isBeginning && expect.class !== undefined) {
    problems.push(`\`classes.${key}.expect.class\`: several classes cannot be one of the report's; give it to each`);
    return [];
  }
  const wanted = expect.class ?? [name, key].find((one) => one !== undefined && known.includes(one));
  const pairs = isBeginning
    ? known.filter((one) => one.startsWith(key.slice(0, -1))).map((one) => [one, one] as const)
    : wanted !== undefined && known.includes(wanted)
      ? [[key, wanted] as const]
      : [];
  if (pairs.length === 0) {
    const missing = isBeginning ? `no class that begins as \`${key}\`` : `no class \`${expect.class ?? name ?? key}\``;
    problems.push(
      `${where} has ${missing}; it has ${listText(known)}${isBeginning ? "" : " (`expect: { report, class }` says which)"}`,
    );
    return [];
  }
  const all = pairs.flatMap(([className, reportClass]) =>
    expectationsOf({ report, file: expect.report, reportClass, className, tolerance: expect.tolerance }),
  );
  if (all.length === 0) {
    problems.push(`${where} has run fewer than ${REPORT_TASKS_LEAST} tasks of it: nothing can be expected by that`);
    return [];
  }
  const there = all.filter(({ target }) => providers.length === 0 || providers.includes(providerOf(target)));
  if (there.length === 0)
    problems.push(
      `${where} is of ${listText([...new Set(all.map(({ target }) => target))])}: no provider of these is configured`,
    );
  if (new Set(there.map(({ className, target }) => `${className} ${target}`)).size < there.length)
    warnings.push(`${where} has two targets of one model: the first is what is expected`);
  return there;
}

function providerOf(target: string): string {
  return target.slice(0, target.indexOf("/"));
}

const LISTED_MAX = 20;

function listText(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, LISTED_MAX).map((name) => `\`${name}\``);
  return names.length > LISTED_MAX ? `${shown.join(", ")}, …` : shown.join(", ");
}
