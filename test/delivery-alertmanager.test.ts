/** Alerts pushed to a real Alertmanager, and from there to a receiver. Skipped where it is not installed. */
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDelivery, type Delivery } from "../src/delivery/delivery.ts";
import { createPoster, type Poster } from "../src/delivery/post.ts";
import type { OutboxRow } from "../src/ledger-outbox.ts";
import { channel, fired, notice, resolved, startReceiver, type Receiver } from "./delivery-made.ts";
import { ALERTMANAGER, startAlertmanager, type Started } from "./prometheus-started.ts";
import { until } from "./running.ts";

if (ALERTMANAGER === undefined)
  console.log("skipped: Alertmanager is not installed (Debian's package `prometheus-alertmanager`)");

/** What is not told again is taken for resolved after four times as long. */
const RESEND_MS = 1_000;

interface Shown {
  readonly labels: Readonly<Record<string, string>>;
  readonly endsAt: string;
  readonly annotations: Readonly<Record<string, string>>;
}

describe.skipIf(ALERTMANAGER === undefined)("Alertmanager", () => {
  let receiver: Receiver;
  let alertmanager: Started;
  let poster: Poster;
  let delivery: Delivery;
  const rows = new Map<string, OutboxRow>();
  const failures: string[] = [];

  beforeAll(async () => {
    receiver = await startReceiver();
    alertmanager = await startAlertmanager(`
route: { receiver: hook, group_by: [alertname, value], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: hook, webhook_configs: [{ url: "${receiver.url}/hook", send_resolved: true }] }]
`);
    poster = createPoster();
    delivery = deliver();
  }, 30_000);
  afterAll(async () => {
    delivery?.close();
    await poster?.close();
    await alertmanager?.stop();
    await receiver?.close();
  });

  function deliver(): Delivery {
    const say = (event: string, fields: unknown) => void failures.push(`${event} ${JSON.stringify(fields)}`);
    return createDelivery({
      store: {
        post: (row) => rows.set(row.id, row) !== undefined,
        unpost: (row) => void rows.delete(row.id),
      },
      rows: [...rows.values()],
      channels: [channel({ kind: "alertmanager", url: alertmanager.url, resendMs: RESEND_MS })],
      poster,
      log: { info: () => undefined, warn: say, error: say },
      now: Date.now,
      sleep: (ms, signal) => wait(ms, undefined, { signal }),
      random: Math.random,
      classNameOf: () => undefined,
    });
  }

  const shown = async () => ((await alertmanager.ask("/api/v2/alerts")) ?? []) as readonly Shown[];
  const heard = (status: string, value: string) =>
    receiver.received.some(({ body }) => {
      const told = JSON.parse(body) as { status: string; groupLabels: { value?: string } };
      return told.status === status && told.groupLabels.value === value;
    });

  test("an alert fires there for as long as it does here, over a restart, and is resolved when it is here", async () => {
    const startMs = Date.now() - 1_000;
    const window = { startMs, endMs: startMs + 86_400_000 };
    delivery.alert(fired({ window, firedAtMs: startMs }));
    await until(() => heard("firing", "batch"), 20_000);
    const [first] = await shown();
    expect(first?.labels).toEqual({
      alertname: "SluiceSpendOverBaseline",
      rule: "spend-day",
      scope: "key",
      value: "batch",
      level: "1.5",
      severity: "critical",
      service: "sluice",
    });
    expect(first?.annotations["summary"]).toBe("Spend is over 1.5× its baseline: key `batch` (spend-day)");
    // Longer than it would fire of itself.
    const endsMs = Date.parse(first?.endsAt ?? "");
    delivery.close();
    delivery = deliver();
    await until(async () => Date.parse((await shown())[0]?.endsAt ?? "") > endsMs + 4 * RESEND_MS, 20_000);
    expect(heard("resolved", "batch")).toBe(false);

    delivery.alert(resolved({ window, firedAtMs: startMs, resolvedAtMs: Date.now() }));
    await until(() => heard("resolved", "batch"), 20_000);
    expect(await shown()).toEqual([]);
    expect(failures).toEqual([]);
  }, 60_000);

  test("a budget's notice, with a value that somebody made up", async () => {
    const atMs = Date.now() - 1_000;
    const value = 'größe "x"\\';
    delivery.notice(
      notice({ value, id: `key-day|${value}|level:0.8`, atMs, window: { startMs: atMs, endMs: atMs + 3_600_000 } }),
    );
    await until(() => heard("firing", value), 20_000);
    expect(failures).toEqual([]);
  }, 60_000);
});
