/** Prompts as the planner sees them, from the names of their blocks: equal names from the start are an equal prefix. */
import type { CacheRules } from "../src/cache/rules.ts";
import type { PlannedPrompt } from "../src/cache/planner.ts";

export const BLOCK_TOKENS = 1000;

/** @param names A block each, of a thousand tokens. */
export function prompt(names: readonly string[], options: Partial<PlannedPrompt> = {}): PlannedPrompt {
  const hashes = new Uint32Array(2 * names.length);
  const tokens = new Uint32Array(names.length);
  let low = 1;
  let high = 2;
  for (const [place, name] of names.entries()) {
    for (const letter of `${name}\u0000`) {
      low = Math.imul(low ^ letter.charCodeAt(0), 0x01_00_01_93) >>> 0;
      high = Math.imul(high ^ low, 0x85_eb_ca_6b) >>> 0;
    }
    hashes[2 * place] = low;
    hashes[2 * place + 1] = high;
    tokens[place] = (place + 1) * BLOCK_TOKENS;
  }
  return {
    tenant: "acme",
    hashes,
    tokens,
    staticPlace: -1,
    promptTokens: names.length * BLOCK_TOKENS,
    lastKind: "user",
    ...options,
  };
}

/** So many blocks that nobody else has. */
export function own(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`);
}

export const TWO_CLASSES: CacheRules = {
  kind: "marks",
  readPrice: 0.1,
  classes: [
    { ttlSeconds: 300, writePrice: 1.25 },
    { ttlSeconds: 3600, writePrice: 2 },
  ],
  minTokens: 1024,
  stepTokens: 1,
  marksMax: 4,
  lookback: 20,
  isStrict: true,
};

export const ONE_CLASS: CacheRules = {
  ...TWO_CLASSES,
  classes: [{ ttlSeconds: 1800, writePrice: 1.25 }],
  lookback: 80,
};
