/** `sluice budgets`: what is spent and left, asked of a gateway that runs. */
import { parseArgs } from "node:util";
import type { BudgetReport } from "./budgets/report.ts";

export const BUDGETS_USAGE = `sluice budgets [--url <gateway>] [--config <file>] [--json]

  What is spent and left of each budget of a gateway that runs. Where keys are configured, the variable SLUICE_API_KEY holds the one to
  ask with (else the first of SLUICE_API_KEYS): one with \`reads: all\` sees every budget, another its own.

  --url       where the gateway is, if not where the configuration lets it listen (http://127.0.0.1:8787)
  --config    the YAML file that says where
  --json      for programs: as GET /sluice/v1/budgets answers
  ends with   0: every budget is within its limit; 1: one has reached it; 2: it could not ask
`;

export interface BudgetsResult {
  readonly exitCode: 0 | 1 | 2;
  readonly output: string;
  /** For standard error. */
  readonly problem: string;
}

export interface BudgetsParts {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where a configuration lets the gateway listen. @throws Error that says what is wrong with it. */
  readonly listen: (configPath: string | undefined) => { readonly host: string; readonly port: number };
  /** As `fetch`. */
  readonly ask: (url: string, headers: Readonly<Record<string, string>>) => Promise<Response>;
}

/** @param given What follows `budgets` on the command line. */
export async function budgetsCommand(given: readonly string[], parts: BudgetsParts): Promise<BudgetsResult> {
  try {
    const { values } = parseArgs({
      args: [...given],
      options: {
        url: { type: "string" },
        config: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return { exitCode: 0, output: BUDGETS_USAGE, problem: "" };
    const url = values.url ?? listeningAt(parts.listen(values.config));
    const text = await asked(url, parts);
    const { data } = JSON.parse(text) as { readonly data: readonly BudgetReport[] };
    const isReached = data.some(({ state }) => state === "reached");
    return { exitCode: isReached ? 1 : 0, output: values.json === true ? `${text}\n` : table(data), problem: "" };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { exitCode: 2, output: "", problem: `sluice budgets: ${problem.trimEnd()}\n` };
  }
}

function listeningAt({ host, port }: { readonly host: string; readonly port: number }): string {
  if (port === 0) throw new Error("the configuration lets it listen on any free port: say where it is with --url");
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${port}`;
}

async function asked(url: string, { environment, ask }: BudgetsParts): Promise<string> {
  const own = environment["SLUICE_API_KEY"]?.trim() ?? "";
  const [listed = ""] = (environment["SLUICE_API_KEYS"] ?? "").split(",").map((one) => one.trim());
  const key = own === "" ? listed : own;
  let answer: Response;
  try {
    answer = await ask(new URL("/sluice/v1/budgets", url).href, key === "" ? {} : { authorization: `Bearer ${key}` });
  } catch (error) {
    throw new Error(`no gateway answers at ${url}: start it, or say where it is with --url`, { cause: error });
  }
  const text = await answer.text();
  if (answer.ok) return text;
  if (answer.status === 401) throw new Error("the gateway asks for a key: put one into SLUICE_API_KEY");
  throw new Error(`the gateway at ${url} answers ${answer.status}: ${messageIn(text)}`);
}

function messageIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: { readonly message?: string } };
    return error?.message ?? "";
  } catch {
    return "";
  }
}

const HEAD = ["BUDGET", "OF", "WINDOW", "SPENT", "RESERVED", "LIMIT", "LEFT", "STATE"];
/** The first of these columns that holds a number, and the last. */
const NUMBERS = [3, 6] as const;

function table(budgets: readonly BudgetReport[]): string {
  if (budgets.length === 0) return "There are no budgets: see `budgets` in the configuration.\n";
  const rows = [HEAD, ...budgets.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column >= NUMBERS[0] && column <= NUMBERS[1] ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function cellsOf(budget: BudgetReport): readonly string[] {
  const { unit, window_start: start, limit_usd: limit, left_usd: left } = budget;
  const notes = [
    ...(budget.refused_calls === 0 ? [] : [`${budget.refused_calls} refused`]),
    ...(budget.unpriced_calls === 0 ? [] : [`${budget.unpriced_calls} unpriced`]),
  ];
  return [
    budget.budget,
    // What callers made up is not to move a terminal's cursor.
    (budget.value_name ?? budget.value).replace(/[^\x20-\x7e\xa0-\uffff]/g, "?") || "everything",
    unit === null ? `since ${start.slice(0, 16)}Z` : `${unit} from ${start.slice(0, 16)}Z`,
    usd(budget.spent_usd),
    usd(budget.reserved_usd),
    limit === null ? "-" : usd(limit),
    left === null ? "-" : usd(left),
    [budget.state, ...notes].join(", "),
  ];
}

function usd(amount: number): string {
  if (amount === 0) return "$0";
  return `$${amount >= 0.01 ? amount.toFixed(2) : amount.toPrecision(2)}`;
}
