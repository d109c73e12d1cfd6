/**
 * The line: what happens to a call, in order. Each result is the next call's argument; nothing below calls back up.
 */
import { randomUUID } from "node:crypto";
import type { Admission, AdmissionLimits, Admitted, BodyBound } from "./admission.ts";
import { headerText, retryHeaders, upstreamHeaders } from "./answer-headers.ts";
import {
  firstAnswer,
  type AttemptDependencies,
  type AttemptSettings,
  type FirstAnswer,
  type Refusal,
} from "./attempt.ts";
import type { Bindings } from "./binding.ts";
import { fieldOf } from "./bound.ts";
import type { Breakers } from "./breaker.ts";
import { placeBoundary } from "./cache/boundary.ts";
import { candidates } from "./candidates.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { GatewayError } from "./errors.ts";
import {
  asked,
  authenticate,
  receive,
  requirePlain,
  type Asked,
  type Caller,
  type ClientKey,
  type Exchange,
  type ReceiveLimits,
} from "./exchange.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { choosePolicy } from "./policies/index.ts";
import { named } from "./policies/named.ts";
import type { Policy } from "./policies/policy.ts";
import { rejectedEntry } from "./rejection.ts";
import { relayStream, relayWhole, type Client } from "./relay.ts";
import type { Replicas } from "./replicas.ts";
import type { Reply, ReplyHeaders } from "./reply.ts";
import type { StrangerRows } from "./stranger-rows.ts";
import type { Targets } from "./target.ts";
import { identifyTask, type Task } from "./task.ts";
import type { Upstream } from "./upstream.ts";
import { promptTokens, usdText } from "./usage.ts";
import type { Windows } from "./windows.ts";

/** What the config decides; replaced as a whole on reload, read once per exchange. */
export interface Setup {
  readonly keys: readonly ClientKey[];
  readonly targets: Targets;
  readonly dialects: readonly Dialect[];
  readonly policies: readonly Policy[];
  readonly defaultPolicy: string;
  readonly attempts: AttemptSettings;
  readonly limits: ReceiveLimits & AdmissionLimits;
}

export interface GatewayDependencies {
  readonly setup: () => Setup;
  readonly admission: Admission;
  readonly upstream: Upstream;
  readonly ledger: Ledger;
  readonly bindings: Bindings;
  readonly breakers: Breakers;
  readonly replicas: Replicas;
  readonly windows: Windows;
  readonly strangerRows: StrangerRows;
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

/** One call on its way. What is known of it so far is what its answer's headers and its rejection can say. */
class Line implements Client {
  readonly #call: Call;
  readonly #setup: Setup;
  readonly #dependencies: GatewayDependencies;
  readonly #id: string;
  readonly #receivedAtMs: number;
  readonly #startedAt = performance.now();
  readonly #cut = new AbortController();
  #gone = false;
  #onGone: () => void = () => this.#cut.abort();
  #caller: Caller = { name: undefined };
  #known = false;
  #asked: Asked | undefined;
  #task: Task | undefined;
  #target: string | undefined;
  #overheadMs: number | undefined;

  constructor(call: Call, setup: Setup, dependencies: GatewayDependencies) {
    this.#call = call;
    this.#setup = setup;
    this.#dependencies = dependencies;
    this.#receivedAtMs = dependencies.now();
    this.#id = idAt(this.#receivedAtMs);
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
      this.#reject(error);
    }
  }

  /** Everything up to the first event. What it read is let go with it: a stream may run for an hour after it. */
  async #first(bound: BodyBound): Promise<FirstAnswer | Refusal> {
    const setup = this.#setup;
    const { dialect, headers } = this.#call;
    this.#caller = authenticate(headers, setup.keys);
    this.#known = true;
    requirePlain(headers);
    const raw = await this.#call.body(bound);
    const startedAt = performance.now();
    const { body, request } = receive(raw, dialect, setup.limits);
    const exchange: Exchange = {
      id: this.#id,
      dialect,
      caller: this.#caller,
      headers,
      search: this.#call.search,
      raw,
      body,
      request,
      receivedAtMs: this.#receivedAtMs,
      startedAt,
    };
    this.#asked = asked(exchange);

    const namespace = this.#caller.name ?? "";
    const task = identifyTask(request, headers, namespace);
    this.#task = task;
    const boundary = placeBoundary(request, namespace);
    const resolved = setup.targets.resolve(request.model);
    const { bindings, breakers, now } = this.#dependencies;
    const nowMs = now();
    const options = candidates(request, resolved.targets, {
      clientDialect: dialect.name,
      promptTokens: boundary.promptTokens,
      explicit: resolved.explicit,
      bindings: bindings.of(request, namespace),
      providers: setup.targets.instances.map(({ name }) => name),
      fieldOf: (text) => fieldOf(body, text),
      warmTokens: (target) => bindings.warmTokens(boundary, target, nowMs),
      resting: (target) => breakers.resting(target.name, nowMs),
    });
    const policy = resolved.explicit ? named : choosePolicy(setup.policies, resolved.policy ?? setup.defaultPolicy);
    const decision = policy.choose(request, task, options);
    const strict = setup.attempts.strict || isOn(headers.get("x-sluice-strict"));
    return firstAnswer(
      {
        exchange,
        task,
        boundary,
        decision,
        policy: policy.name,
        settings: { ...setup.attempts, strict },
        signal: this.#cut.signal,
      },
      this.#attemptDependencies(),
    );
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
    this.#target = first.candidate?.target.name;
    this.#overheadMs = first.kind === "refused" ? first.overheadMs : first.meter.overheadMs;
    if (first.kind === "refused") return this.#refuse(first);
    const headers = (extra: ReplyHeaders) => this.#headers(first, extra);
    try {
      if (first.kind === "whole") relayWhole(first, this.#askedFor(), this, headers);
      else await this.#stream(first, headers);
    } catch (error) {
      // The row is the attempt's own: it was sent, and may be billed.
      first.meter.failed({ kind: "internal", status: 500, mayBill: true });
      if (first.kind === "stream") first.body.abort();
      this.#tell(this.#unexpected(error));
    }
    const { entry } = first.meter;
    this.#logged(entry?.outcome ?? "open", entry?.status ?? 0, entry);
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
    if (this.#asked === undefined) throw new GatewayError("internal", "an answer came before the call was read");
    return this.#asked;
  }

  /** The answer's own headers: ours, and those of the upstream that say something to its clients. */
  #headers(first: Exclude<FirstAnswer, Refusal>, extra: ReplyHeaders): ReplyHeaders {
    const losses = [...new Set(first.losses.map((loss) => loss.field))];
    return {
      ...upstreamHeaders(first.answer.headers, first.candidate.target.instance.provider.answerHeaders ?? []),
      ...this.#ownHeaders(),
      ...(losses.length === 0 ? {} : { "x-sluice-losses": losses.join(", ") }),
      ...extra,
    };
  }

  #ownHeaders(): Record<string, string> {
    const overheadMs = this.#overheadMs ?? performance.now() - (this.#asked?.startedAt ?? this.#startedAt);
    return {
      "x-sluice-exchange": this.#id,
      ...(this.#target === undefined ? {} : { "x-sluice-target": headerText(this.#target) }),
      ...(this.#task === undefined ? {} : { "x-sluice-task": this.#task.id }),
      "x-sluice-overhead-ms": overheadMs.toFixed(3),
    };
  }

  /** No target answered: the upstream's own words where they are in the client's dialect, ours otherwise. */
  #refuse(refusal: Refusal): void {
    const { error, verbatim } = refusal;
    if (verbatim === undefined || refusal.candidate === undefined) {
      this.#tell(error);
    } else if (!this.#gone) {
      this.#call.reply.start(verbatim.status, {
        ...upstreamHeaders(verbatim.headers, refusal.candidate.target.instance.provider.answerHeaders ?? []),
        ...retryHeaders(error),
        ...this.#ownHeaders(),
        "content-type": String(verbatim.headers["content-type"] ?? "application/json"),
        "content-length": String(verbatim.bytes.length),
      });
      this.#call.reply.end(verbatim.bytes);
    }
    if (error.kind === "internal") this.#unexpected(error.cause ?? error);
    if (!refusal.recorded) this.#record(error);
    this.#logged(this.#gone ? "canceled" : error.kind, error.status);
  }

  /** What we refuse ourselves, and what we did not expect. */
  #reject(thrown: unknown): void {
    const error = this.#unexpected(thrown);
    this.#tell(error);
    this.#record(error);
    this.#logged(error.kind, error.status);
  }

  /** What nobody foresaw is logged, and told without its reason. */
  #unexpected(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError && thrown.kind !== "internal") return thrown;
    this.#dependencies.log.error("internal", {
      exchange: this.#id,
      message: String((thrown as Error)?.stack ?? thrown),
    });
    return thrown instanceof GatewayError
      ? thrown
      : new GatewayError("internal", "the gateway failed; its log has the reason", { cause: thrown });
  }

  #tell(error: GatewayError): void {
    const { reply, dialect } = this.#call;
    if (this.#gone) return;
    if (reply.started) {
      reply.fail(dialect.errorEvent(error, this.#id));
      return;
    }
    const body = JSON.stringify(dialect.writeError(error, this.#id));
    reply.start(error.status, {
      ...retryHeaders(error),
      // Who comes again on this connection would meet the same gateway.
      ...(error.kind === "shutting-down" ? { connection: "close" } : {}),
      ...this.#ownHeaders(),
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    });
    reply.end(body);
  }

  #record(error: GatewayError): void {
    const { strangerRows, metrics, ledger, now } = this.#dependencies;
    if (!this.#known && !strangerRows.take(now())) {
      metrics.rejectionUnrecorded();
      return;
    }
    ledger.settle(
      rejectedEntry({
        id: this.#id,
        error,
        dialect: this.#call.dialect.name,
        caller: this.#caller.name,
        exchange: this.#asked,
        task: this.#task,
        target: this.#target,
        receivedAtMs: this.#receivedAtMs,
        nowMs: now(),
      }),
    );
  }

  #logged(outcome: string, status: number, entry?: LedgerEntry): void {
    const durationMs = performance.now() - this.#startedAt;
    this.#dependencies.metrics.request(this.#call.dialect.name, status, durationMs / 1000, this.#overheadMs);
    this.#dependencies.log.info("exchange", {
      exchange: this.#id,
      dialect: this.#call.dialect.name,
      caller: this.#caller.name,
      task: this.#task?.id,
      target: this.#target,
      outcome,
      status,
      ...(entry === undefined
        ? {}
        : {
            inputTokens: promptTokens(entry.usage),
            outputTokens: entry.usage.output,
            costUsd: entry.cost === undefined ? "unpriced" : usdText(entry.cost),
          }),
      durationMs: Math.round(durationMs),
    });
  }
}

function isOn(header: string | null): boolean {
  return header === "true" || header === "1";
}

/** A UUID of version 7: ids that rise with time are written at one place of the ledger's indexes, which halves what a row costs. */
function idAt(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
