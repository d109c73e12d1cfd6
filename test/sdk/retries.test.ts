/** SDKs try again by themselves, and so does the gateway: what reaches a provider is bounded by the product, and no more. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { startSimulation, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({ yaml: "retries: { attemptsMax: 2, backoffMs: 1 }\n" });
});
afterAll(() => simulation.close());

/** By default: the first request and two more. */
const SDK_REQUESTS = 3;
const GATEWAY_ATTEMPTS = 2;
const model = "openai/gpt-5.4-nano";

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Clients as people make them, with the SDK's own retries. */
const SDKS: Readonly<Record<string, (fetch: Fetch, text: string) => Promise<unknown>>> = {
  "OpenAI's SDK": (fetch, text) =>
    new OpenAI({ baseURL: `${simulation.gateway.url}/v1`, apiKey: "any", fetch }).chat.completions.create({
      model,
      messages: [{ role: "user", content: text }],
    }),
  "Anthropic's SDK": (fetch, text) =>
    new Anthropic({ baseURL: simulation.gateway.url, apiKey: "any", fetch }).messages.create({
      model,
      max_tokens: 64,
      messages: [{ role: "user", content: text }],
    }),
};

describe.concurrent.each(Object.entries(SDKS))("%s", (sdk, call) => {
  /** Asks once, and brings back the rows of every request that the SDK made of it. */
  const ask = async (text: string): Promise<{ readonly rows: readonly AttemptRow[]; readonly isAnswered: boolean }> => {
    const exchanges: (string | null)[] = [];
    const fetchSeen: Fetch = async (url, init) => {
      const response = await fetch(url, init);
      exchanges.push(response.headers.get("x-sluice-exchange"));
      return response;
    };
    const isAnswered = await call(fetchSeen, `${text} ${sdk}`).then(
      () => true,
      () => false,
    );
    const rows = await Promise.all(exchanges.map((exchange) => simulation.gateway.attempts(exchange)));
    return { rows: rows.flat(), isAnswered };
  };
  const exchangesIn = (rows: readonly AttemptRow[]) => new Set(rows.map((row) => row.exchange)).size;

  test("a lasting 500 costs no more upstream requests than the product, all of one task", async () => {
    const { rows, isAnswered } = await ask("[[sandbox: fault=500]] Hello");
    expect(isAnswered).toBe(false);
    expect(rows).toHaveLength(SDK_REQUESTS * GATEWAY_ATTEMPTS);
    expect(exchangesIn(rows)).toBe(SDK_REQUESTS);
    expect(new Set(rows.map((row) => row.task)).size).toBe(1);
  });

  test("a 500 that the second attempt mends is never seen", async () => {
    const { rows, isAnswered } = await ask(`[[sandbox: fault=500 times=1 who="${sdk}"]] Hello`);
    expect(isAnswered).toBe(true);
    expect(rows.map((row) => row.outcome)).toEqual(["failed", "complete"]);
    expect(exchangesIn(rows)).toBe(1);
  });

  test.each(["400", "403", "404", "429-quota"])("%s is not asked again", async (fault) => {
    const { rows, isAnswered } = await ask(`[[sandbox: fault=${fault}]] Hello`);
    expect(isAnswered).toBe(false);
    expect(rows).toHaveLength(1);
  });

  test("a wait that is too long for the gateway is the SDK's, and as long as it is told", async () => {
    const startedAt = performance.now();
    const { rows, isAnswered } = await ask(`[[sandbox: fault=429 retry-after=3 times=1 who="${sdk}"]] Hello`);
    expect(isAnswered).toBe(true);
    expect(rows.map((row) => row.outcome)).toEqual(["failed", "complete"]);
    expect(exchangesIn(rows)).toBe(2);
    expect(performance.now() - startedAt).toBeGreaterThan(2_900);
  });

  test("a short one is the gateway's, and the SDK knows nothing of it", async () => {
    const { rows, isAnswered } = await ask(`[[sandbox: fault=429 retry-after=1 times=1 who="${sdk}"]] Hello`);
    expect(isAnswered).toBe(true);
    expect(rows.map((row) => row.outcome)).toEqual(["failed", "complete"]);
    expect(exchangesIn(rows)).toBe(1);
  });
});
