/** Why runs did not pass, by kind and target. */
import { type Cell, paragraph, section, tableOf } from "./blocks.ts";
import { counted } from "./figures.ts";
import type { View } from "./view.ts";

const KINDS_MAX = 40;

export function failuresSection({ targets }: View): string {
  const byTarget = targets.map(({ sums }) => new Map(sums.failures.map((failure) => [failure.kind, failure])));
  const kinds = [...new Set(byTarget.flatMap((failures) => [...failures.keys()]))].slice(0, KINDS_MAX);
  if (kinds.length === 0)
    return section(
      "failures",
      "What went wrong",
      paragraph("Nothing: every run passed, or nobody said what would be right."),
    );
  const rows = kinds.map((kind) => {
    const counts = byTarget.map((failures) => failures.get(kind));
    const example = counts.find((failure) => failure !== undefined)?.example ?? "";
    const name: Cell = { text: kind.replaceAll("-", " "), note: MEANINGS[kind], kind: "key" };
    return [
      name,
      ...counts.map((failure) => (failure === undefined ? "0" : counted(failure.runs))),
      { text: example, kind: "words" },
    ];
  });
  return section(
    "failures",
    "What went wrong",
    paragraph(
      "The answer’s faults count as not passed. Those of the target or the way to it leave nothing to judge: they are in the cost and in no pass rate.",
      "lead",
    ),
    tableOf({
      name: "Runs that failed, by kind and target",
      columns: ["Runs", ...targets.map(({ name }) => name), { text: "For example", kind: "words" }],
      wordColumns: [targets.length + 1],
      rows,
    }),
  );
}

/** Of `FAILURE_KINDS`; what is not here speaks for itself. */
const MEANINGS: Readonly<Record<string, string>> = {
  "wrong-answer": "the answer’s fault",
  refused: "the answer’s fault",
  "cut-short": "the answer’s fault",
  "tool-misused": "the answer’s fault",
  "too-many-turns": "the answer’s fault",
  unreachable: "the target’s or the way’s",
  unavailable: "the target’s or the way’s",
  "rate-limited": "the target’s or the way’s",
  timeout: "the target’s or the way’s",
  "broken-off": "the target’s or the way’s",
  rejected: "the target’s or the way’s",
  "checker-failed": "the suite’s",
  "judge-failed": "the judge’s",
};
