/** `sluice cache-lint`: request bodies in, what keeps them from being cached out. Needs no gateway, no key and no network. */
import { parseArgs } from "node:util";
import { lintText } from "./cache/lint-text.ts";
import { lintBodies, type LintedBody } from "./cache/lint.ts";
import { BOUNDARY_LINE, type CachingMode } from "./cache/modes.ts";
import type { DialectName, JsonObject, JsonValue } from "./chat.ts";
import { RECORD_DEFAULTS, type ModelRecord, type ModelTable } from "./model.ts";
import { createModelTable } from "./models.ts";
import type { Provider } from "./provider.ts";
import { dialectFor, fileName, parsedText, textOf, unreadable } from "./request-file.ts";

export const CACHE_LINT_USAGE = `sluice cache-lint [--config <file>] [--dialect <name>] [--json] <request.json|-> ...

  What keeps these requests from being read from a provider's cache: text that changes by itself in the tools or the system text
  (in front of the boundary line, where there is one), marks and keys that are missing, refused or ignored, and, of several requests in
  the order in which they were sent, where one parts from those before it. A file holds one body or an array of them; \`-\` is standard
  input. Nothing is sent anywhere.

  --config    the YAML file that says \`cache.mode\`, \`cache.boundaryLine\` and \`models\`; without it the defaults hold
  --dialect   of bodies that could be of several dialects
  --json      for programs: one report a request
  ends with   0: no warning (notes are none); 1: a warning; 2: it could not look
`;

export interface CacheLintResult {
  readonly exitCode: 0 | 1 | 2;
  readonly output: string;
  /** For standard error. */
  readonly problem: string;
}

/** What of a config decides how a request is placed at its boundary. */
export interface CacheLintConfig {
  readonly mode: CachingMode;
  readonly boundaryLine: string;
  /** Whether each tenant has cache keys of its own. */
  readonly isIsolated: boolean;
  readonly table: ModelTable;
}

export interface CacheLintParts {
  /** A file's text; of `-`, standard input's. */
  readonly readText: (path: string) => string;
  /** The kinds of provider there are. */
  readonly kinds: readonly Provider[];
  /** Reads the file that `--config` names. @throws Error that says what is wrong with it. */
  readonly readConfig: (path: string) => CacheLintConfig;
}

/** @param given What follows `cache-lint` on the command line. */
export function cacheLint(given: readonly string[], parts: CacheLintParts): CacheLintResult {
  try {
    const { values, positionals } = parseArgs({
      args: [...given],
      options: {
        config: { type: "string" },
        dialect: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
    if (values.help === true) return { exitCode: 0, output: CACHE_LINT_USAGE, problem: "" };
    if (positionals.length === 0) return failed(`name a file, or - for standard input\n\n${CACHE_LINT_USAGE}`);
    if (positionals.filter((path) => path === "-").length > 1) return failed("- is standard input, which is read once");
    const config = values.config === undefined ? defaults() : parts.readConfig(values.config);
    const bodies = positionals.flatMap((path) => bodiesIn(path, parts, config, values.dialect));
    const reports = lintBodies(bodies);
    const isFound = reports.some(({ findings }) => findings.some(({ level }) => level === "warning"));
    const output =
      values.json === true ? `${JSON.stringify(reports, undefined, 2)}\n` : reports.map(lintText).join("\n");
    return { exitCode: isFound ? 1 : 0, output, problem: "" };
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function failed(problem: string): CacheLintResult {
  return { exitCode: 2, output: "", problem: `sluice cache-lint: ${problem.trimEnd()}\n` };
}

function defaults(): CacheLintConfig {
  return { mode: "respect", boundaryLine: BOUNDARY_LINE, isIsolated: false, table: createModelTable() };
}

function bodiesIn(
  path: string,
  { readText, kinds }: CacheLintParts,
  config: CacheLintConfig,
  said: string | undefined,
): readonly LintedBody[] {
  const file = fileName(path);
  const value = parsedText(file, textOf(path, readText));
  const linted = (name: string, body: JsonValue) => lintedBody(name, body, kinds, config, said);
  if (!isList(value)) return [linted(file, value)];
  if (value.length === 0) throw new Error(`${file}: an empty array, with no request in it`);
  return value.map((body, at) => linted(`${file}#${at + 1}`, body));
}

function lintedBody(
  name: string,
  body: JsonValue,
  kinds: readonly Provider[],
  { table, ...placing }: CacheLintConfig,
  said: string | undefined,
): LintedBody {
  if (typeof body !== "object" || body === null || isList(body)) {
    throw new Error(`${name}: no request body; a JSON object is expected`);
  }
  const request = readingOf(name, body, said);
  const record = recordOf(request.model, table, kinds);
  const kind = kinds.find((one) => one.kind === record?.provider);
  const spoken: readonly DialectName[] | undefined = kind?.dialects(request.model, record);
  const isTranslated = spoken === undefined ? undefined : !spoken.includes(request.dialect);
  return { name, body, request, record, isTranslated, ...placing };
}

function readingOf(name: string, body: JsonObject, said: string | undefined): LintedBody["request"] {
  const dialect = dialectFor(name, body, said);
  let request;
  try {
    request = dialect.readRequest(body);
  } catch (error) {
    throw unreadable(name, error, dialect, said);
  }
  if (request.messages.length === 0 && request.tools.length === 0) {
    throw new Error(`${name}: no prompt: there is no message, no system text and no tool in it`);
  }
  return request;
}

/** By its name, as a client may say it: `model`, or `provider/model`. */
function recordOf(model: string, table: ModelTable, kinds: readonly Provider[]): ModelRecord | undefined {
  const known = table.find(model);
  const slash = model.indexOf("/");
  if (known !== undefined || slash === -1) return known;
  const bare = model.slice(slash + 1);
  const kind = kinds.find((one) => one.kind === model.slice(0, slash));
  const record = table.find(bare);
  if (record !== undefined || kind?.modelDefaults === undefined) return record;
  return { ...RECORD_DEFAULTS, ...kind.modelDefaults, id: bare, provider: kind.kind };
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
