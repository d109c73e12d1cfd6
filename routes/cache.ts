/**
 * `GET /sluice/v1/cache`: what caching has done for each class of calls, over restarts.
 */
import { Hono } from "hono";
import type { BreakerReport, CacheReporter, ClassReport } from "../src/cache/report.ts";
import { usdText } from "../src/usage.ts";
import { parametersOf, refused } from "./ledger-filter.ts";

/** @param now The time in milliseconds: writes that have outlived it unread are wasted. */
export function cacheRoute(reporter: Pick<CacheReporter, "read">, now: () => number = Date.now): Hono {
  const route = new Hono();
  route.get("/sluice/v1/cache", (context) => {
    try {
      const asked = parametersOf(context.req.url, ["class"]).get("class");
      const { sinceMs, classes } = reporter.read(now());
      const shown = asked === undefined ? classes : classes.filter(({ classKey }) => classKey === asked);
      const since = sinceMs === undefined ? null : new Date(sinceMs).toISOString();
      return context.json({ since, classes: shown.map(classJson) });
    } catch (error) {
      return refused(error, context);
    }
  });
  return route;
}

function classJson(report: ClassReport): object {
  return {
    class: report.classKey,
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
    breakers: report.breakers.map(breakerJson),
  };
}

function breakerJson({ cause, breaker, span, calls, lostTokens, lostPicoUsd }: BreakerReport): object {
  return { cause, breaker: breaker ?? null, span, calls, lost_tokens: lostTokens, lost_usd: usdText(lostPicoUsd) };
}
