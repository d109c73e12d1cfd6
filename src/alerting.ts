/** Alerts as a gateway has them: what they read, what they are kept by, and the clock that looks once a minute. */
import { causeOf } from "./alert-cause.ts";
import type { AlertRule } from "./alerts/alert.ts";
import { ALERTS_STATE, createAlerts, type Alerts } from "./alerts/alerts.ts";
import type { Weights } from "./alerts/cause.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import { priceAt } from "./model.ts";
import type { Targets } from "./target.ts";
import { BILLED_BUCKETS } from "./usage.ts";

export interface AlertingOptions {
  readonly ledger: () => Pick<Ledger, "tasks" | "keep" | "kept">;
  readonly targets: () => Targets;
  readonly classNameOf: (id: string) => string | undefined;
  readonly now: () => number;
  readonly log: Log;
}

export interface Alerting extends Alerts {
  /** Once the ledger is open: what was kept, what was spent, and then a look a minute. */
  start(rules: readonly AlertRule[]): Promise<void>;
  close(): void;
}

const EVERY_MS = 60_000;

export function createAlerting({ ledger, targets, classNameOf, now, log }: AlertingOptions): Alerting {
  let rules: readonly AlertRule[] = [];
  let revision = 0;
  let timer: NodeJS.Timeout | undefined;
  const alerts = createAlerts({
    read: (query) => ledger().tasks({ ask: "spend-slots", query }),
    cause: (alert) =>
      causeOf(alert, {
        growth: (query) => ledger().tasks({ ask: "growth", query }),
        course: (query) => ledger().tasks({ ask: "course", query }),
        ruleOf: (name) => rules.find((rule) => rule.name === name),
        weightsOf: (target) => weightsOf(target, targets(), now()),
        classNameOf,
      }),
    classNameOf,
    keep: (name, value) => ledger().keep(name, value),
    now,
    log,
  });
  const keep = () => {
    if (alerts.revision() === revision) return;
    revision = alerts.revision();
    ledger().keep(ALERTS_STATE, JSON.stringify(alerts.snapshot()));
  };
  const look = async () => {
    try {
      await alerts.evaluate();
      keep();
    } catch (error) {
      log.error("alerts-failed", { reason: error instanceof Error ? error.message : String(error) });
    }
  };
  const configure = (given: readonly AlertRule[]) => {
    rules = given;
    return alerts.configure(given);
  };
  return {
    ...boundTo(alerts),
    configure,
    async start(given) {
      try {
        const kept = await ledger().kept(ALERTS_STATE);
        if (kept !== undefined) alerts.restore(JSON.parse(kept));
      } catch (error) {
        const reason = error instanceof SyntaxError ? "what was kept is not JSON" : (error as Error).message;
        log.warn("alerts-lost", { reason });
      }
      // Calls are answered meanwhile: what they cost counts from now on.
      void configure(given);
      timer = setInterval(() => void look(), EVERY_MS).unref();
    },
    close() {
      clearInterval(timer);
      keep();
    },
  };
}

function boundTo(alerts: Alerts): Alerts {
  return {
    settled: (entry) => alerts.settled(entry),
    configure: (rules) => alerts.configure(rules),
    evaluate: () => alerts.evaluate(),
    snapshot: () => alerts.snapshot(),
    restore: (snapshot) => alerts.restore(snapshot),
    revision: () => alerts.revision(),
    alerts: () => alerts.alerts(),
    states: () => alerts.states(),
    onAlert: (listener) => alerts.onAlert(listener),
  };
}

/** How dear each kind of token is beside the others; what the model's price does not name weighs nothing. */
function weightsOf(target: string, targets: Targets, atMs: number): Weights | undefined {
  let record;
  try {
    [record] = targets.resolve(target).targets.map((one) => one.record);
  } catch {
    return undefined;
  }
  const rates = record === undefined ? undefined : priceAt(record, atMs)?.rates;
  const base = Number(rates?.inputUncached ?? 0n);
  return rates === undefined || base <= 0
    ? undefined
    : BILLED_BUCKETS.map((bucket) => Number(rates[bucket] ?? 0n) / base);
}
