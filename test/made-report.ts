/** A comparison's report that is made here: its sums are those of its rows, its chance is seeded, its intervals are near enough. */
import type { Report, ReportRow, ReportSums } from "../bench/compare/report.ts";
import { seeded } from "../bench/trace/random.ts";

export interface MadeOptions {
  readonly tasks?: number;
  readonly repeats?: number;
  readonly seed?: number;
  /** Of rows in the report; the sums are of all. */
  readonly rowsMax?: number;
  /** Changes a target's tasks: its cost by that, its chance to pass by that. */
  readonly changed?: Readonly<Record<string, { readonly cost?: number; readonly passing?: number }>>;
  readonly taskName?: (index: number) => string;
}

const CLASSES = ["classify", "extract", "triage", "long-document", "agent-loop"];

const TARGETS = [
  { name: "current", model: "openai/gpt-5.4-mini", client: "openai", microUsd: 900, passing: 0.94, basis: "tokens" },
  { name: "nano", model: "openai/gpt-5.4-nano", client: "openai", microUsd: 210, passing: 0.86, basis: "tokens" },
  {
    name: "self-hosted",
    model: "vllm/mistral-small-4",
    client: "mistral",
    microUsd: 160,
    passing: 0.9,
    basis: "gpu-hours",
  },
] as const;

const HARDWARE = {
  usd_per_hour: 2.4,
  prefill_tokens_per_second: 11_000,
  decode_tokens_per_second: 900,
  utilization: 0.5,
  source: "assumed",
} as const;

export function madeReport(options: MadeOptions = {}): Report {
  const { tasks = 60, repeats = 3, seed = 1, rowsMax = 20_000 } = options;
  const rows = rowsOf(tasks, repeats, seed, options);
  const targets = TARGETS.map(({ name, model, client, basis }) => {
    const own = rows.filter((row) => row.target === name);
    return {
      name,
      model,
      client,
      is_simulated: true,
      price_basis: basis,
      usd_per_million: { input: 0.2, cache_read: 0.02, output: 1.25 },
      hardware: basis === "gpu-hours" ? HARDWARE : null,
      problems: [],
      sums: sumsOf(own),
      by_class: CLASSES.map((ofClass) => ({
        class: ofClass,
        sums: sumsOf(own.filter((row) => row.class === ofClass)),
      })),
    };
  });
  const total = rows.reduce((sum, row) => sum + BigInt(row.cost_pico_usd ?? "0"), 0n);
  const comparisons = ["nano", "self-hosted"].map((other) => comparisonOf("current", other, rows, tasks));
  return {
    kind: "sluice-compare",
    version: 1,
    run: {
      id: "cmp-20261125-made",
      started_at: "2026-11-25T10:00:00.000Z",
      finished_at: "2026-11-25T10:01:34.000Z",
      duration_s: 94,
      sessions: 1,
      command: "npm run bench -- compare --repeats 3",
      commit: "f198e56",
      machine: { cpu: "Intel Xeon", cores: 2, memory_gb: 16, platform: "linux x64", node: "24.21.0" },
      gateway_url: null,
    },
    is_sandbox: true,
    state: "whole",
    stopped: null,
    notices: ["self-hosted: what its hardware does is assumed; `bench calibrate` measures it."],
    settings: {
      suites: CLASSES.map((name) => ({
        name,
        source: `suites/${name}.yaml`,
        sha256: "ab".repeat(32),
        tasks: Math.ceil(tasks / CLASSES.length),
      })),
      repeats,
      seed,
      concurrency: 8,
      cache: "as-it-comes",
      max_usd: 5,
      timeout_s: 120,
      judge: null,
      confidence: 0.95,
      resamples: 2000,
    },
    targets,
    comparisons,
    spend: {
      runs_pico_usd: String(total),
      judge_pico_usd: "0",
      warm_up_pico_usd: "0",
      interrupted_pico_usd: "0",
      total_pico_usd: String(total),
    },
    judge: null,
    cumulative: TARGETS.map(({ name }) => ({
      target: name,
      points: cumulativeOf(
        rows.filter((row) => row.target === name),
        repeats,
      ),
    })),
    frontier: targets.map(({ name, sums }) => ({
      target: name,
      cost_per_task_usd: sums.cost_per_task_usd,
      pass_rate: sums.pass_rate,
      is_on_frontier: name !== "nano",
    })),
    break_even: [
      breakEvenOf(targets[0]?.sums.cost_per_task_usd.value ?? 0, targets[1]?.sums.cost_per_task_usd.value ?? 0),
    ],
    recommendation: {
      target: "self-hosted",
      sentence: "self-hosted passes as much as current, as far as 60 tasks can tell, for less of the money.",
      by_class: CLASSES.map((ofClass) => ({
        class: ofClass,
        target: "self-hosted",
        sentence: `${ofClass}: self-hosted costs least of those that pass as much as the best.`,
      })),
      policy_yaml:
        "classes:\n  classify:\n    targets: [vllm/mistral-small-4, openai/gpt-5.4-mini]\n    policy: cheapest-task\n",
    },
    rows: rows.slice(0, rowsMax),
    rows_omitted: Math.max(0, rows.length - rowsMax),
  };
}

function rowsOf(tasks: number, repeats: number, seed: number, { changed = {}, taskName }: MadeOptions): ReportRow[] {
  const random = seeded(seed);
  const rows: ReportRow[] = [];
  for (let index = 0; index < tasks; index += 1) {
    const ofClass = CLASSES[Math.floor((index * CLASSES.length) / tasks)] ?? "classify";
    const size = 0.4 + CLASSES.indexOf(ofClass) * 0.6 + random();
    for (const { name, microUsd, passing } of TARGETS) {
      const change = changed[name] ?? {};
      const cost = Math.round(microUsd * size * (0.9 + random() * 0.2) * (change.cost ?? 1) * 1e6) * repeats;
      let passed = 0;
      for (let repeat = 0; repeat < repeats; repeat += 1) passed += random() < passing * (change.passing ?? 1) ? 1 : 0;
      const prompt = Math.round(size * 2400) * repeats;
      rows.push({
        task: taskName?.(index) ?? `${ofClass}-${index + 1}`,
        suite: ofClass,
        class: ofClass,
        target: name,
        runs: repeats,
        passed,
        failed: repeats - passed,
        unchecked: 0,
        errors: 0,
        checker_errors: 0,
        calls: repeats * (ofClass === "agent-loop" ? 12 : 1),
        cost_pico_usd: String(cost),
        tokens: {
          input_uncached: Math.round(prompt * 0.4),
          cache_read: Math.round(prompt * 0.5),
          cache_write_5m: name === "current" ? Math.round(prompt * 0.1) : 0,
          cache_write_1h: 0,
          cache_write_other: 0,
          output: Math.round(prompt * 0.12),
          reasoning: name === "current" ? Math.round(prompt * 0.04) : 0,
        },
        cache_read_ratio: 0.5,
        ttft_ms: 180 + Math.round(random() * 200),
        duration_ms: 900 + Math.round(random() * 4000),
        failures: passed === repeats ? [] : ["wrong-answer"],
        note: passed === repeats ? null : "it is not what was expected",
      });
    }
  }
  return rows;
}

function sumsOf(rows: readonly ReportRow[]): ReportSums {
  const sum = (of: (row: ReportRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const [runs, passed, failed] = [sum((row) => row.runs), sum((row) => row.passed), sum((row) => row.failed)];
  const pico = rows.reduce((all, row) => all + BigInt(row.cost_pico_usd ?? "0"), 0n);
  const cost = Number(pico) / 1e12;
  const rate = passed / (passed + failed);
  const spread = 1.96 * Math.sqrt((rate * (1 - rate)) / (passed + failed));
  return {
    tasks: rows.length,
    runs,
    passed,
    failed,
    unchecked: 0,
    errors: 0,
    checker_errors: 0,
    not_run: 0,
    calls: sum((row) => row.calls),
    attempts: sum((row) => row.calls),
    cost_pico_usd: String(pico),
    estimated_cost_pico_usd: "0",
    unpriced_runs: 0,
    tokens: {
      input_uncached: sum((row) => row.tokens.input_uncached),
      cache_read: sum((row) => row.tokens.cache_read),
      cache_write_5m: sum((row) => row.tokens.cache_write_5m),
      cache_write_1h: 0,
      cache_write_other: 0,
      output: sum((row) => row.tokens.output),
      reasoning: sum((row) => row.tokens.reasoning),
    },
    calls_without_usage: 0,
    cache_read_ratio: 0.5,
    cost_per_task_usd: { value: cost / runs, interval: [(cost / runs) * 0.88, (cost / runs) * 1.13] },
    cost_per_success_usd: { value: cost / passed, interval: [(cost / passed) * 0.86, (cost / passed) * 1.17] },
    pass_rate: { value: rate, interval: [Math.max(0, rate - spread), Math.min(1, rate + spread)] },
    calls_per_task: sum((row) => row.calls) / runs,
    ttft_ms: { p50: 240, p90: 352.5, p99: 371 },
    duration_ms: { p50: 2310, p90: 4470, p99: 4860 },
    failures: failed === 0 ? [] : [{ kind: "wrong-answer", runs: failed, example: "it is not what was expected" }],
  };
}

function comparisonOf(
  base: string,
  other: string,
  rows: readonly ReportRow[],
  tasks: number,
): Report["comparisons"][number] {
  const cost = (target: string): number =>
    rows.reduce((sum, row) => sum + (row.target === target ? Number(row.cost_pico_usd) : 0), 0);
  const ratio = cost(other) / cost(base);
  return {
    base,
    other,
    class: null,
    tasks,
    cost_ratio: { value: ratio, interval: [ratio * 0.93, ratio * 1.08], is_significant: true },
    cost_per_success_ratio: { value: ratio, interval: [ratio * 0.9, ratio * 1.1], is_significant: true },
    pass_rate_difference: { value: -0.04, interval: [-0.09, 0.01], is_significant: false },
    sentences: [
      `${other} costs ${(ratio * 100).toFixed(0)} % of what ${base} does (${(ratio * 93).toFixed(0)} to ${(ratio * 108).toFixed(0)} %).`,
      `${other} passes 4 points less than ${base} (−9 to 1): that is not significant.`,
    ],
  };
}

function cumulativeOf(rows: readonly ReportRow[], repeats: number): Report["cumulative"][number]["points"] {
  let [cost, passed] = [0, 0];
  const points = rows.map((row, index) => {
    cost += Number(row.cost_pico_usd) / 1e12;
    passed += row.passed / repeats;
    return { tasks: index + 1, cost_usd: cost, passed };
  });
  const stride = Math.max(1, Math.ceil(points.length / 200));
  return points.filter(({ tasks }) => tasks % stride === 0 || tasks === points.length);
}

function breakEvenOf(current: number, nano: number): Report["break_even"][number] {
  const capacity = (utilization: number): number => (86_400 * utilization) / 0.35;
  const day = HARDWARE.usd_per_hour * 24;
  const levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  const rivals = [
    ["current", current],
    ["nano", nano],
  ] as const;
  const evenAt = (usd: number, utilization: number): number | null =>
    day / usd <= capacity(utilization) ? day / usd : null;
  return {
    self_hosted: "self-hosted",
    hardware: HARDWARE,
    seconds_per_task: 0.35,
    utilization: 0.5,
    rivals: rivals.map(([target, usd]) => ({
      target,
      usd_per_task: usd,
      tasks_per_day: evenAt(usd, 0.5),
      interval: evenAt(usd, 0.5) === null ? null : ([day / usd / 1.1, day / usd / 0.9] as const),
      successes_per_day: evenAt(usd, 0.5),
      sentence: `self-hosted is cheaper than ${target} above ${Math.round(day / usd).toLocaleString("en-US")} tasks a day.`,
      by_utilization: levels.map((utilization) => ({
        utilization,
        tasks_per_day: evenAt(usd, utilization),
        capacity_tasks_per_day: capacity(utilization),
        usd_per_task_at_capacity: day / capacity(utilization),
      })),
    })),
    curve: Array.from({ length: 61 }, (_, index) => {
      const tasks = (index + 1) * 5000;
      return {
        tasks_per_day: tasks,
        usd_per_day: {
          current: tasks * current,
          nano: tasks * nano,
          "self-hosted": Math.ceil(tasks / capacity(0.5)) * day,
        },
      };
    }),
  };
}
