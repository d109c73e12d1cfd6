/**
 * `GET /sluice/v1/cache`: what caching has done for each class of calls, over restarts.
 */
import { Hono } from "hono";
import type { BreakerReport, CacheReporter, CauseReport, ClassReport } from "../src/cache/report.ts";
import type { ClientKey } from "../src/exchange.ts";
import { usdText } from "../src/usage.ts";
import { parametersOf, refused } from "./ledger-filter.ts";
import { readerOf } from "./readers.ts";

export interface CacheRoute {
  readonly reporter: Pick<CacheReporter, "read">;
  readonly keys: () => readonly ClientKey[];
  /** The time in milliseconds: writes that have outlived it unread are wasted. */
  readonly now?: () => number;
}

export function cacheRoute({ reporter, keys, now = Date.now }: CacheRoute): Hono {
  const route = new Hono();
  const reading = readerOf(keys);
  route.get("/sluice/v1/cache", (context) => {
    try {
      const asked = parametersOf(context.req.url, ["class"]).get("class");
      const { sinceMs, classes } = reporter.read(now(), reading(context));
      const shown = asked === undefined ? classes : classes.filter(({ classKey }) => classKey === asked);
      const since = sinceMs === undefined ? null : new Date(sinceMs).toISOString();
      return context.json({ since, classes: shown.map((one) => classJson(one, keys())) });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function classJson(report: ClassReport, keys: readonly ClientKey[]): object {
  const key = keys.find(({ tenant }) => tenant === report.tenant);
  return {
    class: report.classKey,
    tenant: key?.team ?? key?.name ?? null,
    calls: report.calls,
    unknown_calls: report.unknownCalls,
    prompt_tokens: report.promptTokens,
    read_tokens: report.readTokens,
    written_tokens: report.writtenTokens,
    hit_ratio: report.hitRatio ?? null,
    wasted_write_tokens: report.wastedTokens,
    wasted_usd: usdText(report.wastedPicoUsd),
    saved_usd: usdText(report.savedPicoUsd),
    saved_against_end_usd: usdText(report.savedAgainstEndPicoUsd),
    unpriced_calls: report.unpricedCalls,
    lost_tokens: report.lostTokens,
    lost_usd: usdText(report.lostPicoUsd),
    predicted_tokens: report.predictedTokens,
    predicted_read_tokens: report.predictedReadTokens,
    prediction_error: report.predictionError ?? null,
    diagnosed_calls: report.diagnosedCalls,
    disagreed_calls: report.disagreedCalls,
    causes: report.causes.map(causeJson),
    breakers: report.breakers.map(breakerJson),
  };
}

function causeJson({ cause, calls, lostTokens, lostPicoUsd }: CauseReport): object {
  return { cause, calls, lost_tokens: lostTokens, lost_usd: usdText(lostPicoUsd) };
}

function breakerJson({ cause, breaker, span, calls, lostTokens, lostPicoUsd }: BreakerReport): object {
  return { cause, breaker: breaker ?? null, span, calls, lost_tokens: lostTokens, lost_usd: usdText(lostPicoUsd) };
}
