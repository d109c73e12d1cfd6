import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attemptsRoute } from "../routes/attempts.ts";
import { healthRoutes } from "../routes/health.ts";
import { metricsRoute } from "../routes/metrics.ts";
import { spendRoute } from "../routes/spend.ts";
import { GatewayError } from "../src/errors.ts";
import { openLedger, type Ledger } from "../src/ledger.ts";
import { createMetrics } from "../src/metrics.ts";
import { entry, rejected, STARTED_AT_MS } from "./ledger-entry.ts";

let ledger: Ledger;
let app: Hono;

beforeAll(async () => {
  const quiet = () => undefined;
  ledger = await openLedger({
    path: ":memory:",
    sinks: [],
    now: () => STARTED_AT_MS,
    log: { info: quiet, warn: quiet, error: quiet },
  });
  for (let n = 0; n < 5; n += 1) ledger.settle(entry(`e${n}`, { startedAtMs: STARTED_AT_MS + n * 60_000 }));
  ledger.settle(rejected("bad", { startedAtMs: STARTED_AT_MS + 600_000 }));
  app = new Hono();
  app.route("/", attemptsRoute(ledger, ofAll)).route("/", spendRoute(ledger, ofAll));
});

afterAll(() => ledger.close());

const ofAll = () => undefined;
const get = async (path: string) => {
  const response = await app.request(path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe("the ledger over HTTP", () => {
  test("one exchange's rows come in the interface's shape", async () => {
    const { status, body } = await get("/sluice/v1/attempts?exchange=e1");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      data: [
        {
          exchange: "e1",
          task: "t-1",
          provider: "anthropic",
          model: "claude-haiku-5-5",
          outcome: "complete",
          usage: {
            input_uncached: 100,
            cache_read: 300,
            cache_write_5m: 0,
            cache_write_1h: null,
            cache_write_other: null,
            output: 50,
            reasoning: null,
          },
          cost_usd: 0.000001234567,
        },
      ],
      next_cursor: null,
    });
  });

  test("an exchange that nobody knows is an empty page, not an error", async () => {
    expect(await get("/sluice/v1/attempts?exchange=nobody")).toEqual({
      status: 200,
      body: { data: [], next_cursor: null },
    });
  });

  test("the cursor leads to the next page", async () => {
    const first = await get("/sluice/v1/attempts?limit=4&outcome=complete");
    const cursor = first.body["next_cursor"] as string;
    const second = await get(`/sluice/v1/attempts?limit=4&outcome=complete&cursor=${cursor}`);
    const exchanges = [first, second].flatMap(({ body }) =>
      (body["data"] as { exchange: string }[]).map((row) => row.exchange),
    );
    expect(exchanges).toEqual(["e4", "e3", "e2", "e1", "e0"]);
    expect(second.body["next_cursor"]).toBeNull();
  });

  test("spend has pages, too, and a total that is the same on each", async () => {
    const first = await get("/sluice/v1/spend?group_by=hour&limit=1");
    expect(first.body).toMatchObject({ truncated: false, next_cursor: null });
    const page = await get("/sluice/v1/spend?group_by=provider&limit=1");
    expect(page.body["next_cursor"]).toBe("1");
    const next = await get(`/sluice/v1/spend?group_by=provider&limit=1&cursor=${String(page.body["next_cursor"])}`);
    expect(next.body["total"]).toEqual(page.body["total"]);
    expect(next.body["data"]).not.toEqual(page.body["data"]);
    expect(next.body["next_cursor"]).toBeNull();
  });

  test("times are ISO 8601 with any offset, a date, or epoch milliseconds", async () => {
    const count = async (query: string) =>
      ((await get(`/sluice/v1/attempts?${query}`)).body["data"] as unknown[]).length;
    expect(await count("since=2026-11-22T09:33:00Z&outcome=complete")).toBe(2);
    expect(await count("since=2026-11-22T10:33:00+01:00&outcome=complete")).toBe(2);
    expect(await count(`since=${STARTED_AT_MS + 180_000}&until=2026-11-23&outcome=complete`)).toBe(2);
    expect(await count("until=2026-11-22")).toBe(0);
  });

  test("spend sums and groups", async () => {
    const { body } = await get("/sluice/v1/spend?group_by=provider,day&since=2026-11-22");
    expect(body).toMatchObject({
      data: [
        { provider: "anthropic", day: "2026-11-22", attempts: 5, cost_pico_usd: "6172835", cost_usd: 0.000006172835 },
        { provider: null, day: "2026-11-22", attempts: 1, cost_usd: 0, outcomes: { rejected: 1 } },
      ],
      total: { attempts: 6, cost_pico_usd: "6172835" },
    });
  });

  test.each([
    ["attempts?exchnage=e1", "exchnage", "`exchange`"],
    ["attempts?group_by=day", "group_by", "there is no parameter"],
    ["spend?groupby=day", "groupby", "`group_by`"],
    ["spend?cursor=x", "cursor", "`cursor` is"],
    ["attempts?limit=0", "limit", "1 to 1000"],
    ["attempts?limit=1001", "limit", "1 to 1000"],
    ["attempts?limit=ten", "limit", "1 to 1000"],
    ["attempts?cursor=DROP", "cursor", "next_cursor"],
    ["attempts?since=yesterday", "since", "ISO 8601"],
    ["attempts?until=2026-13-45", "until", "ISO 8601"],
    ["attempts?outcome=done", "outcome", "complete, canceled"],
    ["attempts?exchange=", "exchange", "needs a value"],
    ["attempts?exchange=a&exchange=b", "exchange", "more than once"],
    ["spend?group_by=provider,colour", "group_by", "provider, model"],
    ["attempts?order=random", "order", "newest, oldest"],
  ])("%s is a 400 that says what is wrong", async (path, param, message) => {
    const { status, body } = await get(`/sluice/v1/${path}`);
    expect(status).toBe(400);
    expect(body).toEqual({
      error: { message: expect.stringContaining(message), type: "invalid_request_error", param },
    });
  });

  test("what looks like SQL is a value like any other", async () => {
    expect(await get("/sluice/v1/attempts?task=' OR 1=1 --")).toMatchObject({ status: 200, body: { data: [] } });
  });

  test("a ledger that cannot be read is a 503", async () => {
    const down = attemptsRoute(
      {
        attempts: () =>
          Promise.reject(new GatewayError("ledger-unavailable", "the ledger is away", { retryAfterMs: 1_000 })),
      },
      ofAll,
    );
    const response = await down.request("/sluice/v1/attempts");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({
      error: { message: "the ledger is away", type: "ledger_unavailable", param: null },
    });
  });
});

test("health is about the process, readiness about taking calls", async () => {
  let ready = true;
  const routes = healthRoutes({ isReady: () => ready });
  expect((await routes.request("/readyz")).status).toBe(200);
  ready = false;
  expect((await routes.request("/readyz")).status).toBe(503);
  expect((await routes.request("/healthz")).status).toBe(200);
});

test("metrics are served as Prometheus reads them", async () => {
  const metrics = createMetrics({ process: false });
  metrics.observe(entry("e1"));
  const response = await metricsRoute(metrics, ofAll).request("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(await response.text()).toContain(
    'sluice_attempts_total{provider="anthropic",model="claude-haiku-5-5",outcome="complete"} 1',
  );
});
