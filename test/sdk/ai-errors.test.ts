/** What goes wrong is, in the `ai` package, an APICallError with the status and the words of whoever refused; and who leaves is a row. */
import { APICallError, generateText, streamText } from "ai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../running.ts";
import { AI_PROVIDERS } from "./ai.ts";
import { failure, type Simulation, startSimulation, TARGETS } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation({
    environment: { SLUICE_API_KEYS: "any" },
    yaml: "retries: { attemptsMax: 1 }\n",
  });
});
afterEach(() => simulation.sandbox.faults.clear());
afterAll(() => simulation.close());

interface Expected {
  readonly fault: string;
  readonly status: number;
  readonly says: RegExp;
}

const EXPECTED: readonly Expected[] = [
  { fault: "400", status: 400, says: /told to refuse this/ },
  { fault: "404", status: 404, says: /./ },
  { fault: "429 retry-after=7", status: 429, says: /./ },
  { fault: "503", status: 503, says: /./ },
  // It is the gateway's credential that was refused, which the caller can do nothing about.
  { fault: "401", status: 502, says: /credential/ },
];
/** An answer that stands still after sixty events until the client leaves. */
const STALLED = "[[sandbox: fault=stall events=60 tokens=400]] tell me more";

describe.each(AI_PROVIDERS)("$name", ({ dialect, paths, model: modelAt }) => {
  const asked = (model: string, apiKey?: string, [path] = paths) => ({
    model: modelAt(`${simulation.gateway.url}${path}`, model, apiKey),
    maxRetries: 0,
    maxOutputTokens: 2_000,
  });

  describe.each(TARGETS)("with $name", (target) => {
    test.each(EXPECTED)(
      "an upstream's $fault has the status $status and its words",
      async ({ fault, status, says }) => {
        const prompt = `[[sandbox: fault=${fault}]] hello`;
        for (const error of [
          await failure(generateText({ ...asked(target.name), prompt })),
          await errorOf(streamText({ ...asked(target.name), prompt, onError() {} })),
        ]) {
          if (!APICallError.isInstance(error)) throw error;
          expect(error.statusCode).toBe(status);
          expect(error.message).toMatch(says);
          expect(error.message, "the words, and not the status's").not.toBe(STATUS_TEXTS[status]);
          const headers = new Headers(error.responseHeaders);
          if (fault.startsWith("429")) expect(headers.get("retry-after")).toBe("7");
          const rows = await simulation.gateway.attempts(headers.get("x-sluice-exchange"));
          expect(rows).toMatchObject([{ outcome: "failed", cost_pico_usd: "0" }]);
        }
      },
    );

    test("a stream that breaks off is an error, never a short answer", async () => {
      for (const fault of ["cut", "error-event"]) {
        const prompt = `[[sandbox: fault=${fault} events=9 tokens=60]] hello`;
        expect(await errorOf(streamText({ ...asked(target.name), prompt, onError() {} })), fault).toBeDefined();
      }
    });

    test("a stream that is aborted ends upstream too, and is one canceled row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const leave = new AbortController();
      const result = streamText({ ...asked(target.name), prompt: STALLED, abortSignal: leave.signal, onError() {} });
      const kinds: string[] = [];
      for await (const part of result.stream) {
        kinds.push(part.type);
        if (kinds.filter((kind) => kind === "text-delta").length > 20) leave.abort();
      }
      expect(kinds.at(-1)).toBe("abort");
      await canceledOnce(before, target.provider);
    });

    test("an answer that nobody waits for any more is not waited for", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const leave = new AbortController();
      const prompt = "[[sandbox: fault=hang]] tell me anything";
      const answer = failure(generateText({ ...asked(target.name), prompt, abortSignal: leave.signal }));
      await until(() => simulation.sandbox.openRequests > 0);
      leave.abort();
      expect(await answer).toMatchObject({ name: "AbortError" });
      await canceledOnce(before, target.provider);
    });
  });

  // Responses of OpenAI say 400 to it, and what it says is passed on.
  test("a model that its provider does not have is refused by its name, at both base URLs", async () => {
    for (const path of paths) {
      const error = await failure(generateText({ ...asked("openai/no-such-model", "any", [path]), prompt: "hello" }));
      expect(APICallError.isInstance(error) && error.statusCode, path).toBe(dialect === "openai-responses" ? 400 : 404);
      expect((error as Error).message, path).toMatch(/no-such-model/);
    }
  });

  test("a key that the gateway does not know is a 401, and reaches no provider", async () => {
    const sent = simulation.sandbox.requests.length;
    for (const path of paths) {
      const error = await failure(generateText({ ...asked("openai/gpt-5.4-nano", "wrong", [path]), prompt: "hello" }));
      expect(APICallError.isInstance(error) && error.statusCode, path).toBe(401);
      expect((error as Error).message, path).toMatch(/key/);
    }
    expect(simulation.sandbox.requests.length).toBe(sent);
  });

  test("a prompt that does not fit is a 400 that says so", async () => {
    const prompt = "The house rules are long and do not change from call to call. ".repeat(3_000);
    const error = await failure(generateText({ ...asked("ollama/gemma3:1b"), prompt }));
    expect(APICallError.isInstance(error) && error.statusCode).toBe(400);
    expect((error as Error).message).toMatch(/context|too long/i);
  });
});

/** What the package says where there are no words that it can read. */
const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  429: "Too Many Requests",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** The error that stands in a stream, or that ends it. */
async function errorOf({ stream }: ReturnType<typeof streamText>): Promise<unknown> {
  try {
    for await (const part of stream) if (part.type === "error") return part.error;
  } catch (error) {
    return error;
  }
  return undefined;
}

async function canceledOnce(before: number, provider: string): Promise<void> {
  await until(() => simulation.sandbox.openRequests === 0 && simulation.gateway.sluice.admission.inFlight === 0);
  const added = (await simulation.gateway.allAttempts()).slice(before);
  expect(added).toMatchObject([{ outcome: "canceled", provider, usage_basis: "estimated" }]);
  expect(added[0]?.usage.input_uncached).toBeGreaterThan(0);
}
