/** A real Prometheus and a real Alertmanager on 127.0.0.1, each in a folder of its own. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./running.ts";

export interface Started {
  readonly url: string;
  /** The JSON of an answer; `undefined` while there is none. */
  ask(path: string): Promise<unknown>;
  /** Ends this process, and no other. */
  stop(): Promise<void>;
}

export function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Debian's name of it; elsewhere it has its own. */
export const ALERTMANAGER: string | undefined = ["prometheus-alertmanager", "alertmanager"].find(isInstalled);

/** @param config Text of its configuration. */
export function startAlertmanager(config: string): Promise<Started> {
  return start(ALERTMANAGER ?? "", "alertmanager.yml", config, ({ folder, address }) => [
    `--config.file=${join(folder, "alertmanager.yml")}`,
    `--storage.path=${join(folder, "data")}`,
    `--web.listen-address=${address}`,
    // Nobody else is to be gossiped with.
    "--cluster.listen-address=",
  ]);
}

/** @param config Text of its configuration; paths in it are its own. */
export function startPrometheus(config: string): Promise<Started> {
  return start("prometheus", "prometheus.yml", config, ({ folder, address }) => [
    `--config.file=${join(folder, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${address}`,
  ]);
}

async function start(
  command: string,
  file: string,
  config: string,
  argumentsOf: (at: { readonly folder: string; readonly address: string }) => readonly string[],
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-prometheus-"));
  writeFileSync(join(folder, file), config);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(command, argumentsOf({ folder, address }), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const ended = once(child, "close");
  const url = `http://${address}`;
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.status === 200;
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`);
      return isReady();
    }, 20_000);
  } catch (error) {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    async ask(path) {
      const answer = await fetch(url + path).catch(() => undefined);
      return answer?.ok === true ? await answer.json() : undefined;
    },
    async stop() {
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}
