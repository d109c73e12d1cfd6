/**
 * Answers that are checked before the client has them, where the task's class wants that: cheap first, and dearer where the check
 * fails (a cascade); or looked at once more by a model of another lineage (a cross-check).
 *
 * A checked answer is read to its end first, a streamed one too: nothing can be taken back from a client. One that does not do is settled
 * as it is, with the word `escalated` on its row. Where nobody else answers, it is what the client gets: better than nothing.
 */
import { firstAnswer } from "./attempt.ts";
import { Tries, type AttemptContext, type AttemptDependencies } from "./attempt-context.ts";
import type { FirstAnswer, Refusal } from "./begun.ts";
import type { ChatRequest } from "./chat.ts";
import { REVIEWED_MAX } from "./checks/review.ts";
import type { CheckRules } from "./checks/rules.ts";
import { told, type Told } from "./checks/told.ts";
import { verified, type Check } from "./checks/verify.ts";
import { escalated, gathered, metered, type Gathered } from "./gathered.ts";
import type { Candidate, Target } from "./target.ts";

/** @returns whether the answer does; `undefined`: the reviewer could not be asked, or gave no verdict. */
export type Review = (reviewer: string, answer: Told) => Promise<boolean | undefined>;

export interface CascadeParts {
  readonly rules: CheckRules;
  /** Who answered the task's last turn. */
  readonly incumbent: string | undefined;
  readonly review: Review;
  /** What is known of a target that the config names; `undefined`: there is none. */
  readonly targetOf: (name: string) => Target | undefined;
}

export interface CheckedAnswer {
  readonly first: FirstAnswer | Refusal;
  /** What was found, for the answer's header ("passed=schema;escalated=openai/gpt-5.4-nano:schema"); `undefined`: nobody looked. */
  readonly checks: string | undefined;
}

/** Whether there is an answer here that could be judged: one, in words. */
export function isCheckable(request: ChatRequest): boolean {
  return request.embedding === undefined && (request.choices ?? 1) === 1 && request.onlyHere === undefined;
}

export async function checkedAnswer(
  context: AttemptContext,
  parts: CascadeParts,
  dependencies: AttemptDependencies,
): Promise<CheckedAnswer> {
  return new Cascade(context, parts, dependencies).run();
}

class Cascade {
  readonly #context: AttemptContext;
  readonly #parts: CascadeParts;
  readonly #dependencies: AttemptDependencies;
  readonly #tries = new Tries();
  /** Of each answer that did not do, who gave it and what it failed. */
  readonly #left: string[] = [];
  readonly #passed = new Set<Check>();
  #disputedBy: string | undefined;

  constructor(context: AttemptContext, parts: CascadeParts, dependencies: AttemptDependencies) {
    this.#context = context;
    this.#parts = parts;
    this.#dependencies = dependencies;
  }

  async run(): Promise<CheckedAnswer> {
    let order = cascadeOrder(this.#context.decision.order, this.#parts);
    let kept: Gathered | undefined;
    for (;;) {
      const first = await this.#ask(order);
      if (first.kind === "refused") return this.#told(kept?.first ?? first);
      const others = this.#others(order, first.candidate);
      if (!this.#isLookedAt(others)) return this.#told(first);
      const startedAt = performance.now();
      const whole = await this.#settledIfThrown(first, () => gathered(first));
      if ("kind" in whole) {
        this.#tries.theirsMs += performance.now() - startedAt;
        if (others.length === 0 || this.#context.signal.aborted) return this.#told(kept?.first ?? whole);
        order = others;
        continue;
      }
      const failed = await this.#settledIfThrown(whole.first, () => this.#failed(whole, others.length > 0));
      this.#tries.theirsMs += performance.now() - startedAt;
      if (failed === undefined) {
        if (this.#disputedBy !== undefined) first.meter.note("disputed");
        else if (this.#passed.size > 0) first.meter.note("verified");
        return this.#told(whole.first);
      }
      this.#left.push(`${first.candidate.target.name}:${failed}`);
      this.#passed.clear();
      escalated(whole);
      kept = whole;
      order = others;
    }
  }

  /** What was sent is billed, whatever happens here. */
  async #settledIfThrown<Result>(first: FirstAnswer, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (first.kind === "stream") first.body.abort();
      metered(first);
      first.meter.failed({ kind: "internal", status: 500, mayBill: true });
      throw error;
    }
  }

  #ask(order: readonly Candidate[]): Promise<FirstAnswer | Refusal> {
    const { decision } = this.#context;
    const reason =
      this.#left.length === 0 ? decision.reason : `${decision.reason}; escalated from ${this.#left.join(", ")}`;
    const asksLogprobs = this.#parts.rules.cascade?.verify.logprobLeast !== undefined;
    const context = { ...this.#context, decision: { ...decision, order, reason }, asksLogprobs, tries: this.#tries };
    return firstAnswer(context, this.#dependencies);
  }

  /** Who else may be asked. What was said at a target that the request leans on is for that target alone. */
  #others(order: readonly Candidate[], candidate: Candidate): readonly Candidate[] {
    return candidate.bound ? [] : order.slice(order.indexOf(candidate) + 1);
  }

  #isLookedAt(others: readonly Candidate[]): boolean {
    const { cascade, crossCheck } = this.#parts.rules;
    return (cascade !== undefined && others.length > 0) || crossCheck !== undefined;
  }

  /** @returns what it failed, where another target is to be asked for that. */
  async #failed({ first, events }: Gathered, hasOthers: boolean): Promise<Check | undefined> {
    const { cascade, crossCheck } = this.#parts.rules;
    const answer = told(events);
    if (cascade !== undefined && hasOthers) {
      const { passed, failed } = verified(answer, this.#context.exchange.request, cascade.verify);
      if (failed !== undefined) return failed;
      for (const check of passed) this.#passed.add(check);
      const does = await this.#reviewed(answer, first.candidate.target, cascade.reviewers);
      if (does?.accepts === false) return "review";
      if (does?.accepts === true) this.#passed.add("review");
    }
    if (crossCheck === undefined) return undefined;
    const does = await this.#reviewed(answer, first.candidate.target, crossCheck.reviewers);
    if (does?.accepts === true) this.#passed.add("review");
    if (does?.accepts !== false) return undefined;
    if (crossCheck.onDisagreement === "escalate" && hasOthers) return "review";
    this.#disputedBy = does.by;
    return undefined;
  }

  /** By the first one of another lineage that gives a verdict. A turn that calls tools is not over: nobody can tell yet. */
  async #reviewed(
    answer: Told,
    by: Target,
    reviewers: readonly string[],
  ): Promise<{ readonly by: string; readonly accepts: boolean } | undefined> {
    if (answer.calls.length > 0 || answer.text.length > REVIEWED_MAX) return undefined;
    for (const reviewer of reviewers) {
      const target = this.#parts.targetOf(reviewer);
      if (target === undefined || lineageOf(target) === lineageOf(by)) continue;
      const accepts = await this.#parts.review(reviewer, answer);
      if (accepts !== undefined) return { by: reviewer, accepts };
      if (this.#context.signal.aborted) return undefined;
    }
    return undefined;
  }

  #told(first: FirstAnswer | Refusal): CheckedAnswer {
    const words = [
      ...(this.#passed.size === 0 ? [] : [`passed=${[...this.#passed].join(",")}`]),
      ...(this.#disputedBy === undefined ? [] : [`disputed=${this.#disputedBy}`]),
      ...(this.#left.length === 0 ? [] : [`escalated=${this.#left.join(",")}`]),
    ];
    return { first, checks: words.length === 0 ? undefined : words.join(";") };
  }
}

/** Those that the class wants first stand first. A task that has come to one of them does not go back to one before it. */
export function cascadeOrder(
  order: readonly Candidate[],
  { rules, incumbent, targetOf }: Pick<CascadeParts, "rules" | "incumbent" | "targetOf">,
): readonly Candidate[] {
  const targets = (rules.cascade?.targets ?? []).map((name) => targetOf(name)?.name ?? name);
  if (targets.length === 0 || order[0]?.bound === true) return order;
  const from = Math.max(0, targets.indexOf(incumbent ?? ""));
  const wanted = targets.slice(from).flatMap((name) => order.filter(({ target }) => target.name === name));
  return [
    ...wanted,
    ...order.filter((one) => !wanted.includes(one) && !targets.slice(0, from).includes(one.target.name)),
  ];
}

/** Who made the model, as far as that is known: models of one maker are wrong about the same things. */
function lineageOf({ record, instance }: Target): string {
  return record?.provider ?? instance.name;
}
