/** `bench compare` in this process: on the simulator, into a folder of its own, with what it printed and the report it wrote. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { compareCommand } from "../bench/compare/command.ts";
import { readReport, type Report, type ReportTarget } from "../bench/compare/report.ts";
import type { RunningSandbox } from "../bench/sandbox/index.ts";
import type { Environment } from "../src/config-yaml.ts";

const folders: string[] = [];

/** Deleted when the file's tests are over. */
export function folderOf(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-compare-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

export function cleansUp(): void {
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
}

export interface Compared {
  readonly code: number;
  readonly printed: string;
  readonly told: string;
  readonly sandbox: RunningSandbox | undefined;
}

export interface CompareOptions {
  readonly folder: string;
  readonly environment?: Environment;
  readonly stopped?: AbortSignal;
  readonly onTold?: (text: string) => void;
}

export async function compare(words: readonly string[], options: CompareOptions): Promise<Compared> {
  let [printed, told] = ["", ""];
  let sandbox: RunningSandbox | undefined;
  const code = await compareCommand(words, {
    environment: options.environment ?? {},
    folder: options.folder,
    command: words.join(" "),
    print: (text) => void (printed += text),
    tell(text) {
      told += text;
      options.onTold?.(text);
    },
    isTerminal: false,
    columns: 80,
    stopped: options.stopped ?? new AbortController().signal,
    sandboxStarted: (started) => void (sandbox = started),
  });
  return { code, printed, told, sandbox };
}

export function reportIn(folder: string): Report {
  const report = readReport(readFileSync(join(folder, "report.json"), "utf8"), "report.json");
  if (typeof report === "string") throw new Error(report);
  return report;
}

export function targetIn({ targets }: Report, name: string): ReportTarget {
  const target = targets.find((one) => one.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  return target;
}
