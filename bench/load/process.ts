/**
 * The processes of a measurement: started on a core of their own, asked what they have used, and ended with it.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Where things run; `undefined` where they cannot be kept apart. */
export interface Cores {
  readonly gateway: number | undefined;
  readonly load: number | undefined;
}

export interface Started {
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it said on standard error, the last of it. */
  readonly said: () => string;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly core: number | undefined;
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether it talks to us (a Node process that uses `process.send`). */
  readonly talks?: boolean;
}

const START_MS_MAX = 15_000;
const STOP_MS_MAX = 5_000;
const SAID_CHARACTERS_MAX = 2_000;

/** The first core for the gateway, the last one for the load and the upstream, if there are two and they can be chosen. */
export function findCores(): Cores {
  const allowed = process.platform === "linux" ? allowedCores() : [];
  const canPin = allowed.length >= 2 && spawnSync("taskset", ["--version"]).status === 0;
  return { gateway: canPin ? allowed[0] : undefined, load: canPin ? allowed.at(-1) : undefined };
}

function allowedCores(): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export function pinSelf(core: number | undefined): void {
  if (core !== undefined) spawnSync("taskset", ["-a", "-p", "-c", String(core), String(process.pid)]);
}

export function startProcess(options: StartOptions): Started {
  const { core } = options;
  const pinned = core === undefined ? [] : ["taskset", "-c", String(core)];
  const [command = "", ...rest] = [...pinned, options.command, ...options.arguments];
  const child = spawn(command, rest, {
    cwd: options.folder,
    // Nothing of ours leaks in: a proxy, a key, a port.
    env: { PATH: process.env["PATH"] ?? "", ...options.environment },
    stdio: ["ignore", "ignore", "pipe", ...(options.talks === true ? (["ipc"] as const) : [])],
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-SAID_CHARACTERS_MAX);
  });
  const exited = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => {
      process.off("exit", kill);
      resolve();
    });
  });
  return {
    // `taskset` becomes the command: the id stays.
    pid: child.pid ?? 0,
    child,
    said: () => said.trim(),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await exited;
      clearTimeout(late);
    },
  };
}

/** @throws Error when it ends, or does not listen in time. */
export async function listening(started: Started, port: number): Promise<void> {
  const until = performance.now() + START_MS_MAX;
  while (!(await accepts(port))) {
    const ended = started.child.exitCode !== null || started.child.signalCode !== null;
    if (ended || performance.now() > until) throw new Error(`it does not listen: ${started.said()}`);
    await sleep(25);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/**
 * CPU time of a process's threads so far, in milliseconds: from the scheduler's own count where the kernel shows it (nanoseconds),
 * else user and system time (ticks of 10 ms).
 */
export function cpuMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
    );
    return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
  } catch {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name, which may hold anything, from the third field on: user time is the 14th, system time the 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }
}

export function rssBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}
