/**
 * What is summed up of each class while tasks pass by: exact money as `bigint`, projections as numbers. Bounded: of more classes than
 * {@link CLASSES_MAX} the later ones are one.
 */
import type { PicoUsd } from "../../src/usage.ts";
import type { Stay } from "./choice.ts";
import type { Projection } from "./projection.ts";
import type { Carried, Repriced } from "./reprice.ts";

export const CLASSES_MAX = 1_000;
export const OTHER_CLASSES = "(other classes)";

/** What one task came to. */
export interface Verdict {
  /** What the ledger says; `undefined`: not of all that was billed is it known. */
  readonly was: PicoUsd | undefined;
  /** The part of it that is known. */
  readonly wasKnown: PicoUsd;
  /** At the targets where it was, under the prices asked for. */
  readonly present: PicoUsd | undefined;
  readonly success: number | undefined;
  readonly goes:
    | { readonly kind: "stays"; readonly why: Stay | undefined }
    /** @param seen It was there before: then nothing of it is projected. */
    | { readonly kind: "moves"; readonly target: string; readonly seen: boolean; readonly projection: Projection }
    /** Nobody can say what it would have cost. */
    | { readonly kind: "apart" };
  /** Where it was, what it would have been said to cost there. */
  readonly checked: { readonly target: string; readonly cost: number } | undefined;
}

/** Tasks of a class that go to one target. */
export interface Moved {
  /** That were elsewhere. */
  tasks: number;
  was: PicoUsd;
  /** Picodollars, projected. */
  cost: number;
  costIfWarm: number;
  turns: number;
  fresh: number;
  read: number;
  output: number;
  /** That were there before, and what they cost there. */
  seenTasks: number;
  seenCost: number;
}

export interface Checked {
  tasks: number;
  present: number;
  projected: number;
}

export interface ClassSums {
  readonly name: string;
  tasks: number;
  attempts: number;
  openAttempts: number;
  freeAttempts: number;
  /** Computed anew, with the ledger's own result. */
  exactAttempts: number;
  unpricedAttempts: number;
  readonly carried: Map<Carried, { attempts: number; cost: PicoUsd }>;
  /** All that is known of what was billed: the ledger's own sum. */
  ledger: PicoUsd;
  /** Tasks whose cost is known as it was, and as it would be. */
  compared: { tasks: number; was: PicoUsd; stays: PicoUsd };
  readonly moved: Map<string, Moved>;
  /** As it was is not known (an attempt without a price), as it would be is. */
  wasUnknown: { tasks: number; cost: number };
  apart: { tasks: number; was: PicoUsd };
  readonly stays: Map<Stay, number>;
  /** By target, tasks that were there: what they cost, and what they would have been said to cost. */
  readonly checked: Map<string, Checked>;
  success: { judged: number; sum: number; stayed: number; stayedSum: number };
}

export class Sums {
  readonly #classes = new Map<string, ClassSums>();

  all(): readonly ClassSums[] {
    return [...this.#classes.values()];
  }

  of(name: string): ClassSums {
    const key = this.#classes.has(name) || this.#classes.size < CLASSES_MAX ? name : OTHER_CLASSES;
    let found = this.#classes.get(key);
    if (found === undefined) this.#classes.set(key, (found = emptySums(key)));
    return found;
  }

  addAttempt(name: string, asItWas: Repriced): void {
    const sums = this.of(name);
    sums.attempts += 1;
    sums.ledger += asItWas.cost ?? 0n;
    switch (asItWas.kind) {
      case "exact":
        sums.exactAttempts += 1;
        return;
      case "free":
        sums.freeAttempts += 1;
        return;
      case "open":
        sums.openAttempts += 1;
        return;
      case "unknown":
        sums.unpricedAttempts += 1;
        return;
      case "carried":
        addCarried(sums, asItWas);
    }
  }

  addTask(name: string, { was, wasKnown, present, success, goes, checked }: Verdict): void {
    const sums = this.of(name);
    sums.tasks += 1;
    if (checked !== undefined && present !== undefined) addChecked(sums, checked, Number(present));
    if (success !== undefined) {
      sums.success.judged += 1;
      sums.success.sum += success;
      if (goes.kind !== "moves" || goes.seen) {
        sums.success.stayed += 1;
        sums.success.stayedSum += success;
      }
    }
    if (goes.kind === "stays" && goes.why !== undefined) sums.stays.set(goes.why, (sums.stays.get(goes.why) ?? 0) + 1);
    if (goes.kind === "apart" || (goes.kind === "stays" && present === undefined)) {
      sums.apart.tasks += 1;
      sums.apart.was += wasKnown;
    } else if (was === undefined) {
      sums.wasUnknown.tasks += 1;
      sums.wasUnknown.cost += goes.kind === "stays" ? Number(present) : goes.projection.cost;
    } else {
      sums.compared.tasks += 1;
      sums.compared.was += was;
      if (goes.kind === "stays") sums.compared.stays += present ?? 0n;
      else addMoved(sums, was, goes);
    }
  }
}

function emptySums(name: string): ClassSums {
  return {
    name,
    tasks: 0,
    attempts: 0,
    openAttempts: 0,
    freeAttempts: 0,
    exactAttempts: 0,
    unpricedAttempts: 0,
    carried: new Map(),
    ledger: 0n,
    compared: { tasks: 0, was: 0n, stays: 0n },
    moved: new Map(),
    wasUnknown: { tasks: 0, cost: 0 },
    apart: { tasks: 0, was: 0n },
    stays: new Map(),
    checked: new Map(),
    success: { judged: 0, sum: 0, stayed: 0, stayedSum: 0 },
  };
}

function addCarried(sums: ClassSums, { cost, why }: Repriced): void {
  if (why === undefined) return;
  const known = sums.carried.get(why) ?? { attempts: 0, cost: 0n };
  sums.carried.set(why, { attempts: known.attempts + 1, cost: known.cost + (cost ?? 0n) });
}

function addChecked(sums: ClassSums, { target, cost }: NonNullable<Verdict["checked"]>, present: number): void {
  const known = sums.checked.get(target) ?? { tasks: 0, present: 0, projected: 0 };
  sums.checked.set(target, {
    tasks: known.tasks + 1,
    present: known.present + present,
    projected: known.projected + cost,
  });
}

function addMoved(sums: ClassSums, was: PicoUsd, goes: Verdict["goes"] & { readonly kind: "moves" }): void {
  const { target, seen, projection } = goes;
  const moved = sums.moved.get(target) ?? emptyMoved();
  sums.moved.set(target, moved);
  if (seen) {
    moved.seenTasks += 1;
    moved.seenCost += projection.cost;
    return;
  }
  moved.tasks += 1;
  moved.was += was;
  moved.cost += projection.cost;
  moved.costIfWarm += projection.costIfWarm;
  moved.turns += projection.turns;
  moved.fresh += projection.tokens.fresh;
  moved.read += projection.tokens.read;
  moved.output += projection.tokens.output;
}

function emptyMoved(): Moved {
  return {
    tasks: 0,
    was: 0n,
    cost: 0,
    costIfWarm: 0,
    turns: 0,
    fresh: 0,
    read: 0,
    output: 0,
    seenTasks: 0,
    seenCost: 0,
  };
}
