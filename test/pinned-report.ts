/** A comparison's report as the drift watch reads it, with tasks of known chance; and live tasks of the same. */
import type { LiveTask } from "../src/drift/drift.ts";
import type { PinnedReport } from "../src/drift/expectation.ts";

/** How tasks of a class behave. */
export interface Behavior {
  /** Mean of a task. */
  readonly tokens: number;
  /** Standard deviation over the mean; tokens are spread as products of chances are (log-normal). */
  readonly spread: number;
  readonly refusals: number;
  readonly broken: number;
}

export const USUAL: Behavior = { tokens: 4_000, spread: 0.5, refusals: 0.02, broken: 0.03 };

/** Of a token. */
const PICO_USD = 250_000;

function tokensOf({ tokens, spread }: Behavior, random: () => number): number {
  const variance = Math.log(1 + spread ** 2);
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.round(tokens * Math.exp(normal * Math.sqrt(variance) - variance / 2));
}

export function liveTask(behavior: Behavior, random: () => number, given: Partial<LiveTask> = {}): LiveTask {
  const tokens = tokensOf(behavior, random);
  return {
    className: "triage",
    target: "openai/gpt-5.4-nano",
    values: {
      tokens,
      cost: tokens * PICO_USD,
      refusals: random() < behavior.refusals ? 1 : 0,
      "schema-failures": random() < behavior.broken ? 1 : 0,
    },
    ...given,
  };
}

/** The file: what the watch does not read is left out of it. */
export function pinnedReport(
  tasks: number,
  behavior: Behavior,
  random: () => number,
  given: { readonly model?: string; readonly className?: string } = {},
): PinnedReport & { readonly kind: string; readonly version: number } {
  const { model = "openai/gpt-5.4-nano", className = "triage" } = given;
  let [refused, broken] = [0, 0];
  const rows = Array.from({ length: tasks }, () => {
    const tokens = tokensOf(behavior, random);
    if (random() < behavior.refusals) refused += 1;
    if (random() < behavior.broken) broken += 1;
    return {
      class: className,
      target: "nano",
      runs: 1,
      errors: 0,
      cost_pico_usd: String(tokens * PICO_USD),
      tokens: {
        input_uncached: Math.floor(tokens / 2),
        cache_read: 0,
        cache_write_5m: 0,
        cache_write_1h: 0,
        cache_write_other: 0,
        output: Math.ceil(tokens / 2),
      },
    };
  });
  const sums = {
    passed: tasks - refused,
    failed: refused,
    unchecked: 0,
    calls_without_usage: 0,
    failures: refused === 0 ? [] : [{ kind: "refused", runs: refused }],
    format_runs: tasks,
    format_failures: broken,
  };
  return {
    kind: "sluice-compare",
    version: 1,
    run: { id: "cmp-made" },
    is_sandbox: false,
    state: "whole",
    targets: [{ name: "nano", model, by_class: [{ class: className, sums }] }],
    rows,
  };
}
