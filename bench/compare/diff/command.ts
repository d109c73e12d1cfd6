/** `bench diff` as a command: 0 where no limit is passed, 1 where one is, 2 where that cannot be said. */
import { readReportFile } from "../report-file.ts";
import { diffOf } from "./diff.ts";
import { readOptions } from "./options.ts";
import { diffText, verdictText } from "./text.ts";
import { verdictOf } from "./verdict.ts";

export interface Replied {
  readonly output: string;
  /** One line, or none. */
  readonly problem: string;
  readonly exitCode: 0 | 1 | 2;
}

/** @param words Without node and script. */
export function diffCommand(words: readonly string[]): Replied {
  const options = readOptions(words);
  if (typeof options === "string") return refused(options);
  const old = readReportFile(options.old);
  if (typeof old === "string") return refused(old);
  const now = readReportFile(options.now);
  if (typeof now === "string") return refused(now);
  const names = new Set([...old.targets, ...now.targets].map(({ name }) => name));
  const unknown = options.targets?.find((name) => !names.has(name));
  if (unknown !== undefined) return refused(`there is no target ${unknown}, but ${[...names].join(", ")}`);
  const diff = diffOf(old, now, options.targets);
  if (diff.differences.length === 0)
    return refused(`no target is in both: ${listed(diff.gone)} were compared, now ${listed(diff.added)}`);
  if (diff.differences.every(({ tasks }) => tasks === 0))
    return refused("no task was run in both: are these of the same suite?");
  const verdict = verdictOf(diff, options.limits);
  const json = options.json ? `${JSON.stringify({ ...diff, ...verdict })}\n` : "";
  return {
    output: diffText(old, now, diff) + verdictText(verdict, options.limits) + json,
    problem: "",
    exitCode: verdict.regressions.length > 0 ? 1 : verdict.unjudged.length > 0 ? 2 : 0,
  };
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none of them" : names.join(", ");
}

function refused(problem: string): Replied {
  return { output: "", problem: `${problem}\n`, exitCode: 2 };
}
