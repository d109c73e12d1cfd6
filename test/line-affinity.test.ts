/** Replicas with caches of their own: conversations stay where they are warm, what is new goes where least waits. */
import { afterEach, describe, expect, test } from "vitest";
import { startSandbox, type RunningSandbox } from "../bench/sandbox/index.ts";
import { json, startFakeUpstream, type FakeUpstream } from "./fake-upstream.ts";
import { startGateway, until, type RunningGateway } from "./running.ts";
import { words } from "./sandbox-call.ts";

let gateway: RunningGateway;
let sandboxes: readonly RunningSandbox[] = [];
let fakes: readonly FakeUpstream[] = [];

afterEach(stop);

async function stop(): Promise<void> {
  await gateway.close();
  for (const server of [...sandboxes, ...fakes]) await server.close();
  sandboxes = [];
  fakes = [];
}

const MODEL = "Qwen/Qwen3-8B";
interface Turn {
  readonly role: string;
  readonly content: string;
}

interface Started {
  /** More of the provider's row. */
  readonly settings?: string;
  readonly pace?: SandboxOptions["pace"];
  readonly probeEveryMs?: number;
  /** How long a replica rests that failed. */
  readonly restMs?: number;
}
type SandboxOptions = NonNullable<Parameters<typeof startSandbox>[0]>;

const HOUR_MS = 3_600_000;

async function start({ settings = "", pace, probeEveryMs = HOUR_MS, restMs = 1 }: Started = {}): Promise<void> {
  sandboxes = await Promise.all(
    [0, 1, 2].map(() => startSandbox({ vllm: { reportsCached: true }, ...(pace === undefined ? {} : { pace }) })),
  );
  const urls = sandboxes.map(({ url }) => `"${url}/vllm/v1"`);
  gateway = await startGateway({
    environment: {},
    yaml: `providers: { vllm: { baseUrls: [${urls.join(", ")}]${settings} } }\nbreaker: { restMs: ${restMs} }`,
    sluice: { probeEveryMs },
  });
}

async function ask(messages: readonly Turn[], more: object = {}): Promise<string> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: `vllm/${MODEL}`, messages, ...more }),
  });
  expect(answer.status).toBe(200);
  const body = await answer.text();
  return more === STREAMED ? "Yes." : (JSON.parse(body) as Completion).choices[0].message.content;
}

interface Completion {
  readonly choices: readonly [{ readonly message: { readonly content: string } }];
}
const STREAMED = { stream: true };

/** Billed answers of each replica. */
const answers = () => sandboxes.map(({ invoice }) => invoice.lines.length);

class Conversation {
  readonly #turns: Turn[];
  /** Replicas by the answers they gave. */
  readonly homes: number[] = [];

  constructor(subject: string) {
    this.#turns = [{ role: "system", content: `${subject} ${words(500)}` }];
  }

  async turn(): Promise<void> {
    this.#turns.push({ role: "user", content: `And then? ${this.#turns.length} ${words(30)}` });
    const before = answers();
    this.#turns.push({ role: "assistant", content: await ask(this.#turns) });
    const now = answers();
    this.homes.push(now.findIndex((count, index) => count > (before[index] ?? 0)));
  }
}

async function turns(conversations: readonly Conversation[], count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) for (const conversation of conversations) await conversation.turn();
}

const six = () => ["Ants", "Bees", "Crows", "Dogs", "Eels", "Foxes"].map((subject) => new Conversation(subject));

describe("conversations", () => {
  test("stay on one replica each, and are shared out over all", async () => {
    await start();
    const conversations = six();
    await turns(conversations, 5);
    for (const { homes } of conversations) expect(new Set(homes).size).toBe(1);
    expect(answers()).toEqual([10, 10, 10]);
    const lines = sandboxes.flatMap(({ invoice }) => invoice.lines);
    const cold = lines.filter(({ tokens }) => tokens.cacheRead === 0);
    expect(cold).toHaveLength(6);
  });

  test("read less than half of what they read where replicas take turns", async () => {
    const uncached: number[] = [];
    for (const settings of ["", ", affinity: turns"]) {
      if (uncached.length > 0) await stop();
      await start({ settings });
      // Five: six of them would take their turns in step with three replicas.
      await turns(six().slice(1), 6);
      const lines = sandboxes.flatMap(({ invoice }) => invoice.lines);
      uncached.push(lines.reduce((sum, { tokens }) => sum + tokens.uncached, 0));
    }
    const [byPrefix = 0, inTurn = 0] = uncached;
    expect(byPrefix).toBeGreaterThan(0);
    expect(2 * byPrefix).toBeLessThan(inTurn);
  });

  test("of a replica that dies move, and stay where they moved when it is back", async () => {
    // Longer than a call takes to try again, however busy the machine is.
    await start({ probeEveryMs: 5, restMs: 1_000 });
    const conversations = six();
    await turns(conversations, 2);
    const dead = conversations[0]?.homes[0] ?? 0;
    const isUp = () => gateway.metric(`sluice_replica_up{provider="vllm",replica="${dead}"}`);
    const { port = 0 } = sandboxes[dead] ?? {};
    await sandboxes[dead]?.close();
    await turns(conversations, 2);
    const back = await startSandbox({ vllm: { reportsCached: true }, port });
    sandboxes = sandboxes.map((sandbox, index) => (index === dead ? back : sandbox));
    await until(async () => (await isUp()) === 1);
    await turns(conversations, 2);
    for (const { homes } of conversations) {
      const [, home, moved] = homes;
      if (home === dead) expect(moved).not.toBe(dead);
      else expect(moved).toBe(home);
      expect(homes).toEqual([home, home, moved, moved, moved, moved]);
    }
    // What is new goes there again.
    const fresh = six().map((_, index) => new Conversation(`Geese ${index}`));
    await turns(fresh, 1);
    expect(fresh.map(({ homes }) => homes[0])).toContain(dead);
  });
});

test("a burst of prompts that have nothing in common is shared out by what waits", async () => {
  await start({ pace: { firstTokenMs: 200, tokensPerSecond: 1_000 } });
  const texts = Array.from({ length: 12 }, (_, index) => `${index} is the number. ${words(300)}`);
  await Promise.all(texts.map((content) => ask([{ role: "user", content }], STREAMED)));
  expect(answers()).toEqual([4, 4, 4]);
  await until(() => gateway.sluice.admission.inFlight === 0);
});

describe("a conversation that a server", () => {
  test.each([
    ["has room for, as far as is known, stays", "None", true],
    ["has no room for beside another, by its own metrics, is nowhere warm and takes its turn", "1", false],
  ])("%s", async (_what, blocks, stays) => {
    fakes = await Promise.all([0, 1].map(() => startFakeUpstream(silent(blocks))));
    const urls = fakes.map(({ url }) => `"${url}/v1"`);
    gateway = await startGateway({
      environment: {},
      yaml: `providers: { vllm: { baseUrls: [${urls.join(", ")}] } }`,
      sluice: { probeEveryMs: HOUR_MS, countersEveryMs: 1 },
    });
    const home = async (subject: string) => {
      const before = fakes.map(callsOf);
      await ask([{ role: "user", content: `${subject} ${words(100)}` }]);
      return fakes.findIndex((fake, index) => callsOf(fake) > (before[index] ?? 0));
    };
    const homes = [await home("Ants"), await home("Bees")];
    expect(new Set(homes)).toEqual(new Set([0, 1]));
    // One reading after the other: when a second one is asked for, the first one is known.
    await until(async () => {
      expect([await home("Ants"), await home("Bees")]).toEqual(homes);
      return fakes.every(({ requests }) => requests.filter(({ path }) => path === "/metrics").length > 1);
    });
    expect(await home("Crows")).toBe(homes[0]);
    expect((await home("Ants")) === homes[0]).toBe(stays);
  });

  const callsOf = ({ requests }: FakeUpstream) => requests.filter(({ method }) => method === "POST").length;

  /** Says nothing of its cache but in its metrics. */
  const silent =
    (blocks: string): Parameters<typeof startFakeUpstream>[0] =>
    (outgoing, arrived, number) => {
      if (arrived.method === "POST") return json(ANSWER)(outgoing, arrived, number);
      outgoing.writeHead(200, { "content-type": "text/plain" });
      outgoing.end(
        [
          "vllm:prefix_cache_queries_total 100",
          "vllm:prefix_cache_hits_total 0",
          `vllm:cache_config_info{block_size="16",num_gpu_blocks="${blocks}"} 1.0`,
          "",
        ].join("\n"),
      );
      return undefined;
    };
});

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: MODEL,
  choices: [{ index: 0, message: { role: "assistant", content: "Yes." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 110, completion_tokens: 2, total_tokens: 112 },
};
