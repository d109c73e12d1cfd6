/**
 * `GET /metrics`: the Prometheus text.
 */
import { Hono } from "hono";
import type { Metrics } from "../src/metrics.ts";

export function metricsRoute(metrics: Pick<Metrics, "render" | "contentType">): Hono {
  const route = new Hono();
  route.get("/metrics", async (context) =>
    context.body(await metrics.render(), 200, { "content-type": metrics.contentType }),
  );
  return route;
}
