/** A real Prometheus reads what /metrics says, and its sums are the ledger's. Skipped where Prometheus is not installed. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { isInstalled, startPrometheus, type Started } from "./prometheus-started.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const isThere = isInstalled("prometheus") && isInstalled("promtool");
if (!isThere) console.log("skipped: prometheus and promtool are not installed (Debian's package `prometheus`)");

describe.skipIf(!isThere)("Prometheus", () => {
  let sandbox: RunningSandbox;
  let gateway: RunningGateway;
  let prometheus: Started;

  beforeAll(async () => {
    sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
    gateway = await startGateway({
      environment: { OPENAI_API_KEY: "sk-test", OPENAI_BASE_URL: `${sandbox.url}/openai/v1`, LOG_LEVEL: "warn" },
    });
    for (const stream of [false, true]) {
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-5.4-nano", stream, messages: [{ role: "user", content: "Hello" }] }),
      });
      expect(answer.status).toBe(200);
      await answer.text();
    }
    const target = new URL(gateway.url).host;
    prometheus = await startPrometheus(
      `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: sluice\n    static_configs: [{ targets: ["${target}"] }]\n`,
    );
  });

  afterAll(async () => {
    await prometheus?.stop();
    await gateway.close();
    await sandbox.close();
  });

  test("promtool finds nothing wrong with the text", async () => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    const ours = text
      .split("\n\n")
      // The runtime's own metrics have names that promtool would have otherwise.
      .filter((block) => !/^# HELP sluice_(?:nodejs|process)_/.test(block.trim()))
      .join("\n\n");
    execFileSync("promtool", ["check", "metrics"], { input: `${ours.trim()}\n` });
  });

  test("what it has scraped is what the ledger holds", async () => {
    const rows = await gateway.allAttempts();
    const cost = rows.reduce((sum, row) => sum + (row.cost_usd ?? 0), 0);
    const output = rows.reduce((sum, row) => sum + (row.usage.output ?? 0), 0);
    expect(cost).toBeGreaterThan(0);
    await expect.poll(() => asked("sum(sluice_attempts_total)"), { timeout: 20_000, interval: 250 }).toBe(2);
    expect(await asked("sum(sluice_cost_usd_total)")).toBeCloseTo(cost, 12);
    expect(await asked('sum(sluice_tokens_total{bucket="output"})')).toBe(output);
  }, 30_000);

  /** The value of a query; `undefined` while there is none. */
  async function asked(query: string): Promise<number | undefined> {
    const answer = (await prometheus.ask(`/api/v1/query?query=${encodeURIComponent(query)}`)) as
      | { data: { result: readonly { value: readonly [number, string] }[] } }
      | undefined;
    const value = answer?.data.result[0]?.value[1];
    return value === undefined ? undefined : Number(value);
  }
});
