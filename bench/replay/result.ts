/** What a replay found, as one JSON object: money in dollars, and exactly in picodollars where it is exact. */
import { usdNumber, type PicoUsd } from "../../src/usage.ts";
import { Draws, DRAWS, intervalOf, type Interval } from "./draws.ts";
import type { BreakEven, ServerLoad } from "./hardware.ts";
import type { Known, Replayed } from "./run.ts";
import type { Checked, ClassSums, Moved } from "./sums.ts";

export interface Result {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly hours: number;
  readonly as_it_was: AsItWas;
  readonly classes: readonly ClassResult[];
  readonly total: ClassResult;
  readonly moved: readonly MovedResult[];
  readonly servers: readonly ServerResult[];
}

export interface AsItWas {
  readonly tasks: number;
  readonly attempts: number;
  readonly cost_usd: number;
  readonly cost_pico_usd: string;
  /** Attempts whose tokens, times the price that they were paid at, are what the ledger says; the others that were billed are below. */
  readonly recomputed_attempts: number;
  readonly carried: readonly { readonly why: string; readonly attempts: number; readonly cost_usd: number }[];
  readonly not_billed_attempts: number;
  readonly unpriced_attempts: number;
  readonly open_attempts: number;
}

export interface ClassResult {
  readonly class: string;
  readonly tasks: number;
  readonly attempts: number;
  /** What the ledger says of all of them. */
  readonly ledger_usd: number;
  readonly ledger_pico_usd: string;
  /** Of the tasks that can be compared: what they cost, and would cost. */
  readonly compared_tasks: number;
  readonly was_usd: number;
  readonly would_usd: number;
  /** `null` where something is projected. */
  readonly would_pico_usd: string | null;
  /** `null`: nothing is projected. */
  readonly would_ci95: Interval | null;
  /** Over what it was; `null`: that was nothing. */
  readonly change: number | null;
  /** If the first calls of tasks that move found as much in the cache as they did. */
  readonly would_if_warm_usd: number;
  readonly projected_tasks: number;
  /** By why, tasks that stay though another target was asked for. */
  readonly stay: Readonly<Record<string, number>>;
  /** Nobody can say what they would cost. */
  readonly apart: { readonly tasks: number; readonly was_usd: number };
  /** Nobody knows what they cost. */
  readonly was_unknown: { readonly tasks: number; readonly would_usd: number };
  readonly success: SuccessResult;
}

export interface SuccessResult {
  readonly judged_tasks: number;
  readonly was: number | null;
  readonly would: number | null;
  readonly would_ci95: Interval | null;
}

export interface MovedResult {
  readonly class: string;
  readonly target: string;
  readonly tasks: number;
  readonly was_usd: number;
  readonly would_usd: number;
  readonly would_ci95: Interval;
  /** Of a task, in the target's own tokens. */
  readonly turns: number;
  readonly fresh_tokens: number;
  readonly read_tokens: number;
  readonly output_tokens: number;
  readonly success: { readonly mean: number; readonly low: number };
  /** Tasks of the class that this target did alone; 0: all below is from elsewhere. */
  readonly backed_by_tasks: number;
  /** Tasks that were there, projected as if they had not been: over what they did cost. `null`: there were none. */
  readonly check: { readonly tasks: number; readonly over: number } | null;
  /** The nearest that each figure is known from, and from how many tasks; older ones count in part. */
  readonly known_from: Readonly<
    Record<"turns" | "growth" | "output" | "cache" | "success", { source: string; n: number }>
  >;
}

export interface ServerResult {
  readonly target: string;
  readonly usd_per_hour: number;
  readonly servers: number;
  readonly paid_usd: number;
  readonly paid_ci95: Interval;
  /** Share of the paid hours. */
  readonly busy: number;
  /** As a policy took it to be. */
  readonly utilization: number;
  readonly break_even: readonly (BreakEven & { readonly class: string })[];
}

export const ALL = "all";

export function resultOf(replayed: Replayed, seed: string): Result {
  const { firstMs, lastMs, hours, sums, servers } = replayed;
  const context: Context = { replayed, hours, draws: new Draws(seed) };
  const all = sums.all().toSorted((one, other) => Number(other.ledger - one.ledger));
  const drawn = new Map(all.map((one) => [one, wouldOf(one, context)]));
  const total = totalOf(all);
  return {
    from: firstMs === undefined ? undefined : new Date(firstMs).toISOString(),
    to: lastMs === undefined ? undefined : new Date(lastMs).toISOString(),
    hours,
    as_it_was: asItWasOf(total),
    classes: all.map((one) => classResult(one, drawn.get(one) as Would, successOf([one], context))),
    total: classResult(total, addedUp([...drawn.values()]), successOf(all, context)),
    moved: all.flatMap((one) => movedResults(one, context)),
    servers: [...servers.values()]
      .filter((server) => server.busySeconds > 0)
      .map((server) => serverResult(server, context)),
  };
}

interface Context {
  readonly replayed: Replayed;
  readonly hours: number;
  readonly draws: Draws;
}

/** Dollars. */
interface Would {
  readonly exact: PicoUsd | undefined;
  readonly usd: number;
  readonly ifWarm: number;
  readonly draws: Float64Array | undefined;
}

function wouldOf(sums: ClassSums, context: Context): Would {
  const stays = usdNumber(sums.compared.stays);
  if (sums.moved.size === 0) return { exact: sums.compared.stays, usd: stays, ifWarm: stays, draws: undefined };
  let [usd, ifWarm] = [stays, stays];
  const draws = new Float64Array(DRAWS).fill(stays);
  for (const [target, moved] of sums.moved) {
    const server = context.replayed.servers.get(target);
    const cost = (factor: number) =>
      server === undefined
        ? (moved.cost * factor + moved.seenCost) / 1e12
        : shareOf(server, sums.name, factor, context);
    usd += cost(1);
    ifWarm += server === undefined ? (moved.costIfWarm + moved.seenCost) / 1e12 : cost(1);
    for (let draw = 0; draw < DRAWS; draw += 1) {
      draws[draw] = (draws[draw] as number) + cost(factorOf(sums.name, target, context, draw));
    }
  }
  return { exact: undefined, usd, ifWarm, draws };
}

/** Of what the servers are paid, as much as a class keeps them busy. @param factor Of its work; the servers are those of all work times it. */
function shareOf(server: ServerLoad, className: string, factor: number, { hours }: Context): number {
  const compared = server.classes.reduce((sum, name) => sum + server.secondsOf(name), 0);
  return compared === 0 ? 0 : (server.paid(hours, factor) * server.secondsOf(className)) / compared;
}

function factorOf(className: string, target: string, { replayed, draws }: Context, draw: number): number {
  return draws.cost(className, target, evidenceOf(replayed.known(className, target)), draw);
}

function evidenceOf(known: Known | undefined): number {
  return known?.estimates.costPerTask?.n ?? 0;
}

function addedUp(all: readonly Would[]): Would {
  const isExact = all.every(({ exact }) => exact !== undefined);
  const draws = new Float64Array(DRAWS);
  for (const one of all) {
    for (let draw = 0; draw < DRAWS; draw += 1) draws[draw] = (draws[draw] as number) + (one.draws?.[draw] ?? one.usd);
  }
  const sum = (of: (one: Would) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    exact: isExact ? all.reduce((total, { exact }) => total + (exact ?? 0n), 0n) : undefined,
    usd: sum(({ usd }) => usd),
    ifWarm: sum(({ ifWarm }) => ifWarm),
    draws: isExact ? undefined : draws,
  };
}

function classResult(sums: ClassSums, would: Would, success: SuccessResult): ClassResult {
  const was = usdNumber(sums.compared.was);
  const usd = would.exact === undefined ? would.usd : usdNumber(would.exact);
  return {
    class: sums.name,
    tasks: sums.tasks,
    attempts: sums.attempts,
    ledger_usd: usdNumber(sums.ledger),
    ledger_pico_usd: String(sums.ledger),
    compared_tasks: sums.compared.tasks,
    was_usd: was,
    would_usd: usd,
    would_pico_usd: would.exact === undefined ? null : String(would.exact),
    would_ci95: would.draws === undefined ? null : intervalOf([...would.draws]),
    change: was === 0 ? null : usd / was - 1,
    would_if_warm_usd: would.exact === undefined ? would.ifWarm : usd,
    projected_tasks: [...sums.moved.values()].reduce((tasks, moved) => tasks + moved.tasks, 0),
    stay: Object.fromEntries(sums.stays),
    apart: { tasks: sums.apart.tasks, was_usd: usdNumber(sums.apart.was) },
    was_unknown: { tasks: sums.wasUnknown.tasks, would_usd: sums.wasUnknown.cost / 1e12 },
    success,
  };
}

/** Of the tasks that stay what became of them, of the others what is expected; `null` where nobody can tell. */
function successOf(all: readonly ClassSums[], { replayed, draws }: Context): SuccessResult {
  const sum = (of: (one: ClassSums) => number) => all.reduce((total, one) => total + of(one), 0);
  const judged = sum(({ success }) => success.judged);
  const was = judged === 0 ? null : sum(({ success }) => success.sum) / judged;
  const moves = all.flatMap(({ name, moved }) =>
    [...moved].flatMap(([target, { tasks }]) => {
      const success = replayed.known(name, target)?.estimates.success;
      return tasks === 0 || success === undefined ? [] : [{ name, target, tasks, success }];
    }),
  );
  if (moves.length === 0) return { judged_tasks: judged, was, would: was, would_ci95: null };
  const tasks = sum(({ success }) => success.stayed) + moves.reduce((total, move) => total + move.tasks, 0);
  const stayed = sum(({ success }) => success.stayedSum);
  const share = (of: (move: (typeof moves)[number]) => number) =>
    (stayed + moves.reduce((total, move) => total + move.tasks * of(move), 0)) / tasks;
  const drawn = Array.from({ length: DRAWS }, (_, draw) =>
    share(({ name, target, success }) => draws.success(name, target, success, draw)),
  );
  return { judged_tasks: judged, was, would: share(({ success }) => success.mean), would_ci95: intervalOf(drawn) };
}

function totalOf(all: readonly ClassSums[]): ClassSums {
  const sum = (of: (one: ClassSums) => number) => all.reduce((total, one) => total + of(one), 0);
  const money = (of: (one: ClassSums) => PicoUsd) => all.reduce((total, one) => total + of(one), 0n);
  const carried: ClassSums["carried"] = new Map();
  for (const one of all) {
    for (const [why, { attempts, cost }] of one.carried) {
      const known = carried.get(why) ?? { attempts: 0, cost: 0n };
      carried.set(why, { attempts: known.attempts + attempts, cost: known.cost + cost });
    }
  }
  const stays: ClassSums["stays"] = new Map();
  for (const one of all) for (const [why, tasks] of one.stays) stays.set(why, (stays.get(why) ?? 0) + tasks);
  const moved: Map<string, Moved> = new Map();
  for (const { name, moved: own } of all) for (const [target, one] of own) moved.set(`${name}\u0000${target}`, one);
  return {
    name: ALL,
    tasks: sum(({ tasks }) => tasks),
    attempts: sum(({ attempts }) => attempts),
    openAttempts: sum(({ openAttempts }) => openAttempts),
    freeAttempts: sum(({ freeAttempts }) => freeAttempts),
    exactAttempts: sum(({ exactAttempts }) => exactAttempts),
    unpricedAttempts: sum(({ unpricedAttempts }) => unpricedAttempts),
    carried,
    ledger: money(({ ledger }) => ledger),
    compared: {
      tasks: sum(({ compared }) => compared.tasks),
      was: money(({ compared }) => compared.was),
      stays: money(({ compared }) => compared.stays),
    },
    moved,
    wasUnknown: {
      tasks: sum(({ wasUnknown }) => wasUnknown.tasks),
      cost: sum(({ wasUnknown }) => wasUnknown.cost),
    },
    apart: { tasks: sum(({ apart }) => apart.tasks), was: money(({ apart }) => apart.was) },
    stays,
    checked: new Map(),
    success: { judged: 0, sum: 0, stayed: 0, stayedSum: 0 },
  };
}

function asItWasOf(total: ClassSums): AsItWas {
  return {
    tasks: total.tasks,
    attempts: total.attempts,
    cost_usd: usdNumber(total.ledger),
    cost_pico_usd: String(total.ledger),
    recomputed_attempts: total.exactAttempts,
    carried: [...total.carried].map(([why, { attempts, cost }]) => ({ why, attempts, cost_usd: usdNumber(cost) })),
    not_billed_attempts: total.freeAttempts,
    unpriced_attempts: total.unpricedAttempts,
    open_attempts: total.openAttempts,
  };
}

function movedResults(sums: ClassSums, context: Context): readonly MovedResult[] {
  return [...sums.moved].flatMap(([target, moved]) => {
    const known = context.replayed.known(sums.name, target);
    if (moved.tasks === 0 || known === undefined) return [];
    const server = context.replayed.servers.get(target);
    const cost = (factor: number) =>
      server === undefined ? (moved.cost * factor) / 1e12 : shareOf(server, sums.name, factor, context);
    const { turns, growthTokens, outputTokens, readShare, success } = known.estimates;
    const from = ({ source, n }: { readonly source: string; readonly n: number }) => ({ source, n });
    return [
      {
        class: sums.name,
        target,
        tasks: moved.tasks,
        was_usd: usdNumber(moved.was),
        would_usd: cost(1),
        would_ci95: intervalOf(
          Array.from({ length: DRAWS }, (_, draw) => cost(factorOf(sums.name, target, context, draw))),
        ),
        turns: moved.turns / moved.tasks,
        fresh_tokens: moved.fresh / moved.tasks,
        read_tokens: moved.read / moved.tasks,
        output_tokens: moved.output / moved.tasks,
        success: { mean: success.mean, low: success.low },
        backed_by_tasks: known.tasks,
        check: checkOf(sums.checked.get(target)),
        known_from: {
          turns: from(turns),
          growth: from(growthTokens),
          output: from(outputTokens),
          cache: from(readShare),
          success: from(success),
        },
      },
    ];
  });
}

function checkOf(checked: Checked | undefined): MovedResult["check"] {
  if (checked === undefined || checked.present === 0) return null;
  return { tasks: checked.tasks, over: checked.projected / checked.present - 1 };
}

function serverResult(server: ServerLoad, context: Context): ServerResult {
  const { hours, draws, replayed } = context;
  const { target, usdPerHour, utilization } = server.hardware;
  const evidence = (className: string) => evidenceOf(replayed.known(className, target));
  const factor = (className: string, draw: number) => draws.cost(className, target, evidence(className), draw);
  const seconds = server.classes.reduce((sum, name) => sum + server.secondsOf(name), 0);
  const paid = Array.from({ length: DRAWS }, (_, draw) => {
    const drawn = server.classes.reduce((sum, name) => sum + server.secondsOf(name) * factor(name, draw), 0);
    return server.paid(hours, seconds === 0 ? 1 : drawn / seconds);
  });
  const lines = [...server.classes.map((name) => ({ name, of: [name] })), { name: ALL, of: server.classes }];
  return {
    target,
    usd_per_hour: usdPerHour,
    servers: server.servers(),
    paid_usd: server.paid(hours),
    paid_ci95: intervalOf(paid),
    utilization,
    busy: server.busySeconds / (server.servers() * hours * 3_600),
    break_even: lines.flatMap(({ name, of }) => {
      const found = server.breakEven(of, hours, factor);
      return found === undefined ? [] : [{ class: name, ...found }];
    }),
  };
}
