import { afterEach, describe, expect, test } from "vitest";
import { STRANGER_ROWS_BURST } from "../src/stranger-rows.ts";
import { call, open } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { wires } from "./line-wires.ts";
import { until } from "./running.ts";

let line: Line;
afterEach(() => line.close());

const MEGABYTE = 1024 * 1024;

describe.each(wires)("$dialect", (wire) => {
  test("bodies that would be too much together are told to come back, and make room when they are gone", async () => {
    line = await startLine({ yaml: `limits: { bodyBytesMax: ${2 * MEGABYTE}, bodiesBytesMax: ${2 * MEGABYTE} }` });
    const { admission } = line.gateway.sluice;
    const begun = open(line.url, wire.path);
    const half = "x".repeat(1.5 * MEGABYTE);
    begun.send(`{"model":"${half}`);
    await until(() => admission.bodiesBytes >= half.length);
    const large = wire.request({ model: wire.model, text: "y".repeat(MEGABYTE) });
    const refused = await call(line.url, wire.path, { body: large });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(wire.errorIn(refused.text).message).toContain("bodiesBytesMax");
    expect((await call(line.url, wire.path, { body: wire.request({ model: wire.model }) })).status).toBe(200);
    begun.answer.catch(() => undefined);
    begun.leave();
    await until(() => admission.bodiesBytes === 0);
    expect((await call(line.url, wire.path, { body: large })).status).toBe(200);
    expect(admission.bodiesBytes).toBe(0);
  });

  test("a body is let go when its answer begins, however long that runs", async () => {
    line = await startLine();
    const { admission } = line.gateway.sluice;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const events = wire.events({ texts: ["x", "y"], input: 1, cacheRead: 0, output: 2 });
    line.upstream(wire.kind).answer(async (outgoing) => {
      outgoing.setHeader("content-type", "text/event-stream");
      for (const piece of events.slice(0, -1)) outgoing.write(piece);
      await held;
      outgoing.end(events.at(-1));
    });
    const stream = open(line.url, wire.path, { body: wire.request({ model: wire.model, stream: true }) });
    await until(() => stream.received !== "");
    expect(admission.inFlight).toBe(1);
    expect(admission.bodiesBytes).toBe(0);
    release();
    expect((await stream.answer).status).toBe(200);
  });
});

test("a flood of calls by nobody known fills neither the ledger nor the log of rows", async () => {
  let nowMs = Date.parse("2026-11-25T00:00:00Z");
  line = await startLine({ environment: { SLUICE_API_KEYS: "sk-client-one-0123456789" }, now: () => nowMs });
  const [wire] = wires;
  if (wire === undefined) throw new Error("no wire");
  const strange = async () => {
    const answer = await call(line.url, wire.path, { body: wire.request({ model: wire.model }) });
    expect(answer.status).toBe(401);
  };
  for (let count = 0; count < STRANGER_ROWS_BURST + 20; count += 1) await strange();
  expect(await line.gateway.allAttempts()).toHaveLength(STRANGER_ROWS_BURST);
  expect(await line.gateway.metric("sluice_rejections_unrecorded_total")).toBe(20);
  nowMs += 3_000;
  for (let count = 0; count < 5; count += 1) await strange();
  expect(await line.gateway.allAttempts()).toHaveLength(STRANGER_ROWS_BURST + 3);
});

test("whoever is known has a row for each refusal", async () => {
  line = await startLine();
  const [wire] = wires;
  if (wire === undefined) throw new Error("no wire");
  for (let count = 0; count < STRANGER_ROWS_BURST + 20; count += 1)
    await call(line.url, wire.path, { body: { model: "" } });
  expect(await line.gateway.allAttempts()).toHaveLength(STRANGER_ROWS_BURST + 20);
});

test("drain resolves for everybody who asks, when the last call has left", async () => {
  line = await startLine();
  const { admission } = line.gateway.sluice;
  const entered = admission.enter();
  const order: string[] = [];
  const both = [admission.drain(), admission.drain()].map((done) => done.then(() => order.push("drained")));
  const late = admission.enter();
  expect(late.refused?.kind).toBe("shutting-down");
  await new Promise((resolve) => void setImmediate(resolve));
  expect(order).toEqual([]);
  entered.leave();
  expect(order).toEqual([]);
  late.leave();
  await Promise.all(both);
  expect(order).toEqual(["drained", "drained"]);
});
