/**
 * A report's sums as JSON, for a restart: bounded, and money as text, which JSON has no numbers for. What is read back may be of another
 * version, or broken: all of it is taken, or none.
 */
import { z } from "zod";
import type { PicoUsd } from "../usage.ts";
import { BUST_CAUSES, type BustCause } from "./bust-cause.ts";
import { BREAKERS, type Breaker } from "./parting.ts";
import type { EndSnapshot } from "./report-ends.ts";

export interface ReportSnapshot {
  /** 1: of before it was known whose classes they are, which is nobody's since. */
  readonly version: 1 | 2;
  /** When the first call was counted. */
  readonly sinceMs: number | null;
  readonly classes: readonly ClassSnapshot[];
  readonly ends: readonly EndSnapshot[];
}

export interface ClassSnapshot {
  readonly tenant: string;
  readonly key: string;
  readonly counts: Readonly<Record<CountName, number>>;
  readonly saved: string;
  readonly savedAgainstEnd: string;
  readonly breakers: readonly BreakerSnapshot[];
  readonly causes: readonly CauseSnapshot[];
  readonly conversations: ConversationsSnapshot;
}

export interface BreakerSnapshot {
  readonly cause: BustCause | "other";
  readonly breaker: Breaker | null;
  readonly span: string;
  readonly calls: number;
  readonly lostTokens: number;
  readonly lostPicoUsd: string;
}

export interface CauseSnapshot {
  readonly cause: BustCause;
  readonly calls: number;
  readonly lostTokens: number;
  readonly lostPicoUsd: string;
}

/** The latest writes that may still be read. */
export interface ConversationsSnapshot {
  readonly wastedTokens: number;
  readonly wastedPicoUsd: string;
  readonly writes: readonly WriteSnapshot[];
}

export interface WriteSnapshot {
  readonly task: string;
  readonly from: number;
  readonly to: number;
  readonly expiresMs: number;
  readonly premium: string;
}

export const COUNT_NAMES = [
  "calls",
  "unknown",
  "prompt",
  "read",
  "written",
  "unpriced",
  "predicted",
  "predictedRead",
  "predictedPrompt",
  "missed",
  "diagnosed",
  "disagreed",
] as const;
export type CountName = (typeof COUNT_NAMES)[number];

/** @throws Error that says what does not fit, and not what it holds. */
export function readSnapshot(value: unknown): ReportSnapshot {
  const read = SNAPSHOT.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`what was kept of the cache report does not fit at ${issue?.path.join(".") ?? "its beginning"}`);
}

export function moneyText(amount: PicoUsd): string {
  return String(amount);
}

const CLASSES_MAX = 10_000;
const ROWS_MAX = 1_000;
const ENDS_MAX = 10_000;
const AMOUNT = z.number().nonnegative();
/** As far as a date can say it. */
const TIME = z.number().min(0).max(8.64e15);
const MONEY = z.string().regex(/^-?\d{1,40}$/);

const SNAPSHOT = z.object({
  version: z.literal([1, 2]),
  sinceMs: TIME.nullable(),
  classes: z
    .array(
      z.object({
        tenant: z.string().default(""),
        key: z.string(),
        counts: z.record(z.enum(COUNT_NAMES), AMOUNT),
        saved: MONEY,
        savedAgainstEnd: MONEY,
        breakers: z
          .array(
            z.object({
              cause: z.enum([...BUST_CAUSES, "other"]),
              breaker: z.enum(BREAKERS).nullable(),
              span: z.string(),
              calls: AMOUNT,
              lostTokens: AMOUNT,
              lostPicoUsd: MONEY,
            }),
          )
          .max(ROWS_MAX),
        causes: z
          .array(z.object({ cause: z.enum(BUST_CAUSES), calls: AMOUNT, lostTokens: AMOUNT, lostPicoUsd: MONEY }))
          .max(BUST_CAUSES.length)
          .default([]),
        conversations: z.object({
          wastedTokens: AMOUNT,
          wastedPicoUsd: MONEY,
          writes: z
            .array(z.object({ task: z.string(), from: AMOUNT, to: AMOUNT, expiresMs: TIME, premium: MONEY }))
            .max(ROWS_MAX),
        }),
      }),
    )
    .max(CLASSES_MAX),
  ends: z
    .array(z.object({ key: z.string(), whole: AMOUNT, usedMs: TIME, readableMs: TIME }))
    .max(ENDS_MAX)
    .default([]),
});
