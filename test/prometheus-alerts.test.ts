/**
 * The whole way round by Prometheus: the shipped rules, a real Prometheus that scrapes a running gateway, a real Alertmanager, and a
 * receiver that hears of it. Skipped where they are not installed.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { startReceiver, type Receiver } from "./delivery-made.ts";
import { ALERTMANAGER, isInstalled, startAlertmanager, startPrometheus, type Started } from "./prometheus-started.ts";
import { until } from "./running.ts";
import { BASELINE_USD, HOUR_MS, startSpending, type Spending } from "./spending.ts";

const isThere = ALERTMANAGER !== undefined && isInstalled("prometheus");
if (!isThere)
  console.log(
    "skipped: prometheus or Alertmanager is not installed (Debian's `prometheus`, `prometheus-alertmanager`)",
  );

const rules = new URL("../deploy/sluice.rules.yml", import.meta.url).pathname;
const dashboard = new URL("../deploy/grafana-dashboard.json", import.meta.url);
const ALERT = "SluiceSpendOverBaseline";

interface Told {
  readonly status: string;
  readonly alerts: readonly {
    readonly status: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

describe.skipIf(!isThere)("Prometheus and Alertmanager", () => {
  let receiver: Receiver;
  let alertmanager: Started;
  let prometheus: Started;
  let spending: Spending;

  beforeAll(async () => {
    receiver = await startReceiver();
    spending = await startSpending();
    alertmanager = await startAlertmanager(`
route: { receiver: hook, group_by: [alertname, rule], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: hook, webhook_configs: [{ url: "${receiver.url}/page", send_resolved: true }] }]
`);
    prometheus = await startPrometheus(`
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["${rules}"]
scrape_configs:
  - job_name: sluice
    authorization: { credentials: scrape-0123456789 }
    static_configs: [{ targets: ["${new URL(spending.gateway.url).host}"] }]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["${new URL(alertmanager.url).host}"] }] }] }
`);
  }, 45_000);
  afterAll(async () => {
    await prometheus?.stop();
    await alertmanager?.stop();
    await spending?.close();
    await receiver?.close();
  });

  /** The values of a query's series. */
  async function asked(query: string): Promise<readonly number[]> {
    const answer = (await prometheus.ask(`/api/v1/query?query=${encodeURIComponent(query)}`)) as
      | { data: { result: readonly { value: readonly [number, string] }[] } }
      | undefined;
    return answer?.data.result.map(({ value: [, value] }) => Number(value)) ?? [];
  }

  /** When the rule was last looked at. */
  async function evaluatedAtMs(): Promise<number> {
    const answer = (await prometheus.ask("/api/v1/rules")) as {
      data: { groups: readonly { rules: readonly { name: string; lastEvaluation: string }[] }[] };
    };
    const rule = answer.data.groups.flatMap((group) => group.rules).find(({ name }) => name === ALERT);
    return Date.parse(rule?.lastEvaluation ?? "");
  }

  const paged = () => receiver.received.map(({ body }) => JSON.parse(body) as Told);
  const firing = async () => {
    const all = ((await alertmanager.ask("/api/v2/alerts")) ?? []) as readonly { labels: Record<string, string> }[];
    return all.map(({ labels }) => labels["alertname"]);
  };

  test("spend over 150 % of its baseline fires, pages, and is over with the hour; below it, nothing does", async () => {
    await spending.spend(1.2 * BASELINE_USD);
    const isSeen = async () => ((await asked("sluice_spend_ratio"))[0] ?? 0) >= 1.2;
    await until(isSeen, 20_000);
    expect((await asked("sluice_spend_ratio"))[0]).toBeCloseTo(spending.spent() / BASELINE_USD, 6);
    expect(await asked("sluice_baseline_usd")).toEqual([BASELINE_USD]);
    const seenAtMs = Date.now();
    await until(async () => (await evaluatedAtMs()) > seenAtMs, 20_000);
    expect(await asked(`ALERTS{alertname="${ALERT}"}`)).toEqual([]);

    await spending.spend(1.6 * BASELINE_USD);
    await until(async () => (await firing()).includes(ALERT), 20_000);
    await until(() => paged().some(({ status }) => status === "firing"), 20_000);
    const [page] = paged();
    expect(page?.alerts).toHaveLength(1);
    expect(page?.alerts[0]).toMatchObject({
      status: "firing",
      labels: { alertname: ALERT, severity: "critical", rule: "hour", job: "sluice" },
      annotations: {
        summary: expect.stringMatching(/^Spend of everything \(hour\) is 1\.\d\d times its baseline$/) as string,
        runbook: "docs/delivery.md#sluicespendoverbaseline",
      },
    });

    spending.pass(HOUR_MS);
    await until(() => paged().some(({ status }) => status === "resolved"), 30_000);
    expect(await firing()).not.toContain(ALERT);
    expect(paged().filter(({ alerts }) => alerts.some(({ labels }) => labels["alertname"] !== ALERT))).toEqual([]);
  }, 90_000);

  test("what the dashboard asks of traffic is answered", async () => {
    const { panels } = JSON.parse(readFileSync(dashboard, "utf8")) as {
      panels: readonly { title: string; targets?: readonly { expr: string }[] }[];
    };
    // What nobody configured and nothing broke has no series.
    const quiet = /budget|Budget|limit|reserved|broke|Breakers|Messages|projected|Read from cache/;
    for (const { title, targets = [] } of panels) {
      const [first] = targets;
      if (first === undefined || quiet.test(title)) continue;
      const query = first.expr.replaceAll(/\$__(?:rate_interval|range)/g, "30s").replaceAll("$instance", ".*");
      await expect.poll(() => asked(query), { message: title, timeout: 10_000, interval: 250 }).not.toEqual([]);
    }
  }, 60_000);

  test("the rules that it has loaded are all well", async () => {
    const names = (parse(readFileSync(rules, "utf8")) as { groups: readonly { rules: readonly unknown[] }[] }).groups;
    const answer = (await prometheus.ask("/api/v1/rules")) as {
      data: { groups: readonly { rules: readonly { name: string; health: string; lastError?: string }[] }[] };
    };
    const loaded = answer.data.groups.flatMap((group) => group.rules);
    expect(loaded).toHaveLength(names.flatMap((group) => group.rules).length);
    expect(loaded.filter(({ health }) => health !== "ok")).toEqual([]);
  });
});
