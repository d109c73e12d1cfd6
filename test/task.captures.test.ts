/**
 * Real agents' calls, read where they lie beside the checkout: one task for each piece of work, and a prefix that only grows.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ChatRequest, JsonObject } from "../src/chat.ts";
import { anthropicMessages } from "../src/dialects/anthropic-messages.ts";
import { identifyTask, type Task } from "../src/task.ts";
import { request } from "./made-target.ts";
import { placesOf, prefixesOf } from "./prefix-places.ts";

const captures = join(import.meta.dirname, "../../shared/conformance/captures");
const areThere = existsSync(captures);
if (!areThere) console.warn("task: captures skipped, ../shared/conformance is not beside this checkout");

interface Captured {
  readonly method: string;
  readonly path: string;
  readonly headers: [string, string][];
  readonly body: unknown;
}

describe.skipIf(!areThere)("each agent's calls are told apart into tasks", () => {
  test.each([
    // Client and scenario; how many tasks its calls are, one for each conversation and each subagent.
    ["claude-code--text", "agent-session", 1],
    ["claude-code--tools-loop", "agent-session", 1],
    ["claude-code--toolsearch", "agent-session", 1],
    // A compacted conversation goes on under its session.
    ["claude-code--compact", "agent-session", 1],
    // Two subagents beside their parent.
    ["claude-code--subagents-parallel", "agent-session", 3],
    // Continued under one session; its fork has one of its own.
    ["claude-code--continue", "agent-session", 2],
    ["codex--tools-loop", "agent-session", 1],
    // Each thing that its user asks for is one, with all the calls that it takes.
    ["codex--compact", "agent-session", 2],
    ["codex--subagent", "agent-session", 2],
    ["codex--resume", "agent-session", 4],
    ["opencode--chat-tools-loop", "agent-session", 1],
    ["opencode--anthropic-tools-loop", "agent-session", 1],
    ["opencode--openai-tools-loop", "agent-session", 1],
    // They name nothing.
    ["sdk--anthropic", "prefix", 1],
    ["sdk--anthropic-toolrunner", "prefix", 2],
  ])("%s (%s): %d", (file, source, count) => {
    const tasks = chatCalls(file).map(({ task }) => task);
    expect(tasks.length).toBeGreaterThan(0);
    expect([...new Set(tasks.map((task) => task.source))]).toEqual([source]);
    expect(new Set(tasks.map((task) => task.id)).size).toBe(count);
  });
});

describe.skipIf(!areThere)("an agent's prompt only grows: each call's whole prompt is found in the next one's", () => {
  test.each([
    "claude-code--tools-loop",
    "claude-code--continue",
    // A tool that was only offered is loaded on the way: it comes in among the others, and the prefix stays.
    "claude-code--toolsearch",
    "claude-code--early-close",
    "opencode--anthropic-tools-loop",
  ])("%s", (file) => {
    const prompts = chatCalls(file)
      .map(({ reading }) => reading)
      // Side calls (a title) are conversations of their own.
      .filter((reading) => reading.tools.length > 0)
      .map((reading) => placesOf(reading));
    expect(prompts.length).toBeGreaterThan(2);
    for (const [index, borders] of prompts.slice(1).entries()) {
      const before = prompts[index]?.at(-1);
      expect(before).toBeDefined();
      expect(borders).toContainEqual(expect.objectContaining({ hash: before?.hash, tokens: before?.tokens }));
    }
  });

  test("parallel subagents share their tools and the system prompt, but for the line that says which agent it is", () => {
    const [one, other] = chatCalls("claude-code--subagents-parallel")
      .filter(({ task }) => task.id.includes(":"))
      .map(({ reading }) => placesOf(reading));
    expect(other?.slice(0, 2).map(({ hash }) => hash)).toEqual(one?.slice(0, 2).map(({ hash }) => hash));
    expect(other?.at(-1)?.hash).not.toBe(one?.at(-1)?.hash);
  });

  test("Claude Code's marks stand behind two blocks of the system prompt and at the end of the prompt", () => {
    const [first] = chatCalls("claude-code--text").map(({ reading }) => reading);
    if (first === undefined) throw new Error("the capture has no call");
    const { staticPlace, spots, marks } = prefixesOf(first);
    expect(marks.map(({ place }) => place)).toEqual([1, staticPlace, spots.length - 1]);
  });
});

interface ChatCall {
  readonly task: Task;
  readonly reading: ChatRequest;
}

/** Bodies of other dialects are not read here: their headers tell. */
function chatCalls(file: string): readonly ChatCall[] {
  const { requests } = JSON.parse(readFileSync(join(captures, `${file}.json`), "utf8")) as {
    requests: readonly Captured[];
  };
  return requests.flatMap(({ path, headers, body }) => {
    if (!/\/v1\/(?:messages|chat\/completions|responses)(?:\?|$)/.test(path)) return [];
    const given = new Headers(headers);
    const reading = path.includes("/messages") ? anthropicMessages.readRequest(body as JsonObject) : request();
    return [{ task: identifyTask(reading, given, ""), reading }];
  });
}

test.skipIf(!areThere)("every captured agent is looked at", () => {
  const agents = readdirSync(captures).filter((file) => /^(?:claude-code|codex|opencode)/.test(file));
  expect(agents.length).toBeGreaterThan(10);
  for (const file of agents) {
    for (const { task } of chatCalls(file.replace(/\.json$/, ""))) expect(task.source, file).toBe("agent-session");
  }
});
