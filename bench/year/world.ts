/**
 * A year of spend that is made up, with its truth: keys with a rhythm, growth, holidays and chance, and what goes wrong, when. Nothing here
 * knows how alerts are found; the clock is that of central Europe, worked out by its rule and not by production's code.
 */
import { seeded } from "../trace/random.ts";

export type Kind = "office" | "service" | "nightly" | "weekly" | "agents" | "small" | "new";

export interface Key {
  readonly name: string;
  readonly kind: Kind;
  /** Dollars of a usual day, at the year's start. */
  readonly usdADay: number;
  /** Of one task: spend comes in such pieces. */
  readonly usdATask: number;
  /** By so much more after a year. */
  readonly growth: number;
  /** Standard deviation of a day's level, and of half an hour's, of their logarithms. */
  readonly daySpread: number;
  readonly halfHourSpread: number;
  readonly beginsDay: number;
  /** Whether the price of its model changes. */
  readonly isDear: boolean;
  /** A day's more work at each month's end. */
  readonly monthEnd: number;
}

/** A burst is nothing wrong: somebody ran something once. */
export type IncidentKind = "runaway" | "price change" | "cache bust" | "burst";

export interface Incident {
  readonly kind: IncidentKind;
  /** Places in `keys`. */
  readonly keys: readonly number[];
  readonly fromMs: number;
  readonly toMs: number;
  /** What spend is multiplied by, or added to it: dollars an hour at the prices and the growth of the year's start. */
  readonly times: number;
  readonly usdAnHour: number;
}

export interface World {
  readonly keys: readonly Key[];
  readonly incidents: readonly Incident[];
  /** Dollars of each key in each step, summed over the year's steps as they are asked for in order. */
  step(index: number): readonly number[];
  /** What is usual of a key on that day of the year, were there no chance and nothing wrong. */
  usualOf(key: number, day: number): number;
}

export const STEP_MS = 300_000;
export const START_MS: number = Date.UTC(2026, 0, 1) - 3_600_000;
export const DAYS = 365;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const STEPS_A_DAY = DAY_MS / STEP_MS;
/** Of a working day's spend, what holidays leave. */
const HOLIDAY_SHARE = 0.2;
const HOLIDAYS = new Set([0, 92, 95, 120, 133, 144, 275, 357, 358, 359, 360, 361, 362, 363, 364]);

export function worldOf(seed: number): World {
  const random = seeded(seed);
  const keys = KINDS.map((kind, index) => keyOf(kind, index, random));
  const incidents = incidentsOf(keys, random);
  const dayLevels = keys.map(({ daySpread }) =>
    Array.from({ length: DAYS + 2 }, () => Math.exp(daySpread * normal(random) - daySpread ** 2 / 2)),
  );
  const extra = keys.map((key) => extraDays(key, random));
  let halfHour = -1;
  let bursts = keys.map(() => 1);
  const chance = seeded(seed + 7_919);
  return {
    keys,
    incidents,
    usualOf: (key, day) => {
      const given = keys[key];
      if (given === undefined || day < given.beginsDay) return 0;
      return (
        given.usdADay * grown(given, day) * dayShare(given, day) * pricedOf(incidents, key, START_MS + day * DAY_MS)
      );
    },
    step(index) {
      const atMs = START_MS + index * STEP_MS;
      const wall = wallOf(atMs);
      const day = Math.floor((wall - WALL_START) / DAY_MS);
      const half = Math.floor(atMs / 1_800_000);
      if (half !== halfHour) {
        halfHour = half;
        bursts = keys.map(({ halfHourSpread }) => Math.exp(halfHourSpread * normal(chance) - halfHourSpread ** 2 / 2));
      }
      const hour = (((wall % DAY_MS) + DAY_MS) % DAY_MS) / HOUR_MS;
      return keys.map((key, at) => {
        if (day < key.beginsDay) return 0;
        const share = dayShare(key, day) + (extra[at]?.get(day) ?? 0);
        const level = (dayLevels[at]?.[day + 1] ?? 1) * (bursts[at] ?? 1);
        const usual = (key.usdADay * grown(key, day) * share * level * shapeOf(key.kind, hour)) / STEPS_A_DAY;
        const price = pricedOf(incidents, at, atMs) * busts(incidents, at, atMs);
        const run = runs(incidents, at, atMs) * grown(key, day) * price * (STEP_MS / HOUR_MS);
        return pieces(usual, key.usdATask, chance) * price + (run > 0 ? pieces(run, run / 5, chance) : 0);
      });
    },
  };
}

const KINDS: readonly Kind[] = [
  "office",
  "office",
  "office",
  "office",
  "office",
  "office",
  "office",
  "service",
  "service",
  "service",
  "service",
  "nightly",
  "nightly",
  "weekly",
  "agents",
  "agents",
  "agents",
  "small",
  "new",
];

function keyOf(kind: Kind, index: number, random: () => number): Key {
  const isSmall = kind === "small" || kind === "new";
  const usdADay = isSmall ? 1 + 3 * random() : Math.exp(Math.log(10) + random() * Math.log(50));
  return {
    name: `${kind}-${index}`,
    kind,
    usdADay,
    usdATask: kind === "agents" ? usdADay / (20 + 40 * random()) : usdADay / (80 + 2_000 * random()),
    growth: random() < 0.3 ? 0 : 2 * random(),
    daySpread: { office: 0.12, service: 0.06, nightly: 0.12, weekly: 0.12, agents: 0.15, small: 0.15, new: 0.15 }[kind],
    halfHourSpread: kind === "agents" ? 0.5 : 0.25,
    beginsDay: kind === "new" ? 100 + Math.floor(150 * random()) : 0,
    isDear: random() < 0.5,
    monthEnd: index === 0 ? 0.35 : 0,
  };
}

function incidentsOf(keys: readonly Key[], random: () => number): readonly Incident[] {
  const settled = keys.flatMap(({ kind }, at) => (kind === "new" ? [] : [at]));
  const one = () => settled[Math.floor(random() * settled.length)] ?? 0;
  const time = (from: number, to: number) => START_MS + (from + (to - from) * random()) * DAY_MS;
  const incidents: Incident[] = [];
  for (let n = 0; n < 10; n += 1) {
    const key = one();
    const fromMs = time(40, 350);
    const usdAnHour = Math.max(5, (6 + 14 * random()) * ((keys[key]?.usdADay ?? 0) / 24));
    incidents.push({ kind: "runaway", keys: [key], fromMs, toMs: fromMs + 6 * HOUR_MS, times: 1, usdAnHour });
  }
  for (let n = 0; n < 6; n += 1) {
    const key = one();
    const fromMs = time(40, 350);
    const usdAnHour = (0.25 + 0.25 * random()) * (keys[key]?.usdADay ?? 0);
    incidents.push({ kind: "burst", keys: [key], fromMs, toMs: fromMs + 40 * 60_000, times: 1, usdAnHour });
  }
  const dear = settled.filter((at) => keys[at]?.isDear === true);
  incidents.push({
    kind: "price change",
    keys: dear,
    fromMs: time(90, 250),
    toMs: Number.POSITIVE_INFINITY,
    times: 4,
    usdAnHour: 0,
  });
  for (let n = 0; n < 4; n += 1) {
    const busy = settled.filter((at) => ["office", "service", "agents"].includes(keys[at]?.kind ?? ""));
    const key = busy[Math.floor(random() * busy.length)] ?? 0;
    const fromMs = time(40, 350);
    incidents.push({
      kind: "cache bust",
      keys: [key],
      fromMs,
      toMs: fromMs + (2 + 3 * random()) * DAY_MS,
      times: 2.4 + 1.2 * random(),
      usdAnHour: 0,
    });
  }
  return incidents;
}

/** Saturdays on which somebody works, and what each month's end takes. */
function extraDays({ kind, monthEnd }: Key, random: () => number): ReadonlyMap<number, number> {
  const extra = new Map<number, number>();
  for (let day = 0; day < DAYS; day += 1) {
    const date = new Date(WALL_START + day * DAY_MS);
    if (kind === "office" && date.getUTCDay() === 6 && random() < 0.08) extra.set(day, 0.15 + 0.3 * random());
    const isLast = new Date(date.getTime() + DAY_MS).getUTCDate() === 1;
    if (monthEnd > 0 && isLast) extra.set(day, monthEnd);
  }
  return extra;
}

function grown({ growth }: Key, day: number): number {
  return 1 + (growth * day) / DAYS;
}

function dayShare({ kind }: Key, day: number): number {
  const weekday = (new Date(WALL_START + day * DAY_MS).getUTCDay() + 6) % 7;
  const isFree = weekday >= 5;
  switch (kind) {
    case "office":
    case "agents":
      return (isFree ? (kind === "office" ? 0.05 : 0.3) : 1) * (HOLIDAYS.has(day) && !isFree ? HOLIDAY_SHARE : 1);
    case "weekly":
      return weekday === 0 ? 1 : 0.02;
    case "service":
      return isFree ? 0.8 : HOLIDAYS.has(day) ? 0.7 : 1;
    default:
      return 1;
  }
}

/** How many times the mean of a day it is at an hour. */
function shapeOf(kind: Kind, hour: number): number {
  switch (kind) {
    case "office":
    case "agents":
      return hour < 7 || hour >= 20 ? 0.03 : (hour >= 12 && hour < 13 ? 1.2 : 1.75 - 0.02 * Math.abs(hour - 14)) * 1.02;
    case "nightly":
      return hour >= 2 && hour < 4 ? 10 : 0.18;
    case "weekly":
      return hour >= 6 && hour < 9 ? 7.6 : 0.06;
    default:
      return 1 + 0.6 * Math.sin(((hour - 9) / 24) * 2 * Math.PI);
  }
}

function pricedOf(incidents: readonly Incident[], key: number, atMs: number): number {
  return product(incidents, "price change", key, atMs);
}

function busts(incidents: readonly Incident[], key: number, atMs: number): number {
  return product(incidents, "cache bust", key, atMs);
}

function product(incidents: readonly Incident[], kind: IncidentKind, key: number, atMs: number): number {
  let times = 1;
  for (const one of incidents) {
    if (one.kind === kind && atMs >= one.fromMs && atMs < one.toMs && one.keys.includes(key)) times *= one.times;
  }
  return times;
}

function runs(incidents: readonly Incident[], key: number, atMs: number): number {
  let usd = 0;
  for (const one of incidents) {
    if (
      (one.kind === "runaway" || one.kind === "burst") &&
      atMs >= one.fromMs &&
      atMs < one.toMs &&
      one.keys.includes(key)
    )
      usd += one.usdAnHour;
  }
  return usd;
}

/** So many tasks as chance has it, each of a cost that is spread far. */
function pieces(expected: number, piece: number, random: () => number): number {
  const tasks = expected / piece;
  if (tasks > 30) return expected * Math.max(0, 1 + (normal(random) * Math.sqrt(PIECE_SQUARES)) / Math.sqrt(tasks));
  let left = Math.exp(-tasks);
  let draw = random();
  let sum = 0;
  for (let n = 1; draw > left && n < 200; n += 1) {
    sum += piece * Math.exp(PIECE_SPREAD * normal(random) - PIECE_SPREAD ** 2 / 2);
    draw -= left;
    left *= tasks / n;
  }
  return sum;
}

const PIECE_SPREAD = 0.8;
/** Mean of a piece's square, by the square of its mean. */
const PIECE_SQUARES: number = Math.exp(PIECE_SPREAD ** 2);

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const WALL_START: number = Date.UTC(2026, 0, 1);
/** Summer time: from the last Sunday of March to that of October, one o'clock UTC. */
const SUMMER_MS: readonly [number, number] = [Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1)];

/** What a clock shows in Berlin, as if it were UTC. */
export function wallOf(atMs: number): number {
  return atMs + (atMs >= SUMMER_MS[0] && atMs < SUMMER_MS[1] ? 2 : 1) * HOUR_MS;
}

export function dayIndexOf(atMs: number): number {
  return Math.floor((wallOf(atMs) - WALL_START) / DAY_MS);
}
