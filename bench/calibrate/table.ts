/** A calibration for people. */
import type { Calibration, Rate } from "./calibration.ts";
import { amount, perMillion } from "./price.ts";

export function tableText(calibration: Calibration): string {
  const { target, levels, chosen, usd_per_hour: usdPerHour, utilization, notices } = calibration;
  const hasPrice = usdPerHour !== null;
  const head = ["at once", "reads tokens/s", "95 %", "writes tokens/s", "95 %", "first token, p50", "p90"];
  const rows = levels.map((level) => {
    const price = hasPrice ? perMillion(level, usdPerHour, utilization) : undefined;
    const cached = price?.cache_read ?? undefined;
    return [
      `${level.concurrency}${level.concurrency === chosen.concurrency ? " *" : "  "}`,
      rateText(level.prefill),
      intervalText(level.prefill),
      rateText(level.decode),
      intervalText(level.decode),
      `${Math.round(level.ttft_ms.p50)} ms`,
      `${Math.round(level.ttft_ms.p90)} ms`,
      ...(price === undefined
        ? []
        : [amount(price.input), cached === undefined ? "-" : amount(cached), amount(price.output)]),
    ];
  });
  const all = [hasPrice ? [...head, "$/M in", "cached", "out"] : head, ...rows];
  const widths = (all[0] ?? []).map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const lines = all.map((row) => row.map((cell, at) => cell.padStart(widths[at] ?? 0)).join("  "));
  const [example] = levels;
  const about = `${target}: prompts of ${Math.round(example?.prompt_tokens ?? 0)} tokens, answers of ${Math.round(example?.output_tokens ?? 0)}; all calls together, through the gateway`;
  const price = hasPrice
    ? `* the price is made of this level: $${usdPerHour} an hour, which works for ${amount(utilization * 100)} % of it. "cached" is what the first token of such a prompt took; the config counts it as nothing.\n`
    : "* at this level a call of these sizes takes the server least time; --gpu-hour makes a price of it\n";
  return `${notices.map((notice) => `${notice}\n`).join("")}${about}\n\n${lines.join("\n")}\n\n${price}`;
}

function rateText({ mean }: Rate): string {
  return mean >= 100 ? String(Math.round(mean)) : mean.toPrecision(3);
}

function intervalText({ interval }: Rate): string {
  return interval === null ? "one round" : `${Math.round(interval[0])} – ${Math.round(interval[1])}`;
}
