/** `sluice cache-lint`: request bodies in, what keeps them from being cached out. Needs no gateway, no key and no network. */
import { parseArgs } from "node:util";
import { lintBodies, type LintedBody, type LintReport } from "./cache/lint.ts";
import type { LintFinding } from "./cache/lint-findings.ts";
import { BOUNDARY_LINE } from "./cache/modes.ts";
import type { JsonValue } from "./chat.ts";
import { dialects } from "./dialects/index.ts";
import { dialectOf } from "./dialects/shape.ts";
import { createModelTable } from "./models.ts";
import { nearest } from "./nearest.ts";

export const CACHE_LINT_USAGE = `sluice cache-lint [--dialect <name>] [--json] <request.json|-> ...

  What keeps these requests from being read from a provider's cache: text that changes by itself in the tools or the system text,
  marks that a provider refuses or ignores, and, of several requests in the order in which they were sent, where they part. A file
  holds one body or an array of them; \`-\` is standard input. Ends with 1 when something was found, with 2 when it could not look.
`;

export interface CacheLintResult {
  readonly exitCode: 0 | 1 | 2;
  readonly output: string;
  /** For standard error. */
  readonly problem: string;
}

/**
 * @param given What follows `cache-lint` on the command line.
 * @param readText A file's text; of `-`, standard input's.
 */
export function cacheLint(given: readonly string[], readText: (path: string) => string): CacheLintResult {
  try {
    const { values, positionals } = parseArgs({
      args: [...given],
      options: { dialect: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
    if (values.help === true) return { exitCode: 0, output: CACHE_LINT_USAGE, problem: "" };
    if (positionals.length === 0) return failed(`name a file, or - for standard input\n\n${CACHE_LINT_USAGE}`);
    const reports = lintBodies(positionals.flatMap((path) => bodiesIn(path, readText, values.dialect)));
    const isFound = reports.some(({ findings }) => findings.some(({ level }) => level === "warning"));
    const output =
      values.json === true ? `${JSON.stringify(reports, undefined, 2)}\n` : reports.map(reportText).join("\n");
    return { exitCode: isFound ? 1 : 0, output, problem: "" };
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function failed(problem: string): CacheLintResult {
  return { exitCode: 2, output: "", problem: `sluice cache-lint: ${problem.trimEnd()}\n` };
}

function bodiesIn(
  path: string,
  readText: (path: string) => string,
  dialect: string | undefined,
): readonly LintedBody[] {
  const file = path === "-" ? "standard input" : path;
  let value: JsonValue;
  try {
    value = JSON.parse(readText(path)) as JsonValue;
  } catch (error) {
    throw new Error(`${file}: ${error instanceof SyntaxError ? `no JSON (${error.message})` : reasonOf(error)}`, {
      cause: error,
    });
  }
  if (!isList(value)) return [lintedBody(file, value, dialect)];
  return value.map((body, at) => lintedBody(`${file}#${at + 1}`, body, dialect));
}

function reasonOf(error: unknown): string {
  return `cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`;
}

function lintedBody(name: string, body: JsonValue, said: string | undefined): LintedBody {
  if (typeof body !== "object" || body === null || isList(body)) throw new Error(`${name}: no request body`);
  const dialectName = said ?? dialectOf(body);
  const dialect = dialects.find((known) => known.name === dialectName);
  const names = dialects.map((known) => known.name);
  if (dialect === undefined) {
    if (said !== undefined)
      throw new Error(`there is no dialect ${said}; did you mean ${nearest(said, names, 1)[0] ?? names.join(", ")}?`);
    throw new Error(`${name}: of no dialect that is known by its form; say which by --dialect (${names.join(", ")})`);
  }
  const request = readingOf(name, () => dialect.readRequest(body));
  const record = createModelTable().find(request.model);
  return {
    name,
    body,
    request,
    cache: record?.cache,
    tokenRatio: record?.tokenRatio ?? 1,
    boundaryLine: BOUNDARY_LINE,
  };
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function readingOf(name: string, read: () => LintedBody["request"]): LintedBody["request"] {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function reportText(report: LintReport): string {
  const { name, dialect, model, promptTokens, staticTokens, prefixes, follows, findings } = report;
  const shown = prefixes.filter(({ isStatic, isMarked }) => isStatic || isMarked);
  return [
    `${name}: ${dialect}, ${model}: about ${promptTokens} tokens, ${staticTokens} of them static`,
    ...shown.slice(0, PREFIXES_SHOWN).map(prefixText),
    ...(follows === undefined ? [] : [`  ${followsText(follows)}`]),
    ...findings.flatMap(findingLines),
    ...(findings.length === 0 ? ["  nothing was found"] : []),
    "",
  ].join("\n");
}

const PREFIXES_SHOWN = 12;

function prefixText({ path, tokens, isStatic, isMarked }: LintReport["prefixes"][number]): string {
  return `  ${String(tokens).padStart(8)}  ${path}${isStatic ? "  static" : ""}${isMarked ? "  marked" : ""}`;
}

function followsText(follows: NonNullable<LintReport["follows"]>): string {
  switch (follows.how) {
    case "goes-on":
      return `goes on from the one before: all of its ${follows.sharedTokens} tokens can be read`;
    case "another-conversation":
      return "has too little in common with the one before to be compared";
    case "parts":
      return `parts from the one before: ${follows.sharedTokens} tokens can be read, ${follows.lostTokens} are lost`;
  }
}

function findingLines({ level, rule, path, offset, excerpt, says, advice }: LintFinding): readonly string[] {
  const place = offset === undefined ? path : `${path}, character ${offset}`;
  return [
    `  ${level} ${rule}${place === "" ? "" : ` at ${place}`}: ${says}`,
    ...(excerpt === undefined || excerpt === "" ? [] : [`    ${JSON.stringify(excerpt)}`]),
    `    → ${advice}`,
  ];
}
