/** `report.html` in a real browser. Skipped where Chromium is not installed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pageOf } from "../bench/compare/page/page.ts";
import { type Chromium, hasChromium, type OpenPage, startChromium } from "./chromium.ts";
import { hostileReport } from "./hostile-report.ts";
import { madeReport } from "./made-report.ts";

if (!hasChromium) console.log("skipped: chromium is not installed (Debian's package `chromium`)");

const MAIN = join(import.meta.dirname, "../bench/main.ts");
const PLOTS = ["cost", "frontier", "cumulative", "tokens", "break-even", "utilization"];

describe.skipIf(!hasChromium)("report.html in Chromium", () => {
  let folder: string;
  let chromium: Chromium;
  const addresses = new Map<string, string>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-browser-"));
    for (const [name, report] of [
      ["made", madeReport()],
      ["hostile", hostileReport()],
    ] as const) {
      const file = join(folder, `${name}.html`);
      writeFileSync(file, pageOf(report));
      addresses.set(name, pathToFileURL(file).href);
    }
    chromium = await startChromium();
  });

  afterAll(async () => {
    await chromium.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const views = [360, 1100].flatMap((width) => (["light", "dark"] as const).map((scheme) => ({ width, scheme })));

  test.each(views)(
    "at $width px, $scheme: no complaint, every plot drawn, nothing wider than the page",
    async (view) => {
      for (const [name, address] of addresses) {
        const page = await chromium.open(address, { ...view, height: 800 });
        expect(page.complaints, name).toEqual([]);
        expect(page.asked, name).toEqual([address]);
        const plots = await page.evaluate<Readonly<Record<string, readonly number[]>>>(DRAWN);
        expect(Object.keys(plots), name).toEqual(PLOTS);
        for (const [plot, [width = 0, height = 0, shapes = 0]] of Object.entries(plots)) {
          expect(width, plot).toBeGreaterThan(view.width / 2);
          expect(height, plot).toBeGreaterThan(80);
          expect(shapes, plot).toBeGreaterThan(2);
        }
        expect(await page.evaluate<number>("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(
          view.width,
        );
        expect(await page.evaluate<number>(OUTSIDE), name).toBe(0);
        if (view.width === 360) expect(await page.evaluate<number>(SMALLEST_TEXT), name).toBeGreaterThanOrEqual(10.5);
      }
    },
  );

  test("the page that a comparison on the sandbox leaves says so, and has no complaint", async () => {
    const out = join(folder, "compared");
    const ran = spawnSync(
      process.execPath,
      [MAIN, "compare", "extraction", "--limit", "5", "--sandbox", "--out", out],
      {
        encoding: "utf8",
        env: { PATH: process.env["PATH"] },
        cwd: folder,
      },
    );
    expect(ran.stderr + ran.stdout).toContain("report.html");
    const address = pathToFileURL(join(out, "report.html")).href;
    const page = await chromium.open(address, { width: 360, height: 800, scheme: "light" });
    expect(page.complaints).toEqual([]);
    expect(await page.evaluate("document.querySelector('.banner').textContent")).toContain("Simulated.");
    const plots = await page.evaluate<Readonly<Record<string, readonly number[]>>>(DRAWN);
    expect(Object.values(plots).every(([width = 0]) => width > 180)).toBe(true);
    expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    const again = spawnSync(process.execPath, [
      MAIN,
      "report",
      join(out, "report.json"),
      "--html",
      join(out, "again.html"),
    ]);
    expect(again.status).toBe(0);
    expect(readFileSync(join(out, "again.html"), "utf8")).toBe(readFileSync(join(out, "report.html"), "utf8"));
  });

  test.each(["light", "dark"] as const)("words stand out from their ground by 4.5 to 1, %s", async (scheme) => {
    const page = await chromium.open(addresses.get("made") ?? "", { width: 1100, height: 800, scheme });
    expect(await page.evaluate<readonly string[]>(PALE)).toEqual([]);
    const [ground, ink] = await page.evaluate<readonly [string, string]>(COLORS);
    expect(brightness(ground) > brightness(ink)).toBe(scheme === "light");
  });

  test("nothing that a suite says has become an element or has run", async () => {
    const page = await chromium.open(addresses.get("hostile") ?? "", { width: 1100, height: 800, scheme: "light" });
    expect(
      await page.evaluate("document.querySelectorAll('script, img, a, iframe, object, form, [onerror]').length"),
    ).toBe(0);
    expect(await page.evaluate("typeof globalThis.attacked")).toBe("undefined");
    expect(await page.evaluate<string>("document.title")).toContain("<script>");
  });

  test("on paper it is light, its tables are open, and nothing is cut off at the side", async () => {
    const page: OpenPage = await chromium.open(addresses.get("made") ?? "", {
      width: 720,
      height: 1000,
      scheme: "dark",
      media: "print",
    });
    const [ground, ink] = await page.evaluate<readonly [string, string]>(COLORS);
    expect(brightness(ground)).toBeGreaterThan(brightness(ink));
    expect(await page.evaluate("document.querySelector('#cost table').getBoundingClientRect().height > 50")).toBe(true);
    expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(720);
  });
});

/** By plot: width, height, and how many of its shapes have a size. */
const DRAWN = `Object.fromEntries([...document.querySelectorAll("figure.plot")].map((figure) => {
  const [svg] = [...figure.querySelectorAll("svg")].filter((one) => one.getBoundingClientRect().width > 0);
  if (svg === undefined) return [figure.id.slice(5), [0, 0, 0]];
  const { width, height } = svg.getBoundingClientRect();
  const shapes = [...svg.querySelectorAll("circle, rect, path")].filter((shape) => {
    const box = shape.getBoundingClientRect();
    return box.width + box.height > 0;
  });
  return [figure.id.slice(5), [width, height, shapes.length]];
}))`;

/** Words of drawings that are not within the window. */
const OUTSIDE = `[...document.querySelectorAll("svg text")].filter((text) => {
  const { left, right, width } = text.getBoundingClientRect();
  return width > 0 && (left < 0 || right > innerWidth);
}).length`;

/** In pixels as they are seen. */
const SMALLEST_TEXT = `Math.min(...[...document.querySelectorAll("svg text, td, th, p, li, small")].flatMap((one) => {
  const box = one.getBoundingClientRect();
  if (box.width === 0) return [];
  const svg = one.closest("svg");
  const scale = svg === null ? 1 : svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return [parseFloat(getComputedStyle(one).fontSize) * scale];
}))`;

const LUMINANCE = `const luminance = (color) => {
  const [red, green, blue] = color.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};`;

/** Words whose contrast is less than it should be, with what it is. */
const PALE = `(() => { ${LUMINANCE}
  for (const details of document.querySelectorAll("details")) details.open = true;
  const groundOf = (one) => {
    const part = one.matches(".inside") ? one.parentElement.querySelector(".part") : null;
    if (part !== null) return getComputedStyle(part).fill;
    for (let at = one; at !== null; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!color.endsWith(", 0)")) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...new Set([...document.querySelectorAll("svg text, td, th, p, li, small, dt, dd, summary, h1, h2, h3, pre, code")].flatMap((one) => {
    if (one.getBoundingClientRect().width === 0) return [];
    const style = getComputedStyle(one);
    const ratio = contrast(one.matches("svg text") ? style.fill : style.color, groundOf(one));
    return ratio < 4.5 ? [one.tagName + "." + one.getAttribute("class") + " " + ratio.toFixed(2)] : [];
  }))];
})()`;

const COLORS = `[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]`;

function brightness(color: string): number {
  return (color.match(/[\d.]+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
}
