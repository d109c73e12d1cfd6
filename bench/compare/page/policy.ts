/** What to do: the recommendation as configuration, and why by class. */
import { element, escaped } from "../../plot/markup.ts";
import { atMost, list, paragraph, section } from "./blocks.ts";
import type { View } from "./view.ts";

/** A longer one, cut, would not be YAML. */
const CHARACTERS_MAX = 20_000;

export function policySection({ report: { recommendation, is_sandbox } }: View): string {
  const { policy_yaml: yaml, by_class: byClass } = recommendation;
  const [shown, more] = atMost(byClass, 60, "classes");
  const reasons =
    shown.length === 0
      ? ""
      : list(shown.map(({ class: name, sentence }) => (sentence.includes(name) ? sentence : `${name}: ${sentence}`)));
  return section("policy", "What to put into sluice.yaml", snippet(yaml, is_sandbox), reasons, more);
}

function snippet(yaml: string, isSandbox: boolean): string {
  if (yaml.trim() === "") return paragraph("Nothing: there is no recommendation.");
  if (yaml.length > CHARACTERS_MAX)
    return paragraph("It is longer than this page has room for: `recommendation.policy_yaml` of report.json.");
  const lead = isSandbox
    ? "A click selects all of it. It follows from simulated quality: run your own tasks on the real targets first."
    : "A click selects all of it.";
  return (
    paragraph(lead, "lead") +
    element("pre", { tabindex: 0, "aria-label": "Policy for sluice.yaml" }, escaped(yaml.trimEnd()))
  );
}
