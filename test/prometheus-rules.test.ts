/** What is shipped for those who watch a gateway: rules that fire as they say, a dashboard that asks for what there is. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../src/metrics.ts";
import { isInstalled } from "./prometheus-started.ts";

const deploy = new URL("../deploy/", import.meta.url);
const text = (name: string) => readFileSync(new URL(name, deploy), "utf8");
const hasPromtool = isInstalled("promtool");
if (!hasPromtool) console.log("skipped: promtool is not installed (Debian's package `prometheus`)");
const hasAmtool = isInstalled("amtool");
if (!hasAmtool) console.log("skipped: amtool is not installed (Debian's package `prometheus-alertmanager`)");

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
const { groups } = parse(text("sluice.rules.yml")) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const recorded = rules.flatMap(({ record }) => (record === undefined ? [] : [record]));

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}
const dashboard = JSON.parse(text("grafana-dashboard.json")) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};
const asked = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe("the rules", () => {
  test.skipIf(!hasPromtool)("pass their own tests", () => {
    const folder = new URL(".", deploy).pathname;
    const said = execFileSync("promtool", ["test", "rules", "sluice.rules.test.yml"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(said).toContain("SUCCESS");
    execFileSync("promtool", ["check", "config", "prometheus.yml"], { cwd: folder });
  });

  test("each has a test of when it fires and of when it does not", () => {
    const { tests } = parse(text("sluice.rules.test.yml")) as {
      tests: readonly { alert_rule_test?: readonly { alertname: string; exp_alerts: readonly unknown[] }[] }[];
    };
    const cases = tests.flatMap((one) => one.alert_rule_test ?? []);
    for (const { alert } of alerts) {
      const own = cases.filter(({ alertname }) => alertname === alert);
      expect(
        own.some((one) => one.exp_alerts.length > 0),
        alert,
      ).toBe(true);
      expect(
        own.some((one) => one.exp_alerts.length === 0),
        alert,
      ).toBe(true);
    }
  });

  test.each(alerts)("$alert says what is wrong, how bad it is, and what to do", ({ alert, labels, annotations }) => {
    expect(labels?.["severity"]).toMatch(/^(?:critical|warning)$/);
    expect(annotations?.["summary"]).toBeTruthy();
    expect(annotations?.["description"]).toBeTruthy();
    const [path = "", anchor] = (annotations?.["runbook"] ?? "").split("#");
    expect(path).toBe("docs/delivery.md");
    const headings = [...readFileSync(new URL(`../${path}`, deploy), "utf8").matchAll(/^#+ (.+)$/gm)];
    expect(headings.map(([, heading = ""]) => heading.toLowerCase())).toContain(anchor);
    expect(anchor).toBe(alert?.toLowerCase());
  });
});

describe("each series that is asked for is one of the gateway's", () => {
  test.each([...new Set([...rules.map(({ expr }) => expr), ...asked])])("%s", async (expr) => {
    const types = [...(await createMetrics().render()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    const known = types.flatMap(([, name = "", type]) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    );
    const series = [...expr.matchAll(/\bsluice[_:][a-z0-9_:]+/g)].map(([name]) => name);
    expect(series.length).toBeGreaterThan(0);
    for (const name of series) expect([...known, ...recorded]).toContain(name);
  });
});

describe("the dashboard", () => {
  test("has panels with titles, each with a place of its own", () => {
    const { panels } = dashboard;
    expect(panels.length).toBeGreaterThan(15);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const panel of panels) {
      expect(panel.title).not.toBe("");
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      if (panel.type !== "row") expect(panel.targets?.length).toBeGreaterThan(0);
      const over = panels.filter((other) => other !== panel && overlaps(panel.gridPos, other.gridPos));
      expect(over.map(({ title }) => title)).toEqual([]);
    }
  });

  test("names no variable that it does not have", () => {
    const own = dashboard.templating.list.map(({ name }) => name);
    const named = [...text("grafana-dashboard.json").matchAll(/\$\{?([a-z]+)\b/g)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(own));
  });

  test.skipIf(!hasPromtool)("asks in words that Prometheus knows", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-dashboard-"));
    try {
      const list = asked.map((expr, at) => ({ record: `asked:${at}`, expr: plain(expr) }));
      writeFileSync(join(folder, "asked.yml"), JSON.stringify({ groups: [{ name: "asked", rules: list }] }));
      execFileSync("promtool", ["check", "rules", "asked.yml"], { cwd: folder });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test.skipIf(!hasAmtool)("the example for Alertmanager is one that it takes", () => {
  execFileSync("amtool", ["check-config", "alertmanager.yml"], { cwd: new URL(".", deploy).pathname });
});

function plain(expr: string): string {
  return expr.replaceAll(/\$__(?:rate_interval|range)/g, "5m").replaceAll("$instance", ".*");
}

function overlaps(one: Panel["gridPos"], other: Panel["gridPos"]): boolean {
  return one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;
}
