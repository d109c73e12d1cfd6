/**
 * `GET /sluice/v1/spend`: what was spent, in sums over the ledger's rows, grouped as asked.
 */
import { Hono } from "hono";
import { SPEND_GROUPS, SPEND_LIMIT_MAX, type SpendQuery } from "../src/ledger-query.ts";
import type { Ledger } from "../src/ledger.ts";
import { cursorOf, FILTER_PARAMETERS, filterOf, limitOf, oneOf, parametersOf, refused } from "./ledger-filter.ts";
import type { ReaderOf } from "./readers.ts";

export function spendRoute(ledger: Pick<Ledger, "spend">, readerOf: ReaderOf): Hono {
  const route = new Hono();
  route.get("/sluice/v1/spend", async (context) => {
    try {
      const { nextCursor, ...spend } = await ledger.spend(queryOf(context.req.url, readerOf(context)));
      return context.json({ ...spend, next_cursor: nextCursor ?? null });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function queryOf(url: string, reader: string | undefined): SpendQuery {
  const parameters = parametersOf(url, [...FILTER_PARAMETERS, "group_by", "limit", "cursor"]);
  const limit = limitOf(parameters, SPEND_LIMIT_MAX);
  const cursor = cursorOf(parameters);
  const groups = parameters.get("group_by")?.split(",") ?? [];
  return {
    ...filterOf(parameters),
    ...(reader === undefined ? {} : { reader }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
    groupBy: [...new Set(groups.map((group) => oneOf("group_by", group.trim(), SPEND_GROUPS)))],
  };
}
