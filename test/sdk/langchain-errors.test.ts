/** What goes wrong under LangChain's classes has the status and the words of whoever refused; and who leaves is a canceled row. */
import { ContextOverflowError } from "@langchain/core/errors";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../running.ts";
import { LANGCHAIN_MODELS } from "./langchain.ts";
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

const EXPECTED = [
  { fault: "400", status: 400, says: /told to refuse this/ },
  { fault: "404", status: 404, says: /\w \w/ },
  { fault: "429 retry-after=7", status: 429, says: /\w \w/ },
  { fault: "503", status: 503, says: /\w \w/ },
  // It is the gateway's credential that was refused, which the caller can do nothing about.
  { fault: "401", status: 502, says: /credential/ },
];

describe.each(LANGCHAIN_MODELS)("$name", ({ dialect, create }) => {
  const model = (id: string, apiKey?: string) =>
    create(simulation.gateway.url, id, apiKey === undefined ? {} : { apiKey });
  const streamed = async (id: string, text: string): Promise<string> => {
    let said = "";
    for await (const chunk of await model(id).stream(text)) said += chunk.text;
    return said;
  };

  describe.each(TARGETS)("with $name", (target) => {
    test.each(EXPECTED)(
      "an upstream's $fault has the status $status and its words",
      async ({ fault, status, says }) => {
        const text = `[[sandbox: fault=${fault}]] hello`;
        for (const error of [
          await failure(model(target.name).invoke(text)),
          await failure(streamed(target.name, text)),
        ])
          expect(error).toMatchObject({ status, message: expect.stringMatching(says) });
        const rows = (await simulation.gateway.allAttempts()).slice(-2);
        expect(rows.map((row) => [row.outcome, row.cost_pico_usd])).toEqual([
          ["failed", "0"],
          ["failed", "0"],
        ]);
      },
    );

    test("a stream that breaks off is an error, never a short answer", async () => {
      for (const fault of ["cut", "error-event"]) {
        const error = await failure(streamed(target.name, `[[sandbox: fault=${fault} events=9 tokens=60]] hello`));
        expect(error, fault).toBeInstanceOf(Error);
      }
    });

    test("a stream that is aborted ends upstream too, and is one canceled row", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const leave = new AbortController();
      const stalled = "[[sandbox: fault=stall events=60 tokens=400]] tell me more";
      const stream = await model(target.name).stream(stalled, { signal: leave.signal });
      const ended = failure(
        (async () => {
          let pieces = 0;
          for await (const chunk of stream) if (chunk.text !== "" && ++pieces === 20) leave.abort();
        })(),
      );
      expect(await ended).toBeInstanceOf(Error);
      await canceledOnce(before, target.provider);
    });

    test("an answer that nobody waits for any more is not waited for", async () => {
      const before = (await simulation.gateway.allAttempts()).length;
      const leave = new AbortController();
      const hung = "[[sandbox: fault=hang]] tell me anything";
      const answer = failure(model(target.name).invoke(hung, { signal: leave.signal }));
      await until(() => simulation.sandbox.openRequests > 0);
      leave.abort();
      expect(await answer).toBeInstanceOf(Error);
      await canceledOnce(before, target.provider);
    });
  });

  // Responses of OpenAI say 400 to it, and what it says is passed on.
  test("a model that its provider does not have is refused by its name", async () => {
    const error = await failure(model("openai/no-such-model").invoke("hello"));
    const status = dialect === "openai-responses" ? 400 : 404;
    expect(error).toMatchObject({ status, message: expect.stringMatching(/no-such-model/) });
  });

  test("a key that the gateway does not know is a 401, and reaches no provider", async () => {
    const sent = simulation.sandbox.requests.length;
    const error = await failure(model("openai/gpt-5.4-nano", "wrong").invoke("hello"));
    expect(error).toMatchObject({ status: 401 });
    expect(simulation.sandbox.requests.length).toBe(sent);
  });

  test("a prompt that does not fit is a 400 that says so, in words that LangChain knows", async () => {
    const prompt = "The house rules are long and do not change from call to call. ".repeat(3_000);
    const error = await failure(model("ollama/gemma3:1b").invoke(prompt));
    expect(ContextOverflowError.isInstance(error), String(error)).toBe(true);
  });
});

async function canceledOnce(before: number, provider: string): Promise<void> {
  await until(() => simulation.sandbox.openRequests === 0 && simulation.gateway.sluice.admission.inFlight === 0);
  const added = (await simulation.gateway.allAttempts()).slice(before);
  expect(added).toMatchObject([{ outcome: "canceled", provider, usage_basis: "estimated" }]);
}
