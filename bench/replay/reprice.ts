/** What an attempt costs at its own target, where its tokens are known: the same arithmetic that billed it. */
import { costOf, ratesFor, promptTokens, type PicoUsd, type Price, type Usage } from "../../src/usage.ts";
import { timesAmount } from "./price-rules.ts";
import type { RecordedAttempt } from "./recorded-task.ts";
import type { TargetBook } from "./target-book.ts";

/**
 * `exact`: computed anew from its tokens, and under the price that it was paid at that is what the ledger says. `carried`: what the ledger
 * says, as its tokens or its price are not known here. `unknown`: nobody knows what it cost, or would cost. `free`: it is not billed.
 */
export interface Repriced {
  readonly kind: "exact" | "carried" | "unknown" | "free" | "open";
  readonly cost: PicoUsd | undefined;
  /** Why it is carried, or unknown. */
  readonly why?: Carried;
}

export type Carried =
  | "lost, or its tokens are not known"
  | "its price is not known here"
  | "billed otherwise than by its tokens"
  | "unpriced";

export function repriced(
  attempt: RecordedAttempt,
  book: TargetBook,
): { readonly asItWas: Repriced; readonly under: Repriced } {
  const asItWas = again(attempt, book);
  const rule = attempt.target === undefined ? undefined : book.ruleOf(attempt.target);
  if (rule === undefined || asItWas.kind === "free" || asItWas.kind === "open") return { asItWas, under: asItWas };
  const { target = "", startedAtMs, tokens, costPicoUsd } = attempt;
  const { change } = rule;
  if (change.kind === "times" && asItWas.kind === "carried" && costPicoUsd !== undefined)
    return { asItWas, under: { ...asItWas, cost: timesAmount(costPicoUsd, change.factor) } };
  // A price that is known, and did not do, is of another tier than this one: what that costs elsewhere is not known either.
  if (asItWas.kind === "unknown" && attempt.priceVersion !== undefined) return { asItWas, under: asItWas };
  const paid = attempt.priceVersion === undefined ? undefined : book.paid(attempt.priceVersion, target, startedAtMs);
  const price = book.under(target, startedAtMs)?.price;
  const scaled = change.kind === "times" && paid !== undefined ? book.times(paid, change) : price;
  const cost = scaled === undefined ? undefined : billOf(tokens, scaled);
  if (cost !== undefined) return { asItWas, under: { kind: "exact", cost } };
  return { asItWas, under: asItWas };
}

/** As it was billed. */
function again(attempt: RecordedAttempt, book: TargetBook): Repriced {
  const { outcome, costBasis, costPicoUsd, tokens, target, priceVersion, startedAtMs } = attempt;
  if (outcome === "open") return { kind: "open", cost: undefined };
  if (costBasis === "not-billed") return { kind: "free", cost: costPicoUsd ?? 0n };
  if (costPicoUsd === undefined) return { kind: "unknown", cost: undefined, why: "unpriced" };
  const carried = (why: Carried): Repriced => ({ kind: "carried", cost: costPicoUsd, why });
  if (outcome === "lost" || promptTokens(tokens) === undefined || tokens.output === undefined)
    return carried("lost, or its tokens are not known");
  const price = priceVersion === undefined ? undefined : book.paid(priceVersion, target ?? "", startedAtMs);
  if (price === undefined) return carried("its price is not known here");
  return billOf(tokens, price) === costPicoUsd
    ? { kind: "exact", cost: costPicoUsd }
    : carried("billed otherwise than by its tokens");
}

/** Where a price has no rate for reads, the whole prompt is billed at the full one. */
export function billOf(usage: Usage, price: Price): PicoUsd | undefined {
  const cost = costOf(usage, price);
  if (cost !== undefined || usage.inputUncached === undefined || usage.cacheRead === undefined) return cost;
  if (ratesFor(price, promptTokens(usage) ?? 0).cacheRead !== undefined) return undefined;
  return costOf({ ...usage, inputUncached: usage.inputUncached + usage.cacheRead, cacheRead: 0 }, price);
}
