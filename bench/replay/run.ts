/**
 * Replays a ledger: once to learn of all its tasks what they take at which target, where anything is projected, and once in the order of
 * time, in which each task goes where it is asked to go and is billed again, or projected.
 *
 * Rows stream by. In memory are one task, the tasks that are open at one time, the production estimates (9 MB at most), sums of at most
 * 1,000 classes (with a server of one's own 5 kB each, else less), and its busy hours: some tens of megabytes, however long the ledger is.
 */
import { createEstimates, type Estimates } from "../../src/tasks/estimates.ts";
import type { TargetEstimates } from "../../src/tasks/estimates-class.ts";
import type { PicoUsd } from "../../src/usage.ts";
import type { OpenedLedger } from "./database.ts";
import { createChoice, type Choice } from "./choice.ts";
import { ServerLoad } from "./hardware.ts";
import { Learning } from "./learning.ts";
import { Projector, stepsOf, type Projection, type Step, type Work } from "./projection.ts";
import { endedTaskOf, recordedTasks, type RecordedAttempt, type RecordedTask } from "./recorded-task.ts";
import { repriced, type Repriced } from "./reprice.ts";
import type { Scenario } from "./scenario.ts";
import { Sums, type Verdict } from "./sums.ts";
import type { TargetBook } from "./target-book.ts";

type ReplayedLedger = Pick<OpenedLedger, "database" | "order">;

export interface Replayed {
  readonly sums: Sums;
  /** Milliseconds since the epoch; `undefined`: no task is counted. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
  /** Of all that the ledger has within the times asked for, whichever its class: so long a server would have been paid. */
  readonly hours: number;
  /** By target. */
  readonly servers: ReadonlyMap<string, ServerLoad>;
  /** What is believed of a class at a target, for what was projected. */
  readonly known: (className: string, target: string) => Known | undefined;
}

export interface Known {
  /** Tasks of the class that this target did alone, in all of the ledger. */
  readonly tasks: number;
  readonly estimates: TargetEstimates;
}

/** Class and target pairs whose tasks are counted. */
const PAIRS_MAX = 100_000;
/** Classes of which it is known whether they call tools. */
const TOOLED_MAX = 100_000;

export function replay(ledger: ReplayedLedger, book: TargetBook, scenario: Scenario): Replayed {
  const moves = scenario.targets !== undefined;
  const learned = moves ? learn(ledger, book) : undefined;
  return new Run(ledger, book, scenario, learned).replayed();
}

interface Learned {
  readonly projector: Projector;
  readonly pairs: ReadonlyMap<string, number>;
  readonly tooled: ReadonlySet<string>;
}

function learn(ledger: ReplayedLedger, book: TargetBook): Learned {
  const estimates = estimatesFor(book);
  const learning = new Learning(estimates);
  const pairs = new Map<string, number>();
  const tooled = new Set<string>();
  let lastMs = 0;
  for (const task of recordedTasks(ledger, () => undefined)) {
    learning.until(task.startedAtMs);
    lastMs = Math.max(lastMs, task.startedAtMs);
    if (callsTools(task) && tooled.size < TOOLED_MAX) tooled.add(task.className);
    const ended = endedTaskOf(task);
    if (ended === undefined) continue;
    learning.add(ended);
    const [only] = ended.legs;
    if (ended.legs.length !== 1 || only === undefined) continue;
    const key = pairOf(task.className, only.target);
    if (pairs.has(key) || pairs.size < PAIRS_MAX) pairs.set(key, (pairs.get(key) ?? 0) + 1);
  }
  learning.all();
  return { projector: new Projector(estimates, (name) => book.under(name, lastMs)), pairs, tooled };
}

function estimatesFor(book: TargetBook): Estimates {
  return createEstimates({ tokenRatio: (target) => book.tokenRatio(target) });
}

function callsTools({ attempts }: RecordedTask): boolean {
  return attempts.some(({ finishReason }) => finishReason === "tool-calls");
}

function pairOf(className: string, target: string): string {
  return `${className}\u0000${target}`;
}

/** What the rows of one task come to. */
interface Rows {
  known: PicoUsd;
  isUnknown: boolean;
  present: PicoUsd;
  isPresentUnknown: boolean;
}

class Run {
  readonly #ledger: ReplayedLedger;
  readonly #book: TargetBook;
  readonly #scenario: Scenario;
  readonly #learned: Learned | undefined;
  readonly #choice: Choice | undefined;
  readonly #learning: Learning | undefined;
  readonly #sums = new Sums();
  readonly #servers: ReadonlyMap<string, ServerLoad>;
  /** As far as they show at the time of each task. */
  readonly #tooled = new Set<string>();
  /** A tenant of each class, of whose estimates it is told. */
  readonly #tenants = new Map<string, string>();
  #rows: Rows = emptyRows();
  readonly #counted = new Span();
  readonly #all = new Span();

  constructor(ledger: ReplayedLedger, book: TargetBook, scenario: Scenario, learned: Learned | undefined) {
    this.#ledger = ledger;
    this.#book = book;
    this.#scenario = scenario;
    this.#learned = learned;
    const { targets, policy, keepNamed, classRules, hardware, seed } = scenario;
    this.#servers = new Map(hardware.map((one) => [one.target, new ServerLoad(one, seed)]));
    if (targets === undefined) return;
    const estimates = estimatesFor(book);
    // Only who chooses has to learn.
    this.#learning = policy === undefined ? undefined : new Learning(estimates);
    this.#choice = createChoice({ book, targets, policy, keepNamed, classRules, estimates });
  }

  replayed(): Replayed {
    const told = (attempt: RecordedAttempt, className: string, startedAtMs: number) =>
      this.#addAttempt(attempt, className, startedAtMs);
    for (const task of recordedTasks(this.#ledger, told)) {
      this.#learning?.until(task.startedAtMs);
      if (this.#isCounted(task.className, task.startedAtMs)) this.#addTask(task);
      this.#rows = emptyRows();
      if (this.#learning === undefined) continue;
      if (callsTools(task) && this.#tooled.size < TOOLED_MAX) this.#tooled.add(task.className);
      const ended = endedTaskOf(task);
      if (ended !== undefined) this.#learning.add(ended);
    }
    return {
      sums: this.#sums,
      firstMs: this.#counted.firstMs,
      lastMs: this.#counted.lastMs,
      hours: this.#all.hours,
      servers: this.#servers,
      known: (className, target) => this.#known(className, target),
    };
  }

  #isWithin(startedAtMs: number): boolean {
    const { sinceMs, untilMs } = this.#scenario;
    return (sinceMs === undefined || startedAtMs >= sinceMs) && (untilMs === undefined || startedAtMs < untilMs);
  }

  #isCounted(className: string, startedAtMs: number): boolean {
    return this.#isWithin(startedAtMs) && (this.#scenario.classes?.includes(className) ?? true);
  }

  #addAttempt(attempt: RecordedAttempt, className: string, startedAtMs: number): void {
    if (this.#isWithin(startedAtMs)) this.#all.add(attempt.startedAtMs);
    if (!this.#isCounted(className, startedAtMs)) return;
    this.#counted.add(attempt.startedAtMs);
    const { asItWas, under } = repriced(attempt, this.#book);
    this.#sums.addAttempt(className, asItWas);
    const rows = this.#rows;
    rows.known += asItWas.cost ?? 0n;
    rows.present += under.cost ?? 0n;
    if (isUnknown(asItWas)) rows.isUnknown = true;
    if (isUnknown(under)) rows.isPresentUnknown = true;
  }

  #addTask(task: RecordedTask): void {
    const { known, isUnknown, present, isPresentUnknown } = this.#rows;
    const { className } = task;
    const steps = this.#choice === undefined ? undefined : stepsOf(task);
    if (this.#tenants.size < PAIRS_MAX) this.#tenants.set(className, task.tenant);
    const verdict: Verdict = {
      was: isUnknown ? undefined : known,
      wasKnown: known,
      present: isPresentUnknown ? undefined : present,
      success: task.outcome?.success,
      goes: this.#goes(task, steps),
      checked: isPresentUnknown ? undefined : this.#checked(task, steps),
    };
    this.#sums.addTask(className, verdict);
    const { goes } = verdict;
    if (goes.kind !== "moves") return;
    const paid = verdict.present === undefined ? undefined : Number(verdict.present);
    const { projection, seen, target } = goes;
    this.#servers.get(target)?.add(className, `${task.tenant} ${task.id}`, projection.work, seen, paid);
  }

  #goes(task: RecordedTask, steps: readonly Step[] | undefined): Verdict["goes"] {
    const stays = { kind: "stays", why: undefined } as const;
    if (this.#choice === undefined || this.#learned === undefined) return stays;
    if (steps === undefined) return { kind: "apart" };
    const chosen = this.#choice.of(task, steps, this.#tooled.has(task.className));
    if (chosen.target === undefined) return { kind: "stays", why: chosen.stays };
    if (steps.every(({ target }) => target === chosen.target)) {
      const work = this.#servers.has(chosen.target) ? workOf(task) : undefined;
      if (work === undefined) return stays;
      // What a server of one's own costs is not what its calls cost.
      return { kind: "moves", target: chosen.target, seen: true, projection: asSeen(Number(this.#rows.present), work) };
    }
    const target = this.#book.offered(chosen.target, task.startedAtMs);
    const hasTools = this.#learned.tooled.has(task.className);
    const projection = target && this.#learned.projector.project(task, steps, target, hasTools);
    return projection === undefined
      ? { kind: "apart" }
      : { kind: "moves", target: chosen.target, seen: false, projection };
  }

  /** What is known is projected as well, as if it were not, where it went on one target: by that it shows how far projections are off. */
  #checked(task: RecordedTask, steps: readonly Step[] | undefined): Verdict["checked"] {
    const name = steps?.[0]?.target;
    if (steps === undefined || name === undefined || this.#learned === undefined) return undefined;
    if (this.#scenario.targets?.includes(name) !== true || this.#servers.has(name)) return undefined;
    if (!steps.every(({ target }) => target === name)) return undefined;
    const target = this.#book.under(name, task.startedAtMs);
    const hasTools = this.#learned.tooled.has(task.className);
    const projection = target && this.#learned.projector.project(task, steps, target, hasTools);
    return projection === undefined ? undefined : { target: name, cost: projection.cost };
  }

  #known(className: string, target: string): Known | undefined {
    const { projector, pairs, tooled } = this.#learned ?? {};
    const tenant = this.#tenants.get(className) ?? "";
    const estimates = projector?.at({ tenant, className }, target, tooled?.has(className) === true);
    return estimates === undefined ? undefined : { tasks: pairs?.get(pairOf(className, target)) ?? 0, estimates };
  }
}

class Span {
  firstMs: number | undefined;
  lastMs: number | undefined;

  add(atMs: number): void {
    this.firstMs = Math.min(this.firstMs ?? atMs, atMs);
    this.lastMs = Math.max(this.lastMs ?? atMs, atMs);
  }

  /** At least one, as less says nothing of a day. */
  get hours(): number {
    return Math.max(1, ((this.lastMs ?? 0) - (this.firstMs ?? 0)) / 3_600_000);
  }
}

function emptyRows(): Rows {
  return { known: 0n, isUnknown: false, present: 0n, isPresentUnknown: false };
}

/** What is open has not cost anything yet, and is counted by itself. */
function isUnknown({ kind }: Repriced): boolean {
  return kind === "unknown";
}

function workOf({ attempts }: RecordedTask): readonly Work[] {
  return attempts.flatMap(({ costBasis, startedAtMs, tokens }) => {
    if (costBasis === "not-billed") return [];
    const written = (tokens.cacheWrite5m ?? 0) + (tokens.cacheWrite1h ?? 0) + (tokens.cacheWriteOther ?? 0);
    return [{ atMs: startedAtMs, fresh: (tokens.inputUncached ?? 0) + written, output: tokens.output ?? 0 }];
  });
}

function asSeen(cost: number, work: readonly Work[]): Projection {
  const sum = (name: "fresh" | "output") => work.reduce((all, step) => all + step[name], 0);
  return {
    cost,
    costIfWarm: cost,
    turns: 0,
    tokens: { fresh: sum("fresh"), read: 0, output: sum("output") },
    work,
  };
}
