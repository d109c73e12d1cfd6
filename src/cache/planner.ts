/**
 * Where a prompt's cache marks go, and for how long: the policy that learns, from every prompt and every answer, which prefixes come
 * back and when. Pure: time is an argument, and nothing outside is read or written.
 *
 * One call runs `plan` → `sent` → `readable` → `settled`, or `failed` in place of the last. A plan changes nothing, and the same state
 * plans the same; everything is learned from `sent` on. A plan that is never sent costs nothing.
 */
import { type Chances, NO_CHANCES } from "./economics.ts";
import {
  type Hazards,
  hazardsOf,
  learnTokens,
  promptClass,
  returnChance,
  staticClass,
  STEP_SECONDS,
  TENANT_CLASS,
  weightOf,
} from "./hazard.ts";
import { type Arrival, type Entry, Mirror } from "./mirror.ts";
import { placeMarks } from "./placement.ts";
import type {
  Hold,
  LastKind,
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
import { type CacheRules, longMs, pricesOf, shortMs } from "./rules.ts";
import { Tenants } from "./tenants.ts";
import {
  lastMarkable,
  type Lineage,
  NEW_CONVERSATION,
  revealedPlaces,
  staticTokensOf,
  Trail,
  type Traveller,
} from "./trail.ts";
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
/** What is only believed to be readable is believed so a little later than it is expected. */
const UNHEARD_MARGIN = 1.25;
/** Less is not worth waiting for. */
const HOLD_TOKENS_MIN = 1024;
/** What a plan remembers between its calls. */
interface Course extends Plan, Traveller {
  marks: readonly PlannedMark[];
  predictedRead: number;
  hold?: Hold;
  lineage: Lineage;
  known: number;
  readonly target: string;
  sentMs: number;
  /** Of the planner when it was made: whether what it found still stands. */
  readonly epoch: number;
  state: "planned" | "sent" | "readable" | "over";
  foundTokens: number;
  /** What it wrote, as border and its generation in turn. */
  readonly written: number[];
  /** Whether it wrote something that another request was writing: not its own if all goes well. */
  hasProlonged: boolean;
  /** Who waited for it, as {@link Waiting} numbers them. */
  awaited: readonly number[];
}

const KINDS: Readonly<Record<LastKind, number>> = { user: 0, tool: 1, assistant: 2, other: 3 };

class LearningPlanner implements Planner {
  readonly #tree: PrefixTree;
  readonly #mirror: Mirror;
  readonly #visits: Visits;
  readonly #waiting: Waiting;
  readonly #tenants: Tenants;
  readonly #hazard: Float64Array = new Float64Array(STEP_SECONDS.length);
  readonly #trail: Trail;
  readonly #speeds = new PrefillSpeeds();
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
      epoch: this.#epoch,
      lineage: NEW_CONVERSATION,
      state: "planned",
      known: 0,
      foundTokens: 0,
      written: [],
      hasProlonged: false,
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

  sent(plan: Plan, nowMs: number, marks: readonly PlannedMark[] = plan.marks): number {
    const course = plan as Course;
    if (course.state !== "planned") return course.predictedRead;
    course.state = "sent";
    course.sentMs = nowMs;
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
    if (rules.kind === "automatic") this.#pass(course, nowMs);
    else this.#write(course, nowMs);
    course.awaited = this.#awaited(course);
    for (const number of course.awaited) this.#waiting.returned(number);
    return course.predictedRead;
  }

  readable(plan: Plan, nowMs: number): void {
    const course = plan as Course;
    if (course.state !== "sent") return;
    course.state = "readable";
    this.#epoch += 1;
    const uncachedTokens = course.prompt.promptTokens - course.predictedRead;
    if (isHeard(course.prompt)) this.#speeds.learn(course.target, uncachedTokens, nowMs - course.sentMs);
    this.#eachWritten(course, (border) => this.#mirror.arrive(border, course.id, nowMs));
    if (course.rules.kind !== "none" && course.prompt.tokens.length > 0) this.#visit(course, nowMs);
  }

  settled(plan: Plan, usage: PlanUsage | undefined, nowMs: number): void {
    const course = plan as Course;
    this.readable(plan, nowMs);
    if (course.state !== "readable") return;
    course.state = "over";
    if (usage === undefined || course.rules.kind === "none") return;
    this.#epoch += 1;
    this.#correct(course, usage, nowMs);
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
    if (course.state === "sent") {
      this.#epoch += 1;
      this.#eachWritten(course, (border) => this.#mirror.drop(border, course.id));
      for (const number of course.awaited) this.#waiting.stayedAway(number);
    }
    course.state = "over";
  }

  snapshot(): PlannerSnapshot {
    return { version: 2, tenants: this.#tenants.snapshot() };
  }

  restore(snapshot: unknown): void {
    const kept = snapshot as Partial<PlannerSnapshot> | null | undefined;
    if (kept?.version !== 2) return;
    this.#epoch += 1;
    this.#tenants.restore(kept.tenants);
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
    const { prompt, rules, lineage } = course;
    const look = this.#mirror.look(this.#trail, nowMs);
    const hit = look.hit === NONE ? NONE : (this.#trail.path[look.hit] as number);
    const hitTokens = hit === NONE ? 0 : (this.#tree.tokens[hit] as number);
    const coming = look.coming === NONE ? NONE : (this.#trail.path[look.coming] as number);
    const comingTokens = coming === NONE ? 0 : (this.#tree.tokens[coming] as number);
    const candidates = this.#trail.candidates(course, look.hit, nowMs);
    const hazards = this.#tenants.look(prompt.tenant);
    const staticVisits = candidates.find((candidate) => candidate.isStatic)?.pauses;
    const chances = (finest: number) => this.#chances(hazards, finest, rules);
    course.marks = placeMarks({
      rules,
      prices: pricesOf(rules),
      candidates,
      hit:
        hit === NONE
          ? undefined
          : {
              place: this.#tree.depth[hit] as number,
              tokens: hitTokens,
              isLong: this.#mirror.isLong(hit),
              hasShort: this.#mirror.hasShort(hit),
            },
      comingTokens: Math.max(comingTokens, hitTokens),
      next: chances(promptClass(KINDS[prompt.lastKind], lineage.turn, prompt.promptTokens)),
      nextStatic: staticVisits === undefined ? NO_CHANCES : chances(staticClass(staticVisits)),
      later: chances(TENANT_CLASS),
    });
    course.predictedRead = hitTokens;
    course.foundTokens = hitTokens;
    if (comingTokens - hitTokens >= HOLD_TOKENS_MIN) course.hold = this.#holdFor(coming, comingTokens - hitTokens);
  }

  #chances(hazards: Hazards, finest: number, rules: CacheRules): Chances {
    hazardsOf(hazards, finest, this.#hazard);
    const short = returnChance(this.#hazard, shortMs(rules) / 1000);
    return { short, later: returnChance(this.#hazard, longMs(rules) / 1000) - short };
  }

  #holdFor(border: number, moreTokens: number): Hold {
    const isLeaderHeard = this.#mirror.isHeard(border);
    return {
      leader: this.#mirror.writer(border),
      moreTokens,
      untilMs: this.#mirror.readableMs(border),
      isHeard: isLeaderHeard,
    };
  }

  /** What will be read, where a provider caches whatever it reads. */
  #foresee(course: Course, nowMs: number): void {
    const { prompt, rules, known } = course;
    if (known === 0) return;
    const below = this.#trail.below;
    const sharedTokens = prompt.tokens[known - 1] as number;
    let readTokens = 0;
    if (this.#mirror.isAlive(below, nowMs)) readTokens = sharedTokens;
    else {
      const { hit } = this.#mirror.look(this.#trail, nowMs);
      readTokens = hit === NONE ? 0 : (this.#tree.tokens[this.#trail.path[hit] as number] as number);
    }
    course.foundTokens = readTokens;
    const stepped = Math.floor(readTokens / rules.stepTokens) * rules.stepTokens;
    course.predictedRead = stepped < rules.minTokens ? 0 : stepped;
    if (this.#mirror.isComing(below, nowMs) && sharedTokens - readTokens >= HOLD_TOKENS_MIN) {
      course.hold = this.#holdFor(below, sharedTokens - readTokens);
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
      if ((this.#tree.tokens[border] as number) <= course.foundTokens) this.#mirror.set(border, entry);
      else this.#writeEntry(course, border, entry, arrival, nowMs);
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
    const expectedMs = this.#speeds.expectedMs(target, uncachedTokens);
    return isHeard(prompt)
      ? { readableMs: nowMs + expectedMs, isHeard: true }
      : { readableMs: nowMs + UNHEARD_MARGIN * expectedMs, isHeard: false };
  }

  #writeEntry(course: Course, border: number, entry: Entry, arrival: Arrival, nowMs: number): void {
    if (this.#mirror.write(border, entry, arrival, nowMs)) {
      course.written.push(border, this.#tree.generation[border] as number);
    } else course.hasProlonged = true;
  }

  #eachWritten({ written }: Course, act: (border: number) => void): void {
    for (let at = 0; at < written.length; at += 2) {
      const border = written[at] as number;
      if (this.#tree.generation[border] === written[at + 1]) act(border);
    }
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

  /** Believes the bill: what it says was not read is not there, what it says was is, and what was written is. */
  #correct(course: Course, usage: PlanUsage, nowMs: number): void {
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
      this.#eachWritten(course, (border) => this.#mirror.drop(border, course.id));
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
        this.#mirror.set(border, {
          expiresMs: nowMs + ttlMs,
          isLong: ttlMs > shortMs(rules),
          under,
          writer: course.id,
        });
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
    this.#mirror.set(border, { expiresMs: nowMs + shortMs(rules), isLong: false, under: NONE, writer: id });
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

/** A bill that differs by no more than this share of the prompt differs by our estimate of its tokens. */
const TOLERANCE_SHARE = 0.03;

/** Numbers are kept in 32 bits, and 0 is nobody's: after the last comes the first again, which is long over. */
function following(number: number): number {
  return number === 0xff_ff_ff_ff ? 1 : number + 1;
}
