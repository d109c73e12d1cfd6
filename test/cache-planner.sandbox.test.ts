/** The planner against the simulated provider's cache: what it says will be read is what is billed, request for request. */
import { expect, test } from "vitest";
import { AnthropicMarks } from "../bench/sandbox/cache/anthropic-marks.ts";
import type { CachePlan, PromptBill } from "../bench/sandbox/cache/cache.ts";
import { promptOf } from "../bench/sandbox/prompt.ts";
import { createPlanner, type Plan, type PlannedMark } from "../src/cache/planner.ts";
import { BLOCK_TOKENS, prompt, TWO_CLASSES } from "./planned-prompt.ts";

const TOKENS = Array.from({ length: BLOCK_TOKENS }, (_, index) => `t${index}`);
const MINUTE = 60_000;

interface Conversation {
  names: string[];
  staticPlace: number;
  nextMs: number;
}

/** Numbers in [0, 1) that are the same every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Conversations of a few agents that pause, fork, end, and begin with the same static text. */
function* requests(
  count: number,
  random: () => number,
): Generator<{ names: string[]; staticPlace: number; nowMs: number }> {
  let fresh = 0;
  const begin = (nowMs: number): Conversation => {
    const agent = Math.floor(random() * 3);
    const names = Array.from({ length: 4 + agent }, (_, index) => `agent${agent}-${index}`);
    fresh += 1;
    return { names: [...names, `ask${fresh}`], staticPlace: names.length - 1, nextMs: nowMs + random() * MINUTE };
  };
  const running = Array.from({ length: 12 }, () => begin(0));
  for (let index = 0; index < count; index += 1) {
    running.sort((one, other) => one.nextMs - other.nextMs);
    const next = running[0] as Conversation;
    const nowMs = next.nextMs;
    yield { names: next.names, staticPlace: next.staticPlace, nowMs };
    const fate = random();
    if (fate < 0.03 || next.names.length > 40) running[0] = begin(nowMs + random() * 10 * MINUTE);
    else {
      // A rewind: what was said last is taken back.
      const kept =
        fate < 0.08 ? next.names.slice(0, Math.max(next.staticPlace + 2, next.names.length - 3)) : next.names;
      const more = Array.from({ length: 1 + Math.floor(random() * 3) }, () => `turn${(fresh += 1)}`);
      const pauseMs = random() < 0.2 ? random() * 70 * MINUTE : random() * 40_000;
      running[0] = { ...next, names: [...kept, ...more], nextMs: nowMs + 100 + pauseMs };
    }
  }
}

const SENT = { scope: "", systemState: "", messageState: "", minTokens: TWO_CLASSES.minTokens, lookback: 20 };

function send(
  provider: AnthropicMarks,
  names: readonly string[],
  marks: readonly PlannedMark[],
  nowMs: number,
): CachePlan {
  const seconds = new Map(marks.map(({ place, ttlSeconds }) => [place, ttlSeconds]));
  const blocks = names.map((identity, place) => {
    const block = { level: "messages" as const, identity, tokens: TOKENS };
    const markSeconds = seconds.get(place);
    return markSeconds === undefined ? block : { ...block, markSeconds };
  });
  return provider.plan({ ...SENT, prompt: promptOf(blocks), nowMs });
}

/** In units of what the prompts would cost without a cache. */
function costOf(bills: readonly PromptBill[]): number {
  let cost = 0;
  let prompted = 0;
  for (const { uncached, read, write5m, write1h } of bills) {
    cost += uncached + 0.1 * read + 1.25 * write5m + 2 * write1h;
    prompted += uncached + read + write5m + write1h;
  }
  return cost / prompted;
}

test(
  "of 10,000 requests each is billed the reads that were predicted, and all cost less than by fixed marks",
  { timeout: 60_000 },
  () => {
    const planner = createPlanner();
    const provider = new AnthropicMarks();
    const fixed = new AnthropicMarks();
    const answers: {
      readonly plan: Plan;
      readonly billed: CachePlan;
      readonly other: CachePlan;
      readonly atMs: number;
    }[] = [];
    const bills: PromptBill[] = [];
    const fixedBills: PromptBill[] = [];
    for (const { names, staticPlace, nowMs } of requests(10_000, seeded(11))) {
      while (answers[0] !== undefined && answers[0].atMs <= nowMs) {
        const { plan, billed, other, atMs } = answers.shift() as (typeof answers)[number];
        billed.commit();
        other.commit();
        const { uncached, read, write5m, write1h } = billed.bill;
        planner.readable(plan, atMs);
        planner.settled(plan, { uncached, read, written: write5m + write1h }, atMs);
      }
      const blocks = Uint32Array.from(names, (_, index) => index + 1);
      const plan = planner.plan(prompt(names, { staticPlace, blocks }), TWO_CLASSES, "claude", nowMs);
      const predicted = planner.sent(plan, nowMs);
      const billed = send(provider, names, plan.marks, nowMs);
      expect(billed.bill.read).toBe(predicted);
      const ends = [staticPlace, names.length - 1].map((place) => ({ place, ttlSeconds: 300 }));
      const other = send(fixed, names, ends, nowMs);
      answers.push({ plan, billed, other, atMs: nowMs + 1500 });
      bills.push(billed.bill);
      fixedBills.push(other.bill);
    }
    expect(bills.some(({ write1h }) => write1h > 0)).toBe(true);
    expect(costOf(bills)).toBeLessThan(0.95 * costOf(fixedBills));
  },
);
