/** Messages over the death of the process: what is to be told is written down, and told by the next one with the same key. */
import { OpenAI } from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startReceiver, type Received, type Receiver } from "./delivery-made.ts";
import { call } from "./line-client.ts";
import { processFolder, type ProcessFolder, type ProcessGateway } from "./process-gateway.ts";
import { until } from "./running.ts";

const SECRET = `whsec_${Buffer.from("thirty-two bytes of a secret, 32").toString("base64")}`;
const PROJECTS = 20;
/** Shares of the limit, each of which is told once. */
const LEVELS = [0.5, 1];

let folder: ProcessFolder;
let receiver: Receiver;
beforeEach(async () => {
  folder = processFolder();
  receiver = await startReceiver();
  folder.configure(`budgets:
  - { name: project, tag: project, window: month, limitUsd: 0.000000001, notifyAt: [${LEVELS.join(", ")}] }
notify:
  - { name: hook, kind: webhook, url: "${receiver.url}/hook", secretEnv: HOOK_SECRET, timeoutMs: 500 }
`);
});
afterEach(async () => {
  await folder.remove();
  await receiver.close();
});

const keyOf = ({ headers }: Received) => String(headers["idempotency-key"]);

test(
  "a receiver that hangs and fails, then kill -9 with an outbox that is full of messages: each is told once more, and what was told is not",
  { timeout: 60_000 },
  async () => {
    const first = await folder.start({ HOOK_SECRET: SECRET });
    await spend(first, 0);
    await until(() => receiver.received.length === LEVELS.length);
    const told = receiver.received.map(keyOf);
    await until(async () => (await metric(first, 'sluice_notifications_total{channel="hook",result="told"}')) === 2);

    // It takes the connection and says nothing; then it says that it is broken.
    receiver.answer((response, number) => (number > 3 ? response.writeHead(500).end() : undefined));
    for (let project = 1; project < PROJECTS; project += 1) await spend(first, project);
    const waiting = (PROJECTS - 1) * LEVELS.length;
    await until(async () => (await metric(first, 'sluice_notifications_waiting{channel="hook"}')) === waiting);
    await until(() => receiver.received.length >= 4);
    await until(async () => (await metric(first, "sluice_ledger_queue")) === 0);
    first.process.kill("SIGKILL");
    await first.ended;
    const tried = receiver.received.slice(LEVELS.length);

    const before = receiver.received.length;
    receiver.answer((response) => response.writeHead(204).end());
    const second = await folder.start({ HOOK_SECRET: SECRET });
    await until(() => receiver.received.length >= before + waiting);
    // The same spend is seen again, over the same levels.
    for (let project = 0; project < PROJECTS; project += 1) await spend(second, project);
    await until(async () => (await metric(second, "sluice_ledger_queue")) === 0);

    const after = receiver.received.slice(before);
    const keys = after.map(keyOf);
    expect(keys).toHaveLength(waiting);
    expect(new Set(keys).size).toBe(waiting);
    for (const key of told) expect(keys).not.toContain(key);
    for (const one of tried) {
      expect(keys).toContain(keyOf(one));
      expect(after.find((other) => keyOf(other) === keyOf(one))?.body).toBe(one.body);
    }
    const others = new OpenAI({ apiKey: "none" }).webhooks;
    for (const one of receiver.received) await others.verifySignature(one.body, new Headers(strings(one)), SECRET);
    const said = `${first.said()} ${second.said()}`;
    expect(said).toContain("it did not answer within 500 ms");
    expect(said).toContain("it answered 500");
    expect(said).not.toContain(SECRET.slice(6));
    expect(said).not.toContain(new URL(receiver.url).host);
  },
);

test(
  "a channel that comes with a reload is told, and a receiver that hangs keeps no gateway from ending",
  { timeout: 60_000 },
  async () => {
    const budgets = "budgets: [{ name: project, tag: project, limitUsd: 0.000000001, notifyAt: [1] }]\n";
    folder.configure(budgets);
    const gateway = await folder.start();
    await spend(gateway, 0);
    folder.configure(`${budgets}notify: [{ kind: webhook, url: "${receiver.url}/new", timeoutMs: 60000 }]\n`);
    gateway.process.kill("SIGHUP");
    await until(() => gateway.said().includes('"event":"reloaded"'));
    receiver.answer(() => undefined);
    await spend(gateway, 1);
    await until(() => receiver.received.length === 1);
    expect(receiver.received[0]).toMatchObject({ path: "/new" });
    // What was to be told before there was anybody is in the log alone.
    expect(receiver.received.map(keyOf)).toEqual([expect.stringContaining("project|p1|")]);
    const stoppedAt = performance.now();
    gateway.process.kill("SIGTERM");
    expect(await gateway.ended).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(10_000);
    expect(gateway.said()).not.toContain("ledger-rows-lost");
  },
);

/** A call that is more than its project's budget, and what is told of that. */
async function spend(gateway: ProcessGateway, project: number): Promise<void> {
  const answer = await call(gateway.url, "/v1/chat/completions", {
    headers: { "x-sluice-tags": `project=p${project}` },
    body: { model: "gpt-5.4-nano", messages: [{ role: "user", content: "Hello" }] },
  });
  expect(answer.status).toBe(200);
}

async function metric(gateway: ProcessGateway, series: string): Promise<number> {
  const { text } = await call(gateway.url, "/metrics", { method: "GET" });
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

function strings({ headers }: Received): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
