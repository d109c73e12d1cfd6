/** The alerts' state as it is kept over a restart: money as text, for JSON has no integers of its size. */
import { z } from "zod";
import { BUDGET_SCOPES } from "../budgets/budget.ts";
import { CAUSES, type Alert, type AlertEvent } from "./alert.ts";
import type { KeptValue } from "./watch.ts";

export interface KeptAlerts {
  readonly watches: readonly { readonly identity: string; readonly values: readonly KeptValue[] }[];
  /** Decided, and not taken over by every listener. */
  readonly untold: readonly AlertEvent[];
  readonly past: readonly Alert[];
}

export function keptText(kept: KeptAlerts): unknown {
  const text = JSON.stringify(kept, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  return { version: VERSION, ...(JSON.parse(text) as object) };
}

/** @throws Error where it is none. */
export function readKept(snapshot: unknown): KeptAlerts {
  const read = kept.safeParse(snapshot);
  if (!read.success) throw new Error("what was kept of alerts is not what was written");
  return read.data as KeptAlerts;
}

const VERSION = 1;

const money = z
  .string()
  .regex(/^-?\d{1,40}$/)
  .transform(BigInt);
const window = z.object({ startMs: z.number(), endMs: z.number() });
const optional = <Schema extends z.ZodType>(schema: Schema) => schema.optional();

const cause = z.object({
  excess: money,
  windows: z.number(),
  parts: z.array(
    z.object({
      taskClass: z.string(),
      target: z.string(),
      kind: z.enum(CAUSES),
      amount: money,
      before: z.number(),
      now: z.number(),
    }),
  ),
  sinceMs: optional(z.number()),
  text: z.string(),
});

const alert = z.object({
  id: z.string(),
  rule: z.string(),
  scope: z.enum(BUDGET_SCOPES),
  tag: optional(z.string()),
  value: z.string(),
  level: z.number(),
  basis: z.enum(["actual", "projected"]),
  window,
  spent: money,
  baseline: money,
  baselineKind: z.enum(["learned", "fixed", "imported"]),
  projected: optional(money),
  confidence: optional(z.number()),
  unpricedCalls: z.number(),
  firedAtMs: z.number(),
  resolvedAtMs: optional(z.number()),
  cause: optional(cause),
});

const level = z.object({
  level: z.number(),
  told: z.array(z.number()),
  overSinceMs: optional(z.number()),
  calmSinceMs: optional(z.number()),
  open: optional(alert),
});

const value = z.object({
  value: z.string(),
  windowMs: optional(z.number()),
  whole: optional(money),
  levels: z.array(level),
});

const kept = z.object({
  version: z.literal(VERSION),
  watches: z.array(z.object({ identity: z.string(), values: z.array(value) })),
  untold: z.array(
    z.object({ id: z.string(), kind: z.enum(["fired", "resolved"]), alert, text: z.string(), atMs: z.number() }),
  ),
  past: z.array(alert),
});
