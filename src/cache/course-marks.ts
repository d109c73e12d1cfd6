/** Which marks a course is given: what its candidates are, when prompts like it come back, and what may be risked on it. */
import { type Course, KINDS } from "./course.ts";
import { type Chances, NO_CHANCES } from "./economics.ts";
import { mayRisk, type Part, type Stakes } from "./exploring.ts";
import {
  type Belief,
  type Hazards,
  hazardsOf,
  promptClass,
  returnChance,
  staticClass,
  STEP_SECONDS,
  TENANT_CLASS,
  turnClass,
} from "./hazard.ts";
import type { Mirror } from "./mirror.ts";
import { placeMarks } from "./placement.ts";
import type { PlannedMark, PlannedPrompt } from "./plan.ts";
import { NONE, type PrefixTree } from "./prefix-tree.ts";
import { type CacheRules, longMs, pricesOf, shortMs } from "./rules.ts";
import type { Tenants } from "./tenants.ts";
import { type Lineage, staticTokensOf, type Trail } from "./trail.ts";
import { NOBODY, type Visits } from "./visits.ts";

export class CourseMarks {
  readonly #tree: PrefixTree;
  readonly #mirror: Mirror;
  readonly #visits: Visits;
  readonly #trail: Trail;
  readonly #tenants: Tenants;
  readonly #hazard: Float64Array = new Float64Array(STEP_SECONDS.length);

  constructor(tree: PrefixTree, mirror: Mirror, visits: Visits, trail: Trail, tenants: Tenants) {
    this.#tree = tree;
    this.#mirror = mirror;
    this.#visits = visits;
    this.#trail = trail;
    this.#tenants = tenants;
  }

  /**
   * The course's way was walked last.
   *
   * @param hitIndex On it, the deepest border that can be read. @param comingTokens Up to the deepest one that is being written.
   */
  choose(course: Course, hitIndex: number, comingTokens: number, nowMs: number): PlannedMark[] {
    const { prompt, rules, lineage } = course;
    const hit = hitIndex === NONE ? NONE : (this.#trail.path[hitIndex] as number);
    const hitTokens = hit === NONE ? 0 : (this.#tree.tokens[hit] as number);
    const candidates = this.#trail.candidates(course, hitIndex, nowMs);
    const hazards = this.#tenants.look(prompt.tenant);
    const staticVisits = candidates.find((candidate) => candidate.isStatic)?.pauses;
    const found =
      hit === NONE
        ? undefined
        : {
            place: this.#tree.depth[hit] as number,
            tokens: hitTokens,
            isLong: this.#mirror.isLong(hit),
            lasts: this.#lasts(hit, lineage, rules, nowMs),
          };
    const place = (believed: Readonly<Record<Part, Belief>>) => {
      const chances = (finest: number, belief: Belief) => this.#chances(hazards, finest, rules, belief);
      return placeMarks({
        rules,
        prices: pricesOf(rules),
        candidates,
        hit: found,
        comingTokens,
        next: chances(promptClass(KINDS[prompt.lastKind], lineage.turn, prompt.promptTokens), believed.rest),
        nextStatic: staticVisits === undefined ? NO_CHANCES : chances(staticClass(staticVisits), believed.static),
        afterNext: chances(turnClass(lineage.turn + 1), believed.rest),
        later: chances(TENANT_CLASS, believed.rest),
      });
    };
    const marks = place(USUAL);
    // Where that is too much to risk, what was seen to come back is written all the same.
    const stakes = stakesOf(marks, prompt, rules, hitTokens);
    const meanTokens = meanTokensOf(hazards, prompt);
    const belief = (part: Part): Belief => (mayRisk(hazards.account, part, stakes, meanTokens) ? "usual" : "seen");
    const believed = { static: belief("static"), rest: belief("rest") };
    return believed.static === "usual" && believed.rest === "usual" ? marks : place(believed);
  }

  /**
   * The chance that the short entries which the hit is, or stands on, outlast a pause between the lifetimes because others use them: what
   * has lived for so long lives as long again with even chances. Whatever this conversation was the last to use is not.
   */
  #lasts(hit: number, lineage: Lineage, rules: CacheRules, nowMs: number): number {
    const pauseMs = Math.sqrt(shortMs(rules) * longMs(rules));
    let lasts = 1;
    for (let entry = hit, count = 0; entry !== NONE && count < ENTRIES_MAX; count += 1) {
      if (!this.#mirror.hasShort(entry)) break;
      if (!this.#mirror.isLong(entry)) {
        const user = this.#visits.conversation[entry] as number;
        if (user === NOBODY || user === lineage.conversation) return 0;
        const aliveMs = Math.max(0, nowMs - this.#mirror.readableMs(entry));
        lasts = Math.min(lasts, aliveMs / (aliveMs + pauseMs));
      }
      entry = this.#mirror.under(entry);
    }
    return lasts;
  }

  #chances(hazards: Hazards, finest: number, rules: CacheRules, belief: Belief): Chances {
    hazardsOf(hazards, finest, this.#hazard, belief);
    const short = returnChance(this.#hazard, shortMs(rules) / 1000);
    return { short, later: returnChance(this.#hazard, longMs(rules) / 1000) - short };
  }
}

const USUAL: Readonly<Record<Part, Belief>> = { static: "usual", rest: "usual" };
/** Of a chain of entries, so many are looked at: as many as are prolonged. */
const ENTRIES_MAX = 512;

/** What these marks cost above the uncached price, if nothing of it comes back. */
export function stakesOf(
  marks: readonly PlannedMark[],
  prompt: PlannedPrompt,
  rules: CacheRules,
  readTokens: number,
): Stakes {
  const staticTokens = staticTokensOf(prompt);
  const stakes = { static: 0, rest: 0 };
  let above = readTokens;
  for (const { place, ttlSeconds } of marks) {
    const tokens = prompt.tokens[place] as number;
    if (tokens <= above || tokens < rules.minTokens) continue;
    const premium = (rules.classes.find((one) => one.ttlSeconds === ttlSeconds)?.writePrice ?? 1) - 1;
    const ofStatic = Math.max(0, Math.min(tokens, staticTokens) - above);
    stakes.static += premium * ofStatic;
    stakes.rest += premium * (tokens - above - ofStatic);
    above = tokens;
  }
  return stakes;
}

export function meanTokensOf({ meanTokens }: Hazards, { promptTokens }: PlannedPrompt): number {
  return meanTokens === 0 ? promptTokens : meanTokens;
}
