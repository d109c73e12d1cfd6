/** A gateway on the sandbox whose calls cost about two dollars each, with an hourly baseline of ten, and time that a test moves. */
import { startSandbox } from "../bench/sandbox/index.ts";
import { call } from "./line-client.ts";
import { startGateway, type RunningGateway } from "./running.ts";

export const BASELINE_USD = 10;
export const HOUR_MS = 3_600_000;
/** Ten past: no test lasts until the hour is over. */
export const START_MS: number = Date.UTC(2026, 10, 25, 14, 10);

export interface Spending {
  readonly gateway: RunningGateway;
  /** Dollars so far, as the answers said. */
  readonly spent: () => number;
  /** Calls until so many dollars are spent. @throws when a call is refused. */
  spend(untilUsd: number): Promise<void>;
  pass(ms: number): void;
  close(): Promise<void>;
}

/** @param notify The config's section. */
export async function startSpending(
  notify = "[]",
  environment: Readonly<Record<string, string>> = {},
): Promise<Spending> {
  const sandbox = await startSandbox({ host: "127.0.0.1", port: 0 });
  const startedAt = performance.now();
  let passedMs = 0;
  let spent = 0;
  const gateway = await startGateway({
    environment: {
      OPENAI_API_KEY: "sk-test",
      OPENAI_BASE_URL: `${sandbox.url}/openai/v1`,
      LOG_LEVEL: "info",
      APP_KEY: "app-0123456789",
      SCRAPE_KEY: "scrape-0123456789",
      ...environment,
    },
    now: () => START_MS + (performance.now() - startedAt) + passedMs,
    yaml: `
models:
  gpt-5.4-nano: { prices: [{ from: 2026-01-01, input: 50000, cacheRead: 50000, output: 50000 }] }
keys:
  - { name: app, keyEnv: APP_KEY }
  - { name: scraper, keyEnv: SCRAPE_KEY, reads: all }
alerts:
  floorUsd: 1
  confidence: "off"
  watch: [{ name: hour, window: hour, baseline: { fixedUsd: ${BASELINE_USD} } }]
notify: ${notify}
`,
  });
  return {
    gateway,
    spent: () => spent,
    async spend(untilUsd) {
      while (spent < untilUsd) {
        const answer = await call(gateway.url, "/v1/chat/completions", {
          headers: { authorization: "Bearer app-0123456789" },
          body: { model: "gpt-5.4-nano", messages: [{ role: "user", content: "Hello" }] },
        });
        if (answer.status !== 200) throw new Error(`the call got ${answer.status}: ${answer.text}`);
        spent += Number(answer.headers["x-sluice-cost-usd"]);
      }
    },
    pass(ms) {
      passedMs += ms;
    },
    async close() {
      await gateway.close();
      await sandbox.close();
    },
  };
}
