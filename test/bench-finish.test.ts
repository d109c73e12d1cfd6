/** The whole of it at once: client, gateway, policy, estimates, ledger and simulator. A smaller one of `npm run bench -- finish`. */
import { expect, test } from "vitest";
import { isMet } from "../bench/trace/goals.ts";
import { billsText, costsText, goalsOf, judged } from "../bench/finish/judged.ts";
import { run, runAll } from "../bench/finish/run.ts";
import { CLASSES } from "../bench/finish/truth.ts";

const repair = CLASSES.filter(({ name }) => name === "repair");

test(
  "the policy finds who succeeds for the least money, and the ledger is the simulator's bill to the picodollar",
  { timeout: 120_000 },
  async () => {
    const runs = await runAll({ seed: 1, tasksPerClass: 40, trialsUsd: 0, classes: repair });
    const classes = judged(runs);
    // Neither the cheapest by its prices nor the one that succeeds most.
    expect(classes.map(({ best }) => best)).toEqual(["openai/gpt-5.4-mini"]);
    const [ofRepair] = classes;
    const cost = (model: string) => ofRepair?.perSuccess.get(model)?.all ?? Number.NaN;
    expect(cost("auto")).toBeLessThan(1.25 * cost("openai/gpt-5.4-mini"));
    expect(cost("auto")).toBeLessThan(0.6 * cost("anthropic/claude-sonnet-5-5"));
    expect(cost("auto")).toBeLessThan(0.4 * cost("openai/gpt-5.4-nano"));
    expect(ofRepair?.shareAtBest).toBeGreaterThanOrEqual(0.9);
    for (const { bills, tasks } of runs) {
      const taken = tasks.reduce((sum, task) => sum + task.cost, 0n);
      expect(bills.reduce((sum, { ledgerPicoUsd }) => sum + ledgerPicoUsd, 0n)).toBe(taken);
      for (const one of bills) expect([one.ledgerPicoUsd, one.attempts]).toEqual([one.invoicePicoUsd, one.requests]);
      expect(taken).toBeGreaterThan(0n);
    }
    const money = goalsOf(classes, runs).find(({ what }) => what.includes("ledger"));
    expect(money !== undefined && isMet(money)).toBe(true);
    expect(billsText(runs)).not.toContain("DIFFERENT");
    expect(costsText(classes, runs)).toContain("repair");
  },
);

test("a run of one seed is the same again, and of another seed another", { timeout: 60_000 }, async () => {
  const told = async (seed: number) => {
    const { tasks, bills } = await run("auto", { seed, tasksPerClass: 6, trialsUsd: 0, classes: repair });
    return { tasks, bills };
  };
  const first = await told(1);
  expect(await told(1)).toEqual(first);
  expect(await told(2)).not.toEqual(first);
});
