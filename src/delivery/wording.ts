/** Numbers and names as people read them. */
import type { BudgetScope } from "../budgets/budget.ts";
import { usdNumber, usdText, type PicoUsd } from "../usage.ts";

const CENT = 10_000_000_000n;
/** What a name of somebody else's may take in a sentence. */
const NAME_CHARACTERS_MAX = 80;

/** To the cent; what is less than ten of them, exactly. */
export function dollars(amount: PicoUsd): string {
  const isSmall = amount < 10n * CENT && amount > -10n * CENT;
  return amount < 0n ? `-${dollars(-amount)}` : isSmall ? `$${usdText(amount)}` : `$${usdNumber(amount).toFixed(2)}`;
}

/** `1.8×`. */
export function multiple(ratio: number): string {
  return `${Number(ratio.toFixed(ratio < 10 ? 2 : 0))}×`;
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

/** What a class is called that is derived from its prompts. */
export type NameOf = (className: string) => string | undefined;

/** `undefined`: by its value. */
export function nameIn(scope: BudgetScope, value: string, nameOf: NameOf): string | undefined {
  return scope === "class" ? nameOf(value) : undefined;
}

/** `everything`, "key `batch`". */
export function scopeText(scope: BudgetScope, tag: string | undefined, value: string): string {
  if (scope === "global") return "everything";
  const name = scope === "tag" ? (tag ?? "tag") : scope;
  // Whoever reads this is to see one name, whatever somebody wrote into a tag.
  const shown = value.replace(/[\p{C}`]/gu, "").slice(0, NAME_CHARACTERS_MAX);
  return `${name} \`${shown}\``;
}
