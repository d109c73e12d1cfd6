import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { dialects } from "../src/dialects/index.ts";
import type { Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD, wires } from "./line-wires.ts";
import { until } from "./running.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({ yaml: "retries: { attemptsMax: 1 }\nbreaker: { failures: 1000000 }" });
});
afterAll(() => line.close());
afterEach(() => vi.restoreAllMocks());

describe.each(lanes)("$name", ({ client, upstream, isSame }) => {
  const serve = async (script: Script, stream = true) => {
    line.upstream(upstream.kind).answer(script);
    const answer = await call(line.url, client.path, { body: client.request({ model: upstream.model, stream }) });
    return { answer, rows: await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string) };
  };
  const streamed = (text: string, then: (outgoing: Parameters<Script>[0]) => void): Script => {
    return (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(text, () => then(outgoing));
    };
  };
  const events = upstream.events(SAID).join("");

  test("an answer ends when it has said its end, though its provider holds the connection open", async () => {
    const startedAt = performance.now();
    const { answer, rows } = await serve(streamed(events, () => undefined));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(answer).toMatchObject({ status: 200, isBroken: false });
    expect(client.isComplete(answer.text)).toBe(true);
    expect(rows).toMatchObject([{ outcome: "complete", cost_pico_usd: String(SAID_PICO_USD) }]);
    await until(() => line.upstream(upstream.kind).open === 0, 1_000);
  });

  test.each([true, false])(
    "a provider's connection is used again after a complete answer (stream: %s)",
    async (stream) => {
      await serve(answers(upstream), stream);
      const before = line.upstream(upstream.kind).connections;
      // What may follow an answer is waited for, a tenth of a second; then its connection is cut if it is still busy.
      await new Promise((resolve) => void setTimeout(resolve, 150));
      await serve(answers(upstream), stream);
      expect(line.upstream(upstream.kind).connections).toBe(before);
    },
  );

  test("what comes after its end within a moment still arrives where bytes are passed on", async () => {
    const late = (outgoing: Parameters<Script>[0]) => void setImmediate(() => outgoing.end(": bye\n\n"));
    const { answer } = await serve(streamed(events, late));
    expect(answer.isBroken).toBe(false);
    expect(answer.text.endsWith(": bye\n\n")).toBe(isSame);
  });

  test.each(["resetAndDestroy", "destroy"] as const)(
    "a connection that breaks (%s) after the end is none of the client's business",
    async (how) => {
      const { answer, rows } = await serve(streamed(events, (outgoing) => void outgoing.socket?.[how]()));
      expect(answer).toMatchObject({ status: 200, isBroken: false });
      expect(client.textOfStream(answer.text)).toBe(SAID.texts.join(""));
      expect(rows).toMatchObject([{ outcome: "complete", cost_pico_usd: String(SAID_PICO_USD) }]);
    },
  );

  test.skipIf(isSame)(
    "an encoder that throws is one failed row, an error to the client, and a line in the log",
    async () => {
      for (const method of ["push", "end"] as const) {
        for (const stream of [true, false]) {
          breakEncoder(client.dialect, method);
          const { answer, rows } = await serve(answers(upstream), stream);
          vi.restoreAllMocks();
          if (stream) {
            expect(answer).toMatchObject({ status: 200, isBroken: true });
            expect(client.errorInStream(answer.text)?.message).toContain("its log has the reason");
          } else {
            expect(answer.status).toBe(500);
            expect(client.errorIn(answer.text).message).toContain("its log has the reason");
          }
          expect(answer.text).not.toContain("out of order");
          expect(rows).toHaveLength(1);
          // What was said and counted before the codec broke is billed as it was reported.
          if (rows[0]?.outcome !== "complete") expect(rows).toMatchObject([{ outcome: "failed", error: "internal" }]);
          expect(rows[0]?.cost_usd).toBeGreaterThan(0);
          expect(line.gateway.logged.at(-2) + (line.gateway.logged.at(-1) ?? "")).toContain("out of order");
          await until(() => line.upstream(upstream.kind).open === 0, 1_000);
        }
      }
    },
  );

  test("a decoder that throws is an error answer and one failed row", async () => {
    const dialect = dialects.find((one) => one.name === upstream.dialect);
    if (dialect === undefined) throw new Error(`there is no dialect ${upstream.dialect}`);
    const broken = () => ({
      push(): never {
        throw new TypeError("out of order");
      },
      end: () => [],
    });
    vi.spyOn(dialect, "decoder").mockImplementation(broken);
    vi.spyOn(dialect, "watcher").mockImplementation(broken);
    for (const stream of [true, false]) {
      const { answer, rows } = await serve(answers(upstream), stream);
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(client.errorIn(answer.text).message).not.toContain("out of order");
      expect(rows).toMatchObject([{ outcome: "failed" }]);
    }
  });
});

test.each(wires)(
  "$dialect: a model with letters of any script is served, and its name fits into a header",
  async (wire) => {
    line.upstream(wire.kind).answer(answers(wire));
    for (const model of ["größe-漢字-😀", "half-\ud83d-pair", "with space"]) {
      const answer = await call(line.url, wire.path, { body: wire.request({ model: `${wire.kind}/${model}` }) });
      expect(answer.status).toBe(200);
      expect(decodeURIComponent(answer.headers["x-sluice-target"] as string)).toBe(
        `${wire.kind}/${model.toWellFormed()}`,
      );
      const sent = JSON.parse(line.upstream(wire.kind).requests.at(-1)?.body.toString() ?? "") as { model: string };
      expect(sent.model).toBe(model);
    }
  },
);

function breakEncoder(name: string, method: "push" | "end"): void {
  const dialect = dialects.find((one) => one.name === name);
  if (dialect === undefined) throw new Error(`there is no dialect ${name}`);
  const encoder = dialect.encoder.bind(dialect);
  vi.spyOn(dialect, "encoder").mockImplementation((...given) => {
    const own = encoder(...given);
    return {
      push: (event) => own.push(event),
      end: () => own.end(),
      [method]: () => {
        throw new TypeError("out of order");
      },
    };
  });
}
