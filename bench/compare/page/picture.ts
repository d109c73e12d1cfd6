/** The comparison as one picture for a README: what a task costs, and cost against quality. */
import { type Drawing, label, pictureOf } from "../../plot/drawing.ts";
import { element } from "../../plot/markup.ts";
import type { Report } from "../report.ts";
import { type Plot, WIDE_WIDTH } from "./blocks.ts";
import { costPlot } from "./cost.ts";
import { frontierPlot } from "./frontier.ts";
import { PICTURE_STYLE } from "./style.ts";
import { viewOf } from "./view.ts";

/** An SVG file, readable on light and dark pages. */
export function pictureFile(report: Report): string {
  const view = viewOf(report);
  const plots = [costPlot(view), frontierPlot(view)].filter((plot) => plot !== undefined);
  const tasks = report.settings.suites.reduce((sum, suite) => sum + suite.tasks, 0);
  const from = `${tasks.toLocaleString("en-US")} tasks, ${report.run.started_at.slice(0, 10)}, ${report.settings.confidence * 100} % intervals`;
  const note = report.is_sandbox
    ? `Simulated: prices and bills follow the providers’ rules, quality is made up. ${from}`
    : from;
  const drawing = stacked(plots, note);
  const description = plots.map((plot) => `${plot.title}: ${plot.description}.`).join(" ");
  const picture = pictureOf("comparison", "Targets compared", description, WIDE_WIDTH, drawing);
  return `${picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace("<title", `<style>${PICTURE_STYLE}</style><title`)}\n`;
}

const TITLE_HEIGHT = 30;
const GAP = 18;

function stacked(plots: readonly Plot[], note: string): Drawing {
  let top = 0;
  const drawn = plots.map(({ title, draw }) => {
    const { height, body } = draw(WIDE_WIDTH);
    const words = label(title, 0, top + 16, "title");
    const moved = element("g", { transform: `translate(0 ${top + TITLE_HEIGHT})` }, body);
    top += TITLE_HEIGHT + height + GAP;
    return words + moved;
  });
  return { height: top + 8, body: drawn.join("") + label(note, 0, top, "note") };
}
