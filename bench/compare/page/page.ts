/**
 * `report.html`: a whole comparison on one page that needs nothing else: no script, no font, no network. What a suite, a target or a
 * command says is text. Its size is bounded, however many tasks there were.
 */
import { element, escaped } from "../../plot/markup.ts";
import type { Report } from "../report.ts";
import { breakEvenSections } from "./break-even.ts";
import { classesSection } from "./classes.ts";
import { comparisonsSection } from "./comparisons.ts";
import { costSection } from "./cost.ts";
import { cumulativeSection } from "./cumulative.ts";
import { failuresSection } from "./failures.ts";
import { frontierSection } from "./frontier.ts";
import { bannerOf, headOf } from "./head.ts";
import { methodSection } from "./method.ts";
import { policySection } from "./policy.ts";
import { STYLE } from "./style.ts";
import { summarySection } from "./summary.ts";
import { tasksSection } from "./tasks.ts";
import { tokensSection } from "./tokens.ts";
import { viewOf } from "./view.ts";

export function pageOf(report: Report): string {
  const view = viewOf(report);
  const sections = [
    summarySection(view),
    costSection(view),
    frontierSection(view),
    comparisonsSection(view),
    cumulativeSection(view),
    tokensSection(view),
    ...breakEvenSections(view),
    classesSection(view),
    failuresSection(view),
    policySection(view),
    tasksSection(view),
    methodSection(view),
  ];
  const head = [
    '<meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    // Were anything on the page ever taken for markup, it still could not run or call anybody.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"/>`,
    '<meta name="referrer" content="no-referrer"/>',
    '<link rel="icon" href="data:,"/>',
    element("title", {}, escaped(titleOf(report))),
    `<style>${STYLE}</style>`,
  ];
  const footer = element(
    "footer",
    {},
    escaped(`Sluice · run ${report.run.id} · report.json has every figure, report.csv each run.`),
  );
  const body = [bannerOf(report), headOf(view), element("main", {}, ...sections), footer].join("\n");
  return `<!doctype html>\n<html lang="en"><head>\n${head.join("\n")}\n</head><body>\n${body}\n</body></html>\n`;
}

function titleOf({ targets, run, is_sandbox }: Report): string {
  const names = targets
    .map(({ name }) => name.slice(0, 60))
    .slice(0, 6)
    .join(", ");
  return `${is_sandbox ? "Simulated: " : ""}${names} compared, ${run.started_at.slice(0, 10)}`;
}
