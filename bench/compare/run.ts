/**
 * Every task at every target: a lane for each target, so that one that is slow or down holds nobody up beyond a few tasks, and tasks in turn from all
 * suites, so that what there is of a comparison that was cut short is of every kind.
 */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { BoundedQueue } from "./bounded-queue.ts";
import { checked, type Checkers, type Verdict } from "./checks.ts";
import type { CheckerWorker } from "./checker-worker.ts";
import type { ClientKind, Connection } from "./clients/client.ts";
import { talk, type Talked } from "./conversation.ts";
import { kindOfLedger } from "./failures.ts";
import type { Figures } from "./figures.ts";
import type { EndedRun, Journal, Plan } from "./journal.ts";
import { createJudge, type Judge } from "./judge.ts";
import type { LedgerSpend, Spent } from "./ledger-spend.ts";
import { NO_TOKENS, type FailureKind } from "./report.ts";
import type { SimulatedModels } from "./simulated-model.ts";
import type { Suite } from "./suite.ts";
import { sizeOf, usdOf } from "./survey.ts";
import type { ComparedTarget } from "./targets.ts";
import type { Task } from "./task.ts";

export interface RunOptions {
  readonly plan: Plan;
  /** From 1: how often it was begun or resumed. */
  readonly session: number;
  readonly suites: readonly Suite[];
  readonly targets: readonly ComparedTarget[];
  readonly judge: { readonly model: string; readonly client: ClientKind } | undefined;
  readonly url: string;
  readonly apiKey: string;
  readonly ledger: LedgerSpend;
  readonly journal: Journal;
  readonly figures: Figures;
  readonly worker: CheckerWorker;
  readonly simulated: SimulatedModels;
  /** Runs of earlier sessions, as {@link doneKey} names them. */
  readonly done: ReadonlySet<string>;
  /** Picodollars that earlier sessions spent. */
  readonly spentBefore: bigint;
  readonly maxUsd: number | undefined;
  /** The first of each class, to be sent once before; empty: nothing is warmed up. */
  readonly warming: readonly Task[];
  readonly stopped: AbortSignal;
  readonly progress: (done: number, spentPicoUsd: bigint) => void;
}

export interface Ran {
  /** `undefined`: everything was run, or was given up by its target. */
  readonly stopped: { readonly why: "budget" | "interrupted" | "failed"; readonly sentence: string } | undefined;
  readonly lanes: ReadonlyMap<string, LaneState>;
  /** Begun and not ended, by their names on the ledger, with the calls that were made. */
  readonly cut: ReadonlyMap<string, number>;
  readonly warmUpPicoUsd: bigint;
}

export interface LaneState {
  /** Why it was given up; absent: it was not. */
  gaveUp?: FailureKind;
  /** How often it said that it was too much. */
  rateLimited: number;
}

interface Item {
  readonly at: number;
  readonly task: Task;
}

/** Tasks that wait for a lane, for each that it works on. */
const WAITING_FOR_EACH = 2;
/** Runs in a row that brought no answer, after which nothing more is asked of a target. */
const ERRORS_IN_A_ROW = 5;
/** A target that says "too much" is asked again so often, and at most so much later. */
const PATIENCE = 3;
const PATIENCE_MS_MAX = 20_000;

export function doneKey(at: number, target: string, repeat: number): string {
  return `${at} ${target} ${repeat}`;
}

export async function run(options: RunOptions): Promise<Ran> {
  const comparing = new Comparing(options);
  return comparing.run();
}

class Comparing {
  readonly #options: RunOptions;
  readonly #lanes: Map<string, LaneState>;
  readonly #cut = new Map<string, number>();
  readonly #queues: readonly BoundedQueue<Item>[];
  /** Cuts off what is on its way. */
  readonly #stopping = new AbortController();
  #stopped: Ran["stopped"];
  #spent: bigint;
  /** Dollars that runs on their way may cost. */
  #reserved = 0;
  #done = 0;
  #warmUp = 0n;
  /** Runs without an answer, by target. */
  readonly #inARow = new Map<string, number>();

  constructor(options: RunOptions) {
    this.#options = options;
    this.#spent = options.spentBefore;
    this.#queues = options.targets.map(() => new BoundedQueue<Item>(options.plan.concurrency * WAITING_FOR_EACH));
    this.#lanes = new Map(options.targets.map(({ name }) => [name, { rateLimited: 0 }]));
  }

  async run(): Promise<Ran> {
    const { stopped, targets, plan } = this.#options;
    const interrupt = () => this.#stop("interrupted", "It was interrupted.");
    if (stopped.aborted) interrupt();
    stopped.addEventListener("abort", interrupt, { once: true });
    await this.#warm();
    const working = targets.flatMap((target, index) =>
      Array.from({ length: plan.concurrency }, () => this.#work(target, index)),
    );
    try {
      let at = 0;
      for await (const task of inTurn(this.#options.suites)) {
        if (this.#stopped !== undefined) break;
        const item = { at, task };
        at += 1;
        await Promise.all(this.#queues.map((queue) => queue.push(item)));
      }
    } catch (error) {
      // It was read before: somebody changed it.
      this.#stop("failed", error instanceof Error ? error.message : String(error));
    }
    for (const queue of this.#queues) queue.end();
    await Promise.all(working);
    stopped.removeEventListener("abort", interrupt);
    return { stopped: this.#stopped, lanes: this.#lanes, cut: this.#cut, warmUpPicoUsd: this.#warmUp };
  }

  #stop(why: "budget" | "interrupted" | "failed", sentence: string): void {
    this.#stopped ??= { why, sentence };
    for (const queue of this.#queues) queue.drop();
    // Who ran out of money lets what was begun come to its end: it is paid for.
    if (why !== "budget") this.#stopping.abort();
  }

  async #work(target: ComparedTarget, index: number): Promise<void> {
    const { plan, done } = this.#options;
    const lane = this.#lanes.get(target.name) as LaneState;
    const queue = this.#queues[index] as BoundedQueue<Item>;
    for (let item = await queue.take(); item !== undefined; item = await queue.take()) {
      for (let repeat = 0; repeat < plan.repeats; repeat += 1) {
        if (done.has(doneKey(item.at, target.name, repeat))) continue;
        if (this.#stopped !== undefined || lane.gaveUp !== undefined) break;
        try {
          await this.#one(target, index, item, repeat, lane);
        } catch (error) {
          const { code, message } = error as NodeJS.ErrnoException;
          this.#stop("failed", code === "ENOSPC" ? "The disk is full: nothing more could be written down." : message);
        }
        if (lane.gaveUp !== undefined) queue.drop();
      }
    }
  }

  async #one(
    target: ComparedTarget,
    index: number,
    { at, task }: Item,
    repeat: number,
    lane: LaneState,
  ): Promise<void> {
    const { figures, journal, plan, progress } = this.#options;
    const expected = figures.meanCost(target.name) ?? usdOf(target, sizeOf(task)) ?? 0;
    if (!this.#mayCost(expected)) {
      this.#stop("budget", `The next run could have cost more than is left of $${this.#options.maxUsd}.`);
      return;
    }
    const name = `${plan.id}.${index}.${at}.${repeat}.${this.#options.session}`;
    journal.add({ began: name });
    this.#cut.set(name, 0);
    this.#reserved += expected;
    try {
      const ended = await this.#ended(target, name, at, task, repeat, lane);
      if (ended === undefined) return;
      journal.add({ run: ended });
      this.#cut.delete(name);
      figures.add(ended);
      this.#spent += BigInt(ended.cost_pico_usd ?? 0) + BigInt(ended.judge?.cost_pico_usd ?? 0);
      this.#done += 1;
      this.#watch(target.name, lane, ended);
      progress(this.#done, this.#spent);
    } finally {
      this.#reserved -= expected;
    }
  }

  #mayCost(expected: number): boolean {
    const { maxUsd } = this.#options;
    if (maxUsd === undefined) return true;
    // The last run that fits may not leave room for half of one more.
    return Number(this.#spent) / 1e12 + this.#reserved + expected <= maxUsd;
  }

  #watch(target: string, lane: LaneState, { result, failure }: EndedRun): void {
    const errors = result === "error" ? (this.#inARow.get(target) ?? 0) + 1 : 0;
    this.#inARow.set(target, errors);
    if (errors >= ERRORS_IN_A_ROW && failure !== null) lane.gaveUp = failure;
  }

  /** @returns `undefined` when it was cut off. */
  async #ended(
    target: ComparedTarget,
    name: string,
    at: number,
    task: Task,
    repeat: number,
    lane: LaneState,
  ): Promise<EndedRun | undefined> {
    const { ledger, simulated } = this.#options;
    const forget = simulated.expect(target.model, task, repeat);
    let talked;
    let calls = 0;
    try {
      for (let tried = 0; ; tried += 1) {
        talked = await this.#talk(target, name, task, at, repeat);
        calls += talked.calls;
        this.#cut.set(name, calls);
        const { ended } = talked;
        if (ended.kind !== "failed" || ended.failed.kind !== "rate-limited") break;
        lane.rateLimited += 1;
        if (tried === PATIENCE) break;
        const pause = Math.min(PATIENCE_MS_MAX, ended.failed.retryAfterMs ?? 1_000 * 2 ** tried);
        await wait(pause, undefined, { signal: this.#stopping.signal }).catch(() => {});
      }
    } finally {
      forget();
    }
    if (talked.ended.kind === "stopped" || this.#stopping.signal.aborted) return undefined;
    const spent = await ledger.read(name, calls).catch(() => undefined);
    if (talked.ended.kind !== "failed" && (spent?.attempts ?? 0) < calls)
      throw new Error("The gateway's ledger lacks calls that were answered: what they cost cannot be known.");
    const judge = this.#judgeFor(name);
    const verdict = await this.#verdict(talked, task, { worker: this.#options.worker, judge });
    if (this.#stopping.signal.aborted) return undefined;
    const judged =
      judge === undefined || judge.calls === 0 ? undefined : await ledger.read(`${name}.judge`, judge.calls);
    return {
      ledger_task: name,
      at,
      suite: task.suite,
      task: task.id,
      class: task.class,
      target: target.name,
      repeat,
      ...verdictOf(talked, verdict, spent),
      calls,
      attempts: spent?.attempts ?? 0,
      // What the ledger does not know came to nobody who bills.
      cost_pico_usd: spent === undefined ? "0" : text(spent.costPicoUsd),
      estimated_pico_usd: String(spent?.estimatedPicoUsd ?? 0n),
      tokens: spent?.tokens ?? NO_TOKENS,
      calls_without_usage: spent?.withoutUsage ?? 0,
      is_formed: spent?.isFormed,
      implausible_calls: implausibleOf(talked, spent, target.target.record?.tokenRatio ?? 1),
      tells_cache_read: spent?.tellsCacheRead ?? false,
      ttft_ms: talked.ttftMs === undefined ? null : rounded(talked.ttftMs),
      duration_ms: rounded(talked.durationMs),
      moved_to: (spent?.targets ?? []).filter((one) => one !== target.model),
      judge:
        judge === undefined || judge.calls === 0
          ? null
          : { calls: judge.calls, failures: judge.failures, cost_pico_usd: text(judged?.costPicoUsd) },
    };
  }

  #talk(target: ComparedTarget, name: string, task: Task, at: number, repeat: number): Promise<Talked> {
    const { plan } = this.#options;
    return talk(task, {
      client: target.client,
      connection: this.#connection(name, `bench:${task.class}`),
      model: target.model,
      nonce: plan.cache === "cold" ? nonceOf(name) : "",
      seed: (plan.seed * 1_000_003 + at * 101 + repeat) % 2_147_483_647,
      timeoutMs: plan.timeout_s * 1_000,
      stopped: this.#stopping.signal,
    });
  }

  #connection(task: string, taskClass: string): Connection {
    const { url, apiKey } = this.#options;
    return { url, apiKey, headers: { "x-sluice-task": task, "x-sluice-task-class": taskClass } };
  }

  #judgeFor(name: string): Judge | undefined {
    const { judge, plan } = this.#options;
    if (judge === undefined) return undefined;
    return createJudge({
      ...judge,
      connection: this.#connection(`${name}.judge`, "bench:judge"),
      seed: plan.seed,
      timeoutMs: plan.timeout_s * 1_000,
      stopped: this.#stopping.signal,
    });
  }

  async #verdict({ ended }: Talked, task: Task, checkers: Checkers): Promise<Verdict | undefined> {
    return ended.kind === "answered" ? checked(task, ended.outcome, checkers) : undefined;
  }

  /** Each class' first task once at each target, so that what all of them have in common is in its cache. */
  async #warm(): Promise<void> {
    const { warming, targets, plan, session, simulated, ledger, journal } = this.#options;
    await Promise.all(
      targets.map(async (target, index) => {
        for (const [at, task] of warming.entries()) {
          if (this.#stopping.signal.aborted) return;
          const name = `${plan.id}.${index}.warm-${at}.${session}`;
          const forget = simulated.expect(target.model, task, -1);
          const { calls } = await this.#talk(target, name, task, at, 0).finally(forget);
          const spent = await ledger.read(name, calls).catch(() => undefined);
          const cost = spent?.costPicoUsd;
          this.#warmUp += cost ?? 0n;
          this.#spent += cost ?? 0n;
          journal.add({ warmed: { target: target.name, cost_pico_usd: cost === undefined ? null : String(cost) } });
        }
      }),
    );
  }
}

/** Its first letters are no other task's: caches go by blocks of a few tokens. */
function nonceOf(name: string): string {
  return `${createHash("sha256").update(name).digest("hex").slice(0, 16)} is the number of this conversation.`;
}

/** One of each suite, again and again. */
async function* inTurn(suites: readonly Suite[]): AsyncGenerator<Task> {
  let open = suites.map((suite) => suite.tasks()[Symbol.asyncIterator]());
  try {
    while (open.length > 0) {
      for (const iterator of open) {
        const next = await iterator.next();
        if (next.done === true) open = open.filter((one) => one !== iterator);
        else yield next.value;
      }
    }
  } finally {
    for (const iterator of open) await iterator.return?.();
  }
}

function text(cost: bigint | undefined): string | null {
  return cost === undefined ? null : String(cost);
}

function verdictOf(
  { ended }: Talked,
  verdict: Verdict | undefined,
  spent: Spent | undefined,
): Pick<EndedRun, "result" | "failure" | "note"> {
  switch (ended.kind) {
    case "stopped":
    case "failed": {
      const [kind, example] =
        ended.kind === "failed" ? [ended.failed.kind, ended.failed.example] : (["broken-off", ""] as const);
      const told = spent?.error ?? null;
      return {
        result: "error",
        failure: kindOfLedger(told, kind),
        note: told === null ? example : `${example} (${told})`,
      };
    }
    case "no-good":
      return { result: "failed", failure: ended.failure, note: ended.note };
    case "answered":
      return judgedOf(verdict ?? { result: "unchecked", note: undefined });
  }
}

function judgedOf(verdict: Verdict): Pick<EndedRun, "result" | "failure" | "note"> {
  const { result } = verdict;
  const note = verdict.note ?? null;
  switch (result) {
    case "passed":
    case "unchecked":
      return { result, failure: null, note };
    case "failed":
      return { result, failure: "wrong-answer", note };
    case "checker-failed":
    case "judge-failed":
      return { result: "checker-error", failure: result, note };
  }
}

/** A told count this many times smaller or larger than the text it is of is no other tokenizer's. */
const TIMES_OFF = 4;
const CHARACTERS_PER_TOKEN = 4;
/** Of shorter texts nothing can be said. */
const TOKENS_LEAST = 100;

function implausibleOf({ sizes }: Talked, spent: Spent | undefined, ratio: number): number {
  // Calls that were tried again stand on the ledger more than once.
  if (spent === undefined || spent.calls.length !== sizes.length) return 0;
  return spent.calls.filter(({ promptTokens, output }, at) => {
    const { prompt, answer } = sizes[at] as Talked["sizes"][number];
    const [expected, said] = [(prompt * ratio) / CHARACTERS_PER_TOKEN, (answer * ratio) / CHARACTERS_PER_TOKEN];
    const isPromptOff =
      promptTokens !== undefined &&
      Math.max(expected, promptTokens) > TOKENS_LEAST &&
      (promptTokens < expected / TIMES_OFF || promptTokens > expected * TIMES_OFF + TOKENS_LEAST * 10);
    // What was thought is output, too, and not seen: only too little is wrong.
    const isOutputOff = output !== undefined && said > TOKENS_LEAST && output < said / TIMES_OFF;
    return isPromptOff || isOutputOff;
  }).length;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
