/** `bench report`: draws the page of a finished comparison once more. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readReportFile } from "../report-file.ts";
import { pageOf } from "./page.ts";
import { pictureFile } from "./picture.ts";

export interface Replied {
  readonly output: string;
  /** One line, or none. */
  readonly problem: string;
  readonly exitCode: 0 | 2;
}

const FLAGS = { html: { type: "string" }, svg: { type: "string" } } as const;

/** @param words Without node and script. */
export function reportCommand(words: readonly string[]): Replied {
  let parsed;
  try {
    parsed = parseArgs({ args: [...words], options: FLAGS, allowPositionals: true });
  } catch (error) {
    const [what] = (error as Error).message.split(". ");
    return refused(`${what}; npm run bench -- report --help lists the flags`);
  }
  const [file, ...others] = parsed.positionals;
  if (file === undefined || others.length > 0) return refused("give one report.json");
  const { html = join(dirname(file), "report.html"), svg } = parsed.values;
  const same = [html, svg].find((out) => out !== undefined && resolve(out) === resolve(file));
  if (same !== undefined) return refused(`${same} is the report itself: name another file`);
  const report = readReportFile(file);
  if (typeof report === "string") return refused(report);
  const files = [[html, pageOf(report)] as const, ...(svg === undefined ? [] : [[svg, pictureFile(report)] as const])];
  for (const [out, text] of files) {
    const problem = written(out, text);
    if (problem !== undefined) return refused(problem);
  }
  return { output: files.map(([out]) => `${out}\n`).join(""), problem: "", exitCode: 0 };
}

/** Whole or not at all: what the file held before stays where the disk is full. */
function written(file: string, text: string): string | undefined {
  const part = `${file}.part`;
  try {
    writeFileSync(part, text);
    renameSync(part, file);
    return undefined;
  } catch (error) {
    rmSync(part, { force: true });
    return `${file}: ${(error as Error).message}`;
  }
}

function refused(problem: string): Replied {
  return { output: "", problem: `${problem}\n`, exitCode: 2 };
}
