/** Alerts, notices and channels for the tests of their delivery: one of each, to be varied. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Alert, AlertEvent } from "../src/alerts/alert.ts";
import type { BudgetNotice } from "../src/budgets/budget.ts";
import type { Channel } from "../src/delivery/message.ts";

export const USD = 1_000_000_000_000n;
export const DAY_MS = 86_400_000;
/** A Wednesday. */
export const DAY_START_MS = Date.UTC(2026, 10, 25);
export const FIRED_AT_MS: number = DAY_START_MS + 14 * 3_600_000;

export function alert(change: Partial<Alert> = {}): Alert {
  return {
    id: "spend-day|batch|2026-11-25|1.5",
    rule: "spend-day",
    scope: "key",
    tag: undefined,
    value: "batch",
    level: 1.5,
    basis: "actual",
    window: { startMs: DAY_START_MS, endMs: DAY_START_MS + DAY_MS },
    spent: 90n * USD,
    baseline: 50n * USD,
    baselineKind: "learned",
    projected: 140n * USD,
    confidence: 0.9,
    unpricedCalls: 0,
    firedAtMs: FIRED_AT_MS,
    resolvedAtMs: undefined,
    cause: {
      excess: 40n * USD,
      windows: 28,
      parts: [
        {
          taskClass: "triage-ticket",
          target: "anthropic/claude-haiku-5-5",
          kind: "cache",
          amount: 28n * USD,
          before: 0.88,
          now: 0.03,
        },
      ],
      sinceMs: FIRED_AT_MS - 3_600_000,
      text: "71 % of the excess is class triage-ticket: cache reads fell from 88 % to 3 % at 14:05",
    },
    ...change,
  };
}

export function fired(change: Partial<Alert> = {}): AlertEvent {
  const made = alert(change);
  return {
    id: `${made.id}/fired`,
    kind: "fired",
    alert: made,
    text: "Spend of key `batch` today is 1.8 times its baseline ($90 of $50).",
    atMs: made.firedAtMs,
  };
}

export function resolved(change: Partial<Alert> = {}): AlertEvent {
  const made = alert({ resolvedAtMs: FIRED_AT_MS + 7_200_000, ...change });
  return {
    id: `${made.id}/resolved`,
    kind: "resolved",
    alert: made,
    text: "Spend of key `batch` is within its baseline again.",
    atMs: made.resolvedAtMs ?? 0,
  };
}

export function notice(change: Partial<BudgetNotice> = {}): BudgetNotice {
  return {
    id: "key-day|batch|2026-11-25|level:0.8",
    kind: "level",
    budget: "key-day",
    scope: "key",
    value: "batch",
    level: 0.8,
    window: { startMs: DAY_START_MS, endMs: DAY_START_MS + DAY_MS },
    spent: 8_010_000_000_000n,
    reserved: 200_000_000_000n,
    limit: 10n * USD,
    atMs: FIRED_AT_MS,
    ...change,
  };
}

export function channel(change: Partial<Channel> = {}): Channel {
  return {
    name: "ops",
    kind: "webhook",
    url: "https://hooks.example/sluice",
    allowPrivate: false,
    tells: ["alerts", "budgets"],
    timeoutMs: 10_000,
    resendMs: 60_000,
    ...change,
  };
}

/** What a receiver was sent. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** What it answers from now on; 200 at first. */
  answer(reply: (response: ServerResponse, number: number) => void): void;
  close(): Promise<void>;
}

/** A web server on 127.0.0.1 that remembers what it was told. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let reply = (response: ServerResponse, _number: number): unknown => response.writeHead(200).end("ok");
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      });
      reply(response, received.length);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    answer(next) {
      reply = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
