/**
 * The derived classes that are told apart, so many of them, and what operators call them. Whatever is beyond is `other`: of a hundred
 * thousand system prompts that each come once, none pushes out the classes that are in use.
 */
import { GatewayError } from "../errors.ts";
import { TASK_ID } from "../task.ts";

export const OTHER_CLASS = "other";
/** The name of the state in which it is kept over a restart. */
export const CLASSES_STATE = "task-classes";
/** Classes that are told apart, and newcomers that are counted while there is no room: about 100 bytes each. */
export const CLASSES_MAX = 1_000;
const NAMES_MAX = 1_000;
/** How often a newcomer must have come before it takes the place of the class that is used least. */
const SEEN_MIN = 3;
/** Uses after which all are halved: what was used long ago gives way. */
const HALVED_AT = 20_000;

export interface ClassesSnapshot {
  readonly uses: readonly (readonly [id: string, uses: number])[];
  readonly names: readonly (readonly [id: string, name: string])[];
}

export class TaskClasses {
  readonly #configured: () => ReadonlyMap<string, string>;
  readonly #uses = new Map<string, number>();
  /** The oldest is forgotten first. */
  readonly #newcomers = new Map<string, number>();
  readonly #names = new Map<string, string>();
  #usesSum = 0;

  /** @param configured Names by the configuration, which come before those that were set. */
  constructor(configured: () => ReadonlyMap<string, string> = () => new Map()) {
    this.#configured = configured;
  }

  /** Counts a new task of a derived class. @returns the class that it is counted to. */
  used(id: string): string {
    const uses = this.#uses.get(id);
    if (uses !== undefined) {
      this.#count(id, uses + 1);
      return id;
    }
    if (this.#uses.size < CLASSES_MAX) {
      this.#count(id, 1);
      return id;
    }
    const seen = (this.#newcomers.get(id) ?? 0) + 1;
    this.#newcomers.delete(id);
    const least = seen < SEEN_MIN ? undefined : this.#leastUsed();
    if (least === undefined || (this.#uses.get(least) as number) > seen) {
      this.#newcomers.set(id, seen);
      const [oldest] = this.#newcomers.keys();
      if (this.#newcomers.size > CLASSES_MAX && oldest !== undefined) this.#newcomers.delete(oldest);
      return OTHER_CLASS;
    }
    this.#uses.delete(least);
    this.#count(id, seen);
    return id;
  }

  /** The same, of a call that goes on. */
  known(id: string): string {
    return this.#uses.has(id) ? id : OTHER_CLASS;
  }

  get size(): number {
    return this.#uses.size;
  }

  nameOf(id: string): string | undefined {
    return this.#configured().get(id) ?? this.#names.get(id);
  }

  /** Those of the name, and the one with the id. */
  idsOf(nameOrId: string): readonly string[] {
    const named = [...this.#names, ...this.#configured()].filter(([, name]) => name === nameOrId).map(([id]) => id);
    return [...new Set([nameOrId, ...named.filter((id) => this.nameOf(id) === nameOrId)])];
  }

  /** @param name `undefined`: it is called by its id again. @throws GatewayError */
  setName(id: string, name: string | undefined): void {
    if (name === undefined) {
      this.#names.delete(id);
      return;
    }
    for (const [word, what] of [
      [id, "class"],
      [name, "name"],
    ] as const) {
      if (!TASK_ID.test(word)) {
        throw new GatewayError(
          "invalid-request",
          `\`${what}\` may hold letters, digits and . _ : - only, at most 128 characters`,
          { param: what },
        );
      }
    }
    const taken = [...this.#names, ...this.#configured()].find(([other, one]) => one === name && other !== id);
    if (taken !== undefined) {
      throw new GatewayError("conflict", `\`${name}\` is the name of ${taken[0]} already`, { param: "name" });
    }
    if (this.#names.size >= NAMES_MAX && !this.#names.has(id)) {
      throw new GatewayError("conflict", `${NAMES_MAX} classes have names already`, { param: "name" });
    }
    this.#names.set(id, name);
  }

  snapshot(): ClassesSnapshot {
    return { uses: [...this.#uses], names: [...this.#names] };
  }

  /** Anything that {@link snapshot} did not give is ignored. */
  restore(snapshot: unknown): void {
    const { uses, names } = (snapshot ?? {}) as Readonly<Record<string, unknown>>;
    for (const [id, count] of pairsIn(uses)) {
      if (typeof count !== "number" || !(count >= 0) || this.#uses.size >= CLASSES_MAX) continue;
      this.#uses.set(id, count);
      this.#usesSum += count;
    }
    for (const [id, name] of pairsIn(names)) {
      if (typeof name === "string" && TASK_ID.test(name) && this.#names.size < NAMES_MAX) this.#names.set(id, name);
    }
  }

  #count(id: string, uses: number): void {
    this.#uses.set(id, uses);
    this.#usesSum += 1;
    if (this.#usesSum < HALVED_AT) return;
    this.#usesSum = 0;
    for (const [one, count] of this.#uses) {
      this.#uses.set(one, count / 2);
      this.#usesSum += count / 2;
    }
  }

  #leastUsed(): string | undefined {
    let least: string | undefined;
    let usesLeast = Number.POSITIVE_INFINITY;
    for (const [id, uses] of this.#uses) {
      // One that somebody named is wanted.
      if (uses >= usesLeast || this.nameOf(id) !== undefined) continue;
      least = id;
      usesLeast = uses;
    }
    return least;
  }
}

function pairsIn(list: unknown): readonly (readonly [string, unknown])[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((pair: unknown) =>
    Array.isArray(pair) && typeof pair[0] === "string" && TASK_ID.test(pair[0]) ? [[pair[0], pair[1] as unknown]] : [],
  );
}
