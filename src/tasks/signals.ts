/**
 * What calls and answers show of how a task goes, in words that the ledger keeps with each attempt; never a text. And what is made of
 * them where nobody tells a task's outcome.
 */
import type { FinishReason, ChatRequest, JsonObject, ToolCallPart } from "../chat.ts";
import type { TaskAnswers, TaskOutcome } from "./ended-task.ts";
import { fits } from "./schema-fit.ts";

export const SIGNALS = [
  /** The same prompt again although it was answered: no new turn. */
  "resend",
  /** The same prompt again as it had no answer. */
  "retry",
  /** A call beside the conversation (a title, a count of tokens): no turn. */
  "side",
  /** The last turn of the user has one of the operator's words of frustration. */
  "frustrated",
  /** A tool was called with arguments that are no JSON, or do not fit what it takes; or there is no such tool. */
  "call-broken",
  /** Tools were called, and each call fits. */
  "calls-valid",
  /** The caller says that a tool failed. */
  "tool-failed",
  /** The answer did not do, and another target was asked in its place. */
  "escalated",
  /** The answer was checked as its class wants it, and does. */
  "verified",
  /** Another model says that the answer does not do; it was given all the same. */
  "disputed",
  /** The answer is JSON that fits what was asked for. */
  "answer-valid",
  /** It is not. */
  "answer-broken",
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Characters of a user's turn that are looked through. */
const LOOKED_THROUGH_MAX = 4_000;

/** What the request shows of the turn before it. @param frustration Words in lower case; none: nobody looks. */
export function requestSignals(request: ChatRequest, frustration: readonly string[]): readonly Signal[] {
  const signals: Signal[] = [];
  const { messages } = request;
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const calls = (messages[last]?.parts ?? []).filter((part) => part.type === "tool-call");
  if (calls.length > 0) signals.push(calls.every((call) => isValidCall(call, request)) ? "calls-valid" : "call-broken");
  const since = messages.slice(last + 1);
  if (since.some(({ parts }) => parts.some((part) => part.type === "tool-result" && part.isError === true))) {
    signals.push("tool-failed");
  }
  if (frustration.length > 0 && last !== -1) {
    const said = since.filter(({ role }) => role === "user").flatMap(({ parts }) => parts);
    const text = said.map((part) => (part.type === "text" ? part.text : "")).join("\n");
    const words = text.slice(0, LOOKED_THROUGH_MAX).toLowerCase();
    if (frustration.some((word) => words.includes(word))) signals.push("frustrated");
  }
  return signals;
}

export type MadeCall = Pick<ToolCallPart, "name" | "arguments">;

/** Of a call that was made before: tools that this request offers no more, or that only their own dialect knows, are not judged. */
export function isValidCall(call: MadeCall, request: Pick<ChatRequest, "tools">): boolean {
  let given: unknown;
  try {
    given = call.arguments === "" ? {} : JSON.parse(call.arguments);
  } catch {
    return request.tools.some((tool) => tool.type === "opaque" && tool.name === call.name);
  }
  const tool = request.tools.find((one) => one.type === "function" && one.name === call.name);
  if (tool === undefined || tool.type !== "function" || tool.parameters === undefined) return true;
  return fits(given, tool.parameters);
}

/** Of a call in an answer to this very request: it also has to be of a tool that was offered. */
export function isOfferedCall(call: MadeCall, request: OfferedTools): boolean {
  return isOffered(call.name, request) && isValidCall(call, request);
}

export type OfferedTools = Pick<ChatRequest, "tools" | "extra">;

/** What only its own dialect knows may be many tools; and what its provider keeps of a prompt may have some that are not seen here. */
function isOffered(name: string, { tools, extra }: OfferedTools): boolean {
  if ((extra["prompt"] ?? null) !== null) return true;
  return tools.some((tool) => {
    if (tool.name === name) return true;
    return tool.type === "opaque" && (tool.name === undefined || tool.value["tools"] !== undefined);
  });
}

/** Whether an answer is what was asked for; `undefined`: nothing was asked for. */
export function answerSignal(text: string, schema: JsonObject | undefined): Signal {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return (schema === undefined ? isObject : fits(value, schema)) ? "answer-valid" : "answer-broken";
  } catch {
    return "answer-broken";
  }
}

/** An exchange of a task as its rows tell it, in the order of time. */
export interface ToldExchange {
  readonly isComplete: boolean;
  readonly isCanceled: boolean;
  readonly finishReason: string | undefined;
  readonly signals: ReadonlySet<string>;
}

/**
 * What the answers themselves show of a task's outcome; `undefined`: nothing, which is neither success nor failure.
 *
 * The last answer decides: none at all, a refusal, one that was cut at its limit or is not what was asked for is a failure; one that is
 * what was asked for, a success. Asking the same again, and words of frustration, each halve what there is.
 */
export function outcomeOf(exchanges: readonly ToldExchange[]): TaskOutcome | undefined {
  const own = exchanges.filter(({ signals }) => !signals.has("side"));
  const last = own.findLast(({ isCanceled }) => !isCanceled);
  if (last === undefined) return undefined;
  const doubts = own.filter(({ signals }) => signals.has("resend") || signals.has("frustrated")).length;
  const shown = shownBy(last);
  if (shown === undefined && doubts === 0) return undefined;
  return { success: (shown ?? 1) * 0.5 ** doubts, source: "signals" };
}

const FAILURES: ReadonlySet<string> = new Set<FinishReason>(["length", "context-full", "content-filter", "refusal"]);

function shownBy({ isComplete, finishReason, signals }: ToldExchange): number | undefined {
  if (!isComplete || signals.has("answer-broken") || signals.has("disputed")) return 0;
  if (finishReason !== undefined && FAILURES.has(finishReason)) return 0;
  return signals.has("answer-valid") || signals.has("verified") ? 1 : undefined;
}

const REFUSALS: ReadonlySet<string> = new Set<FinishReason>(["content-filter", "refusal"]);
const BROKEN: readonly Signal[] = ["answer-broken", "call-broken"];
const FORMED: readonly Signal[] = ["answer-valid", "calls-valid"];

/** What the answers of a task were, beside what became of it. An answer that was replaced by another target's is one. */
export function answersOf(exchanges: readonly ToldExchange[]): TaskAnswers {
  const own = exchanges.filter(({ signals }) => !signals.has("side"));
  const has = (words: readonly Signal[]) => own.some(({ signals }) => words.some((word) => signals.has(word)));
  return {
    wereRefused: own.some(({ finishReason }) => finishReason !== undefined && REFUSALS.has(finishReason)),
    wereBroken: has(BROKEN) ? true : has(FORMED) ? false : undefined,
  };
}
