/**
 * The line: what happens to a call, in order. Each result is the next call's argument; nothing below calls back up.
 */
import type { Admission, AdmissionLimits, Admitted, BodyBound } from "./admission.ts";
import type { AttemptContext, AttemptDependencies, AttemptSettings } from "./attempt-context.ts";
import type { BackgroundAnswers } from "./background.ts";
import type { FirstAnswer, Refusal } from "./begun.ts";
import type { Bindings } from "./binding.ts";
import type { Breakers } from "./breaker.ts";
import type { Budgets } from "./budgets/budgets.ts";
import { callerSubject } from "./budgets/subject.ts";
import type { ForkJoin } from "./cache/fork-join.ts";
import type { Placer, Prompt, Warming } from "./cache/placer.ts";
import type { Predecessors } from "./cache/predecessors.ts";
import { checkedAnswer, isCheckable, type CascadeParts, type CheckedAnswer } from "./cascade.ts";
import type { JsonObject } from "./chat.ts";
import { reviewBody, verdictIn } from "./checks/review.ts";
import { told, type Told } from "./checks/told.ts";
import { choose, type ChoiceDependencies, type ChoiceSetup } from "./choice.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { openaiChat } from "./dialects/openai-chat.ts";
import { GatewayError } from "./errors.ts";
import {
  asked,
  authenticate,
  receive,
  requirePlain,
  type Asked,
  type Exchange,
  type Received,
  type ReceiveLimits,
} from "./exchange.ts";
import { ADMITTED, InnerReply, innerHeaders, type InnerCall } from "./inner-call.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { movedText, type MovedCall } from "./moved.ts";
import { metRequest, preparedCall, type PreparingSetup } from "./prepared.ts";
import { targetNamed } from "./named-targets.ts";
import { memoryOf, type Remembered } from "./remembered.ts";
import { relayStream, relayWhole, type Client } from "./relay.ts";
import type { Replicas } from "./replicas.ts";
import type { Reply, ReplyHeaders } from "./reply.ts";
import type { StrangerRows } from "./stranger-rows.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { Upstream } from "./upstream.ts";
import type { Windows } from "./windows.ts";
import { Telling } from "./telling.ts";

/** What the config decides; replaced as a whole on reload, read once per exchange. */
export interface Setup extends ChoiceSetup, PreparingSetup {
  readonly dialects: readonly Dialect[];
  readonly attempts: AttemptSettings;
  readonly limits: ReceiveLimits & AdmissionLimits;
}

export interface GatewayDependencies {
  readonly setup: () => Setup;
  readonly admission: Admission;
  readonly upstream: Upstream;
  readonly ledger: Ledger;
  readonly background: BackgroundAnswers;
  readonly bindings: Bindings;
  readonly remembered: Remembered;
  readonly breakers: Breakers;
  readonly replicas: Replicas;
  readonly placer: Placer;
  readonly forkJoin: ForkJoin;
  readonly predecessors: Predecessors;
  readonly windows: Windows;
  readonly strangerRows: StrangerRows;
  readonly tasks: Tasks;
  readonly trials: ChoiceDependencies["trials"];
  readonly budgets: Budgets;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A call as it comes from a route. */
export interface Call {
  readonly dialect: Dialect;
  readonly headers: Headers;
  /** The query string as the client sent it ("?beta=true"), or "". */
  readonly search: string;
  /** The whole body, bounded. @throws GatewayError */
  readonly body: (bound: BodyBound) => Promise<Uint8Array>;
  readonly reply: Reply;
  /** How far the prompt is to be written to the cache, for a call that is made for that; absent: it is one for its answer. */
  readonly warms?: Warming;
  /** For whom the gateway makes it; absent: a client does. */
  readonly inner?: InnerCall;
  /** Told of the row of the attempt that answered, once it is settled. */
  readonly settled?: (entry: LedgerEntry) => void;
}

export interface Gateway {
  /** Answers the call. Never rejects: what goes wrong is told to the client and to the ledger. */
  serve(call: Call): Promise<void>;
}

export function createGateway(dependencies: GatewayDependencies): Gateway {
  return {
    async serve(call) {
      const admitted = dependencies.admission.enter();
      try {
        await new Line(call, dependencies.setup(), dependencies).run(admitted);
      } finally {
        admitted.leave();
      }
    },
  };
}

/** One call on its way. What is known of it so far is written down where it is told from. */
class Line implements Client {
  readonly #call: Call;
  readonly #setup: Setup;
  readonly #dependencies: GatewayDependencies;
  readonly #telling: Telling;
  readonly #cut = new AbortController();
  #gone = false;
  #onGone: () => void = () => this.#cut.abort();

  constructor(call: Call, setup: Setup, dependencies: GatewayDependencies) {
    this.#call = call;
    this.#setup = setup;
    this.#dependencies = dependencies;
    const { dialect, reply, inner } = call;
    const told = { dialect, reply, isInner: inner !== undefined, isGone: () => this.#gone };
    this.#telling = new Telling(told, dependencies);
  }

  get reply(): Reply {
    return this.#call.reply;
  }

  get gone(): boolean {
    return this.#gone;
  }

  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  async run(admitted: Admitted): Promise<void> {
    this.#call.reply.onGone(() => {
      this.#gone = true;
      this.#onGone();
    });
    try {
      if (admitted.refused !== undefined) throw admitted.refused;
      const first = await this.#first(admitted.body);
      admitted.letGo();
      await this.#answer(first);
    } catch (error) {
      this.#telling.reject(error);
    } finally {
      this.#dependencies.tasks.over(this.#telling.id);
    }
  }

  /** Everything up to the first event. What it read is let go with it: a stream may run for an hour after it. */
  async #first(bound: BodyBound): Promise<FirstAnswer | Refusal> {
    const setup = this.#setup;
    const { dialect, headers } = this.#call;
    this.#telling.caller = this.#call.inner?.caller ?? authenticate(headers, setup.keys);
    this.#telling.isKnown = true;
    requirePlain(headers);
    const bytes = await this.#call.body(bound);
    const startedAt = performance.now();
    const namespace = this.#telling.caller.tenant;
    const received = this.#received(bytes, namespace);
    const said: Exchange = {
      id: this.#telling.id,
      dialect,
      caller: this.#telling.caller,
      headers,
      search: this.#call.search,
      ...received,
      receivedAtMs: this.#telling.receivedAtMs,
      startedAt,
    };
    this.#telling.asked = asked(said);

    const prepared = preparedCall(received, said, setup, this.#dependencies.remembered);
    const { isolation, said: identified, steady, prefixes } = prepared;
    if (prepared.moved !== undefined) this.#moved(prepared.moved);
    const exchange: Exchange = { ...said, ...prepared.received };
    const { request } = exchange;
    const task = this.#dependencies.tasks.begin({
      said: identified,
      request: steady,
      prefixes,
      tenant: namespace,
      caller: this.#telling.caller.name,
      exchange: this.#telling.id,
      isSide: dialect.countsOnly === true || this.#call.warms !== undefined || this.#call.inner !== undefined,
    });
    this.#telling.task = task;
    const prompt: Prompt = {
      request,
      prefixes,
      namespace,
      session: identified.session,
      mode: setup.cache.mode,
      isolates: isolation !== undefined && dialect.placing !== undefined,
      // What a conversation has said before goes on with it, whichever task it is for.
      task: task.session ?? task.id,
      taskClass: identified.className,
      siblings: announced(headers.get("x-sluice-fork")),
      warms: this.#call.warms,
      countsOnly: dialect.countsOnly,
    };
    const subject = callerSubject(exchange, task, this.#dependencies.budgets.tags);
    const choice = await choose({ exchange, task, prompt, subject }, setup, this.#dependencies);
    this.#telling.reason = choice.decision.reason;
    this.#telling.recorded = choice.recorded;
    const strict = setup.attempts.strict || isOn(headers.get("x-sluice-strict"));
    const { first, checks } = await this.#checked({
      exchange,
      task,
      prompt,
      subject,
      ...choice,
      settings: { ...setup.attempts, strict },
      signal: this.#cut.signal,
    });
    this.#telling.checks = checks;
    this.#telling.asked = { ...this.#telling.asked, ...this.#remembering(first, received.body) };
    return first;
  }

  /** The answer, as far as its class wants to have it checked before the client has it. */
  #checked(context: AttemptContext): Promise<CheckedAnswer> {
    const { task, prompt, exchange } = context;
    const rules = this.#setup.classOf(task.className).checks ?? {};
    const isOwn = this.#call.inner !== undefined || task.signals?.includes("side") === true;
    const isChecked =
      !isOwn && prompt.warms === undefined && prompt.countsOnly !== true && isCheckable(exchange.request);
    const parts: CascadeParts = {
      rules: isChecked ? rules : {},
      incumbent: this.#dependencies.tasks.progress(exchange.caller.tenant, task.id)?.incumbent,
      targetOf: (name) => targetNamed(name, this.#setup.targets),
      review: (reviewer, answer) => this.#review(context, reviewer, answer),
    };
    return checkedAnswer(context, parts, this.#attemptDependencies());
  }

  /** What a reviewer says of an answer; its own answer is a row beside the task's. */
  async #review(context: AttemptContext, reviewer: string, answer: Told): Promise<boolean | undefined> {
    const { exchange, task, subject } = context;
    const body = Buffer.from(JSON.stringify(reviewBody(exchange.request, answer, reviewer)));
    const reply = new InnerReply(this.#cut.signal);
    const inner = { caller: exchange.caller, task };
    const call: Call = {
      dialect: openaiChat,
      headers: innerHeaders(task, subject.tags),
      search: "",
      body: async () => body,
      reply,
      inner,
    };
    await new Line(call, this.#setup, this.#dependencies).run(ADMITTED);
    if (reply.answer === undefined) return undefined;
    const decoder = openaiChat.decoder(false);
    return verdictIn(told([...decoder.push(reply.answer), ...decoder.end()]));
  }

  /** The body as it is to be answered: with what it names of ours. */
  #received(bytes: Uint8Array, tenant: string): Received {
    const { remembered } = this.#dependencies;
    const { dialect } = this.#call;
    const received = receive(bytes, dialect, this.#setup.limits, memoryOf(remembered, tenant));
    return { ...received, request: metRequest(received, dialect, remembered) };
  }

  #moved({ counts }: MovedCall): void {
    for (const [rule, lines] of counts) this.#dependencies.metrics.linesMoved(rule, lines);
    this.#telling.movedText = movedText(counts);
  }

  /** Where the client may go on from its answer by an id, and nobody else keeps that. */
  #remembering(first: FirstAnswer | Refusal, body: JsonObject): Pick<Asked, "remember"> {
    const { remembering } = this.#call.dialect;
    const { remembered } = this.#dependencies;
    const isKept = first.kind === "refused" || first.outgoing.lane === "same";
    if (isKept || !remembered.isOn || remembering?.isWanted(body) !== true) return {};
    const { tenant } = this.#telling.caller;
    const whole = remembering.remembered(body);
    return { remember: (answer) => remembered.keep(whole(answer), tenant) };
  }

  #attemptDependencies(): AttemptDependencies {
    const { dialects } = this.#setup;
    return {
      ...this.#dependencies,
      dialect(name) {
        const found = dialects.find((dialect) => dialect.name === name);
        if (found === undefined) throw new GatewayError("internal", `no dialect is called ${name}`);
        return found;
      },
    };
  }

  async #answer(first: FirstAnswer | Refusal): Promise<void> {
    this.#telling.target = first.candidate?.target.name;
    if (first.kind !== "refused") this.#telling.recorded = undefined;
    this.#telling.overheadMs = first.kind === "refused" ? first.overheadMs : first.meter.overheadMs;
    if (first.kind === "refused") return this.#telling.refuse(first);
    const headers = (extra: ReplyHeaders) => this.#telling.headers(first, extra);
    try {
      if (first.kind === "whole") relayWhole(first, this.#askedFor(), this, headers);
      else await this.#stream(first, headers);
    } catch (error) {
      // The row is the attempt's own: it was sent, and may be billed.
      first.meter.failed({ kind: "internal", status: 500, mayBill: true });
      if (first.kind === "stream") first.body.abort();
      this.#telling.tell(this.#telling.unexpected(error));
    }
    const { entry } = first.meter;
    if (entry !== undefined) this.#call.settled?.(entry);
    this.#telling.logged(entry?.outcome ?? "open", entry?.status ?? 0, entry);
  }

  async #stream(
    first: Extract<FirstAnswer, { kind: "stream" }>,
    headers: (extra: ReplyHeaders) => ReplyHeaders,
  ): Promise<void> {
    const { metrics } = this.#dependencies;
    metrics.streamOpened();
    try {
      const costComment = isOn(this.#call.headers.get("x-sluice-cost-comment"));
      await relayStream(first, this.#askedFor(), this, headers, { costComment });
    } finally {
      metrics.streamClosed();
    }
  }

  #askedFor(): Asked {
    if (this.#telling.asked === undefined)
      throw new GatewayError("internal", "an answer came before the call was read");
    return this.#telling.asked;
  }
}

/** How many calls, this one among them, the client says will begin alike. */
function announced(header: string | null): number {
  if (header === null || header === "") return 1;
  if (/^[1-9]\d{0,3}$/.test(header)) return Number(header);
  throw new GatewayError(
    "invalid-request",
    "`x-sluice-fork` is how many calls will begin alike: a whole number from 1 to 9999",
    { param: "x-sluice-fork" },
  );
}

function isOn(header: string | null): boolean {
  return header === "true" || header === "1";
}
