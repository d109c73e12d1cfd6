/** A real Prometheus reads what /metrics says, and its sums are the ledger's. Skipped where Prometheus is not installed. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const isThere = has("prometheus") && has("promtool");
if (!isThere) console.log("skipped: prometheus and promtool are not installed (Debian's package `prometheus`)");

function has(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!isThere)("Prometheus", () => {
  let sandbox: RunningSandbox;
  let gateway: RunningGateway;
  let prometheus: ChildProcess;
  let folder: string;
  let url: string;

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
    folder = mkdtempSync(join(tmpdir(), "sluice-prometheus-"));
    const target = new URL(gateway.url).host;
    writeFileSync(
      join(folder, "prometheus.yml"),
      `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: sluice\n    static_configs: [{ targets: ["${target}"] }]\n`,
    );
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    prometheus = spawn(
      "prometheus",
      [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: "ignore" },
    );
  });

  afterAll(async () => {
    prometheus.kill("SIGKILL");
    await gateway.close();
    await sandbox.close();
    rmSync(folder, { recursive: true, force: true });
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
    try {
      const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
      const body = (await answer.json()) as { data: { result: readonly { value: readonly [number, string] }[] } };
      const value = body.data.result[0]?.value[1];
      return value === undefined ? undefined : Number(value);
    } catch {
      return undefined;
    }
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}
