/** Siblings that arrive in any order, with leaders of every kind: over the real planner and placer, in time that a test passes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createForkJoin, HOLD_MS_MAX, holdMs, Holding, type ForkJoin } from "../src/cache/fork-join.ts";
import { createPlacer, type PlacedPrompt, type Placer, type Prompt } from "../src/cache/placer.ts";
import { createPlanner, type Hold } from "../src/cache/planner.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { request, said, target } from "./made-target.ts";
import { ManualTimers } from "./manual-timers.ts";
import { prefixesOf } from "./prefix-places.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const CLAUDE = target("claude-haiku-5-5");
/** A prompt is read as fast as the planner expects it of whom it does not know. */
const TOKENS_PER_MS = 10;
/** When a stalled call is given up. */
const STALL_MS = 120_000;

interface Call {
  readonly arriveMs: number;
  /** Calls of a family begin with the same system text; those of a branch go on alike, too. */
  readonly family: number;
  readonly branch: number;
  /** Whether its first event is heard. */
  readonly isStreamed: boolean;
  readonly fate: "answers" | "fails" | "stalls";
  /** How long its prompt takes to be read, or until it fails, by what it should take. */
  readonly slowness: number;
  /** How long after its arrival its client leaves. */
  readonly leavesMs: number | undefined;
}

const COMMON = {
  arriveMs: fc.nat(1_000),
  family: fc.nat(1),
  branch: fc.nat(2),
  isStreamed: fc.boolean(),
  leavesMs: fc.option(fc.nat(3_000), { nil: undefined, freq: 5 }),
};
/** Whoever answers does so in the time that is expected; who fails, sooner. */
const ORDERLY = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          ...COMMON,
          isStreamed: fc.constant(true),
          fate: fc.constant("answers" as const),
          slowness: fc.constant(1),
        }),
      },
      fc.record({
        ...COMMON,
        isStreamed: fc.constant(true),
        fate: fc.constant("fails" as const),
        slowness: fc.double({ min: 0, max: 0.9, noNaN: true }),
      }),
    ),
    { minLength: 1, maxLength: 14 },
  )
  // After two that came to nothing, nobody waits any longer for who writes.
  .map((calls) => {
    const first = calls.find(isInVain);
    return calls.map((call) => (call === first || !isInVain(call) ? call : { ...call, ...COMPLETE }));
  });
const COMPLETE = { fate: "answers", slowness: 1, leavesMs: undefined } as const;

function isInVain({ fate, leavesMs }: Call): boolean {
  return fate !== "answers" || leavesMs !== undefined;
}

const CHAOTIC = fc.array(
  fc.record({
    ...COMMON,
    fate: fc.constantFrom("answers" as const, "fails" as const, "stalls" as const),
    slowness: fc.double({ min: 0, max: 300, noNaN: true }),
  }),
  { minLength: 1, maxLength: 14 },
);

/** What happened to one call. */
interface Course {
  readonly call: Call;
  readonly heldMs: number;
  readonly sentMs: number;
  readonly hasLeft: boolean;
  readonly read: number;
}

class World {
  readonly timers = new ManualTimers();
  readonly #forkJoin: ForkJoin = createForkJoin((ms, signal) => this.timers.sleep(ms, signal));
  readonly #placer: Placer = createPlacer(createPlanner(), {
    released: (plan, isReadable) => this.#forkJoin.release(plan, isReadable),
  });
  /** By family: calls that write what it begins with. */
  readonly #writers = new Map<number, number>();
  writersMax = 0;
  /** What the longest wait for one leader was longer than it may be. */
  excessMs = Number.NEGATIVE_INFINITY;
  /** In the order in which they were sent. */
  readonly courses: Course[] = [];

  get isEmpty(): boolean {
    return this.timers.waiting === 0 && this.#forkJoin.waiting === 0 && this.#forkJoin.leaders === 0;
  }

  async run(calls: readonly Call[]): Promise<void> {
    const running = calls.map((call, index) => this.#run(call, index));
    await this.timers.pass(calls.length * (HOLD_MS_MAX + STALL_MS));
    await Promise.all(running);
  }

  async #run(call: Call, index: number): Promise<void> {
    const { timers } = this;
    const never = new AbortController().signal;
    await timers.sleep(call.arriveMs, never);
    const left = new AbortController();
    if (call.leavesMs !== undefined) void timers.sleep(call.leavesMs, never).then(() => left.abort());
    const prompt = promptOf(call, index);
    const now = () => timers.nowMs;
    const holding = new Holding({ forkJoin: this.#forkJoin, signal: left.signal, now, elapsedMs: now });
    const place = () => this.#placer.place(prompt, CLAUDE, true, now());
    let placed = place();
    for (let hold = placed.hold; holding.isDue(hold); hold = placed.hold) {
      const since = now();
      const limitMs = holdMs(hold, since);
      await holding.wait(hold, placed);
      this.excessMs = Math.max(this.excessMs, now() - since - limitMs);
      placed = place();
    }
    placed.sent([], now());
    const { heldMs } = holding;
    const read = placed.predictedRead;
    this.courses.push({ call, heldMs, sentMs: now(), hasLeft: left.signal.aborted, read });
    await this.#answer(placed, prompt, call, left.signal);
  }

  async #answer(placed: PlacedPrompt, prompt: Prompt, call: Call, signal: AbortSignal): Promise<void> {
    const { timers } = this;
    const promptTokens = Math.ceil(prompt.prefixes.promptTokens * (CLAUDE.record?.tokenRatio ?? 1));
    const read = placed.predictedRead;
    const prefillMs = (promptTokens - read) / TOKENS_PER_MS;
    // Whoever has left is not sent any more.
    const writes = read === 0 && !signal.aborted;
    if (writes) this.#count(call.family, 1);
    try {
      await timers.sleep(call.fate === "stalls" ? STALL_MS : prefillMs * call.slowness, signal);
      if (call.fate !== "answers") throw new Error(call.fate);
      placed.readable(timers.nowMs);
    } catch {
      placed.failed();
      return;
    } finally {
      if (writes) this.#count(call.family, -1);
    }
    await timers.sleep(50, signal).catch(() => {});
    placed.settled(usageOf(promptTokens, read), timers.nowMs);
  }

  #count(family: number, by: number): void {
    const writers = (this.#writers.get(family) ?? 0) + by;
    this.#writers.set(family, writers);
    this.writersMax = Math.max(this.writersMax, writers);
  }
}

function promptOf({ family, branch, isStreamed }: Call, index: number): Prompt {
  const made = request({
    stream: isStreamed,
    messages: [
      said(`Family ${family}. ${WORDS.repeat(220)}`, "system"),
      said(`Branch ${branch}. ${WORDS.repeat(90)}`),
      said("I have read it.", "assistant"),
      said(`Question ${index}`),
    ],
  });
  return {
    request: made,
    prefixes: prefixesOf(made),
    namespace: "",
    task: `task-${index}`,
    taskClass: undefined,
    session: undefined,
    mode: "respect",
    siblings: 1,
  };
}

function usageOf(promptTokens: number, read: number): Usage {
  return { ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: read, cacheWrite5m: promptTokens - read, output: 10 };
}

async function ran(calls: readonly Call[]): Promise<World> {
  const world = new World();
  await world.run(calls);
  return world;
}

const RUNS = { numRuns: 20 };
const TIMEOUT_MS = 30_000;

describe("whatever leaders do", () => {
  test(
    "everybody is sent, waits for no leader longer than it may, and nothing is left behind",
    async () => {
      await fc.assert(
        fc.asyncProperty(CHAOTIC, async (calls) => {
          const world = await ran(calls);
          expect(world.courses).toHaveLength(calls.length);
          expect(world.excessMs).toBeLessThanOrEqual(1e-6);
          for (const { heldMs } of world.courses) expect(heldMs).toBeLessThanOrEqual(HOLD_MS_MAX + 1e-6);
          expect(world.isEmpty).toBe(true);
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "a client that leaves while it waits is not held any longer",
    async () => {
      await fc.assert(
        fc.asyncProperty(CHAOTIC, async (calls) => {
          const { courses } = await ran(calls);
          for (const { call, sentMs } of courses) {
            if (call.leavesMs !== undefined) expect(sentMs).toBeLessThanOrEqual(call.arriveMs + call.leavesMs);
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );
});

describe("while leaders take the time that is expected, fail sooner or are left", () => {
  test(
    "one at a time writes what several begin with",
    async () => {
      await fc.assert(
        fc.asyncProperty(ORDERLY, async (calls) => {
          expect((await ran(calls)).writersMax).toBeLessThanOrEqual(1);
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test(
    "those that begin alike are sent in the order in which they came",
    async () => {
      await fc.assert(
        fc.asyncProperty(ORDERLY, async (calls) => {
          const { courses } = await ran(calls);
          // Those of another branch wait for whoever writes theirs, too.
          const staying = courses.filter(({ hasLeft }) => !hasLeft);
          for (const [, alike] of Map.groupBy(staying, ({ call }) => `${call.family}.${call.branch}`)) {
            const arrivals = alike.map(({ call }) => call.arriveMs);
            expect(arrivals).toEqual(arrivals.toSorted((one, other) => one - other));
          }
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  test("eight at once whose leader fails: one of the others writes, and the rest read", async () => {
    const world = await ran([{ ...SIBLING, arriveMs: 0, fate: "fails", slowness: 0.5 }, ...siblings(8)]);
    expect(world.writersMax).toBe(1);
    expect(new Set(world.courses.map(({ sentMs }) => sentMs)).size).toBe(3);
  });
});

test("thirty at once whom their provider fails are not failed one after another", async () => {
  const { courses } = await ran(siblings(30, { fate: "fails", slowness: 0.5 }));
  expect(courses).toHaveLength(30);
  expect(new Set(courses.map(({ sentMs }) => sentMs)).size).toBe(3);
});

describe("while a leader takes longer than expected", () => {
  test("eight at once whose leader stalls: one of them writes in its place, and the rest read", async () => {
    const { courses } = await ran([{ ...SIBLING, arriveMs: 0, fate: "stalls" }, ...siblings(8)]);
    expect(courses.filter(({ read }) => read === 0)).toHaveLength(2);
    expect(courses).toHaveLength(9);
  });

  test("one that is a little too slow lets all of them go when it is read at last, before its successor is", async () => {
    const { courses } = await ran([{ ...SIBLING, arriveMs: 0, slowness: 3.3 }, ...siblings(8)]);
    const [first, second, ...others] = courses.map(({ sentMs }) => sentMs);
    const readMs = courses[0]?.read === 0 ? PREFILL_MS * 3.3 : Number.NaN;
    expect(first).toBe(0);
    expect(second).toBeLessThan(readMs);
    expect(new Set(others)).toEqual(new Set([readMs]));
    expect(courses.filter(({ read }) => read === 0)).toHaveLength(2);
  });

  test("of one whose answer is not streamed, the others wait for its prompt only where its target's speed is known", async () => {
    const whole = { arriveMs: 100_000, isStreamed: false, slowness: 50 };
    const world = await ran([{ ...SIBLING, family: 1 }, { ...SIBLING, ...whole }, ...siblings(8, whole)]);
    expect(world.courses.filter(({ read }) => read === 0)).toHaveLength(2);
    for (const { heldMs } of world.courses) expect(heldMs).toBeLessThan(2 * (PREFILL_MS + 300));
  });

  test("how long whole answers take says nothing of how long prompts do", async () => {
    const slow: Call = { ...SIBLING, arriveMs: 0, family: 1, isStreamed: false, slowness: 100 };
    const after = { arriveMs: 200_000 };
    const { courses } = await ran([slow, { ...SIBLING, ...after, fate: "stalls" }, ...siblings(2, after)]);
    const held = courses.filter(({ call }) => call.family === 0).map(({ heldMs }) => heldMs);
    expect(Math.max(...held)).toBeLessThan(3 * (PREFILL_MS + 300));
  });
});

describe("one request's waits", () => {
  const hold = (leader: number, expectedMs: number): Hold => ({
    leader,
    moreTokens: 5000,
    untilMs: expectedMs,
    readingMs: expectedMs,
    isHeard: true,
  });

  test("are as long as reading it oneself would take, however late one came", () => {
    const late = { ...hold(1, 2_000), readingMs: 1_900 };
    expect(holdMs(late, 0)).toBe(3_900);
    expect(holdMs(late, 1_990)).toBe(1_910);
    expect(holdMs(late, 2_500)).toBe(1_400);
    expect(holdMs({ ...late, isHeard: false }, 1_990)).toBeLessThan(20);
  });

  test("are not longer in all than one may be, however many leaders there are", async () => {
    const timers = new ManualTimers();
    const forkJoin = createForkJoin((ms, signal) => timers.sleep(ms, signal));
    const now = () => timers.nowMs;
    const holding = new Holding({ forkJoin, signal: new AbortController().signal, now, elapsedMs: now });
    const first = holding.wait(hold(1, HOLD_MS_MAX), { giveUp() {} });
    await timers.pass(HOLD_MS_MAX - 10_000);
    forkJoin.release(1, true);
    await first;
    expect(holding.heldMs).toBe(HOLD_MS_MAX - 10_000);
    expect(holding.isDue(hold(2, 10 * HOLD_MS_MAX))).toBe(true);
    const second = holding.wait(hold(2, 10 * HOLD_MS_MAX), { giveUp() {} });
    await timers.pass(10_000);
    expect(forkJoin.waiting).toBe(0);
    await second;
    expect(holding.heldMs).toBe(HOLD_MS_MAX);
    expect(holding.isDue(hold(3, HOLD_MS_MAX))).toBe(false);
  });

  test("end as soon as the leader has failed, with the word that nothing can be read", () => {
    const released: [plan: number, isReadable: boolean][] = [];
    const placer = createPlacer(createPlanner(), { released: (plan, isReadable) => released.push([plan, isReadable]) });
    const leader = placer.place(promptOf(SIBLING, 0), CLAUDE, true, 0);
    leader.sent([], 0);
    const follower = placer.place(promptOf(SIBLING, 1), CLAUDE, true, 1);
    expect(follower.hold).toBeDefined();
    expect(released).toEqual([]);
    leader.failed();
    expect(released).toEqual([[follower.hold?.leader, false]]);
    expect(placer.place(promptOf(SIBLING, 1), CLAUDE, true, 2).hold).toBeUndefined();
  });
});

const SIBLING: Call = {
  arriveMs: 1,
  family: 0,
  branch: 0,
  isStreamed: true,
  fate: "answers",
  slowness: 1,
  leavesMs: undefined,
};

function siblings(count: number, change: Partial<Call> = {}): readonly Call[] {
  return Array.from({ length: count }, () => ({ ...SIBLING, ...change }));
}

/** How long a sibling's prompt takes, none of it in the cache. */
const PREFILL_MS: number =
  Math.ceil(promptOf(SIBLING, 0).prefixes.promptTokens * (CLAUDE.record?.tokenRatio ?? 1)) / TOKENS_PER_MS;
