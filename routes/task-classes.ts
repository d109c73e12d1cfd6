/**
 * `GET /sluice/v1/task-classes`: what tasks of each class take, in distributions; `PUT /sluice/v1/task-classes/{class}`: what a class
 * is called.
 */
import { Hono } from "hono";
import { z } from "zod";
import { GatewayError } from "../src/errors.ts";
import type { Setup } from "../src/gateway.ts";
import type { Ledger } from "../src/ledger.ts";
import { CLASSES_STATE, type TaskClasses } from "../src/tasks/classes.ts";
import type { Tasks } from "../src/tasks/tasks.ts";
import { filterOf, parametersOf, refused } from "./ledger-filter.ts";
import { readerOf, requireWhole } from "./readers.ts";
import { bodyOf } from "./tasks.ts";

export interface TaskClassRoutes {
  readonly ledger: Pick<Ledger, "tasks" | "keep">;
  readonly tasks: Pick<Tasks, "written">;
  readonly classes: Pick<TaskClasses, "idsOf" | "nameOf" | "setName" | "snapshot">;
  readonly setup: () => Setup;
  readonly now?: () => number;
}

/** Tasks are looked at that began within so long, where nobody asks for others. */
const SINCE_MS = 30 * 86_400_000;

export function taskClassesRoutes({ ledger, tasks, classes, setup, now = Date.now }: TaskClassRoutes): Hono {
  const route = new Hono();
  const reading = readerOf(() => setup().keys);
  route.get("/sluice/v1/task-classes", async (context) => {
    try {
      const parameters = parametersOf(context.req.url, ["class", "caller", "since", "until"]);
      const className = parameters.get("class");
      const { sinceMs, untilMs, caller } = filterOf(parameters);
      const reader = reading(context);
      await tasks.written();
      const since = sinceMs ?? now() - SINCE_MS;
      const { data, truncated } = await ledger.tasks({
        ask: "classes",
        query: {
          sinceMs: since,
          ...(untilMs === undefined ? {} : { untilMs }),
          ...(caller === undefined ? {} : { caller }),
          ...(reader === undefined ? {} : { reader }),
          ...(className === undefined ? {} : { classes: classes.idsOf(className) }),
        },
      });
      return context.json({
        data: data.map((row) => ({ ...row, name: classes.nameOf(row.class) ?? null })),
        since: new Date(since).toISOString(),
        truncated,
      });
    } catch (error) {
      return refused(error, context);
    }
  });
  route.put("/sluice/v1/task-classes/:class", async (context) => {
    try {
      // A name is one for all tenants, and a name that is taken would tell of another's class.
      requireWhole(reading(context), "a class's name is the same for every tenant");
      const id = context.req.param("class");
      const read = named.safeParse(await bodyOf(context));
      if (!read.success) {
        throw new GatewayError("invalid-request", 'the body must be {"name": "…"}, or {"name": null} to take it away');
      }
      classes.setName(id, read.data.name ?? undefined);
      ledger.keep(CLASSES_STATE, JSON.stringify(classes.snapshot()));
      return context.json({ class: id, name: classes.nameOf(id) ?? null });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

const named = z.strictObject({ name: z.string().nullable() });
