/**
 * The gateway as the process that people start: `node src/main.ts` in a folder of its own, configured by environment and file.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./running.ts";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;

export interface ProcessGateway {
  /** Empty when it did not start. */
  readonly url: string;
  readonly process: ChildProcess;
  /** Standard output and error so far. */
  readonly said: () => string;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

export interface ProcessFolder {
  readonly path: string;
  /** Writes the sluice.yaml. */
  configure(yaml: string): void;
  /** Starts a gateway here; resolves when it listens or has ended. */
  start(environment?: Readonly<Record<string, string>>): Promise<ProcessGateway>;
  /** Kills what still runs. */
  remove(): Promise<void>;
}

export function processFolder(): ProcessFolder {
  const path = mkdtempSync(join(tmpdir(), "sluice-process-"));
  const started: ProcessGateway[] = [];
  return {
    path,
    configure: (yaml) => writeFileSync(join(path, "sluice.yaml"), yaml),
    async start(environment = {}) {
      const gateway = await startProcess(path, environment);
      started.push(gateway);
      return gateway;
    },
    async remove() {
      for (const gateway of started) gateway.process.kill("SIGKILL");
      await Promise.all(started.map((gateway) => gateway.ended));
      rmSync(path, { recursive: true, force: true });
    },
  };
}

async function startProcess(folder: string, environment: Readonly<Record<string, string>>): Promise<ProcessGateway> {
  const child = spawn(process.execPath, [MAIN], {
    cwd: folder,
    // Not this machine's own: a provider key in it would be found.
    env: { PATH: process.env["PATH"] ?? "", PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let hasEnded = false;
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => {
    hasEnded = true;
    return (code as number | null) ?? String(signal);
  });
  const url = () => /Sluice listens on (\S+)/.exec(said)?.[1] ?? "";
  await until(() => hasEnded || url() !== "", 20_000);
  return { url: url(), process: child, said: () => said, ended };
}
