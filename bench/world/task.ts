/** One task of the world, whoever does it: its chance is drawn before, so that two who choose the same pay the same. */
import type { TaskLeg } from "../../src/tasks/ended-task.ts";
import { costOf, UNKNOWN_USAGE, type Usage } from "../../src/usage.ts";
import { seeded } from "../trace/random.ts";
import { CACHED, type Phase, type TargetName, type WorldClass } from "./truth.ts";

/** How a task differs from the mean of its class. */
export interface Draws {
  readonly prompt: number;
  readonly growth: number;
  readonly turns: number;
  readonly output: number;
  /** It succeeds where this is below the chance. */
  readonly luck: number;
}

export function drawsOf(seed: number, className: string, index: number): Draws {
  let word = seed * 1_000_003 + index * 7_919;
  for (const character of className) word = Math.imul(word, 31) + character.charCodeAt(0);
  const chance = seeded(word);
  // The first draws of near seeds are alike.
  for (let skipped = 0; skipped < 4; skipped += 1) chance();
  return {
    prompt: spread(chance, 0.3),
    growth: spread(chance, 0.3),
    turns: spread(chance, 0.4),
    output: spread(chance, 0.3),
    luck: chance(),
  };
}

/** A factor around 1 whose logarithm is normal. */
function spread(chance: () => number, deviation: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
  return Math.exp(deviation * normal - (deviation * deviation) / 2);
}

/** A task that is done turn by turn: whoever does a turn brings it as far as its own number of turns says. */
export class RunningTask {
  readonly #ofClass: WorldClass;
  readonly #draws: Draws;
  readonly #legs: TaskLeg[] = [];
  #done = 0;
  #success = 0;
  #turns = 0;
  #sent = 0;
  #incumbent: TargetName | undefined;

  constructor(ofClass: WorldClass, draws: Draws) {
    this.#ofClass = ofClass;
    this.#draws = draws;
  }

  get isDone(): boolean {
    return this.#done > 1 - 1e-9;
  }

  get turns(): number {
    return this.#turns;
  }

  get incumbent(): TargetName | undefined {
    return this.#incumbent;
  }

  get legs(): readonly TaskLeg[] {
    return this.#legs;
  }

  get cost(): bigint {
    return this.#legs.reduce((sum, { cost }) => sum + (cost ?? 0n), 0n);
  }

  /** The chance that it succeeds, by who did which part of it. */
  get success(): number {
    return this.#success;
  }

  /** Of the turn at hand, in the target's own tokens. */
  prompt(name: TargetName, phase: Phase): { readonly promptTokens: number; readonly warmTokens: number } {
    const ratio = phase.targets[name].record?.tokenRatio ?? 1;
    const { firstPromptTokens, growthTokens } = this.#ofClass;
    const own = firstPromptTokens * this.#draws.prompt + this.#turns * growthTokens * this.#draws.growth;
    const cached = name === this.#incumbent ? this.#sent * CACHED[name] : 0;
    return { promptTokens: Math.round(own * ratio), warmTokens: Math.round(cached * ratio) };
  }

  /** One turn. */
  turn(name: TargetName, phase: Phase): void {
    const { price, record } = phase.targets[name];
    const behaviour = this.#ofClass.behaviours[name];
    const { promptTokens, warmTokens } = this.prompt(name, phase);
    const ratio = record?.tokenRatio ?? 1;
    const read = price?.rates.cacheRead === undefined ? 0 : warmTokens;
    const fresh = promptTokens - read;
    const isWritten = price?.rates.cacheWrite5m !== undefined;
    const usage: Usage = {
      ...UNKNOWN_USAGE,
      inputUncached: isWritten ? 0 : fresh,
      cacheRead: read,
      cacheWrite5m: isWritten ? fresh : 0,
      output: Math.max(1, Math.round(behaviour.outputTokens * this.#draws.output * ratio)),
    };
    this.#book(name, usage, promptTokens, price === undefined ? undefined : costOf(usage, price));
    const part = Math.min(1 - this.#done, 1 / Math.max(1, Math.round(behaviour.turns * this.#draws.turns)));
    this.#done += part;
    this.#success += part * behaviour.success;
    this.#turns += 1;
    this.#sent = promptTokens / ratio;
    this.#incumbent = name;
  }

  #book(target: TargetName, usage: Usage, promptTokens: number, cost: bigint | undefined): void {
    const last = this.#legs.at(-1);
    const isNew = last?.target !== target;
    const leg: TaskLeg = isNew
      ? { target, turns: 0, usage: NONE, cost: 0n, firstPromptTokens: promptTokens, lastPromptTokens: 0, retries: 0 }
      : last;
    const grown: TaskLeg = {
      ...leg,
      turns: leg.turns + 1,
      usage: sum(leg.usage, usage),
      cost: leg.cost === undefined || cost === undefined ? undefined : leg.cost + cost,
      lastPromptTokens: promptTokens,
    };
    if (isNew) this.#legs.push(grown);
    else this.#legs[this.#legs.length - 1] = grown;
  }
}

const NONE: Usage = { ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, cacheWrite5m: 0, output: 0 };

function sum(one: Usage, other: Usage): Usage {
  const added = (bucket: "inputUncached" | "cacheRead" | "cacheWrite5m" | "output") =>
    (one[bucket] ?? 0) + (other[bucket] ?? 0);
  return {
    ...UNKNOWN_USAGE,
    inputUncached: added("inputUncached"),
    cacheRead: added("cacheRead"),
    cacheWrite5m: added("cacheWrite5m"),
    output: added("output"),
  };
}
