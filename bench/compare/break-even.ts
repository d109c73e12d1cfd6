/**
 * From how many tasks a day hardware of one's own is cheaper than paying by the token. It costs the same whether it is busy or not, so that one set
 * of it breaks even at (24 hours' price / a task's price elsewhere) tasks, if it can do as many; each further set is one more step.
 */
import type { BreakEven, Estimate, Hardware } from "./report.ts";

export interface Rival {
  readonly target: string;
  readonly costPerTask: Estimate;
  readonly costPerSuccess: Estimate;
}

export interface SelfHosted {
  readonly target: string;
  readonly hardware: Hardware;
  /** Means of a run: prompt tokens that it had to read, and output. */
  readonly freshTokens: number;
  readonly outputTokens: number;
  readonly passRate: number | null;
}

/** Calls do not arrive one behind the other: hardware that is never idle keeps them waiting. */
const UTILIZATION = 0.8;
const UTILIZATIONS = [0.25, 0.5, 0.8, 1] as const;
const CURVE_POINTS = 60;
const DAY_SECONDS = 86_400;

export function breakEvenOf(own: SelfHosted, rivals: readonly Rival[]): BreakEven {
  const { hardware } = own;
  const seconds =
    own.freshTokens / hardware.prefill_tokens_per_second + own.outputTokens / hardware.decode_tokens_per_second;
  const perDay = 24 * hardware.usd_per_hour;
  const capacity = (utilization: number) =>
    seconds > 0 ? (utilization * DAY_SECONDS) / seconds : Number.MAX_SAFE_INTEGER;
  const priced = rivals.flatMap(({ target, costPerTask, costPerSuccess }) =>
    costPerTask.value === null ? [] : [{ target, price: costPerTask.value, costPerTask, costPerSuccess }],
  );
  const even = (price: number | null, utilization: number, passes: number) => {
    if (price === null || !(price > 0)) return null;
    const tasks = perDay / price;
    return tasks <= capacity(utilization) * passes ? tasks : null;
  };
  return {
    self_hosted: own.target,
    hardware,
    seconds_per_task: seconds,
    utilization: UTILIZATION,
    rivals: priced.map(({ target, price, costPerTask: { interval }, costPerSuccess }) => {
      const tasks = even(price, UTILIZATION, 1);
      const end = (bound: number | null | undefined) =>
        bound === null || bound === undefined || bound === 0 ? null : perDay / bound;
      return {
        target,
        usd_per_task: price,
        tasks_per_day: tasks,
        interval: tasks === null || interval === null ? null : ([end(interval[1]), end(interval[0])] as const),
        successes_per_day: own.passRate === null ? null : even(costPerSuccess.value, UTILIZATION, own.passRate),
        sentence: sentenceOf(own.target, target, tasks, perDay / capacity(UTILIZATION), price),
        by_utilization: UTILIZATIONS.map((utilization) => ({
          utilization,
          tasks_per_day: even(price, utilization, 1),
          capacity_tasks_per_day: capacity(utilization),
          usd_per_task_at_capacity: perDay / capacity(utilization),
        })),
      };
    }),
    curve: curveOf(own.target, perDay, capacity(UTILIZATION), priced),
  };
}

function sentenceOf(own: string, rival: string, tasks: number | null, atCapacity: number, price: number): string {
  if (!(price > 0)) return `${rival} costs nothing: ${own} is never cheaper.`;
  if (tasks === null)
    return `${own} is never cheaper than ${rival}: even at ${UTILIZATION * 100} % busy a task costs $${amount(atCapacity)} there, and $${amount(price)} at ${rival}.`;
  return `${own} is cheaper than ${rival} from ${Math.ceil(tasks).toLocaleString("en-US")} tasks a day on.`;
}

function amount(usd: number): string {
  return usd === 0 ? "0" : String(Number(usd.toPrecision(3)));
}

function curveOf(
  own: string,
  perDay: number,
  capacity: number,
  rivals: readonly { readonly target: string; readonly price: number }[],
): BreakEven["curve"] {
  const evens = rivals.filter(({ price }) => price > 0).map(({ price }) => perDay / price);
  const low = Math.max(1, Math.min(capacity, ...evens) / 30);
  const high = Math.max(10 * low, 3 * Math.max(Math.min(capacity, 1e9), ...evens));
  return Array.from({ length: CURVE_POINTS }, (_, at) => {
    const tasks = Math.round(low * (high / low) ** (at / (CURVE_POINTS - 1)));
    return {
      tasks_per_day: tasks,
      usd_per_day: {
        ...Object.fromEntries(rivals.map(({ target, price }) => [target, tasks * price])),
        [own]: Math.max(1, Math.ceil(tasks / capacity)) * perDay,
      },
    };
  });
}
