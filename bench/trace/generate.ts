/** Loads that no public trace has, to see how policies behave at their edges. The same at each run of one seed. */
import { seeded } from "./random.ts";
import { tokensOf, type Trace, type TraceRequest } from "./trace.ts";

export type Load = "unique" | "drift" | "fanout-cold-8" | "fanout-warm-8";

export const loads: readonly Load[] = ["unique", "drift", "fanout-cold-8", "fanout-warm-8"];

const BLOCK = 64;

export function generate(load: Load, seed: number): Trace {
  const writer = new Writer(seed);
  switch (load) {
    case "unique":
      unique(writer);
      break;
    case "drift":
      chats(writer, 0);
      oneShots(writer, PHASE_SECONDS);
      chats(writer, 2 * PHASE_SECONDS);
      break;
    case "fanout-cold-8":
      fanOuts(writer, false);
      break;
    case "fanout-warm-8":
      fanOuts(writer, true);
      break;
  }
  return { name: load, requests: writer.requests(), tokensOf: tokensOf({ block: BLOCK }) };
}

/** No prompt shares anything with another one. */
function unique(writer: Writer): void {
  for (let atSeconds = 0; atSeconds < PHASE_SECONDS; atSeconds += writer.exponential(2)) {
    writer.add(atSeconds, [writer.fresh(writer.between(FIRST_BLOCKS))], 0);
  }
}

const PHASE_SECONDS = 7200;
/** Of a first turn: about 2k to 16k tokens. */
const FIRST_BLOCKS = [32, 256] as const;
const TURN_BLOCKS = [4, 24] as const;
const PAUSE_SECONDS_MEAN = 60;
const ONE_MORE_TURN = 0.8;

/** Conversations of about five turns, a minute apart. */
function chats(writer: Writer, fromSeconds: number): void {
  for (let begins = 0; begins < PHASE_SECONDS; begins += writer.exponential(10)) {
    const runs = [writer.fresh(writer.between(FIRST_BLOCKS))];
    let atSeconds = fromSeconds + begins;
    while (atSeconds < fromSeconds + PHASE_SECONDS) {
      writer.add(atSeconds, runs, 0);
      if (writer.chance() >= ONE_MORE_TURN) break;
      atSeconds += writer.exponential(PAUSE_SECONDS_MEAN);
      runs.push(writer.fresh(writer.between(TURN_BLOCKS)));
    }
  }
}

/** What looks like first turns of such conversations, and is never gone on with. */
function oneShots(writer: Writer, fromSeconds: number): void {
  for (let begins = 0; begins < PHASE_SECONDS; begins += writer.exponential(10)) {
    writer.add(fromSeconds + begins, [writer.fresh(writer.between(FIRST_BLOCKS))], 0);
  }
}

const FAN_OUT = 8;
const FAN_OUTS = 120;
/** 20k tokens. */
const SHARED_BLOCKS = 313;
const SIBLING_SECONDS = 0.5;
const OWN_BLOCKS = { cold: [4, 9], warm: [18, 40] } as const;

/** Eight siblings at nearly the same time over a prefix of their own, which somebody wrote half a minute before or nobody did. */
function fanOuts(writer: Writer, isWarm: boolean): void {
  const ownBlocks = isWarm ? OWN_BLOCKS.warm : OWN_BLOCKS.cold;
  for (let fan = 0; fan < FAN_OUTS; fan += 1) {
    const atSeconds = fan * 60 + writer.chance() * 10;
    const shared = writer.fresh(SHARED_BLOCKS);
    const add = (seconds: number) =>
      writer.add(seconds, [shared, writer.fresh(writer.between(ownBlocks))], SHARED_BLOCKS);
    if (isWarm) add(atSeconds);
    for (let sibling = 0; sibling < FAN_OUT; sibling += 1) {
      add(atSeconds + (isWarm ? 30 : 0) + writer.chance() * SIBLING_SECONDS);
    }
  }
}

type Run = readonly [first: number, count: number];

class Writer {
  readonly chance: () => number;
  readonly #requests: Omit<TraceRequest, "index">[] = [];
  #lastId = 0;

  constructor(seed: number) {
    this.chance = seeded(seed);
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.chance());
  }

  between([least, most]: readonly [number, number]): number {
    return least + Math.floor(this.chance() * (most - least + 1));
  }

  /** Blocks that nobody else has. */
  fresh(count: number): Run {
    const first = this.#lastId + 1;
    this.#lastId += count;
    return [first, count];
  }

  add(atSeconds: number, runs: readonly Run[], staticBlocks: number): void {
    const blocks = runs.reduce((sum, [, count]) => sum + count, 0);
    this.#requests.push({
      atSeconds,
      promptTokens: blocks * BLOCK + Math.floor(this.chance() * BLOCK),
      session: undefined,
      kind: "user",
      staticBlocks,
      contentBlocks: 2,
      apiSeconds: 0,
      runs: runs.flat(),
      blocks,
    });
  }

  requests(): readonly TraceRequest[] {
    const sorted = this.#requests.toSorted((one, other) => one.atSeconds - other.atSeconds);
    return sorted.map((request, index) => ({ ...request, index }));
  }
}
