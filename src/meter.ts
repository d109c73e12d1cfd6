/**
 * The one reader of what an answer used: sees every event, and settles the attempt's ledger row exactly once, whichever way
 * the answer ends: complete, canceled or failed. One that goes on in the background is left open (`background.ts`).
 */
import type { PlacedPrompt } from "./cache/placer.ts";
import type { CacheFacts } from "./cache-headers.ts";
import type { CacheDiagnosis, ChatEvent, FinishReason, Loss } from "./chat.ts";
import type { Bindings } from "./binding.ts";
import type { Leaning } from "./bound.ts";
import type { ErrorKindName } from "./errors.ts";
import { heldGain } from "./held-gain.ts";
import type { CostBasis, LedgerEntry, Outcome, Reservation, UsageBasis } from "./ledger.ts";
import type { Visit } from "./replicas.ts";
import type { Candidate } from "./target.ts";
import type { AnswerCheck } from "./tasks/answer-check.ts";
import type { Signal } from "./tasks/signals.ts";
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
  /** What it would have read had it not waited, by what was known then. */
  readonly unheldRead: number;
  /** Of all its attempts up to this one, for the client. */
  readonly heldInAllMs: number;
  readonly bindings: Bindings;
  /** Whose call it is (`Caller.tenant`). */
  readonly tenant: string;
  /** What the request leans on at the provider: it is there, or a provider that looks would have refused the request. */
  readonly leansOn: readonly Leaning[];
  /** Whether the provider keeps its answer, so that it can be gone on from by its id. */
  readonly keepsAnswer: boolean;
  /** Judges the answer, where what was asked for can be judged. */
  readonly check: AnswerCheck | undefined;
  /** Told what the answer is kept by. */
  readonly kept: (id: string) => void;
  /** Losses of the request; the encoder adds its own to the same list while the answer runs. */
  readonly losses: readonly Loss[];
  /** A lower count of the prompt means that the server cut it; `undefined`: it would have said so. */
  readonly certainPromptTokens: number | undefined;
  readonly overheadMs: number;
  /** Told the answer's id, where the provider compares the prompts of its answers. */
  readonly answered?: (id: string) => void;
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

/** What was used, and at which usage it is priced; nothing: it is not billed. */
interface Bill {
  readonly usage: Usage;
  readonly usageBasis: UsageBasis;
  readonly billed: Usage | undefined;
  readonly basis: CostBasis;
}

const NO_BILL: Bill = { usage: UNKNOWN_USAGE, usageBasis: "unknown", billed: undefined, basis: "not-billed" };

export class Meter {
  readonly #options: MeterOptions;
  #usage: Usage = UNKNOWN_USAGE;
  /** As it was told to the client before the row was settled. */
  #bill: Bill | undefined;
  /** How it was served, where the price that we know is not the price of that. */
  #tier: string | undefined;
  /** What the provider said of the prompt's cache. */
  #diagnosis: CacheDiagnosis | undefined;
  #firstEventAtMs: number | undefined;
  /** When it was whole, where it was looked through before it went on to the client. */
  #endedAtMs: number | undefined;
  /** What was found out about it besides. */
  readonly #noted: Signal[] = [];
  #finish: FinishReason | undefined;
  #isRefusal = false;
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

  /**
   * What is known of the prompt's cache by now.
   *
   * @param ahead Events that have come, and are yet to be observed.
   */
  caching(ahead: readonly ChatEvent[] = []): CacheFacts {
    const { placed, heldInAllMs } = this.#options;
    // What was estimated is for the row, where it is marked as such.
    const said = this.#bill?.usageBasis === "reported" ? this.#bill.usage : this.#usage;
    let [usage, tier] = [said, this.#tier];
    for (const event of ahead) {
      if (event.type === "error") break;
      if (event.type !== "usage") continue;
      usage = laterUsage(usage, plausible(event.usage));
      tier = event.tier ?? tier;
    }
    const saved = tier === undefined ? this.#saved({ ...usage, output: usage.output ?? 0 }) : undefined;
    const { predictedRead, marksChange } = placed;
    return { usage, saved, predictedRead, heldMs: heldInAllMs, marksChange };
  }

  /** The answer's first bytes are with the client: what was not to delay them is done now. */
  explain(): void {
    this.#options.placed.explain();
  }

  /** The settled row; `undefined` while the answer runs. */
  get entry(): LedgerEntry | undefined {
    return this.#entry;
  }

  /** Its first event is here, and will be observed later on. */
  arrived(): void {
    this.#firstEventAtMs ??= this.#options.now();
  }

  /** All of it is here: what is done with it from now on is not the provider's time. */
  arrivedWhole(): void {
    this.#endedAtMs ??= this.#options.now();
  }

  /** For its row. */
  note(signal: Signal): void {
    this.#noted.push(signal);
  }

  observe(event: ChatEvent): void {
    this.#firstEventAtMs ??= this.#options.now();
    this.#options.check?.event(event);
    switch (event.type) {
      case "usage":
        this.#usage = laterUsage(this.#usage, plausible(event.usage));
        this.#tier = event.tier ?? this.#tier;
        this.#diagnosis = event.diagnosis ?? this.#diagnosis;
        return;
      case "finish":
        if (event.state === "under-way" && this.#background !== undefined) return;
        this.#finish = event.reason;
        if (this.#options.keepsAnswer) event.kept?.forEach((id) => this.#learnKept(id));
        this.#learnHosted(event.hosted ?? []);
        return;
      case "refusal-delta":
        this.#isRefusal = true;
        this.#characters += event.text.length;
        return;
      case "text-delta":
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
        if (event.id !== undefined) this.#options.answered?.(event.id);
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

  /** What is passed on unread. */
  passes(bytes: Uint8Array): void {
    this.#options.check?.bytes(bytes);
  }

  /** A frame of output that was passed on unread. */
  weigh(bytes: number): void {
    this.#firstEventAtMs ??= this.#options.now();
    this.#frames += 1;
    this.#frameBytes += bytes;
    this.#frameBytesMin = Math.min(this.#frameBytesMin, bytes);
  }

  /**
   * What the answer will be billed once it is complete, when nothing more is to come of it: for those who tell the client before its
   * row is settled. @returns `undefined`: it goes on in the background, and nobody knows yet.
   */
  bill(): { readonly cost: PicoUsd | undefined } | undefined {
    if (this.#goesOn) return undefined;
    this.#bill ??= this.#completeBill();
    return this.#price(this.#bill);
  }

  complete(): void {
    this.#settle("complete", 200, undefined, this.#bill ?? this.#completeBill());
  }

  /**
   * The client left. What was delivered is billed, and so is the prompt: never nothing.
   *
   * @param mayBill False when the request had not been sent yet.
   */
  canceled(mayBill = true): void {
    if (!mayBill) {
      this.#settle("canceled", 499, "canceled", NO_BILL);
      return;
    }
    if (this.#finish !== undefined && isCounted(this.#usage)) {
      this.complete();
      return;
    }
    const usage = this.#estimated(this.#said());
    this.#settle("canceled", 499, "canceled", { usage, usageBasis: "estimated", billed: usage, basis: "estimated" });
  }

  failed(failure: Failure): void {
    if (!failure.mayBill) {
      this.#settle("failed", failure.status, failure.kind, NO_BILL);
      return;
    }
    const said = this.#said();
    // It broke after it had told its bill: nothing is left to be guessed.
    const usageBasis = this.#finish !== undefined && isCounted(said) ? "reported" : "estimated";
    const usage = usageBasis === "reported" ? said : this.#estimated(said);
    const basis = this.#knowsRates(usage) ? usageBasis : "estimated";
    this.#settle("failed", failure.status, failure.kind, { usage, usageBasis, billed: usage, basis });
  }

  #completeBill(): Bill {
    const usage = this.#said();
    const known = isCounted(usage);
    const split = known ? this.#split(usage) : undefined;
    if (split !== undefined) {
      // Where the price has no rate for reads, the whole prompt at the full one is what it may cost.
      const { price } = this.#options.candidate.target;
      const billed = price === undefined || costOf(split, price) !== undefined ? split : usage;
      return { usage: split, usageBasis: "estimated", billed, basis: "estimated" };
    }
    return {
      usage,
      usageBasis: known ? "reported" : "unknown",
      billed: known ? usage : this.#estimated(usage),
      basis: known && this.#knowsRates(usage) ? "reported" : "estimated",
    };
  }

  #settle(outcome: Outcome, status: number, errorKind: string | undefined, bill: Bill): void {
    if (this.#entry !== undefined || this.#isPostponed) return;
    const { reservation, losses, overheadMs, placed, heldMs, unheldRead, now } = this.#options;
    const { price } = this.#options.candidate.target;
    const { usage, usageBasis } = bill;
    const { cost, costBasis } = this.#price(bill);
    const nowMs = now();
    if (this.#firstEventAtMs === undefined) placed.failed();
    else placed.settled(usageBasis === "reported" ? this.#cached(usage) : this.#toldCached(), nowMs, this.#diagnosis);
    const shown = outcome === "complete" ? (this.#options.check?.signals() ?? []) : [];
    const entry: LedgerEntry = {
      ...reservation,
      signals: [...(reservation.signals ?? []), ...shown, ...this.#noted],
      outcome,
      status,
      errorKind,
      usage,
      usageBasis,
      cost,
      costBasis,
      ttftMs: this.#firstEventAtMs === undefined ? undefined : this.#firstEventAtMs - reservation.startedAtMs,
      durationMs: (this.#endedAtMs ?? nowMs) - reservation.startedAtMs,
      overheadMs,
      // Some say that they just stopped, and a refusal in words.
      finishReason: this.#isRefusal && this.#finish === "stop" ? "refusal" : this.#finish,
      predictedRead: placed.predictedRead,
      cacheSaved: cost === undefined || costBasis === "not-billed" ? undefined : this.#saved(usage),
      cacheMarks: placed.marksText,
      cacheBust: placed.bustText,
      heldMs: heldMs === 0 ? undefined : heldMs,
      heldGain: heldMs === 0 ? undefined : heldGain(usage, unheldRead, this.#tier === undefined ? price : undefined),
      losses: this.isTruncated ? [...losses, { field: PROMPT_TRUNCATED, path: "messages" }] : [...losses],
    };
    if (this.#background !== undefined && this.#goesOn) {
      this.#isPostponed = true;
      this.#options.postpone(this.#background, entry);
      return;
    }
    this.#entry = entry;
    this.#options.settle(entry);
  }

  /** Of a prompt that was cut, what is in the cache is not known. */
  #cached(usage: Usage): Usage | undefined {
    return this.isTruncated ? undefined : usage;
  }

  /** Of an answer that did not come to its end: some tell at its start what of the prompt was read and written. */
  #toldCached(): Usage | undefined {
    const { inputUncached, cacheRead } = this.#usage;
    return inputUncached === undefined || cacheRead === undefined ? undefined : this.#cached(this.#usage);
  }

  /** Whether its provider works on it after it has been told, so that its bill is yet to come. */
  get #goesOn(): boolean {
    return this.#background !== undefined && this.#finish === undefined;
  }

  #price({ billed, basis }: Pick<Bill, "billed" | "basis">): { cost: PicoUsd | undefined; costBasis: CostBasis } {
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
    const { bindings, candidate, tenant, kept } = this.#options;
    bindings.learnKept(id, candidate.target, tenant);
    kept(id);
  }

  #learn(signature: string): void {
    const { bindings, candidate, tenant } = this.#options;
    this.#seals += 1;
    if (this.#seals <= SEALS_MAX) bindings.learnSignature(signature, candidate.target, tenant);
  }
}
