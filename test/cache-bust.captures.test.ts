/**
 * Real agents' requests, read where they lie beside the checkout: within a session no prefix is broken by the client but by what is known
 * to break it (a compaction, the tools that Codex drops for one).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createBustMemory, type Bust } from "../src/cache/bust.ts";
import { lintBodies } from "../src/cache/lint.ts";
import { readPrefixes } from "../src/cache/prefixes.ts";
import { cacheRules } from "../src/cache/rules.ts";
import type { JsonObject } from "../src/chat.ts";
import { dialects } from "../src/dialects/index.ts";
import { dialectOf } from "../src/dialects/shape.ts";
import { identifyTask } from "../src/task.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";

const captures = join(import.meta.dirname, "../../shared/conformance/captures");
const areThere = existsSync(captures);
if (!areThere) console.warn("cache-bust: captures skipped, ../shared/conformance is not beside this checkout");

const RULES = cacheRules({
  kind: "marks",
  style: "cache_control",
  minTokens: 512,
  maxMarks: 4,
  ttlSeconds: [300, 3_600],
  lookback: 20,
});

interface Captured {
  readonly path: string;
  readonly headers: [string, string][];
  readonly body: unknown;
}

describe.skipIf(!areThere)("a session of a real agent", () => {
  test.each([
    ["claude-code--text", []],
    ["claude-code--tools-loop", []],
    ["claude-code--toolsearch", []],
    ["claude-code--subagents-parallel", []],
    ["claude-code--continue", []],
    ["claude-code--early-close", []],
    ["claude-code--compact", ["compaction"]],
    ["codex--text", []],
    ["codex--tools-loop", []],
    ["codex--resume", []],
    ["codex--subagent", []],
    ["codex--compact", ["tools-changed", "compaction"]],
    ["opencode--anthropic-tools-loop", []],
    ["opencode--chat-tools-loop", []],
    ["opencode--openai-tools-loop", []],
  ])("%s breaks its prefix only by %j", (file, known) => {
    expect(new Set(clientBusts(file).map(({ breaker }) => breaker ?? "?"))).toEqual(new Set(known));
  });

  test.each(["claude-code--tools-loop", "codex--tools-loop", "opencode--chat-tools-loop"])(
    "%s goes on from request to request, offline too",
    (file) => {
      const reports = lintBodies(
        readings(file).map(({ body, request }, at) => ({
          name: `${at}`,
          body,
          request,
          record: undefined,
          isTranslated: false,
          mode: "respect",
          isIsolated: false,
          boundaryLine: "",
        })),
      );
      expect(reports.length).toBeGreaterThan(3);
      const ways = reports.slice(1).map(({ follows }) => follows?.how);
      expect(ways.filter((how) => how === "parts")).toEqual([]);
      expect(ways.filter((how) => how === "goes-on").length).toBeGreaterThanOrEqual(ways.length - 1);
    },
  );
});

/** As if the provider had read nothing, so that every change comes out; a mark stands at each prompt's end. */
function clientBusts(file: string): readonly Bust[] {
  const memory = createBustMemory();
  const all = readings(file);
  expect(all.length).toBeGreaterThan(0);
  return all.flatMap(({ headers, request }, at) => {
    const prefixes = readPrefixes(request, "tenant", "");
    const task = identifyTask(request, headers, "tenant");
    const watch = memory.sent(
      {
        tenant: "tenant",
        task: task.session ?? task.id,
        taskClass: undefined,
        request,
        prefixes,
        target: request.model,
        rules: RULES,
        price: undefined,
        tokenRatio: 1,
        predictedRead: 0,
        marks: [{ place: prefixes.spots.length - 1, ttlSeconds: 300 }],
        marksBy: "gateway",
        sentAs: {},
        isNoiseSent: false,
        excerpts: false,
      },
      at * 1_000,
    );
    const whole = prefixes.promptTokens;
    const bust = watch.settled({ ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, cacheWrite5m: whole, output: 1 });
    return bust?.cause === "client" ? [bust] : [];
  });
}

function readings(file: string) {
  const { requests } = JSON.parse(readFileSync(join(captures, `${file}.json`), "utf8")) as { requests: Captured[] };
  return requests.flatMap(({ headers, body }) => {
    if (typeof body !== "object" || body === null) return [];
    const name = dialectOf(body as JsonObject);
    const dialect = dialects.find((known) => known.name === name);
    if (dialect === undefined) return [];
    return [
      {
        body: body as JsonObject,
        headers: new Headers(headers.filter(([field]) => !field.startsWith(":"))),
        request: dialect.readRequest(body as JsonObject),
      },
    ];
  });
}
