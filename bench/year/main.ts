/**
 * Whether alerts fire when they should and only then: simulated years at virtual speed, through production's own code. Nothing in them was
 * measured of a customer.
 *
 *     node bench/year/main.ts [--seeds 301,302] [--confidence share] [--json] [--check] [--each]
 */
import { parseArgs } from "node:util";
import type { AlertRule } from "../../src/alerts/alert.ts";
import { alertRules } from "../../src/config-alerts.ts";
import { configFile } from "../../src/config-schema.ts";
import { goalsText, isMet } from "../trace/goals.ts";
import { goalsOf, yearsText } from "./report.ts";
import { playYear, type YearResult } from "./run.ts";

/** Seeds 1 to 4 are those that the constants were chosen on; these were not looked at meanwhile. */
export const HELD_BACK = "301,302,303,304,305,306";

const FLAGS = {
  seeds: { type: "string", default: HELD_BACK },
  confidence: { type: "string" },
  json: { type: "boolean", default: false },
  check: { type: "boolean", default: false },
  each: { type: "boolean", default: false },
} as const;

async function main(): Promise<void> {
  let values;
  try {
    values = parseArgs({ options: FLAGS }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
  const seeds = values.seeds.split(",").map(Number);
  if (seeds.length === 0 || !seeds.every((seed) => Number.isSafeInteger(seed) && seed > 0))
    return fail("--seeds must be whole numbers from 1, with commas between");
  const confidence = values.confidence === undefined ? undefined : Number(values.confidence);
  if (confidence !== undefined && !(confidence >= 0.5 && confidence <= 0.999))
    return fail("--confidence must be from 0.5 to 0.999");
  process.stdout.write(
    "A simulation: keys, rhythm and chance are made up; baselines, projection and alerts are production's.\n",
  );
  const years: YearResult[] = [];
  for (const seed of seeds) {
    const year = await playYear(seed, rulesOf(confidence));
    years.push(year);
    if (values.each) for (const page of year.pages) process.stdout.write(`${pageText(seed, page)}\n`);
  }
  const goals = goalsOf(years);
  process.stdout.write(`\n${yearsText(years)}\n${goalsText(goals)}`);
  if (values.json)
    process.stdout.write(`${JSON.stringify({ goals: goals.map((goal) => ({ ...goal, met: isMet(goal) })) })}\n`);
  if (values.check && !goals.every(isMet)) process.exitCode = 1;
}

/** What a gateway watches that is told nothing but where its people are. */
function rulesOf(confidence: number | undefined): readonly AlertRule[] {
  const { alerts } = configFile.parse({
    alerts: { timeZone: "Europe/Berlin", ...(confidence === undefined ? {} : { confidence }) },
  });
  const problems: string[] = [];
  return alertRules(alerts, { budgets: [], keepDays: undefined, readFile: () => "", problems, warnings: [] });
}

function pageText(seed: number, { event, incident, cameOver }: YearResult["pages"][number]): string {
  const why = incident?.kind ?? (cameOver ? "by chance" : "nothing");
  return `${seed} ${new Date(event.atMs).toISOString().slice(0, 16)} ${why.padEnd(12)} ${event.alert.basis.padEnd(9)} ${event.text}`;
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

await main();
