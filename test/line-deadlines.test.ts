import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { startBlackHole } from "./line-black-hole.ts";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, wires } from "./line-wires.ts";
import { startGateway, until } from "./running.ts";

/** One of them is short in each test, so that it is known which one rang. */
const LONG = { connectMs: 20_000, firstByteMs: 20_000, answerMs: 20_000, idleMs: 20_000, totalMs: 20_000 };
const deadlines = (short: Partial<typeof LONG>) => `deadlines: ${JSON.stringify({ ...LONG, ...short })}`;

let line: Line;
afterEach(() => line.close());

describe.each(lanes)("$name", ({ client, upstream }) => {
  const serve = (stream: boolean) =>
    call(line.url, client.path, { body: client.request({ model: upstream.model, stream }) });
  const fake = () => line.upstream(upstream.kind);

  test.each([
    ["firstByteMs", true, "within 80 ms"],
    ["answerMs", false, "within 80 ms"],
    ["totalMs", true, "did not finish within 80 ms"],
  ] as const)("%s ends the wait for an answer (stream: %s)", async (name, stream, words) => {
    line = await startLine({ yaml: deadlines({ [name]: 80 }) });
    fake().answer(() => undefined);
    const answer = await serve(stream);
    expect(answer.status).toBe(504);
    expect(client.errorIn(answer.text).message).toContain(words);
    await until(() => fake().open === 0);
    // A timeout is not tried again at the same provider: it may still be working, and billing.
    expect(line.sent).toBe(1);
    const rows = await line.gateway.allAttempts();
    expect(rows).toMatchObject([{ outcome: "failed", error: "upstream-timeout", cost_basis: "estimated" }]);
    expect(rows[0]?.cost_usd).toBeGreaterThan(0);
  });

  test("a head without a first event meets the idle deadline, and is an error answer still", async () => {
    line = await startLine({ yaml: deadlines({ idleMs: 80 }) });
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(": wait\n\n");
    });
    const answer = await serve(true);
    expect(answer.status).toBe(504);
    expect(client.errorIn(answer.text).message).toContain("stalled for 80 ms");
    await until(() => fake().open === 0);
  });

  test("a stream that stalls says so in its own words, breaks, and closes the provider's request", async () => {
    line = await startLine({ yaml: deadlines({ idleMs: 80 }) });
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(upstream.events(SAID).slice(0, 3).join(""));
    });
    const answer = await serve(true);
    expect(answer).toMatchObject({ status: 200, isBroken: true });
    expect(client.errorInStream(answer.text)?.message).toContain("stalled for 80 ms");
    await until(() => fake().open === 0);
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "failed", error: "upstream-timeout" }]);
  });

  test("a body that is not streamed and stalls is an error answer", async () => {
    line = await startLine({ yaml: deadlines({ idleMs: 80 }) });
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.write("{");
    });
    const answer = await serve(false);
    expect(answer.status).toBe(504);
    expect(client.errorIn(answer.text).message).toContain("stalled");
    await until(() => fake().open === 0);
  });

  test("a stream that never ends meets the total deadline, however busy it is", async () => {
    line = await startLine({ yaml: deadlines({ totalMs: 150 }) });
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(upstream.events(SAID).slice(0, 3).join(""));
      repeat(outgoing, upstream.events(SAID)[2] ?? "");
    });
    const answer = await serve(true);
    expect(answer).toMatchObject({ status: 200, isBroken: true });
    expect(client.errorInStream(answer.text)?.message).toContain("did not finish within 150 ms");
    await until(() => fake().open === 0);
  });

  test("a slow stream that keeps within the idle deadline is complete", async () => {
    line = await startLine({ yaml: deadlines({ idleMs: 400 }) });
    fake().answer(async (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      for (const event of upstream.events(SAID)) {
        outgoing.write(event);
        await new Promise((resolve) => void setTimeout(resolve, 60));
      }
      outgoing.end();
    });
    const answer = await serve(true);
    expect(answer).toMatchObject({ status: 200, isBroken: false });
    expect(client.textOfStream(answer.text)).toBe(SAID.texts.join(""));
  });
});

test.each(wires)("$dialect: a provider that cannot be connected to in time was not sent anything", async (wire) => {
  line = await startLine();
  const hole = await startBlackHole("{}");
  const gateway = await startGateway({
    environment: { KEY: "sk-test-0123456789" },
    yaml: [
      deadlines({ connectMs: 100 }),
      `providers: { hole: { kind: ${wire.kind}, baseUrl: "${hole.url}/v1", apiKeyEnv: KEY } }`,
    ].join("\n"),
  });
  try {
    const answer = await call(gateway.url, wire.path, { body: wire.request({ model: `hole/${wire.model}` }) });
    expect(answer.status).toBe(504);
    expect(wire.errorIn(answer.text).message).toContain("could not be reached in time");
    expect(await gateway.allAttempts()).toMatchObject([
      { outcome: "failed", error: "upstream-timeout", cost_usd: 0, cost_basis: "not-billed" },
    ]);
  } finally {
    await gateway.close();
    await hole.close();
  }
});

test.each(wires)("$dialect: a provider that nobody listens at was not sent anything either", async (wire) => {
  line = await startLine({ yaml: "retries: { attemptsMax: 2, waitMaxMs: 100, backoffMs: 5 }" });
  const gone = await startLine();
  const { url } = gone.upstream(wire.kind);
  await gone.close();
  const gateway = await startGateway({
    environment: { KEY: "sk-test-0123456789" },
    yaml: [
      "retries: { attemptsMax: 2, waitMaxMs: 100, backoffMs: 5 }",
      `providers: { gone: { kind: ${wire.kind}, baseUrl: "${url}/v1", apiKeyEnv: KEY } }`,
    ].join("\n"),
  });
  try {
    const answer = await call(gateway.url, wire.path, {
      body: wire.request({ model: `gone/${wire.model}`, stream: true }),
    });
    expect(answer.status).toBe(502);
    expect(answer.text).not.toContain("127.0.0.1");
    const row = { outcome: "failed", error: "upstream-failed", cost_usd: 0, cost_basis: "not-billed" };
    expect(await gateway.allAttempts()).toMatchObject([row, row]);
  } finally {
    await gateway.close();
  }
});

/** An event every few milliseconds until the connection goes. */
function repeat(outgoing: ServerResponse, event: string): void {
  const timer = setInterval(() => {
    if (outgoing.destroyed) clearInterval(timer);
    else outgoing.write(event);
  }, 10);
}
