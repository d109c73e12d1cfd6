/**
 * `GET /metrics`: the Prometheus text. Its sums are over all tenants.
 */
import { Hono } from "hono";
import type { Metrics } from "../src/metrics.ts";
import { refused } from "./ledger-filter.ts";
import { requireWhole, type ReaderOf } from "./readers.ts";

export function metricsRoute(metrics: Pick<Metrics, "render" | "contentType">, readerOf: ReaderOf): Hono {
  const route = new Hono();
  route.get("/metrics", async (context) => {
    try {
      requireWhole(readerOf(context), "metrics are of all tenants together");
      return context.body(await metrics.render(), 200, { "content-type": metrics.contentType });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}
