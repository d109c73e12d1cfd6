/**
 * Where a call goes: the targets that its name leaves, of those the ones that its data may go to and that can take it, and what the
 * policy makes of them with all that is known of the task.
 *
 * Data rules come first and hold under every policy, also for who names a model.
 */
import type { Bindings } from "./binding.ts";
import { fieldOf } from "./bound.ts";
import type { Breakers } from "./breaker.ts";
import type { BudgetSubject } from "./budgets/budget.ts";
import type { Allowance, Budgets } from "./budgets/budgets.ts";
import { tooDear } from "./budgets/refusal.ts";
import type { CheckRules } from "./checks/rules.ts";
import type { Placer, Prompt } from "./cache/placer.ts";
import { candidates } from "./candidates.ts";
import { GatewayError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { RecordedDecision } from "./ledger-decisions.ts";
import { namedTargets } from "./named-targets.ts";
import { againstRules } from "./policies/constraints.ts";
import { writeDecision, type DecisionFacts, type ExcludedTarget } from "./policies/decision-record.ts";
import { cheapEnough } from "./policies/downgrade.ts";
import { choosePolicy } from "./policies/index.ts";
import { named } from "./policies/named.ts";
import type { DataRules, Decision, Policy, PolicyContext } from "./policies/policy.ts";
import { isAuto, type Candidate, type Resolved, type Target, type Targets } from "./target.ts";
import type { Task } from "./task.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { TrialMoney, Trials } from "./tasks/trials.ts";

/** What the config says of a class of tasks. */
export interface ClassSettings {
  /** What `auto` chooses from for it. */
  readonly targets?: readonly string[];
  readonly policy?: string;
  readonly rules?: DataRules;
  readonly trials?: TrialMoney;
  /** How its answers are checked before a client has them. */
  readonly checks?: CheckRules;
}

export interface ChoiceSetup {
  readonly targets: Targets;
  /** As the targets do, once the servers that may serve it have been asked. @throws GatewayError */
  readonly resolve: (model: string, among?: readonly string[]) => Resolved | Promise<Resolved>;
  readonly policies: readonly Policy[];
  /** Says what a task is expected to take at each target, whichever policy decides. */
  readonly weighing: Policy;
  readonly defaultPolicy: string;
  readonly classOf: (className: string | undefined) => ClassSettings;
}

export interface ChoiceDependencies {
  readonly bindings: Pick<Bindings, "of">;
  readonly breakers: Pick<Breakers, "resting">;
  readonly placer: Pick<Placer, "warmTokens">;
  readonly tasks: Pick<Tasks, "progress">;
  readonly trials: Pick<Trials, "left" | "targetOf" | "begun">;
  readonly budgets: Pick<Budgets, "isOn" | "allowance">;
  readonly now: () => number;
}

export interface ChosenCall {
  readonly exchange: Pick<Exchange, "id" | "dialect" | "caller" | "body" | "request">;
  readonly task: Task;
  readonly prompt: Prompt;
  /** Whose money it takes. */
  readonly subject: BudgetSubject;
}

export interface Choice {
  readonly decision: Decision;
  /** The policy's name. */
  readonly policy: string;
  /** For the ledger; `undefined` where there was nothing to choose: the row says it all. */
  readonly recorded: () => RecordedDecision | undefined;
}

/** @throws GatewayError saying of each target why it is none. */
export async function choose(call: ChosenCall, setup: ChoiceSetup, dependencies: ChoiceDependencies): Promise<Choice> {
  const { exchange, task } = call;
  const { request, caller } = exchange;
  const ofClass = setup.classOf(task.className);
  const resolved = await setup.resolve(request.model, isAuto(request.model) ? ofClass.targets : undefined);
  const policy = resolved.explicit
    ? named
    : choosePolicy(setup.policies, resolved.policy ?? ofClass.policy ?? setup.defaultPolicy);
  const rules = [caller.rules, ofClass.rules].filter((one) => one !== undefined);
  const { allowed, denied } = permitted(resolved.targets, rules);
  if (allowed.length === 0) throw notAllowed(denied);
  const excluded = [...denied];
  const options = able(call, { ...resolved, targets: allowed }, rules, excluded, setup, dependencies);
  const allowance = allowanceOf(call, dependencies);
  const { context, trials, facts } = known(call, ofClass, allowance, dependencies);
  const affordable = within(allowance, options, excluded, { request, task, context }, setup, dependencies);
  const chosen = policy.choose(request, task, affordable, context);
  const { note } = resolved;
  const decision = note === undefined ? chosen : { ...chosen, reason: `${chosen.reason}; ${note}` };
  const { trial, order } = decision;
  const [first] = order;
  if (trial !== undefined && trials !== undefined && first !== undefined) {
    const begun = { tenant: caller.tenant, task: task.id, target: first.target.name, from: trials.from };
    dependencies.trials.begun({ ...begun, cost: trial.cost, atMs: dependencies.now() });
  }
  return {
    decision,
    policy: policy.name,
    recorded: () =>
      policy === named ? undefined : { body: told(decision, { ...facts, excluded }), trial: trial?.cost },
  };
}

/** A policy that cannot say what it weighed has decided all the same: its call goes on. */
function told(decision: Decision, facts: DecisionFacts): string {
  try {
    return writeDecision(decision, facts);
  } catch {
    return writeDecision({ order: decision.order, reason: decision.reason }, facts);
  }
}

function permitted(
  targets: readonly Target[],
  rules: readonly DataRules[],
): { readonly allowed: readonly Target[]; readonly denied: readonly ExcludedTarget[] } {
  if (rules.length === 0) return { allowed: targets, denied: [] };
  const denied: ExcludedTarget[] = [];
  const allowed = targets.filter((target) => {
    const why = whyNot(target, rules);
    if (why !== undefined) denied.push({ target: target.name, why });
    return why === undefined;
  });
  return { allowed, denied };
}

function whyNot(target: Target, rules: readonly DataRules[]): string | undefined {
  for (const one of rules) {
    const why = againstRules(target, one);
    if (why !== undefined) return why;
  }
  return undefined;
}

const TOLD_MAX = 5;

function notAllowed(denied: readonly ExcludedTarget[]): GatewayError {
  return new GatewayError(
    "forbidden",
    `no target may be called by the data rules of this key and this class of tasks: ${deniedText(denied)}`,
  );
}

function deniedText(denied: readonly ExcludedTarget[]): string {
  const told = denied.slice(0, TOLD_MAX).map(({ target, why }) => `${target} ${why}`);
  return [...told, ...(denied.length > TOLD_MAX ? [`${denied.length - TOLD_MAX} more`] : [])].join("; ");
}

/** Those that can take it. @param excluded Grows by those that cannot. */
function able(
  { exchange, prompt }: ChosenCall,
  resolved: Resolved,
  rules: readonly DataRules[],
  excluded: ExcludedTarget[],
  { targets }: ChoiceSetup,
  { bindings, breakers, placer, now }: ChoiceDependencies,
): readonly Candidate[] {
  const { dialect, caller, request, body } = exchange;
  const nowMs = now();
  try {
    return candidates(request, resolved.targets, {
      clientDialect: dialect.name,
      promptTokens: prompt.prefixes.promptTokens,
      explicit: resolved.explicit,
      bindings: bindings.of(request, caller.tenant),
      providers: targets.instances.map(({ name }) => name),
      fieldOf: (text) => fieldOf(body, text),
      others: () => namedTargets(targets, nowMs).filter((target) => whyNot(target, rules) === undefined),
      warmTokens: (target, spoken) => placer.warmTokens(prompt, target, spoken !== dialect.name, nowMs),
      resting: (target) => breakers.resting(target.name, nowMs),
      leftOut: (target, why) => void excluded.push({ target: target.name, why }),
    });
  } catch (error) {
    throw error instanceof GatewayError ? withOthers(error, excluded) : error;
  }
}

/** Who was left out for another reason than the error's is told with it: those that may not be called, or cannot take something else. */
function withOthers(error: GatewayError, excluded: readonly ExcludedTarget[]): GatewayError {
  const others = excluded.filter(({ target }) => !error.message.includes(target));
  if (others.length === 0) return error;
  const { status, retryAfterMs, param, code, type, details } = error;
  return new GatewayError(error.kind, `${error.message} (nor can it go elsewhere: ${deniedText(others)})`, {
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { code }),
    ...(type === undefined ? {} : { type }),
    ...(details === undefined ? {} : { details }),
    cause: error,
  });
}

/** What costs nothing is not in the way of those who have nothing left. */
function allowanceOf({ prompt, subject }: ChosenCall, { budgets }: ChoiceDependencies): Allowance {
  return budgets.isOn && prompt.countsOnly !== true ? budgets.allowance(subject) : {};
}

/**
 * Where a budget is used up, only what is cheap enough; holds under every policy, also for who names a model.
 *
 * @param excluded Grows by what is not.
 */
function within(
  { task }: Allowance,
  options: readonly Candidate[],
  excluded: ExcludedTarget[],
  call: Parameters<typeof cheapEnough>[3],
  { weighing }: ChoiceSetup,
  { now }: ChoiceDependencies,
): readonly Candidate[] {
  if (task === undefined) return options;
  const { kept, leftOut } = cheapEnough(options, task.limit, weighing, call);
  excluded.push(...leftOut);
  if (kept.length === 0) throw tooDear(task.rule, task.counter, deniedText(leftOut), now());
  return kept;
}

interface KnownOfCall {
  readonly context: PolicyContext;
  /** The money that a trial would take, where one may be made. */
  readonly trials: TrialMoney | undefined;
  readonly facts: Omit<DecisionFacts, "excluded">;
}

function known(
  { exchange, task }: ChosenCall,
  ofClass: ClassSettings,
  { left }: Allowance,
  { tasks, trials, now }: ChoiceDependencies,
): KnownOfCall {
  const { id, caller } = exchange;
  const { tenant, rules } = caller;
  // What stands beside a task (a title, a count) neither goes on with it nor is learned from.
  const isSide = task.signals?.includes("side") === true;
  const progress = isSide ? undefined : tasks.progress(tenant, task.id);
  const tried = isSide ? undefined : trials.targetOf(tenant, task.id);
  const incumbent = progress?.incumbent ?? tried;
  const isTrial = tried !== undefined;
  const money = isSide || isTrial ? undefined : ofClass.trials;
  return {
    context: {
      exchange: id,
      tenant,
      isTrial,
      ...(progress === undefined ? {} : { turnsSoFar: progress.turnsSoFar }),
      ...(incumbent === undefined ? {} : { incumbent }),
      ...(rules === undefined ? {} : { rules }),
      ...(left === undefined ? {} : { budgetLeft: left }),
      ...(money === undefined ? {} : { trialsLeft: trials.left(money, now()) }),
    },
    trials: money,
    facts: { turnsSoFar: progress?.turnsSoFar ?? 0, incumbent, isTrial },
  };
}
