import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Script } from "./fake-upstream.ts";
import { startBlackHole } from "./line-black-hole.ts";
import { call } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, wires, type Lane, type Wire } from "./line-wires.ts";
import { startGateway, until } from "./running.ts";

/** One of them is short in each test, so that it is known which one rang. */
const LONG = { connectMs: 20_000, firstByteMs: 20_000, answerMs: 20_000, idleMs: 20_000, totalMs: 20_000 };
const deadlines = (short: Partial<typeof LONG>) => `deadlines: ${JSON.stringify({ ...LONG, ...short })}`;

let line: Line;
const started = (short: Partial<typeof LONG>) => {
  beforeAll(async () => {
    line = await startLine({ yaml: deadlines(short) });
  });
  afterAll(() => line.close());
};

const served = async ({ client, upstream }: Lane, stream: boolean, script: Script) => {
  const fake = line.upstream(upstream.kind);
  fake.answer(script);
  const before = fake.requests.length;
  const answer = await call(line.url, client.path, { body: client.request({ model: upstream.model, stream }) });
  await until(() => fake.open === 0);
  const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
  return { answer, rows, sent: fake.requests.length - before };
};

/** A stream that has begun. */
const begun = (upstream: Wire, then: (outgoing: ServerResponse) => void): Script => {
  return (outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(upstream.events(SAID).slice(0, 3).join(""));
    then(outgoing);
  };
};

describe.each([
  ["firstByteMs", true, "did not answer within 80 ms"],
  ["answerMs", false, "did not answer within 80 ms"],
  ["totalMs", true, "did not finish within 80 ms"],
] as const)("%s (stream: %s)", (name, stream, words) => {
  started({ [name]: 80 });

  test.each(lanes)("$name: ends the wait for an answer", async (lane) => {
    const { answer, rows, sent } = await served(lane, stream, () => undefined);
    expect(answer.status).toBe(504);
    expect(lane.client.errorIn(answer.text).message).toContain(words);
    // A timeout is not tried again at the same provider: it may still be working, and billing.
    expect(sent).toBe(1);
    expect(rows).toMatchObject([{ outcome: "failed", error: "upstream-timeout", cost_basis: "estimated" }]);
    expect(rows[0]?.cost_usd).toBeGreaterThan(0);
  });
});

describe("idleMs", () => {
  started({ idleMs: 200 });

  test.each(lanes)("$name: a head without a first event is an error answer still", async (lane) => {
    const { answer } = await served(lane, true, (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(": wait\n\n");
    });
    expect(answer.status).toBe(504);
    expect(lane.client.errorIn(answer.text).message).toContain("stalled for 200 ms");
  });

  test.each(lanes)("$name: a stream that stalls says so in its own words, and breaks", async (lane) => {
    const { answer, rows } = await served(
      lane,
      true,
      begun(lane.upstream, () => undefined),
    );
    expect(answer).toMatchObject({ status: 200, isBroken: true });
    expect(lane.client.errorInStream(answer.text)?.message).toContain("stalled for 200 ms");
    expect(rows).toMatchObject([{ outcome: "failed", error: "upstream-timeout" }]);
  });

  test.each(lanes)("$name: a body that is not streamed and stalls is an error answer", async (lane) => {
    const { answer } = await served(lane, false, (outgoing) => {
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.write("{");
    });
    expect(answer.status).toBe(504);
    expect(lane.client.errorIn(answer.text).message).toContain("stalled");
  });
});

describe("idleMs, of a slow stream", () => {
  started({ idleMs: 1_000 });

  test("it is complete when each of its pieces comes within it, however long they take together", async () => {
    const slowly = async (lane: Lane) => {
      const { answer } = await served(lane, true, async (outgoing, arrived) => {
        outgoing.writeHead(200, { "content-type": "text/event-stream" });
        // They all run at once, and a provider of two dialects is asked in both.
        for (const event of (wires.find((wire) => wire.upstreamPath === arrived.path) ?? lane.upstream).events(SAID)) {
          outgoing.write(event);
          await new Promise((resolve) => void setTimeout(resolve, 180));
        }
        outgoing.end();
      });
      expect(answer).toMatchObject({ status: 200, isBroken: false });
      expect(lane.client.textOfStream(answer.text)).toBe(SAID.texts.join(""));
    };
    await Promise.all(lanes.map(slowly));
  });
});

describe("totalMs", () => {
  started({ totalMs: 150 });

  test.each(lanes)("$name: a stream that never ends meets it, however busy it is", async (lane) => {
    const event = lane.upstream.events(SAID)[2] ?? "";
    const { answer } = await served(
      lane,
      true,
      begun(lane.upstream, (outgoing) => repeat(outgoing, event)),
    );
    expect(answer).toMatchObject({ status: 200, isBroken: true });
    expect(lane.client.errorInStream(answer.text)?.message).toContain("did not finish within 150 ms");
  });
});

test.each(wires)("$dialect: a provider that cannot be connected to in time was not sent anything", async (wire) => {
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
