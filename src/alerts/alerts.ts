/**
 * Alerts: spend that leaves its own baseline. Counts as rows are settled, looks once a minute, tells each alert once and when it is over.
 *
 * What was decided is kept with what is still to be told, so that a restart neither forgets nor repeats; what was spent is read from the
 * ledger at the start, and again when the clock jumps.
 */
import type { LedgerEntry } from "../ledger.ts";
import type { SpendSlots, SpendSlotsQuery } from "../ledger-spend-slots.ts";
import type { Log } from "../log.ts";
import type { Alert, AlertEvent, AlertListener, AlertRule, AlertSource, Cause, WatchState } from "./alert.ts";
import { keptText, readKept } from "./kept-alerts.ts";
import { SLOT_MS } from "./spend.ts";
import { SpendBook } from "./spend-book.ts";
import { eventText } from "./text.ts";
import { Watch, type KeptValue } from "./watch.ts";

export interface AlertDependencies {
  /** Sees everything that was settled before it is asked. */
  readonly read: (query: SpendSlotsQuery) => Promise<SpendSlots>;
  /** Why an alert fires; rejects where the ledger cannot say. */
  readonly cause: (alert: Alert) => Promise<Cause | undefined>;
  readonly classNameOf: (id: string) => string | undefined;
  /** Writes the state down at once, behind what listeners wrote. */
  readonly keep: (name: string, value: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Pick<Log, "info" | "warn" | "error">;
}

export interface Alerts extends AlertSource {
  /** A ledger sink. */
  settled(entry: LedgerEntry): void;
  /** New rules; those that stay keep their state. @returns when what was spent is read. */
  configure(rules: readonly AlertRule[]): Promise<void>;
  /** Looks once, and tells. To be called about once a minute. Never rejects. */
  evaluate(): Promise<void>;
  snapshot(): unknown;
  restore(snapshot: unknown): void;
  revision(): number;
}

/** The name that the state is kept by. */
export const ALERTS_STATE = "alerts";

/** @example alerts.onAlert((event) => outbox.add(event.id, event)); setInterval(() => void alerts.evaluate(), 60_000) */
export function createAlerts(dependencies: AlertDependencies): Alerts {
  return new Watcher(dependencies);
}

/** Resolved ones that are still shown, and events that wait for a listener that takes them. */
const PAST_MAX = 100;
const UNTOLD_MAX = 1_000;
/** One look follows the other within a minute: a clock that is off by more has been set, or its machine slept. */
const JUMP_MS = 1_800_000;
/** What one question reads. */
const READ_MS = 2 * 86_400_000;
const READ_AGAIN_MS = 60_000;

class Watcher implements Alerts {
  readonly #dependencies: AlertDependencies;
  readonly #listeners: AlertListener[] = [];
  #books = new Map<string, SpendBook>();
  #watches = new Map<string, Watch>();
  /** Of rules that were not there yet when the state was restored, by their identity. */
  #orphans = new Map<string, readonly KeptValue[]>();
  #untold: AlertEvent[] = [];
  #past: readonly Alert[] = [];
  #revision = 0;
  #lastMs: number | undefined;
  #readMs = Number.NEGATIVE_INFINITY;
  #telling: Promise<void> | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(dependencies: AlertDependencies) {
    this.#dependencies = dependencies;
  }

  onAlert(listener: AlertListener): void {
    this.#listeners.push(listener);
  }

  settled(entry: LedgerEntry): void {
    for (const book of this.#books.values()) book.settled(entry);
  }

  alerts(): readonly Alert[] {
    const open = [...this.#watches.values()].flatMap((watch) => watch.open());
    return [...open.toSorted((one, other) => other.firedAtMs - one.firedAtMs), ...this.#past];
  }

  states(): readonly WatchState[] {
    const nowMs = this.#dependencies.now();
    return [...this.#watches.values()].flatMap((watch) => watch.states(nowMs));
  }

  async configure(rules: readonly AlertRule[]): Promise<void> {
    const nowMs = this.#dependencies.now();
    const before = this.#watches;
    const books = new Map<string, SpendBook>();
    this.#watches = new Map();
    for (const rule of rules) {
      const of = {
        scope: rule.scope,
        ...(rule.tag === undefined ? {} : { tag: rule.tag }),
        ...(rule.of === undefined ? {} : { of: rule.of }),
      };
      const name = JSON.stringify(of);
      const book = books.get(name) ?? this.#books.get(name) ?? new SpendBook(of, this.#dependencies.classNameOf);
      books.set(name, book);
      const identity = identityOf(rule);
      const watch = before.get(identity) ?? new Watch(rule, book);
      if (watch.rule !== rule) {
        watch.rule = rule;
        watch.reread();
      }
      watch.recall(this.#orphans.get(identity) ?? []);
      this.#orphans.delete(identity);
      before.delete(identity);
      this.#watches.set(identity, watch);
    }
    this.#books = books;
    for (const watch of before.values()) this.#decided(watch.ended(nowMs));
    // Those of a configuration before the restart.
    for (const [identity, kept] of this.#orphans) {
      const rule = JSON.parse(identity) as AlertRule;
      const watch = new Watch(rule, new SpendBook({ scope: "global" }, this.#dependencies.classNameOf));
      watch.recall(kept);
      this.#decided(watch.ended(nowMs));
    }
    this.#orphans.clear();
    await this.#read(nowMs);
  }

  async evaluate(): Promise<void> {
    const nowMs = this.#dependencies.now();
    const sinceMs = this.#lastMs === undefined ? 0 : nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (sinceMs > JUMP_MS || sinceMs < -SLOT_MS) {
      this.#dependencies.log.warn("alerts-clock-jumped", { milliseconds: sinceMs });
      for (const book of this.#books.values()) book.isRead = false;
      this.#readMs = Number.NEGATIVE_INFINITY;
    }
    await (Math.abs(nowMs - this.#readMs) >= READ_AGAIN_MS ? this.#read(nowMs) : this.#reading);
    for (const watch of this.#watches.values()) if (watch.book.isRead) this.#decided(watch.evaluate(nowMs));
    await this.#tell();
  }

  snapshot(): unknown {
    const watches = [...this.#watches].map(([identity, watch]) => ({ identity, values: watch.kept() }));
    return keptText({ watches, untold: this.#untold, past: this.#past });
  }

  restore(snapshot: unknown): void {
    const { watches, untold, past } = readKept(snapshot);
    this.#orphans = new Map(watches.map(({ identity, values }) => [identity, values]));
    this.#untold = [...untold];
    this.#past = past;
  }

  revision(): number {
    return [...this.#watches.values()].reduce((sum, { revision }) => sum + revision, this.#revision);
  }

  #decided(events: readonly AlertEvent[]): void {
    if (events.length === 0) return;
    this.#revision += 1;
    this.#untold.push(...events);
    const lost = this.#untold.splice(0, Math.max(0, this.#untold.length - UNTOLD_MAX));
    if (lost.length > 0) this.#dependencies.log.error("alerts-untold", { events: lost.length });
    const resolved = events.flatMap(({ kind, alert }) => (kind === "resolved" ? [alert] : []));
    this.#past = [...resolved.toReversed(), ...this.#past].slice(0, PAST_MAX);
  }

  /** One after the other, also where it is looked again meanwhile. */
  #tell(): Promise<void> {
    this.#telling ??= this.#toldAll().finally(() => {
      this.#telling = undefined;
    });
    return this.#telling;
  }

  async #toldAll(): Promise<void> {
    for (let event = this.#untold[0]; event !== undefined; event = this.#untold[0]) {
      const told = event.kind === "fired" ? await this.#explained(event) : event;
      if (!this.#heard(told)) return;
      this.#untold.shift();
      this.#revision += 1;
      this.#dependencies.log.warn(`alert-${told.kind}`, { alert: told.alert.id, text: told.text });
      this.#dependencies.keep(ALERTS_STATE, JSON.stringify(this.snapshot()));
    }
  }

  async #explained(event: AlertEvent): Promise<AlertEvent> {
    let { alert } = event;
    try {
      const cause = await this.#dependencies.cause(alert);
      if (cause !== undefined) alert = { ...alert, cause };
    } catch (error) {
      // Better an alert without its cause than none.
      this.#dependencies.log.warn("alert-cause-unread", { alert: alert.id, reason: reasonOf(error) });
    }
    for (const watch of this.#watches.values()) watch.explained(alert);
    return { ...event, alert, text: eventText(event.kind, alert) };
  }

  /** @returns whether all listeners have it. */
  #heard(event: AlertEvent): boolean {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#dependencies.log.error("alert-listener-failed", { event: event.id, reason: reasonOf(error) });
        return false;
      }
    }
    return true;
  }

  /** One after the other: a large ledger takes its time. */
  #read(nowMs: number): Promise<void> {
    this.#reading = this.#reading.then(() => this.#readDue(nowMs));
    return this.#reading;
  }

  /** The first question is asked at once, and sees what was settled until now; what comes later counts in memory. */
  async #readDue(nowMs: number): Promise<void> {
    const due = [...this.#books].filter(([, { isRead }]) => !isRead);
    if (due.length === 0) return;
    this.#readMs = nowMs;
    await Promise.all(
      due.map(async ([name, { of }]) => {
        const book = new SpendBook(of, this.#dependencies.classNameOf);
        this.#replace(name, book);
        try {
          await this.#readInto(book, nowMs);
          book.isRead = true;
        } catch (error) {
          this.#dependencies.log.error("alerts-unread", { scope: of.scope, reason: reasonOf(error) });
        }
      }),
    );
  }

  /** A few days after the other, the newest first: between them rows are written. What is older is not changed any more. */
  async #readInto(book: SpendBook, nowMs: number): Promise<void> {
    const { scope, tag } = book.of;
    const sinceMs = SpendBook.sinceMs(nowMs);
    for (let untilMs = nowMs + SLOT_MS; untilMs > sinceMs; untilMs -= READ_MS) {
      const times = { sinceMs: Math.max(sinceMs, untilMs - READ_MS), untilMs, slotMs: SLOT_MS };
      book.recall(await this.#dependencies.read({ scope, ...(tag === undefined ? {} : { tag }), ...times }), nowMs);
    }
  }

  #replace(name: string, book: SpendBook): void {
    const before = this.#books.get(name);
    this.#books.set(name, book);
    for (const [identity, watch] of this.#watches) {
      if (watch.book !== before) continue;
      watch.reread();
      watch.book = book;
      this.#watches.set(identity, watch);
    }
  }
}

/** What a state is of: told of anything else, it begins anew. */
function identityOf({ name, scope, tag, of, unit, timeZone, levels, baseline: { kind } }: AlertRule): string {
  return JSON.stringify({ name, scope, tag, of, unit, timeZone, levels, kind });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
