/**
 * An address where connections are not accepted: who calls it waits for one. Until it is opened; then it counts what arrives.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startUpstream, type RunningUpstream } from "./upstream-process.ts";

export interface Hole {
  readonly port: number;
  open(): void;
  /** Requests that arrived since it was opened. */
  arrived(): Promise<number>;
  stop(): Promise<void>;
}

/** The kernel's queue holds one or two more than its backlog says; these fill it. */
const FILLERS = 4;

/** The same upstream with the shortest queue, stopped: the kernel fills the queue and then lets everybody else wait. */
export async function startHole(core: number | undefined): Promise<Hole> {
  const upstream: RunningUpstream = await startUpstream(core, 1);
  process.kill(upstream.pid, "SIGSTOP");
  const fillers: readonly Socket[] = Array.from({ length: FILLERS }, () =>
    connect(upstream.port, "127.0.0.1").on("error", () => undefined),
  );
  // On this machine's own network a connection stands within a millisecond or is not going to.
  await sleep(50);
  const isFull = fillers.some((filler) => filler.connecting);
  const open = (): void => {
    for (const filler of fillers) filler.destroy();
    process.kill(upstream.pid, "SIGCONT");
  };
  const stop = async (): Promise<void> => {
    open();
    await upstream.stop();
  };
  if (!isFull) {
    await stop();
    throw new Error("the listener's queue took everybody");
  }
  return { port: upstream.port, open, arrived: async () => (await upstream.stats()).arrived, stop };
}
