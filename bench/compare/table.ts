/** A report for people at a terminal. */
import { aligned } from "../trace/report.ts";
import type { Estimate, Report, ReportSums } from "./report.ts";

/** Classes that are shown; the JSON has them all. */
const CLASSES_MAX = 20;

export function reportText(report: Report): string {
  return [
    headText(report),
    targetsText(report),
    tokensText(report),
    classesText(report),
    comparisonsText(report),
    breakEvenText(report),
    spendText(report),
    `\n${report.recommendation.sentence}\n`,
    ...report.recommendation.by_class
      .filter(({ target }) => target !== null && target !== report.recommendation.target)
      .slice(0, CLASSES_MAX)
      .map(({ class: name, sentence }) => `  ${name}: ${sentence}\n`),
  ].join("");
}

function headText({ is_sandbox: isSandbox, state, stopped, notices, settings, run }: Report): string {
  const tasks = settings.suites.reduce((sum, suite) => sum + suite.tasks, 0);
  return [
    isSandbox ? "SANDBOX: simulated models at the table's prices; nothing here says what a real model can do.\n" : "",
    state === "partial" ? `PARTIAL: ${stopped?.sentence ?? ""}\n` : "",
    `${tasks} tasks of ${settings.suites.map(({ name }) => name).join(", ")}; ${settings.repeats} ${settings.repeats === 1 ? "run" : "runs"} each, cache ${settings.cache}, seed ${settings.seed}, ${run.duration_s.toFixed(0)} s\n`,
    ...notices.filter((text) => !(isSandbox && text.startsWith("This is the sandbox"))).map((text) => `! ${text}\n`),
    "\n",
  ].join("");
}

function targetsText({ targets }: Report): string {
  const rows = targets.map(({ name, model, sums }) => [
    name,
    model,
    passText(sums),
    rangeText(sums.pass_rate, percent),
    moneyText(sums.cost_per_task_usd),
    rangeText(sums.cost_per_task_usd, dollars),
    moneyText(sums.cost_per_success_usd),
    rangeText(sums.cost_per_success_usd, dollars),
    sums.calls_per_task === null ? "-" : sums.calls_per_task.toFixed(1),
    sums.ttft_ms === null ? "-" : `${sums.ttft_ms.p50.toFixed(0)} ms`,
    sums.duration_ms === null ? "-" : `${(sums.duration_ms.p50 / 1_000).toFixed(2)} s`,
  ]);
  const head = [
    "target",
    "model",
    "pass",
    "95 %",
    "a task",
    "95 %",
    "a success",
    "95 %",
    "calls",
    "first word",
    "whole",
  ];
  const failures = targets.flatMap(({ name, sums }) =>
    sums.failures.length === 0
      ? []
      : [`  ${name}: ${sums.failures.map(({ kind, runs }) => `${runs} ${kind}`).join(", ")}\n`],
  );
  return `${aligned([head, ...rows])}${failures.length === 0 ? "" : `\nwhat went wrong\n${failures.join("")}`}`;
}

function passText({ passed, failed }: ReportSums): string {
  return passed + failed === 0 ? "-" : `${passed}/${passed + failed}`;
}

function tokensText({ targets }: Report): string {
  const rows = targets.map(({ name, sums: { tokens, cache_read_ratio: ratio } }) => [
    name,
    String(tokens.input_uncached),
    String(tokens.cache_read),
    String(tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other),
    String(tokens.output),
    String(tokens.reasoning),
    ratio === null ? "not told" : percent(ratio),
  ]);
  return `\n${aligned([["tokens", "new", "read", "written", "output", "of which thought", "read from cache"], ...rows])}`;
}

function classesText({ targets }: Report): string {
  const classes = targets[0]?.by_class.map(({ class: name }) => name) ?? [];
  if (classes.length < 2) return "";
  const sumsOf = (target: Report["targets"][number], name: string) =>
    target.by_class.find((one) => one.class === name)?.sums;
  const rows = classes.slice(0, CLASSES_MAX).map((name) => [
    name,
    ...targets.flatMap((target) => {
      const sums = sumsOf(target, name);
      return sums === undefined ? ["-", "-"] : [passText(sums), moneyText(sums.cost_per_success_usd)];
    }),
  ]);
  const head = ["class: pass, cost of a success", ...targets.flatMap(({ name }) => [name, ""])];
  const more = classes.length - CLASSES_MAX;
  return `\n${aligned([head, ...rows])}${more > 0 ? `${more} classes more (report.json has them)\n` : ""}`;
}

function comparisonsText({ comparisons }: Report): string {
  const over = comparisons.filter((one) => one.class === null);
  return `\n${over.flatMap(({ sentences }) => sentences.map((text) => `${text}\n`)).join("")}`;
}

function breakEvenText({ break_even: all }: Report): string {
  return all
    .map(({ self_hosted: name, hardware, seconds_per_task: seconds, rivals }) =>
      [
        `\n${name} on hardware at $${hardware.usd_per_hour} an hour (${hardware.source}), ${seconds.toFixed(3)} s of it for a task:\n`,
        ...rivals.map(({ sentence }) => `  ${sentence}\n`),
        aligned([
          ["  if it may be busy", ...rivals.map(({ target }) => `cheaper than ${target} from`), "does at most"],
          ...(rivals[0]?.by_utilization ?? []).map(({ utilization, capacity_tasks_per_day: most }, at) => [
            `  ${percent(utilization)} of a day`,
            ...rivals.map(({ by_utilization: rows }) => {
              const tasks = rows[at]?.tasks_per_day ?? null;
              return tasks === null ? "never" : `${Math.ceil(tasks)} a day`;
            }),
            `${Math.floor(most)} a day`,
          ]),
        ]),
      ].join(""),
    )
    .join("");
}

function spendText({ spend, judge }: Report): string {
  const usd = (text: string) => dollars(Number(text) / 1e12);
  const parts = [
    `runs ${usd(spend.runs_pico_usd)}`,
    ...(judge === null ? [] : [`judge ${usd(judge.cost_pico_usd)} (${judge.calls} calls)`]),
    ...(spend.warm_up_pico_usd === "0" ? [] : [`warming up ${usd(spend.warm_up_pico_usd)}`]),
    ...(spend.interrupted_pico_usd === "0" ? [] : [`cut off ${usd(spend.interrupted_pico_usd)}`]),
  ];
  return `\nspent ${usd(spend.total_pico_usd)}: ${parts.join(", ")}\n`;
}

function moneyText({ value }: Estimate): string {
  return value === null ? "-" : dollars(value);
}

function rangeText({ value, interval }: Estimate, text: (value: number) => string): string {
  if (value === null || interval === null) return "-";
  const [low, high] = interval;
  return `${low === null ? "?" : text(low)} – ${high === null ? "?" : text(high)}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function dollars(usd: number): string {
  if (usd === 0) return "$0";
  const digits = 2 - Math.floor(Math.log10(Math.abs(usd)));
  return `$${usd.toFixed(Math.max(2, Math.min(12, digits)))}`;
}
