#!/usr/bin/env node
/**
 * The only file that knows everybody: config → providers → routes → listen → drain on SIGTERM, reload on SIGHUP.
 */
import { createServer } from "node:http";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { serve as listen, type ServerType } from "@hono/node-server";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { providerKinds } from "../providers/index.ts";
import { createApp } from "../routes/index.ts";
import { banner } from "./banner.ts";
import { ConfigError, loadConfig, printableConfig, USAGE, type Config } from "./config.ts";
import { createSluice, type Sluice } from "./index.ts";
import { createLog, type Log } from "./log.ts";

/** How long running calls may take to end after SIGTERM. */
const DRAIN_MS_MAX = 30_000;

async function main(): Promise<void> {
  const arguments_ = process.argv.slice(2);
  let loaded;
  try {
    loaded = loadConfig({
      arguments: arguments_,
      environment: process.env,
      folder: process.cwd(),
      kinds: providerKinds,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  switch (loaded.command) {
    case "help":
      process.stdout.write(USAGE);
      return;
    case "check":
      process.stdout.write(printableConfig(loaded.config));
      return;
    case "serve":
      await run(loaded.config, arguments_);
  }
}

async function run(config: Config, arguments_: readonly string[]): Promise<void> {
  const log = createLog(config.log.level, (line) => process.stderr.write(line));
  for (const warning of config.warnings) log.warn("config", { warning });
  const sandbox = config.providers.length === 0 ? await startSandbox({ host: "127.0.0.1", port: 0 }) : undefined;
  mkdirSync(config.data, { recursive: true });
  const sluice = await createSluice({
    config: withSandbox(config, sandbox),
    kinds: providerKinds,
    ledgerPath: join(config.data, "ledger.sqlite"),
    log,
  });
  const app = createApp(sluice);
  const server = listen(
    {
      fetch: app.fetch,
      hostname: config.listen.host,
      port: config.listen.port,
      createServer,
      serverOptions: {
        maxHeaderSize: config.limits.headerBytesMax,
        // Above what load balancers use (60 s), so that it is they who close idle connections.
        keepAliveTimeout: 75_000,
        headersTimeout: 80_000,
        requestTimeout: 300_000,
      },
    },
    (address) =>
      process.stdout.write(banner(config, sluice.setup(), `http://${hostText(config.listen.host)}:${address.port}`)),
  );
  server.on("error", (error: NodeJS.ErrnoException) => {
    const reason =
      error.code === "EADDRINUSE" ? "the port is in use; choose another with --port or PORT" : error.message;
    process.stderr.write(`Sluice cannot listen on ${config.listen.host}:${config.listen.port}: ${reason}\n`);
    void sluice.close().finally(() => process.exit(1));
  });
  process.on("SIGHUP", () => reload(sluice, sandbox, arguments_, log));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      void stop(sluice, server, sandbox, log).then(() => process.exit(0));
    });
  }
}

/** With nothing configured, the simulator answers: under the names of the providers it stands in for, and as itself. */
function withSandbox(config: Config, sandbox: RunningSandbox | undefined): Config {
  if (sandbox === undefined) return config;
  return {
    ...config,
    providers: [
      { name: "sandbox", kind: "sandbox", settings: { baseUrls: [sandbox.url], apiKey: "sandbox" }, models: [] },
    ],
  };
}

/** New settings for new calls; running streams keep theirs. A config that does not load changes nothing. */
function reload(sluice: Sluice, sandbox: RunningSandbox | undefined, arguments_: readonly string[], log: Log): void {
  try {
    const loaded = loadConfig({
      arguments: arguments_,
      environment: process.env,
      folder: process.cwd(),
      kinds: providerKinds,
    });
    sluice.reload(withSandbox(loaded.config, sandbox));
    log.info("reloaded");
  } catch (error) {
    log.error("reload-failed", { reason: error instanceof Error ? error.message : String(error) });
  }
}

/** Refuse new calls, let the running ones end, write the ledger, go. */
async function stop(sluice: Sluice, server: ServerType, sandbox: RunningSandbox | undefined, log: Log): Promise<void> {
  log.info("draining", { calls: sluice.gateway.inFlight });
  const late = setTimeout(() => {
    log.warn("drain-cut", { calls: sluice.gateway.inFlight });
    if ("closeAllConnections" in server) server.closeAllConnections();
  }, DRAIN_MS_MAX);
  server.close();
  await sluice.gateway.drain();
  clearTimeout(late);
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  await sluice.close();
  await sandbox?.close();
}

function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

await main();
