/**
 * Where a request would go, without sending it: the line's own reading and choice, in a gateway that is at rest. Nothing is warm, no
 * target rests, nothing is bound to where it came from, no budget is used up and nothing is tried.
 */
import { createBindings } from "../binding.ts";
import { cascadeOrder, isCheckable } from "../cascade.ts";
import type { Prompt } from "../cache/placer.ts";
import { choose, type Choice, type ChoiceDependencies } from "../choice.ts";
import type { Config } from "../config.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { GatewayError } from "../errors.ts";
import { receive, type Caller } from "../exchange.ts";
import type { Setup } from "../gateway.ts";
import { targetNamed } from "../named-targets.ts";
import { metRequest, preparedCall } from "../prepared.ts";
import { createRemembered, memoryOf } from "../remembered.ts";
import type { Task } from "../task.ts";
import type { TaskClasses } from "../tasks/classes.ts";
import { derivedClass } from "../tasks/class-of.ts";
import type { ToldDecision } from "./recorded.ts";

export interface OfflineCall {
  readonly bytes: Uint8Array;
  readonly dialect: Dialect;
  readonly caller: Caller;
  /** As a header would say it; `undefined`: as the request does, or by what its prompt begins with. */
  readonly className: string | undefined;
  /** Turns of its task that were answered before, and who answered the last. */
  readonly turnsSoFar: number;
  readonly incumbent: string | undefined;
}

export interface OfflineParts {
  readonly config: Config;
  readonly setup: Setup;
  readonly classes: Pick<TaskClasses, "used" | "known">;
  readonly now: () => number;
}

export interface OfflineDecision {
  readonly told: ToldDecision;
  /** Whom its class would ask, one after the other until an answer passes its checks; empty: it has no cascade. */
  readonly cascade: readonly string[];
  /** Why it would not be sent at all. */
  readonly refusal: GatewayError | undefined;
}

/** @throws GatewayError for a request that is none, or names a model that nobody has. */
export async function decideOffline(call: OfflineCall, parts: OfflineParts): Promise<OfflineDecision> {
  const { dialect, caller } = call;
  const { config, setup, classes, now } = parts;
  const remembered = createRemembered(() => config.answers.rememberBytesMax, now);
  const received = receive(call.bytes, dialect, setup.limits, memoryOf(remembered, caller.tenant));
  const met = { ...received, request: metRequest(received, dialect, remembered) };
  const headers = new Headers(call.className === undefined ? {} : { "x-sluice-task-class": call.className });
  const { said, steady, prefixes, ...prepared } = preparedCall(met, { dialect, caller, headers }, setup, remembered);
  const { request, body } = prepared.received;
  const isSide = dialect.countsOnly === true;
  const derived = derivedClass(steady, config.cache.boundaryLine);
  const className = said.className ?? (isSide ? classes.known(derived) : classes.used(derived));
  const task: Task = { ...said, className, ...(isSide ? { signals: ["side"] } : {}) };
  const prompt: Prompt = {
    request,
    prefixes,
    namespace: caller.tenant,
    session: said.session,
    mode: setup.cache.mode,
    task: task.id,
    taskClass: said.className,
    siblings: 1,
    countsOnly: dialect.countsOnly,
  };
  const subject = { key: caller.name, team: undefined, taskClass: className, tags: {} };
  const about = {
    exchange: undefined,
    task: said.source === "prefix" ? undefined : said.id,
    taskClass: className,
    requestedModel: request.model,
    decidedAtMs: now(),
    tried: [],
    trial: undefined,
  };
  const exchange = { id: "offline", dialect, caller, body, request };
  try {
    const choice = await choose({ exchange, task, prompt, subject }, setup, atRest(call, now));
    const rules = isSide || !isCheckable(request) ? {} : (setup.classOf(className).checks ?? {});
    const targetOf = (name: string) => targetNamed(name, setup.targets);
    const order = cascadeOrder(choice.decision.order, { rules, incumbent: call.incumbent, targetOf });
    const cascade = rules.cascade === undefined ? [] : order.map(({ target }) => target.name);
    return { told: { ...about, ...told(choice), first: order[0]?.target.name }, cascade, refusal: undefined };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.kind === "model-not-found" || error.kind === "internal") throw error;
    const refused = {
      policy: "none",
      reason: error.message.slice(0, REASON_CHARACTERS_MAX),
      outcome: "rejected",
      priceVersion: undefined,
    };
    return { told: { ...about, ...refused, estimate: undefined, body: undefined }, cascade: [], refusal: error };
  }
}

/** As a rejected call's row has it. */
const REASON_CHARACTERS_MAX = 500;

function told({ decision, policy, recorded }: Choice) {
  const [first] = decision.order;
  return {
    policy,
    reason: decision.reason,
    outcome: "not sent",
    priceVersion: first?.target.price?.version,
    estimate: first?.expectedCost,
    body: recorded()?.body,
  } satisfies Partial<ToldDecision>;
}

function atRest({ turnsSoFar, incumbent }: OfflineCall, now: () => number): ChoiceDependencies {
  return {
    // What is kept somewhere is known to the gateway that sent it there: whose it is, is not asked here.
    bindings: createBindings({ servesUnowned: () => true, now }),
    breakers: { resting: () => false },
    placer: { warmTokens: () => 0 },
    tasks: { progress: () => ({ turnsSoFar, incumbent }) },
    trials: { left: () => 0n, targetOf: () => undefined, begun: () => {} },
    budgets: { isOn: false, allowance: () => ({}) },
    now,
  };
}
