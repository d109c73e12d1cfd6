/**
 * Whether an answer is what was wanted, as far as that can be seen without asking anybody. A check that does not apply (no schema was asked
 * for, the provider tells no log-probabilities, the turn only calls tools) passes nobody and fails nobody.
 */
import type { ChatRequest } from "../chat.ts";
import type { LinePattern } from "../cache/line-pattern.ts";
import { answerSignal, isOfferedCall } from "../tasks/signals.ts";
import type { Told } from "./told.ts";

export const CHECKS = [
  /** It came to its end, and says something. */
  "whole",
  /** Tools that were called exist, and take these arguments; JSON fits the schema that was asked for. */
  "schema",
  /** The text has what the class wants it to have. */
  "pattern",
  /** The model was sure of its tokens. */
  "logprob",
  /** Another model says that it does. */
  "review",
] as const;
export type Check = (typeof CHECKS)[number];

export interface VerifyRules {
  readonly schema?: boolean;
  /** Has to match the answer's text. */
  readonly pattern?: LinePattern;
  /** The mean natural logarithm of its tokens' probabilities that it must have (-0.5 is 61 % a token). */
  readonly logprobLeast?: number;
}

export interface Verified {
  /** What it failed; `undefined`: nothing. */
  readonly failed: Check | undefined;
  /** What it was found good by. */
  readonly passed: readonly Check[];
}

/** Characters of an answer that a pattern is looked for in; a longer one is not judged by it. */
const PATTERN_TEXT_MAX = 1_048_576;

export function verified(answer: Told, request: ChatRequest, rules: VerifyRules): Verified {
  const passed: Check[] = [];
  for (const [check, holds] of checksOf(answer, request, rules)) {
    const does = holds();
    if (does === false) return { failed: check, passed };
    // That it is whole is no proof that it is any good.
    if (does === true && check !== "whole") passed.push(check);
  }
  return { failed: undefined, passed };
}

/** In the order of what they take; `undefined`: it does not apply. */
function checksOf(
  answer: Told,
  request: ChatRequest,
  { schema, pattern, logprobLeast }: VerifyRules,
): readonly (readonly [Check, () => boolean | undefined])[] {
  return [
    ["whole", () => isWhole(answer)],
    ["schema", () => (schema === true ? fitsForm(answer, request) : undefined)],
    ["pattern", () => (pattern === undefined ? undefined : hasPattern(answer, pattern))],
    ["logprob", () => (logprobLeast === undefined ? undefined : isSure(answer, logprobLeast))],
  ];
}

function isWhole({ text, calls, finish, isRefusal }: Told): boolean {
  if (isRefusal || finish === "length" || finish === "context-full") return false;
  if (finish === "content-filter" || finish === "refusal") return false;
  return text.trim() !== "" || calls.length > 0;
}

function fitsForm({ text, calls }: Told, request: ChatRequest): boolean | undefined {
  if (calls.length > 0) return calls.every((call) => isOfferedCall(call, request));
  const { responseFormat } = request;
  if (responseFormat === undefined || responseFormat.type === "text") return undefined;
  const wanted = responseFormat.type === "json-schema" ? responseFormat.schema : undefined;
  return answerSignal(text, wanted) === "answer-valid";
}

function hasPattern({ text, calls }: Told, pattern: LinePattern): boolean | undefined {
  return calls.length > 0 || text.length > PATTERN_TEXT_MAX ? undefined : pattern.test(text.trim());
}

function isSure({ calls, logprobs }: Told, least: number): boolean | undefined {
  if (calls.length > 0 || logprobs.length === 0) return undefined;
  return logprobs.reduce((sum, one) => sum + one, 0) / logprobs.length >= least;
}
