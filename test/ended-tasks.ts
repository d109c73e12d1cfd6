/** Tasks that have ended, with as little said of them as a test needs. */
import { candidate, target } from "./made-target.ts";
import type { Candidate, Target } from "../src/target.ts";
import type { EndedTask, TaskLeg } from "../src/tasks/ended-task.ts";
import type { Estimates } from "../src/tasks/estimates.ts";
import { picoUsdPerToken, UNKNOWN_USAGE, type Price, type Rates } from "../src/usage.ts";

export interface MadeTask {
  readonly target?: string;
  readonly className?: string;
  readonly tenant?: string;
  readonly turns?: number;
  readonly firstPrompt?: number;
  readonly growth?: number;
  /** Of a turn. */
  readonly output?: number;
  /** Of the history that is sent again. */
  readonly readShare?: number;
  readonly cost?: bigint | undefined;
  /** 0 to 1; `undefined`: nobody can tell. */
  readonly success?: number | undefined;
  readonly source?: "told" | "signals";
}

export function leg(made: MadeTask = {}): TaskLeg {
  const { target = "a/one", turns = 3, firstPrompt = 1_000, growth = 500, output = 200, readShare = 0 } = made;
  const prompts = Array.from({ length: turns }, (_, turn) => firstPrompt + turn * growth);
  const last = prompts.at(-1) ?? firstPrompt;
  const whole = prompts.reduce((sum, prompt) => sum + prompt, 0);
  const read = (whole - last) * readShare;
  return {
    target,
    turns,
    usage: { ...UNKNOWN_USAGE, inputUncached: whole - read, cacheRead: read, output: output * turns },
    cost: "cost" in made ? made.cost : 1_000_000n,
    firstPromptTokens: firstPrompt,
    lastPromptTokens: last,
    retries: 0,
  };
}

export function ended(made: MadeTask = {}, legs: readonly TaskLeg[] = [leg(made)]): EndedTask {
  const success = "success" in made ? made.success : 1;
  return {
    id: "t",
    tenant: made.tenant ?? "",
    className: made.className ?? "triage",
    parent: undefined,
    startedAtMs: 0,
    endedAtMs: 1,
    legs,
    outcome: success === undefined ? undefined : { success, source: made.source ?? "told" },
  };
}

/** So many tasks, of which every so manieth succeeds as `success` says (0.75: three of four, evenly). */
export function observed(estimates: Estimates, tasks: number, made: MadeTask): void {
  const share = made.success ?? 1;
  for (let index = 0; index < tasks; index += 1) {
    const success = "success" in made && made.success === undefined ? undefined : even(index, share);
    estimates.observe(ended({ ...made, success }));
  }
}

function even(index: number, share: number): number {
  return Math.floor((index + 1) * share) - Math.floor(index * share);
}

export interface MadePrice {
  readonly input: number;
  readonly read?: number;
  readonly write?: number;
  readonly output: number;
  readonly over?: { readonly promptTokens: number; readonly times: number };
}

/** Of dollars for a million tokens. */
export function price({ input, read, write, output, over }: MadePrice): Price {
  const rates = (times: number): Rates => ({
    inputUncached: picoUsdPerToken(input * times),
    ...(read === undefined ? {} : { cacheRead: picoUsdPerToken(read * times) }),
    ...(write === undefined ? {} : { cacheWrite5m: picoUsdPerToken(write * times) }),
    output: picoUsdPerToken(output * times),
  });
  const made = { version: "made", rates: rates(1) };
  return over === undefined ? made : { ...made, over: [{ promptTokens: over.promptTokens, rates: rates(over.times) }] };
}

/** A candidate at a price; of a model whose cache is automatic, unless said otherwise. */
export function priced(
  name: string,
  made: MadePrice,
  given: Partial<Candidate> = {},
  record: Partial<NonNullable<Target["record"]>> = {},
): Candidate {
  const base = target("gpt-5.4-nano", record);
  return candidate(name, { ...given, target: { ...base, name, price: price(made) } });
}
