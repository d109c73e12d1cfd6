/**
 * `GET /sluice/v1/budgets`: what is spent and left of each budget. Who reads of their own only sees their key's and their team's.
 */
import { Hono } from "hono";
import type { BudgetState } from "../src/budgets/budget.ts";
import type { Budgets } from "../src/budgets/budgets.ts";
import { budgetReport } from "../src/budgets/report.ts";
import { teamOf } from "../src/budgets/subject.ts";
import { authenticate, type Caller } from "../src/exchange.ts";
import type { Setup } from "../src/gateway.ts";
import type { TaskClasses } from "../src/tasks/classes.ts";
import { parametersOf, refused } from "./ledger-filter.ts";
import { readerOf } from "./readers.ts";

export interface BudgetRoutes {
  readonly budgets: Pick<Budgets, "states">;
  readonly classes: Pick<TaskClasses, "nameOf">;
  readonly setup: () => Setup;
}

/** Budgets in one answer; of more than that, those of one rule can be asked for. */
const SHOWN_MAX = 5_000;

export function budgetsRoute({ budgets, classes, setup }: BudgetRoutes): Hono {
  const route = new Hono();
  const reading = readerOf(() => setup().keys);
  route.get("/sluice/v1/budgets", (context) => {
    try {
      const name = parametersOf(context.req.url, ["budget"]).get("budget");
      const reader = reading(context);
      const caller = authenticate(context.req.raw.headers, setup().keys);
      const states = budgets
        .states()
        .filter((state) => reader === undefined || isOf(caller, state))
        .filter(({ rule }) => name === undefined || rule.name === name);
      const data = states.slice(0, SHOWN_MAX).map((state) => budgetReport(state, (id) => classes.nameOf(id)));
      return context.json({ data, truncated: states.length > SHOWN_MAX });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function isOf({ name, tenant }: Caller, { rule, value }: BudgetState): boolean {
  if (rule.scope === "key") return name !== undefined && value === name;
  return rule.scope === "team" && value === teamOf(tenant);
}
