import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, type Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, wires } from "./line-wires.ts";

describe.each(lanes)("$name: going on to the next provider", ({ client, upstream }) => {
  const other = wires.find((wire) => wire !== upstream) ?? upstream;
  let line: Line;
  beforeAll(async () => {
    line = await startLine({
      upstreams: { first: upstream, second: other },
      yaml: "retries: { attemptsMax: 3, waitMaxMs: 1500, backoffMs: 5 }\nbreaker: { failures: 1000000 }",
    });
  });
  afterAll(() => line.close());

  /** The first provider does as the script says, the second what it should. */
  const serve = async (script: Script, stream = true, second: Script = answers(other)) => {
    line.upstream("first").answer(script);
    line.upstream("second").answer(second);
    const before = line.upstream("second").requests.length;
    const answer = await call(line.url, client.path, { body: client.request({ model: "all", stream }) });
    const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
    return { answer, rows, secondAsked: line.upstream("second").requests.length - before };
  };

  const streamed = (text: string): Script => {
    return (outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(text);
    };
  };
  const FAILURES: readonly (readonly [string, Script])[] = [
    ["a 500", json(upstream.error(500, "broken"), 500)],
    ["a 529", json(upstream.error(529, "Overloaded"), 529)],
    ["a 429 that asks for a minute", json(upstream.error(429, "slow"), 429, { "retry-after": "60" })],
    ["a 429 for missing money", json(upstream.error(429, "pay", "insufficient_quota"), 429)],
    ["a 401", json(upstream.error(401, "bad key"), 401)],
    ["a 404 for the model", json(upstream.error(404, "model: no such model", "model_not_found"), 404)],
    ["a reset", (outgoing) => void outgoing.socket?.resetAndDestroy()],
    ["a 200 with nothing in it", (outgoing) => void outgoing.end()],
    ["a 200 that is HTML", streamed("<html>busy</html>")],
    ["a 200 whose first event says overloaded", streamed(upstream.errorEvent(529, "Overloaded"))],
    [
      "a 200 that is cut before its first event",
      (outgoing) => {
        outgoing.writeHead(200, { "content-type": "text/event-stream" });
        outgoing.write(": wait\n\n", () => outgoing.destroy());
      },
    ],
  ];

  test.each(FAILURES)("%s at the first one is answered by the second", async (_failure, script) => {
    const { answer, rows } = await serve(script);
    expect(answer).toMatchObject({ status: 200, isBroken: false });
    expect(client.textOfStream(answer.text)).toBe(SAID.texts.join(""));
    expect(answer.headers["x-sluice-target"]).toBe(`second/${other.model}`);
    expect(rows).toMatchObject([
      { provider: "first", outcome: "failed" },
      { provider: "second", outcome: "complete" },
    ]);
  });

  test.each([400, 413])("a %i at the first one is the client's to mend: no second is asked", async (status) => {
    const { answer, secondAsked } = await serve(json(upstream.error(status, "no"), status));
    expect(answer.status).toBe(status);
    expect(secondAsked).toBe(0);
  });

  test("the first event is the last moment: what fails after it is told, and nobody else is asked", async () => {
    for (const count of [1, 3].map((further) => upstream.opening + further)) {
      const begun = upstream.events(SAID).slice(0, count).join("");
      const { answer, rows, secondAsked } = await serve(async (outgoing) => {
        outgoing.writeHead(200, { "content-type": "text/event-stream" });
        outgoing.write(begun);
        await new Promise((resolve) => void setImmediate(resolve));
        outgoing.end(upstream.errorEvent(529, "Overloaded"));
      });
      expect(answer).toMatchObject({ status: 200, isBroken: true });
      expect(client.errorInStream(answer.text)?.message).toBe("Overloaded");
      expect(secondAsked).toBe(0);
      expect(rows).toMatchObject([{ provider: "first", outcome: "failed", error: "overloaded" }]);
    }
  });

  test.each([false, true])("when all fail, the last one's error is told (stream: %s)", async (stream) => {
    const { answer, rows } = await serve(
      json(upstream.error(500, "first broken"), 500),
      stream,
      json(other.error(500, "second broken"), 500),
    );
    expect(answer.status).toBe(500);
    expect(client.errorIn(answer.text).message).toBe("second broken");
    expect(rows.map((row) => row.provider)).toEqual(["first", "second", "second"]);
  });
});
