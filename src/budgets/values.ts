/**
 * A rule's budgets: one for each value of its scope. Callers may make values up (tags, task classes), so that there is a bound: those
 * beyond it share one budget, which never lets more be spent than each having its own would.
 */
import { NO_VALUE, OTHER_VALUES, type BudgetRule, type BudgetSubject } from "./budget.ts";
import { Counter, windowClock, type WindowClock } from "./counter.ts";
import { levelsOf, type Level } from "./told.ts";

export { NO_VALUE, OTHER_VALUES };

/** Of one rule. */
export const VALUES_MAX = 1_000;

export class RuleBudgets {
  readonly clock: WindowClock;
  /** False until what was spent before is read from the ledger. */
  isRead = false;
  #rule: BudgetRule;
  #levels: readonly Level[];
  readonly #counters = new Map<string, Counter>();
  readonly #classNameOf: (id: string) => string | undefined;

  constructor(rule: BudgetRule, classNameOf: (id: string) => string | undefined) {
    this.#rule = rule;
    this.#levels = levelsOf(rule);
    this.clock = windowClock(rule.window);
    this.#classNameOf = classNameOf;
  }

  get rule(): BudgetRule {
    return this.#rule;
  }

  /** Another limit, action or name; what it is of stays. */
  set rule(rule: BudgetRule) {
    this.#rule = rule;
    this.#levels = levelsOf(rule);
  }

  get levels(): readonly Level[] {
    return this.#levels;
  }

  /** The budget that a call falls under; `undefined`: none of this rule. */
  of(subject: BudgetSubject, nowMs: number): Counter | undefined {
    const value = this.valueOf(subject);
    return value === undefined ? undefined : this.counter(value, nowMs);
  }

  valueOf(subject: BudgetSubject): string | undefined {
    const { rule } = this;
    switch (rule.scope) {
      case "global":
        return "";
      case "key":
        return this.#fitting(subject.key ?? NO_VALUE);
      case "team":
        return this.#fitting(subject.team);
      case "class":
        return this.#fitting(subject.taskClass ?? NO_VALUE);
      case "target":
        return this.#fitting(subject.target);
      case "provider":
        return this.#fitting(subject.provider);
      case "tag":
        return this.#fitting(subject.tags[rule.tag ?? ""] ?? NO_VALUE);
    }
  }

  counter(value: string, nowMs: number): Counter {
    const known = this.#counters.get(value);
    if (known !== undefined) return known;
    if (this.#counters.size >= VALUES_MAX && !this.#makeRoom(nowMs)) return this.#other();
    return this.#added(value);
  }

  get counters(): Iterable<Counter> {
    return this.#counters.values();
  }

  /** Each of the rule's, as far as it names some. */
  #fitting(value: string | undefined): string | undefined {
    const { of } = this.rule;
    if (of === undefined || value === undefined || value === of) return value;
    const name = this.rule.scope === "class" ? this.#classNameOf(value) : undefined;
    if (!of.endsWith("*")) return name === of ? value : undefined;
    const begins = of.slice(0, -1);
    return value.startsWith(begins) || name?.startsWith(begins) === true ? value : undefined;
  }

  #added(value: string): Counter {
    const made = new Counter(value, this.clock);
    this.#counters.set(value, made);
    return made;
  }

  #other(): Counter {
    return this.#counters.get(OTHER_VALUES) ?? this.#added(OTHER_VALUES);
  }

  /** Looked for at most once a second: who makes up values must not make us look through all of them each time. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  #makeRoom(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#lookedAtMs) < 1_000) return false;
    this.#lookedAtMs = nowMs;
    let hasRoom = false;
    for (const [value, counter] of this.#counters) {
      if (!counter.isIdle(nowMs)) continue;
      this.#counters.delete(value);
      hasRoom = true;
    }
    return hasRoom;
  }
}
