/** Replicas are asked how they are beside the calls, get them by their weights, and may be chosen by what they hold. */
import { afterEach, describe, expect, test } from "vitest";
import type { Affinity } from "../src/replicas.ts";
import { json, startFakeUpstream, stream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway, type RunningOptions } from "./running.ts";

let gateway: RunningGateway;
let replicas: FakeUpstream[] = [];

afterEach(async () => {
  await gateway.close();
  for (const replica of replicas) await replica.close();
  replicas = [];
});

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, prompt_tokens_details: { cached_tokens: 0 } },
};
const STREAM = [
  { choices: [{ index: 0, delta: { role: "assistant", content: "Hi." }, finish_reason: null }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { choices: [], usage: ANSWER.usage },
]
  .map((chunk) => `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", model: "m", ...chunk })}\n\n`)
  .concat("data: [DONE]\n\n")
  .join("");

const KEY = "sk-vllm-0123456789abcdef";

/** Replicas that take turns unless an affinity is given. @param weights One for each replica. */
async function start(
  weights: readonly number[],
  sluice: RunningOptions["sluice"] = {},
  { yaml = "", ...more }: Partial<RunningOptions> = {},
): Promise<void> {
  replicas = await Promise.all(weights.map(() => startFakeUpstream(well)));
  const rows = replicas.map(({ url }, index) => `{ url: "${url}", weight: ${weights[index] ?? 1} }`);
  gateway = await startGateway({
    environment: { VLLM_API_KEY: KEY },
    yaml: `${yaml}\nproviders: { vllm: { affinity: turns, baseUrls: [${rows.join(", ")}] } }`,
    sluice,
    ...more,
  });
}

const well: Parameters<FakeUpstream["answer"]>[0] = (outgoing, arrived, number) => {
  if (arrived.method === "GET") return void outgoing.writeHead(200).end();
  return arrived.body.includes('"stream":true')
    ? stream(STREAM)(outgoing, arrived, number)
    : json(ANSWER)(outgoing, arrived, number);
};
const ill = json({ error: "EngineDead" }, 503);

async function ask(text = "Hello", more: object = {}): Promise<void> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "vllm/m", messages: [{ role: "user", content: text }], ...more }),
  });
  expect(answer.status).toBe(200);
  await answer.text();
}

const calls = () => replicas.map(({ requests }) => requests.filter(({ method }) => method === "POST").length);
const up = () =>
  Promise.all([0, 1].map((index) => gateway.metric(`sluice_replica_up{provider="vllm",replica="${index}"}`)));

test("one that is ill gets no call, and one that is well again gets its calls back, without one that found either out", async () => {
  await start([1, 1], { probeEveryMs: 5 });
  expect(await up()).toEqual([1, 1]);
  replicas[0]?.answer(ill);
  await until(async () => (await up())[0] === 0);
  for (let call = 0; call < 6; call += 1) await ask();
  expect(calls()).toEqual([0, 6]);
  replicas[0]?.answer(well);
  await until(async () => (await up())[0] === 1);
  for (let call = 0; call < 6; call += 1) await ask();
  expect(calls()).toEqual([3, 9]);
  const rows = await gateway.allAttempts();
  expect(rows.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 12 }, () => "complete"));
  expect(gateway.logged.filter((line) => /"replica-(?:down|up)"/.test(line))).toHaveLength(2);
});

test("one whose server has gone gets no call", async () => {
  await start([1, 1], { probeEveryMs: 5 });
  await replicas[0]?.close();
  await until(async () => (await up())[0] === 0);
  for (let call = 0; call < 4; call += 1) await ask();
  expect((await gateway.allAttempts()).map(({ outcome }) => outcome)).toEqual(
    Array.from({ length: 4 }, () => "complete"),
  );
});

test("probes bring the provider's credential, and are no calls", async () => {
  await start([1, 1], { probeEveryMs: 5 });
  const probes = () => replicas.map(({ requests }) => requests.find(({ path }) => path === "/health"));
  await until(() => probes().every((probe) => probe !== undefined));
  expect(probes().map((probe) => probe?.headers.authorization)).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
  expect(calls()).toEqual([0, 0]);
  expect(gateway.logged.join("")).not.toContain(KEY);
});

test("calls are shared out by the weights", async () => {
  await start([3, 1]);
  for (let call = 0; call < 8; call += 1) await ask();
  expect(calls()).toEqual([6, 2]);
});

test("an affinity chooses by the prompt's prefixes, and hears of each call from its sending to its end", async () => {
  const holders = new Map<number, string>();
  const told: string[] = [];
  const place = (baseUrl: string) => replicas.findIndex(({ url }) => baseUrl.startsWith(url));
  const affinity: Affinity = {
    prefer({ prefixes }, baseUrls) {
      const holder = [...prefixes.hashes].map((word) => holders.get(word)).findLast((one) => one !== undefined);
      return holder === undefined ? undefined : baseUrls.indexOf(holder);
    },
    sent: (_call, baseUrl) => void told.push(`sent ${place(baseUrl)}`),
    began: (_call, baseUrl) => void told.push(`began ${place(baseUrl)}`),
    ended({ prefixes, model }, baseUrl, { outcome, errorKind }) {
      told.push(`ended ${place(baseUrl)} ${errorKind ?? outcome}`);
      expect(model).toBe("m");
      if (outcome === "complete") for (const word of prefixes.hashes) holders.set(word, baseUrl);
    },
  };
  await start([1, 1], { affinity });
  await ask("first");
  await ask("second");
  for (let call = 0; call < 3; call += 1) await ask("first", { stream: true });
  expect(calls()).toEqual([4, 1]);
  expect(told).toEqual(
    [0, 1, 0, 0, 0].flatMap((replica) => [`sent ${replica}`, `began ${replica}`, `ended ${replica} complete`]),
  );
  told.length = 0;
  replicas[0]?.answer(ill);
  await ask("first");
  expect(told).toEqual(["sent 0", "ended 0 overloaded", "sent 1", "began 1", "ended 1 complete"]);
});

describe("an affinity that throws", () => {
  const broken = (): never => {
    throw new Error("plugin");
  };

  test.each(["prefer", "sent", "began", "ended"] as const)("in `%s` costs no answer and no row", async (where) => {
    await start([1, 1], { affinity: { prefer: () => undefined, [where]: broken } });
    await ask("Hello");
    await ask("Hello", { stream: true });
    const rows = await gateway.allAttempts();
    expect(rows.map(({ outcome, attempt }) => [outcome, attempt.slice(-2)])).toEqual([
      ["complete", ".1"],
      ["complete", ".1"],
    ]);
    expect(calls()).toEqual([1, 1]);
    expect(gateway.sluice.admission.inFlight).toBe(0);
    expect(gateway.logged.filter((line) => /"affinity-failed".*"plugin"/.test(line))).toHaveLength(2);
  });
});

test("a replica that dies in the middle of a stream rests, and the next calls go to the others", async () => {
  await start([1, 1], { probeEveryMs: 1_000_000 });
  const [begin = ""] = STREAM.split(/(?<=\n\n)/);
  replicas[0]?.answer((outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write(begin, () => outgoing.destroy());
  });
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "vllm/m", stream: true, messages: [{ role: "user", content: "Hello" }] }),
  });
  await expect(answer.text()).rejects.toThrow();
  const [row] = await gateway.allAttempts();
  expect(row).toMatchObject({ outcome: "failed" });
  expect(await up()).toEqual([0, 1]);
  for (let call = 0; call < 4; call += 1) await ask("Hello", { stream: true });
  expect(calls()).toEqual([1, 4]);
});

test("a call that every replica fails at rests them, and takes none out: they are back before a probe was sent", async () => {
  const clock = { ms: Date.parse("2026-11-24T00:00:00Z") };
  await start([1, 1], { probeEveryMs: 1_000_000 }, { now: () => clock.ms, yaml: "retries: { backoffMs: 1 }" });
  for (const replica of replicas) replica.answer(json({ error: { message: "engine" } }, 500));
  const refused = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "vllm/m", messages: [{ role: "user", content: "POISON" }] }),
  });
  expect(refused.status).toBe(500);
  for (const replica of replicas) replica.answer(well);
  // While all rest, all are called.
  await ask();
  clock.ms += 15_000;
  expect(await up()).toEqual([1, 1]);
});
