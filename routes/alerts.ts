/**
 * `GET /sluice/v1/alerts`: alerts that fire and that were resolved lately, and what is watched. Who reads of their own only sees their key's
 * and their team's.
 */
import { Hono } from "hono";
import type { AlertSource } from "../src/alerts/alert.ts";
import { alertReport, watchReport } from "../src/alerts/report.ts";
import type { BudgetScope } from "../src/budgets/budget.ts";
import { teamOf } from "../src/budgets/subject.ts";
import { authenticate, type Caller } from "../src/exchange.ts";
import type { Setup } from "../src/gateway.ts";
import { parametersOf, refused } from "./ledger-filter.ts";
import { readerOf } from "./readers.ts";

export interface AlertRoutes {
  readonly alerts: Pick<AlertSource, "alerts" | "states">;
  readonly setup: () => Setup;
}

/** What is watched, in one answer; of more, that of one watch can be asked for. */
const WATCHED_MAX = 5_000;

export function alertsRoute({ alerts, setup }: AlertRoutes): Hono {
  const route = new Hono();
  const reading = readerOf(() => setup().keys);
  route.get("/sluice/v1/alerts", (context) => {
    try {
      const name = parametersOf(context.req.url, ["watch"]).get("watch");
      const reader = reading(context);
      const caller = authenticate(context.req.raw.headers, setup().keys);
      const isShown = (rule: string, scope: BudgetScope, value: string) =>
        (reader === undefined || isOf(caller, scope, value)) && (name === undefined || rule === name);
      const states = alerts.states().filter(({ rule, value }) => isShown(rule.name, rule.scope, value));
      return context.json({
        data: alerts
          .alerts()
          .filter(({ rule, scope, value }) => isShown(rule, scope, value))
          .map((alert) => alertReport(alert)),
        watched: states.slice(0, WATCHED_MAX).map((state) => watchReport(state)),
        truncated: states.length > WATCHED_MAX,
      });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function isOf({ name, tenant }: Caller, scope: BudgetScope, value: string): boolean {
  if (scope === "key") return name !== undefined && value === name;
  return scope === "team" && value === teamOf(tenant);
}
