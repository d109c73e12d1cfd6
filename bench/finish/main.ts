/**
 * Whether `cheapest-task` finds, through the front door, the target that finishes tasks for the least money: an application with
 * OpenAI's client, the gateway, and the provider simulator. A simulation: what targets can do is made up; what they charge is the table's.
 *
 *     node bench/finish/main.ts [--tasks N] [--seed N] [--trials usd] [--json] [--check]
 */
import { parseArgs } from "node:util";
import { goalsJson, goalsText, isMet } from "../trace/goals.ts";
import { billsText, costsText, goalsOf, judged } from "./judged.ts";
import { runAll } from "./run.ts";

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "80" },
    seed: { type: "string", default: "1" },
    trials: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});
const [tasksPerClass, seed, trialsUsd] = [Number(values.tasks), Number(values.seed), Number(values.trials)];

if (!Number.isSafeInteger(tasksPerClass) || tasksPerClass < 20) fail("--tasks must be a whole number from 20");
else if (!Number.isSafeInteger(seed)) fail("--seed must be a whole number");
else if (!(trialsUsd >= 0)) fail("--trials must be dollars a day");
else await main();

async function main(): Promise<void> {
  print("A simulation: what the targets can do is made up; gateway, client and bills are real.\n");
  print(`${tasksPerClass} tasks of each class, done whole by each target, and by whom the policy chooses (auto).\n\n`);
  const runs = await runAll({ seed, tasksPerClass, trialsUsd }, (text) => void process.stderr.write(`  ${text}\n`));
  const classes = judged(runs);
  print(`${costsText(classes, runs)}\n* the least, when one target does all of them\n\n${billsText(runs)}\n`);
  const goals = goalsOf(classes, runs);
  print(goalsText(goals));
  if (values.json) print(`${goalsJson(goals)}\n`);
  if (values.check && !goals.every(isMet)) process.exitCode = 1;
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

function print(text: string): void {
  process.stdout.write(text);
}
