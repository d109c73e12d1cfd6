import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD } from "./line-wires.ts";
import { usdText } from "../src/usage.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({ yaml: "retries: { attemptsMax: 1 }\nbreaker: { failures: 1000000 }" });
});
afterAll(() => line.close());

describe.each(lanes)("$name", ({ client, upstream }) => {
  const body = (fields: { stream?: boolean; model?: string } = {}) =>
    client.request({ model: upstream.model, ...fields });
  const serve = (fields: { stream?: boolean; model?: string } = {}, headers: Record<string, string> = {}) =>
    call(line.url, client.path, { body: body(fields), headers });

  test("an answer names its exchange, target, task, and what the gateway and it cost", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const { headers } = await serve({}, { "x-sluice-task": "ticket-7" });
    expect(headers).toMatchObject({
      "x-sluice-exchange": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "x-sluice-target": `${upstream.kind}/${upstream.model}`,
      "x-sluice-task": "ticket-7",
      "x-sluice-overhead-ms": expect.stringMatching(/^\d+\.\d{3}$/),
      "x-sluice-cost-usd": usdText(SAID_PICO_USD),
    });
    const rows = await line.gateway.attempts(headers["x-sluice-exchange"] as string);
    expect(rows).toMatchObject([{ task: "ticket-7", cost_pico_usd: String(SAID_PICO_USD) }]);
  });

  test("a stream names them too; its cost is not known yet", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const answer = await serve({ stream: true });
    expect(answer.headers).toMatchObject({
      "x-sluice-exchange": expect.any(String),
      "x-sluice-target": `${upstream.kind}/${upstream.model}`,
      "x-sluice-task": expect.stringMatching(/^t-/),
      "x-sluice-overhead-ms": expect.any(String),
    });
    expect(answer.headers["x-sluice-cost-usd"]).toBeUndefined();
    expect(answer.text).not.toContain(": sluice");
  });

  test("who asks for it hears a stream's cost in a comment after its end", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const { headers, text } = await serve({ stream: true }, { "x-sluice-cost-comment": "true" });
    const comment = `: sluice exchange=${String(headers["x-sluice-exchange"])} cost_usd=${usdText(SAID_PICO_USD)}\n\n`;
    expect(text.endsWith(comment)).toBe(true);
    expect(client.isComplete(text.slice(0, -comment.length))).toBe(true);
  });

  test.each([false, true])("an error of the provider has them (stream: %s)", async (stream) => {
    line.upstream(upstream.kind).answer(json(upstream.error(400, "no"), 400));
    const { status, headers } = await serve({ stream });
    expect(status).toBe(400);
    expect(headers).toMatchObject({
      "x-sluice-exchange": expect.any(String),
      "x-sluice-target": `${upstream.kind}/${upstream.model}`,
      "x-sluice-overhead-ms": expect.any(String),
    });
  });

  test("an error of our own has those that are known", async () => {
    const { status, headers } = await serve({ model: "no-such-model" });
    expect(status).toBe(404);
    expect(headers).toMatchObject({
      "x-sluice-exchange": expect.any(String),
      "x-sluice-overhead-ms": expect.any(String),
    });
    expect(headers["x-sluice-target"]).toBeUndefined();
  });

  test("what the other dialect has no word for is named, and refused where the caller is strict", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const extra = { ...body(), x_new_field: 1 };
    const served = await call(line.url, client.path, { body: extra });
    expect(served.status).toBe(200);
    const strict = await call(line.url, client.path, { body: extra, headers: { "x-sluice-strict": "true" } });
    if (client === upstream) {
      expect(served.headers["x-sluice-losses"]).toBeUndefined();
      expect(strict.status).toBe(200);
    } else {
      expect(served.headers["x-sluice-losses"]).toMatch(/\w/);
      expect(strict.status).toBe(400);
      expect(client.errorIn(strict.text).message).toContain("x_new_field");
    }
  });

  test("what the headers and the client's own counts say is what the ledger says", async () => {
    line.upstream(upstream.kind).answer(answers(upstream));
    const answer = await serve();
    expect(answer.headers["content-length"]).toBe(String(answer.body.length));
    const [row] = await line.gateway.attempts(answer.headers["x-sluice-exchange"] as string);
    expect(row?.usage).toMatchObject({
      input_uncached: SAID.input - SAID.cacheRead,
      cache_read: SAID.cacheRead,
      output: SAID.output,
    });
    expect(row).toMatchObject({ client_dialect: client.dialect, upstream_dialect: upstream.dialect });
  });
});
