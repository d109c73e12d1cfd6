/** Replicas are asked how they are, apart from the calls: at their own times, one probe at a time, and only where there is a choice. */
import { afterEach, expect, test } from "vitest";
import { vllm } from "../providers/vllm.ts";
import { createHealth, type Health } from "../src/health.ts";
import type { ProviderInstance } from "../src/target.ts";
import type { Upstream, UpstreamRequest } from "../src/upstream.ts";
import { ManualTimers, settled } from "./manual-timers.ts";

const EVERY_MS = 1_000;

interface Arranged {
  readonly health: Health;
  readonly timers: ManualTimers;
  /** `GET url`, as they were sent. */
  readonly asked: readonly string[];
  /** What was found: `a up`. */
  readonly found: string[];
  readonly logged: readonly string[];
  draining: boolean;
  /** What the next probes are answered; nothing yet: they wait. */
  answer: (request: UpstreamRequest) => number | Promise<number>;
}

let arranged: Arranged | undefined;
afterEach(() => arranged?.health.close());

function arrange(random: () => number = () => 0.5): Arranged {
  const timers = new ManualTimers();
  const asked: string[] = [];
  const found: string[] = [];
  const logged: string[] = [];
  const upstream: Upstream = {
    async send(request) {
      asked.push(request.url.href);
      const status = await (arranged?.answer(request) ?? 200);
      if (status === 0) throw new Error("refused");
      return {
        status,
        headers: {},
        body: { read: (sink) => sink.end(), pause() {}, resume() {}, abort() {} },
      };
    },
    async close() {},
  };
  const health = createHealth({
    upstream,
    everyMs: EVERY_MS,
    random,
    sleep: (ms, signal) => timers.sleep(ms, signal),
    isDraining: () => arranged?.draining === true,
    replicas: {
      probed: (_instance, baseUrl, isWell) => void found.push(`${new URL(baseUrl).host} ${isWell ? "up" : "down"}`),
    },
    log: { info: (event) => void logged.push(event), warn: (event) => void logged.push(event) },
  });
  arranged = { health, timers, asked, found, logged, draining: false, answer: () => 200 };
  return arranged;
}

function instance(...baseUrls: string[]): ProviderInstance {
  return { name: "gpu", provider: vllm, settings: { baseUrls } };
}

const TWO = instance("http://a:8000/v1", "http://b:8000/vllm/v1");

test("each is asked beside its API, once an interval", async () => {
  const { health, timers, asked, found } = arrange();
  health.watch([TWO]);
  await timers.pass(EVERY_MS - 1);
  expect(asked).toEqual([]);
  await timers.pass(1);
  expect(asked).toEqual(["http://a:8000/health", "http://b:8000/vllm/health"]);
  expect(found).toEqual(["a:8000 up", "b:8000 up"]);
  await timers.pass(3 * EVERY_MS);
  expect(asked).toHaveLength(8);
});

test("an interval is a fifth longer or shorter, so that gateways do not ask in step", async () => {
  const draws = [0, 1];
  const { health, timers, asked } = arrange(() => draws.shift() ?? 0.5);
  health.watch([TWO]);
  await timers.pass(0.8 * EVERY_MS);
  expect(asked).toEqual(["http://a:8000/health"]);
  await timers.pass(0.4 * EVERY_MS - 1);
  expect(asked).toHaveLength(1);
  await timers.pass(1);
  expect(asked).toHaveLength(2);
});

test.each([
  [200, "up"],
  [404, "up"],
  [401, "up"],
  [501, "up"],
  [500, "down"],
  [503, "down"],
  [0, "down"],
])("%d (0: no answer) twice in a row says that it is %s", async (status, found) => {
  const made = arrange();
  made.answer = ({ url }) => (url.hostname === "a" ? status : 200);
  made.health.watch([TWO]);
  await made.timers.pass(2 * EVERY_MS);
  expect(made.found.findLast((one) => one.startsWith("a:"))).toBe(`a:8000 ${found}`);
  expect(made.found).not.toContain("b:8000 down");
});

test("one that misses now and then is up, and one that was down is up with its first answer", async () => {
  const made = arrange();
  const answers = [200, 503, 200, 0, 200, 503, 503, 200, 503];
  made.answer = ({ url }) => (url.hostname === "a" ? (answers.shift() ?? 200) : 200);
  made.health.watch([TWO]);
  await made.timers.pass(9 * EVERY_MS);
  const states = made.found.filter((one) => one.startsWith("a:")).map((one) => one.slice("a:8000 ".length));
  expect(states.join(" ")).toBe("up up up up up up down up up");
});

test("a probe that hangs is not followed by another one to the same replica, and has a deadline", async () => {
  const made = arrange();
  let deadlineMs = Number.POSITIVE_INFINITY;
  made.answer = ({ url, deadlines }) => {
    deadlineMs = deadlines.totalMs;
    return url.hostname === "a" ? new Promise(() => {}) : 200;
  };
  made.health.watch([TWO]);
  await made.timers.pass(5 * EVERY_MS);
  expect(made.asked.filter((url) => url.includes("//a:"))).toHaveLength(1);
  expect(made.asked.filter((url) => url.includes("//b:"))).toHaveLength(5);
  expect(deadlineMs).toBeLessThanOrEqual(5_000);
});

test("what changes is logged once", async () => {
  const made = arrange();
  made.health.watch([TWO]);
  made.answer = ({ url }) => (url.hostname === "a" ? 503 : 200);
  await made.timers.pass(3 * EVERY_MS);
  made.answer = () => 200;
  await made.timers.pass(3 * EVERY_MS);
  expect(made.logged).toEqual(["replica-down", "replica-up"]);
});

test("an only replica is not asked, nor one of a kind that has no health to ask for", async () => {
  const { healthPath: _, ...mute } = vllm;
  const { health, timers, asked, found } = arrange();
  health.watch([instance("http://a:8000/v1"), { ...TWO, provider: mute }]);
  await timers.pass(10 * EVERY_MS);
  expect([asked, found]).toEqual([[], []]);
});

test("after a reload only those are asked that the new config has", async () => {
  const { health, timers, asked } = arrange();
  health.watch([TWO]);
  health.watch([instance("http://c:1/v1", "http://d:1/v1")]);
  await timers.pass(EVERY_MS);
  expect(asked).toEqual(["http://c:1/health", "http://d:1/health"]);
});

test("nobody is asked once it is closed, and what was on its way is not heard", async () => {
  const made = arrange();
  const late = Promise.withResolvers<number>();
  made.answer = () => late.promise;
  made.health.watch([TWO]);
  await made.timers.pass(EVERY_MS);
  made.health.close();
  late.resolve(503);
  await settled();
  await made.timers.pass(10 * EVERY_MS);
  expect(made.asked).toHaveLength(2);
  expect(made.found).toEqual([]);
  expect(made.timers.waiting).toBe(0);
});

test("a gateway that drains asks nobody any more", async () => {
  const made = arrange();
  made.health.watch([TWO]);
  made.draining = true;
  await made.timers.pass(10 * EVERY_MS);
  expect(made.asked).toEqual([]);
  expect(made.timers.waiting).toBe(0);
});
