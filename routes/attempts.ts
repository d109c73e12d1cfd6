/**
 * `GET /sluice/v1/attempts`: the ledger's rows, newest first (one exchange's in the order of its tries), a page at a time.
 */
import { Hono } from "hono";
import { ATTEMPTS_LIMIT_MAX, type AttemptQuery } from "../src/ledger-query.ts";
import type { Ledger } from "../src/ledger.ts";
import { cursorOf, FILTER_PARAMETERS, filterOf, limitOf, oneOf, parametersOf, refused } from "./ledger-filter.ts";
import type { ReaderOf } from "./readers.ts";

export function attemptsRoute(ledger: Pick<Ledger, "attempts">, readerOf: ReaderOf): Hono {
  const route = new Hono();
  route.get("/sluice/v1/attempts", async (context) => {
    try {
      const { data, nextCursor } = await ledger.attempts(queryOf(context.req.url, readerOf(context)));
      return context.json({ data, next_cursor: nextCursor ?? null });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function queryOf(url: string, reader: string | undefined): AttemptQuery {
  const parameters = parametersOf(url, [...FILTER_PARAMETERS, "limit", "cursor", "order"]);
  const limit = limitOf(parameters, ATTEMPTS_LIMIT_MAX);
  const cursor = cursorOf(parameters);
  const order = parameters.get("order");
  return {
    ...filterOf(parameters),
    ...(reader === undefined ? {} : { reader }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(order === undefined ? {} : { order: oneOf("order", order, ["newest", "oldest"] as const) }),
  };
}
