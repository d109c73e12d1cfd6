/**
 * `GET /sluice/v1/spend`: what was spent, in sums over the ledger's rows, grouped as asked.
 */
import { Hono } from "hono";
import { SPEND_GROUPS, SPEND_LIMIT_MAX, type SpendQuery } from "../src/ledger-query.ts";
import type { Ledger } from "../src/ledger.ts";
import { FILTER_PARAMETERS, filterOf, limitOf, oneOf, parametersOf, refused } from "./ledger-filter.ts";

export function spendRoute(ledger: Pick<Ledger, "spend">): Hono {
  const route = new Hono();
  route.get("/sluice/v1/spend", async (context) => {
    try {
      return context.json(await ledger.spend(queryOf(context.req.url)));
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function queryOf(url: string): SpendQuery {
  const parameters = parametersOf(url, [...FILTER_PARAMETERS, "group_by", "limit"]);
  const limit = limitOf(parameters, SPEND_LIMIT_MAX);
  const groups = parameters.get("group_by")?.split(",") ?? [];
  return {
    ...filterOf(parameters),
    ...(limit === undefined ? {} : { limit }),
    groupBy: [...new Set(groups.map((group) => oneOf("group_by", group.trim(), SPEND_GROUPS)))],
  };
}
