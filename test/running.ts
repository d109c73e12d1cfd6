/**
 * A whole gateway on a socket of 127.0.0.1, configured as a person would: by environment variables and, if need be, a file.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { providerKinds } from "../providers/index.ts";
import { createApp } from "../routes/index.ts";
import { loadConfig } from "../src/config.ts";
import { createSluice, type Sluice, type SluiceOptions } from "../src/index.ts";
import type { AttemptRow } from "../src/ledger-query.ts";
import { createLog } from "../src/log.ts";
import { startServer } from "../src/server.ts";

export interface RunningGateway {
  readonly url: string;
  readonly sluice: Sluice;
  /** The same app without its socket. */
  readonly app: ReturnType<typeof createApp>;
  /** Log lines so far. */
  readonly logged: readonly string[];
  /** The settled rows of an exchange, as the HTTP interface shows them; waits until none is open. */
  attempts(exchange: string | null): Promise<readonly AttemptRow[]>;
  /** Every row, oldest first, once nothing is in flight. */
  allAttempts(): Promise<readonly AttemptRow[]>;
  /** The value of one series ("sluice_tokens_total{…}" as it is rendered), or 0. */
  metric(series: string): Promise<number>;
  close(): Promise<void>;
}

export interface RunningOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** Text of a sluice.yaml. */
  readonly yaml?: string;
  /** A folder that outlives this gateway; by default one of its own that is deleted. */
  readonly data?: string;
  readonly now?: () => number;
  readonly discoverAgainMs?: number;
  /** Further options of the gateway: its intervals, an affinity, an explainer. */
  readonly sluice?: Pick<SluiceOptions, "probeEveryMs" | "countersEveryMs" | "affinity" | "explainer"> | undefined;
}

export async function startGateway(options: RunningOptions): Promise<RunningGateway> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
  if (options.yaml !== undefined) writeFileSync(join(folder, "sluice.yaml"), options.yaml);
  const { config } = loadConfig({
    arguments: [],
    environment: { PORT: "0", ...options.environment },
    folder,
    kinds: providerKinds,
  });
  const logged: string[] = [];
  const sluice = await createSluice({
    config,
    kinds: providerKinds,
    ledgerPath: options.data === undefined ? ":memory:" : join(options.data, "ledger.sqlite"),
    log: createLog(config.log.level, (line) => logged.push(line)),
    ...(options.now === undefined ? {} : { now: options.now }),
    // At the start only: where requests are counted, none is to come of itself.
    discoverAgainMs: options.discoverAgainMs ?? 3_600_000,
    // When they are read is a matter of time: what a row says of them is for those tests to see that are about them.
    countersEveryMs: Number.POSITIVE_INFINITY,
    ...options.sluice,
  });
  const app = createApp(sluice);
  const server = await startServer(app.fetch, {
    host: "127.0.0.1",
    port: 0,
    headerBytesMax: config.limits.headerBytesMax,
  });
  const idle = () => until(() => sluice.admission.inFlight === 0);
  return {
    url: server.url,
    sluice,
    app,
    logged,
    async attempts(exchange) {
      if (exchange === null) throw new Error("the answer has no x-sluice-exchange header");
      await idle();
      return (await sluice.ledger.attempts({ exchange })).data;
    },
    async allAttempts() {
      await idle();
      return (await sluice.ledger.attempts({ order: "oldest", limit: 1_000 })).data;
    },
    async metric(series) {
      const text = await sluice.metrics.render();
      const line = text.split("\n").find((one) => one.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    async close() {
      server.cut();
      await server.close();
      await idle();
      await sluice.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Polls: what is waited for happens on sockets, and nothing tells of it. @throws when it has not happened in time. */
export async function until(holds: () => boolean | Promise<boolean>, waitMsMax = 10_000): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`what was waited for did not happen within ${waitMsMax} ms`);
    await new Promise((resolve) => void setTimeout(resolve, 2));
  }
}
