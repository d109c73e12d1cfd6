/**
 * Query parameters of the ledger's read routes: each is known, given once and well-formed, or the call is refused saying which is not.
 */
import type { Context } from "hono";
import { GatewayError } from "../src/errors.ts";
import type { AttemptFilter } from "../src/ledger-query.ts";
import type { Outcome } from "../src/ledger.ts";
import { nearest } from "../src/nearest.ts";

export const FILTER_PARAMETERS = [
  "exchange",
  "task",
  "task_class",
  "provider",
  "model",
  "outcome",
  "caller",
  "since",
  "until",
] as const;

export type Parameters = ReadonlyMap<string, string>;

/** @throws GatewayError `invalid-request` for one that is unknown, repeated or empty. */
export function parametersOf(url: string, allowed: readonly string[]): Parameters {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URL(url).searchParams) {
    if (!allowed.includes(name)) {
      throw wrong(name, `there is no parameter \`${shown(name)}\`; ${meant(name, allowed)}`);
    }
    if (parameters.has(name)) throw wrong(name, `\`${name}\` is given more than once`);
    if (value === "" || value.length > VALUE_CHARACTERS_MAX) {
      throw wrong(name, `\`${name}\` needs a value of 1 to ${VALUE_CHARACTERS_MAX} characters`);
    }
    parameters.set(name, value);
  }
  return parameters;
}

export function filterOf(parameters: Parameters): AttemptFilter {
  const filter: { -readonly [Key in keyof AttemptFilter]: AttemptFilter[Key] } = {};
  const text = (name: string, set: (value: string) => void) => {
    const value = parameters.get(name);
    if (value !== undefined) set(value);
  };
  text("exchange", (value) => (filter.exchange = value));
  text("task", (value) => (filter.task = value));
  text("task_class", (value) => (filter.taskClass = value));
  text("provider", (value) => (filter.provider = value));
  text("model", (value) => (filter.model = value));
  text("caller", (value) => (filter.caller = value));
  text("outcome", (value) => (filter.outcome = oneOf("outcome", value, OUTCOMES)));
  text("since", (value) => (filter.sinceMs = timeOf("since", value)));
  text("until", (value) => (filter.untilMs = timeOf("until", value)));
  return filter;
}

export function limitOf(parameters: Parameters, limitMax: number): number | undefined {
  const value = parameters.get("limit");
  if (value === undefined) return undefined;
  const limit = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > limitMax) throw wrong("limit", `\`limit\` is a whole number from 1 to ${limitMax}`);
  return limit;
}

export function cursorOf(parameters: Parameters): string | undefined {
  const cursor = parameters.get("cursor");
  if (cursor === undefined || /^\d{1,15}$/.test(cursor)) return cursor;
  throw wrong("cursor", "`cursor` is the `next_cursor` of the page before");
}

export function oneOf<Word extends string>(name: string, value: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) throw wrong(name, `\`${name}\` is one of ${words.join(", ")}`);
  return found;
}

export function wrong(name: string, message: string): GatewayError {
  return new GatewayError("invalid-request", message, { param: shown(name) });
}

/** Answers a read that failed; these routes belong to no client dialect. */
export function refused(error: unknown, context: Context): Response {
  const said =
    error instanceof GatewayError
      ? error
      : new GatewayError("internal", "the ledger could not be read", { cause: error });
  const type = said.kind === "invalid-request" ? "invalid_request_error" : said.kind.replaceAll("-", "_");
  const headers: Record<string, string> =
    said.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(said.retryAfterMs / 1000)) };
  const body = JSON.stringify({ error: { message: said.message, type, param: said.param ?? null } });
  return context.body(body, {
    status: said.status as 400,
    headers: { ...headers, "content-type": "application/json" },
  });
}

const OUTCOMES: readonly (Outcome | "open")[] = ["complete", "canceled", "failed", "rejected", "lost", "open"];
const VALUE_CHARACTERS_MAX = 1_000;

/** ISO 8601 as JavaScript reads it, beginning with a full date; without an offset a date is UTC. */
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;
const EPOCH_MS = /^\d{1,15}$/;

function timeOf(name: string, value: string): number {
  // A "+" that was not escaped arrives as a space.
  const written = value.replace(" ", "+");
  const time = EPOCH_MS.test(written) ? Number(written) : ISO.test(written) ? Date.parse(written) : Number.NaN;
  if (Number.isNaN(time)) {
    throw wrong(
      name,
      `\`${name}\` is a time: ISO 8601 with its offset (2026-11-22T09:00:00Z), a date, or milliseconds since 1970`,
    );
  }
  return time;
}

function shown(name: string): string {
  return name.slice(0, 64);
}

function meant(name: string, allowed: readonly string[]): string {
  const near = nearest(name, allowed, 1)[0];
  return near === undefined ? `there are ${allowed.join(", ")}` : `did you mean \`${near}\`?`;
}
