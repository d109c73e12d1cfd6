/**
 * Suites as files: YAML with all its tasks, or JSONL with one a line, which is read as it is needed. What is wrong is said with file,
 * line and field; blank lines and lines that begin with `#` are passed over.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { isMap, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml";
import type { z } from "zod";
import { CompareError } from "./compare-error.ts";
import { defaultsSchema, taskOf, taskSchema, type Defaults, type Task } from "./task.ts";

export interface Suite {
  readonly name: string;
  /** As it was named, for people. */
  readonly source: string;
  /** From the first task again each time. @throws CompareError */
  tasks(): AsyncIterable<Task>;
}

/** Of one's own, to try the command with: a folder's names. */
export const SHIPPED = ["classification", "extraction", "support-triage", "long-documents", "agent-loop"] as const;

const LINE_BYTES_MAX = 16 * 1024 * 1024;
const YAML_BYTES_MAX = 32 * 1024 * 1024;

/** @param word A file, or one of the suites that are shipped. @throws CompareError */
export function openSuite(word: string): Suite {
  const shipped = SHIPPED.find((name) => name === word);
  const file = shipped === undefined ? word : join(import.meta.dirname, "suites", `${shipped}.yaml`);
  if (!existsSync(file) || !statSync(file).isFile())
    throw new CompareError(`${word}: there is no such file; suites that are shipped: ${SHIPPED.join(", ")}`);
  const extension = extname(file).toLowerCase();
  const name = suiteName(basename(file, extname(file)));
  const source = shipped ?? basename(file);
  switch (extension) {
    case ".yaml":
    case ".yml":
      return { name, source, tasks: () => fromYaml(file, source, name) };
    case ".jsonl":
    case ".ndjson":
      return { name, source, tasks: () => fromLines(file, source, name) };
    default:
      throw new CompareError(`${source}: must end in .jsonl, .yaml or .yml`);
  }
}

export function suiteName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._:-]+/g, "-").slice(0, 64) || "suite";
}

async function* fromLines(file: string, source: string, name: string): AsyncGenerator<Task> {
  const ids = new SeenIds();
  let defaults: Defaults = {};
  let count = 0;
  for await (const { text, line } of linesOf(file, source)) {
    const where = `${source}:${line}`;
    const value = objectOf(text, where);
    if ("defaults" in value) {
      defaults = checked(defaultsSchema, value["defaults"], where, "defaults.");
      continue;
    }
    count += 1;
    const task = taskOf(checked(taskSchema, value, where, ""), defaults, name, count);
    ids.add(task.id, where);
    yield task;
  }
  if (count === 0) throw new CompareError(`${source}: has no tasks`);
}

async function* fromYaml(file: string, source: string, name: string): AsyncGenerator<Task> {
  const text = readYaml(file, source);
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true });
  const [wrong] = document.errors;
  if (wrong !== undefined) {
    const [what] = wrong.message.split(" at line ");
    throw new CompareError(`${source}:${counter.linePos(wrong.pos[0]).line}: ${what}`);
  }
  const whole = document.toJS({ maxAliasCount: 100 }) as unknown;
  const lineOf = (path: readonly PropertyKey[]) => lineOfNode(document, path, counter);
  if (typeof whole !== "object" || whole === null || !Array.isArray((whole as { tasks?: unknown }).tasks))
    throw new CompareError(`${source}:1: \`tasks\` must be a list`);
  const {
    tasks,
    defaults: given = {},
    ...others
  } = whole as { readonly tasks: unknown[]; readonly defaults?: unknown };
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new CompareError(`${source}:${lineOf([unknown])}: \`${unknown}\`: there are \`defaults\` and \`tasks\` only`);
  const ids = new SeenIds();
  const defaults = checkedAt(defaultsSchema, given, source, ["defaults"], lineOf);
  for (const [index, value] of tasks.entries()) {
    const task = taskOf(checkedAt(taskSchema, value, source, ["tasks", index], lineOf), defaults, name, index + 1);
    ids.add(task.id, `${source}:${lineOf(["tasks", index])}`);
    yield task;
  }
  if (tasks.length === 0) throw new CompareError(`${source}: has no tasks`);
}

function readYaml(file: string, source: string): string {
  if (statSync(file).size > YAML_BYTES_MAX)
    throw new CompareError(`${source}: is larger than 32 MB; write it as JSONL, which is read line by line`);
  return readFileSync(file, "utf8");
}

/** The line of a field, or of what it is missing in. */
function lineOfNode(document: Document, path: readonly PropertyKey[], counter: LineCounter): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true) as Node | undefined;
    const last = path[length - 1];
    const found = isMap(parent)
      ? (parent.items.find(({ key }) => String(key) === String(last))?.key as Node | undefined)
      : isSeq(parent)
        ? (parent.items[Number(last)] as Node | undefined)
        : undefined;
    const range = found?.range;
    if (range !== undefined && range !== null) return counter.linePos(range[0]).line;
  }
  return 1;
}

function checkedAt<Value>(
  schema: z.ZodType<Value>,
  value: unknown,
  source: string,
  at: readonly PropertyKey[],
  lineOf: (path: readonly PropertyKey[]) => number,
): Value {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const { path, message } = problemOf(read.error);
  const field = [...at, ...path];
  throw new CompareError(`${source}:${lineOf(field)}: \`${fieldText(field)}\`: ${message}`);
}

function checked<Value>(schema: z.ZodType<Value>, value: unknown, where: string, within: string): Value {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const { path, message } = problemOf(read.error);
  const field = `${within}${fieldText(path)}`.replace(/\.$/, "");
  throw new CompareError(`${where}: ${field === "" ? "" : `\`${field}\`: `}${message}`);
}

/** The first that is wrong, as near to it as can be said. */
function problemOf(error: z.ZodError): { readonly path: readonly PropertyKey[]; readonly message: string } {
  const [issue] = error.issues;
  if (issue === undefined) return { path: [], message: "is wrong" };
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    return { path: [...issue.path, key], message: "there is no such field" };
  }
  if (issue.code === "invalid_union") {
    // Of the forms that it may have, the one that was begun with.
    const nearest = issue.errors
      .map((issues) => issues[0])
      .filter((one) => one !== undefined)
      .toSorted((one, other) => other.path.length - one.path.length)[0];
    if (nearest?.code === "unrecognized_keys")
      return { path: [...issue.path, ...nearest.path, nearest.keys[0] ?? ""], message: "there is no such field" };
    if (nearest !== undefined && nearest.path.length > 0)
      return { path: [...issue.path, ...nearest.path], message: nearest.message };
  }
  return { path: issue.path, message: issue.message };
}

function fieldText(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === "number" ? `[${part}]` : `${at === 0 ? "" : "."}${String(part)}`))
    .join("");
}

export function objectOf(text: string, where: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CompareError(`${where}: it is not JSON (${(error as Error).message.split("\n")[0]})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CompareError(`${where}: must be a JSON object`);
  return value as Readonly<Record<string, unknown>>;
}

/** Lines with something in them, as many in memory as one. @throws CompareError */
export async function* linesOf(
  file: string,
  source: string,
): AsyncGenerator<{ readonly text: string; readonly line: number }> {
  let rest: Buffer[] = [];
  let size = 0;
  let line = 0;
  const taken = (end: Buffer) => {
    const text = Buffer.concat([...rest, end])
      .toString("utf8")
      .trim();
    rest = [];
    size = 0;
    line += 1;
    return text === "" || text.startsWith("#")
      ? undefined
      : { text: line === 1 ? text.replace(/^\uFEFF/, "") : text, line };
  };
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        const found = taken(chunk.subarray(from, at));
        if (found !== undefined) yield found;
        from = at + 1;
      }
      rest.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > LINE_BYTES_MAX) throw new CompareError(`${source}:${line + 1}: the line is longer than 16 MB`);
    }
  } catch (error) {
    if (error instanceof CompareError || !(error instanceof Error && "code" in error)) throw error;
    throw new CompareError(`${source}: it cannot be read (${String(error.code)})`);
  }
  const last = taken(Buffer.alloc(0));
  if (last !== undefined) yield last;
}

/** Ids of one suite: hashes, as there may be many. */
class SeenIds {
  readonly #seen = new Set<number>();

  add(id: string, where: string): void {
    const hash = createHash("sha256").update(id).digest().readUIntBE(0, 6);
    if (this.#seen.has(hash)) throw new CompareError(`${where}: \`id\`: two tasks are called \`${id}\``);
    this.#seen.add(hash);
  }
}
