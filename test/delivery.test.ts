/** At least once, in order, over failures, restarts and jumping clocks; bounded. Time passes when a test says so. */
import { beforeEach, describe, expect, test } from "vitest";
import { createDelivery, type Delivery } from "../src/delivery/delivery.ts";
import type { Outgoing } from "../src/delivery/form.ts";
import type { Channel } from "../src/delivery/message.ts";
import { GIVE_UP_MS, LETTERS_MAX, TOLD_MAX } from "../src/delivery/outbox.ts";
import type { Sent } from "../src/delivery/post.ts";
import { BACKOFF_MS_MAX } from "../src/delivery/sender.ts";
import type { OutboxRow } from "../src/ledger-outbox.ts";
import { channel, DAY_MS, fired, FIRED_AT_MS, notice, resolved } from "./delivery-made.ts";
import { ManualTimers } from "./manual-timers.ts";

interface Post {
  readonly channel: string;
  readonly key: string;
  readonly body: string;
  readonly atMs: number;
}

let timers: ManualTimers;
let rows: Map<string, OutboxRow>;
let posts: Post[];
let logged: string[];
let reply: (post: Post) => Sent | Promise<Sent>;
/** How far the clock is off what has passed. */
let jumpMs: number;
const TAKEN: Sent = { isTold: true };
const FAILED: Sent = { isTold: false, reason: "it answered 500" };

beforeEach(() => {
  timers = new ManualTimers();
  rows = new Map();
  posts = [];
  logged = [];
  reply = () => TAKEN;
  jumpMs = 0;
});

const now = () => FIRED_AT_MS + timers.nowMs + jumpMs;

/** @param kept What an earlier process wrote down. */
function start(channels: readonly Channel[] = [channel()], kept: readonly OutboxRow[] = []): Delivery {
  const say = (event: string, fields: unknown) => void logged.push(`${event} ${JSON.stringify(fields)}`);
  return createDelivery({
    store: {
      post: (row) => rows.set(`${row.channel} ${row.id}`, row) !== undefined,
      unpost: (row) => void rows.delete(`${row.channel} ${row.id}`),
    },
    rows: kept,
    channels,
    poster: {
      async post(to, outgoing: Outgoing) {
        const key = outgoing.headers["idempotency-key"] ?? "";
        const post = { channel: to.name, key, body: outgoing.body, atMs: timers.nowMs };
        posts.push(post);
        return reply(post);
      },
    },
    log: { info: say, warn: say, error: say },
    now,
    sleep: (ms, signal) => timers.sleep(ms, signal),
    random: () => 0.5,
    classNameOf: () => undefined,
  });
}

const keys = () => posts.map(({ key }) => key);
const FIRED = "spend-day|batch|2026-11-25|1.5/fired";
const RESOLVED = "spend-day|batch|2026-11-25|1.5/resolved";

describe("what is told", () => {
  test("is written down before it is sent, and known by its id after it was taken", async () => {
    const delivery = start();
    reply = () => {
      expect([...rows.values()]).toMatchObject([{ id: FIRED, toldAtMs: undefined }]);
      return TAKEN;
    };
    delivery.alert(fired());
    delivery.alert(fired());
    await timers.pass(DAY_MS);
    delivery.alert(fired());
    await timers.pass(DAY_MS / 2);
    expect(keys()).toEqual([FIRED]);
    expect([...rows.values()]).toMatchObject([{ id: FIRED, message: undefined, toldAtMs: FIRED_AT_MS }]);
    expect(delivery.states()).toMatchObject([{ channel: "ops", told: 1, failed: 0, lost: 0, waiting: 0 }]);
  });

  test("is told on each channel that wants such news", async () => {
    const delivery = start([
      channel({ name: "money", tells: ["budgets"] }),
      channel({ name: "all" }),
      channel({ name: "pager", tells: ["alerts"] }),
    ]);
    delivery.alert(fired());
    delivery.notice(notice());
    await timers.pass(0);
    expect(posts.map(({ channel, key }) => `${channel} ${key.split("|")[0]}`).toSorted()).toEqual([
      "all budget",
      "all spend-day",
      "money budget",
      "pager spend-day",
    ]);
  });

  test("never holds a key, a token or an address in what is logged and written down", async () => {
    const delivery = start([channel({ secret: "s3cret-of-ours", token: "t0ken-of-ours" })]);
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(10_000);
    expect(logged.length).toBeGreaterThan(1);
    expect(`${logged.join()} ${JSON.stringify([...rows.values()])}`).not.toMatch(/s3cret|t0ken|hooks\.example/);
  });
});

describe("a receiver that fails", () => {
  test("is tried again after longer and longer waits, with the same body and key", async () => {
    const delivery = start();
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(3_600_000);
    const waits = posts.slice(1).map(({ atMs }, at) => atMs - (posts[at]?.atMs ?? 0));
    expect(waits.slice(0, 10)).toEqual([
      1_000,
      2_000,
      4_000,
      8_000,
      16_000,
      32_000,
      64_000,
      128_000,
      256_000,
      BACKOFF_MS_MAX,
    ]);
    expect(new Set(posts.map(({ body }) => body)).size).toBe(1);
    expect(delivery.states()).toMatchObject([{ told: 0, failed: posts.length, waiting: 1 }]);
    reply = () => TAKEN;
    await timers.pass(BACKOFF_MS_MAX);
    const tried = posts.length;
    await timers.pass(DAY_MS);
    expect(posts).toHaveLength(tried);
  });

  test("gets one message at a time while it is down, not all that wait", async () => {
    const delivery = start();
    reply = () => FAILED;
    for (let at = 0; at < 50; at += 1) delivery.notice(notice({ id: `n${at}` }));
    await timers.pass(60_000);
    expect(posts.length).toBeLessThanOrEqual(6);
    reply = () => TAKEN;
    await timers.pass(64_000);
    expect(delivery.states()).toMatchObject([{ told: 50, waiting: 0 }]);
  });

  test("that says when it wants to hear again is not asked before", async () => {
    const delivery = start();
    reply = () => ({ isTold: false, reason: "it answered 429", retryAfterMs: 90_000 });
    delivery.alert(fired());
    delivery.notice(notice());
    await timers.pass(89_999);
    expect(posts).toHaveLength(1);
    await timers.pass(1);
    expect(posts).toHaveLength(2);
  });

  test("does not keep the other channels waiting", async () => {
    const delivery = start([channel({ name: "dead" }), channel({ name: "well" })]);
    reply = (post) => (post.channel === "dead" ? new Promise<Sent>(() => undefined) : TAKEN);
    delivery.alert(fired());
    delivery.notice(notice());
    await timers.pass(0);
    expect(posts.filter((post) => post.channel === "well")).toHaveLength(2);
  });

  test("does not keep other messages waiting for one that it never takes", async () => {
    const delivery = start();
    reply = (post) => (post.key.includes("poison") ? FAILED : TAKEN);
    delivery.notice(notice({ id: "poison" }));
    delivery.notice(notice({ id: "good" }));
    await timers.pass(2_000);
    expect(keys()).toContain("budget|good");
  });

  test("is given up after days of trying, and that is said", async () => {
    const delivery = start();
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(GIVE_UP_MS + 2 * BACKOFF_MS_MAX);
    const tried = posts.length;
    await timers.pass(DAY_MS);
    expect(posts).toHaveLength(tried);
    expect(delivery.states()).toMatchObject([{ lost: 1, waiting: 0 }]);
    expect(logged.at(-1)).toContain("notify-given-up");
    expect(rows.size).toBe(0);
    reply = () => TAKEN;
    delivery.notice(notice());
    await timers.pass(0);
    expect(delivery.states()).toMatchObject([{ told: 1 }]);
  });
});

describe("an alert and its end", () => {
  test("are told in that order, however often the first one fails", async () => {
    const delivery = start();
    reply = (post) => (post.key === FIRED && timers.nowMs < 20_000 ? FAILED : TAKEN);
    delivery.alert(fired());
    await timers.pass(2_000);
    delivery.alert(resolved());
    await timers.pass(60_000);
    expect(new Set(keys().slice(0, -1))).toEqual(new Set([FIRED]));
    expect(keys().at(-1)).toBe(RESOLVED);
  });

  test("Alertmanager is told again of what fires, until it does not, and then no more", async () => {
    const delivery = start([channel({ kind: "alertmanager", resendMs: 60_000 })]);
    delivery.alert(fired());
    await timers.pass(300_000);
    expect(posts).toHaveLength(6);
    const ends = posts.map(({ body }) => (JSON.parse(body) as [{ endsAt: string }])[0].endsAt);
    expect(ends.map((end) => Date.parse(end) - FIRED_AT_MS)).toEqual(
      [240, 300, 360, 420, 480, 540].map((s) => s * 1_000),
    );
    // What it is called by is what fired, though its severity would be another one by now.
    delivery.alert(resolved({ basis: "projected" }));
    await timers.pass(DAY_MS);
    expect(posts).toHaveLength(7);
    const [first, last] = [posts[0], posts[6]].map((post) => (JSON.parse(post?.body ?? "") as [{ labels: object }])[0]);
    expect(last?.labels).toEqual(first?.labels);
    expect(last).toMatchObject({ endsAt: "2026-11-25T16:00:00.000Z" });
  });

  test("Alertmanager hears no more of an alert when the window after its own is over, though nobody said that it ended", async () => {
    const delivery = start([channel({ kind: "alertmanager", resendMs: 3_600_000 })]);
    delivery.alert(fired());
    await timers.pass(3 * DAY_MS);
    expect(posts).toHaveLength(24 + 11);
    expect(delivery.states()).toMatchObject([{ lost: 0, waiting: 0 }]);
  });

  test("an end that comes while the alert is on its way to Alertmanager comes after it", async () => {
    const delivery = start([channel({ kind: "alertmanager" })]);
    const { promise, resolve } = Promise.withResolvers<Sent>();
    reply = () => promise;
    delivery.alert(fired());
    await timers.pass(0);
    delivery.alert(resolved());
    reply = () => TAKEN;
    resolve(TAKEN);
    await timers.pass(DAY_MS);
    expect(posts).toHaveLength(2);
    expect(posts[1]?.body).toContain("16:00:00");
  });
});

describe("over a restart", () => {
  test("what was not taken is told once more, with the same key and body; what was, is not", async () => {
    const first = start();
    reply = (post) => (post.key === FIRED ? new Promise<Sent>(() => undefined) : TAKEN);
    first.notice(notice());
    await timers.pass(0);
    first.alert(fired());
    await timers.pass(0);
    first.close();
    const before = posts.splice(0);
    reply = () => TAKEN;
    const second = start([channel()], [...rows.values()]);
    second.notice(notice());
    second.alert(fired());
    await timers.pass(60_000);
    expect(keys()).toEqual([FIRED]);
    expect(posts[0]?.body).toBe(before.find(({ key }) => key === FIRED)?.body);
  });

  test("Alertmanager is told again of what still fires", async () => {
    const to = [channel({ kind: "alertmanager" })];
    const first = start(to);
    first.alert(fired());
    await timers.pass(1_000);
    first.close();
    start(to, [...rows.values()]);
    await timers.pass(59_000);
    expect(posts).toHaveLength(2);
  });

  test("what nobody is left to be told of is taken out, and so is what nobody can read", async () => {
    const first = start([channel({ name: "gone" }), channel({ name: "kept" })]);
    reply = () => FAILED;
    first.alert(fired());
    await timers.pass(0);
    first.close();
    const [damaged] = [...rows.values()].filter((row) => row.channel === "kept");
    start(
      [channel({ name: "kept" })],
      [...rows.values()].map((row) => (row === damaged ? { ...row, message: "{" } : row)),
    );
    await timers.pass(0);
    expect([...rows.keys()]).toEqual([`kept ${FIRED}`]);
    expect(posts.filter(({ atMs }) => atMs > 0)).toEqual([]);
  });
});

test("what another version wrote down and nobody can say keeps nothing else waiting, and ends nothing", async () => {
  const first = start();
  reply = () => new Promise<Sent>(() => undefined);
  first.alert(fired());
  await timers.pass(0);
  first.close();
  posts = [];
  reply = () => TAKEN;
  const to = [channel({ kind: "slack" })];
  const second = start(
    to,
    [...rows.values()].map((row) => ({ ...row, message: '{"id":"x","about":"x","news":"alerts"}' })),
  );
  second.notice(notice());
  await timers.pass(10_000);
  expect(posts).toHaveLength(1);
  expect(second.states()).toMatchObject([{ told: 1, waiting: 1 }]);
});

describe("a new config", () => {
  test("sends what waits where it says now, at once", async () => {
    const delivery = start([channel({ url: "https://old.example" })]);
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(60_000);
    const tried = posts.length;
    reply = () => TAKEN;
    delivery.configure([channel({ url: "https://new.example" })]);
    await timers.pass(0);
    expect(posts).toHaveLength(tried);
    await timers.pass(32_000);
    expect(posts).toHaveLength(tried + 1);
    expect(delivery.states()).toMatchObject([{ told: 1, waiting: 0 }]);
  });

  test("without a channel forgets what waited for it, and says so", async () => {
    const delivery = start();
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(0);
    delivery.configure([]);
    await timers.pass(DAY_MS);
    expect(posts).toHaveLength(1);
    expect(rows.size).toBe(0);
    expect(logged.at(-1)).toContain("notify-channel-gone");
  });
});

describe("a clock that jumps", () => {
  test("back by a day keeps nothing waiting for a day", async () => {
    const delivery = start();
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(0);
    jumpMs = -DAY_MS;
    reply = () => TAKEN;
    await timers.pass(1_000);
    expect(delivery.states()).toMatchObject([{ told: 1, waiting: 0 }]);
  });

  test("ahead by a year gives nothing up that was hardly tried", async () => {
    const delivery = start();
    reply = () => FAILED;
    delivery.alert(fired());
    await timers.pass(0);
    jumpMs = 366 * DAY_MS;
    await timers.pass(1_000);
    reply = () => TAKEN;
    await timers.pass(10_000);
    expect(delivery.states()).toMatchObject([{ told: 1, lost: 0 }]);
  });
});

describe("bounds", () => {
  test("of what waits the oldest is lost, and counted", async () => {
    const delivery = start();
    reply = () => new Promise<Sent>(() => undefined);
    for (let at = 0; at < LETTERS_MAX + 5; at += 1) delivery.notice(notice({ id: `n${at}` }));
    await timers.pass(0);
    expect(delivery.states()).toMatchObject([{ lost: 5, waiting: LETTERS_MAX }]);
    expect(rows.size).toBe(LETTERS_MAX);
  });

  test("of what was told so many ids are known, and none past its time", async () => {
    const delivery = start();
    for (let at = 0; at < TOLD_MAX + 5; at += 1) {
      delivery.notice(notice({ id: `n${at}` }));
      if (at % 500 === 0) await timers.pass(0);
    }
    await timers.pass(60_000);
    expect(rows.size).toBe(TOLD_MAX);
    await timers.pass(3 * DAY_MS);
    delivery.notice(notice({ id: "last" }));
    await timers.pass(0);
    expect(rows.size).toBe(1);
  });
});
