/** A budget's notice as a message. It stands for as long as its window: what is spent of that does not become less. */
import type { BudgetNotice } from "../budgets/budget.ts";
import { usdNumber } from "../usage.ts";
import type { Message } from "./message.ts";
import { dollars, nameIn, percent, scopeText, type NameOf } from "./wording.ts";

export function budgetMessage(notice: BudgetNotice, nameOf: NameOf): Message {
  const { id, kind, budget, scope, value, level, window, spent, reserved, limit, atMs } = notice;
  const name = nameIn(scope, value, nameOf);
  const isOver = kind === "refused" || (kind === "level" && level !== undefined && level >= 1);
  return {
    id: `budget|${id}`,
    news: "budgets",
    type: `budget.${kind}`,
    about: `budget|${id}`,
    isResolved: false,
    severity: isOver ? "critical" : "warning",
    title: titleOf(notice, name ?? value),
    text: textOf(notice),
    atMs,
    startsAtMs: atMs,
    // A rolling window ends now, always: what it says of itself holds for its length.
    endsAtMs: window.endMs > atMs ? window.endMs : atMs + (window.endMs - window.startMs),
    labels: {
      alertname: "SluiceBudget",
      budget,
      scope,
      ...(value === "" ? {} : { value }),
      notice: kind,
      ...(level === undefined ? {} : { level: String(level) }),
    },
    facts: {
      notice: id,
      budget,
      scope,
      value,
      value_name: name ?? null,
      level: level ?? null,
      window_start: new Date(window.startMs).toISOString(),
      window_end: new Date(window.endMs).toISOString(),
      spent_usd: usdNumber(spent),
      reserved_usd: usdNumber(reserved),
      limit_usd: limit === undefined ? null : usdNumber(limit),
    },
    fields: [
      ["Spent", dollars(spent)],
      ["Under way, at most", dollars(reserved)],
      ...(limit === undefined ? [] : [["Limit", dollars(limit)] as const]),
    ],
  };
}

function titleOf({ kind, budget, scope, level }: BudgetNotice, name: string): string {
  const of = `budget \`${budget}\`, ${scopeText(scope, undefined, name)}`;
  switch (kind) {
    case "level":
      return `${percent(level ?? 1)} of its limit is spent: ${of}`;
    case "refused":
      return `Calls are refused: ${of}`;
    case "downgraded":
      return `Calls go to cheap targets only: ${of}`;
    case "unpriced":
      return `Calls whose cost nobody knows: ${of}`;
  }
}

function textOf({ kind, spent, reserved, limit }: BudgetNotice): string {
  const of = limit === undefined ? "" : ` of ${dollars(limit)}`;
  const so = `${dollars(spent)}${of} is spent, and calls under way may cost ${dollars(reserved)} more.`;
  switch (kind) {
    case "level":
      return so;
    case "refused":
      return `${so} A call that may cost more than is left was not sent, and more like it will not be until the window ends or the limit is raised.`;
    case "downgraded":
      return `${so} From now on only targets are called that are expected to finish a task for what the budget says.`;
    case "unpriced":
      return `${so} A call went to a model without a price, or was never heard of again: what counts for it is in docs/budgets.md.`;
  }
}
