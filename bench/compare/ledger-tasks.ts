/**
 * Tasks of a ledger as a suite, as far as it goes: it keeps no prompts, so that these are texts of words without meaning that are as long as what was
 * sent, turn by turn. What was read from cache at a task's beginning is taken for what its class has in common. Cost and speed can be
 * compared by them where caching and length decide, and no quality; how long answers will be is a target's own.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { seeded } from "../trace/random.ts";
import { CompareError } from "./compare-error.ts";
import { suiteName, type Suite } from "./suite.ts";
import { taskOf, taskSchema, type Task } from "./task.ts";

/** @param sample How many tasks; @param seed of which ones. @throws CompareError */
export function openLedgerTasks(file: string, sample: number, seed: number): Suite {
  const source = basename(file);
  const name = suiteName("ledger");
  const shapes = readShapes(file, source, sample, seed);
  return {
    name,
    source,
    async *tasks() {
      for (const [at, shape] of shapes.entries()) yield taskFrom(shape, name, at + 1);
    },
  };
}

interface Shape {
  readonly task: string;
  readonly class: string;
  /** Each call of it, oldest first. */
  readonly calls: readonly { readonly prompt: number; readonly read: number; readonly output: number }[];
}

function readShapes(file: string, source: string, sample: number, seed: number): readonly Shape[] {
  if (!existsSync(file)) throw new CompareError(`${source}: there is no such file`);
  let database;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    const ids = database
      .prepare(
        "SELECT DISTINCT task FROM attempts WHERE outcome = 'complete' AND input_uncached IS NOT NULL ORDER BY id",
      )
      .all()
      .map(({ task }) => String(task));
    if (ids.length === 0) throw new CompareError(`${source}: has no task whose tokens are known`);
    const statement = database.prepare(
      `SELECT coalesce(task_class, 'other') AS class, coalesce(cache_read, 0) AS read, coalesce(output, 1) AS output,
        input_uncached + coalesce(cache_read, 0) + coalesce(cache_write_5m, 0) + coalesce(cache_write_1h, 0) + coalesce(cache_write_other, 0) AS prompt
        FROM attempts WHERE task = ? AND outcome = 'complete' AND input_uncached IS NOT NULL ORDER BY id LIMIT ${CALLS_MAX}`,
    );
    return sampled(ids, sample, seed).map((task) => {
      const rows = statement.all(task);
      const calls = rows.map(({ prompt, read, output }) => ({
        prompt: Number(prompt),
        read: Number(read),
        output: Number(output),
      }));
      return { task, class: String(rows[0]?.["class"] ?? "other"), calls };
    });
  } catch (error) {
    if (error instanceof CompareError) throw error;
    throw new CompareError(`${source}: it is no ledger that can be read (${(error as Error).message})`);
  } finally {
    database?.close();
  }
}

/** Of longer tasks their beginning. */
const CALLS_MAX = 40;

function sampled(ids: readonly string[], sample: number, seed: number): readonly string[] {
  const chance = seeded(seed);
  return ids
    .map((id) => ({ id, draw: chance() }))
    .toSorted((one, other) => one.draw - other.draw)
    .slice(0, sample)
    .map(({ id }) => id);
}

function taskFrom({ task, class: className, calls }: Shape, suite: string, at: number): Task {
  const [first = { prompt: 10, read: 0, output: 50 }, ...later] = calls;
  const asks = (output: number) => `Answer in about ${Math.max(1, Math.round(output * WORDS_PER_TOKEN))} words.`;
  const shared = Math.min(first.read, first.prompt);
  let before = first;
  const next = later.map((call) => {
    const grown = Math.max(1, call.prompt - before.prompt - before.output);
    before = call;
    return `${words(`${task} ${call.prompt}`, grown)} ${asks(call.output)}`;
  });
  const read = taskSchema.parse({
    class: suiteName(className),
    ...(shared > 0 ? { system: words(className, shared) } : {}),
    prompt: `${words(task, Math.max(1, first.prompt - shared))} ${asks(first.output)}`,
    next,
    maxTokens: Math.min(128_000, Math.max(64, ...calls.map(({ output }) => output * 2))),
  });
  return taskOf(read, {}, suite, at);
}

const WORDS_PER_TOKEN = 0.75;
/** One token each, by most tokenizers. */
const WORDS = [
  "order",
  "paper",
  "river",
  "table",
  "green",
  "seven",
  "north",
  "glass",
  "music",
  "stone",
  "light",
  "bread",
];

/** Of about so many tokens, the same for the same name. */
function words(name: string, tokens: number): string {
  let word = 0;
  for (const character of name) word = Math.imul(word, 31) + (character.codePointAt(0) ?? 0);
  const chance = seeded(word);
  return Array.from({ length: Math.max(1, tokens) }, () => WORDS[Math.floor(chance() * WORDS.length)] ?? "").join(" ");
}
