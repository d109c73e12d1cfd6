/** What a course's bill says of the cache: what was believed of it is corrected by what was read and written. */
import { type Course, eachWritten } from "./course.ts";
import type { Mirror } from "./mirror.ts";
import type { PlanUsage } from "./plan.ts";
import { NONE, type PrefixTree } from "./prefix-tree.ts";
import { shortMs } from "./rules.ts";
import { lastMarkable, type Trail } from "./trail.ts";

/** A bill that differs by no more than this share of the prompt differs by our estimate of its tokens. */
const TOLERANCE_SHARE = 0.03;

export class CourseBill {
  readonly #tree: PrefixTree;
  readonly #mirror: Mirror;
  readonly #trail: Trail;

  constructor(tree: PrefixTree, mirror: Mirror, trail: Trail) {
    this.#tree = tree;
    this.#mirror = mirror;
    this.#trail = trail;
  }

  /** Believes the bill: what it says was not read is not there, what it says was is, and what was written is. */
  correct(course: Course, usage: PlanUsage, nowMs: number): void {
    const { prompt, rules, marks } = course;
    const billed = usage.uncached + usage.read + (usage.written ?? 0);
    // Where everything is cached that is read, this request has put back whatever was missing.
    if (billed <= 0 || rules.kind === "automatic") return;
    const readTokens = (usage.read / billed) * prompt.promptTokens;
    const tolerance = TOLERANCE_SHARE * prompt.promptTokens;
    const isAsPredicted = Math.abs(readTokens - course.predictedRead) <= tolerance;
    const isAsWritten = usage.written === 0 ? course.written.length === 0 : !course.hasProlonged;
    if (isAsPredicted && isAsWritten) return;
    this.#trail.walk(course);
    if (readTokens < course.predictedRead - tolerance) {
      for (let index = 0; index < this.#trail.length; index += 1) {
        const border = this.#trail.path[index] as number;
        const tokens = this.#tree.tokens[border] as number;
        if (tokens > readTokens + tolerance && tokens <= course.predictedRead) this.#mirror.drop(border, undefined);
      }
    }
    if (readTokens > course.predictedRead + tolerance) this.#found(course, readTokens, tolerance, nowMs);
    if (usage.written === 0) {
      eachWritten(course, this.#tree, (border) => this.#mirror.drop(border, course.id));
      return;
    }
    this.#trail.walk(course);
    let under = NONE;
    const { hit } = this.#mirror.look(this.#trail, nowMs);
    for (let index = hit; index >= 0 && under === NONE; index -= 1) {
      const border = this.#trail.path[index] as number;
      if (this.#mirror.isWhole(border) && (this.#tree.tokens[border] as number) <= readTokens + tolerance)
        under = border;
    }
    for (const mark of marks) {
      const tokens = prompt.tokens[mark.place] as number;
      const border = this.#trail.borderAt(mark.place);
      if (border === NONE || tokens <= readTokens + tolerance || tokens < rules.minTokens) continue;
      if (!this.#mirror.isWhole(border)) {
        const ttlMs = mark.ttlSeconds * 1000;
        this.#mirror.set(
          border,
          {
            expiresMs: nowMs + ttlMs,
            isLong: ttlMs > shortMs(rules),
            under,
            writer: course.id,
          },
          nowMs,
        );
      }
      under = border;
    }
  }

  /** More was read than was believed to be there: written before a restart, or by somebody else. */
  #found({ prompt, rules, places, id }: Course, readTokens: number, tolerance: number, nowMs: number): void {
    const away = (at: number) => Math.abs((prompt.tokens[at] as number) - readTokens);
    let place = lastMarkable(prompt, prompt.tokens.length - 1);
    for (let above = place; above >= 0 && (prompt.tokens[above] as number) >= readTokens - tolerance;) {
      if (away(above) < away(place)) place = above;
      above = lastMarkable(prompt, above - 1);
    }
    if (place < 0 || away(place) > tolerance) return;
    const border = this.#tree.reveal(places, place);
    if (border === NONE || this.#mirror.isAlive(border, nowMs)) return;
    this.#mirror.set(border, { expiresMs: nowMs + shortMs(rules), isLong: false, under: NONE, writer: id }, nowMs);
  }
}
