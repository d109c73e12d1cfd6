/** What each value of a scope spent lately: counted as rows are settled, and read from the ledger at the start. Bounded. */
import type { BudgetRule, BudgetSubject } from "../budgets/budget.ts";
import { subjectOf, subjectWith } from "../budgets/subject.ts";
import { OTHER_VALUES, RuleBudgets } from "../budgets/values.ts";
import type { LedgerEntry } from "../ledger.ts";
import type { SpendSlots } from "../ledger-spend-slots.ts";
import type { PicoUsd } from "../usage.ts";
import type { AlertRule } from "./alert.ts";
import { HISTORY_DAYS, slotOf, SLOT_MS, Spend } from "./spend.ts";

/** Of one scope. Those that come later share one, `other`. */
export const ALERT_VALUES_MAX = 200;

type Of = Pick<AlertRule, "scope" | "tag" | "of">;

export class SpendBook {
  readonly of: Of;
  readonly spends: Map<string, Spend> = new Map();
  /** False until what was spent before is read from the ledger. */
  isRead = false;
  readonly #valueOf: (subject: BudgetSubject) => string | undefined;

  constructor(of: Of, classNameOf: (id: string) => string | undefined) {
    this.of = of;
    const rule: BudgetRule = {
      ...of,
      name: "",
      window: { kind: "rolling", lengthMs: SLOT_MS },
      action: "notify",
      notifyAt: [],
    };
    const budgets = new RuleBudgets(rule, classNameOf);
    this.#valueOf = (subject) => budgets.valueOf(subject);
    if (of.scope === "global") this.#spend("");
  }

  settled(entry: LedgerEntry): void {
    const { outcome, costBasis } = entry;
    if (outcome === "rejected" || costBasis === "not-billed") return;
    const value = this.#valueOf(subjectOf(entry));
    if (value === undefined) return;
    this.#spend(value).add(slotOf(entry.startedAtMs), chargeOf(entry), costBasis === "unpriced" ? 1 : 0);
  }

  /** @param nowMs What is said to have begun later is of a clock that was wrong. */
  recall({ values, valueOf, slots, amounts, unpriced }: SpendSlots, nowMs: number): void {
    const own = values.map((value) => this.#valueOf(subjectWith(this.of.scope, this.of.tag ?? "", value ?? undefined)));
    // In their order: who spent most has one of its own.
    for (const value of own) if (value !== undefined) this.#spend(value);
    for (const [at, slot] of slots.entries()) {
      const value = own[valueOf[at] ?? -1];
      if (value === undefined || slot > slotOf(nowMs) + 1) continue;
      this.#spend(value).add(slot, amounts[at] ?? 0n, unpriced[at] ?? 0);
    }
  }

  /** @returns since when rows count. */
  static sinceMs(nowMs: number): number {
    return (slotOf(nowMs) - (HISTORY_DAYS * 86_400_000) / SLOT_MS + 1) * SLOT_MS;
  }

  #spend(value: string): Spend {
    const known = this.spends.get(value);
    if (known !== undefined) return known;
    if (this.spends.size >= ALERT_VALUES_MAX && value !== OTHER_VALUES) return this.#spend(OTHER_VALUES);
    const made = new Spend();
    this.spends.set(value, made);
    return made;
  }
}

/**
 * As the ledger's sums have it: what was billed, or what stands for that. Tokens of a model without a price are nothing here, and the
 * call is counted beside.
 */
function chargeOf(entry: LedgerEntry): PicoUsd {
  const { outcome, cost, reserved, estimate, costBasis, priceVersion, usage } = entry;
  const isCounted = usage.inputUncached !== undefined && usage.output !== undefined;
  if (costBasis === "unpriced" && priceVersion === undefined && isCounted) return 0n;
  const expected = reserved ?? estimate ?? 0n;
  const amount = cost ?? expected;
  const charge = outcome === "lost" && expected > amount ? expected : amount;
  // A price below nothing is none: see docs/alerts.md.
  return charge < 0n ? 0n : charge;
}
