import { Agent, get } from "node:http";
import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { call, open } from "./line-client.ts";
import { answers } from "./line-setup.ts";
import { SAID, SAID_PICO_USD, wires, type Wire } from "./line-wires.ts";
import { processFolder, type ProcessFolder } from "./process-gateway.ts";
import { until } from "./running.ts";

const KEY = "sk-provider-process-0123456789abcdef";

let folder: ProcessFolder;
let upstream: FakeUpstream;
beforeEach(() => {
  folder = processFolder();
});
afterEach(async () => {
  await folder.remove();
  await upstream.close();
});

const configFor = (wire: Wire, alias: string) =>
  [
    `providers: { it: { kind: ${wire.kind}, baseUrl: "${upstream.url}/v1", apiKeyEnv: IT_KEY } }`,
    `aliases: { ${alias}: it/${wire.model} }`,
  ].join("\n");

async function start(wire: Wire) {
  upstream = await startFakeUpstream(answers(wire));
  folder.configure(configFor(wire, "before"));
  return folder.start({ IT_KEY: KEY });
}

/** A stream that has begun, and the word by which its provider goes on. */
async function begunStream(url: string, wire: Wire) {
  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const events = wire.events(SAID);
  upstream.answer(async (outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(events.slice(0, 3).join(""));
    await held;
    outgoing.end(events.slice(3).join(""));
  });
  const running = open(url, wire.path, { body: wire.request({ model: "before", stream: true }) });
  await until(() => running.received.length > 0);
  return { running, goOn };
}

describe.each(wires)("$dialect", { timeout: 30_000 }, (wire) => {
  test("SIGTERM: the running stream ends well, new calls are refused in words, and then it is gone", async () => {
    const gateway = await start(wire);
    const { running, goOn } = await begunStream(gateway.url, wire);
    // Connections that are kept open for later must not hold it up.
    const fresh = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve) => {
      get(new URL("/healthz", gateway.url), { agent }, (response) => response.resume().on("end", resolve));
    });
    gateway.process.kill("SIGTERM");
    await until(() => gateway.said().includes('"draining"'));

    const refused = await call(gateway.url, wire.path, { body: wire.request({ model: "before" }) });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(wire.errorIn(refused.text).message).toContain("shutting down");
    expect((await call(gateway.url, "/readyz", { method: "GET" })).status).toBe(503);
    expect((await call(gateway.url, "/healthz", { method: "GET" })).status).toBe(200);

    goOn();
    const answer = await running.answer;
    expect(answer.isBroken).toBe(false);
    expect(wire.textOfStream(answer.text)).toBe(SAID.texts.join(""));
    expect(wire.isComplete(answer.text)).toBe(true);
    const endedAt = performance.now();
    expect(await gateway.ended).toBe(0);
    expect(performance.now() - endedAt).toBeLessThan(3_000);
    agent.destroy();
    fresh.destroy();

    const database = new DatabaseSync(join(folder.path, ".sluice/ledger.sqlite"), { readOnly: true });
    const rows = database.prepare("SELECT outcome, cost_pico_usd AS cost FROM attempts ORDER BY outcome").all();
    database.close();
    expect(rows).toMatchObject([
      { outcome: "complete", cost: Number(SAID_PICO_USD) },
      { outcome: "rejected", cost: 0 },
    ]);
    expect(gateway.said()).not.toContain(KEY);
  });

  test("SIGHUP: new calls follow the new config, the running stream does not notice", async () => {
    const gateway = await start(wire);
    const { running, goOn } = await begunStream(gateway.url, wire);
    folder.configure(`${configFor(wire, "after")}\nclasses: { lost: { crossCheck: { reviewers: itt/x } } }`);
    gateway.process.kill("SIGHUP");
    await until(() => gateway.said().includes('"reloaded"'));
    await until(() => gateway.said().includes("`classes.lost.crossCheck.reviewers`: no provider is called `itt`"));

    upstream.answer(answers(wire));
    const status = async (model: string) =>
      (await call(gateway.url, wire.path, { body: wire.request({ model }) })).status;
    expect(await status("after")).toBe(200);
    expect(await status("before")).toBe(404);
    goOn();
    const answer = await running.answer;
    expect(answer.isBroken).toBe(false);
    expect(wire.isComplete(answer.text)).toBe(true);

    // A config that is wrong is told and changes nothing.
    folder.configure("no-such-section: 1");
    gateway.process.kill("SIGHUP");
    await until(() => gateway.said().includes('"reload-failed"'));
    expect(gateway.said()).toContain("no-such-section");
    expect(await status("after")).toBe(200);
  });
});
