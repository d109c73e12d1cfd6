/** Whose billing a trace is replayed by: as the command line names it, or as the model table has it for a model. */
import { cacheRules } from "../../src/cache/rules.ts";
import { priceAt } from "../../src/model.ts";
import { createModelTable } from "../../src/models.ts";
import { type AutomaticRules, OPENAI_LEGACY } from "./automatic.ts";
import type { Fleet } from "./routing.ts";
import { ANTHROPIC, type MarkRules, OPENAI_5_6, type Ttl } from "./rules.ts";

export type Rules =
  | { readonly kind: "marks"; readonly rules: MarkRules }
  | { readonly kind: "keys"; readonly rules: AutomaticRules }
  | { readonly kind: "fleet"; readonly fleet: Fleet };

export const RULES_NAMES =
  "anthropic, openai-5.6, openai-legacy, or vllm:N,C with N replicas of C tokens (2000000, 2M)";

const UNITS: Readonly<Record<string, number>> = { k: 1e3, M: 1e6 };

/** @returns what is wrong with the name, as text. */
export function readRules(name: string, isGenerous: boolean, prefillShare: number): Rules | string {
  const marks = [ANTHROPIC, OPENAI_5_6].find((rules) => rules.name === name);
  if (marks !== undefined) return { kind: "marks", rules: { ...marks, isStrict: !isGenerous } };
  if (name === "openai-legacy") return { kind: "keys", rules: OPENAI_LEGACY };
  const [, count, capacity, unit = ""] = /^vllm:(\d{1,4}),(\d{1,12})([kM]?)$/.exec(name) ?? [];
  const capacityTokens = Number(capacity) * (UNITS[unit] ?? 1);
  const fleet = { replicas: Number(count), capacityTokens, prefillShare };
  if (!(fleet.replicas > 0 && fleet.capacityTokens > 0)) return `--rules must be ${RULES_NAMES}`;
  if (!(prefillShare > 0))
    return "--prefill must be above 0: what all replicas read, as a share of the tokens that come";
  return { kind: "fleet", fleet };
}

const TTLS: ReadonlyMap<number, Ttl> = new Map([
  [300, "5m"],
  [1800, "30m"],
  [3600, "1h"],
]);

/** As the model table has them at that time; `undefined`: it does not know the model, or its cache is of a kind that no replay has. */
export function rulesOfModel(model: string, atMs: number, isGenerous: boolean): Rules | undefined {
  const record = createModelTable().find(model);
  if (record === undefined) return undefined;
  const { cache } = record;
  const { readPrice, classes, minTokens, stepTokens, marksMax, lookback } = cacheRules(
    cache,
    priceAt(record, atMs)?.rates,
  );
  if (cache.kind === "automatic") {
    const { idleSeconds } = cache;
    return { kind: "keys", rules: { ...OPENAI_LEGACY, idleSeconds, readPrice, minTokens, stepTokens } };
  }
  const named = classes.flatMap(({ ttlSeconds, writePrice }) => {
    const ttl = TTLS.get(ttlSeconds);
    return ttl === undefined ? [] : [{ ttl, ttlSeconds, writePrice }];
  });
  if (cache.kind !== "marks" || named.length < classes.length) return undefined;
  const { prefillTokensPerSecond } = ANTHROPIC;
  const isStrict = !isGenerous;
  return {
    kind: "marks",
    rules: {
      name: record.id,
      readPrice,
      classes: named,
      minTokens,
      marksMax,
      lookback,
      prefillTokensPerSecond,
      isStrict,
    },
  };
}
