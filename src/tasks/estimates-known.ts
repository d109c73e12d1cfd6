/** What the estimates remember: classes with their targets, targets, and all tasks together. Bounded; what is left out longest goes first. */
import { emptyLatency } from "./estimates-latency.ts";
import { emptyStatistics } from "./estimates-statistics.ts";
import { ENDINGS_LENGTH } from "./estimates-turns.ts";

export const CLASSES_MAX = 1_000;
export const TARGETS_OF_CLASS_MAX = 16;
export const TARGETS_MAX = 500;
/** A longer name is none: tasks are identified by shorter ones. */
export const NAME_CHARACTERS_MAX = 256;

/** After each task of a class what is known of it counts so much less: about 80 tasks are remembered. */
export const CLASS_KEPT: number = 1 - 1 / 80;

export class KnownClass {
  /** Tasks that have ended. */
  seen = 0;
  /** At whatever target. Of outcomes: what they differ by from what each target usually reaches. */
  readonly all: Float64Array = emptyStatistics();
  readonly endings: Float64Array = new Float64Array(ENDINGS_LENGTH);
  readonly cells: Map<string, Float64Array> = new Map();

  /** To learn in: the target's own figures in this class. */
  cell(target: string): Float64Array {
    return renewed(this.cells, target, TARGETS_OF_CLASS_MAX, emptyStatistics);
  }
}

export interface KnownTarget {
  /** Of outcomes and cache reads their means; of turns and tokens by how much they differ from the class' own. */
  readonly all: Float64Array;
  readonly firstToken: Float32Array;
  readonly total: Float32Array;
}

export class Known {
  readonly classes: Map<string, KnownClass> = new Map();
  readonly targets: Map<string, KnownTarget> = new Map();
  readonly all: Float64Array = emptyStatistics();
  readonly endings: Float64Array = new Float64Array(ENDINGS_LENGTH);

  /** To read. */
  lookAt(tenant: string, className: string | undefined): KnownClass | undefined {
    return className === undefined ? undefined : this.classes.get(keyOf(tenant, className));
  }

  /** To learn in; `undefined` for a name that cannot be one. */
  class(tenant: string, className: string): KnownClass | undefined {
    if (tenant.length > NAME_CHARACTERS_MAX || className.length > NAME_CHARACTERS_MAX) return undefined;
    return this.classAt(keyOf(tenant, className));
  }

  classAt(key: string): KnownClass {
    const found = this.classes.get(key);
    if (found === undefined && this.classes.size >= CLASSES_MAX) this.#forgetOne();
    this.classes.delete(key);
    const known = found ?? new KnownClass();
    this.classes.set(key, known);
    return known;
  }

  target(name: string): KnownTarget {
    return renewed(this.targets, name, TARGETS_MAX, () => ({
      all: emptyStatistics(),
      firstToken: emptyLatency(),
      total: emptyLatency(),
    }));
  }

  /**
   * The class that was left out longest, unless much is known of it: that one gets another round. So a flood of classes of one task
   * each drives itself out, and not what was learned.
   */
  #forgetOne(): void {
    let spared = 0;
    for (const [key, known] of this.classes) {
      this.classes.delete(key);
      if (spared >= SPARED_MAX || known.seen < WELL_KNOWN_TASKS) return;
      this.classes.set(key, known);
      spared += 1;
    }
  }
}

const WELL_KNOWN_TASKS = 5;
const SPARED_MAX = 8;

/** No name holds the separator: a tenant's is of our making, and a header cannot carry it. */
function keyOf(tenant: string, className: string): string {
  return `${tenant}\u0000${className}`;
}

/** Its entry, made where it is not there, as the last that goes. */
function renewed<Value>(entries: Map<string, Value>, name: string, max: number, make: () => Value): Value {
  const key = name.slice(0, NAME_CHARACTERS_MAX);
  const found = entries.get(key);
  if (found === undefined && entries.size >= max) {
    const [oldest] = entries.keys();
    if (oldest !== undefined) entries.delete(oldest);
  }
  entries.delete(key);
  const value = found ?? make();
  entries.set(key, value);
  return value;
}
