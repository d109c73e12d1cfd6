/** Siblings whose answers are not streamed, over the real planner and placer, at a provider that reads as fast as a test says. */
import { describe, expect, test } from "vitest";
import { createForkJoin, Holding } from "../src/cache/fork-join.ts";
import { createPlacer, type PlacedPrompt, type Prompt } from "../src/cache/placer.ts";
import { createPlanner } from "../src/cache/planner.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { request, said, target } from "./made-target.ts";
import { ManualTimers } from "./manual-timers.ts";
import { prefixesOf } from "./prefix-places.ts";

const CLAUDE = target("claude-haiku-5-5");
const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";
const LONG_MS = 60_000;

interface Pace {
  /** From when a prompt is sent until it can be read. */
  readonly readingMs: number;
  /** From then until its answer is complete. */
  readonly answeringMs: number;
}

interface Round {
  readonly writes: number;
  readonly heldMs: number;
}

class World {
  readonly timers = new ManualTimers();
  readonly #forkJoin = createForkJoin((ms, signal) => this.timers.sleep(ms, signal));
  readonly #placer = createPlacer(createPlanner(), { released: (plan, is) => this.#forkJoin.release(plan, is) });
  /** By family: since when it can be read, as it really is. */
  readonly #readableMs = new Map<number, number>();
  #family = 0;

  /** Eight at once that begin alike. @param hangs Of them, in the order in which they are sent, so many never get an answer. */
  async round(pace: Pace, { isStreamed = false, hangs = 0 } = {}): Promise<Round> {
    this.#family += 1;
    const tally = { writes: 0, heldMs: 0, hangs };
    const calls = Array.from({ length: 8 }, (_, index) => this.#call(pace, tally, isStreamed, index));
    await this.timers.pass(8 * LONG_MS);
    await Promise.all(calls);
    return tally;
  }

  async #call(
    pace: Pace,
    tally: { writes: number; heldMs: number; hangs: number },
    isStreamed: boolean,
    index: number,
  ) {
    const { timers } = this;
    const now = () => timers.nowMs;
    const { signal } = new AbortController();
    const prompt = promptOf(this.#family, index, isStreamed);
    const holding = new Holding({ forkJoin: this.#forkJoin, signal, now, elapsedMs: now });
    const place = () => this.#placer.place(prompt, CLAUDE, true, now());
    let placed = place();
    for (let hold = placed.hold; holding.isDue(hold); hold = placed.hold) {
      await holding.wait(hold, placed);
      placed = place();
    }
    placed.sent([], now());
    tally.heldMs = Math.max(tally.heldMs, holding.heldMs);
    tally.hangs -= 1;
    if (tally.hangs >= 0) {
      await timers.sleep(LONG_MS, signal);
      placed.failed();
    } else await this.#answer(placed, prompt, pace, tally);
  }

  async #answer(
    placed: PlacedPrompt,
    { request: { stream }, prefixes }: Prompt,
    pace: Pace,
    tally: { writes: number },
  ) {
    const { timers } = this;
    const never = new AbortController().signal;
    const family = this.#family;
    const isRead = (this.#readableMs.get(family) ?? Infinity) <= timers.nowMs;
    const promptTokens = Math.ceil(prefixes.promptTokens * (CLAUDE.record?.tokenRatio ?? 1));
    const usage = isRead
      ? { ...UNKNOWN_USAGE, inputUncached: 10, cacheRead: promptTokens - 10, cacheWrite5m: 0, output: 10 }
      : { ...UNKNOWN_USAGE, inputUncached: 10, cacheRead: 0, cacheWrite5m: promptTokens - 10, output: 10 };
    if (!isRead) tally.writes += 1;
    await timers.sleep(isRead ? 100 : pace.readingMs, never);
    if (!isRead) this.#readableMs.set(family, Math.min(this.#readableMs.get(family) ?? Infinity, timers.nowMs));
    if (stream) placed.readable(timers.nowMs);
    await timers.sleep(pace.answeringMs, never);
    placed.readable(timers.nowMs);
    placed.settled(usage, timers.nowMs);
  }
}

function promptOf(family: number, index: number, isStreamed: boolean): Prompt {
  const made = request({
    stream: isStreamed,
    messages: [said(`Family ${family}. ${WORDS.repeat(300)}`, "system"), said(`Question ${index}`)],
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

async function rounds(world: World, count: number, pace: Pace): Promise<Round[]> {
  const all: Round[] = [];
  for (let index = 0; index < count; index += 1) all.push(await world.round(pace));
  return all;
}

describe("eight whole calls at once at a target that nothing is known of", () => {
  test.each([
    ["an ordinary one", { readingMs: 1_540, answeringMs: 500 }],
    ["a slow one", { readingMs: 2_260, answeringMs: 250 }],
    ["a fast one", { readingMs: 400, answeringMs: 200 }],
  ])("are one write from the first time on: %s", async (_, pace) => {
    const all = await rounds(new World(), 6, pace);
    expect(all.map(({ writes }) => writes)).toEqual([1, 1, 1, 1, 1, 1]);
    for (const { heldMs } of all) expect(heldMs).toBeLessThanOrEqual(pace.readingMs + pace.answeringMs);
  });

  test("wait for an answer that is long only until it is known that prompts are read sooner", async () => {
    const pace = { readingMs: 1_540, answeringMs: 20_000 };
    const [first, ...others] = await rounds(new World(), 7, pace);
    expect(first?.writes).toBe(1);
    for (const { writes } of others) expect(writes).toBe(1);
    for (const { heldMs } of others) expect(heldMs).toBeLessThan(2.5 * pace.readingMs);
    expect(others.at(-1)?.heldMs).toBeLessThan(others[0]?.heldMs as number);
  });

  test("whose first one hangs are not written seven times: one takes its place, and the others wait for that one", async () => {
    expect(await new World().round({ readingMs: 600, answeringMs: 500 }, { hangs: 1 })).toMatchObject({ writes: 1 });
  });
});

describe("once something is known of the target", () => {
  test("a belief that turned out too short is longer the next time", async () => {
    const world = new World();
    await rounds(world, 4, { readingMs: 800, answeringMs: 20_000 });
    const slower = await rounds(world, 4, { readingMs: 3_000, answeringMs: 20_000 });
    expect(slower[0]?.writes).toBe(8);
    for (const { writes } of slower.slice(1)) expect(writes).toBeLessThanOrEqual(2);
    expect(slower.at(-1)?.writes).toBe(1);
  });

  test("whole calls go by the speed that streamed ones have shown, and wait for their prompt only", async () => {
    const world = new World();
    const pace = { readingMs: 1_540, answeringMs: 20_000 };
    for (let index = 0; index < 6; index += 1) await world.round(pace, { isStreamed: true });
    const all = await rounds(world, 3, pace);
    for (const { writes, heldMs } of all) {
      expect(writes).toBe(1);
      expect(heldMs).toBeLessThan(1.5 * pace.readingMs);
    }
  });

  test("where answers are short, their end is waited for, and one that hangs is given up", async () => {
    const world = new World();
    const pace = { readingMs: 1_200, answeringMs: 100 };
    await world.round(pace, { isStreamed: true });
    await rounds(world, 3, pace);
    expect(await world.round(pace, { hangs: 1 })).toMatchObject({ writes: 1 });
  });
});
