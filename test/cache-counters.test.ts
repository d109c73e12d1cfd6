/** What a server's own counters say of one call, where its answer says nothing: the call's window, and never more than they can know. */
import { afterEach, describe, expect, test } from "vitest";
import { vllm } from "../providers/vllm.ts";
import { createCacheCounters, type CacheCounters } from "../src/cache-counters.ts";
import type { CacheReading } from "../src/replicas.ts";
import type { ProviderInstance } from "../src/target.ts";
import type { Upstream } from "../src/upstream.ts";
import { UNKNOWN_USAGE, type Usage } from "../src/usage.ts";
import { entry } from "./ledger-entry.ts";
import { ManualTimers, settled } from "./manual-timers.ts";

const EVERY_MS = 1_000;
const URL_A = "http://a:8000/v1";
const INSTANCE: ProviderInstance = { name: "gpu", provider: vllm, settings: { baseUrls: [URL_A] } };

let counters: CacheCounters;
afterEach(() => counters.close());

interface Arranged {
  readonly timers: ManualTimers;
  readonly asked: string[];
  /** What else the readings told. */
  readonly told: string[];
  /** Labels of the cache's series, one of each engine. */
  sizes: readonly string[];
  /** What the server has counted. */
  queries: number;
  hits: number;
  /** The whole answer, where it is another one. */
  answer: (() => { readonly status: number; readonly text: string } | Promise<never>) | undefined;
  /** A call of so many tokens, found so many: its prompt is read when it begins. */
  call(): Call;
  /** One whose answer said nothing, so that the counters are read from now on. */
  silent(): Promise<void>;
}

interface Call {
  readonly reading: CacheReading;
  /** The server reads the prompt. */
  reads(tokens: number, found: number): void;
  end(usage?: Partial<Usage>): void;
}

function arrange(): Arranged {
  const timers = new ManualTimers();
  const asked: string[] = [];
  const told: string[] = [];
  const upstream: Upstream = {
    async send({ url }) {
      asked.push(url.href);
      const { status, text } = (await made.answer?.()) ?? { status: 200, text: exposition(made) };
      return {
        status,
        headers: {},
        body: {
          read(sink) {
            sink.data(Buffer.from(text));
            sink.end();
          },
          pause() {},
          resume() {},
          abort() {},
        },
      };
    },
    async close() {},
  };
  counters = createCacheCounters({
    upstream,
    now: () => timers.nowMs,
    sleep: (ms, signal) => timers.sleep(ms, signal),
    everyMs: EVERY_MS,
    sized: (instance, baseUrl, cacheTokens) => void told.push(`${instance.name} ${baseUrl} ${cacheTokens}`),
    restarted: (instance, baseUrl) => void told.push(`${instance.name} ${baseUrl} anew`),
  });
  const made: Arranged = {
    timers,
    asked,
    told,
    sizes: [],
    queries: 0,
    hits: 0,
    answer: undefined,
    call() {
      const reading = counters.watch(INSTANCE, URL_A);
      if (reading === undefined) throw new Error("nothing is read");
      reading.sent();
      return {
        reading,
        reads(tokens, found) {
          made.queries += tokens;
          made.hits += found;
          reading.began();
        },
        end: (usage = {}) =>
          reading.ended(entry("x", { usage: { ...UNKNOWN_USAGE, inputUncached: 100, output: 5, ...usage } })),
      };
    },
    async silent() {
      const call = made.call();
      call.reads(50, 10);
      call.end();
      await settled();
    },
  };
  return made;
}

function exposition({ queries, hits, sizes }: Pick<Arranged, "queries" | "hits" | "sizes">): string {
  const half = Math.floor(queries / 2);
  return [
    "# HELP vllm:prefix_cache_queries_total Prefix cache queries, in terms of number of queried tokens.",
    "# TYPE vllm:prefix_cache_queries_total counter",
    `vllm:prefix_cache_queries_total{engine="0",model_name="m {}"} ${half}.0`,
    `vllm:prefix_cache_queries_total{engine="1",model_name="m {}"} ${(queries - half).toExponential()}`,
    `vllm:prefix_cache_queries_created{engine="0",model_name="m {}"} 1.77e+09`,
    `vllm:prefix_cache_hits_total{engine="0",model_name="m {}"} ${hits}`,
    `vllm:external_prefix_cache_hits_total{engine="0",model_name="m {}"} 99999`,
    ...sizes.map((labels) => `vllm:cache_config_info{${labels}} 1.0`),
    "",
  ].join("\n");
}

test("nothing is read of a server whose answers say what came from its cache", async () => {
  const made = arrange();
  for (const cacheRead of [0, 64]) {
    const call = made.call();
    call.reads(100, cacheRead);
    call.end({ cacheRead });
  }
  await made.timers.pass(10 * EVERY_MS);
  expect(made.asked).toEqual([]);
});

test.each(["estimated", "unknown"] as const)(
  "a count that is %s is no server's silence, and no word of it",
  async (basis) => {
    const made = arrange();
    const end = (usage: Partial<Usage>) => {
      const { reading } = made.call();
      reading.ended(entry("x", { usage: { ...UNKNOWN_USAGE, inputUncached: 100, ...usage }, usageBasis: basis }));
      return reading;
    };
    end({});
    await made.timers.pass(2 * EVERY_MS);
    expect(made.asked).toEqual([]);
    expect(end({ cacheRead: 64 }).tellsRead()).toBe(false);
  },
);

test("a server that has told once leaves out only zeros, and is not read any more", async () => {
  const made = arrange();
  await made.silent();
  expect(made.call().reading.tellsRead()).toBe(false);
  const telling = made.call();
  telling.reads(1_000, 960);
  telling.end({ cacheRead: 960 });
  await made.timers.pass(EVERY_MS);
  const read = made.asked.length;
  const call = made.call();
  call.reads(1_000, 0);
  expect(call.reading.tellsRead()).toBe(true);
  call.end();
  await made.silent();
  await made.timers.pass(10 * EVERY_MS);
  expect(made.asked.length).toBeLessThanOrEqual(read + 1);
});

test("of the first call whose answer says nothing, nothing is known", async () => {
  const made = arrange();
  const call = made.call();
  call.reads(100, 64);
  await made.timers.pass(10 * EVERY_MS);
  expect(call.reading.cacheRead(100)).toBeUndefined();
});

test("the only call of a window has the window's hits, to the token", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(EVERY_MS);
  for (const [tokens, found] of [
    [1_000, 992],
    [333, 0],
    [17, 16],
  ] as const) {
    const call = made.call();
    call.reads(tokens, found);
    await made.timers.pass(EVERY_MS);
    expect(call.reading.cacheRead(tokens)).toBe(found);
    call.end();
    await made.timers.pass(EVERY_MS);
  }
  expect(made.asked[0]).toBe("http://a:8000/metrics");
});

test("calls of one window share its hits by their tokens, whoever else's are in it", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const calls = [made.call(), made.call()];
  calls[0]?.reads(1_000, 600);
  calls[1]?.reads(3_000, 0);
  // Not ours.
  made.queries += 2_000;
  await made.timers.pass(EVERY_MS);
  expect(calls.map((call, index) => call.reading.cacheRead(index === 0 ? 1_000 : 3_000))).toEqual([100, 300]);
});

test("what others ask for while a stream runs on is not taken for the call's", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const call = made.call();
  call.reads(1_000, 992);
  await made.timers.pass(EVERY_MS);
  made.queries += 100_000;
  await made.timers.pass(20 * EVERY_MS);
  expect(call.reading.cacheRead(1_000)).toBe(992);
});

test("a call that is over before the next reading is given the share of the last minute, and then none", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const first = made.call();
  first.reads(1_000, 500);
  await made.timers.pass(EVERY_MS);
  first.end();
  await made.timers.pass(EVERY_MS);
  const short = made.call();
  short.reads(200, 0);
  expect(short.reading.cacheRead(200)).toBe(100);
  short.end();
  await made.timers.pass(120_000);
  const late = made.call();
  late.reads(200, 0);
  expect(late.reading.cacheRead(200)).toBeUndefined();
});

test("a window that asked for less than the call has does not hold it", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const call = made.call();
  // The server began, and has not counted it yet: what it has counted is somebody else's.
  made.queries += 999;
  made.hits += 999;
  call.reading.began();
  await made.timers.pass(EVERY_MS);
  expect(call.reading.cacheRead(1_000)).toBeUndefined();
});

test("counters that began anew say nothing of what was before", async () => {
  const made = arrange();
  made.queries = 10_000;
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const call = made.call();
  made.queries = 0;
  made.hits = 0;
  call.reads(100, 90);
  await made.timers.pass(EVERY_MS);
  expect(call.reading.cacheRead(100)).toBeUndefined();
});

test("counters that began anew and have overtaken what they were say nothing of it, either", async () => {
  const made = arrange();
  made.queries = 1_000;
  made.hits = 900;
  await made.silent();
  await made.timers.pass(EVERY_MS);
  const call = made.call();
  made.queries = 2_000;
  made.hits = 0;
  call.reads(100, 90);
  await made.timers.pass(EVERY_MS);
  expect(call.reading.cacheRead(100)).toBeUndefined();
});

test("the share of the last minute is counted from where the counters began anew", async () => {
  const made = arrange();
  for (const [queries, hits] of [
    [1_000, 1_000],
    [100, 0],
    [3_100, 3_000],
  ] as const) {
    made.queries = queries - 50;
    made.hits = hits - 10;
    await made.silent();
    await made.timers.pass(EVERY_MS);
  }
  const call = made.call();
  call.reads(1_000, 0);
  expect(call.reading.cacheRead(1_000)).toBe(1_000);
});

test("what was asked for in a long pause before a call is not the call's", async () => {
  const made = arrange();
  await made.silent();
  await made.timers.pass(12 * 3_600_000);
  // Not ours.
  made.queries += 50_000_000;
  made.hits += 45_000_000;
  const call = made.call();
  call.reads(1_000, 0);
  await made.timers.pass(EVERY_MS);
  expect(call.reading.cacheRead(1_000) ?? 0).toBe(0);
});

describe("the size of the cache is told", () => {
  test.each<[string, readonly string[], readonly number[]]>([
    [
      "in blocks",
      ['block_size="16",cache_dtype="auto",num_gpu_blocks="24188",num_gpu_blocks_override="None"'],
      [387_008],
    ],
    ["in tokens", ['block_size="16",kv_cache_size_tokens="1000000",num_gpu_blocks="573"'], [1_000_000]],
    [
      "of all engines",
      ['block_size="16",engine="0",num_gpu_blocks="10"', 'block_size="16",engine="1",num_gpu_blocks="20"'],
      [480],
    ],
    ["not before it is known", ['block_size="16",num_cpu_blocks="None",num_gpu_blocks="None"'], []],
    ["not where there is none", [], []],
  ])("%s", async (_how, sizes, told) => {
    const made = arrange();
    made.sizes = sizes;
    await made.silent();
    expect(made.told).toEqual(told.map((tokens) => `gpu ${URL_A} ${tokens}`));
  });
});

test("that a server began anew is told once", async () => {
  const made = arrange();
  for (const queries of [10_000, 20_000, 0, 500]) {
    made.queries = queries;
    await made.silent();
    await made.timers.pass(EVERY_MS);
  }
  expect(made.told).toEqual([`gpu ${URL_A} anew`]);
});

describe("readings", () => {
  test("come one at a time, no oftener than they may, and end with the calls", async () => {
    const made = arrange();
    await made.silent();
    expect(made.asked).toHaveLength(1);
    const calls = Array.from({ length: 20 }, () => made.call());
    for (const call of calls) call.reads(10, 0);
    await made.timers.pass(EVERY_MS - 1);
    expect(made.asked).toHaveLength(1);
    await made.timers.pass(10 * EVERY_MS);
    expect(made.asked.length).toBeLessThanOrEqual(12);
    for (const call of calls) call.end();
    await made.timers.pass(EVERY_MS);
    const atEnd = made.asked.length;
    await made.timers.pass(100 * EVERY_MS);
    expect(made.asked.length).toBe(atEnd);
    expect(made.timers.waiting).toBe(0);
  });

  test("that hang are not followed by others", async () => {
    const made = arrange();
    made.answer = () => new Promise(() => {});
    await made.silent();
    for (let call = 0; call < 5; call += 1) await made.silent();
    await made.timers.pass(10 * EVERY_MS);
    expect(made.asked).toHaveLength(1);
  });

  test("stop when it is closed", async () => {
    const made = arrange();
    await made.silent();
    made.call();
    await made.timers.pass(EVERY_MS);
    counters.close();
    const atEnd = made.asked.length;
    await made.timers.pass(100 * EVERY_MS);
    expect([made.asked.length, made.timers.waiting]).toEqual([atEnd, 0]);
  });
});

test.each([
  ["has no such path", { status: 404, text: "" }, 500_000],
  ["wants another credential", { status: 401, text: "" }, 500_000],
  ["has other counters", { status: 200, text: "up 1\nvllm:prefix_cache_queries_totals 5\n" }, 500_000],
  ["counts what is no number", { status: 200, text: 'vllm:prefix_cache_queries_total{a="b"} NaN\n' }, 500_000],
  ["fails", { status: 503, text: "" }, 20_000],
])("a server that %s is left alone for a while, and its calls' reads stay unknown", async (_what, answer, quietMs) => {
  const made = arrange();
  made.answer = () => answer;
  await made.silent();
  expect(made.asked).toHaveLength(1);
  const call = made.call();
  call.reads(100, 64);
  await made.timers.pass(quietMs);
  expect(made.asked).toHaveLength(1);
  expect(call.reading.cacheRead(100)).toBeUndefined();
  made.answer = undefined;
  await made.timers.pass(600_000);
  expect(made.asked.length).toBeGreaterThan(1);
});

test("a provider that has no counters is not read", () => {
  const { cacheCounters: _, ...mute } = vllm;
  arrange();
  expect(counters.watch({ ...INSTANCE, provider: mute }, URL_A)).toBeUndefined();
});
