/** What the command line asks `bench trace` for. */
import { parseArgs } from "node:util";
import { readRules, type Rules } from "./chosen-rules.ts";
import { type Load, loads } from "./generate.ts";
import type { LedgerChoice } from "./ledger.ts";

export interface Options {
  readonly file: string | undefined;
  readonly load: Load | undefined;
  readonly seed: number;
  readonly ledger: { readonly file: string; readonly choice: LedgerChoice } | undefined;
  /** `undefined`: those of the ledger's target. */
  readonly rules: Rules | undefined;
  readonly isGenerous: boolean;
  readonly only: readonly string[] | undefined;
  readonly decisions: string | undefined;
  /** Whose decisions. */
  readonly of: string;
  readonly check: string | undefined;
  /** The folder of the shared traces. */
  readonly goals: string | undefined;
  readonly svg: string | undefined;
  readonly json: boolean;
}

const FLAGS = {
  ledger: { type: "string" },
  target: { type: "string" },
  since: { type: "string" },
  until: { type: "string" },
  class: { type: "string" },
  rules: { type: "string" },
  generous: { type: "boolean" },
  generate: { type: "string" },
  seed: { type: "string" },
  only: { type: "string" },
  decisions: { type: "string" },
  of: { type: "string" },
  check: { type: "string" },
  prefill: { type: "string" },
  goals: { type: "string" },
  svg: { type: "string" },
  json: { type: "boolean" },
} as const;

type Flags = Readonly<Partial<Record<keyof typeof FLAGS, string | boolean>>>;

/** @returns what is wrong with them, as text. */
export function readOptions(): Options | string {
  let parsed;
  try {
    parsed = parseArgs({ options: FLAGS, allowPositionals: true });
  } catch (error) {
    // Behind the first sentence is how to name a file that begins with a dash.
    const [what] = (error as Error).message.split(". ");
    return `${what}; npm run bench -- trace --help lists the flags`;
  }
  const { values, positionals } = parsed;
  const load = loads.find((name) => name === values.generate);
  if (values.generate !== undefined && load === undefined) return `--generate must be one of ${loads.join(", ")}`;
  const sources = [...positionals, load, values.goals, values.ledger].filter((source) => source !== undefined);
  if (sources.length !== 1) return "give one trace file, or --generate, or --ledger, or --goals";
  const idle = idleFlag(values);
  if (idle !== undefined) return idle;
  const seed = Number(values.seed ?? 1);
  if (!Number.isSafeInteger(seed) || seed < 0) return "--seed must be a whole number";
  const choice = readChoice(values);
  if (typeof choice === "string") return choice;
  const ledger = values.ledger === undefined ? undefined : { file: values.ledger, choice };
  const name = values.rules ?? (ledger === undefined ? "anthropic" : undefined);
  const isGenerous = values.generous ?? false;
  const rules = name === undefined ? undefined : readRules(name, isGenerous, Number(values.prefill ?? 1));
  if (typeof rules === "string") return rules;
  const wrong = rules === undefined ? undefined : wrongFor(rules, values);
  if (wrong !== undefined) return wrong;
  const { decisions, check, goals, svg } = values;
  if (decisions !== undefined && check !== undefined) return "either --decisions or --check";
  return {
    file: positionals[0],
    load,
    seed,
    ledger,
    rules,
    isGenerous,
    only: values.only?.split(";").map((policy) => policy.trim()),
    decisions,
    of: values.of ?? "learned",
    check,
    goals,
    svg,
    json: values.json ?? false,
  };
}

/** A flag that would change nothing, as text: whoever gave it expects something else than what he would get. */
function idleFlag(values: Flags): string | undefined {
  if (values.goals !== undefined) {
    const other = Object.keys(values).find((name) => !["goals", "svg", "json"].includes(name));
    if (other !== undefined) return `--goals replays its own traces under its own rules: it takes no --${other}`;
  }
  const isChoosing = (values.target ?? values.since ?? values.until ?? values.class) !== undefined;
  if (isChoosing && values.ledger === undefined) return "--target, --since, --until and --class choose from a --ledger";
  if (values.seed !== undefined && values.generate === undefined) return "--seed is for --generate";
  if (values.of !== undefined && values.decisions === undefined) return "--of is whose --decisions are written";
  return undefined;
}

type ChoiceFlags = Readonly<Partial<Record<"target" | "since" | "until" | "class", string>>>;

/** @returns what is wrong with them, as text. */
function readChoice({ target, since, until, class: taskClass }: ChoiceFlags): LedgerChoice | string {
  const sinceMs = since === undefined ? undefined : Date.parse(since);
  const untilMs = until === undefined ? undefined : Date.parse(until);
  if (Number.isNaN(sinceMs) || Number.isNaN(untilMs))
    return "--since and --until must be dates or times as in 2026-11-25T04:00:00Z";
  return { target, sinceMs, untilMs, taskClass };
}

/** What asks for marks where there are none, as text. */
export function wrongFor(
  rules: Rules,
  { decisions, check, svg }: Partial<Pick<Options, "decisions" | "check" | "svg">>,
): string | undefined {
  if (rules.kind !== "marks" && (decisions ?? check) !== undefined)
    return "--decisions and --check are about marks: they need --rules anthropic or openai-5.6";
  if (svg !== undefined && (rules.kind !== "marks" || check !== undefined))
    return "--svg draws policies of marks: it needs --rules anthropic or openai-5.6, and no --check";
  return undefined;
}
