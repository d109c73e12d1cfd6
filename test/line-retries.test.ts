import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, type Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID } from "./line-wires.ts";

/** Codes by which a provider says that money is missing, not time. */
const QUOTA_CODES = ["insufficient_quota", "enforced_spend_limit_reached", "credit_balance_exhausted", "billing_error"];

let line: Line;
beforeAll(async () => {
  line = await startLine({
    yaml: "retries: { attemptsMax: 3, waitMaxMs: 1500, backoffMs: 5 }\nbreaker: { failures: 1000000 }",
  });
});
afterAll(() => line.close());

describe.each(lanes)("$name: trying the same provider again", ({ client, upstream }) => {
  const serve = async (script: Script, stream: boolean) => {
    const fake = line.upstream(upstream.kind);
    fake.answer(script);
    const before = fake.requests.length;
    const answer = await call(line.url, client.path, { body: client.request({ model: upstream.model, stream }) });
    const rows = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
    return { answer, rows, sent: fake.requests.length - before };
  };
  const textIn = (stream: boolean, text: string) => (stream ? client.textOfStream(text) : client.textOfWhole(text));
  const refusal = (headers: Record<string, string>) => json(upstream.error(429, "slow down"), 429, headers);

  test.each([false, true])(
    "a 429 is tried again when its time has come, and not before (stream: %s)",
    async (stream) => {
      const arrivals: number[] = [];
      const inTurn = inOrder(refusal({ "retry-after": "1" }), answers(upstream));
      const noting: Script = (outgoing, arrived, number) => {
        arrivals.push(performance.now());
        return inTurn(outgoing, arrived, number);
      };
      const { answer, rows } = await serve(noting, stream);
      expect(answer.status).toBe(200);
      expect(textIn(stream, answer.text)).toBe(SAID.texts.join(""));
      expect(arrivals).toHaveLength(2);
      // A timer may fire a fraction of a millisecond early.
      expect((arrivals[1] ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThanOrEqual(999);
      expect(rows).toMatchObject([
        { attempt: expect.stringMatching(/\.1$/), outcome: "failed", error: "rate-limited", status: 429, cost_usd: 0 },
        { attempt: expect.stringMatching(/\.2$/), outcome: "complete" },
      ]);
    },
  );

  const LONG_AFTER = new Date(Date.now() + 600_000).toUTCString();
  test.each([
    [{ "retry-after-ms": "30" }, 200],
    [{ "retry-after": "0" }, 200],
    [{ "retry-after": "soon" }, 200],
    [{ "retry-after": "30" }, 429],
    [{ "retry-after-ms": "30000" }, 429],
    [{ "retry-after": "30", "retry-after-ms": "" }, 429],
    [{ "retry-after": LONG_AFTER }, 429],
  ])("%j on a 429 is understood", async (headers, status) => {
    const { answer, sent } = await serve(inOrder(refusal(headers), answers(upstream)), false);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(30);
    expect(sent).toBe(status === 200 ? 2 : 1);
  });

  test.each(QUOTA_CODES)("a 429 that says %s is told at once and not tried again", async (code) => {
    const { answer, rows, sent } = await serve(json(upstream.error(429, "pay first", code), 429), false);
    expect(answer.status).toBe(429);
    expect(answer.headers["x-should-retry"]).toBe("false");
    expect(client.errorIn(answer.text).message).toBe("pay first");
    expect(sent).toBe(1);
    expect(rows).toMatchObject([{ outcome: "failed", error: "quota-exhausted" }]);
  });

  test.each([400, 403, 404, 409, 413, 422])("a %i is not tried again", async (status) => {
    const { answer, sent } = await serve(json(upstream.error(status, "no"), status), true);
    expect(answer.status).toBe(status);
    expect(sent).toBe(1);
  });

  test("no more tries than configured, each with its row", async () => {
    const { answer, rows, sent } = await serve(json(upstream.error(500, "broken"), 500), true);
    expect(answer.status).toBe(500);
    expect(sent).toBe(3);
    expect(rows.map((row) => row.attempt.split(".").at(-1))).toEqual(["1", "2", "3"]);
  });
});

test.each(lanes)("$name: when no try is left, the error is told at once", async ({ client, upstream }) => {
  const own = await startLine({ yaml: "retries: { attemptsMax: 1, waitMaxMs: 20000, backoffMs: 10000 }" });
  try {
    own.upstream(upstream.kind).answer(json(upstream.error(503, "busy"), 503, { "retry-after": "10" }));
    const startedAt = performance.now();
    const answer = await call(own.url, client.path, { body: client.request({ model: upstream.model }) });
    expect(answer.status).toBe(503);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(answer.headers["retry-after"]).toBe("10");
    expect(own.sent).toBe(1);
  } finally {
    await own.close();
  }
});

/** The scripts one after the other, the last one from then on. */
function inOrder(...scripts: Script[]): Script {
  let turn = 0;
  return (outgoing, arrived, number) => scripts[Math.min(turn++, scripts.length - 1)]?.(outgoing, arrived, number);
}
