/**
 * What is told of a call, to its client, to the log and to the ledger: its answer's headers, why it was refused, how it went. By what is
 * known of it so far, which whoever serves it writes down here.
 */
import { randomUUID } from "node:crypto";
import { headerText, lossesText, reasonText, retryHeaders, upstreamHeaders } from "./answer-headers.ts";
import type { FirstAnswer, Refusal } from "./begun.ts";
import { cacheHeaders } from "./cache-headers.ts";
import type { Choice } from "./choice.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { GatewayError } from "./errors.ts";
import type { Asked, Caller } from "./exchange.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { rejectedEntry } from "./rejection.ts";
import type { Reply, ReplyHeaders } from "./reply.ts";
import type { StrangerRows } from "./stranger-rows.ts";
import type { Task } from "./task.ts";
import { promptTokens, usdText } from "./usage.ts";

export interface TellingDependencies {
  readonly ledger: Pick<Ledger, "settle" | "explain">;
  readonly strangerRows: StrangerRows;
  readonly metrics: Pick<Metrics, "request" | "rejectionUnrecorded">;
  readonly log: Pick<Log, "info" | "error">;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Whom it is told to. */
export interface ToldCall {
  readonly dialect: Dialect;
  readonly reply: Reply;
  /** Whether the gateway makes it for another call, with which it is counted. */
  readonly isInner: boolean;
  /** Whether its client has left. */
  readonly isGone: () => boolean;
}

export class Telling {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  caller: Caller = { name: undefined, tenant: "" };
  /** Whether it is known who calls. */
  isKnown = false;
  asked: Asked | undefined;
  task: Task | undefined;
  movedText: string | undefined;
  reason: string | undefined;
  /** Why it was to go where it was, until that is written down. */
  recorded: Choice["recorded"] | undefined;
  /** What was found out about its answer before it went out. */
  checks: string | undefined;
  target: string | undefined;
  overheadMs: number | undefined;
  readonly #call: ToldCall;
  readonly #isGone: () => boolean;
  readonly #dependencies: TellingDependencies;
  readonly #startedAt = performance.now();

  constructor(call: ToldCall, dependencies: TellingDependencies) {
    this.#call = call;
    this.#isGone = call.isGone;
    this.#dependencies = dependencies;
    this.receivedAtMs = dependencies.now();
    this.id = idAt(this.receivedAtMs);
  }

  /** The answer's own headers: ours, and those of the upstream that say something to its clients. */
  headers(first: Exclude<FirstAnswer, Refusal>, extra: ReplyHeaders): ReplyHeaders {
    const losses = lossesText(first.losses);
    const ahead = first.kind === "stream" ? first.pieces.flatMap(({ events }) => events) : [];
    return {
      ...upstreamHeaders(first.answer.headers, first.candidate.target.instance.provider.answerHeaders ?? []),
      ...this.#own(),
      ...cacheHeaders(first.meter.caching(ahead)),
      ...(losses === undefined ? {} : { "x-sluice-losses": losses }),
      ...extra,
    };
  }

  #own(): Record<string, string> {
    const overheadMs = this.overheadMs ?? performance.now() - (this.asked?.startedAt ?? this.#startedAt);
    return {
      "x-sluice-exchange": this.id,
      ...(this.target === undefined ? {} : { "x-sluice-target": headerText(this.target) }),
      ...(this.reason === undefined ? {} : { "x-sluice-reason": reasonText(this.reason) }),
      ...(this.task === undefined ? {} : { "x-sluice-task": this.task.id }),
      ...(this.checks === undefined ? {} : { "x-sluice-check": headerText(this.checks) }),
      ...(this.movedText === undefined ? {} : { "x-sluice-moved": this.movedText }),
      "x-sluice-overhead-ms": overheadMs.toFixed(3),
    };
  }

  /** No target answered: the upstream's own words where they are in the client's dialect, ours otherwise. */
  refuse(refusal: Refusal): void {
    const { error, verbatim } = refusal;
    if (verbatim === undefined || refusal.candidate === undefined) {
      this.tell(error);
    } else if (!this.#isGone()) {
      this.#call.reply.start(verbatim.status, {
        ...upstreamHeaders(verbatim.headers, refusal.candidate.target.instance.provider.answerHeaders ?? []),
        ...retryHeaders(error),
        ...this.#own(),
        "content-type": String(verbatim.headers["content-type"] ?? "application/json"),
        "content-length": String(verbatim.bytes.length),
      });
      this.#call.reply.end(verbatim.bytes);
    }
    if (error.kind === "internal") this.unexpected(error.cause ?? error);
    if (!refusal.recorded) this.#record(error);
    this.logged(this.#isGone() ? "canceled" : error.kind, error.status);
  }

  /** What we refuse ourselves, and what we did not expect. */
  reject(thrown: unknown): void {
    const error = this.unexpected(thrown);
    this.tell(error);
    this.#record(error);
    this.logged(error.kind, error.status);
  }

  /** What nobody foresaw is logged, and told without its reason. */
  unexpected(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError && thrown.kind !== "internal") return thrown;
    this.#dependencies.log.error("internal", {
      exchange: this.id,
      message: String((thrown as Error)?.stack ?? thrown),
    });
    return thrown instanceof GatewayError
      ? thrown
      : new GatewayError("internal", "the gateway failed; its log has the reason", { cause: thrown });
  }

  tell(error: GatewayError): void {
    const { reply, dialect } = this.#call;
    if (this.#isGone()) return;
    if (reply.started) {
      reply.fail(dialect.errorEvent(error, this.id));
      return;
    }
    const body = JSON.stringify(dialect.writeError(error, this.id));
    reply.start(error.status, {
      ...retryHeaders(error),
      // Who comes again on this connection would meet the same gateway.
      ...(error.kind === "shutting-down" ? { connection: "close" } : {}),
      ...this.#own(),
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    });
    reply.end(body);
  }

  #record(error: GatewayError): void {
    const { strangerRows, metrics, ledger, now } = this.#dependencies;
    if (!this.isKnown && !strangerRows.take(now())) {
      metrics.rejectionUnrecorded();
      return;
    }
    const entry = rejectedEntry({
      id: this.id,
      error,
      dialect: this.#call.dialect.name,
      caller: this.caller,
      exchange: this.asked,
      task: this.task,
      target: this.target,
      receivedAtMs: this.receivedAtMs,
      nowMs: now(),
    });
    ledger.settle(entry);
    const recorded = this.recorded?.();
    if (recorded !== undefined) ledger.explain(entry.attempt, recorded);
  }

  logged(outcome: string, status: number, entry?: LedgerEntry): void {
    const durationMs = performance.now() - this.#startedAt;
    if (!this.#call.isInner)
      this.#dependencies.metrics.request(this.#call.dialect.name, status, durationMs / 1000, this.overheadMs);
    this.#dependencies.log.info("exchange", {
      exchange: this.id,
      dialect: this.#call.dialect.name,
      caller: this.caller.name,
      task: this.task?.id,
      target: this.target,
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

/** A UUID of version 7: ids that rise with time are written at one place of the ledger's indexes, which halves what a row costs. */
function idAt(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
