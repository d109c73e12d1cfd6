/** What a course had ahead of it that was not certain to be there; and what its bill says of that, for those after it. */
import type { Course } from "./course.ts";
import type { Mirror } from "./mirror.ts";
import type { PlanUsage } from "./plan.ts";
import { NONE, type PrefixTree } from "./prefix-tree.ts";
import type { Slots } from "./slots.ts";
import type { Trail } from "./trail.ts";
import type { Unheard } from "./unheard.ts";

/** Of a prompt, what it may have read less than it was to, and read it all the same: estimates and steps differ so much. */
const UNREAD_SHARE = 0.1;

export class CourseAhead {
  readonly #tree: PrefixTree;
  readonly #mirror: Mirror;
  readonly #trail: Trail;
  readonly #unheard: Unheard;
  readonly #slots: Slots;

  constructor(tree: PrefixTree, mirror: Mirror, trail: Trail, unheard: Unheard, slots: Slots) {
    this.#tree = tree;
    this.#mirror = mirror;
    this.#trail = trail;
    this.#unheard = unheard;
    this.#slots = slots;
  }

  /**
   * The course is being sent; its way was walked last, and nothing of it is written yet.
   *
   * @param hit The border that its marks find, where there are marks.
   */
  look(course: Course, hit: number, nowMs: number): void {
    const { rules, marks } = course;
    if (rules.isLocal === true) this.#lookInSlots(course, nowMs);
    if (this.#unheard.isQuiet) return;
    const { path, length } = this.#trail;
    if (rules.kind === "marks") {
      for (let index = marks.length - 1; index >= -1; index -= 1) {
        const mark = marks[index];
        if (this.#isUnheard(course, mark === undefined ? hit : this.#trail.borderAt(mark.place))) return;
      }
    } else {
      for (let index = length - 1; index >= 0; index -= 1) {
        if (this.#isUnheard(course, path[index] as number)) return;
      }
    }
  }

  /** How long its own reading took at most, and whether it found what was ahead. */
  told({ prompt, target, sentMs, answeredMs, ahead, slot }: Course, usage: PlanUsage): void {
    const billed = usage.uncached + usage.read + (usage.written ?? 0);
    if (billed <= 0) return;
    const readTokens = (usage.read / billed) * prompt.promptTokens;
    if (prompt.isWhole === true) {
      this.#unheard.tookWhole(target, prompt.promptTokens - readTokens, answeredMs - sentMs);
    }
    const isRead = (tokens: number) => readTokens >= tokens - UNREAD_SHARE * prompt.promptTokens;
    if (ahead !== undefined) this.#unheard.told(ahead.writing, sentMs - ahead.writing.sentMs, isRead(ahead.tokens));
    if (slot !== undefined) this.#slots.told(target, slot, isRead(slot.tokens));
  }

  #isUnheard(course: Course, border: number): boolean {
    if (border === NONE) return false;
    const writing = this.#unheard.writing(this.#mirror.writer(border));
    const tokens = Math.min(course.prompt.promptTokens, this.#tree.tokens[border] as number);
    if (writing === undefined || !this.#mirror.isAwaited(border) || tokens < course.rules.minTokens) return false;
    course.ahead = { writing, tokens };
    return true;
  }

  #lookInSlots(course: Course, nowMs: number): void {
    const { path, length } = this.#trail;
    let found = NONE;
    for (let index = length - 1; index >= 0 && found === NONE; index -= 1) {
      if (this.#mirror.isAlive(path[index] as number, nowMs)) found = path[index] as number;
    }
    const tokens = found === NONE ? 0 : Math.min(course.prompt.promptTokens, this.#tree.tokens[found] as number);
    course.slot = this.#slots.sent(
      course.target,
      course.id,
      found === NONE ? undefined : this.#mirror.writer(found),
      tokens,
    );
  }
}
