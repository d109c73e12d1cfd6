/** What a run took, by the gateway's own ledger: asked over HTTP, as anybody would, once nothing of it is open. */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import type { ReportTokens } from "./report.ts";

export interface Spent {
  readonly attempts: number;
  /** `undefined`: an attempt that may have been billed has no price. */
  readonly costPicoUsd: bigint | undefined;
  readonly estimatedPicoUsd: bigint;
  readonly tokens: ReportTokens;
  /** Answered calls that did not tell all their tokens. */
  readonly withoutUsage: number;
  /** Whether any call told what was read from cache. */
  readonly tellsCacheRead: boolean;
  /** The newest attempt's error. */
  readonly error: string | null;
  readonly priceVersion: string | null;
  /** Whether answers and tool calls had the form that was asked for, by the gateway's own look; `undefined`: none was. */
  readonly isFormed: boolean | undefined;
  /** Targets that answered, as the ledger names them. */
  readonly targets: readonly string[];
  /** Of each answered call, in order. */
  readonly calls: readonly { readonly promptTokens: number | undefined; readonly output: number | undefined }[];
}

export interface LedgerSpend {
  /**
   * @param calls That were made: their rows are waited for.
   * @returns `undefined` where the ledger has nothing of it.
   */
  read(task: string, calls: number): Promise<Spent | undefined>;
  /** Picodollars of one that was cut off, by its attempts alone: a gateway that was killed may not have got as far as to know it as a task. */
  total(task: string, calls: number): Promise<bigint>;
}

const count = z.number().nullable();
const usageSchema = z.looseObject({
  input_uncached: count,
  cache_read: count,
  cache_write_5m: count,
  cache_write_1h: count,
  cache_write_other: count,
  output: count,
  reasoning: count,
});
type Usage = z.infer<typeof usageSchema>;

const detail = z.looseObject({
  calls: z.array(
    z.looseObject({
      signals: z.array(z.string()),
      attempts: z.array(
        z.looseObject({
          target: z.string().nullable(),
          outcome: z.string(),
          error: z.string().nullable(),
          usage: usageSchema,
          cost_pico_usd: z.string().nullable(),
          cost_basis: z.string().nullable(),
          price_version: z.string().nullable(),
        }),
      ),
    }),
  ),
  truncated: z.boolean(),
});
type Attempt = z.infer<typeof detail>["calls"][number]["attempts"][number];

/** Rows are written behind the answers: how long they may take. */
const WRITTEN_MS_MAX = 5_000;

export function createLedgerSpend(url: string, apiKey: string): LedgerSpend {
  return {
    async read(task, calls) {
      const deadline = performance.now() + WRITTEN_MS_MAX;
      for (let pause = 4; ; pause = Math.min(100, pause * 2)) {
        const read = await taskOf(url, apiKey, task);
        const isLate = performance.now() > deadline;
        const attempts = read?.calls.flatMap((call) => call.attempts) ?? [];
        const isOpen = attempts.some(({ outcome }) => outcome === "open");
        if (isLate || (!isOpen && (read?.calls.length ?? 0) >= calls))
          return read === undefined
            ? undefined
            : spentOf(
                read.calls.map((call) => call.attempts),
                isFormed(read.calls.flatMap((call) => call.signals)),
              );
        await wait(pause);
      }
    },
    async total(task, calls) {
      const deadline = performance.now() + WRITTEN_MS_MAX;
      for (let pause = 4; ; pause = Math.min(100, pause * 2)) {
        const { attempts, outcomes, cost_pico_usd: cost } = await sumsOf(url, apiKey, task);
        const isWritten = (outcomes["open"] ?? 0) === 0 && attempts >= calls;
        if (isWritten || performance.now() > deadline) return BigInt(cost ?? 0);
        await wait(pause);
      }
    },
  };
}

const sumsSchema = z.looseObject({
  total: z.looseObject({
    attempts: z.number(),
    outcomes: z.record(z.string(), z.number()),
    cost_pico_usd: z.string().nullable(),
  }),
});

async function sumsOf(url: string, apiKey: string, task: string): Promise<z.infer<typeof sumsSchema>["total"]> {
  const response = await fetch(`${url}/sluice/v1/spend?task=${encodeURIComponent(task)}`, {
    headers: { authorization: `Bearer ${apiKey}` },
  });
  if (response.status !== 200) throw new Error(`the gateway's ledger answers with status ${response.status}`);
  return sumsSchema.parse(await response.json()).total;
}

async function taskOf(url: string, apiKey: string, task: string): Promise<z.infer<typeof detail> | undefined> {
  const response = await fetch(`${url}/sluice/v1/tasks/${encodeURIComponent(task)}`, {
    headers: { authorization: `Bearer ${apiKey}` },
  });
  if (response.status === 404) {
    await response.text();
    return undefined;
  }
  if (response.status !== 200) throw new Error(`the gateway's ledger answers with status ${response.status}`);
  return detail.parse(await response.json());
}

function isFormed(signals: readonly string[]): boolean | undefined {
  if (signals.includes("answer-broken") || signals.includes("call-broken")) return false;
  return signals.includes("answer-valid") || signals.includes("calls-valid") ? true : undefined;
}

function spentOf(calls: readonly (readonly Attempt[])[], isFormed: boolean | undefined): Spent {
  const attempts = calls.flat();
  // What never reached a provider is billed by nobody.
  const billed = attempts.filter(({ target, cost_basis: basis }) => target !== null && basis !== "not-billed");
  const sum = (of: (attempt: Attempt) => number | null) => attempts.reduce((all, one) => all + (of(one) ?? 0), 0);
  const answered = attempts.filter(({ outcome }) => outcome === "complete");
  return {
    attempts: attempts.length,
    costPicoUsd: billed.some(({ cost_pico_usd: cost }) => cost === null)
      ? undefined
      : attempts.reduce((all, one) => all + BigInt(one.cost_pico_usd ?? 0), 0n),
    estimatedPicoUsd: attempts.reduce(
      (all, one) => all + (one.cost_basis === "estimated" ? BigInt(one.cost_pico_usd ?? 0) : 0n),
      0n,
    ),
    tokens: {
      input_uncached: sum(({ usage }) => usage.input_uncached),
      cache_read: sum(({ usage }) => usage.cache_read),
      cache_write_5m: sum(({ usage }) => usage.cache_write_5m),
      cache_write_1h: sum(({ usage }) => usage.cache_write_1h),
      cache_write_other: sum(({ usage }) => usage.cache_write_other),
      output: sum(({ usage }) => usage.output),
      reasoning: sum(({ usage }) => usage.reasoning),
    },
    withoutUsage: answered.filter(({ usage }) => usage.input_uncached === null || usage.output === null).length,
    tellsCacheRead: answered.some(({ usage }) => usage.cache_read !== null),
    error: attempts.at(-1)?.error ?? null,
    priceVersion: attempts.findLast(({ price_version: version }) => version !== null)?.price_version ?? null,
    isFormed,
    targets: [...new Set(attempts.flatMap(({ target }) => (target === null ? [] : [target])))],
    calls: answered.map(({ usage }) => ({ promptTokens: promptOf(usage), output: usage.output ?? undefined })),
  };
}

function promptOf(usage: Usage): number | undefined {
  if (usage.input_uncached === null) return undefined;
  const {
    input_uncached: fresh,
    cache_read: read,
    cache_write_5m: five,
    cache_write_1h: hour,
    cache_write_other: other,
  } = usage;
  return fresh + (read ?? 0) + (five ?? 0) + (hour ?? 0) + (other ?? 0);
}
