/** `sluice cache-lint` of what real agents and SDKs send, read where it lies beside the checkout: what it says is true of each. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../src/chat.ts";
import { dialectOf } from "../src/dialects/shape.ts";
import { lintReports, lintRun } from "./lint-given.ts";

const captures = join(import.meta.dirname, "../../shared/conformance/captures");
const areThere = existsSync(captures);
if (!areThere) console.warn("cache-lint: captures skipped, ../shared/conformance is not beside this checkout");

/** By agent: what is found in which of its requests. Not named: nothing. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  // Its history became a summary.
  "claude-code--compact": ["4: compaction messages[0].content[0]"],
  // Tools are left out to summarise, and then the history is the summary.
  "codex--compact": ["2: tools-changed tools", "4: compaction messages[4].content[0]"],
  // A fork has a session of its own, and its key.
  "codex--resume": ["5: cache-key prompt_cache_key"],
  // A subagent is offered other tools.
  "codex--subagent": ["3: tools-changed tools[8]"],
  // Today's date stands in the system text.
  "opencode--anthropic-tools-loop": ["2: timestamp system[0]"],
  "opencode--chat-tools-loop": ["2: timestamp messages[0].content[0]"],
  "opencode--openai-tools-loop": ["2: timestamp messages[0].content[0]"],
};

const files = areThere
  ? readdirSync(captures).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -5)] : []))
  : [];

describe.skipIf(!areThere)("requests as they were captured", () => {
  test.each(files)("%s: warnings are what is known of it", (file) => {
    const reports = lintReports(bodiesOf(file));
    const found = reports.flatMap(({ findings }, at) =>
      findings.flatMap(({ level, rule, path }) => (level === "warning" ? [`${at + 1}: ${rule} ${path}`] : [])),
    );
    expect(found).toEqual(FOUND[file] ?? []);
  });

  test.each(["claude-code--tools-loop", "claude-code--continue", "claude-code--toolsearch"])(
    "%s reads in each turn what it wrote in the one before",
    (file) => {
      const reports = lintReports(bodiesOf(file));
      expect(reports.length).toBeGreaterThan(3);
      for (const [at, { follows }] of reports.entries()) {
        if (at === 0) continue;
        const marked = reports[at - 1]?.prefixes.findLast(({ isMarked }) => isMarked)?.tokens;
        expect(follows).toMatchObject({ how: "goes-on", read: { tokens: marked } });
      }
    },
  );

  test("a subagent is another agent, its sibling begins like it, and who called them goes on from before", () => {
    const ways = lintReports(bodiesOf("claude-code--subagents-parallel")).map(({ follows }) => follows?.how);
    expect(ways).toEqual([undefined, "another-conversation", "begins-alike", "goes-on"]);
  });

  test.each(files)("%s: the same in words, with what to do about each finding", (file) => {
    const bodies = bodiesOf(file);
    const { output, problem } = lintRun(bodies);
    expect(problem).toBe("");
    expect(output.split("→").length - 1).toBe(lintReports(bodies).flatMap(({ findings }) => findings).length);
    expect(output).not.toContain("undefined");
  });
});

function bodiesOf(file: string): readonly JsonObject[] {
  const { requests } = JSON.parse(readFileSync(join(captures, `${file}.json`), "utf8")) as {
    readonly requests: readonly { readonly path: string; readonly body: JsonObject | null }[];
  };
  const bodies = requests.flatMap(({ path, body }) => {
    const isPrompt = typeof body === "object" && body !== null && !/embed/.test(path);
    return isPrompt && dialectOf(body) !== undefined ? [body] : [];
  });
  expect(bodies.length).toBeGreaterThan(0);
  return bodies;
}
