/** What the planner is told of a provider, from the models that are known and their prices. */
import { expect, test } from "vitest";
import { cacheRules, longMs, NO_CACHE, pricesOf, shortMs } from "../src/cache/rules.ts";
import { priceAt } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";

const NOW = Date.UTC(2026, 10, 25);

function rulesOf(model: string) {
  const record = createModelTable().find(model);
  if (record === undefined) throw new Error(`no row for ${model}`);
  return cacheRules(record.cache, priceAt(record, NOW)?.rates);
}

test("a model that caches at marks for five minutes or an hour", () => {
  const rules = rulesOf("claude-haiku-4-5");
  expect(rules).toMatchObject({ kind: "marks", minTokens: 4096, marksMax: 4, lookback: 20, isStrict: true });
  expect([shortMs(rules), longMs(rules)]).toEqual([300_000, 3_600_000]);
  const prices = pricesOf(rules);
  expect([prices.saving, prices.shortPremium, prices.longPremium]).toEqual([0.9, 0.25, 1]);
});

test("prices that are not the usual ones are the model's own", () => {
  const cache = { kind: "marks", style: "cache_control", minTokens: 1, maxMarks: 4, lookback: 20 } as const;
  const rates = { inputUncached: 100n, cacheRead: 25n, cacheWrite5m: 110n, cacheWriteOther: 160n };
  expect(cacheRules({ ...cache, ttlSeconds: [3600, 300] }, rates).classes).toEqual([
    { ttlSeconds: 300, writePrice: 1.1 },
    { ttlSeconds: 3600, writePrice: 2 },
  ]);
  const one = cacheRules({ ...cache, ttlSeconds: [1800] }, rates);
  expect(pricesOf(one)).toEqual({ saving: 0.75, shortPremium: 0.6000000000000001, longPremium: undefined });
  expect(cacheRules({ ...cache, ttlSeconds: [1800] }, { inputUncached: 0n, cacheRead: 0n }).readPrice).toBe(0.1);
});

test("models that cache by themselves write for nothing, and cannot be marked", () => {
  const automatic = cacheRules({ kind: "automatic", minTokens: 1024, stepTokens: 128, key: true, idleSeconds: 450 });
  expect(automatic).toMatchObject({ kind: "automatic", stepTokens: 128, minTokens: 1024, marksMax: 0, readPrice: 0.1 });
  expect(automatic.classes).toEqual([{ ttlSeconds: 450, writePrice: 1 }]);
  expect(cacheRules({ kind: "keyed", minTokens: 64, stepTokens: 64, idleSeconds: 300 }).kind).toBe("automatic");
  expect(cacheRules({ kind: "local", stepTokens: 16 })).toMatchObject({
    kind: "automatic",
    stepTokens: 16,
    readPrice: 0,
  });
  expect(cacheRules({ kind: "none" })).toBe(NO_CACHE);
});
