/** From values to places on a drawing, with the values that its axis names. */

export interface Scale {
  readonly at: (value: number) => number;
  /** Round values within the domain. */
  readonly ticks: readonly number[];
  readonly isLogarithmic: boolean;
  /** That a tick is written with: on an even scale all the same. */
  readonly decimals: (tick: number) => number;
  /** What it covers. */
  readonly domain: readonly [number, number];
}

type Span = readonly [from: number, to: number];

/** Widened to round values, where `isTight` does not say that the domain is as it must be. */
export function linearScale(domain: Span, range: Span, tickCount: number, isTight = false): Scale {
  const [low, high] = widened(domain);
  const step = roundStep((high - low) / Math.max(1, tickCount));
  const from = isTight ? low : Math.floor(low / step + SLACK) * step;
  const to = isTight ? high : Math.ceil(high / step - SLACK) * step;
  const ticks: number[] = [];
  for (let index = Math.ceil(from / step - SLACK); index * step <= to + step * SLACK; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  const decimals = Math.max(0, ...ticks.map(decimalsOf));
  return {
    at: placer(from, to, range, (value) => value),
    ticks,
    isLogarithmic: false,
    decimals: () => decimals,
    domain: [from, to],
  };
}

/** Values of 0 or less lie at its lower end. */
export function logarithmicScale(domain: Span, range: Span, tickCount: number): Scale {
  const from = Math.max(domain[0], Number.MIN_VALUE);
  const to = Math.max(domain[1], from * 1.1);
  const at = placer(Math.log10(from), Math.log10(to), range, (value) => Math.log10(Math.max(value, from)));
  const ticks = logarithmicTicks(from, to, tickCount);
  return { at, ticks, isLogarithmic: true, decimals: decimalsOf, domain: [from, to] };
}

const SLACK = 1e-9;

/** As many as a round value has. */
function decimalsOf(tick: number): number {
  const [, fraction = "", exponent = "0"] = /^-?\d+(?:\.(\d+))?(?:e(-?\d+))?$/.exec(String(tick)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}

function widened([low, high]: Span): Span {
  if (high > low) return [low, high];
  return low === 0 ? [0, 1] : [low - Math.abs(low) / 2, low + Math.abs(low) / 2];
}

/** The least of 1, 2, 2.5 and 5 times a power of ten that is not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return (ROUND.find((round) => round * power >= step * (1 - SLACK)) ?? 10) * power;
}

const ROUND: readonly number[] = [1, 2, 2.5, 5, 10];

function placer(from: number, to: number, range: Span, measure: (value: number) => number): Scale["at"] {
  return (value) => range[0] + ((measure(value) - from) / (to - from)) * (range[1] - range[0]);
}

/** Of each power of ten 1, 2 and 5, or less of them, or each second or third power, whatever is not more than asked for. */
function logarithmicTicks(from: number, to: number, tickCount: number): readonly number[] {
  const first = Math.floor(Math.log10(from));
  const last = Math.ceil(Math.log10(to));
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = powers(first, last, 1).flatMap((power) =>
      factors.map((factor) => Number((factor * power).toPrecision(12))),
    );
    const within = ticks.filter((tick) => tick >= from * (1 - SLACK) && tick <= to * (1 + SLACK));
    if (within.length <= tickCount) return within;
  }
  const stride = Math.ceil((last - first) / Math.max(1, tickCount));
  return powers(first, last, stride).filter((tick) => tick >= from * (1 - SLACK) && tick <= to * (1 + SLACK));
}

function powers(first: number, last: number, stride: number): readonly number[] {
  const found: number[] = [];
  for (let power = first; power <= last; power += stride) found.push(Number(`1e${power}`));
  return found;
}
