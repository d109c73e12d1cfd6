/**
 * Whether an answer is right. A note says which check it failed and where; nothing that a model said is in it, as reports are passed on. Only
 * what a function's author returns is his own to decide.
 */
import { isDeepStrictEqual } from "node:util";
import { linePattern } from "../../src/cache/line-pattern.ts";
import type { JsonValue } from "../../src/chat.ts";
import type { CheckerWorker } from "./checker-worker.ts";
import type { ToolCall } from "./clients/client.ts";
import type { Judge } from "./judge.ts";
import type { Check, Task } from "./task.ts";

export interface Verdict {
  /** `unchecked`: nobody said what is right. The last two are no fault of the answer. */
  readonly result: "passed" | "failed" | "unchecked" | "checker-failed" | "judge-failed";
  readonly note: string | undefined;
}

/** What a task came to, as the checks see it. */
export interface Outcome {
  /** What was said last. */
  readonly answer: string;
  /** All that were made, in order. */
  readonly calls: readonly ToolCall[];
}

export interface Checkers {
  readonly worker: CheckerWorker;
  /** Absent: what only a judge can say stays unchecked. */
  readonly judge: Judge | undefined;
}

/** All of them, until one does not hold. */
export async function checked(task: Task, outcome: Outcome, checkers: Checkers): Promise<Verdict> {
  let isChecked = false;
  for (const check of inOrder(task.checks)) {
    const verdict = await one(check, task, outcome, checkers);
    if (verdict.result === "unchecked") continue;
    if (verdict.result !== "passed") return verdict;
    isChecked = true;
  }
  return { result: isChecked ? "passed" : "unchecked", note: undefined };
}

/** The judge costs, and is asked last. */
function inOrder(checks: readonly Check[]): readonly Check[] {
  return [...checks.filter(({ kind }) => kind !== "judge"), ...checks.filter(({ kind }) => kind === "judge")];
}

const PASSED: Verdict = { result: "passed", note: undefined };
const failed = (note: string): Verdict => ({ result: "failed", note });

async function one(check: Check, task: Task, { answer, calls }: Outcome, checkers: Checkers): Promise<Verdict> {
  switch (check.kind) {
    case "exact":
      return plain(answer, check.ignoreCase) === plain(check.value, check.ignoreCase)
        ? PASSED
        : failed("exact: it is another text");
    case "contains": {
      const text = folded(answer, check.ignoreCase);
      const missing = check.value.findIndex((value) => !text.includes(folded(value, check.ignoreCase)));
      return missing < 0 ? PASSED : failed(`contains: value ${missing + 1} of ${check.value.length} is not in it`);
    }
    case "regex": {
      const pattern = linePattern(check.pattern);
      return answer.split("\n").some((line) => pattern.test(line)) ? PASSED : failed("regex: no line of it matches");
    }
    case "number":
      return numbered(answer, check.value, check.tolerance);
    case "json": {
      const value = jsonIn(answer);
      if (value === undefined) return failed("json: it is not JSON");
      const at = differing(value, check.value, "");
      return at === undefined ? PASSED : failed(`json: \`${at}\` is another`);
    }
    case "json-schema": {
      const value = jsonIn(answer);
      if (value === undefined) return failed("json-schema: it is not JSON");
      return inWorker("json-schema", await checkers.worker.ask({ kind: "schema", schema: check.schema, value }));
    }
    case "calls":
      return called(check.calls, calls);
    case "function": {
      const { code } = check;
      const about = {
        answer,
        calls: calls.map(({ name, argumentsText }) => ({ tool: name, arguments: argumentsText })),
      };
      const asked = { kind: "function", code, ...about, task: { id: task.id, class: task.class } } as const;
      return inWorker("function", await checkers.worker.ask(asked));
    }
    case "judge":
      if (checkers.judge === undefined) return { result: "unchecked", note: undefined };
      return checkers.judge.ask(task, check.rubric, answer);
  }
}

function inWorker(kind: string, told: Awaited<ReturnType<CheckerWorker["ask"]>>): Verdict {
  switch (told.result) {
    case "passed":
      return PASSED;
    case "failed":
      return failed(`${kind}: ${told.note}`);
    case "broken":
      return { result: "checker-failed", note: `${kind}: ${told.note}` };
  }
}

/** A full stop behind a word, and quotation marks around it, make it no other answer. */
function plain(text: string, ignoreCase: boolean): string {
  const bare = text
    .trim()
    .replace(/^["'`“](.*)["'`”]$/s, "$1")
    .replace(/\.$/, "")
    .trim();
  return folded(bare, ignoreCase);
}

function folded(text: string, ignoreCase: boolean): string {
  return ignoreCase ? text.toLowerCase() : text;
}

function numbered(answer: string, value: number, tolerance: number): Verdict {
  // Groups of three digits are one number: 1,250.50
  const numbers = answer.replaceAll(/(?<=\d),(?=\d{3}(?!\d))/g, "").match(/-?\d+(?:\.\d+)?/g);
  const last = numbers?.at(-1);
  if (last === undefined) return failed("number: there is none in it");
  // As decimals are not: 0.1 + 0.2.
  const slack = 1e-9 * Math.max(1, Math.abs(value));
  return Math.abs(Number(last) - value) <= tolerance + slack ? PASSED : failed("number: it is too far off");
}

const FENCED = /^```(?:json)?\s*\n([\s\S]*?)\n?```$/;

/** JSON, alone or as the one block of code. */
function jsonIn(answer: string): JsonValue | undefined {
  const text = answer.trim();
  try {
    return JSON.parse(FENCED.exec(text)?.[1] ?? text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Where it lacks what is expected; `undefined`: nowhere. */
function differing(value: JsonValue | undefined, expected: JsonValue | undefined, at: string): string | undefined {
  if (typeof expected !== "object" || expected === null || Array.isArray(expected))
    return isDeepStrictEqual(value, expected) ? undefined : at === "" ? "(all)" : at;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return at === "" ? "(all)" : at;
  const fields = value as { readonly [key: string]: JsonValue | undefined };
  for (const [key, one] of Object.entries(expected)) {
    const found = differing(fields[key], one, at === "" ? key : `${at}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function called(expected: Extract<Check, { kind: "calls" }>["calls"], calls: readonly ToolCall[]): Verdict {
  let at = 0;
  for (const [index, { tool, arguments: wanted }] of expected.entries()) {
    while (at < calls.length && !isCall(calls[at] as ToolCall, tool, wanted)) at += 1;
    if (at === calls.length) return failed(`calls: call ${index + 1} of ${expected.length} (${tool}) was not made`);
    at += 1;
  }
  return PASSED;
}

function isCall({ name, argumentsText }: ToolCall, tool: string, wanted: JsonValue): boolean {
  if (name !== tool) return false;
  const value = jsonIn(argumentsText);
  return value !== undefined && fitsArguments(value, wanted);
}

/** Whether arguments have at least what is wanted. */
export function fitsArguments(value: JsonValue, wanted: JsonValue): boolean {
  return differing(value, wanted, "") === undefined;
}
