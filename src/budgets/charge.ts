/** What an attempt counts in a budget: at most before it is settled, and then what it cost, or what stands for that. */
import type { LedgerEntry, Reservation } from "../ledger.ts";
import { promptTokens, type PicoUsd } from "../usage.ts";
import type { BudgetRule } from "./budget.ts";
import type { WorstCase } from "./worst-case.ts";

/** @returns `undefined` where nothing says what the model costs. */
export function reservedFor(
  { cost, promptTokens, outputTokens }: WorstCase,
  { unpricedPerToken }: BudgetRule,
): PicoUsd | undefined {
  if (cost !== undefined || unpricedPerToken === undefined) return cost;
  return BigInt(promptTokens + Math.ceil(outputTokens)) * unpricedPerToken;
}

/** What is reserved by a row that is open: what its writer said, or expected. */
export function chargedBy({ reserved, estimate }: Pick<Reservation, "reserved" | "estimate">): PicoUsd | undefined {
  return reserved ?? estimate;
}

/**
 * What a settled attempt counts. One of which nothing more was heard, and one whose cost nobody knows (served at another price than
 * the one we know) count as what was reserved; tokens of a model without a price at what the rule takes them to cost.
 */
export function settledTo(entry: LedgerEntry, reserved: PicoUsd, { unpricedPerToken }: BudgetRule): PicoUsd {
  const { outcome, cost, costBasis, usage, priceVersion } = entry;
  if (costBasis === "not-billed") return 0n;
  const most = reserved > 0n ? reserved : (chargedBy(entry) ?? 0n);
  if (outcome === "lost") return cost !== undefined && cost > most ? cost : most;
  if (cost !== undefined) return cost;
  const prompt = promptTokens(usage);
  if (priceVersion !== undefined || prompt === undefined || usage.output === undefined) return most;
  // Where nothing says what they cost, they are counted apart.
  return BigInt(prompt + usage.output) * (unpricedPerToken ?? 0n);
}
