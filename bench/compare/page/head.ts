/** What stands before everything else: that it was simulated or is not whole, and what is recommended. */
import { element, escaped } from "../../plot/markup.ts";
import type { Report } from "../report.ts";
import { atMost, said, sentence } from "./blocks.ts";
import { counted, dated } from "./figures.ts";
import type { View } from "./view.ts";

/** "" where there is nothing that one has to know first. */
export function bannerOf({ is_sandbox, state, stopped }: Report): string {
  const warnings = [
    is_sandbox ? `${element("strong", {}, "Simulated.")} No model was asked: this is Sluice’s own sandbox.` : "",
    state === "partial"
      ? `${element("strong", {}, "Not whole.")} ${stopped === null ? "Some tasks were not run." : sentence(stopped.sentence)}`
      : "",
  ].filter((warning) => warning !== "");
  if (warnings.length === 0) return "";
  return element("div", { class: "banner", role: "note" }, ...warnings.map((warning) => element("p", {}, warning)));
}

export function headOf({ report }: View): string {
  const { recommendation, run, settings, targets, notices } = report;
  const tasks = settings.suites.reduce((sum, suite) => sum + suite.tasks, 0);
  const repeats = settings.repeats === 1 ? "" : ` × ${settings.repeats} repeats`;
  const what = `${targets.length} targets · ${counted(tasks)} tasks${repeats} · ${dated(run.started_at)}`;
  const [shown, more] = atMost(notices, 20, "notices");
  return element(
    "header",
    {},
    element("p", { class: "over" }, escaped(what)),
    element(
      "h1",
      {},
      recommendation.target === null ? "No recommendation" : `Recommended: ${said(recommendation.target, 80)}`,
    ),
    element("p", { class: "lede" }, sentence(recommendation.sentence)),
    shown.length === 0
      ? ""
      : element("ul", { class: "notices" }, ...shown.map((notice) => element("li", {}, sentence(notice)))),
    more,
  );
}
