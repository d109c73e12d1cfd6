/**
 * Money that is reserved before a call is sent and settled after it: against every budget that the call falls under, or none.
 *
 * `reserve` is synchronous from the look to the taking, so that no number of calls at once gets more than there is. What is reserved is
 * the most that the call may cost; so a hard limit is never passed, as far as the ledger knows what calls cost.
 */
import type { GatewayError } from "../errors.ts";
import type { BudgetSums, BudgetSumsQuery } from "../ledger-budgets.ts";
import type { LedgerEntry, Reservation } from "../ledger.ts";
import type { Log } from "../log.ts";
import type { PicoUsd } from "../usage.ts";
import type { BudgetNotice, BudgetRule, BudgetStanding, BudgetState, BudgetSubject } from "./budget.ts";
import { chargedBy, reservedFor, settledTo } from "./charge.ts";
import type { Cell, Counter } from "./counter.ts";
import { refusalOf, unread, type Misfit } from "./refusal.ts";
import { subjectOf } from "./subject.ts";
import { Notices, type Level } from "./told.ts";
import { RuleBudgets } from "./values.ts";
import type { WorstCase } from "./worst-case.ts";

export interface BudgetDependencies {
  /** Sees everything that was settled before it is asked. */
  readonly read: (query: BudgetSumsQuery) => Promise<readonly BudgetSums[]>;
  readonly classNameOf: (id: string) => string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Pick<Log, "warn" | "error">;
}

/** One attempt, before it is sent. */
export interface BudgetCall {
  readonly attempt: string;
  readonly subject: BudgetSubject;
  readonly worst: WorstCase;
  /** When it starts, as its row says. */
  readonly atMs: number;
}

/** What was reserved for an attempt. Its settlement comes from the ledger. */
export interface Held {
  /** For its row, so that a crash forgets nothing; `undefined`: nobody can say. */
  readonly reserved: PicoUsd | undefined;
  /** Whether a limit is to hold whatever happens: then the row must be on disk before the call is sent. */
  readonly isHard: boolean;
}

/** What may still be spent for a call whose target is not chosen yet. */
export interface Allowance {
  /** The least that a `block` leaves; absent: none is there. */
  readonly left?: PicoUsd;
  /** What a task may cost, where a budget with `downgrade` is used up. */
  readonly task?: { readonly limit: PicoUsd; readonly rule: BudgetRule; readonly counter: Counter };
}

export interface Budgets {
  /** False where the config has none: then nothing needs to be asked. */
  readonly isOn: boolean;
  /** Tags that budgets are of. */
  readonly tags: readonly string[];
  /** @returns why the call must not be sent. */
  reserve(call: BudgetCall): Held | GatewayError;
  /** It was not sent, and has no row. */
  release(attempt: string): void;
  allowance(subject: BudgetSubject): Allowance;
  /** A ledger sink. */
  settled(entry: LedgerEntry): void;
  /** New rules; those that stay keep their money, what new ones are of is read from the ledger. @returns when it is read. */
  configure(rules: readonly BudgetRule[]): Promise<void>;
  /** Attempts of an earlier process whose answers are still being made. */
  opened(reservations: readonly Reservation[]): void;
  states(): readonly BudgetState[];
  onNotice(listener: (notice: BudgetNotice) => void): void;
}

export function createBudgets(dependencies: BudgetDependencies): Budgets {
  return new Book(dependencies);
}

/** An attempt's share in one budget. */
interface Part {
  readonly budgets: RuleBudgets;
  readonly counter: Counter;
  readonly cell: Cell;
  readonly amount: PicoUsd;
}

interface Charge {
  readonly subject: BudgetSubject;
  readonly worst: WorstCase;
  readonly atMs: number;
  readonly parts: Part[];
}

const READ_AGAIN_MS = 1_000;

class Book implements Budgets {
  tags: readonly string[] = [];
  #all: readonly RuleBudgets[] = [];
  readonly #byIdentity = new Map<string, RuleBudgets>();
  /** Reserved, not settled, by the attempt. */
  readonly #open = new Map<string, Charge>();
  readonly #dependencies: BudgetDependencies;
  readonly #notices = new Notices();
  #triedAtMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: BudgetDependencies) {
    this.#dependencies = dependencies;
  }

  get isOn(): boolean {
    return this.#all.length > 0;
  }

  reserve({ attempt, subject, worst, atMs: nowMs }: BudgetCall): Held | GatewayError {
    const parts: Part[] = [];
    let misfit: Misfit | undefined;
    let isHard = false;
    let most = worst.cost;
    for (const budgets of this.#all) {
      const counter = budgets.of(subject, nowMs);
      if (counter === undefined) continue;
      const { rule } = budgets;
      const cell = counter.at(nowMs);
      const amount = reservedFor(worst, rule);
      if (amount !== undefined && (most === undefined || amount > most)) most = amount;
      if (rule.action === "block" && rule.limit !== undefined) {
        isHard = true;
        if (!budgets.isRead) {
          this.#readAgain(nowMs);
          return unread(rule);
        }
        if (amount === undefined || counter.counted + amount > rule.limit) {
          this.#refused(rule, counter, cell, nowMs);
          const one = { rule, counter, amount };
          if (misfit === undefined || (isUnderWay(misfit) && !isUnderWay(one))) misfit = one;
        }
      }
      parts.push({ budgets, counter, cell, amount: amount ?? 0n });
    }
    if (misfit !== undefined) return refusalOf(misfit, worst, subject.target, nowMs);
    for (const { counter, cell, amount } of parts) counter.reserve(cell, amount);
    this.#open.set(attempt, { subject, worst, atMs: nowMs, parts });
    return { reserved: most, isHard };
  }

  release(attempt: string): void {
    const charge = this.#open.get(attempt);
    this.#open.delete(attempt);
    for (const { counter, cell, amount } of charge?.parts ?? []) counter.settle(cell, amount, 0n);
  }

  allowance(subject: BudgetSubject): Allowance {
    const nowMs = this.#dependencies.now();
    let left: PicoUsd | undefined;
    let task: Allowance["task"];
    for (const budgets of this.#all) {
      const { rule } = budgets;
      if (rule.limit === undefined || rule.action === "notify") continue;
      const counter = budgets.of(subject, nowMs);
      if (counter === undefined) continue;
      counter.at(nowMs);
      const { counted } = counter;
      if (rule.action === "block") {
        const ofThis = rule.limit > counted ? rule.limit - counted : 0n;
        if (left === undefined || ofThis < left) left = ofThis;
      } else if (counted >= rule.limit && rule.taskLimit !== undefined) {
        this.#notices.tell("downgraded", rule, counter, nowMs);
        if (task === undefined || rule.taskLimit < task.limit) task = { limit: rule.taskLimit, rule, counter };
      }
    }
    return { ...(left === undefined ? {} : { left }), ...(task === undefined ? {} : { task }) };
  }

  settled(entry: LedgerEntry): void {
    const charge = this.#open.get(entry.attempt) ?? this.#unreserved(entry);
    if (charge === undefined) return;
    this.#open.delete(entry.attempt);
    const nowMs = this.#dependencies.now();
    for (const { budgets, counter, cell, amount } of charge.parts) {
      const { rule } = budgets;
      // What counts now, before it is changed.
      counter.at(nowMs);
      counter.settle(cell, amount, settledTo(entry, amount, rule));
      if (entry.costBasis === "unpriced") {
        cell.unpriced += 1;
        counter.unpricedInAll += 1;
        this.#notices.tell("unpriced", rule, counter, nowMs);
      }
      this.#notices.levels(budgets.levels, rule, counter, nowMs);
    }
  }

  async configure(rules: readonly BudgetRule[]): Promise<void> {
    const before = new Map(this.#byIdentity);
    this.#byIdentity.clear();
    this.#all = rules.map((rule) => {
      const identity = this.#identityOf(rule);
      const budgets = before.get(identity) ?? this.#made(rule);
      budgets.rule = rule;
      this.#byIdentity.set(identity, budgets);
      return budgets;
    });
    this.tags = [...new Set(rules.flatMap(({ tag }) => tag ?? []))];
    await this.#readAll();
  }

  opened(reservations: readonly Reservation[]): void {
    for (const reservation of reservations) {
      if (this.#open.has(reservation.attempt)) continue;
      const worst = { promptTokens: 0, outputTokens: 0, cost: chargedBy(reservation) };
      const charge = { subject: subjectOf(reservation), worst, atMs: reservation.startedAtMs, parts: [] };
      this.#open.set(reservation.attempt, charge);
      for (const budgets of this.#all) this.#join(charge, budgets);
    }
  }

  states(): readonly BudgetState[] {
    const nowMs = this.#dependencies.now();
    return this.#all.flatMap((budgets) => {
      // A rule that names one value shows it from the start, and the global one is always there.
      const { scope, of } = budgets.rule;
      if (scope === "global") budgets.counter("", nowMs);
      else if (of !== undefined && !of.endsWith("*") && scope !== "class") budgets.counter(of, nowMs);
      return [...budgets.counters].map((counter) => stateOf(budgets, counter, nowMs));
    });
  }

  onNotice(listener: (notice: BudgetNotice) => void): void {
    this.#notices.listen(listener);
  }

  #refused(rule: BudgetRule, counter: Counter, cell: Cell, nowMs: number): void {
    cell.refused += 1;
    counter.refusedInAll += 1;
    this.#notices.tell("refused", rule, counter, nowMs);
  }

  /** An attempt that was sent before there were budgets, or by a process before this one. */
  #unreserved(entry: LedgerEntry): Charge | undefined {
    if (!this.isOn || entry.costBasis === "not-billed") return undefined;
    const worst = { promptTokens: 0, outputTokens: 0, cost: 0n };
    const charge: Charge = { subject: subjectOf(entry), worst, atMs: entry.startedAtMs, parts: [] };
    for (const budgets of this.#all) this.#join(charge, budgets);
    return charge;
  }

  #join(charge: Charge, budgets: RuleBudgets): void {
    const nowMs = this.#dependencies.now();
    const counter = budgets.of(charge.subject, nowMs);
    if (counter === undefined) return;
    counter.at(nowMs);
    const cell = counter.cell(budgets.clock.keyOf(charge.atMs));
    const amount = reservedFor(charge.worst, budgets.rule) ?? 0n;
    counter.reserve(cell, amount);
    charge.parts.push({ budgets, counter, cell, amount });
  }

  /** Two rules that say the same of the same count apart. */
  #identityOf({ scope, tag, of, window }: BudgetRule): string {
    const said = JSON.stringify([scope, tag, of, window]);
    let count = 0;
    while (this.#byIdentity.has(`${said}#${count}`)) count += 1;
    return `${said}#${count}`;
  }

  /** What is under way counts at once; what is settled is read. */
  #made(rule: BudgetRule): RuleBudgets {
    const budgets = new RuleBudgets(rule, this.#dependencies.classNameOf);
    for (const charge of this.#open.values()) this.#join(charge, budgets);
    return budgets;
  }

  #readAgain(nowMs: number): void {
    if (Math.abs(nowMs - this.#triedAtMs) >= READ_AGAIN_MS) void this.#readAll();
  }

  readonly #reading = new Set<RuleBudgets>();

  /**
   * The question is asked at once, and sees what was settled until now and nothing that comes later: that counts in memory. One that
   * is to be asked again counts from then on anew.
   */
  async #readAll(): Promise<void> {
    const nowMs = this.#dependencies.now();
    this.#triedAtMs = nowMs;
    const due = this.#all.filter((budgets) => !budgets.isRead && !this.#reading.has(budgets));
    await Promise.all(due.map((budgets) => this.#read(budgets, nowMs)));
  }

  async #read(budgets: RuleBudgets, nowMs: number): Promise<void> {
    const { rule, clock } = budgets;
    this.#reading.add(budgets);
    const missed = [...budgets.counters].flatMap((counter) =>
      [...counter.cells].map((cell) => ({ counter, cell, spent: cell.spent, unpriced: cell.unpriced })),
    );
    try {
      const sums = await this.#dependencies.read({
        scope: rule.scope,
        ...(rule.tag === undefined ? {} : { tag: rule.tag }),
        sinceMs: clock.sinceOf(nowMs),
        ...(clock.sliceMs === undefined ? {} : { sliceMs: clock.sliceMs }),
      });
      // What was settled since a reading that failed is among the rows now.
      for (const { counter, cell, spent, unpriced } of missed) {
        counter.recall(cell, -spent);
        cell.unpriced -= unpriced;
      }
      for (const row of sums) this.#recall(budgets, row, nowMs);
      budgets.isRead = true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#dependencies.log.error("budget-unread", { budget: rule.name, reason });
    } finally {
      this.#reading.delete(budgets);
    }
  }

  #recall(budgets: RuleBudgets, { subject, atMs, spent, unpriced, unpricedTokens }: BudgetSums, nowMs: number): void {
    const counter = budgets.of(subject, nowMs);
    if (counter === undefined) return;
    counter.at(nowMs);
    const cell = counter.cell(budgets.clock.keyOf(atMs));
    const { unpricedPerToken = 0n } = budgets.rule;
    counter.recall(cell, spent + BigInt(unpricedTokens) * unpricedPerToken);
    cell.unpriced += unpriced;
  }
}

/** Whether only calls under way are in its way. */
function isUnderWay({ rule: { limit = 0n }, counter, amount }: Misfit): boolean {
  return amount !== undefined && counter.spent + amount <= limit;
}

function stateOf({ rule, levels }: RuleBudgets, counter: Counter, nowMs: number): BudgetState {
  counter.at(nowMs);
  return {
    rule,
    value: counter.value,
    window: counter.clock.spanOf(nowMs),
    spent: counter.spent,
    reserved: counter.reserved,
    unpricedCalls: counter.unpriced,
    refusedCalls: counter.refused,
    standing: standingOf(rule, levels, counter),
    spentInAll: counter.spentInAll,
    unpricedInAll: counter.unpricedInAll,
    refusedInAll: counter.refusedInAll,
  };
}

function standingOf({ limit, action }: BudgetRule, [first]: readonly Level[], counter: Counter): BudgetStanding {
  if (limit === undefined) return "within";
  const isNear = counter.spent >= (first?.amount ?? limit);
  // The last of it is too little for the calls that come.
  if (counter.spent >= limit || (action === "block" && isNear && counter.refused > 0)) return "reached";
  return isNear ? "near" : "within";
}
