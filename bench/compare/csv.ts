/** `report.csv`: a line for each run, in the order in which they ended, written as they are read. */
import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import type { EndedRun, Journal } from "./journal.ts";

const COLUMNS: readonly (readonly [name: string, of: (run: EndedRun) => string | number | null])[] = [
  ["suite", ({ suite }) => suite],
  ["class", (run) => run.class],
  ["task", ({ task }) => task],
  ["target", ({ target }) => target],
  ["repeat", ({ repeat }) => repeat],
  ["result", ({ result }) => result],
  ["failure", ({ failure }) => failure],
  ["note", ({ note }) => note],
  ["calls", ({ calls }) => calls],
  ["attempts", ({ attempts }) => attempts],
  ["cost_pico_usd", (run) => run.cost_pico_usd],
  ["cost_usd", (run) => (run.cost_pico_usd === null ? null : Number(run.cost_pico_usd) / 1e12)],
  ["input_uncached", ({ tokens }) => tokens.input_uncached],
  ["cache_read", ({ tokens }) => tokens.cache_read],
  ["cache_write_5m", ({ tokens }) => tokens.cache_write_5m],
  ["cache_write_1h", ({ tokens }) => tokens.cache_write_1h],
  ["cache_write_other", ({ tokens }) => tokens.cache_write_other],
  ["output", ({ tokens }) => tokens.output],
  ["reasoning", ({ tokens }) => tokens.reasoning],
  ["ttft_ms", (run) => run.ttft_ms],
  ["duration_ms", (run) => run.duration_ms],
  ["judge_pico_usd", ({ judge }) => judge?.cost_pico_usd ?? null],
];

export async function writeCsv(file: string, journal: Journal): Promise<void> {
  const beside = `${file}.new`;
  const descriptor = openSync(beside, "w");
  try {
    let lines = `${COLUMNS.map(([name]) => name).join(",")}\n`;
    for await (const line of journal.lines()) {
      if (!("run" in line)) continue;
      const { run } = line;
      lines += `${COLUMNS.map(([, of]) => cell(of(run))).join(",")}\n`;
      if (lines.length < CHUNK_CHARACTERS) continue;
      writeAll(descriptor, lines);
      lines = "";
    }
    writeAll(descriptor, lines);
  } finally {
    closeSync(descriptor);
  }
  renameSync(beside, file);
}

const CHUNK_CHARACTERS = 65_536;

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let sent = 0; sent < bytes.length;) sent += writeSync(descriptor, bytes, sent);
}

/** A spreadsheet takes what begins with these for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
