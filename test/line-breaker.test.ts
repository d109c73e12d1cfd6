import { afterEach, beforeEach, expect, test } from "vitest";
import { json } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { wires, type Wire } from "./line-wires.ts";

/** What the breaker's clock shows; it stands still unless a test moves it. */
let nowMs = 0;
let line: Line;

beforeEach(async () => {
  nowMs = Date.parse("2026-11-22T12:00:00Z");
  line = await startLine({
    upstreams: { first: primary, second: primary },
    yaml: [
      "retries: { attemptsMax: 2, waitMaxMs: 100, backoffMs: 1 }",
      "breaker: { failures: 2, windowMs: 10000, restMs: 5000 }",
    ].join("\n"),
    now: () => nowMs,
  });
});
afterEach(() => line.close());

/** Which dialect it is does not matter here. */
const primary = wires[0] as Wire;

const serve = async () => {
  const answer = await call(line.url, primary.path, { body: primary.request({ model: "all" }) });
  return { status: answer.status, target: answer.headers["x-sluice-target"], text: answer.text };
};
const firstAsked = () => line.upstream("first").requests.length;
const state = () => line.gateway.metric(`sluice_breaker_state{target="first/${primary.model}"}`);
const broken = json(primary.error(500, "broken"), 500);

test("a target that fails again and again is asked last until it has rested; then one call tries it", async () => {
  line.upstream("first").answer(broken);
  await serve();
  await serve();
  expect(firstAsked()).toBe(2);
  expect(await state()).toBe(2);

  expect((await serve()).target).toBe(`second/${primary.model}`);
  expect(firstAsked()).toBe(2);

  nowMs += 5_000;
  await serve();
  expect(firstAsked()).toBe(3);
  // The probe found it broken: it rests again at once.
  expect(await state()).toBe(2);
  await serve();
  expect(firstAsked()).toBe(3);

  nowMs += 5_000;
  line.upstream("first").answer(answers(primary));
  expect((await serve()).target).toBe(`first/${primary.model}`);
  expect(await state()).toBe(0);
  expect((await serve()).target).toBe(`first/${primary.model}`);
});

test("of the calls that come while it is being probed, only one is the probe", async () => {
  line.upstream("first").answer(broken);
  await serve();
  await serve();
  nowMs += 5_000;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  line.upstream("first").answer(async (outgoing, arrived, number) => {
    await held;
    return answers(primary)(outgoing, arrived, number);
  });
  const probe = serve();
  const others = await Promise.all([serve(), serve(), serve()]);
  expect(others.map((other) => other.target)).toEqual(Array.from({ length: 3 }, () => `second/${primary.model}`));
  release();
  expect((await probe).target).toBe(`first/${primary.model}`);
  expect(firstAsked()).toBe(3);
});

test("failures that lie apart do not add up", async () => {
  line.upstream("first").answer(broken);
  await serve();
  nowMs += 10_001;
  await serve();
  expect(await state()).toBe(0);
  await serve();
  expect(firstAsked()).toBe(3);
  expect(await state()).toBe(2);
});

test.each([400, 404, 429])("a %i says nothing about the target's health", async (status) => {
  line.upstream("first").answer(json(primary.error(status, "no"), status));
  for (let calls = 0; calls < 4; calls += 1) await serve();
  expect(firstAsked()).toBe(4);
  expect(await state()).toBe(0);
});

test("a resting target is tried when it is the only one", async () => {
  line.upstream("first").answer(broken);
  await serve();
  await serve();
  line.upstream("first").answer(answers(primary));
  const answer = await call(line.url, primary.path, { body: primary.request({ model: `first/${primary.model}` }) });
  expect(answer.status).toBe(200);
});
