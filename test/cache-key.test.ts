/** The routing key of providers that cache by machine. */
import { expect, test } from "vitest";
import { createCacheKeys } from "../src/cache/cache-key.ts";

const ask = (conversation: string, tenant = "acme") => ({ tenant, staticPrefix: "static", conversation });

test("conversations share the key of their static prefix while it is used seldom", () => {
  const keys = createCacheKeys();
  const first = keys.keyFor(ask("one"), 0);
  expect(keys.keyFor(ask("two"), 5000)).toBe(first);
  expect(keys.keyFor({ ...ask("one"), staticPrefix: "other" }, 5000)).not.toBe(first);
  expect(first.length).toBeLessThanOrEqual(64);
});

test("beyond 15 requests a minute each has its own, and keeps it until it is calm again", () => {
  const keys = createCacheKeys();
  const seldom = keys.keyFor(ask("one"), 0);
  for (let count = 2; count <= 15; count += 1) expect(keys.keyFor(ask("one"), count * 1000)).toBe(seldom);
  const busy = keys.keyFor(ask("one"), 16_000);
  expect(busy).not.toBe(seldom);
  expect(keys.keyFor(ask("two"), 17_000)).not.toBe(busy);
  // Ten a minute are below the limit, but not calm: nobody changes over.
  for (let at = 66_000; at < 240_000; at += 6000) expect(keys.keyFor(ask("one"), at)).toBe(busy);
  expect(keys.keyFor(ask("one"), 600_000)).toBe(seldom);
});

test("a prompt without static text has its conversation's key", () => {
  const keys = createCacheKeys();
  const bare = (conversation: string) => keys.keyFor({ tenant: "acme", staticPrefix: undefined, conversation }, 0);
  expect(bare("one")).toBe(bare("one"));
  expect(bare("one")).not.toBe(bare("two"));
});

test("tenants never share a key", () => {
  const keys = createCacheKeys();
  expect(keys.keyFor(ask("one"), 0)).not.toBe(keys.keyFor(ask("one", "rival"), 0));
});

test("rates are forgotten, oldest prefix first, beyond the bound", () => {
  const keys = createCacheKeys(2);
  const of = (staticPrefix: string, at: number) => keys.keyFor({ tenant: "acme", staticPrefix, conversation: "c" }, at);
  const seldom = of("a", 0);
  for (let count = 0; count < 20; count += 1) of("a", count);
  expect(of("a", 100)).not.toBe(seldom);
  of("b", 100);
  of("c", 100);
  expect(of("a", 100)).toBe(seldom);
});
