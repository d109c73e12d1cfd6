import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { json, type Script } from "./fake-upstream.ts";
import { startBlackHole } from "./line-black-hole.ts";
import { call, open } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD, wires, type Wire } from "./line-wires.ts";
import { startGateway, until } from "./running.ts";

let line: Line;
beforeEach(async () => {
  line = await startLine();
});
afterEach(() => line.close());

const inFlight = () => line.gateway.sluice.admission.inFlight;
/** Who left must not keep a provider working: two seconds are allowed. */
const CLOSED_MS = 2_000;

describe.each(wires)("a client of $dialect that leaves", (wire) => {
  test("while it sends its body is one canceled row that cost nothing, and nobody is called", async () => {
    const leaver = open(line.url, wire.path, { headers: { "content-length": "1000" } });
    leaver.send('{"model":"');
    await until(() => inFlight() === 1);
    leaver.leave();
    await until(() => inFlight() === 0, CLOSED_MS);
    expect(await line.gateway.allAttempts()).toMatchObject([
      { outcome: "canceled", status: 499, error: "canceled", cost_usd: 0, cost_basis: "not-billed", provider: null },
    ]);
    expect(line.sent).toBe(0);
  });

  test("while a chunked body is on its way is the same", async () => {
    const leaver = open(line.url, wire.path);
    leaver.send('{"model":"');
    await until(() => inFlight() === 1);
    leaver.leave();
    await until(() => inFlight() === 0, CLOSED_MS);
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "canceled", cost_usd: 0 }]);
  });

  test("while its try waits for a connection to the provider is never sent, and cost nothing", async () => {
    const hole = await startBlackHole(JSON.stringify(wire.whole(SAID)));
    const gateway = await startGateway({
      environment: { KEY: "sk-test-0123456789" },
      yaml: `providers: { hole: { kind: ${wire.kind}, baseUrl: "${hole.url}/v1", apiKeyEnv: KEY } }`,
    });
    try {
      const leaver = open(gateway.url, wire.path, { body: wire.request({ model: `hole/${wire.model}` }) });
      // The row is reserved just before the request is handed to the connection that does not come.
      await until(async () => (await gateway.sluice.ledger.attempts({ outcome: "open" })).data.length === 1);
      leaver.leave();
      await until(() => gateway.sluice.admission.inFlight === 0, CLOSED_MS);
      expect(await gateway.allAttempts()).toMatchObject([
        { outcome: "canceled", error: "canceled", cost_usd: 0, cost_basis: "not-billed" },
      ]);
      hole.open();
      const again = () => call(gateway.url, wire.path, { body: wire.request({ model: `hole/${wire.model}` }) });
      expect(wire.textOfWhole((await again()).text)).toBe(SAID.texts.join(""));
      // The connection that the leaver waited for stands at last, a second later: nothing is sent on it for nobody.
      await until(async () => (await hole.seen()).connections === 2);
      expect((await again()).status).toBe(200);
      expect((await hole.seen()).requests).toBe(2);
    } finally {
      await gateway.close();
      await hole.close();
    }
  });
});

describe.each(lanes)("$name: a client that leaves", ({ client, upstream }) => {
  test.each([true, false])(
    "before the answer's head (stream: %s) is one canceled row with an estimate",
    async (stream) => {
      line.upstream(upstream.kind).answer(() => undefined);
      const leaver = open(line.url, client.path, { body: client.request({ model: upstream.model, stream }) });
      await until(() => line.sent === 1);
      leaver.leave();
      await until(() => line.upstream(upstream.kind).requests[0]?.isAborted === true, CLOSED_MS);
      expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "canceled", cost_basis: "estimated" }]);
      expect((await line.gateway.allAttempts())[0]?.cost_usd).toBeGreaterThan(0);
      expect(line.sent).toBe(1);
    },
  );

  test("in the middle of an answer that is not streamed is one canceled row with an estimate", async () => {
    const half = JSON.stringify(upstream.whole(SAID)).slice(0, 80);
    line.upstream(upstream.kind).answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.write(half);
    });
    const leaver = open(line.url, client.path, { body: client.request({ model: upstream.model }) });
    await until(() => line.sent === 1);
    leaver.leave();
    await until(() => line.upstream(upstream.kind).requests[0]?.isAborted === true, CLOSED_MS);
    const rows = await line.gateway.allAttempts();
    expect(rows).toMatchObject([{ outcome: "canceled", cost_basis: "estimated" }]);
    expect(rows[0]?.cost_usd).toBeGreaterThan(0);
  });

  test("while a further try waits leaves the row of the first one, and there is no second", async () => {
    line.upstream(upstream.kind).answer(json(upstream.error(429, "slow down"), 429, { "retry-after": "2" }));
    const leaver = open(line.url, client.path, { body: client.request({ model: upstream.model }) });
    await until(async () => (await line.gateway.sluice.ledger.attempts({ outcome: "failed" })).data.length === 1);
    leaver.leave();
    await until(() => inFlight() === 0, CLOSED_MS);
    expect(await line.gateway.allAttempts()).toMatchObject([{ outcome: "failed", error: "rate-limited", cost_usd: 0 }]);
    expect(line.sent).toBe(1);
  });

  test("after the terminal event, while the provider holds the body open, is a complete row", async () => {
    line.upstream(upstream.kind).answer(upTo(upstream.events(SAID).length, upstream));
    const leaver = open(line.url, client.path, { body: client.request({ model: upstream.model, stream: true }) });
    await until(() => client.isComplete(leaver.received));
    leaver.leave();
    await until(() => line.upstream(upstream.kind).open === 0, CLOSED_MS);
    expect(await line.gateway.allAttempts()).toMatchObject([
      { outcome: "complete", cost_pico_usd: String(SAID_PICO_USD), cost_basis: "reported", usage_basis: "reported" },
    ]);
  });

  test(
    "at any event of a stream is one row, never free, and closes the provider's request",
    { timeout: 20_000 },
    async () => {
      const events = upstream.events(SAID);
      line.upstream(upstream.kind).answer((outgoing, arrived, number) => {
        const count = Number(/stop after (\d+)/.exec(arrived.body.toString())?.[1]);
        return upTo(count, upstream)(outgoing, arrived, number);
      });
      const leave = async (seen: number) => {
        const body = client.request({ model: upstream.model, stream: true, text: `stop after ${seen}` });
        const leaver = open(line.url, client.path, { body, headers: { "x-sluice-task": `after-${seen}` } });
        const shown = deltasIn(events.slice(0, seen));
        await until(() => leaver.status === 200 && client.textOfStream(leaver.received).length >= shown.length);
        leaver.leave();
      };
      // The head comes with the first event that says something.
      const seenOnes = events.map((_event, index) => index + 1).slice(upstream.opening, -1);
      await Promise.all(seenOnes.map(leave));
      // An answer that has said its finish is heard out for its usage, for two seconds at most.
      await until(() => line.upstream(upstream.kind).open === 0, 3_000);
      const rows = await line.gateway.allAttempts();
      expect(rows).toHaveLength(seenOnes.length);
      for (const seen of seenOnes) {
        const row = rows.find(({ task }) => task === `after-${seen}`);
        expect(row?.cost_usd, `after event ${seen}`).toBeGreaterThan(0);
        const isUnfinished = seen <= events.findIndex((event) => event.includes(LAST_TEXT)) + 1;
        if (isUnfinished) expect(row).toMatchObject({ outcome: "canceled", cost_basis: "estimated" });
        else expect(["canceled", "complete"]).toContain(row?.outcome);
      }
    },
  );
});

const LAST_TEXT = SAID.texts.at(-1) ?? "";

/** The first events of the stream, and then nothing: the body stays open. */
function upTo(count: number, upstream: Wire): Script {
  return (outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(upstream.events(SAID).slice(0, count).join(""));
  };
}

function deltasIn(events: readonly string[]): string {
  return SAID.texts.filter((text) => events.some((event) => event.includes(`"${text}"`))).join("");
}
