/** What the estimates know as JSON, and back. What comes back may have been written by anybody: what is no figure is left out. */
import { CLASSES_MAX, NAME_CHARACTERS_MAX, TARGETS_MAX, TARGETS_OF_CLASS_MAX, type Known } from "./estimates-known.ts";
import { keepPossible } from "./estimates-statistics.ts";

export interface EstimatesSnapshot {
  readonly version: 1;
  /** By tenant and name, those first that are forgotten first. */
  readonly classes: readonly ClassSnapshot[];
  readonly targets: readonly TargetSnapshot[];
  readonly all: Figures;
  readonly endings: Figures;
}

interface ClassSnapshot {
  readonly key: string;
  readonly seen: number;
  readonly all: Figures;
  readonly endings: Figures;
  readonly targets: readonly (readonly [name: string, figures: Figures])[];
}

interface TargetSnapshot {
  readonly name: string;
  readonly all: Figures;
  readonly firstToken: Figures;
  readonly total: Figures;
}

/** Index and value of those that are not zero, one after the other. */
type Figures = readonly number[];

export function writeSnapshot(known: Known): EstimatesSnapshot {
  return {
    version: 1,
    classes: [...known.classes].map(([key, { seen, all, endings, cells }]) => ({
      key,
      seen,
      all: figuresOf(all),
      endings: figuresOf(endings),
      targets: [...cells].map(([name, cell]) => [name, figuresOf(cell)] as const),
    })),
    targets: [...known.targets].map(([name, { all, firstToken, total }]) => ({
      name,
      all: figuresOf(all),
      firstToken: figuresOf(firstToken),
      total: figuresOf(total),
    })),
    all: figuresOf(known.all),
    endings: figuresOf(known.endings),
  };
}

export function readSnapshot(snapshot: unknown, known: Known): void {
  if (!isRecord(snapshot) || snapshot["version"] !== 1) return;
  readStatistics(snapshot["all"], known.all, true);
  readEndings(snapshot["endings"], known.endings);
  for (const kept of listOf(snapshot["classes"], CLASSES_MAX)) {
    if (!isRecord(kept) || !isName(kept["key"], 2 * NAME_CHARACTERS_MAX + 1)) continue;
    const ofClass = known.classAt(kept["key"]);
    if (isAmount(kept["seen"])) ofClass.seen = Math.floor(kept["seen"]);
    readStatistics(kept["all"], ofClass.all, true);
    readEndings(kept["endings"], ofClass.endings);
    for (const entry of listOf(kept["targets"], TARGETS_OF_CLASS_MAX)) {
      const [name, figures] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
      if (isName(name, NAME_CHARACTERS_MAX)) readStatistics(figures, ofClass.cell(name), false);
    }
  }
  for (const kept of listOf(snapshot["targets"], TARGETS_MAX)) {
    if (!isRecord(kept) || !isName(kept["name"], NAME_CHARACTERS_MAX)) continue;
    const target = known.target(kept["name"]);
    readStatistics(kept["all"], target.all, false);
    readCounts(kept["firstToken"], target.firstToken);
    readCounts(kept["total"], target.total);
  }
}

/** Six digits tell as much as all, in half the text. */
function figuresOf(values: Float64Array | Float32Array): Figures {
  const figures: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    const value = Number((values[index] as number).toPrecision(6));
    if (value !== 0) figures.push(index, value);
  }
  return figures;
}

function readStatistics(figures: unknown, into: Float64Array, isDifference: boolean): void {
  readFigures(figures, into);
  keepPossible(into, isDifference);
}

function readCounts(figures: unknown, into: Float64Array | Float32Array): void {
  readFigures(figures, into);
  for (let at = 0; at < into.length; at += 1) into[at] = Math.max(0, into[at] as number);
}

/** No more tasks ended at a turn than had it. */
function readEndings(figures: unknown, into: Float64Array): void {
  readCounts(figures, into);
  for (let at = 0; at + 1 < into.length; at += 2) into[at] = Math.min(into[at] as number, into[at + 1] as number);
}

function readFigures(figures: unknown, into: Float64Array | Float32Array): void {
  const all = listOf(figures, 2 * into.length);
  for (let at = 0; at + 1 < all.length; at += 2) {
    const [index, value] = [all[at], all[at + 1]];
    if (isAmount(index) && index < into.length && isFigure(value)) into[index] = value;
  }
}

function listOf(value: unknown, most: number): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]).slice(-most) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isName(value: unknown, charactersMax: number): value is string {
  return typeof value === "string" && value.length <= charactersMax;
}

/** Nothing that is counted here comes near to it; sums stay finite. */
const FIGURE_MAX = 1e24;

function isFigure(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= FIGURE_MAX;
}

function isAmount(value: unknown): value is number {
  return isFigure(value) && value >= 0;
}
