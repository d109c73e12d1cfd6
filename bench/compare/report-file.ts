/** `report.json` as a file. */
import { readFileSync, statSync } from "node:fs";
import { readReport, type Report } from "./report.ts";

/** A whole report with all the rows it may have is a tenth of that. */
const BYTES_MAX = 256 * 1024 * 1024;

/** What is wrong with it, in one line; or the report. */
export function readReportFile(file: string): Report | string {
  let text: string;
  try {
    if (statSync(file).size > BYTES_MAX) return `${file}: it is larger than a report can be`;
    text = readFileSync(file, "utf8");
  } catch (error) {
    return `${file}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message}`;
  }
  return readReport(text, file);
}
