/**
 * Where a task would have gone: to the one target that is asked for, or where a policy sends it that knows what the ledger had shown of
 * tasks that were over by then.
 */
import type { ChatRequest } from "../../src/chat.ts";
import { GatewayError } from "../../src/errors.ts";
import type { CheapestTaskSettings } from "../../src/policies/cheapest-task.ts";
import { choosePolicy, createPolicies } from "../../src/policies/index.ts";
import type { Policy } from "../../src/policies/policy.ts";
import type { Candidate, Target } from "../../src/target.ts";
import type { EstimatesReader } from "../../src/tasks/estimates.ts";
import type { Step } from "./projection.ts";
import type { RecordedTask } from "./recorded-task.ts";
import type { TargetBook } from "./target-book.ts";

/** Why a task stays where it was, though another target was asked for. */
export type Stay =
  | "its client named the model"
  | "it is no chat"
  | "it does not fit into the window"
  | "it was never answered"
  | "its data may go to none of them";

export interface Chosen {
  readonly target: string | undefined;
  readonly stays?: Stay;
}

export interface Choice {
  /** @param steps Its calls, of which only the first turn's prompt is looked at. */
  of(task: RecordedTask, steps: readonly Step[], hasTools: boolean): Chosen;
}

export interface ChoiceOptions {
  readonly book: TargetBook;
  /** By name. */
  readonly targets: readonly string[];
  /** `undefined`: there is one target. */
  readonly policy: string | undefined;
  readonly keepNamed: boolean;
  readonly classRules: CheapestTaskSettings["classes"];
  /** As it is at the time of each task. */
  readonly estimates: EstimatesReader;
}

export function createChoice(options: ChoiceOptions): Choice {
  const { book, targets, keepNamed } = options;
  const policy = options.policy === undefined ? undefined : policyOf(options.policy, options);
  return {
    of(task, steps, hasTools) {
      const first = steps.find(({ isTurn }) => isTurn);
      if (first === undefined) return { target: undefined, stays: "it was never answered" };
      if (keepNamed && task.attempts[0]?.policy === "named")
        return { target: undefined, stays: "its client named the model" };
      const from = book.under(first.target, task.startedAtMs);
      if (from?.record?.abilities.chat === false) return { target: undefined, stays: "it is no chat" };
      const there = targets.flatMap((name) => book.offered(name, task.startedAtMs) ?? []);
      const fitting = there.filter((target) => fits(target, steps, book));
      if (fitting.length === 0) return { target: undefined, stays: "it does not fit into the window" };
      if (policy === undefined) return { target: fitting[0]?.name };
      const candidates = fitting.map((target) => candidateOf(target, first, book));
      const about = { id: task.id, className: task.className, source: "header" } as const;
      const context = { exchange: task.id, tenant: task.tenant, turnsSoFar: 0 };
      const chosen = chosenBy(policy, requestOf(hasTools), about, candidates, context);
      return chosen === undefined
        ? { target: undefined, stays: "its data may go to none of them" }
        : { target: chosen.target.name };
    },
  };
}

function policyOf(name: string, { estimates, classRules }: ChoiceOptions): Policy {
  const settings = classRules === undefined ? {} : { classes: classRules };
  return choosePolicy(createPolicies({ estimates, settings }), name);
}

/** @returns `undefined`: none of them may be called. */
function chosenBy(policy: Policy, ...given: Parameters<Policy["choose"]>): Candidate | undefined {
  try {
    return policy.choose(...given).order[0];
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** Longest prompt of the task, in the target's own tokens. */
function fits(target: Target, steps: readonly Step[], book: TargetBook): boolean {
  const most = target.record?.maxInputTokens ?? target.record?.contextTokens ?? Number.POSITIVE_INFINITY;
  const ratio = target.record?.tokenRatio ?? 1;
  return steps.every(
    (step) => step.target === target.name || (step.prompt / book.tokenRatio(step.target)) * ratio <= most,
  );
}

function candidateOf(target: Target, first: Step, book: TargetBook): Candidate {
  const { instance, model, record } = target;
  const promptTokens = Math.ceil((first.prompt / book.tokenRatio(first.target)) * (record?.tokenRatio ?? 1));
  return {
    target,
    dialect: instance.provider.dialects(model, record)[0],
    promptTokens,
    // What was warm where at that time is not on the ledger: nothing is, at any of them.
    warmTokens: 0,
    outputTokens: 0,
    expectedCost: undefined,
    named: false,
    bound: false,
    resting: false,
  };
}

/** Of what was asked, the ledger has nothing: only whether tasks of the class call tools. */
function requestOf(hasTools: boolean): ChatRequest {
  return {
    dialect: "openai-chat",
    model: "auto",
    stream: false,
    wantsStreamUsage: false,
    messages: [],
    tools: hasTools ? [{ type: "function", name: "any" }] : [],
    extra: {},
  };
}
