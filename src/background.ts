/**
 * Answers that their providers make in the background: what they cost is told after the call that asked for them is over, to whoever
 * asks for the answer then. Until that is heard, the attempt's row is open; it is settled exactly once, also by a later process.
 *
 * What nobody asks for again is `lost`, at its estimate, once its provider has let go of it.
 */
import { hash } from "node:crypto";
import type { ChatEvent } from "./chat.ts";
import { classify } from "./errors.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";
import { POSTPONED_MAX, type Postponed } from "./ledger-postponed.ts";
import {
  cacheSaving,
  costOf,
  isCounted,
  laterUsage,
  plausible,
  UNKNOWN_USAGE,
  withAbsent,
  type Price,
  type Usage,
} from "./usage.ts";

export interface BackgroundAnswers {
  /** An attempt whose answer goes on by itself. @param id The answer's. @param tenant Whose it is. */
  postpone(id: string, tenant: string, postponed: Omit<Postponed, "key">): void;
  /** Whoever hears what is told of this answer; `undefined`: nothing is open that it would settle. @param tenant Who asks. */
  listener(id: string, tenant: string): BackgroundListener | undefined;
  /** What earlier processes left open. */
  recall(postponed: readonly Postponed[]): void;
  /** Closes what its provider has let go of. */
  sweep(): void;
}

export interface BackgroundListener {
  /** Events of the answer, in order, from its beginning or from anywhere. */
  hear(events: readonly ChatEvent[]): void;
  /** Its provider has it no more: nothing will be told. */
  gone(): void;
}

/** Providers keep answers for so long (OpenAI: 30 days). */
const KEPT_MS = 30 * 86_400_000;

export function createBackgroundAnswers(
  ledger: Pick<Ledger, "postpone" | "settle">,
  now: () => number,
): BackgroundAnswers {
  /** Oldest first. */
  const open = new Map<string, Postponed>();
  const settle = (postponed: Postponed, entry: LedgerEntry) => {
    if (open.delete(postponed.key)) ledger.settle(entry);
  };
  const sweep = () => {
    const endedMs = now() - KEPT_MS;
    for (const postponed of open.values()) {
      if (postponed.entry.startedAtMs > endedMs && open.size <= POSTPONED_MAX) return;
      settle(postponed, lost(postponed, now()));
    }
  };
  return {
    postpone(id, tenant, postponed) {
      const keyed = { ...postponed, key: keyOf(id, tenant) };
      open.set(keyed.key, keyed);
      ledger.postpone(keyed);
      sweep();
    },
    listener(id, tenant) {
      const postponed = open.get(keyOf(id, tenant));
      return postponed === undefined ? undefined : new Listener(postponed, now, (entry) => settle(postponed, entry));
    },
    recall(postponed) {
      for (const one of postponed) open.set(one.key, one);
      sweep();
    },
    sweep,
  };
}

function keyOf(id: string, tenant: string): string {
  return hash("sha256", `${tenant}\u0000${id}`, "base64url").slice(0, 22);
}

class Listener implements BackgroundListener {
  readonly #postponed: Postponed;
  readonly #now: () => number;
  readonly #settle: (entry: LedgerEntry) => void;
  #usage: Usage = UNKNOWN_USAGE;
  #tier: string | undefined;

  constructor(postponed: Postponed, now: () => number, settle: (entry: LedgerEntry) => void) {
    this.#postponed = postponed;
    this.#now = now;
    this.#settle = settle;
  }

  hear(events: readonly ChatEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case "usage":
          this.#usage = laterUsage(this.#usage, plausible(event.usage));
          this.#tier = event.tier ?? this.#tier;
          break;
        case "finish":
          if (event.state === "under-way") return;
          if (event.state === "canceled") this.#end({ outcome: "canceled", status: 499, errorKind: "canceled" });
          else this.#end({ outcome: "complete", status: 200, errorKind: undefined, finishReason: event.reason });
          return;
        case "error":
          // That we could not read it to its end says nothing about how it ended.
          if (event.error.ours !== true) {
            const { status } = event.error;
            this.#end({ outcome: "failed", status, errorKind: classify(status, event.error) });
          }
          return;
        case "start":
        case "done":
        case "text-delta":
        case "refusal-delta":
        case "reasoning-delta":
        case "reasoning-end":
        case "reasoning-redacted":
        case "tool-call-start":
        case "tool-call-delta":
        case "tool-call-end":
        case "opaque":
          break;
      }
    }
  }

  gone(): void {
    this.#settle(lost(this.#postponed, this.#now()));
  }

  #end(ending: Pick<LedgerEntry, "outcome" | "status" | "errorKind"> & Partial<LedgerEntry>): void {
    const { entry, price, absentReadIsZero } = this.#postponed;
    const durationMs = this.#now() - entry.startedAtMs;
    const usage = withAbsent(this.#usage, absentReadIsZero);
    if (!isCounted(usage)) {
      // It ended without its bill (who calls one off is not told what was made by then): nobody knows better than the estimate.
      this.#settle({ ...lost(this.#postponed, this.#now()), ...ending });
      return;
    }
    const cost = price === undefined || this.#tier !== undefined ? undefined : costOf(usage, price);
    this.#settle({
      ...entry,
      ...ending,
      usage,
      usageBasis: "reported",
      cost,
      costBasis: cost === undefined ? "unpriced" : "reported",
      cacheSaved: cost === undefined ? undefined : savedBy(usage, price),
      durationMs,
    });
  }
}

function savedBy(usage: Usage, price: Price | undefined): LedgerEntry["cacheSaved"] {
  return price === undefined || usage.cacheRead === undefined ? undefined : cacheSaving(usage, price);
}

/** What is written where nothing more can be heard. */
function lost({ entry }: Postponed, nowMs: number): LedgerEntry {
  return {
    ...entry,
    outcome: "lost",
    usage: UNKNOWN_USAGE,
    usageBasis: "unknown",
    cost: entry.estimate,
    costBasis: entry.estimate === undefined ? "unpriced" : "estimated",
    cacheSaved: undefined,
    durationMs: nowMs - entry.startedAtMs,
  };
}
