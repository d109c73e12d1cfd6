/** `GET /sluice/v1/drift`: what is expected of classes of tasks by pinned reports, how live tasks are, and whether they have left it. */
import { Hono } from "hono";
import type { Drifting } from "../src/drifting.ts";
import { driftReport } from "../src/drift/report.ts";
import type { Setup } from "../src/gateway.ts";
import type { TaskClasses } from "../src/tasks/classes.ts";
import { parametersOf, refused } from "./ledger-filter.ts";
import { readerOf, requireWhole } from "./readers.ts";

export interface DriftRoutes {
  readonly drift: Pick<Drifting, "states">;
  readonly classes: Pick<TaskClasses, "nameOf">;
  readonly setup: () => Setup;
}

export function driftRoute({ drift, classes, setup }: DriftRoutes): Hono {
  const route = new Hono();
  const reading = readerOf(() => setup().keys);
  route.get("/sluice/v1/drift", (context) => {
    try {
      const name = parametersOf(context.req.url, ["class"]).get("class");
      requireWhole(reading(context), "what live tasks are like is of all tenants together");
      const data = drift
        .states()
        .map((state) => driftReport(state, (id) => classes.nameOf(id)))
        .filter((row) => name === undefined || row["class"] === name || row["name"] === name);
      return context.json({ data });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}
