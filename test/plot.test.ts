/** The plots' own arithmetic: round values, places for names, and text that stays text. */
import { describe, expect, test } from "vitest";
import { intervalPlot } from "../bench/plot/interval-plot.ts";
import { linePlot } from "../bench/plot/line-plot.ts";
import { element, escaped } from "../bench/plot/markup.ts";
import { linearScale, logarithmicScale } from "../bench/plot/scale.ts";
import { stackedBars } from "../bench/plot/stacked-bars.ts";
import { fitted, spread } from "../bench/plot/text-size.ts";

describe("scales", () => {
  test("an even scale is widened to round values that hold its domain, and names them with the same decimals", () => {
    for (const most of [0.00034, 0.7, 1, 1.87, 9.99, 12_345]) {
      const { ticks, at, domain, decimals } = linearScale([0, most], [0, 100], 5);
      expect(domain[1]).toBeGreaterThanOrEqual(most);
      expect(ticks[0]).toBe(0);
      expect(at(0)).toBe(0);
      expect(at(domain[1])).toBeCloseTo(100, 9);
      expect(ticks.length).toBeLessThanOrEqual(7);
      expect(new Set(ticks.map(decimals)).size).toBe(1);
    }
    expect(linearScale([0, 1.87], [0, 1], 5).ticks).toEqual([0, 0.5, 1, 1.5, 2]);
  });

  test("a scale of nothing, or of one value, still has a place for it", () => {
    expect(linearScale([0, 0], [0, 100], 4).at(0)).toBe(0);
    const { at } = linearScale([7, 7], [0, 100], 4);
    expect(at(7)).toBeGreaterThanOrEqual(0);
    expect(at(7)).toBeLessThanOrEqual(100);
    expect(logarithmicScale([5, 5], [0, 100], 4).at(5)).toBe(0);
  });

  test("on a logarithmic scale equal factors are equal distances, and nothing falls off its lower end", () => {
    const { at, ticks } = logarithmicScale([1, 10_000], [0, 400], 5);
    expect(at(10) - at(1)).toBeCloseTo(at(10_000) - at(1000), 9);
    expect(at(0)).toBe(0);
    expect(ticks).toEqual([1, 10, 100, 1000, 10_000]);
    expect(logarithmicScale([0.2, 7], [0, 400], 4).ticks).toEqual([0.3, 1, 3]);
    expect(logarithmicScale([1e-9, 1e12], [0, 1], 4).ticks.length).toBeLessThanOrEqual(6);
  });
});

test("names that want the same place stand apart, in their order, within the bounds", () => {
  expect(spread([10, 100], 17, 0, 200)).toEqual([10, 100]);
  const places = spread([50, 50, 51, 199, 200], 17, 0, 200);
  const sorted = places.toSorted((one, other) => one - other);
  expect(places).toEqual(sorted);
  for (const [index, place] of sorted.slice(1).entries())
    expect(place - (sorted[index] ?? 0)).toBeGreaterThanOrEqual(17 - 1e-9);
  expect(sorted.at(-1)).toBeLessThanOrEqual(200);
});

test("text is never markup, and what no page may hold is replaced", () => {
  expect(escaped(`<a b="c">&'\u0000\u202E\uD800`)).toBe("&lt;a b=&quot;c&quot;&gt;&amp;'\uFFFD\uFFFD\uFFFD");
  expect(element("p", { class: '"><script>', id: undefined, x: 0.123 }, "in")).toBe(
    '<p class="&quot;&gt;&lt;script&gt;" x="0.1">in</p>',
  );
  expect(fitted("😀😀😀😀", 40)).toBe("😀😀…");
  expect(fitted("short", 40)).toBe("short");
});

test("a dot lies where its value does, and its interval around it", () => {
  const row = { name: "nano", color: 1, value: 5, low: 4, high: 8, hasInterval: true, text: "5" };
  const { body } = intervalPlot([row], { axis: "dollars", written: String }, 720);
  const [, dot] = /<circle cx="([\d.]+)"/.exec(body) ?? [];
  const [, from, to] = /<line x1="([\d.]+)" y1="24" x2="([\d.]+)" y2="24" class="interval"/.exec(body) ?? [];
  const unit = (Number(to) - Number(from)) / 4;
  expect((Number(dot) - Number(from)) / unit).toBeCloseTo(1, 1);
});

test("an interval without an upper bound runs to the edge and has no cap there", () => {
  const row = { name: "nano", color: 1, value: 5, low: 4, high: undefined, hasInterval: true, text: "5" };
  const { body } = intervalPlot([row], { axis: "dollars", written: String }, 720);
  expect(body.match(/class="interval"/g)).toHaveLength(2);
});

test("a bar is as long as its sum and each part as long as its value", () => {
  const parts = [
    { name: "new", kind: "uncached" },
    { name: "old", kind: "read" },
  ];
  const bars = [
    { name: "one", color: 0, values: [100, 300], text: "400" },
    { name: "two", color: 1, values: [200, 0], text: "200" },
  ];
  const { body } = stackedBars(bars, parts, String, 720);
  const widths = [...body.matchAll(/width="([\d.]+)" height="24"/g)].map(([, width]) => Number(width));
  expect(widths).toHaveLength(3);
  const [first = 0, second = 0, third = 0] = widths;
  expect(second / first).toBeCloseTo(3, 1);
  expect(third / first).toBeCloseTo(2, 1);
});

test("a level that jumps is drawn as a step, every other line straight", () => {
  const words = { horizontal: "x", vertical: "y", writtenX: String, writtenY: String };
  const points = [
    [0, 1],
    [1, 1],
    [2, 3],
  ] as const;
  const drawn = (isStepped: boolean): string =>
    linePlot([{ name: "own", color: 0, points, isStepped }], [], words, 720).body;
  expect(drawn(true)).toMatch(/d="M[^"L]*H[^"L]*V[^"L]*"/);
  expect(drawn(false)).toMatch(/d="M[^"HV]*L[^"HV]*"/);
});

test("plots of nothing are drawn without a number that is none", () => {
  const words = { horizontal: "x", vertical: "y", writtenX: String, writtenY: String };
  const drawn = [
    intervalPlot([], { axis: "dollars", written: String }, 328),
    stackedBars([], [], String, 328),
    linePlot([], [], words, 328),
    linePlot([{ name: "one", color: 0, points: [[1, 0]] }], [], words, 720),
  ];
  for (const { body, height } of drawn) {
    expect(height).toBeGreaterThan(0);
    expect(body).not.toMatch(/NaN|Infinity/);
  }
});
