import type { ServerResponse } from "node:http";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { open } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, type Wire } from "./line-wires.ts";
import { until } from "./running.ts";

const MEGABYTE = 1024 * 1024;
const ANSWER_BYTES = 64 * MEGABYTE;
/** What the sockets on the way may hold (the kernel's own buffers, twice) and the gateway's share of it. */
const HELD_BYTES_MAX = 24 * MEGABYTE;

let line: Line;
afterEach(() => line.close());

test.each(lanes)(
  "$name: a client that does not read holds its provider back, and has it all when it reads on",
  { timeout: 60_000 },
  async ({ client, upstream }) => {
    line = await startLine();
    const written = { bytes: 0 };
    line.upstream(upstream.kind).answer((outgoing) => flood(outgoing, upstream, written));
    const reader = open(line.url, client.path, { body: client.request({ model: upstream.model, stream: true }) });
    await until(() => reader.status === 200);
    reader.pause();
    const before = process.memoryUsage().rss;
    await steady(() => written.bytes);
    expect(written.bytes).toBeLessThan(HELD_BYTES_MAX);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 * HELD_BYTES_MAX);
    reader.resume();
    const answer = await reader.answer;
    expect(answer.isBroken).toBe(false);
    expect(client.isComplete(answer.text.slice(answer.text.lastIndexOf("\n\n", answer.text.length - 3) + 2))).toBe(
      true,
    );
    expect(answer.body.length).toBeGreaterThan(ANSWER_BYTES * 0.9);
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "complete", usage: { output: SAID.output } }]);
  },
);

test.each(lanes)("$name: a client that does not read and leaves lets its provider go", async ({ client, upstream }) => {
  line = await startLine();
  const written = { bytes: 0 };
  line.upstream(upstream.kind).answer((outgoing) => flood(outgoing, upstream, written));
  const reader = open(line.url, client.path, { body: client.request({ model: upstream.model, stream: true }) });
  await until(() => reader.status === 200);
  reader.pause();
  await steady(() => written.bytes);
  reader.leave();
  await until(() => line.upstream(upstream.kind).open === 0, 2_000);
  const rows = await line.gateway.allAttempts();
  expect(rows).toMatchObject([{ outcome: "canceled", cost_basis: "estimated" }]);
  // What had come this far was generated and is billed, whether or not it was read.
  expect(rows[0]?.usage.output ?? 0).toBeGreaterThan(MEGABYTE / 4 / 4);
});

test.each(lanes)(
  "$name: a stream that breaks under a client that does not read does not hold on to it",
  async (lane) => {
    const { client, upstream } = lane;
    line = await startLine({ yaml: "deadlines: { totalMs: 800 }" });
    const written = { bytes: 0 };
    line.upstream(upstream.kind).answer((outgoing) => flood(outgoing, upstream, written));
    const reader = open(line.url, client.path, { body: client.request({ model: upstream.model, stream: true }) });
    await until(() => reader.status === 200);
    reader.pause();
    await until(() => line.gateway.sluice.admission.inFlight === 0);
    await until(() => line.upstream(upstream.kind).open === 0);
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "failed", error: "upstream-timeout" }]);
    reader.resume();
    expect((await reader.answer).isBroken).toBe(true);
  },
);

/** A long answer at the speed at which it is taken. */
async function flood(outgoing: ServerResponse, upstream: Wire, written: { bytes: number }): Promise<void> {
  const text = "x".repeat(16 * 1024);
  const events = upstream.events({ ...SAID, texts: [text] });
  const at = events.findIndex((event) => event.includes(text));
  const delta = events[at] ?? "";
  outgoing.on("close", () => outgoing.emit("drain"));
  outgoing.writeHead(200, { "content-type": "text/event-stream" });
  outgoing.write(events.slice(0, at).join(""));
  while (written.bytes < ANSWER_BYTES && !outgoing.destroyed) {
    written.bytes += delta.length;
    if (!outgoing.write(delta)) await once(outgoing, "drain");
  }
  outgoing.end(events.slice(at + 1).join(""));
}

/** Waits until a value has stood still for a while: nothing tells when a socket's buffers are full. */
async function steady(value: () => number): Promise<void> {
  let last = -1;
  let sinceMs = performance.now();
  await until(() => {
    if (value() !== last) {
      last = value();
      sinceMs = performance.now();
    }
    return last > 0 && performance.now() - sinceMs > 300;
  }, 20_000);
}
