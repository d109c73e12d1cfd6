/** One rule, for each value of its scope: what was spent in the window, what it is compared with, and which levels that is over. */
import type { PicoUsd } from "../usage.ts";
import type { Alert, AlertBasis, AlertEvent, AlertRule, WatchState } from "./alert.ts";
import { Course, wholeOf, type Whole } from "./baseline.ts";
import { calendarOf, type Calendar } from "./days.ts";
import { CALM_SHARE, QUIET, step, type LevelState, type Step } from "./level.ts";
import { learn, SWING_OFFSET, WEEKS, type Learned } from "./learned.ts";
import { projectedAtLeast } from "./projection.ts";
import { SLOT_MS, slotOf, type Spend } from "./spend.ts";
import type { SpendBook } from "./spend-book.ts";
import { eventText } from "./text.ts";

/** What is kept of a value over a restart. */
export interface KeptValue {
  readonly value: string;
  /** What the window that began then is compared with. */
  readonly windowMs?: number;
  readonly whole?: PicoUsd;
  readonly levels: readonly (LevelState & { readonly level: number })[];
}

interface Watched {
  readonly spend: Spend;
  readonly levels: Map<number, LevelState>;
  windowMs: number;
  whole: Whole;
  dayMs: number;
  learned: Learned | undefined;
  course: Course | undefined;
  /** The two before today. */
  daysBefore: readonly { readonly spent: number; readonly expected: number }[];
  projected: number | undefined;
}

export class Watch {
  rule: AlertRule;
  book: SpendBook;
  readonly #calendarOf: (atMs: number) => Calendar;
  readonly #watched = new Map<string, Watched>();
  readonly #kept = new Map<string, KeptValue>();

  constructor(rule: AlertRule, book: SpendBook) {
    this.rule = rule;
    this.book = book;
    this.#calendarOf = calendarOf(rule.unit, rule.timeZone, WEEKS * 7);
  }

  /** Whether something was decided that is to be kept. Only rises. */
  revision = 0;

  /** @returns what is to be told, of one value after the other. */
  evaluate(nowMs: number): AlertEvent[] {
    const calendar = this.#calendarOf(nowMs);
    return [...this.book.spends].flatMap(([value, spend]) => this.#evaluated(value, spend, calendar, nowMs));
  }

  /** Of all values that are open: it is not watched any more. */
  ended(nowMs: number): AlertEvent[] {
    const kept = this.kept();
    return kept.flatMap(({ levels }) =>
      levels.flatMap(({ open }) =>
        open === undefined ? [] : [eventOf("resolved", { ...open, resolvedAtMs: nowMs }, nowMs)],
      ),
    );
  }

  states(nowMs: number): readonly WatchState[] {
    const calendar = this.#calendarOf(nowMs);
    return [...this.book.spends].map(([value, spend]) => {
      const watched = this.#at(value, spend, calendar);
      const { whole, projected } = watched;
      const { spent, unpriced } = spend.since(slotOf(calendar.window.startMs));
      return {
        rule: this.rule,
        value,
        window: calendar.window,
        spent,
        baseline: whole.amount,
        missing: whole.missing,
        baselineSoFar: whole.amount === undefined ? undefined : rounded(watched.course?.soFar(nowMs)),
        projected: rounded(projected),
        alertFrom: this.#alertFrom(watched),
        unpricedCalls: unpriced,
        firing: this.#open(watched).map(({ level }) => level),
      };
    });
  }

  open(): readonly Alert[] {
    return [...this.#watched.values()].flatMap((watched) => this.#open(watched));
  }

  /** Of those that have something to keep. */
  kept(): readonly KeptValue[] {
    const live = [...this.#watched].map(([value, { windowMs, whole, levels }]): KeptValue => ({
      value,
      ...(whole.amount === undefined ? {} : { windowMs, whole: whole.amount }),
      levels: [...levels].flatMap(([level, state]) => (state === QUIET ? [] : [{ level, ...state }])),
    }));
    const unseen = [...this.#kept.values()].filter(({ value }) => !this.#watched.has(value));
    return [...live, ...unseen].filter(({ levels, whole }) => levels.length > 0 || whole !== undefined);
  }

  recall(kept: readonly KeptValue[]): void {
    for (const one of kept) this.#kept.set(one.value, one);
  }

  /** Spend was read anew, all that was worked out from it is again. */
  reread(): void {
    const kept = this.kept();
    this.#kept.clear();
    this.recall(kept);
    this.#watched.clear();
  }

  /** An alert's cause has come to be known, for who asks for alerts. */
  explained(alert: Alert): void {
    for (const watched of this.#watched.values()) {
      for (const [level, state] of watched.levels) {
        if (state.open?.id === alert.id) watched.levels.set(level, { ...state, open: alert });
      }
    }
    this.revision += 1;
  }

  #evaluated(value: string, spend: Spend, calendar: Calendar, nowMs: number): AlertEvent[] {
    const watched = this.#at(value, spend, calendar);
    const { whole, course } = watched;
    if (whole.amount === undefined || course === undefined) {
      watched.projected = undefined;
      return [];
    }
    const { spent } = spend.since(slotOf(calendar.window.startMs));
    const { levels } = this.rule;
    watched.projected = this.#projected(watched, calendar, Number(spent), nowMs);
    const events: AlertEvent[] = [];
    let isTold = false;
    for (const level of levels.toReversed()) {
      const threshold = thresholdOf(whole.amount, level, this.rule, watched.learned);
      const isOver = (amount: number) => amount >= threshold;
      const calm = CALM_SHARE * threshold;
      const { projected = 0 } = watched;
      const seen = {
        window: calendar.window,
        isOver: isOver(Number(spent)),
        isProjectedOver: isOver(projected),
        isCalm: Number(spent) < calm && projected < calm,
      };
      const state = watched.levels.get(level) ?? QUIET;
      const next = step(state, seen, nowMs);
      events.push(
        ...this.#told(watched, { value, spend, level, calendar, baseline: whole.amount, isTold }, state, next, nowMs),
      );
      isTold ||= next.fires !== undefined;
    }
    return events;
  }

  /** Of several levels that are passed at once the highest is told. */
  #told(
    watched: Watched,
    of: { value: string; spend: Spend; level: number; calendar: Calendar; baseline: PicoUsd; isTold: boolean },
    before: LevelState,
    { state, resolved, fires }: Step,
    nowMs: number,
  ): AlertEvent[] {
    const events: AlertEvent[] = [];
    if (resolved && before.open !== undefined)
      events.push(eventOf("resolved", { ...before.open, resolvedAtMs: nowMs }, nowMs));
    let open = state.open;
    if (fires !== undefined && !of.isTold) {
      open = this.#alert(watched, of, fires, nowMs);
      events.push(eventOf("fired", open, nowMs));
    }
    if (
      events.length > 0 ||
      state.told !== before.told ||
      (state.overSinceMs === undefined) !== (before.overSinceMs === undefined)
    )
      this.revision += 1;
    const { open: _, ...rest } = state;
    const isQuiet = open === undefined && rest.told.length === 0 && rest.overSinceMs === undefined;
    watched.levels.set(of.level, isQuiet ? QUIET : open === undefined ? rest : { ...rest, open });
    return events;
  }

  #alert(
    watched: Watched,
    {
      value,
      spend,
      level,
      calendar: { window },
      baseline,
    }: { value: string; spend: Spend; level: number; calendar: Calendar; baseline: PicoUsd },
    basis: AlertBasis,
    nowMs: number,
  ): Alert {
    const { name, scope, tag, baseline: given, confidence } = this.rule;
    const { spent, unpriced } = spend.since(slotOf(window.startMs));
    return {
      id: `${name}|${value}|${level}|${new Date(window.startMs).toISOString()}`,
      rule: name,
      scope,
      tag,
      value,
      level,
      basis,
      window,
      spent,
      baseline,
      baselineKind: given.kind,
      projected: rounded(watched.projected),
      confidence: watched.projected === undefined ? undefined : confidence,
      unpricedCalls: unpriced,
      firedAtMs: nowMs,
      resolvedAtMs: undefined,
      cause: undefined,
    };
  }

  #projected(watched: Watched, calendar: Calendar, spent: number, nowMs: number): number | undefined {
    const { confidence, unit } = this.rule;
    const { learned, course, spend } = watched;
    if (confidence === undefined || learned === undefined || course === undefined) return undefined;
    const { window, today } = calendar;
    const sinceMs = unit === "hour" ? window.startMs : today.startMs;
    const days = [{ spent: Number(spend.since(slotOf(sinceMs)).spent), expected: course.expected(sinceMs, nowMs) }];
    // Weeks and months go on for longer than a bad day does: two days of three must be high.
    if (unit === "week" || unit === "month") days.push(...watched.daysBefore);
    const recentFromMs = (slotOf(nowMs) - RECENT_SLOTS) * SLOT_MS;
    const recentExpected = course.expected(recentFromMs, nowMs);
    return projectedAtLeast(
      {
        spent,
        days,
        rest: course.rest(nowMs),
        restHours: (window.endMs - nowMs) / HOUR_MS,
        recent: between(spend, recentFromMs, nowMs),
        recentExpected,
        recentHours: (nowMs - recentFromMs) / HOUR_MS,
        dispersion: learned.dispersion,
        daySpread: learned.daySpread,
        swing: learned.swing * (recentExpected + SWING_OFFSET * course.ofDay(today)),
      },
      confidence,
    );
  }

  #at(value: string, spend: Spend, calendar: Calendar): Watched {
    let watched = this.#watched.get(value);
    if (watched === undefined || watched.spend !== spend) {
      watched = this.#begun(value, spend);
      this.#watched.set(value, watched);
    }
    const { window, today, before } = calendar;
    const isNewDay = watched.dayMs !== today.startMs;
    if (isNewDay) {
      spend.advance(slotOf(today.startMs));
      watched.learned = learn(spend, before, this.rule.historyDays);
      watched.dayMs = today.startMs;
    }
    const isNewWindow = watched.windowMs !== window.startMs;
    // A new key may get a history within a month: then there is something to compare with from then on.
    if (isNewWindow || (isNewDay && watched.whole.amount === undefined)) {
      watched.whole = wholeOf(this.rule, value, calendar, watched.learned);
      watched.windowMs = window.startMs;
      if (watched.whole.amount !== undefined) this.revision += 1;
    }
    if (isNewDay || isNewWindow || watched.course === undefined) {
      const course = new Course(calendar, watched.learned, watched.whole.amount);
      watched.course = course;
      watched.daysBefore = before.slice(0, 2).map((day) => ({
        spent: between(spend, day.startMs, day.endMs),
        expected: course.ofDay(day),
      }));
    }
    return watched;
  }

  #begun(value: string, spend: Spend): Watched {
    const kept = this.#kept.get(value);
    const levels = new Map(kept?.levels.map(({ level, ...state }) => [level, state]));
    return {
      spend,
      levels,
      windowMs: kept?.windowMs ?? Number.NaN,
      // What the operator says now holds now.
      whole: { amount: this.rule.baseline.kind === "learned" ? kept?.whole : undefined, missing: undefined },
      dayMs: Number.NaN,
      learned: undefined,
      course: undefined,
      daysBefore: [],
      projected: undefined,
    };
  }

  #alertFrom({ whole: { amount }, learned }: Watched): PicoUsd | undefined {
    const [lowest] = this.rule.levels;
    return amount === undefined || lowest === undefined
      ? undefined
      : rounded(thresholdOf(amount, lowest, this.rule, learned));
  }

  #open({ levels }: Watched): readonly Alert[] {
    return [...levels.values()].flatMap(({ open }) => open ?? []);
  }
}

/**
 * A level of a learned baseline is never within what the value's own days differ by: where one in ten is over 150 % anyway, that is no
 * reason to wake anybody. What the operator gave as a number is taken by its word.
 */
function thresholdOf(whole: PicoUsd, level: number, rule: AlertRule, learned: Learned | undefined): number {
  const floor = Number(rule.floor);
  // A baseline of nothing has no multiple: it counts as the floor.
  const baseline = Math.max(Number(whole), floor);
  const isLearned = rule.baseline.kind === "learned" && learned !== undefined;
  const usual = isLearned ? Math.exp(rule.deviations * learned.daySpread) : 0;
  return Math.max(baseline * Math.max(level, usual), baseline + floor);
}

/** Whole quarters of an hour that a projection looks back beside the one that has begun. */
const RECENT_SLOTS = 1;
const HOUR_MS = 3_600_000;

function between(spend: Spend, fromMs: number, toMs: number): number {
  let sum = 0;
  for (let slot = slotOf(fromMs); slot * SLOT_MS < toMs; slot += 1) sum += spend.amount(slot);
  return sum;
}

function rounded(amount: number | undefined): PicoUsd | undefined {
  return amount === undefined || !Number.isFinite(amount) ? undefined : BigInt(Math.round(amount));
}

export function eventOf(kind: AlertEvent["kind"], alert: Alert, atMs: number): AlertEvent {
  return { id: `${alert.id}/${kind}`, kind, alert, text: eventText(kind, alert), atMs };
}
