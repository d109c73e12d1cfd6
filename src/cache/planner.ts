/**
 * Where a prompt's cache marks go, and for how long: the policy that learns, from every prompt and every answer, which prefixes come
 * back and when. Pure: time is an argument, and nothing outside is read or written.
 *
 * One call runs `plan` → `sent` → `readable` → `settled`, or `failed` in place of the last. A plan changes nothing, and the same state
 * plans the same; everything is learned from `sent` on. A plan that is never sent costs nothing.
 */
import { type Course, eachWritten, KINDS } from "./course.ts";
import { CourseAhead } from "./course-ahead.ts";
import { CourseBill } from "./course-bill.ts";
import { CourseMarks, meanTokensOf, stakesOf } from "./course-marks.ts";
import { charge, creditReturn, creditStatic, NO_STAKES, refund } from "./exploring.ts";
import { learnTokens, promptClass, staticClass, weightOf } from "./hazard.ts";
import { type Arrival, type Entry, Mirror } from "./mirror.ts";
import type {
  Hold,
  Plan,
  PlannedMark,
  PlannedPrompt,
  Planner,
  PlannerOptions,
  PlannerSize,
  PlannerSnapshot,
  PlanUsage,
} from "./plan.ts";
import { PrefillSpeeds } from "./prefill.ts";
import { NONE, PrefixTree, saltedPlaces } from "./prefix-tree.ts";
import { type CacheRules, longMs, shortMs } from "./rules.ts";
import { Slots } from "./slots.ts";
import { Tenants } from "./tenants.ts";
import { Unheard } from "./unheard.ts";
import { NEW_CONVERSATION, revealedPlaces, staticTokensOf, Trail } from "./trail.ts";
import { Visits } from "./visits.ts";
import { Waiting } from "./waiting.ts";

export type * from "./plan.ts";

export function createPlanner(options: PlannerOptions = {}): Planner {
  return new LearningPlanner(options);
}

const BORDERS_MAX = 50_000;
const PLACES_MAX = 250_000;
const TENANTS_MAX = 4_095;
const WAITING_MAX = 65_536;
/** Less is not worth waiting for. */
const HOLD_TOKENS_MIN = 1024;
class LearningPlanner implements Planner {
  readonly #tree: PrefixTree;
  readonly #mirror: Mirror;
  readonly #visits: Visits;
  readonly #waiting: Waiting;
  readonly #tenants: Tenants;
  readonly #trail: Trail;
  readonly #marks: CourseMarks;
  readonly #bill: CourseBill;
  readonly #speeds = new PrefillSpeeds();
  readonly #unheard: Unheard = new Unheard(this.#speeds);
  readonly #slots = new Slots();
  readonly #ahead: CourseAhead;
  #lastPlan = 0;
  #lastConversation = 0;
  /** Rises with whatever is learned. */
  #epoch = 0;

  constructor(options: PlannerOptions) {
    this.#tree = new PrefixTree(options.bordersMax ?? BORDERS_MAX, options.placesMax ?? PLACES_MAX, (border, below) => {
      this.#mirror.reset(border);
      this.#visits.reset(border, below);
    });
    this.#mirror = new Mirror(this.#tree.bordersMax);
    this.#visits = new Visits(this.#tree.bordersMax);
    this.#trail = new Trail(this.#tree, this.#visits);
    this.#waiting = new Waiting(options.waitingMax ?? WAITING_MAX);
    this.#tenants = new Tenants(options.tenantsMax ?? TENANTS_MAX);
    this.#marks = new CourseMarks(this.#tree, this.#mirror, this.#visits, this.#trail, this.#tenants);
    this.#bill = new CourseBill(this.#tree, this.#mirror, this.#trail);
    this.#ahead = new CourseAhead(this.#tree, this.#mirror, this.#trail, this.#unheard, this.#slots);
  }

  plan(prompt: PlannedPrompt, rules: CacheRules, target: string, nowMs: number): Plan {
    this.#lastPlan = following(this.#lastPlan);
    const course: Course = {
      id: this.#lastPlan,
      marks: [],
      predictedRead: 0,
      prompt,
      rules,
      places: saltedPlaces(prompt, cacheName(target, prompt.partition)),
      target,
      sentMs: nowMs,
      answeredMs: nowMs,
      epoch: this.#epoch,
      lineage: NEW_CONVERSATION,
      state: "planned",
      known: 0,
      foundTokens: 0,
      comingTokens: 0,
      written: [],
      hasProlonged: false,
      stakes: NO_STAKES,
      awaited: [],
    };
    if (rules.kind === "none" || prompt.tokens.length === 0) return course;
    this.#waiting.advance(nowMs);
    course.known = this.#trail.walk(course);
    course.lineage = this.#trail.lineage(prompt, course.known);
    if (rules.kind === "automatic") this.#foresee(course, nowMs);
    else this.#place(course, nowMs);
    return course;
  }

  reads(plan: Plan, marks: readonly PlannedMark[], nowMs: number): number {
    const course = plan as Course;
    const { prompt, rules, foundTokens } = course;
    const isAtHit = ({ place }: PlannedMark) => prompt.tokens[place] === foundTokens;
    if (foundTokens === 0 || rules.kind !== "marks" || marks.some(isAtHit)) return foundTokens;
    if (marks.length === 0) return 0;
    this.#trail.walk(course);
    const hit = this.#hitOf({ ...course, marks }, nowMs);
    return hit === NONE ? 0 : (this.#tree.tokens[hit] as number);
  }

  sent(plan: Plan, nowMs: number, marks: readonly PlannedMark[] = plan.marks): number {
    const course = plan as Course;
    if (course.state !== "planned") return course.predictedRead;
    course.state = "sent";
    course.sentMs = nowMs;
    const plannedMarks = course.marks;
    course.marks = marks;
    const { prompt, rules } = course;
    if (rules.kind === "none" || prompt.tokens.length === 0) return 0;
    this.#waiting.advance(nowMs);
    if (course.epoch !== this.#epoch) {
      course.known = this.#trail.walk(course);
      course.lineage = this.#trail.lineage(prompt, course.known);
      if (rules.kind === "automatic") this.#foresee(course, nowMs);
    }
    this.#epoch += 1;
    this.#reveal(course, nowMs);
    this.#ahead.look(course, rules.kind === "marks" ? this.#hitOf(course, nowMs) : NONE, nowMs);
    if (rules.kind === "automatic") this.#pass(course, nowMs);
    else {
      this.#write(course, nowMs);
      this.#account(course, plannedMarks, nowMs);
    }
    if (!isHeard(prompt))
      this.#unheard.sent(course.id, course.target, prompt.promptTokens - course.predictedRead, nowMs);
    course.awaited = this.#awaited(course);
    for (const number of course.awaited) this.#waiting.returned(number);
    return course.predictedRead;
  }

  readable(plan: Plan, nowMs: number): void {
    const course = plan as Course;
    if (course.state !== "sent") return;
    course.state = "readable";
    course.answeredMs = nowMs;
    this.#epoch += 1;
    const uncachedTokens = course.prompt.promptTokens - course.predictedRead;
    if (isHeard(course.prompt)) this.#speeds.learn(course.target, uncachedTokens, nowMs - course.sentMs);
    else this.#unheard.answered(course.id, nowMs);
    eachWritten(course, this.#tree, (border) => this.#mirror.arrive(border, course.id, nowMs));
    if (course.rules.kind !== "none" && course.prompt.tokens.length > 0) this.#visit(course, nowMs);
  }

  settled(plan: Plan, usage: PlanUsage | undefined, nowMs: number): void {
    const course = plan as Course;
    this.readable(plan, nowMs);
    if (course.state !== "readable") return;
    course.state = "over";
    this.#slots.over(course.target, course.id);
    if (usage === undefined || course.rules.kind === "none") return;
    this.#epoch += 1;
    this.#ahead.told(course, usage);
    this.#bill.correct(course, usage, nowMs);
  }

  giveUp(plan: Plan): void {
    const course = plan as Course;
    const { hold } = course;
    if (hold === undefined) return;
    this.#epoch += 1;
    this.#trail.walk(course);
    for (let index = 0; index < this.#trail.length; index += 1)
      this.#mirror.giveUp(this.#trail.path[index] as number, hold.leader);
    if (this.#trail.below !== NONE) this.#mirror.giveUp(this.#trail.below, hold.leader);
  }

  failed(plan: Plan): void {
    const course = plan as Course;
    this.#slots.over(course.target, course.id);
    if (course.state === "sent") {
      this.#epoch += 1;
      this.#unheard.failed(course.id);
      eachWritten(course, this.#tree, (border) => this.#mirror.drop(border, course.id));
      for (const number of course.awaited) this.#waiting.stayedAway(number);
      if (course.account !== undefined) refund(course.account, course.stakes);
    }
    course.state = "over";
  }

  snapshot(): PlannerSnapshot {
    return { version: 3, tenants: this.#tenants.snapshot() };
  }

  restore(snapshot: unknown): void {
    const kept = snapshot as Readonly<Record<string, unknown>> | null | undefined;
    // Before version 3 there were no accounts: they begin empty, and the statistics go on.
    if (kept?.["version"] !== 3 && kept?.["version"] !== 2) return;
    this.#epoch += 1;
    this.#tenants.restore(kept["tenants"]);
  }

  size(): PlannerSize {
    return {
      borders: this.#tree.borders,
      places: this.#tree.places,
      tenants: this.#tenants.size,
      waiting: this.#waiting.size,
    };
  }

  /** Chooses the marks, where a provider caches at marks only. */
  #place(course: Course, nowMs: number): void {
    const look = this.#mirror.look(this.#trail, nowMs);
    const hit = look.hit === NONE ? NONE : (this.#trail.path[look.hit] as number);
    const hitTokens = hit === NONE ? 0 : (this.#tree.tokens[hit] as number);
    const coming = look.coming === NONE ? NONE : (this.#trail.path[look.coming] as number);
    const comingTokens = coming === NONE ? 0 : (this.#tree.tokens[coming] as number);
    course.marks = this.#marks.choose(course, look.hit, Math.max(comingTokens, hitTokens), nowMs);
    course.predictedRead = hitTokens;
    course.foundTokens = hitTokens;
    course.comingTokens = comingTokens;
    if (comingTokens - hitTokens >= HOLD_TOKENS_MIN)
      course.hold = this.#holdFor(course.target, coming, comingTokens - hitTokens);
  }

  #holdFor(target: string, border: number, moreTokens: number): Hold {
    return {
      leader: this.#mirror.writer(border),
      moreTokens,
      untilMs: this.#mirror.readableMs(border),
      readingMs: this.#speeds.expectedMs(target, moreTokens),
      isHeard: this.#mirror.isHeard(border),
    };
  }

  /** What will be read, where a provider caches whatever it reads. */
  #foresee(course: Course, nowMs: number): void {
    const { prompt, rules, known } = course;
    if (known === 0) return;
    const below = this.#trail.below;
    const sharedTokens = prompt.tokens[known - 1] as number;
    let readTokens = 0;
    const isThere = (border: number) =>
      rules.isLocal !== true || this.#slots.isThere(course.target, this.#mirror.writer(border));
    if (this.#mirror.isAlive(below, nowMs) && isThere(below)) readTokens = sharedTokens;
    else {
      const { hit } = this.#mirror.look(this.#trail, nowMs);
      for (let index = hit; index >= 0 && readTokens === 0; index -= 1) {
        const border = this.#trail.path[index] as number;
        if (this.#mirror.isWhole(border) && isThere(border)) readTokens = this.#tree.tokens[border] as number;
      }
    }
    course.foundTokens = readTokens;
    const stepped = Math.floor(readTokens / rules.stepTokens) * rules.stepTokens;
    course.predictedRead = stepped < rules.minTokens ? 0 : stepped;
    if (rules.isLocal === true && !this.#slots.sharesRunning(course.target)) return;
    if (this.#mirror.isComing(below, nowMs) && sharedTokens - readTokens >= HOLD_TOKENS_MIN) {
      course.hold = this.#holdFor(course.target, below, sharedTokens - readTokens);
    }
  }

  /** Makes borders of all that this prompt shows (its end, where it parts from others, its static end, its marks): its path. */
  #reveal(course: Course, nowMs: number): void {
    const { prompt, places, marks, known } = course;
    const end = this.#tree.insert(places, known, nowMs);
    if (end === NONE) {
      // No room for so long a prompt: what is known of it is all that can be.
      this.#trail.walk(course);
      return;
    }
    for (const place of revealedPlaces(prompt, known)) this.#tree.reveal(places, place);
    for (const mark of marks) this.#tree.reveal(places, mark.place);
    this.#trail.climb(end, places, prompt.staticPlace);
  }

  /** Where a provider caches whatever it reads, each border of the path has an entry now, or will have. */
  #pass(course: Course, nowMs: number): void {
    const { rules, prompt } = course;
    const expiresMs = nowMs + longMs(rules);
    const arrival = this.#arrival(course, prompt.promptTokens - course.predictedRead, nowMs);
    const entry = { expiresMs, isLong: true, under: NONE, writer: course.id };
    for (let index = 0; index < this.#trail.length; index += 1) {
      const border = this.#trail.path[index] as number;
      if ((this.#tree.tokens[border] as number) <= course.foundTokens) {
        // What is only believed to be there stays its writer's.
        if (this.#unheard.writing(this.#mirror.writer(border)) === undefined) this.#mirror.set(border, entry, nowMs);
        else this.#mirror.prolong(border, expiresMs);
      } else this.#writeEntry(course, border, entry, arrival, nowMs);
    }
  }

  /** What the marks read is prolonged, and what they write is on its way. */
  #write(course: Course, nowMs: number): void {
    const { rules, prompt, marks } = course;
    const hit = this.#hitOf(course, nowMs);
    const readTokens = hit === NONE ? 0 : (this.#tree.tokens[hit] as number);
    course.predictedRead = readTokens;
    course.foundTokens = readTokens;
    if (hit !== NONE) this.#refresh(hit, rules, nowMs);
    const arrival = this.#arrival(course, prompt.promptTokens - readTokens, nowMs);
    let under = hit;
    for (const mark of marks) {
      const tokens = prompt.tokens[mark.place] as number;
      if (tokens <= readTokens || tokens < rules.minTokens) continue;
      const border = this.#trail.borderAt(mark.place);
      if (border === NONE) continue;
      const ttlMs = mark.ttlSeconds * 1000;
      const entry = { expiresMs: nowMs + ttlMs, isLong: ttlMs > shortMs(rules), under, writer: course.id };
      this.#writeEntry(course, border, entry, arrival, nowMs);
      under = border;
    }
  }

  /** What is at stake is charged as soon as it leaves: what is in flight together is not risked together. */
  #account(course: Course, plannedMarks: readonly PlannedMark[], nowMs: number): void {
    const { prompt, rules, lineage, marks, predictedRead } = course;
    const hazards = this.#tenants.meet(prompt.tenant, nowMs);
    if (hazards === undefined) return;
    const { account } = hazards;
    const meanTokens = meanTokensOf(hazards, prompt);
    // What a client marks itself is not our risk.
    const ours =
      marks === plannedMarks ? marks : marks.filter(({ place }) => plannedMarks.some((one) => one.place === place));
    course.stakes = stakesOf(ours, prompt, rules, predictedRead);
    course.account = account;
    const saving = 1 - rules.readPrice;
    charge(account, course.stakes, prompt.promptTokens - saving * predictedRead, meanTokens);
    const staticTokens = staticTokensOf(prompt);
    creditStatic(account, saving * Math.min(predictedRead, staticTokens), meanTokens);
    if (lineage.conversation === 0 || nowMs - lineage.lastMs > shortMs(rules)) return;
    const knownTokens = prompt.tokens[course.known - 1] ?? 0;
    creditReturn(account, saving * Math.max(0, knownTokens - staticTokens), meanTokens);
  }

  #refresh(hit: number, rules: CacheRules, nowMs: number): void {
    const trail = this.#trail;
    this.#mirror.refresh(hit, shortMs(rules), longMs(rules), nowMs);
    // The static prefix may be too far up for that.
    for (let index = trail.staticLength - 1; index >= 0; index -= 1) {
      const border = trail.path[index] as number;
      const isAbove = (this.#tree.depth[border] as number) < (this.#tree.depth[hit] as number);
      if (isAbove && this.#mirror.isWhole(border)) this.#mirror.refresh(border, shortMs(rules), longMs(rules), nowMs);
      this.#mirror.refresh(border, shortMs(rules), longMs(rules), nowMs);
    }
  }

  /** The deepest entry that the request's marks find. */
  #hitOf({ prompt, rules, marks }: Course, nowMs: number): number {
    const { blocks } = prompt;
    const { hit } = this.#mirror.look(this.#trail, nowMs);
    for (let index = hit; index >= 0; index -= 1) {
      const border = this.#trail.path[index] as number;
      if (!this.#mirror.isWhole(border)) continue;
      const place = this.#tree.depth[border] as number;
      const oldest = (mark: number) => (blocks === undefined ? 0 : (blocks[mark] as number) - rules.lookback + 1);
      if (marks.some((mark) => mark.place >= place && (blocks?.[place] ?? 0) >= oldest(mark.place))) return border;
    }
    return NONE;
  }

  #arrival({ prompt, target }: Course, uncachedTokens: number, nowMs: number): Arrival {
    if (!isHeard(prompt)) return this.#unheard.arrival(target, uncachedTokens, nowMs);
    const expectedMs = this.#speeds.expectedMs(target, uncachedTokens);
    return { readableMs: nowMs + expectedMs, isHeard: true };
  }

  #writeEntry(course: Course, border: number, entry: Entry, arrival: Arrival, nowMs: number): void {
    if (this.#mirror.write(border, entry, arrival, nowMs)) {
      course.written.push(border, this.#tree.generation[border] as number);
    } else course.hasProlonged = true;
  }

  /** Who waits for this prompt: the one before it, and the one with its static prefix. */
  #awaited({ prompt, lineage }: Course): readonly number[] {
    const border = prompt.staticPlace < 0 ? NONE : this.#trail.borderAt(prompt.staticPlace);
    return border === NONE ? [lineage.waiting] : [lineage.waiting, this.#visits.staticWaiting[border] as number];
  }

  /**
   * Counts the use of every border on the path, and waits for the next one: once the answer has begun, since what was refused or lost was
   * not used, and who sends it again has not come back.
   */
  #visit(course: Course, nowMs: number): void {
    const { prompt, rules, sentMs } = course;
    this.#waiting.advance(nowMs);
    const lineage = this.#trail.lineage(prompt, this.#trail.walk(course));
    const hazards = this.#tenants.of(prompt.tenant, sentMs);
    const weight = learnTokens(hazards, prompt.promptTokens);
    if (lineage.conversation === 0) this.#lastConversation = following(this.#lastConversation);
    const conversation = lineage.conversation === 0 ? this.#lastConversation : lineage.conversation;
    const ownTokens = Math.max(0, (prompt.tokens.at(-1) ?? 0) - staticTokensOf(prompt));
    this.#waiting.returned(lineage.waiting);
    const finest = promptClass(KINDS[prompt.lastKind], lineage.turn, prompt.promptTokens);
    const waiting = this.#waiting.begin(hazards, finest, weight, sentMs);
    for (let index = 0; index < this.#trail.length; index += 1) {
      const border = this.#trail.path[index] as number;
      this.#visits.use(border, shortMs(rules), longMs(rules), conversation, sentMs);
      this.#visits.pass(border, lineage.turn, ownTokens, waiting);
    }
    const staticBorder = prompt.staticPlace < 0 ? NONE : this.#trail.borderAt(prompt.staticPlace);
    if (staticBorder === NONE) return;
    this.#waiting.returned(this.#visits.staticWaiting[staticBorder] as number);
    this.#visits.staticWaiting[staticBorder] = this.#waiting.begin(
      hazards,
      staticClass(this.#visits.pauses[staticBorder] as number),
      weightOf(hazards, staticTokensOf(prompt)),
      sentMs,
    );
  }
}

/** An answer that is not streamed is heard of once it is complete, long after its prompt can be read. */
function isHeard({ isWhole }: PlannedPrompt): boolean {
  return isWhole !== true;
}

/** A target has a cache for each key, where it keeps them apart by one. */
function cacheName(target: string, partition: string | undefined): string {
  return partition === undefined ? target : JSON.stringify([target, partition]);
}

/** Numbers are kept in 32 bits, and 0 is nobody's: after the last comes the first again, which is long over. */
function following(number: number): number {
  return number === 0xff_ff_ff_ff ? 1 : number + 1;
}
