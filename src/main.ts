#!/usr/bin/env node
/**
 * The only file that knows everybody: config → providers → routes → listen → drain on SIGTERM, reload on SIGHUP.
 */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { providerKinds } from "../providers/index.ts";
import { createApp } from "../routes/index.ts";
import { banner } from "./banner.ts";
import { commands, type Command } from "./commands.ts";
import { ConfigError, loadConfig, printableConfig, USAGE, type Config } from "./config.ts";
import { createSluice, type Sluice } from "./index.ts";
import { createLog, type Log } from "./log.ts";
import { startServer, type RunningServer } from "./server.ts";

/** How long running calls may take to end after SIGTERM. */
const DRAIN_MS_MAX = 30_000;

async function main(): Promise<void> {
  const arguments_ = process.argv.slice(2);
  if (arguments_[0] === "bench") {
    await bench();
    return;
  }
  const command = commands.get(arguments_[0] ?? "");
  if (command !== undefined) {
    await runCommand(command, arguments_.slice(1));
    return;
  }
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

async function runCommand(command: Command, given: readonly string[]): Promise<void> {
  const machine = { environment: process.env, folder: process.cwd(), kinds: providerKinds };
  const { output, problem, exitCode } = await command(given, machine);
  process.stdout.write(output);
  process.stderr.write(problem);
  process.exitCode = exitCode;
}

/** What measures and compares is a program of its own, with flags of its own. */
async function bench(): Promise<void> {
  process.argv.splice(2, 1);
  const file = import.meta.url.endsWith(".ts") ? "../bench/main.ts" : "../bench/main.js";
  await import(new URL(file, import.meta.url).href);
}

async function run(config: Config, arguments_: readonly string[]): Promise<void> {
  const log = createLog(config.log.level, (line) => process.stderr.write(line));
  for (const warning of config.warnings) log.warn("config", { warning });
  const sandbox = config.providers.length === 0 ? await startSandbox({ host: "127.0.0.1", port: 0 }) : undefined;
  const sluice = await opened(withSandbox(config, sandbox), log);
  if (sluice === undefined) {
    await sandbox?.close();
    return;
  }
  const server = await listening(createApp(sluice), config);
  if (server === undefined) {
    await sluice.close();
    await sandbox?.close();
    return;
  }
  process.stdout.write(banner(config, sluice.setup(), server.url));
  process.on("SIGHUP", () => reload(sluice, config, sandbox, arguments_, log));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      void stop(sluice, server, sandbox, log).then(() => process.exit(0));
    });
  }
  endWithNpm();
}

/** How soon it is noticed that npm has gone. */
const PARENT_POLL_MS = 500;

/** npm tells its shell to end, and not what the shell runs: without this, the gateway would live on with its port and its ledger. */
function endWithNpm(): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_POLL_MS);
  timer.unref();
}

/** @returns nothing when the ledger cannot be had; the reason has been said. */
async function opened(config: Config, log: Log): Promise<Sluice | undefined> {
  try {
    return await createSluice({ config, kinds: providerKinds, ledgerPath: join(config.data, "ledger.sqlite"), log });
  } catch (error) {
    process.stderr.write(`Sluice cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** @returns nothing when the port cannot be had; the reason has been said. */
async function listening(app: ReturnType<typeof createApp>, config: Config): Promise<RunningServer | undefined> {
  const { host, port } = config.listen;
  try {
    return await startServer(app.fetch, { host, port, headerBytesMax: config.limits.headerBytesMax });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "the port is in use; choose another with --port or PORT" : message;
    process.stderr.write(`Sluice cannot listen on ${host}:${port}: ${reason}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** With nothing configured, the simulator is the one provider. */
function withSandbox(config: Config, sandbox: RunningSandbox | undefined): Config {
  if (sandbox === undefined || config.providers.length > 0) return config;
  return {
    ...config,
    providers: [
      { name: "sandbox", kind: "sandbox", settings: { baseUrls: [sandbox.url], apiKey: "sandbox" }, models: [] },
    ],
  };
}

/** New settings for new calls; running streams keep theirs. A config that does not load changes nothing. */
function reload(
  sluice: Sluice,
  started: Config,
  sandbox: RunningSandbox | undefined,
  arguments_: readonly string[],
  log: Log,
): void {
  try {
    const loaded = loadConfig({
      arguments: arguments_,
      environment: process.env,
      folder: process.cwd(),
      kinds: providerKinds,
    });
    const config = withSandbox(loaded.config, sandbox);
    if (config.providers.length === 0) throw new ConfigError(["no provider is left; the sandbox comes with a restart"]);
    sluice.reload(config);
    log.info("reloaded");
    for (const warning of config.warnings) log.warn("config", { warning });
    for (const option of needingRestart(started, config)) log.warn("needs-restart", { option });
  } catch (error) {
    log.error("reload-failed", { reason: error instanceof Error ? error.message : String(error) });
  }
}

/** The options that were changed in vain: what they decide was made at the start. */
function needingRestart(started: Config, config: Config): readonly string[] {
  const made: readonly (readonly [option: string, of: (config: Config) => unknown])[] = [
    ["listen", ({ listen }) => listen],
    ["data", ({ data }) => data],
    ["log", ({ log }) => log],
    ["ledger", ({ ledger }) => ledger],
    ["limits.headerBytesMax", ({ limits }) => limits.headerBytesMax],
    ["deadlines.connectMs", ({ deadlines }) => deadlines.connectMs],
  ];
  return made.filter(([, of]) => !isDeepStrictEqual(of(started), of(config))).map(([option]) => option);
}

/** Refuse new calls (by an answer: the port stays open), let the running ones end, write the ledger, go. */
async function stop(
  sluice: Sluice,
  server: RunningServer,
  sandbox: RunningSandbox | undefined,
  log: Log,
): Promise<void> {
  log.info("draining", { calls: sluice.admission.inFlight });
  const late = setTimeout(() => {
    log.warn("drain-cut", { calls: sluice.admission.inFlight });
    server.cut();
  }, DRAIN_MS_MAX);
  await sluice.admission.drain();
  await server.close();
  clearTimeout(late);
  await sluice.close();
  await sandbox?.close();
}

await main();
