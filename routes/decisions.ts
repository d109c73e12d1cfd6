/**
 * `GET /sluice/v1/decisions/{exchange}`: why a call went where it did, with what each candidate was expected to cost at the time and
 * where each figure came from.
 */
import { Hono } from "hono";
import { GatewayError } from "../src/errors.ts";
import { decisionJson } from "../src/explain/recorded.ts";
import type { Ledger } from "../src/ledger.ts";
import { TASK_ID } from "../src/task.ts";
import type { TaskClasses } from "../src/tasks/classes.ts";
import { parametersOf, refused } from "./ledger-filter.ts";
import type { ReaderOf } from "./readers.ts";

export interface DecisionRoutes {
  readonly ledger: Pick<Ledger, "tasks">;
  readonly classes: Pick<TaskClasses, "nameOf">;
}

export function decisionsRoute({ ledger, classes }: DecisionRoutes, readerOf: ReaderOf): Hono {
  const route = new Hono();
  route.get("/sluice/v1/decisions/:exchange", async (context) => {
    try {
      parametersOf(context.req.url, []);
      const exchange = context.req.param("exchange");
      const reader = readerOf(context);
      const read = TASK_ID.test(exchange)
        ? await ledger.tasks({ ask: "decision", exchange, ...(reader === undefined ? {} : { reader }) })
        : undefined;
      if (read === undefined) throw unknown();
      const name = read.taskClass === undefined ? undefined : classes.nameOf(read.taskClass);
      return context.json(decisionJson(read, name));
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function unknown(): GatewayError {
  return new GatewayError(
    "not-found",
    "the ledger has no such exchange of this key; an answer's `x-sluice-exchange` says its id",
    { param: "exchange" },
  );
}
