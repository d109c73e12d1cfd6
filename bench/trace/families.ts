/**
 * Loads of one shape each, from streams that share nothing to conversations of many turns: where a policy that learns could be dearer than
 * one that does not. The same at each run of one seed.
 */
import { seeded } from "./random.ts";
import { tokensOf, type Trace, type TraceRequest } from "./trace.ts";

export interface Shape {
  readonly requests: number;
  readonly seconds: number;
  /** What all prompts begin with; none: 0. */
  readonly staticBlocks: number;
  /** Of a first turn behind that, on average. */
  readonly ownBlocks: number;
  /** Of the conversations, so many go on to this many turns. */
  readonly share: number;
  readonly turns: number;
  readonly pauseSeconds: number;
  readonly pauses: "equal" | "around" | "exponential";
  readonly starts: "equal" | "exponential";
}

const ONE_SHOTS: Shape = {
  requests: 2000,
  seconds: 3600,
  staticBlocks: 0,
  ownBlocks: 80,
  share: 0,
  turns: 1,
  pauseSeconds: 60,
  pauses: "equal",
  starts: "exponential",
};
const CHATS: Shape = { ...ONE_SHOTS, share: 1, turns: 12, requests: 3000, seconds: 20 * 3600 };

export const families: Readonly<Record<string, Shape>> = {
  "unique, 0.05 a second": { ...ONE_SHOTS, requests: 600, seconds: 12_000 },
  "unique, 1 a second": { ...ONE_SHOTS, seconds: 2000 },
  "unique, 5 a second": { ...ONE_SHOTS, seconds: 400 },
  "unique, 20 a second": { ...ONE_SHOTS, requests: 4000, seconds: 200 },
  "RAG: 640 tokens of system text": { ...ONE_SHOTS, staticBlocks: 10 },
  "RAG: 2,000 tokens of system text": { ...ONE_SHOTS, staticBlocks: 32 },
  "a job every 4 minutes": job(240),
  "a job every 7 minutes": job(420),
  "a job every 20 minutes": job(1200),
  "a job every 70 minutes": job(4200),
  "conversations, 40 s between turns": { ...CHATS, pauseSeconds: 40, pauses: "exponential" },
  "conversations, 290 s": { ...CHATS, pauseSeconds: 290 },
  "conversations, 310 s": { ...CHATS, pauseSeconds: 310 },
  "conversations, 10 minutes": { ...CHATS, pauseSeconds: 600 },
  "conversations, 20 minutes behind a system text in steady use": {
    ...CHATS,
    staticBlocks: 32,
    pauseSeconds: 1200,
    pauses: "around",
    seconds: 30 * 3600,
  },
  "questions and one answer, 7 minutes": { ...CHATS, turns: 2, pauseSeconds: 420, share: 0.8 },
  "questions and one answer, 50 minutes": { ...CHATS, turns: 2, pauseSeconds: 3000, seconds: 50 * 3600 },
  "one in seven is gone on with": { ...CHATS, turns: 2, pauseSeconds: 60, share: 0.15, pauses: "exponential" },
  "half of them are": { ...CHATS, share: 0.5, turns: 5, pauseSeconds: 120, pauses: "exponential", staticBlocks: 125 },
};

/** Prompts of a long static part and a little of their own, at equal times. */
function job(everySeconds: number): Shape {
  const requests = 900;
  const shape = { ...ONE_SHOTS, requests, seconds: requests * everySeconds };
  return { ...shape, staticBlocks: 125, ownBlocks: 10, starts: "equal" };
}

/** Any shape, by chance: at least twenty pauses and an hour long. */
export function drawn(seed: number): Shape {
  const chance = seeded(seed);
  const among = <Value>(values: readonly [Value, ...Value[]]) =>
    values[Math.floor(chance() * values.length)] ?? values[0];
  const between = (least: number, most: number) => least * (most / least) ** chance();
  const pauseSeconds = between(10, 3000);
  return {
    requests: Math.round(between(400, 6000)),
    seconds: between(Math.max(3600, 20 * pauseSeconds), 60 * 3600),
    staticBlocks: among([0, 0, 10, 32, 125, 400]),
    ownBlocks: among([30, 80, 200]),
    share: among([0, 0, 0.05, 0.15, 0.3, 0.5, 0.8, 1]),
    turns: among([2, 5, 12, 30]),
    pauseSeconds,
    pauses: among(["equal", "around", "exponential"]),
    starts: among(["equal", "exponential"]),
  };
}

const BLOCK = 64;
const STEP_BLOCKS_MAX = 16;

export function ofShape(name: string, shape: Shape, seed: number): Trace {
  const chance = seeded(seed);
  const exponential = (mean: number) => -mean * Math.log(1 - chance());
  let lastId = shape.staticBlocks;
  const fresh = (count: number): readonly [number, number] => {
    lastId += count;
    return [lastId - count + 1, count];
  };
  const startSeconds = (shape.seconds / shape.requests) * (1 + shape.share * (shape.turns - 1));
  const requests: Omit<TraceRequest, "index">[] = [];
  const add = (atSeconds: number, kind: string, runs: readonly (readonly [number, number])[]) => {
    const blocks = runs.reduce((sum, [, count]) => sum + count, 0);
    const promptTokens = blocks * BLOCK + Math.floor(chance() * BLOCK);
    const { staticBlocks } = shape;
    const rest = { session: undefined, contentBlocks: 1, apiSeconds: 0, runs: runs.flat(), blocks };
    requests.push({ atSeconds, promptTokens, kind, staticBlocks, ...rest });
  };
  let atSeconds = 0;
  while (atSeconds < shape.seconds) {
    const first = fresh(Math.max(1, Math.round(shape.ownBlocks * (0.5 + chance()))));
    const said = shape.staticBlocks === 0 ? [first] : [[1, shape.staticBlocks] as const, first];
    add(atSeconds, "user", said);
    const turns = chance() < shape.share ? shape.turns : 1;
    let turnSeconds = atSeconds;
    for (let turn = 1; turn < turns; turn += 1) {
      turnSeconds += pauseOf(shape, chance, exponential);
      said.push(fresh(1 + Math.floor(chance() * STEP_BLOCKS_MAX)));
      add(turnSeconds, "tool", [...said]);
    }
    atSeconds += shape.starts === "equal" ? startSeconds : exponential(startSeconds);
  }
  const sorted = requests.toSorted((one, other) => one.atSeconds - other.atSeconds);
  const numbered = sorted.map((request, index) => ({ ...request, index }));
  return { name, requests: numbered, tokensOf: tokensOf({ block: BLOCK }) };
}

function pauseOf({ pauses, pauseSeconds }: Shape, chance: () => number, exponential: (mean: number) => number): number {
  switch (pauses) {
    case "equal":
      return pauseSeconds;
    case "around":
      return pauseSeconds * (0.7 + 0.6 * chance());
    case "exponential":
      return exponential(pauseSeconds);
  }
}
