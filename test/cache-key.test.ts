/** The routing key of providers that cache by machine. */
import { expect, test } from "vitest";
import { type CacheKeyAsk, type CacheKeys, createCacheKeys } from "../src/cache/cache-key.ts";

const MINUTE = 60_000;

function ask(conversation: string, change: Partial<CacheKeyAsk> = {}): CacheKeyAsk {
  return { target: "eu/model", tenant: "acme", opening: "begin", staticPrefix: "static", conversation, ...change };
}

function sent(keys: CacheKeys, asked: CacheKeyAsk, nowMs: number): string {
  const chosen = keys.choose(asked, nowMs);
  keys.sent(chosen, nowMs);
  return chosen.key;
}

test("conversations that open alike share a key while it is used seldom", () => {
  const keys = createCacheKeys();
  const first = sent(keys, ask("one"), 0);
  expect(sent(keys, ask("two"), 5000)).toBe(first);
  expect(sent(keys, ask("one", { staticPrefix: "grown" }), 5000)).toBe(first);
  expect(sent(keys, ask("one", { opening: "otherwise" }), 5000)).not.toBe(first);
  expect(first.length).toBeLessThanOrEqual(64);
});

test("choosing counts nothing: a call that is planned many times is sent as the one it is", () => {
  const keys = createCacheKeys();
  const first = keys.choose(ask("one"), 0).key;
  for (let count = 0; count < 100; count += 1) keys.choose(ask("one"), count);
  expect(keys.choose(ask("two"), 100).key).toBe(first);
});

test("no key has more than 15 requests a minute, and a conversation keeps its own below that", () => {
  const keys = createCacheKeys();
  const counts = new Map<string, number>();
  for (let index = 0; index < 40; index += 1) {
    const key = sent(keys, ask(`c${index}`), index * 1000);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(Math.max(...counts.values())).toBeLessThanOrEqual(15);
  expect(counts.size).toBeGreaterThan(2);
  const own = sent(keys, ask("calm"), 50_000);
  for (let index = 1; index < 40; index += 1) expect(sent(keys, ask("calm"), 50_000 + index * 10_000)).toBe(own);
});

test("one conversation that is busier than a key bears takes several", () => {
  const keys = createCacheKeys();
  const used = Array.from({ length: 45 }, (_, index) => sent(keys, ask("busy"), index * 1000));
  const counts = Map.groupBy(used, (key) => key);
  expect(Math.max(...[...counts.values()].map((all) => all.length))).toBeLessThanOrEqual(15);
});

test("tenants never share a key, and targets do not use up each other's", () => {
  const keys = createCacheKeys();
  const own = sent(keys, ask("one"), 0);
  expect(sent(keys, ask("one", { tenant: "rival" }), 0)).not.toBe(own);
  for (let count = 0; count < 40; count += 1) sent(keys, ask(`o${count}`, { target: "us/model" }), count);
  expect(sent(keys, ask("two"), 1000)).toBe(own);
});

test("where a conversation was sent is forgotten, oldest first, beyond the bound", () => {
  const keys = createCacheKeys(undefined, 2);
  for (let count = 0; count < 15; count += 1) sent(keys, ask("one"), count);
  const moved = sent(keys, ask("one"), 100);
  expect(keys.choose(ask("one"), 2 * MINUTE).key).toBe(moved);
  sent(keys, ask("two", { opening: "otherwise" }), 2 * MINUTE);
  expect(keys.choose(ask("one"), 2 * MINUTE).key).not.toBe(moved);
});
