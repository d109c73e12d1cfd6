/** `bench replay` on exports whose truth is known: what is exact is exact, and what is projected says how well it is known. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { replayCommand } from "../bench/replay/command.ts";
import type { ClassResult, Result } from "../bench/replay/result.ts";
import { conversation, HOUR_MS, linesOf, MONTH_MS, type MadeCall, type MadeTask } from "./recorded-tasks.ts";

const NANO = "openai/gpt-5.4-nano";
const SMALL = "mistral/mistral-small-2603";
const SERVER = "vllm/mistralai/Mistral-Small-4-119B-2603";

let folder: string;
let files = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-replay-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(tasks: readonly MadeTask[] | string): string {
  files += 1;
  const file = join(folder, `${files}.jsonl`);
  writeFileSync(file, typeof tasks === "string" ? tasks : linesOf(tasks));
  return file;
}

async function ask(file: string, ...flags: string[]): Promise<Result & { readonly text: string }> {
  const { output, problem, exitCode } = await replayCommand([file, "--json", ...flags]);
  expect(problem).toBe("");
  expect(exitCode).toBe(0);
  const lines = output.trimEnd().split("\n");
  return { ...(JSON.parse(lines.at(-1) ?? "") as Result), text: output };
}

function ofClass({ classes }: Result, name: string): ClassResult {
  const found = classes.find((one) => one.class === name);
  if (found === undefined) throw new Error(`there is no class ${name}`);
  return found;
}

/** One an hour. */
function tasksOf(
  count: number,
  make: (index: number) => Omit<MadeTask, "id" | "startedAtMs"> & Partial<MadeTask>,
): MadeTask[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `t-${index}`,
    startedAtMs: MONTH_MS + index * HOUR_MS,
    ...make(index),
  }));
}

const TALK = { turns: 3, firstPrompt: 2_000, growth: 500, output: 200, readShare: 0.8 };
/** 4,000 + 700 new tokens … as `conversation` makes them: 2000 + (2500 - 1600) + (3000 - 2000) new, 1600 + 2000 read, 600 written. */
const NANO_TALK_PICO = 3_900n * 200_000n + 3_600n * 20_000n + 600n * 1_250_000n;

describe("as it was", () => {
  test("attempts are priced again from their tokens, and the sum is the ledger's to the picodollar", async () => {
    const file = written(tasksOf(5, () => ({ className: "talk", calls: conversation({ ...TALK, target: NANO }) })));
    const { as_it_was: was, total } = await ask(file);
    expect(was.cost_pico_usd).toBe(String(5n * NANO_TALK_PICO));
    expect(was.recomputed_attempts).toBe(15);
    expect(was.carried).toEqual([]);
    expect(total.would_pico_usd).toBe(was.cost_pico_usd);
    expect(total.would_ci95).toBeNull();
  });

  test("what cannot be computed again is taken as it is, by why; what has no price is in no sum, and counted", async () => {
    const odd: readonly MadeCall[] = [
      { target: NANO, usage: {}, outcome: "lost", costPicoUsd: 700n },
      { target: NANO, usage: { inputUncached: 100, output: 10 }, costPicoUsd: 9n },
      { target: "nobody/knows-it", usage: { inputUncached: 100, output: 10 } },
    ];
    const file = written(tasksOf(1, () => ({ className: "odd", calls: odd })));
    const { as_it_was: was, total, text } = await ask(file);
    expect(was.cost_pico_usd).toBe("709");
    expect(was.recomputed_attempts).toBe(0);
    expect(was.carried.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect(was.unpriced_attempts).toBe(1);
    expect(total.apart).toEqual({ tasks: 1, was_usd: 709e-12 });
    expect(text).toContain("1 unpriced: what they cost is not known, and in no sum");
  });

  test("lines may stand in any order, packed, and as pages of the HTTP interface", async () => {
    const tasks = tasksOf(30, (index) => ({
      className: `c-${index % 2}`,
      success: index % 3 === 0 ? 1 : 0,
      calls: conversation({ ...TALK, target: index % 4 === 0 ? SMALL : NANO }),
    }));
    const lines = linesOf(tasks);
    const rows = lines.trimEnd().split("\n");
    const packed = join(folder, "packed.jsonl.gz");
    writeFileSync(packed, gzipSync(lines));
    const paged = `${JSON.stringify({ data: rows.slice(0, 50).map((row) => JSON.parse(row) as unknown) })}\n${rows.slice(50).join("\n")}`;
    const flags = ["--policy", "cheapest-task"];
    const { text, ...expected } = await ask(written(lines), ...flags);
    for (const file of [written(rows.toReversed().join("\n")), packed, written(paged)]) {
      const { text: _, ...found } = await ask(file, ...flags);
      expect({ ...found, ledger: "" }).toEqual({ ...expected, ledger: "" });
    }
    expect(text).toContain("30 tasks, 90 attempts");
  });
});

describe("an export that others made", () => {
  test("without lines of tasks an attempt's own class counts, and outcomes are what the answers showed", async () => {
    const tasks = tasksOf(12, (index) => ({
      className: "talk",
      success: 1,
      calls: conversation({ ...TALK, target: NANO }).map((call, turn) => ({
        ...call,
        ...(turn === 2 ? { signals: index < 3 ? "answer-broken" : "answer-valid" } : {}),
      })),
    }));
    const attempts = linesOf(tasks)
      .split("\n")
      .filter((line) => !line.includes('"ended_at"'))
      .join("\n");
    const result = await ask(written(attempts), "--all-to", SMALL);
    expect(ofClass(result, "talk").tasks).toBe(12);
    expect(result.as_it_was.cost_pico_usd).toBe(String(12n * NANO_TALK_PICO));
    expect(result.total.success.was).toBeCloseTo(9 / 12, 9);
  });

  test("the same id of two tenants is two tasks", async () => {
    const lines = linesOf(tasksOf(1, () => ({ className: "talk", calls: conversation({ ...TALK, target: NANO }) })));
    const others = lines.replaceAll('"tenant":""', '"tenant":"7"').replaceAll("t-0-", "u-0-");
    const { as_it_was: was } = await ask(written(lines + others));
    expect([was.tasks, was.attempts, was.cost_pico_usd]).toEqual([2, 6, String(2n * NANO_TALK_PICO)]);
  });
});

describe("at other prices", () => {
  test("four times the price of one provider is exactly that, and the others stay", async () => {
    const file = written(
      tasksOf(4, (index) => ({
        className: index < 2 ? "one" : "other",
        calls: conversation({ ...TALK, target: index < 2 ? NANO : SMALL }),
      })),
    );
    const result = await ask(file, "--price", "openai/*=x4");
    expect(ofClass(result, "one").would_pico_usd).toBe(String(8n * NANO_TALK_PICO));
    expect(ofClass(result, "other").would_pico_usd).toBe(ofClass(result, "other").ledger_pico_usd);
    expect(result.text).toContain("+300 %");
  });

  test("a share of a price is rounded by the token, as prices are, and what is carried is scaled", async () => {
    const calls: readonly MadeCall[] = [
      { target: NANO, usage: { inputUncached: 1_000, output: 100 } },
      { target: NANO, usage: {}, outcome: "lost", costPicoUsd: 1_000n },
    ];
    const { total } = await ask(written(tasksOf(1, () => ({ className: "a", calls }))), "--price", "openai=x1.25");
    expect(total.would_pico_usd).toBe(String(1_000n * 250_000n + 100n * 1_562_500n + 1_250n));
  });

  test("prices of one's own have their cliffs, and buckets without a price make a task unknown", async () => {
    const calls = (prompt: number, read: number): readonly MadeCall[] => [
      { target: NANO, usage: { inputUncached: prompt - read, cacheRead: read, cacheWrite5m: 0, output: 10 } },
    ];
    const file = written([
      { id: "short", className: "short", startedAtMs: MONTH_MS, calls: calls(1_000, 0) },
      { id: "long", className: "long", startedAtMs: MONTH_MS + 1, calls: calls(1_001, 500) },
      {
        id: "write",
        className: "write",
        startedAtMs: MONTH_MS + 2,
        calls: [{ target: NANO, usage: { inputUncached: 1, cacheWrite1h: 5, output: 1 }, costPicoUsd: 1n }],
      },
    ]);
    const prices = written(
      JSON.stringify({
        [NANO]: {
          price: {
            input: 1,
            cacheRead: 0.1,
            output: 2,
            over: [{ promptTokens: 1_000, input: 3, cacheRead: 0.3, output: 4 }],
          },
        },
      }),
    );
    const result = await ask(file, "--prices", prices);
    expect(ofClass(result, "short").would_pico_usd).toBe(String(1_000n * 1_000_000n + 10n * 2_000_000n));
    expect(ofClass(result, "long").would_pico_usd).toBe(String(501n * 3_000_000n + 500n * 300_000n + 10n * 4_000_000n));
    // Nobody says what a write costs: it is taken as it was, and said to be.
    expect(result.as_it_was.carried).toHaveLength(1);
  });

  test("what had no price gets one that is given, and is told apart from what can be compared", async () => {
    const calls: readonly MadeCall[] = [{ target: "nobody/knows-it", usage: { inputUncached: 100, output: 10 } }];
    const file = written(tasksOf(2, () => ({ className: "a", calls })));
    const { total, text } = await ask(file, "--price", "nobody=input:1,output:2");
    expect(total.was_unknown).toEqual({ tasks: 2, would_usd: 2 * 120e-6 });
    expect(total.compared_tasks).toBe(0);
    expect(text).toContain("2 tasks that would be");
    expect(text).toContain("provider nobody is taken for openai-compatible");
  });
});

describe("at other targets", () => {
  /** At SMALL twice the output, half the reads, half of the further turns: 80 tasks, each third there. */
  const twoTargets = tasksOf(120, (index) => {
    const isThere = index % 3 === 0;
    const made = { firstPrompt: 2_000 + (index % 5) * 100, growth: 500 };
    return {
      className: "talk",
      success: isThere ? Number(index % 2 === 0) : 1,
      calls: isThere
        ? conversation({ ...made, target: SMALL, turns: 3, output: 400, readShare: 0.4 })
        : conversation({ ...made, target: NANO, turns: 5, output: 200, readShare: 0.8 }),
    };
  });

  test("a projection comes near to what the same tasks cost there, and its interval holds that", async () => {
    const result = await ask(written(twoTargets), "--all-to", SMALL);
    const there = twoTargets.filter((_, index) => index % 3 === 0);
    const alone = await ask(written(there));
    const [moved] = result.moved;
    const truth = (alone.total.ledger_usd / there.length) * (moved?.tasks ?? 0);
    expect(moved?.tasks).toBe(80);
    expect(moved?.backed_by_tasks).toBe(40);
    expect(Math.abs((moved?.would_usd ?? 0) / truth - 1)).toBeLessThan(0.12);
    const [low, high] = moved?.would_ci95 ?? [0, 0];
    expect(low).toBeLessThan(truth);
    expect(high).toBeGreaterThan(truth);
    expect(result.total.success.was).toBeCloseTo(0.8333, 3);
    expect(result.total.success.would).toBeLessThan(0.65);
    expect(result.total.projected_tasks).toBe(80);
  });

  test("of a target that nobody has seen it says so, and how little is known", async () => {
    const seen = await ask(written(twoTargets), "--all-to", SMALL);
    const unseen = await ask(written(twoTargets), "--all-to", "mistral/mistral-medium-3.5");
    expect(unseen.text).toContain("prior only");
    expect(seen.text).not.toContain("prior only");
    expect(unseen.moved[0]?.backed_by_tasks).toBe(0);
    const width = ({ total: { would_usd: usd, would_ci95: range } }: Result) =>
      ((range?.[1] ?? 0) - (range?.[0] ?? 0)) / usd;
    expect(width(unseen)).toBeGreaterThan(3 * width(seen));
  });

  test("its intervals hold the truth in nine of ten made-up worlds, whether the target was seen or not", async () => {
    let state = 11;
    const chance = () => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) / 0x7fffffff;
    let held = 0;
    for (let world = 0; world < 30; world += 1) {
      const seen = world % 2 === 0 ? 0 : 12;
      const [outputTimes, turnsTimes] = [Math.exp((chance() - 0.5) * 1.4), Math.exp(chance() - 0.5)];
      const readShare = 0.4 + chance() * 0.5;
      const pairs = tasksOf(100, () => ({ className: "talk", calls: [] })).map((task, index) => {
        const turns = 2 + Math.floor(chance() * 8);
        const firstPrompt = Math.round(1_500 + chance() * 3_000);
        const made = {
          firstPrompt,
          growth: Math.round(300 + chance() * 800),
          output: Math.round(100 + chance() * 400),
        };
        const further = Math.round((turns - 1) * turnsTimes);
        const output = Math.round(made.output * outputTimes);
        const there = conversation({ ...made, target: SMALL, turns: 1 + further, output, readShare });
        const here = conversation({ ...made, target: NANO, turns, readShare: 0.8 });
        return { there: { ...task, calls: there }, isThere: index < seen, recorded: index < seen ? there : here };
      });
      const ledger = written(pairs.map(({ there, recorded }) => ({ ...there, calls: recorded })));
      const truth = await ask(written(pairs.filter(({ isThere }) => !isThere).map(({ there }) => there)));
      const [low, high] = (await ask(ledger, "--all-to", SMALL)).moved[0]?.would_ci95 ?? [0, 0];
      if (low <= truth.total.ledger_usd && truth.total.ledger_usd <= high) held += 1;
    }
    expect(held).toBeGreaterThanOrEqual(27);
  });

  test("a task that moves starts cold, and what it would be warm is told beside", async () => {
    const calls: readonly MadeCall[] = [
      { target: NANO, usage: { inputUncached: 1_000, cacheRead: 9_000, output: 10 } },
    ];
    const { total, text } = await ask(written(tasksOf(20, () => ({ className: "warm", calls }))), "--all-to", SMALL);
    expect(total.would_if_warm_usd).toBeLessThan(0.4 * total.would_usd);
    expect(text).toContain("start cold");
  });

  test("what does not fit, is no chat, or was named stays where it was; what nobody counted is apart", async () => {
    const file = written([
      {
        id: "long",
        className: "long",
        startedAtMs: MONTH_MS,
        calls: [{ target: NANO, usage: { inputUncached: 270_000, output: 1 } }],
      },
      {
        id: "embed",
        className: "embed",
        startedAtMs: MONTH_MS,
        calls: [{ target: "openai/text-embedding-3-small", usage: { inputUncached: 9, output: 0 } }],
      },
      {
        id: "named",
        className: "named",
        startedAtMs: MONTH_MS,
        calls: [{ target: NANO, usage: { inputUncached: 9, output: 9 }, policy: "named" }],
      },
      {
        id: "lost",
        className: "lost",
        startedAtMs: MONTH_MS,
        calls: [
          { target: NANO, usage: { inputUncached: 9, output: 9 } },
          { target: NANO, usage: {}, outcome: "lost", costPicoUsd: 5n },
        ],
      },
    ]);
    const result = await ask(file, "--all-to", SMALL, "--keep-named");
    expect(result.total.stay).toEqual({
      "it does not fit into the window": 1,
      "it is no chat": 1,
      "its client named the model": 1,
    });
    expect(ofClass(result, "lost").apart.tasks).toBe(1);
    expect(result.total.projected_tasks).toBe(0);
    expect(result.total.would_pico_usd).toBe(
      String(BigInt(result.as_it_was.cost_pico_usd) - BigInt(ofClass(result, "lost").ledger_pico_usd)),
    );
  });

  test("only the tasks that are asked for are counted; earlier ones still teach", async () => {
    const file = written(twoTargets);
    const since = new Date(MONTH_MS + 90 * HOUR_MS).toISOString();
    const late = await ask(file, "--since", since, "--all-to", SMALL);
    expect(late.total.tasks).toBe(30);
    expect(late.moved[0]?.backed_by_tasks).toBe(40);
    expect(late.hours).toBeCloseTo(29, 1);
    const both = written([
      ...twoTargets,
      {
        id: "late",
        className: "late",
        startedAtMs: MONTH_MS + 200 * HOUR_MS,
        calls: conversation({ ...TALK, target: NANO }),
      },
    ]);
    expect((await ask(both, "--class", "talk")).hours).toBeCloseTo(200, 1);
    const none = await ask(file, "--class", "another");
    expect(none.as_it_was.attempts).toBe(0);
    expect(none.text).toContain("no task of it is asked for");
  });
});

describe("under another policy", () => {
  /** Both are tried in turns; from the middle on the cheap one fails. */
  const turning = tasksOf(400, (index) => ({
    className: "talk",
    success: index % 2 === 0 || index < 200 ? 1 : 0,
    calls: conversation({ ...TALK, target: index % 2 === 0 ? "openai/gpt-5.4-mini" : NANO }),
  }));

  test("each task is decided with what was over before it began", async () => {
    const [whole, half] = [written(turning), written(turning.slice(0, 200))];
    const flags = ["--policy", "cheapest-task", "--until", new Date(MONTH_MS + 200 * HOUR_MS).toISOString()];
    const goes = ({ moved }: Result) => moved.map(({ target, tasks }) => [target, tasks]);
    const [withLater, without] = [await ask(whole, ...flags), await ask(half, ...flags)];
    expect(goes(withLater)).toEqual(goes(without));
    expect(goes(without)).toEqual([[NANO, 100]]);
    // And once it was seen to fail, tasks that had been there go elsewhere.
    const later = await ask(
      whole,
      "--policy",
      "cheapest-task",
      "--since",
      new Date(MONTH_MS + 300 * HOUR_MS).toISOString(),
    );
    expect(goes(later)).toEqual([["openai/gpt-5.4-mini", 50]]);
    expect(later.total.success.would).toBeGreaterThan(0.9);
  });

  test("ordered takes the first, and named none", async () => {
    const file = written(turning.slice(0, 40));
    const ordered = await ask(file, "--policy", "ordered", "--targets", `${SMALL},${NANO}`);
    expect(ordered.moved.map(({ target, tasks }) => [target, tasks])).toEqual([[SMALL, 40]]);
    const named = await ask(file, "--policy", "named", "--price", "*=x2");
    expect(named.total.would_pico_usd).toBe(String(2n * BigInt(named.as_it_was.cost_pico_usd)));
  });

  test("a config's providers, prices and rules of data hold, and none of its keys is needed", async () => {
    const config = join(folder, "sluice.yaml");
    writeFileSync(
      config,
      [
        "providers: { openai: {}, eu: { kind: mistral, apiKeyEnv: NOT_THERE_KEY } }",
        "keys: [{ name: alice, keyEnv: NEITHER_THERE_KEY }]",
        "models: { gpt-5.4-nano: { price: { input: 1, cacheRead: 0.1, output: 2 } } }",
        "classes: { talk: { deny: [openai] }, secret: { deny: [openai, eu] } }",
      ].join("\n"),
    );
    const tasks = tasksOf(20, (index) => ({
      className: index < 10 ? "talk" : "secret",
      calls: conversation({ ...TALK, target: NANO }),
    }));
    const flags = ["--config", config, "--policy", "cheapest-task", "--targets", `${NANO},eu/mistral-small-2603`];
    const result = await ask(written(tasks), ...flags);
    expect(result.moved.map(({ target, tasks: moved }) => [target, moved])).toEqual([["eu/mistral-small-2603", 10]]);
    expect(result.total.stay).toEqual({ "its data may go to none of them": 10 });
    // It was paid at the table's price, before the config said another.
    expect(result.as_it_was.recomputed_attempts).toBe(60);
    const latest = await ask(written(tasks), "--config", config, "--price", "*=latest");
    expect(latest.total.would_pico_usd).toBe(
      String(20n * (3_900n * 1_000_000n + 3_600n * 100_000n + 600n * 2_000_000n)),
    );
  });

  test("the same seed gives the same figures, and another one other intervals", async () => {
    const file = written(turning.slice(0, 40));
    const flags = ["--policy", "ordered", "--targets", SMALL];
    const [one, again, other] = [
      await ask(file, ...flags),
      await ask(file, ...flags),
      await ask(file, ...flags, "--seed", "2"),
    ];
    expect(again.text).toBe(one.text);
    expect(other.total.would_usd).toBe(one.total.would_usd);
    expect(other.total.would_ci95).not.toEqual(one.total.would_ci95);
  });
});

describe("on a server of one's own", () => {
  const month = tasksOf(720, () => ({ className: "talk", calls: conversation({ ...TALK, target: NANO }) }));

  test("the hours are paid, busy or not, and the break-even is what an hour costs by what a task costs", async () => {
    const { servers, total, hours } = await ask(written(month), "--gpu", `${SERVER}=$2/hour,prefill=10000,decode=1000`);
    const [server] = servers;
    expect(hours).toBeCloseTo(719, 0);
    expect(server?.servers).toBe(1);
    expect(server?.paid_usd).toBeCloseTo(2 * hours, 6);
    expect(total.would_usd).toBeCloseTo(2 * hours, 6);
    const all = server?.break_even.find((line) => line.class === "all");
    expect(all?.presentUsdPerTask).toBeCloseTo(Number(NANO_TALK_PICO) / 1e12, 12);
    expect(all?.tasksPerDay).toBeCloseTo(48 / (Number(NANO_TALK_PICO) / 1e12), 3);
    expect(all?.busy).toBeCloseTo(((all?.tasksPerDay ?? 0) * (all?.secondsPerTask ?? 0)) / 86_400, 9);
    expect(all?.secondsPerTask).toBeGreaterThan(0.6);
    expect(all?.verdict).toBe("one server");
    expect(all?.tasksPerDayNow).toBeCloseTo(24, 0);
    const [low, high] = all?.tasksPerDayInterval ?? [0, 0];
    expect(low).toBeLessThanOrEqual(all?.tasksPerDay ?? 0);
    expect(high).toBeGreaterThanOrEqual(all?.tasksPerDay ?? 0);
  });

  test("four times the price of now takes a quarter of the tasks", async () => {
    const file = written(month.slice(0, 100));
    const gpu = ["--gpu", `${SERVER}=$2/hour,prefill=10000,decode=1000`];
    const [now, then] = [await ask(file, ...gpu), await ask(file, ...gpu, "--price", "openai/*=x4")];
    const at = ({ servers }: Result) => servers[0]?.break_even.find((line) => line.class === "all")?.tasksPerDay ?? 0;
    expect(at(now) / at(then)).toBeCloseTo(4, 6);
  });

  test("where even a busy server is dearer no volume pays, and a peak that one cannot serve is told", async () => {
    const dear = await ask(written(month.slice(0, 100)), "--gpu", `${SERVER}=$40/hour,prefill=1000,decode=100`);
    expect(dear.servers[0]?.break_even.map(({ verdict }) => verdict)).toEqual(["never", "never"]);
    expect(dear.text).toContain("never: dearer even when it is never idle");
    const atNoon = month.map((task, index) => ({
      ...task,
      startedAtMs: MONTH_MS + Math.floor(index / 24) * 24 * HOUR_MS + 12 * HOUR_MS + (index % 24) * 1_000,
    }));
    const peaked = await ask(written(atNoon), "--gpu", `${SERVER}=$2/hour,prefill=10000,decode=1000`);
    expect(peaked.servers[0]?.break_even.at(-1)).toMatchObject({
      verdict: "not in the busiest hour",
      busiestOverMean: 24,
    });
  });

  test("more servers are paid where the busiest hour takes them", async () => {
    const atOnce = month.map((task, index) => ({ ...task, startedAtMs: MONTH_MS + index }));
    const { servers } = await ask(written(atOnce), "--gpu", `${SERVER}=$2/hour,prefill=1000,decode=50,busy=0.5`);
    expect(servers[0]?.servers).toBeGreaterThan(3);
  });

  test("tasks that run there already are not projected, and keep it busy", async () => {
    const there = tasksOf(50, (index) => ({
      className: "talk",
      calls: conversation({ ...TALK, target: index < 25 ? SERVER : NANO }),
    }));
    const { total, servers, text } = await ask(written(there), "--gpu", `${SERVER}=$2/hour,prefill=10000,decode=1000`);
    expect(total.projected_tasks).toBe(25);
    expect(total.was_unknown.tasks).toBe(25);
    expect(servers[0]?.busy).toBeGreaterThan(0);
    expect(text).toContain("as nobody knows what they were");
  });
});

describe("bad input is one line, and the exit code 2", () => {
  const good = linesOf(tasksOf(1, () => ({ className: "a", calls: conversation({ ...TALK, target: NANO }) })));
  const gpu = `${SERVER}=$2/hour,prefill=1,decode=1`;

  test.each<readonly [string, readonly string[], string]>([
    ["no file", [], "give one ledger or export"],
    ["an unknown flag", ["FILE", "--wrong"], "Unknown option '--wrong'"],
    ["an unknown policy", ["FILE", "--policy", "best"], "there are named, ordered, cheapest-task"],
    ["two answers to one question", ["FILE", "--policy", "ordered", "--all-to", NANO], "give one of them"],
    ["targets without who chooses", ["FILE", "--targets", NANO], "needs a --policy"],
    ["a price that is none", ["FILE", "--price", "openai/*=dear"], "x4, latest, or input:"],
    ["a price without a target", ["FILE", "--price", "x4"], "must be '<target>=<price>'"],
    ["a price below zero", ["FILE", "--price", "openai=input:-1,output:1"], "`price` `input`"],
    [
      "a target that nobody means",
      ["FILE", "--price", "opnai/*=x4"],
      "no target is meant by `opnai/*`; there are openai/gpt-5.4-nano",
    ],
    ["a target without a price", ["FILE", "--all-to", SERVER], "has no price"],
    ["a target of nobody", ["FILE", "--all-to", "nobody/this"], "nobody/this:"],
    ["a server without its speed", ["FILE", "--gpu", `${SERVER}=$2/hour`], "prefill and decode must be said"],
    ["a server without its price", ["FILE", "--gpu", `${SERVER}=prefill=1,decode=1`], "what an hour costs is missing"],
    ["a server that is never busy", ["FILE", "--gpu", `${gpu},busy=0`], "busy must be above 0"],
    ["a word that a server has not", ["FILE", "--gpu", `${gpu},gpus=2`], "there is no `gpus`"],
    ["a time that is none", ["FILE", "--since", "yesterday"], "--since yesterday"],
    ["an export of a question", ["FILE", "--export", "x.jsonl", "--price", "*=x2"], "as it is"],
    ["prices that are no JSON", ["FILE", "--prices", "FILE"], "it is not JSON"],
    ["prices that are not there", ["FILE", "--prices", "/nowhere.json"], "it cannot be read (ENOENT)"],
    ["a config that is wrong", ["FILE", "--config", "/nowhere.yaml"], "/nowhere.yaml"],
    ["a file that is not there", ["/nowhere.sqlite"], "there is no such file"],
  ])("%s", async (_, flags, expected) => {
    const file = written(good);
    const { output, problem, exitCode } = await replayCommand(flags.map((flag) => (flag === "FILE" ? file : flag)));
    expect(problem).toContain(expected);
    expect(problem.trimEnd().split("\n")).toHaveLength(1);
    expect(exitCode).toBe(2);
    expect(output).toBe("");
  });

  test.each<readonly [string, string, string]>([
    ["a line that is no JSON", `${good}{`, "line 5: it is not JSON"],
    ["a line of something else", `${good}{"a":1}`, "line 5: it is neither an attempt"],
    ["a count below zero", good.replace('"output":200', '"output":-1'), "line 2: `usage.output`"],
    [
      "money that is not whole",
      good.replace(/"cost_pico_usd":"\d+"/, '"cost_pico_usd":"1.5"'),
      "`cost_pico_usd` must be whole picodollars",
    ],
    ["a line twice", `${good}${good}`, "line 5: the same row stands in an earlier line"],
    ["a time that is none", good.replace(/"started_at":"[^"]+"/, '"started_at":"soon"'), "line 1: `started_at`"],
  ])("%s", async (_, text, expected) => {
    const { problem, exitCode } = await replayCommand([written(text)]);
    expect(problem).toContain(expected);
    expect(exitCode).toBe(2);
  });

  test("a database that is no ledger, and one of another time", async () => {
    const file = join(folder, "text.sqlite");
    writeFileSync(file, "this is not a database, although it is long enough to be taken for one");
    expect((await replayCommand([file])).problem).toContain("it cannot be read as a ledger");
  });

  test("on the command line", () => {
    const main = join(import.meta.dirname, "../bench/main.ts");
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [main, "replay", ...words], { encoding: "utf8", timeout: 30_000 });
    const wrong = run(written(good), "--price", "x");
    expect([wrong.status, wrong.stdout]).toEqual([2, ""]);
    const help = run("--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("--all-to <target>");
  });
});
