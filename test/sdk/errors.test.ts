/** What goes wrong upstream or here is, in each SDK, the error class that its documentation promises. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { clientsOf, failure, startSimulation, TARGETS, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({ environment: { SLUICE_API_KEYS: "any" } });
});
afterEach(() => simulation.sandbox.faults.clear());
afterAll(() => simulation.close());

/** How each SDK asks, and what it calls the errors. */
const CLIENTS = [
  {
    sdk: "OpenAI",
    errors: OpenAI,
    /** Where the request's own words are needed: a marker for the simulator, a bad value. */
    ask: (model: string, text: string, more: object = {}) =>
      simulation.openai.chat.completions.create({ model, messages: [{ role: "user", content: text }], ...more }),
    stream: (model: string, text: string) =>
      simulation.openai.chat.completions
        .stream({ model, messages: [{ role: "user", content: text }] })
        .finalChatCompletion(),
  },
  {
    sdk: "Anthropic",
    errors: Anthropic,
    ask: (model: string, text: string, more: object = {}) =>
      simulation.anthropic.messages.create({
        model,
        max_tokens: 256,
        messages: [{ role: "user", content: text }],
        ...more,
      }),
    stream: (model: string, text: string) =>
      simulation.anthropic.messages
        .stream({ model, max_tokens: 256, messages: [{ role: "user", content: text }] })
        .finalMessage(),
  },
] as const;

interface SdkError extends Error {
  readonly status: number;
  readonly headers: Headers;
  readonly code?: string | null;
  readonly type?: string | null;
}

interface Expected {
  readonly fault: string;
  readonly name:
    | "BadRequestError"
    | "PermissionDeniedError"
    | "NotFoundError"
    | "RateLimitError"
    | "InternalServerError";
  readonly status: number;
  /** The provider's own words, where the caller can do something about them. */
  readonly says?: RegExp;
  /** Tries upstream: what may pass by itself is tried again, what the caller caused is not. */
  readonly tries: number;
}

const EXPECTED: readonly Expected[] = [
  { fault: "400", name: "BadRequestError", status: 400, says: /told to refuse this/, tries: 1 },
  { fault: "403", name: "PermissionDeniedError", status: 403, tries: 1 },
  { fault: "404", name: "NotFoundError", status: 404, tries: 1 },
  { fault: "429 retry-after=7", name: "RateLimitError", status: 429, tries: 1 },
  { fault: "500", name: "InternalServerError", status: 500, tries: 3 },
  { fault: "503", name: "InternalServerError", status: 503, tries: 3 },
  // It is the gateway's credential that was refused, which the caller can do nothing about.
  { fault: "401", name: "InternalServerError", status: 502, tries: 1 },
];

describe.each(CLIENTS)("$sdk's SDK", ({ ask, stream, errors }) => {
  describe.each(TARGETS)("with $name", (target) => {
    test.each(EXPECTED)("an upstream's $fault is a $name", async ({ fault, name, status, says, tries }) => {
      const calls: readonly ((text: string) => PromiseLike<unknown>)[] = [
        (text) => ask(target.name, text),
        (text) => stream(target.name, text),
      ];
      for (const call of calls) {
        const error = (await failure(call(`[[sandbox: fault=${fault}]] hello`))) as SdkError;
        expect(error).toBeInstanceOf(errors[name]);
        expect(error.status).toBe(status);
        if (says !== undefined) expect(error.message).toMatch(says);
        expect(error.headers.get("x-sluice-target")).toBe(target.name);
        const rows = await simulation.gateway.attempts(error.headers.get("x-sluice-exchange"));
        expect(rows).toHaveLength(tries);
        for (const row of rows) expect(row).toMatchObject({ outcome: "failed", cost_pico_usd: "0" });
      }
    });

    test("a 429 brings its retry-after along", async () => {
      const error = (await failure(ask(target.name, "[[sandbox: fault=429 retry-after=7]] hello"))) as SdkError;
      expect(error.headers.get("retry-after")).toBe("7");
    });

    test("a stream that breaks off is an error, never a short answer", async () => {
      for (const fault of ["cut", "error-event"]) {
        const error = await failure(stream(target.name, `[[sandbox: fault=${fault} events=6 tokens=60]] hello`));
        expect(error, fault).toBeInstanceOf(errors.APIError);
      }
    });
  });

  test("a model that its provider does not have is a NotFoundError in one attempt", async () => {
    for (const model of ["openai/no-such-model", "anthropic/no-such-model"]) {
      const error = (await failure(ask(model, "hello"))) as SdkError;
      expect(error, model).toBeInstanceOf(errors.NotFoundError);
      expect(await simulation.gateway.attempts(error.headers.get("x-sluice-exchange"))).toHaveLength(1);
    }
  });

  test("what we refuse ourselves is a BadRequestError", async () => {
    const error = (await failure(ask(TARGETS[0]?.name ?? "", "hello", { messages: "none" }))) as SdkError;
    expect(error).toBeInstanceOf(errors.BadRequestError);
    expect(error.message).toMatch(/messages/);
  });
});

test("a key that the gateway does not know is an AuthenticationError in both SDKs, and reaches no provider", async () => {
  const before = (await simulation.gateway.allAttempts()).length;
  const { openai, anthropic } = clientsOf(simulation.gateway.url, "wrong");
  const messages = [{ role: "user" as const, content: "hello" }];
  expect(await failure(openai.chat.completions.create({ model: "auto", messages }))).toBeInstanceOf(
    OpenAI.AuthenticationError,
  );
  expect(await failure(anthropic.messages.create({ model: "auto", max_tokens: 9, messages }))).toBeInstanceOf(
    Anthropic.AuthenticationError,
  );
  expect(await failure(openai.models.list())).toBeInstanceOf(OpenAI.AuthenticationError);
  expect(await failure(anthropic.models.list())).toBeInstanceOf(Anthropic.AuthenticationError);
  const rows = (await simulation.gateway.allAttempts()).slice(before);
  expect(rows.map((row) => [row.outcome, row.error])).toEqual([
    ["rejected", "unauthenticated"],
    ["rejected", "unauthenticated"],
  ]);
});

test("an exhausted quota is a RateLimitError that tells the SDK not to come back", async () => {
  for (const { ask, errors } of CLIENTS) {
    for (const model of ["openai/gpt-5.4-nano", "anthropic/claude-haiku-5-5"]) {
      const error = (await failure(ask(model, "[[sandbox: fault=429-quota]] hello"))) as SdkError;
      expect(error).toBeInstanceOf(errors.RateLimitError);
      expect(error.headers.get("x-should-retry")).toBe("false");
    }
  }
});
