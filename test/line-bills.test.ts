/** What an answer costs that did not end as it should, and what is told of one that was tried again. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, type Script } from "./fake-upstream.ts";
import { call, open } from "./line-client.ts";
import { answers, providerKey, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD, wires, type Wire } from "./line-wires.ts";
import { until } from "./running.ts";

let line: Line;
beforeEach(async () => {
  line = await startLine({ yaml: "retries: { attemptsMax: 3, waitMaxMs: 1000, backoffMs: 200 }" });
});
afterEach(() => line.close());

const EXACT = { cost_pico_usd: String(SAID_PICO_USD), cost_basis: "reported", usage_basis: "reported" };

describe.each(lanes)("$name", ({ client, upstream }) => {
  const streamed = { body: client.request({ model: upstream.model, stream: true }) };
  const events = upstream.events(SAID);
  /** The first events that hold everything but the terminal mark, and of those the ones before the usage is complete. */
  const finished = events.slice(0, -1);

  test.each(["in one piece", "in pieces of their own"])(
    "text and an error that come %s reach the client, and cost the same",
    async (how) => {
      const last = events.findIndex((event) => event.includes(SAID.texts.at(-1) ?? ""));
      const said = events.slice(0, last);
      const pieces = [...said, upstream.errorEvent(529, "Overloaded")];
      line.upstream(upstream.kind).answer(written(how === "in one piece" ? [pieces.join("")] : pieces, "end"));
      const answer = await call(line.url, client.path, streamed);
      expect(client.errorInStream(answer.text)?.message).toContain("Overloaded");
      expect(answer.text).toContain(SAID.texts[0]);
      const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
      expect(rows).toMatchObject([{ outcome: "failed", cost_basis: "estimated" }]);
      expect(rows[0]?.usage.output).toBeGreaterThan(0);
    },
  );

  // One dialect tells the usage in its very last event.
  test.runIf(finished.some(tellsUsage))(
    "a connection that breaks after the usage was told leaves a row that has it",
    async () => {
      line.upstream(upstream.kind).answer(written(finished, "break"));
      const answer = await call(line.url, client.path, streamed);
      expect(await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string)).toMatchObject([EXACT]);
    },
  );

  test("a client that leaves between the finish and the usage is billed by the usage", async () => {
    const gate = Promise.withResolvers<void>();
    const usageAt = events.findIndex(tellsUsage);
    line.upstream(upstream.kind).answer(async (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(events.slice(0, usageAt).join(""));
      await gate.promise;
      outgoing.end(events.slice(usageAt).join(""));
    });
    const leaver = open(line.url, client.path, streamed);
    await until(() => client.textOfStream(leaver.received) === SAID.texts.join(""));
    const isFinished = upstream.dialect === "openai-chat";
    leaver.leave();
    if (isFinished) {
      // Only where the finish comes before the usage is there anything to wait for.
      await new Promise((resolve) => void setTimeout(resolve, 50));
      gate.resolve();
      expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "complete", ...EXACT }]);
      return;
    }
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "canceled", cost_basis: "estimated" }]);
    gate.resolve();
  });

  test("an error inside a stream that quotes our key in other words is not passed on with it", async () => {
    const key = providerKey(upstream.kind);
    const pieces = [...events.slice(0, 3), upstream.errorEvent(529, `no capacity for ${key}`)];
    line.upstream(upstream.kind).answer(written(pieces, "end"));
    const answer = await call(line.url, client.path, streamed);
    expect(client.errorInStream(answer.text)?.message).toContain("withheld");
    expect(answer.text).not.toContain(key);
  });

  test("what a proxy in front of the provider gave up on is not free", async () => {
    line.upstream(upstream.kind).answer(json({}, 504));
    const answer = await call(line.url, client.path, { body: client.request({ model: upstream.model }) });
    const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
    expect(rows).toMatchObject([{ outcome: "failed", error: "upstream-timeout", cost_basis: "estimated" }]);
    expect(rows[0]?.cost_usd).toBeGreaterThan(0);
  });

  test("the overhead of a further try is not the time that the first one took", async () => {
    line.upstream(upstream.kind).answer((outgoing, arrived, number) => {
      const script = number === 0 ? json(upstream.error(503, "busy"), 503) : answers(upstream);
      return script(outgoing, arrived, number);
    });
    const answer = await call(line.url, client.path, { body: client.request({ model: upstream.model }) });
    expect(answer.status).toBe(200);
    expect(Number(answer.headers["x-sluice-overhead-ms"])).toBeLessThan(150);
  });
});

describe("words that every object has", () => {
  test.each(["constructor", "__proto__", "toString"])("a finish called %s is a word nobody knows", async (word) => {
    const [wire] = wires.filter(({ dialect }) => dialect === "openai-chat") as [Wire];
    const whole = wire.whole(SAID) as { choices: { finish_reason: string }[] };
    line.upstream(wire.kind).answer(json({ ...whole, choices: [{ ...whole.choices[0], finish_reason: word }] }));
    const answer = await call(line.url, wire.path, { body: wire.request({ model: wire.model }) });
    const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
    expect(rows).toMatchObject([{ outcome: "complete", finish_reason: "other", ...EXACT }]);
  });
});

function tellsUsage(event: string): boolean {
  return event.includes(`"output_tokens":${SAID.output}`) || event.includes(`"completion_tokens":${SAID.output}`);
}

function written(pieces: readonly string[], ending: "end" | "break"): Script {
  return async (outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces) {
      await new Promise<void>((resolve) => void outgoing.write(piece, () => resolve()));
      await new Promise((resolve) => void setTimeout(resolve, 10));
    }
    if (ending === "end") outgoing.end();
    else outgoing.destroy();
  };
}
