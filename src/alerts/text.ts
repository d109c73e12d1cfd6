/** What is told, in sentences: names that the operator gave, numbers, times. Never a prompt or a key. */
import { usdNumber, type PicoUsd } from "../usage.ts";
import type { Alert, AlertEvent, Cause, CausePart } from "./alert.ts";

export function eventText(kind: AlertEvent["kind"], alert: Alert): string {
  const { level, spent, baseline } = alert;
  const what = `${subjectText(alert)} of ${windowText(alert)}`;
  if (kind === "resolved") return `${capital(what)}: its alert at ${level}x baseline is over.`;
  const unpriced =
    alert.unpricedCalls === 0 ? "" : ` Calls whose cost nobody knows are not all in it: ${alert.unpricedCalls}.`;
  const cause = alert.cause === undefined ? "" : ` ${alert.cause.text}`;
  if (alert.basis === "projected" && alert.projected !== undefined) {
    const sure = Math.round((alert.confidence ?? 0) * 100);
    return `${capital(what)} will be at least ${timesText(alert.projected, baseline)} (${dollars(alert.projected)} of ${dollars(baseline)}; ${sure} % sure; ${dollars(spent)} so far).${cause}${unpriced}`;
  }
  return `${capital(what)} is ${timesText(spent, baseline)} (${dollars(spent)} of ${dollars(baseline)}).${cause}${unpriced}`;
}

/** "71 % of the excess is class `triage` at `openai/gpt`: cache reads fell from 88 % to 3 % of the prompt at 14:05 (Europe/Paris)." */
export function causeText(
  { parts, excess, sinceMs }: Omit<Cause, "text">,
  timeZone: string,
  classNameOf: (id: string) => string | undefined,
): string {
  const [first] = parts;
  if (first === undefined) return "";
  const share = Math.round((Number(first.amount) / Number(excess)) * 100);
  const named = classNameOf(first.taskClass) ?? first.taskClass;
  const where = `${named === "none" ? "calls without a class" : `class \`${named}\``} at \`${first.target}\``;
  const since = sinceMs === undefined ? "" : ` at ${timeText(sinceMs, timeZone)}`;
  return `${share} % of the excess is ${where}: ${changeText(first)}${since}.`;
}

function changeText({ kind, before, now }: CausePart): string {
  const went = now >= before ? "rose" : "fell";
  const fromTo = (digits: number) => `${went} from ${number(before, digits)} to ${number(now, digits)}`;
  switch (kind) {
    case "volume":
      if (before > 0) return `tasks ${fromTo(0)}`;
      return `${number(now, 0)} ${now === 1 ? "task that was" : "tasks that were"} not there before`;
    case "turns":
      return `calls a task ${fromTo(1)}`;
    case "retries":
      return `tries a call ${fromTo(2)}`;
    case "prompt-tokens":
      return `prompt tokens a call ${fromTo(0)}`;
    case "output-tokens":
      return `output tokens a call ${fromTo(0)}`;
    case "cache":
      return `cache reads ${went} from ${Math.round(before * 100)} % to ${Math.round(now * 100)} % of the prompt`;
    case "price":
      return before > 0
        ? `the price ${went} to ${number(now / before, 2)} times what it was`
        : "it cost nothing before";
  }
}

function number(value: number, digits: number): string {
  if (value >= 1_000 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value < 10 ? Math.max(digits, 1) : digits);
}

function timeText(atMs: number, timeZone: string): string {
  const time = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" }).format(atMs);
  return `${time} (${timeZone})`;
}

function subjectText({ scope, tag, value }: Alert): string {
  if (scope === "global") return "spend";
  return `spend of ${scope === "tag" ? (tag ?? "tag") : scope} \`${value}\``;
}

function windowText({ window: { startMs, endMs } }: Alert): string {
  const hours = Math.round((endMs - startMs) / 3_600_000);
  const since = new Date(startMs).toISOString().slice(0, 16).replace("T", " ");
  return `the ${hours <= 1 ? "hour" : hours <= 25 ? "day" : hours <= 24 * 8 ? "week" : "month"} since ${since} UTC`;
}

function timesText(amount: PicoUsd, baseline: PicoUsd): string {
  if (baseline <= 0n) return "over a baseline of nothing";
  const times = Number((amount * 100n) / baseline) / 100;
  return `${times >= 100 ? Math.round(times) : times.toFixed(times >= 10 ? 1 : 2).replace(/\.?0+$/, "")}x its baseline`;
}

export function dollars(amount: PicoUsd): string {
  const usd = usdNumber(amount);
  const absolute = Math.abs(usd);
  const text =
    absolute >= 100
      ? absolute.toFixed(0)
      : absolute >= 0.01 || usd === 0
        ? absolute.toFixed(2)
        : absolute.toPrecision(2);
  return `${usd < 0 ? "-" : ""}$${text}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
