/**
 * The one reader of what an answer used: sees every event, and settles the attempt's ledger row exactly once, whichever way
 * the answer ends: complete, canceled or failed. One that goes on in the background is left open (`background.ts`).
 */
import type { PlacedPrompt } from "./cache/placer.ts";
import type { ChatEvent, FinishReason, Loss } from "./chat.ts";
import type { Bindings } from "./binding.ts";
import type { Leaning } from "./bound.ts";
import type { ErrorKindName } from "./errors.ts";
import type { CostBasis, LedgerEntry, Outcome, Reservation, UsageBasis } from "./ledger.ts";
import type { Visit } from "./replicas.ts";
import type { Candidate } from "./target.ts";
import { isTruncated, PROMPT_TRUNCATED } from "./truncation.ts";
import {
  cacheSaving,
  costOf,
  isCounted,
  laterUsage,
  plausible,
  promptTokens,
  UNKNOWN_USAGE,
  withAbsent,
  type PicoUsd,
  type Usage,
} from "./usage.ts";

export interface MeterOptions {
  readonly reservation: Reservation;
  readonly candidate: Candidate;
  /** Knows what the server's own counters say of its cache, where its answer does not. */
  readonly visit: Pick<Visit, "cacheRead" | "tellsRead">;
  readonly placed: PlacedPrompt;
  readonly heldMs: number;
  readonly bindings: Bindings;
  /** Whose call it is (`Caller.tenant`). */
  readonly tenant: string;
  /** What the request leans on at the provider: it is there, or a provider that looks would have refused the request. */
  readonly leansOn: readonly Leaning[];
  /** Whether the provider keeps its answer, so that it can be gone on from by its id. */
  readonly keepsAnswer: boolean;
  /** Losses of the request; the encoder adds its own to the same list while the answer runs. */
  readonly losses: readonly Loss[];
  /** A lower count of the prompt means that the server cut it; `undefined`: it would have said so. */
  readonly certainPromptTokens: number | undefined;
  readonly overheadMs: number;
  readonly settle: (entry: LedgerEntry) => void;
  /** In place of `settle`, where the answer of this id goes on by itself: what it cost is told later. */
  readonly postpone: (id: string, entry: LedgerEntry) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Leanings of one request that are learned, and calls and seals of one answer: no call may fill what is remembered. */
const LEANINGS_MAX = 64;
const CALLS_MAX = 256;
const SEALS_MAX = 256;

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
  /** The answer's id, where its provider goes on with it whether or not it is heard. */
  #background: string | undefined;
  #isPostponed = false;
  /** Text delivered, in characters: read from deltas on the translated lane. */
  #characters = 0;
  /** Frames that carried output and their bytes: weighed, not read, on the same-dialect lane. */
  #frames = 0;
  #frameBytes = 0;
  #frameBytesMin = Number.POSITIVE_INFINITY;
  #calls = 0;
  #seals = 0;

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

  /** What is known of the prompt's cache by now. */
  get caching(): { readonly entry: LedgerEntry | undefined; readonly predictedRead: number; readonly heldMs: number } {
    const { placed, heldMs } = this.#options;
    return { entry: this.#entry, predictedRead: placed.predictedRead, heldMs };
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
        if (event.state === "under-way" && this.#background !== undefined) return;
        this.#finish = event.reason;
        if (this.#options.keepsAnswer) event.kept?.forEach((id) => this.#learnKept(id));
        this.#learnHosted(event.hosted ?? []);
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
        if (this.#options.keepsAnswer && event.id !== undefined) {
          this.#learnKept(event.id);
          if (event.inBackground === true) this.#background = event.id;
        }
        return;
      case "tool-call-end":
      case "opaque":
      case "error":
        return;
    }
  }

  /** A tool was called by this id. */
  calls(id: string): void {
    const { bindings, candidate, tenant } = this.#options;
    this.#calls += 1;
    if (id !== "" && this.#calls <= CALLS_MAX) bindings.learnCall(id, candidate.target, tenant);
  }

  /** A frame of output that was passed on unread. */
  weigh(bytes: number): void {
    this.#firstEventAtMs ??= this.#options.now();
    this.#frames += 1;
    this.#frameBytes += bytes;
    this.#frameBytesMin = Math.min(this.#frameBytesMin, bytes);
  }

  complete(): void {
    const usage = this.#said();
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
      known && this.#knowsRates(usage) ? "reported" : "estimated",
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
    const usage = this.#estimated(this.#said());
    this.#settle("canceled", 499, "canceled", usage, "estimated", usage, "estimated");
  }

  failed(failure: Failure): void {
    if (!failure.mayBill) {
      this.#settle("failed", failure.status, failure.kind, UNKNOWN_USAGE, "unknown", undefined, "not-billed");
      return;
    }
    const said = this.#said();
    // It broke after it had told its bill: nothing is left to be guessed.
    const basis = this.#finish !== undefined && isCounted(said) ? "reported" : "estimated";
    const usage = basis === "reported" ? said : this.#estimated(said);
    const costBasis = this.#knowsRates(usage) ? basis : "estimated";
    this.#settle("failed", failure.status, failure.kind, usage, basis, usage, costBasis);
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
    if (this.#entry !== undefined || this.#isPostponed) return;
    const { reservation, losses, overheadMs, placed, heldMs, now } = this.#options;
    const { cost, costBasis } = this.#price(billed, basis);
    const nowMs = now();
    if (this.#firstEventAtMs === undefined) placed.failed();
    // Of a prompt that was cut, what is in the cache is not known.
    else placed.settled(usageBasis === "reported" && !this.isTruncated ? usage : undefined, nowMs);
    const entry: LedgerEntry = {
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
      predictedRead: placed.predictedRead,
      cacheSaved: cost === undefined || costBasis === "not-billed" ? undefined : this.#saved(usage),
      cacheMarks: placed.marksText,
      cacheBust: placed.bustText,
      heldMs: heldMs === 0 ? undefined : heldMs,
      losses: this.isTruncated ? [...losses, { field: PROMPT_TRUNCATED, path: "messages" }] : [...losses],
    };
    if (this.#background !== undefined && this.#finish === undefined) {
      this.#isPostponed = true;
      this.#options.postpone(this.#background, entry);
      return;
    }
    this.#entry = entry;
    this.#options.settle(entry);
  }

  #price(billed: Usage | undefined, basis: CostBasis): { cost: PicoUsd | undefined; costBasis: CostBasis } {
    if (billed === undefined) return { cost: 0n, costBasis: "not-billed" };
    const { price } = this.#options.candidate.target;
    const cost = price === undefined || this.#tier !== undefined ? undefined : costOf(billed, price);
    return cost === undefined ? { cost: undefined, costBasis: "unpriced" } : { cost, costBasis: basis };
  }

  #saved(usage: Usage): PicoUsd | undefined {
    const { price } = this.#options.candidate.target;
    return price === undefined || usage.cacheRead === undefined ? undefined : cacheSaving(usage, price);
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

  #said(): Usage {
    const { candidate, visit } = this.#options;
    const { provider } = candidate.target.instance;
    return withAbsent(this.#usage, provider.absentCacheRead === "zero" || visit.tellsRead());
  }

  /** Whether each token's rate is known: of a prompt that was read from cache nobody knows how far, it is the full one at most. */
  #knowsRates({ cacheRead }: Usage): boolean {
    const rates = this.#options.candidate.target.price?.rates;
    return cacheRead !== undefined || rates?.cacheRead === undefined || rates.cacheRead === rates.inputUncached;
  }

  #learnLeanings(): void {
    const { bindings, candidate, leansOn, tenant } = this.#options;
    // Who passes over what it does not know has told nothing by its answer.
    if (candidate.target.instance.provider.refusesUnknownIds !== true) return;
    for (const leaning of leansOn.slice(0, LEANINGS_MAX)) bindings.learnLeaning(leaning, candidate.target, tenant);
  }

  #learnHosted(ids: readonly string[]): void {
    const { bindings, candidate, reservation, tenant } = this.#options;
    // Only in the client's own dialect is it told of them.
    if (reservation.lane !== "same") return;
    for (const id of ids.slice(0, LEANINGS_MAX)) bindings.learnHosted(id, candidate.target, tenant);
  }

  #learnKept(id: string): void {
    const { bindings, candidate, tenant } = this.#options;
    bindings.learnKept(id, candidate.target, tenant);
  }

  #learn(signature: string): void {
    const { bindings, candidate, tenant } = this.#options;
    this.#seals += 1;
    if (this.#seals <= SEALS_MAX) bindings.learnSignature(signature, candidate.target, tenant);
  }
}
