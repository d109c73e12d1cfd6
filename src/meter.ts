/**
 * The one reader of what an answer used: sees every event, and settles the attempt's ledger row exactly once, whichever way
 * the answer ends: complete, canceled or failed.
 */
import type { Boundary } from "./cache/boundary.ts";
import type { ChatEvent, FinishReason, Loss } from "./chat.ts";
import type { Bindings } from "./binding.ts";
import type { Leaning } from "./bound.ts";
import type { ErrorKindName } from "./errors.ts";
import type { CostBasis, LedgerEntry, Outcome, Reservation, UsageBasis } from "./ledger.ts";
import type { Visit } from "./replicas.ts";
import type { Candidate } from "./target.ts";
import { isTruncated, PROMPT_TRUNCATED } from "./truncation.ts";
import { costOf, laterUsage, promptTokens, UNKNOWN_USAGE, type PicoUsd, type Usage } from "./usage.ts";

export interface MeterOptions {
  readonly reservation: Reservation;
  readonly candidate: Candidate;
  /** Knows what the server's own counters say of its cache, where its answer does not. */
  readonly visit: Pick<Visit, "cacheRead">;
  readonly boundary: Boundary;
  readonly bindings: Bindings;
  /** What the request leans on at the provider. It is there, or the request would have been refused. */
  readonly leansOn: readonly Leaning[];
  /** Whether the provider keeps its answer, so that it can be gone on from by its id. */
  readonly keepsAnswer: boolean;
  /** Losses of the request; the encoder adds its own to the same list while the answer runs. */
  readonly losses: readonly Loss[];
  /** A lower count of the prompt means that the server cut it; `undefined`: it would have said so. */
  readonly certainPromptTokens: number | undefined;
  readonly overheadMs: number;
  readonly settle: (entry: LedgerEntry) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Characters per token assumed for delivered text whose upstream never reported a count (English prose, o200k). */
const CHARACTERS_PER_TOKEN = 4;
/** The smallest frame is taken to be little but its envelope (ids, model, keys), as far as envelopes go: the rest of it is text. */
const ENVELOPE_BYTES_MAX = 1_024;

export interface Failure {
  readonly kind: ErrorKindName;
  readonly status: number;
  /** Whether the upstream may have worked on it, and so may bill. */
  readonly mayBill: boolean;
}

export class Meter {
  readonly #options: MeterOptions;
  #usage: Usage = UNKNOWN_USAGE;
  /** How it was served, where the price that we know is not the price of that. */
  #tier: string | undefined;
  #firstEventAtMs: number | undefined;
  #finish: FinishReason | undefined;
  #entry: LedgerEntry | undefined;
  /** Text delivered, in characters: read from deltas on the translated lane. */
  #characters = 0;
  /** Frames that carried output and their bytes: weighed, not read, on the same-dialect lane. */
  #frames = 0;
  #frameBytes = 0;
  #frameBytesMin = Number.POSITIVE_INFINITY;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  get overheadMs(): number {
    return this.#options.overheadMs;
  }

  /** The answer said how it ended: what comes after is bookkeeping. */
  get finished(): boolean {
    return this.#finish !== undefined;
  }

  /** Whether the server's count of the prompt, as far as it was told, says that it was cut. */
  get isTruncated(): boolean {
    return isTruncated(this.#options.certainPromptTokens, this.#usage, this.#options.candidate);
  }

  /** As the server counted them. */
  get promptTokens(): number | undefined {
    return promptTokens(this.#usage);
  }

  /** The settled row; `undefined` while the answer runs. */
  get entry(): LedgerEntry | undefined {
    return this.#entry;
  }

  observe(event: ChatEvent): void {
    this.#firstEventAtMs ??= this.#options.now();
    switch (event.type) {
      case "usage":
        this.#usage = laterUsage(this.#usage, plausible(event.usage));
        this.#tier = event.tier ?? this.#tier;
        return;
      case "finish":
        this.#finish = event.reason;
        if (this.#options.keepsAnswer) event.kept?.forEach((id) => this.#learnKept(id));
        return;
      case "text-delta":
      case "refusal-delta":
      case "reasoning-delta":
        this.#characters += event.text.length;
        return;
      case "tool-call-start":
        this.#characters += event.name.length;
        this.calls(event.id);
        return;
      case "tool-call-delta":
        this.#characters += event.arguments.length;
        return;
      case "reasoning-end":
        if (event.signature !== undefined) this.#learn(event.signature);
        return;
      case "reasoning-redacted":
        this.#learn(event.data);
        return;
      case "done":
        this.complete();
        return;
      case "start":
        this.#learnLeanings();
        if (this.#options.keepsAnswer && event.id !== undefined) this.#learnKept(event.id);
        return;
      case "tool-call-end":
      case "opaque":
      case "error":
        return;
    }
  }

  /** A tool was called by this id. */
  calls(id: string): void {
    const { bindings, candidate, reservation } = this.#options;
    if (id !== "") bindings.learnCall(id, candidate.target, reservation.caller ?? "");
  }

  /** A frame of output that was passed on unread. */
  weigh(bytes: number): void {
    this.#firstEventAtMs ??= this.#options.now();
    this.#frames += 1;
    this.#frameBytes += bytes;
    this.#frameBytesMin = Math.min(this.#frameBytesMin, bytes);
  }

  complete(): void {
    const usage = this.#withAbsent(this.#usage);
    const known = isCounted(usage);
    const split = known ? this.#split(usage) : undefined;
    if (split !== undefined) {
      // Where the price has no rate for reads, the whole prompt at the full one is what it may cost.
      const { price } = this.#options.candidate.target;
      const billed = price === undefined || costOf(split, price) !== undefined ? split : usage;
      this.#settle("complete", 200, undefined, split, "estimated", billed, "estimated");
      return;
    }
    const billed = known ? usage : this.#estimated(usage);
    this.#settle(
      "complete",
      200,
      undefined,
      usage,
      known ? "reported" : "unknown",
      billed,
      known ? "reported" : "estimated",
    );
  }

  /**
   * The client left. What was delivered is billed, and so is the prompt: never nothing.
   *
   * @param mayBill False when the request had not been sent yet.
   */
  canceled(mayBill = true): void {
    if (!mayBill) {
      this.#settle("canceled", 499, "canceled", UNKNOWN_USAGE, "unknown", undefined, "not-billed");
      return;
    }
    if (this.#finish !== undefined && isCounted(this.#usage)) {
      this.complete();
      return;
    }
    const usage = this.#estimated(this.#withAbsent(this.#usage));
    this.#settle("canceled", 499, "canceled", usage, "estimated", usage, "estimated");
  }

  failed(failure: Failure): void {
    if (!failure.mayBill) {
      this.#settle("failed", failure.status, failure.kind, UNKNOWN_USAGE, "unknown", undefined, "not-billed");
      return;
    }
    const said = this.#withAbsent(this.#usage);
    // It broke after it had told its bill: nothing is left to be guessed.
    const basis = this.#finish !== undefined && isCounted(said) ? "reported" : "estimated";
    const usage = basis === "reported" ? said : this.#estimated(said);
    this.#settle("failed", failure.status, failure.kind, usage, basis, usage, basis);
  }

  #settle(
    outcome: Outcome,
    status: number,
    errorKind: string | undefined,
    usage: Usage,
    usageBasis: UsageBasis,
    billed: Usage | undefined,
    basis: CostBasis,
  ): void {
    if (this.#entry !== undefined) return;
    const { reservation, candidate, losses, overheadMs, now } = this.#options;
    const { cost, costBasis } = this.#price(billed, basis);
    const nowMs = now();
    this.#entry = {
      ...reservation,
      outcome,
      status,
      errorKind,
      usage,
      usageBasis,
      cost,
      costBasis,
      ttftMs: this.#firstEventAtMs === undefined ? undefined : this.#firstEventAtMs - reservation.startedAtMs,
      durationMs: nowMs - reservation.startedAtMs,
      overheadMs,
      finishReason: this.#finish,
      losses: this.isTruncated ? [...losses, { field: PROMPT_TRUNCATED, path: "messages" }] : [...losses],
    };
    // Of a prompt that was cut, what is in the cache is not known.
    if (outcome === "complete" && !this.isTruncated) {
      this.#options.bindings.learnPrompt(this.#options.boundary, candidate.target, usage, nowMs);
    }
    this.#options.settle(this.#entry);
  }

  #price(billed: Usage | undefined, basis: CostBasis): { cost: PicoUsd | undefined; costBasis: CostBasis } {
    if (billed === undefined) return { cost: 0n, costBasis: "not-billed" };
    const { price } = this.#options.candidate.target;
    const cost = price === undefined || this.#tier !== undefined ? undefined : costOf(billed, price);
    return cost === undefined ? { cost: undefined, costBasis: "unpriced" } : { cost, costBasis: basis };
  }

  /** What the upstream did not say, from what was seen: our count of the prompt, and the output that passed by. */
  #estimated(usage: Usage): Usage {
    const envelopeBytes = Math.min(this.#frameBytesMin, ENVELOPE_BYTES_MAX);
    const weighed = this.#frames === 0 ? 0 : this.#frameBytes - envelopeBytes * this.#frames + this.#frames;
    const delivered = Math.max(this.#frames, Math.ceil((weighed + this.#characters) / CHARACTERS_PER_TOKEN));
    return {
      ...usage,
      inputUncached: usage.inputUncached ?? this.#options.candidate.promptTokens,
      output: Math.max(usage.output ?? 0, delivered),
    };
  }

  /** Counted usage without its cached part, parted by the server's counters; `undefined`: it has the part, or nobody can tell. */
  #split(usage: Usage): Usage | undefined {
    if (usage.cacheRead !== undefined || usage.inputUncached === undefined) return undefined;
    const cacheRead = this.#options.visit.cacheRead(usage.inputUncached);
    return cacheRead === undefined
      ? undefined
      : { ...usage, inputUncached: usage.inputUncached - cacheRead, cacheRead };
  }

  /**
   * What it means that a count did not come with the others: a class of write that nobody spoke of was not billed, and whether a
   * read was is the provider's to say.
   */
  #withAbsent(usage: Usage): Usage {
    if (usage.inputUncached === undefined) return usage;
    const absentRead = this.#options.candidate.target.instance.provider.absentCacheRead === "zero" ? 0 : undefined;
    return {
      ...usage,
      cacheRead: usage.cacheRead ?? absentRead,
      cacheWrite5m: usage.cacheWrite5m ?? 0,
      cacheWrite1h: usage.cacheWrite1h ?? 0,
      cacheWriteOther: usage.cacheWriteOther ?? 0,
    };
  }

  #learnLeanings(): void {
    const { bindings, candidate, leansOn } = this.#options;
    for (const { kind, id } of leansOn) {
      if (kind === "kept") this.#learnKept(id);
      else bindings.learnHosted(id, candidate.target);
    }
  }

  #learnKept(id: string): void {
    const { bindings, candidate, reservation } = this.#options;
    bindings.learnKept(id, candidate.target, reservation.caller ?? "");
  }

  #learn(signature: string): void {
    this.#options.bindings.learnSignature(signature, this.#options.candidate.target);
  }
}

/** Whether both that everything is billed by were told. */
function isCounted(usage: Usage): boolean {
  return usage.inputUncached !== undefined && usage.output !== undefined;
}

/** Counts as upstreams send them may be anything; what is not a count is unknown. */
function plausible(usage: Usage): Usage {
  const count = (value: number | undefined) =>
    value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  return {
    inputUncached: count(usage.inputUncached),
    cacheRead: count(usage.cacheRead),
    cacheWrite5m: count(usage.cacheWrite5m),
    cacheWrite1h: count(usage.cacheWrite1h),
    cacheWriteOther: count(usage.cacheWriteOther),
    output: count(usage.output),
    reasoning: count(usage.reasoning),
  };
}
