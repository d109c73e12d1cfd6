/** The same app without its socket, as it runs inside another server or another runtime. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID } from "./line-wires.ts";
import { until } from "./running.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({ yaml: "retries: { attemptsMax: 1 }\nlimits: { bodyBytesMax: 10000 }" });
});
afterAll(() => line.close());

describe.each(lanes)("$name", ({ client, upstream }) => {
  const fetch = (fields: { stream?: boolean; text?: string }, signal?: AbortSignal) =>
    line.gateway.app.request(client.path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(client.request({ model: upstream.model, ...fields })),
      ...(signal === undefined ? {} : { signal }),
    });
  const fake = () => line.upstream(upstream.kind);

  test("answers whole and streamed", async () => {
    fake().answer(answers(upstream));
    const whole = await fetch({});
    expect(whole.status).toBe(200);
    expect(client.textOfWhole(await whole.text())).toBe(SAID.texts.join(""));
    const streamed = await fetch({ stream: true });
    expect(streamed.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const text = await streamed.text();
    expect(client.textOfStream(text)).toBe(SAID.texts.join(""));
    expect(client.isComplete(text)).toBe(true);
  });

  test("a stream that broke says so, and then its body is an error and not an end", async () => {
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(upstream.events(SAID).slice(0, 4).join(""));
    });
    const { body } = await fetch({ stream: true });
    let text = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of body ?? []) text += decoder.decode(chunk, { stream: true });
    })();
    await expect(reading).rejects.toThrow("broke off");
    expect(client.errorInStream(text)?.message).toEqual(expect.any(String));
  });

  test("who cancels the body or aborts the request lets the provider go", async () => {
    fake().answer((outgoing) => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.write(upstream.events(SAID).slice(0, 3).join(""));
    });
    const canceled = await fetch({ stream: true });
    await canceled.body?.cancel();
    await until(() => fake().open === 0, 1_000);

    const leave = new AbortController();
    const aborted = await fetch({ stream: true }, leave.signal);
    leave.abort();
    await until(() => fake().open === 0, 1_000);
    for (const { headers } of [canceled, aborted]) {
      expect(await line.gateway.attempts(headers.get("x-sluice-exchange"))).toMatchObject([{ outcome: "canceled" }]);
    }
  });

  test("what is wrong is told in the dialect", async () => {
    const tooLarge = await fetch({ text: "x".repeat(20_000) });
    expect(tooLarge.status).toBe(413);
    expect(client.errorIn(await tooLarge.text()).message).toMatch(/larger than/);
    fake().answer((outgoing) => void outgoing.socket?.destroy());
    const failed = await fetch({ stream: true });
    expect(failed.status).toBe(502);
    client.errorIn(await failed.text());
  });
});
