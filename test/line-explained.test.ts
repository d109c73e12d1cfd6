/** What is told of a call's cache keeps nobody waiting, and costs no call its answer or its row when it fails. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Bust } from "../src/cache/bust.ts";
import { dialects } from "../src/dialects/index.ts";
import type { ExplainedCall, Explainer } from "../src/index.ts";
import { nodeReply } from "../src/reply.ts";
import type { Usage } from "../src/usage.ts";
import { call, open } from "./line-client.ts";
import { startLine, type Line } from "./line-setup.ts";
import { lanes, SAID } from "./line-wires.ts";
import { until } from "./running.ts";

const BUST: Bust = {
  cause: "client",
  span: "system[0]",
  offset: 0,
  lostTokens: 7,
  lostPicoUsd: undefined,
  breaker: undefined,
  excerpt: undefined,
};

let line: Line | undefined;
afterEach(() => line?.close());

interface Listening extends Explainer {
  readonly heard: readonly string[];
}

/** @param begun Called in the place where what takes its time would be done. */
function listening(begun: () => void = () => {}, settled: (usage: Usage | undefined) => void = () => {}): Listening {
  const heard: string[] = [];
  return {
    heard,
    begun(): ExplainedCall {
      heard.push("begun");
      begun();
      return {
        settled(usage) {
          heard.push(usage === undefined ? "settled without usage" : "settled");
          settled(usage);
          return BUST;
        },
      };
    },
    read: () => ({ sinceMs: undefined, classes: [] }),
    snapshot: () => ({}),
    restore: () => {},
  };
}

async function started(explainer: Explainer): Promise<Line> {
  line = await startLine({ yaml: "retries: { attemptsMax: 1 }", sluice: { explainer } });
  return line;
}

describe.each(lanes)("$name", ({ client, upstream }) => {
  const body = (fields: { stream?: boolean; text?: string } = {}) =>
    client.request({ model: `${upstream.kind}/${upstream.model}`, ...fields });

  test.each([{ stream: false }, { stream: true }])(
    "an answer's first bytes have left when it is begun to be explained ($stream)",
    async ({ stream }) => {
      let answering: ServerResponse | undefined;
      const left: (readonly [isWaiting: boolean, isSent: boolean])[] = [];
      const explainer = listening(() => {
        const socket = answering?.socket;
        left.push([(socket?.writableLength ?? 0) > 0, (socket?.bytesWritten ?? 0) > 0]);
      });
      const { gateway } = await started(explainer);
      const dialect = dialects.find(({ name }) => name === client.dialect);
      if (dialect === undefined) throw new Error("there is no such dialect");
      const server = createServer((request, response) => {
        answering = response;
        void gateway.sluice.gateway.serve({
          dialect,
          headers: new Headers(),
          search: "",
          body: async () => Buffer.concat(await request.toArray()),
          reply: nodeReply(response),
        });
      });
      await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const { text } = await call(`http://127.0.0.1:${port}`, client.path, { body: body({ stream }) });
      expect(stream ? client.textOfStream(text) : client.textOfWhole(text)).toBe(SAID.texts.join(""));
      expect(left).toEqual([[false, true]]);
      expect(explainer.heard).toEqual(["begun", "settled"]);
      await new Promise((resolve) => server.close(resolve));
    },
  );

  test.each([{ stream: false }, { stream: true }])(
    "what was found out is on the row, also where all came at once ($stream)",
    async ({ stream }) => {
      const { gateway, url } = await started(listening());
      await call(url, client.path, { body: body({ stream }) });
      expect(await gateway.allAttempts()).toMatchObject([
        { outcome: "complete", cache_bust: "client system[0]: 7 tokens" },
      ]);
    },
  );

  test("an answer that breaks off, and one whose client leaves, are explained once each", async () => {
    const explainer = listening();
    const { gateway, url } = await started(explainer);
    const events = upstream.events(SAID).slice(0, 4).join("");
    // Some tell at the start what of the prompt was read and written.
    const settled = events.includes('"cache_read_input_tokens"') ? "settled" : "settled without usage";
    line?.upstream(upstream.kind).answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(events);
    });
    await call(url, client.path, { body: body({ stream: true }) });
    expect((await gateway.allAttempts()).map(({ outcome }) => outcome)).toEqual(["failed"]);
    expect(explainer.heard).toEqual(["begun", settled]);

    line?.upstream(upstream.kind).answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(events);
    });
    const leaver = open(url, client.path, { body: body({ stream: true }) });
    await until(() => explainer.heard.length === 3);
    leaver.leave();
    expect((await gateway.allAttempts()).map(({ outcome }) => outcome)).toEqual(["failed", "canceled"]);
    expect(explainer.heard.slice(2)).toEqual(["begun", settled]);
  });

  test("one that was refused is not explained", async () => {
    const explainer = listening();
    const { url } = await started(explainer);
    line?.upstream(upstream.kind).answer((outgoing) => void outgoing.writeHead(400).end("{}"));
    expect((await call(url, client.path, { body: body({ stream: true }) })).status).toBe(400);
    expect(explainer.heard).toEqual([]);
  });

  const SECRET = "what the prompt says";
  const fail = () => {
    throw new RangeError(`cannot read "${SECRET}"\n    at ${SECRET}`);
  };
  test.each([
    { where: "as an answer begins", explainer: () => listening(fail) },
    { where: "as it is settled", explainer: () => listening(undefined, fail) },
  ])("what fails $where costs no answer and no row, is counted, and logged once, without the prompt", async (given) => {
    const { gateway, url } = await started(given.explainer());
    for (const stream of [false, true, true]) {
      const { text } = await call(url, client.path, { body: body({ stream }) });
      expect(stream ? client.textOfStream(text) : client.textOfWhole(text)).toBe(SAID.texts.join(""));
    }
    const rows = await gateway.allAttempts();
    expect(rows.map(({ outcome, usage, cache_bust }) => [outcome, usage.cache_read, cache_bust])).toEqual(
      Array.from({ length: 3 }, () => ["complete", SAID.cacheRead, null]),
    );
    expect(await gateway.metric("sluice_cache_explanations_failed_total")).toBe(3);
    const told = gateway.logged.filter((one) => one.includes("cache-explanation-failed"));
    expect(told.map((one) => JSON.parse(one) as object)).toMatchObject([
      { level: "error", reason: "RangeError", at: expect.stringMatching(/^at .*line-explained\.test\.ts:\d+:\d+/) },
    ]);
    expect(gateway.logged.join("")).not.toContain(SECRET);
  });
});
