/**
 * What Prometheus sees of providers' caches: by provider and model what rows say, and beside it what the report of classes sums up, which
 * goes on over a restart as that report does. Causes are the few that there are; no class is a label.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import { BUST_CAUSES, type BustCause } from "./cache/bust-cause.ts";
import type { CacheReport, CauseReport } from "./cache/report.ts";
import type { LedgerEntry } from "./ledger.ts";
import { usdNumber, type PicoUsd } from "./usage.ts";

/** What is summed for one provider and model. */
export interface CachingSums {
  /** What caching saved, and what it cost more, both at least 0. */
  saved: PicoUsd;
  lost: PicoUsd;
  /** Of answers that said what was read: what was expected, and how far off that was, in tokens. */
  predictedRead: number;
  predictionError: number;
  heldAttempts: number;
  heldSeconds: number;
  /** Read by those that waited; and of it, what they could not have read without. */
  heldRead: number;
  heldSavedTokens: number;
  heldSaved: PicoUsd;
}

export function noCaching(): CachingSums {
  return {
    saved: 0n,
    lost: 0n,
    predictedRead: 0,
    predictionError: 0,
    heldAttempts: 0,
    heldSeconds: 0,
    heldRead: 0,
    heldSavedTokens: 0,
    heldSaved: 0n,
  };
}

export function addCaching(sums: CachingSums, entry: LedgerEntry): void {
  const { usage, usageBasis, predictedRead, cacheSaved = 0n, heldMs, heldGain } = entry;
  if (cacheSaved >= 0n) sums.saved += cacheSaved;
  else sums.lost -= cacheSaved;
  const isTold = usageBasis === "reported" && usage.cacheRead !== undefined;
  if (isTold && predictedRead !== undefined) {
    sums.predictedRead += predictedRead;
    sums.predictionError += Math.abs(predictedRead - (usage.cacheRead ?? 0));
  }
  if (heldMs === undefined) return;
  sums.heldAttempts += 1;
  sums.heldSeconds += heldMs / 1000;
  sums.heldRead += usage.cacheRead ?? 0;
  sums.heldSavedTokens += heldGain?.tokens ?? 0;
  sums.heldSaved += heldGain?.saved ?? 0n;
}

/** Each is shown where it is not 0. */
export const CACHING_COUNTERS: readonly (readonly [
  name: string,
  help: string,
  valueOf: (sums: CachingSums) => number,
])[] = [
  [
    "sluice_cache_saved_usd_total",
    "What reading from cache saved against the same prompts without caching.",
    ({ saved }) => usdNumber(saved),
  ],
  [
    "sluice_cache_lost_usd_total",
    "What writing to cache cost more than was read, in calls where it did.",
    ({ lost }) => usdNumber(lost),
  ],
  [
    "sluice_cache_predicted_tokens_total",
    "Prompt tokens that were expected to be read from cache, of answers that said what was.",
    ({ predictedRead }) => predictedRead,
  ],
  [
    "sluice_cache_prediction_error_tokens_total",
    "How far off that was, whichever way.",
    ({ predictionError }) => predictionError,
  ],
  [
    "sluice_held_attempts_total",
    "Calls that waited for another one to write what both begin with.",
    ({ heldAttempts }) => heldAttempts,
  ],
  ["sluice_held_seconds_total", "How long they waited.", ({ heldSeconds }) => heldSeconds],
  ["sluice_held_read_tokens_total", "What they then read from cache.", ({ heldRead }) => heldRead],
  [
    "sluice_held_saved_tokens_total",
    "Of what they read, what they would have been billed in full without waiting.",
    ({ heldSavedTokens }) => heldSavedTokens,
  ],
  [
    "sluice_held_saved_usd_total",
    "What that saved, at the price of writing it once more, or of uncached input where nothing is written.",
    ({ heldSaved }) => usdNumber(heldSaved),
  ],
];

/** @returns takes the report that is shown, asked when somebody looks. */
export function reportMetrics(registry: Registry): (report: () => CacheReport) => void {
  let watched: (() => CacheReport) | undefined;
  const read = () => watched?.().classes ?? [];
  const byCause = (name: string, help: string, valueOf: (report: CauseReport) => number) =>
    new Counter({
      name,
      help,
      labelNames: ["cause"],
      registers: [registry],
      collect() {
        this.reset();
        const causes = read().flatMap((one) => one.causes);
        for (const cause of BUST_CAUSES) {
          const of = causes.filter((one) => one.cause === cause);
          if (of.length > 0) this.inc({ cause }, valueOf(sumOf(cause, of)));
        }
      },
    });
  byCause(
    "sluice_cache_busts_total",
    "Calls that did not read what was there to be read by the provider's own counts, by whose doing it was.",
    ({ calls }) => calls,
  );
  byCause("sluice_cache_bust_tokens_total", "What they did not read.", ({ lostTokens }) => lostTokens);
  byCause("sluice_cache_bust_usd_total", "What it cost more than reading it.", ({ lostPicoUsd }) =>
    usdNumber(lostPicoUsd),
  );
  const wasted = (name: string, help: string, valueOf: (classes: CacheReport["classes"]) => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(valueOf(read()));
      },
    });
  wasted(
    "sluice_cache_wasted_write_tokens_total",
    "Written to cache at a premium, and not read by the end of the lifetime that was paid.",
    (classes) => classes.reduce((sum, { wastedTokens }) => sum + wastedTokens, 0),
  );
  wasted("sluice_cache_wasted_write_usd_total", "The premium for them.", (classes) =>
    usdNumber(classes.reduce((sum, { wastedPicoUsd }) => sum + wastedPicoUsd, 0n)),
  );
  new Gauge({
    name: "sluice_cache_saved_against_end_usd",
    help: "Paid less than with one mark of the shortest lifetime at the end of every prompt; below zero: more.",
    registers: [registry],
    collect() {
      this.set(usdNumber(read().reduce((sum, one) => sum + one.savedAgainstEndPicoUsd, 0n)));
    },
  });
  return (report) => {
    watched = report;
  };
}

function sumOf(cause: BustCause, reports: readonly CauseReport[]): CauseReport {
  return {
    cause,
    calls: reports.reduce((sum, { calls }) => sum + calls, 0),
    lostTokens: reports.reduce((sum, { lostTokens }) => sum + lostTokens, 0),
    lostPicoUsd: reports.reduce((sum, { lostPicoUsd }) => sum + lostPicoUsd, 0n),
  };
}
