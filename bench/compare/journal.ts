/**
 * The folder of a comparison: `plan.json` (what was asked for), `runs.jsonl` (a line as each run begins and one as it ends), and beside them the
 * ledger of the gateway and the reports. Lines are whole or the last one is torn, whatever ended the process: that is what it is resumed from.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { CACHING_MODES } from "../../src/cache/modes.ts";
import { CompareError } from "./compare-error.ts";
import { FAILURE_KINDS, tokens } from "./report.ts";
import { linesOf } from "./suite.ts";

const count = z.int().nonnegative();
const picoUsd = z.string().regex(/^\d+$/);

const ended = z.object({
  /** Its name on the ledger. */
  ledger_task: z.string(),
  /** Of the task among all of them, from 0. */
  at: count,
  suite: z.string(),
  task: z.string(),
  class: z.string(),
  target: z.string(),
  repeat: count,
  result: z.enum(["passed", "failed", "unchecked", "error", "checker-error"]),
  failure: z.enum(FAILURE_KINDS).nullable(),
  /** Words of ours; nothing that was said to a model or by it. */
  note: z.string().nullable(),
  calls: count,
  attempts: count,
  cost_pico_usd: picoUsd.nullable(),
  estimated_pico_usd: picoUsd,
  tokens,
  calls_without_usage: count,
  implausible_calls: count,
  tells_cache_read: z.boolean(),
  /** Whether its answers had the form that was asked for; absent: none was. */
  is_formed: z.boolean().optional(),
  ttft_ms: z.number().nullable(),
  duration_ms: z.number(),
  /** Targets that answered in place of this one. */
  moved_to: z.array(z.string()),
  judge: z.object({ calls: count, failures: count, cost_pico_usd: picoUsd.nullable() }).nullable(),
});

const lineSchema = z.union([
  z.object({ run: ended }),
  /** Its name on the ledger: where no end follows, money may have been spent. */
  z.object({ began: z.string() }),
  z.object({ warmed: z.object({ target: z.string(), cost_pico_usd: picoUsd.nullable() }) }),
  z.object({ session: z.object({ seconds: z.number() }) }),
]);
export type JournalLine = z.infer<typeof lineSchema>;
export type EndedRun = z.infer<typeof ended>;

/** What must be the same when it is resumed. */
const planSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  started_at: z.string(),
  command: z.string(),
  suites: z.array(z.string()),
  requests: z.array(z.string()),
  ledger: z.string().nullable(),
  sample: count,
  limit: count.nullable(),
  sha256: z.string(),
  /** As `--targets` had them, and who that was. */
  words: z.array(z.string()).nullable(),
  targets: z.array(z.object({ name: z.string(), model: z.string() })),
  gpus: z.array(z.string()),
  judge: z.string().nullable(),
  repeats: count,
  seed: count,
  concurrency: count,
  cache: z.enum(["as-it-comes", "cold", "warm"]),
  caching: z.enum(CACHING_MODES).nullable(),
  timeout_s: z.number(),
  resamples: count,
  url: z.string().nullable(),
  config: z.string().nullable(),
  sandbox: z.boolean(),
});
export type Plan = z.infer<typeof planSchema>;

export function writePlan(folder: string, plan: Plan): void {
  writeWhole(join(folder, "plan.json"), `${JSON.stringify(plan, undefined, 2)}\n`);
}

/** @throws CompareError */
export function readPlan(folder: string): Plan {
  const file = join(folder, "plan.json");
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new CompareError(`${folder}: there is nothing to resume (no plan.json that can be read)`);
  }
  const read = planSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new CompareError(`${file}: \`${issue?.path.map(String).join(".")}\`: ${issue?.message}`);
}

/** All at once, or what was there before. @throws where the disk is full. */
export function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const beside = `${file}.new`;
  try {
    writeFileSync(beside, text, { flush: true });
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

export interface Journal {
  /** @throws where the disk is full: nothing that is not written down may be counted. */
  add(line: JournalLine): void;
  /** Every line so far, of all sessions. */
  lines(): AsyncIterable<JournalLine>;
  close(): void;
}

const NAME = "runs.jsonl";

export function openJournal(folder: string): Journal {
  const file = join(folder, NAME);
  mkdirSync(folder, { recursive: true });
  if (existsSync(file)) dropTorn(file);
  const descriptor = openSync(file, "a");
  return {
    add(line) {
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
      // The system may take less than it is given, as it does when the disk fills up.
      for (let sent = 0; sent < bytes.length;) sent += writeSync(descriptor, bytes, sent);
    },
    lines: () => readLines(file),
    close() {
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

async function* readLines(file: string): AsyncGenerator<JournalLine> {
  for await (const { text, line } of linesOf(file, NAME)) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new CompareError(`${NAME}:${line}: it is not JSON`);
    }
    const read = lineSchema.safeParse(value);
    if (!read.success) throw new CompareError(`${NAME}:${line}: it is no line of a comparison`);
    yield read.data;
  }
}

const TAIL_BYTES = 1024 * 1024;

/** A line that was not finished is no line. */
function dropTorn(file: string): void {
  const { size } = statSync(file);
  if (size === 0) return;
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const descriptor = openSync(file, "r+");
  try {
    const text = readTail(descriptor, tail, size - tail.length);
    const end = text.lastIndexOf(10);
    if (end !== text.length - 1) ftruncateSync(descriptor, size - tail.length + end + 1);
  } finally {
    closeSync(descriptor);
  }
}

function readTail(descriptor: number, buffer: Buffer, from: number): Buffer {
  const read = readSync(descriptor, buffer, 0, buffer.length, from);
  return buffer.subarray(0, read);
}
