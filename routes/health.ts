/**
 * `/healthz`: the process lives. `/readyz`: send it calls (not while it drains, nor while its ledger cannot be written).
 */
import { Hono } from "hono";

export interface HealthOptions {
  readonly isReady: () => boolean;
}

export function healthRoutes({ isReady }: HealthOptions): Hono {
  const routes = new Hono();
  routes.get("/healthz", (context) => context.json({ status: "ok" }));
  routes.get("/readyz", (context) =>
    isReady() ? context.json({ status: "ready" }) : context.json({ status: "not ready" }, 503, { "retry-after": "1" }),
  );
  return routes;
}
