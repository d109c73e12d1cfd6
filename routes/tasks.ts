/**
 * `GET /sluice/v1/tasks`: what tasks took and what became of them, newest first; `/tasks/{id}`: one with its calls and its children;
 * `POST /tasks/{id}/outcome`: somebody says how it went.
 */
import { Hono, type Context } from "hono";
import { z } from "zod";
import { GatewayError } from "../src/errors.ts";
import { authenticate } from "../src/exchange.ts";
import type { Setup } from "../src/gateway.ts";
import type { Ledger } from "../src/ledger.ts";
import { TASKS_LIMIT_MAX, type TaskRow, type TasksQuery } from "../src/ledger-task-query.ts";
import { TASK_ID } from "../src/task.ts";
import type { TaskClasses } from "../src/tasks/classes.ts";
import type { Tasks } from "../src/tasks/tasks.ts";
import { cursorOf, filterOf, limitOf, oneOf, parametersOf, refused } from "./ledger-filter.ts";
import { readerOf } from "./readers.ts";

export interface TaskRoutes {
  readonly ledger: Pick<Ledger, "tasks">;
  readonly tasks: Pick<Tasks, "tell" | "written">;
  readonly classes: Pick<TaskClasses, "idsOf" | "nameOf">;
  readonly setup: () => Setup;
}

const BODY_BYTES_MAX = 4_096;

export function tasksRoutes({ ledger, tasks, classes, setup }: TaskRoutes): Hono {
  const route = new Hono();
  const named = (row: TaskRow) => ({ ...row, class_name: classes.nameOf(row.class) ?? null });
  const reading = readerOf(() => setup().keys);
  const tenantOf = (context: Context) => authenticate(context.req.raw.headers, setup().keys).tenant;

  route.get("/sluice/v1/tasks", async (context) => {
    try {
      const query = queryOf(context.req.url, classes, reading(context));
      await tasks.written();
      const { data, nextCursor } = await ledger.tasks({ ask: "list", query });
      return context.json({ data: data.map(named), next_cursor: nextCursor ?? null });
    } catch (error) {
      return refused(error, context);
    }
  });
  route.get("/sluice/v1/tasks/:id", async (context) => {
    try {
      parametersOf(context.req.url, []);
      const id = idOf(context);
      const reader = reading(context);
      await tasks.written();
      const detail = await ledger.tasks({
        ask: "detail",
        tenant: tenantOf(context),
        id,
        ...(reader === undefined ? {} : { reader }),
      });
      if (detail === undefined) throw unknown(id);
      return context.json({ ...detail, ...named(detail), children: detail.children.map(named) });
    } catch (error) {
      return refused(error, context);
    }
  });
  route.post("/sluice/v1/tasks/:id/outcome", async (context) => {
    try {
      const id = idOf(context);
      const success = successOf(await bodyOf(context));
      const task = await tasks.tell(tenantOf(context), id, success);
      if (task === undefined) throw unknown(id);
      return context.json({ task: id, class: task.className, success, success_source: "told" });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

const OWN_PARAMETERS = ["class", "parent", "caller", "state", "outcome", "since", "until", "limit", "cursor"];

function queryOf(url: string, classes: Pick<TaskClasses, "idsOf">, reader: string | undefined): TasksQuery {
  const parameters = parametersOf(url, OWN_PARAMETERS);
  const className = parameters.get("class");
  const parent = parameters.get("parent");
  const state = parameters.get("state");
  const outcome = parameters.get("outcome");
  const limit = limitOf(parameters, TASKS_LIMIT_MAX);
  const cursor = cursorOf(parameters);
  const times = new Map([...parameters].filter(([name]) => ["since", "until", "caller"].includes(name)));
  const { sinceMs, untilMs, caller } = filterOf(times);
  return {
    ...(className === undefined ? {} : { classes: classes.idsOf(className) }),
    ...(parent === undefined ? {} : { parent }),
    ...(caller === undefined ? {} : { caller }),
    ...(reader === undefined ? {} : { reader }),
    ...(state === undefined ? {} : { state: oneOf("state", state, ["open", "ended"] as const) }),
    ...(outcome === undefined
      ? {}
      : { outcome: oneOf("outcome", outcome, ["success", "failure", "unknown"] as const) }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

function idOf(context: Context): string {
  const id = context.req.param("id") ?? "";
  if (TASK_ID.test(id)) return id;
  throw new GatewayError(
    "invalid-request",
    "a task's id has letters, digits and . _ : - only, at most 128 characters",
    {
      param: "id",
    },
  );
}

function unknown(id: string): GatewayError {
  return new GatewayError(
    "not-found",
    `there is no task \`${id}\` of this key; an answer's \`x-sluice-task\` says its id`,
    {
      param: "id",
    },
  );
}

const outcomeBody = z.union(
  [z.strictObject({ outcome: z.enum(["success", "failure"]) }), z.strictObject({ score: z.number().min(0).max(1) })],
  { error: 'must be {"outcome": "success"}, {"outcome": "failure"} or {"score": 0 to 1}' },
);

function successOf(body: unknown): number {
  const read = outcomeBody.safeParse(body);
  if (!read.success) {
    throw new GatewayError("invalid-request", `the body ${read.error.issues[0]?.message ?? "is not understood"}`);
  }
  if ("score" in read.data) return read.data.score;
  return read.data.outcome === "success" ? 1 : 0;
}

/** A small JSON object. @throws GatewayError */
export async function bodyOf(context: Context): Promise<unknown> {
  const declared = Number(context.req.header("content-length") ?? 0);
  const text = declared > BODY_BYTES_MAX ? undefined : await context.req.text();
  if (text === undefined || text.length > BODY_BYTES_MAX) {
    throw new GatewayError("too-large", `the body is larger than ${BODY_BYTES_MAX} bytes`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new GatewayError("invalid-request", "the body is not valid JSON");
  }
}
