/** Each pair of targets in sentences: what differs, by how much, and what does not. */
import { element } from "../../plot/markup.ts";
import type { ReportComparison } from "../report.ts";
import { atMost, folded, list, paragraph, said, section } from "./blocks.ts";
import { counted } from "./figures.ts";
import type { View } from "./view.ts";

const OVERALL_MAX = 30;
const BY_CLASS_MAX = 120;

export function comparisonsSection({ report }: View): string {
  const overall = report.comparisons.filter((one) => one.class === null);
  const byClass = report.comparisons.filter((one) => one.class !== null);
  const [pairs, more] = atMost(overall, OVERALL_MAX, "comparisons");
  const [shown, moreByClass] = atMost(byClass, BY_CLASS_MAX, "comparisons");
  const resamples = counted(report.settings.resamples);
  return section(
    "comparisons",
    "Who differs from whom",
    paragraph(
      `Over the tasks that both have run: each task is its own control. Intervals from ${resamples} resamples of tasks.`,
      "lead",
    ),
    ...pairs.map(block),
    more,
    shown.length === 0 ? "" : folded("By class of tasks", ...shown.map(block), moreByClass),
  );
}

function block({ base, other, class: ofClass, tasks, sentences }: ReportComparison): string {
  const where = ofClass === null ? "" : `, ${said(ofClass, 80)}`;
  return (
    element("h3", {}, `${said(other, 80)} against ${said(base, 80)}${where} · ${counted(tasks)} tasks`) +
    list(sentences.slice(0, 6))
  );
}
