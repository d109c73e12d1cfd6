/** Clients that leave: nothing goes on upstream, and what was delivered is billed once. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../running.ts";
import { failure, startSimulation, TARGETS, type SimulatedTarget, type Simulation } from "./simulated.ts";

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

/** An answer that stands still after sixty events until the client leaves. */
const STALLED = "[[sandbox: fault=stall events=60 tokens=400]] tell me more";
/** Of those, how many a client waits for before it leaves. */
const PIECES = 45;
/** One that never begins. */
const HUNG = "[[sandbox: fault=hang]] tell me anything";

describe.each(TARGETS)("with $name", (target) => {
  test("OpenAI's SDK: a stream that is aborted ends upstream too, and is one canceled row", async () => {
    const stream = simulation.openai.chat.completions.stream({
      model: target.name,
      messages: [{ role: "user", content: STALLED }],
    });
    let pieces = 0;
    stream.on("content", () => (pieces += 1));
    const ended = failure(stream.finalChatCompletion());
    await until(() => pieces > PIECES);
    stream.abort();
    expect(await ended).toBeInstanceOf(OpenAI.APIUserAbortError);
    await canceledOnce(target);
    await isAsMuchAsDelivered();
  });

  test("OpenAI's SDK: leaving the loop over a stream is leaving", async () => {
    const stream = await simulation.openai.chat.completions.create({
      model: target.name,
      messages: [{ role: "user", content: STALLED }],
      stream: true,
    });
    for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? "") !== "") break;
    await canceledOnce(target);
  });

  test("Anthropic's SDK: a stream that is aborted ends upstream too, and is one canceled row", async () => {
    const stream = simulation.anthropic.messages.stream({
      model: target.name,
      max_tokens: 2_000,
      messages: [{ role: "user", content: STALLED }],
    });
    let pieces = 0;
    stream.on("text", () => (pieces += 1));
    const ended = failure(stream.finalMessage());
    await until(() => pieces > PIECES);
    stream.abort();
    expect(await ended).toBeInstanceOf(Anthropic.APIUserAbortError);
    await canceledOnce(target);
    await isAsMuchAsDelivered();
  });

  test("an answer that nobody waits for any more is not waited for, and its prompt is billed", async () => {
    const leave = new AbortController();
    const answer = failure(
      simulation.openai.chat.completions.create(
        { model: target.name, messages: [{ role: "user", content: HUNG }] },
        { signal: leave.signal },
      ),
    );
    await until(() => simulation.sandbox.openRequests > 0);
    leave.abort();
    expect(await answer).toBeInstanceOf(OpenAI.APIUserAbortError);
    await canceledOnce(target);
  });
});

let seen = 0;

/** Nothing is open on either side, and the newest exchange is one canceled row that is not free. */
async function canceledOnce(target: SimulatedTarget): Promise<void> {
  await until(() => simulation.sandbox.openRequests === 0 && simulation.gateway.sluice.admission.inFlight === 0);
  const rows = await simulation.gateway.allAttempts();
  const added = rows.slice(seen);
  seen = rows.length;
  expect(added).toHaveLength(1);
  const [row] = added;
  expect(row).toMatchObject({ outcome: "canceled", provider: target.provider, usage_basis: "estimated" });
  expect(row?.usage.input_uncached).toBeGreaterThan(0);
  if (target.isPriced) expect(row?.cost_usd).toBeGreaterThan(0);
  // A price that nobody knows is not a price of nothing.
  else expect([row?.cost_usd, row?.cost_basis]).toEqual([null, "unpriced"]);
}

/** An estimate, as nobody told: of what was seen, and not some other amount. What was thought unseen nobody can know. */
async function isAsMuchAsDelivered(): Promise<void> {
  const line = simulation.sandbox.invoice.lines.at(-1);
  expect(line?.ending).toBe("client-left");
  const delivered = (line?.tokens.output ?? 0) - (line?.tokens.reasoning ?? 0);
  const estimated = (await simulation.gateway.allAttempts()).at(-1)?.usage.output ?? 0;
  expect(delivered).toBeGreaterThan(PIECES);
  expect(estimated / delivered).toBeGreaterThan(0.6);
  expect(estimated / delivered).toBeLessThan(1.6);
}
