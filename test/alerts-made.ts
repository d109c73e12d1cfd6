/** Alerts without a gateway: rows that are kept in a list in the ledger's place, and a clock that is set by hand. */
import { DatabaseSync } from "node:sqlite";
import type { AlertEvent, AlertRule, Cause } from "../src/alerts/alert.ts";
import { ALERTS_STATE, createAlerts, type Alerts } from "../src/alerts/alerts.ts";
import type { LedgerEntry } from "../src/ledger.ts";
import { readSpendSlots } from "../src/ledger-spend-slots.ts";
import { appendSettlement, INSERT, MIGRATIONS, OPERATIONS, type Cell } from "../src/ledger-schema.ts";
import { PICO_USD_PER_USD } from "../src/usage.ts";
import { entry } from "./ledger-entry.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** A Monday. */
export const MONDAY_MS: number = Date.UTC(2026, 5, 1);

export const rule: AlertRule = {
  name: "key-day",
  scope: "key",
  unit: "day",
  timeZone: "UTC",
  baseline: { kind: "learned" },
  levels: [1.5],
  floor: 5n * PICO_USD_PER_USD,
  deviations: 3.5,
  historyDays: 14,
  confidence: 0.95,
};

export interface Made {
  readonly alerts: Alerts;
  readonly events: readonly AlertEvent[];
  readonly kept: ReadonlyMap<string, string>;
  readonly logged: readonly string[];
  nowMs: number;
  /** A call that began then. */
  spend(atMs: number, usd: number, change?: Partial<LedgerEntry>): void;
  /** Looks every so many minutes up to a time, and spends before each look. */
  until(toMs: number, usdAnHour: (atMs: number) => number, stepMs?: number): Promise<void>;
  fired(): readonly AlertEvent[];
  resolved(): readonly AlertEvent[];
  /** Another process with the same ledger. */
  restarted(rules?: readonly AlertRule[]): Promise<Made>;
}

export interface MadeOptions {
  readonly rules?: readonly AlertRule[];
  readonly nowMs?: number;
  readonly database?: DatabaseSync;
  readonly kept?: ReadonlyMap<string, string>;
  readonly events?: AlertEvent[];
  readonly cause?: (made: Made) => Promise<Cause | undefined>;
  readonly listener?: (event: AlertEvent) => void;
  readonly read?: () => void;
}

export async function madeAlerts(options: MadeOptions = {}): Promise<Made> {
  const { rules = [rule], nowMs = MONDAY_MS, events = [] } = options;
  const database = options.database ?? ledgerDatabase();
  const kept = new Map(options.kept);
  const logged: string[] = [];
  let calls = 0;
  const log = (message: string) => logged.push(message);
  const alerts = createAlerts({
    read: async (query) => {
      options.read?.();
      return readSpendSlots(database, query);
    },
    cause: () => options.cause?.(made) ?? Promise.resolve(undefined),
    classNameOf: () => undefined,
    keep: (name, value) => kept.set(name, value),
    now: () => made.nowMs,
    log: { info: log, warn: log, error: log },
  });
  alerts.onAlert((event) => {
    options.listener?.(event);
    events.push(event);
  });
  const made: Made = {
    alerts,
    events,
    kept,
    logged,
    nowMs,
    spend(atMs, usd, change = {}) {
      calls += 1;
      const cost = BigInt(Math.round(usd * 1e12));
      const row = entry(`${atMs}-${calls}-${Math.random()}`, { caller: "batch", startedAtMs: atMs, cost, ...change });
      insert(database, row);
      alerts.settled(row);
    },
    async until(toMs, usdAnHour, stepMs = 900_000) {
      while (made.nowMs < toMs) {
        const usd = (usdAnHour(made.nowMs) * stepMs) / HOUR_MS;
        if (usd > 0) made.spend(made.nowMs, usd);
        made.nowMs += stepMs;
        await alerts.evaluate();
      }
    },
    fired: () => events.filter(({ kind }) => kind === "fired"),
    resolved: () => events.filter(({ kind }) => kind === "resolved"),
    restarted: (again = rules) =>
      madeAlerts({
        ...options,
        rules: again,
        nowMs: made.nowMs,
        database,
        events,
        kept: new Map([[ALERTS_STATE, JSON.stringify(alerts.snapshot())]]),
      }),
  };
  const state = kept.get(ALERTS_STATE);
  if (state !== undefined) alerts.restore(JSON.parse(state));
  await alerts.configure(rules);
  return made;
}

export function ledgerDatabase(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  return database;
}

export function insert(database: DatabaseSync, row: LedgerEntry): void {
  const cells: Cell[] = [];
  appendSettlement(cells, row, false);
  database.prepare(OPERATIONS[INSERT]?.sql ?? "").run(...cells.slice(1));
}
