/**
 * An address where connections are not accepted: its listener's queue is full, so that who connects waits. Until it is opened.
 */
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { until } from "./running.ts";

export interface BlackHole {
  readonly url: string;
  /** From now on connections are accepted and each request is answered. */
  open(): void;
  /** Since it was opened. */
  seen(): Promise<{ readonly connections: number; readonly requests: number }>;
  close(): Promise<void>;
}

/** The listener has a thread of its own, which sleeps: the kernel fills its queue and then lets everybody else wait. */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const { createServer } = require("node:http");
let requests = 0;
let connections = 0;
const server = createServer((incoming, outgoing) => {
  requests += 1;
  incoming.resume().on("end", () => {
    outgoing.setHeader("content-type", "application/json");
    outgoing.end(workerData.answer);
  });
});
server.on("connection", () => (connections += 1));
parentPort.on("message", () => parentPort.postMessage({ connections, requests }));
server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
  parentPort.postMessage({ port: server.address().port });
  Atomics.wait(new Int32Array(workerData.gate), 0, 0);
});
`;
/** More than a queue of one holds. */
const FILLERS = 4;

export async function startBlackHole(answer: string): Promise<BlackHole> {
  const gate = new SharedArrayBuffer(4);
  const worker = new Worker(THREAD, { eval: true, workerData: { gate, answer } });
  const said = <Message>() => new Promise<Message>((resolve) => void worker.once("message", resolve));
  const { port } = await said<{ port: number }>();
  const fillers = Array.from({ length: FILLERS }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  await until(() => fillers.some((filler) => !filler.connecting));
  const standing = await settled(fillers);
  const open = () => {
    for (const filler of fillers) filler.destroy();
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    open,
    async seen() {
      const answered = said<{ connections: number; requests: number }>();
      // A thread, not a window: there is no origin to name.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin
      worker.postMessage("seen");
      const { connections, requests } = await answered;
      return { connections: connections - standing, requests };
    },
    async close() {
      open();
      await worker.terminate();
    },
  };
}

/**
 * On this machine's own network a connection stands within a millisecond or is not going to: the queue is full then.
 *
 * @returns how many stand.
 */
async function settled(fillers: readonly Socket[]): Promise<number> {
  const standing = () => fillers.filter((filler) => !filler.connecting).length;
  let last = -1;
  while (last !== standing()) {
    last = standing();
    await new Promise((resolve) => void setTimeout(resolve, 30));
  }
  if (last === FILLERS) throw new Error("the listener's queue took everybody");
  return last;
}
