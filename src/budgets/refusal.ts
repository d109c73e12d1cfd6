/**
 * What a caller is told whose call does not fit into a budget, and when to come back.
 *
 * A 402 where money is spent: no SDK tries that again by itself, as all do with a 429. `retry-after` says when the window begins anew,
 * `x-should-retry: false` that waiting a moment mends nothing. A 429 where only calls under way hold what is left: they give back what
 * they do not take. What is left, and of what, is only said of the caller's own budgets.
 */
import { GatewayError } from "../errors.ts";
import { usdText, type PicoUsd } from "../usage.ts";
import type { BudgetRule } from "./budget.ts";
import type { Counter } from "./counter.ts";
import type { WorstCase } from "./worst-case.ts";

export interface Misfit {
  readonly rule: BudgetRule;
  readonly counter: Counter;
  /** What the call may cost at most; `undefined`: its model has no price. */
  readonly amount: PicoUsd | undefined;
}

const BUSY_MS = 1_000;

export function refusalOf(
  { rule, counter, amount }: Misfit,
  { promptTokens, outputTokens }: WorstCase,
  target: string | undefined,
  nowMs: number,
): GatewayError {
  const { name, limit = 0n } = rule;
  if (amount === undefined) {
    return refused(
      `\`${target ?? "the model"}\` has no price, so that the budget \`${name}\` cannot bound it: name a model with a price, or have one configured (\`models\`, or \`unpricedUsdPerMillionTokens\` of the budget)`,
    );
  }
  const most = `this call may cost up to $${usdText(amount)} (${promptTokens} tokens of prompt and ${outputTokens} of answer at most)`;
  if (counter.spent + amount <= limit) {
    return new GatewayError(
      "busy",
      `${most}, and calls under way hold what is left of the budget \`${name}\`: try again in a moment, or lower the cap of the answer`,
      { retryAfterMs: BUSY_MS },
    );
  }
  const isOwn = rule.scope === "key" || rule.scope === "team";
  const left = limit > counter.spent ? limit - counter.spent : 0n;
  const own = isOwn ? ` ($${usdText(left)} of $${usdText(limit)} left)` : "";
  const fitsAtMs = counter.fitsAt(amount, limit, nowMs);
  if (fitsAtMs === undefined) {
    return refused(
      `${most}, which is more than the budget \`${name}\` allows at all${own}: lower the cap of the answer (\`max_tokens\`), or shorten the prompt`,
    );
  }
  const again = `it has room again at ${new Date(fitsAtMs).toISOString()}`;
  return refused(`${most}, and the budget \`${name}\` has less than that left${own}: ${again}`, fitsAtMs - nowMs);
}

/** While a rule's past is being read. */
export function unread({ name }: BudgetRule): GatewayError {
  return new GatewayError("busy", `what was spent of the budget \`${name}\` is being read: try again in a moment`, {
    retryAfterMs: BUSY_MS,
  });
}

/** No target is cheap enough for a budget that is used up. */
export function tooDear(rule: BudgetRule, counter: Counter, told: string, nowMs: number): GatewayError {
  const endMs = counter.fitsAt(1n, rule.limit ?? 0n, nowMs) ?? nowMs;
  return refused(
    `the budget \`${rule.name}\` is used up, and from then on only targets are called that finish the task for $${usdText(rule.taskLimit ?? 0n)}: ${told}; leave the choice open (\`auto\`), or come back at ${new Date(endMs).toISOString()}`,
    endMs - nowMs,
  );
}

function refused(message: string, retryAfterMs?: number): GatewayError {
  const options = retryAfterMs === undefined ? {} : { retryAfterMs: Math.max(1, retryAfterMs) };
  return new GatewayError("budget-exceeded", message, options);
}
