/** `sluice explain`: where a request would go and why, or where a call of the ledger's went. Needs no gateway and no network. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { JsonObject } from "../chat.ts";
import { ConfigError, type Config, type ConfiguredKey } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { callerOf, type Caller } from "../exchange.ts";
import type { Setup } from "../gateway.ts";
import { nearest } from "../nearest.ts";
import { classRows } from "../policies/class-rows.ts";
import type { Provider } from "../provider.ts";
import { dialectFor, fileName, parsedText, textOf, unreadable } from "../request-file.ts";
import { configuredNames, setupOf } from "../setup.ts";
import { TASK_ID } from "../task.ts";
import { readLearned, readRecorded, type Learned } from "./learned.ts";
import { decideOffline, type OfflineDecision } from "./offline.ts";
import { decisionJson, recordOf, type ToldDecision } from "./recorded.ts";
import { decisionTable, type TableHead } from "./table.ts";

export const EXPLAIN_USAGE = `sluice explain [--config <file>] [--data <folder>] [--dialect <name>] [--class <name>] [--key <name>]
               [--turns <n>] [--incumbent <target>] [--json] <request.json|->
sluice explain --exchange <id> [--data <folder>] [--json]

  Where this request would go, and why: what each target is expected to take to finish the task, in dollars, and where each figure is
  from, as \`GET /sluice/v1/decisions/{exchange}\` tells it of a call. What was learned of tasks is read from the ledger, also while a
  gateway runs on it. Nothing is sent anywhere: no prompt is warm, no target rests, no budget is used up, and nothing is tried.
  With --exchange, the decision of a call that was made, as the ledger has it.

  --config      the YAML file (./sluice.yaml, if there is one)
  --data        the ledger's folder, in place of the config's
  --dialect     of a body that could be of several dialects
  --class       the class of its task; without it as the request says, or by what its prompt begins with
  --key         the client key that it would come with, by its name
  --turns       how many turns of its task were answered before (0)
  --incumbent   the target that answered the last of them
  --json        for programs: one object, as the endpoint answers
  ends with     0: it is explained (also where it would be refused); 2: it could not be
`;

export interface ExplainResult {
  readonly exitCode: 0 | 2;
  readonly output: string;
  /** For standard error. */
  readonly problem: string;
}

export interface ExplainParts {
  /** A file's text; of `-`, standard input's. */
  readonly readText: (path: string) => string;
  /** Reads the file that `--config` names, or what a gateway here would be configured by. @throws Error that says what is wrong with it. */
  readonly readConfig: (path: string | undefined) => Config;
  /** The kinds of provider there are. */
  readonly kinds: readonly Provider[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** @param given What follows `explain` on the command line. */
export async function explain(given: readonly string[], parts: ExplainParts): Promise<ExplainResult> {
  try {
    const { values, positionals } = parseArgs({ args: [...given], options: FLAGS, allowPositionals: true });
    if (values.help === true) return { exitCode: 0, output: EXPLAIN_USAGE, problem: "" };
    const output =
      values.exchange === undefined ? await ofRequest(positionals, values, parts) : ofCall(positionals, values, parts);
    return { exitCode: 0, output, problem: "" };
  } catch (error) {
    return { exitCode: 2, output: "", problem: `sluice explain: ${problemText(error)}\n` };
  }
}

/** One line, whatever it is. */
function problemText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ConfigError) return `the configuration: ${error.problems.join("; ")}`;
  const isOfFlags = String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS");
  const [sentence = ""] = error.message.split(isOfFlags ? /\.\s|\.?\n/ : /\n/);
  return isOfFlags ? `${sentence} (--help says which there are)` : sentence;
}

const FLAGS = {
  config: { type: "string" },
  data: { type: "string" },
  dialect: { type: "string" },
  class: { type: "string" },
  key: { type: "string" },
  turns: { type: "string" },
  incumbent: { type: "string" },
  exchange: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Flags = {
  readonly [Name in keyof typeof FLAGS]?: (typeof FLAGS)[Name]["type"] extends "string" ? string : boolean;
};

/** What is said of a request, and would say nothing of a call that was made. */
const OF_A_REQUEST = ["dialect", "class", "key", "turns", "incumbent"] as const;

function ofCall(positionals: readonly string[], flags: Flags, { readConfig }: ExplainParts): string {
  const { exchange = "", data, config } = flags;
  const unused = OF_A_REQUEST.find((name) => flags[name] !== undefined);
  if (unused !== undefined) throw new Error(`--${unused} is for a request; --exchange is a call that was made`);
  if (positionals.length > 0) throw new Error("name a file or an --exchange, not both");
  const configured = data === undefined || config !== undefined ? readConfig(config) : undefined;
  const path = ledgerIn(data ?? configured?.data ?? "");
  const read = TASK_ID.test(exchange) ? readRecorded(path, exchange) : undefined;
  if (read === undefined)
    throw new Error(`${path} has no such exchange; an answer's \`x-sluice-exchange\` says its id`);
  const learned = readLearned(path, () => (configured === undefined ? new Map() : configuredNames(configured)));
  const className = read.taskClass === undefined ? undefined : learned.classes.nameOf(read.taskClass);
  if (flags.json === true) return jsonText(read, className);
  const went = read.tried.length === 0 ? "was not sent" : `went to ${read.tried.join(", then to ")}`;
  const recorded = recordOf(read);
  const turn = recorded === undefined ? [] : [turnText(recorded.turnsSoFar, recorded.incumbent)];
  const isTrial = read.trial !== undefined || recorded?.isTrial === true;
  return decisionTable(read, {
    outcome: `\`${read.requestedModel}\` ${went}, by the policy ${read.policy}: ${read.outcome ?? "open"}`,
    facts: [
      `exchange ${read.exchange}, ${new Date(read.decidedAtMs).toISOString()}`,
      [`task ${read.task}`, classText(read.taskClass, className), ...turn, ...(isTrial ? ["a trial"] : [])].join(", "),
    ],
    notes: [],
  });
}

async function ofRequest(positionals: readonly string[], flags: Flags, parts: ExplainParts): Promise<string> {
  const { kinds, now, readConfig } = parts;
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0)
    throw new Error("name one file, or - for standard input (--help says more)");
  const turnsSoFar = turnsIn(flags.turns);
  const { text, body } = requestIn(path, parts.readText);
  const dialect = dialectFor(fileName(path), body, flags.dialect);
  const config = readConfig(flags.config);
  if (config.providers.length === 0) throw new Error(noProviders());
  const caller = callerNamed(flags.key, config.keys);
  const learned = readLearned(ledgerIn(flags.data ?? config.data), () => configuredNames(config));
  const className = flags.class === undefined ? undefined : classNamed(flags.class, config, learned, caller);
  const classNameOf = (id: string) => learned.classes.nameOf(id);
  const discovery: Parameters<typeof setupOf>[2]["discovery"] = {
    resolve: (targets, model, among) => targets.resolve(model, among),
  };
  const setup = setupOf(config, { kinds }, { discovery, estimates: learned.estimates, classNameOf }, now);
  const incumbent = flags.incumbent === undefined ? undefined : targetNamed(flags.incumbent, setup);
  const call = { bytes: Buffer.from(text), dialect, caller, className, turnsSoFar, incumbent };
  let decided;
  try {
    decided = await decideOffline(call, { config, setup, classes: learned.classes, now });
  } catch (error) {
    if (error instanceof GatewayError && error.kind === "model-not-found")
      throw new Error(`${error.message}${notAsked(setup)}`, { cause: error });
    throw unreadable(fileName(path), error, dialect, flags.dialect);
  }
  const { taskClass } = decided.told;
  const name = taskClass === undefined ? undefined : classNameOf(taskClass);
  if (flags.json === true) return jsonText(decided.told, name);
  const facts = [
    [
      classText(taskClass, name),
      ...(caller.name === undefined ? [] : [`key ${caller.name}`]),
      turnText(turnsSoFar, incumbent),
      dialect.name,
    ].join(", "),
    learnedText(learned),
    ...cascadeText(decided.cascade),
  ];
  return decisionTable(decided.told, { ...headOf(decided), facts, notes: [AT_REST, ...serversText(setup)] });
}

function jsonText(told: ToldDecision, className: string | undefined): string {
  return `${JSON.stringify(decisionJson(told, className), undefined, 2)}\n`;
}

function ledgerIn(folder: string): string {
  return join(folder, "ledger.sqlite");
}

function turnsIn(text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Error("--turns is how many turns were answered before: a whole number from 0 to 999999");
}

/** The bytes are read as a client's would be. */
function requestIn(
  path: string,
  readText: ExplainParts["readText"],
): { readonly text: string; readonly body: JsonObject } {
  const text = textOf(path, readText);
  const body = parsedText(fileName(path), text);
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new Error(`${fileName(path)}: no request body; a JSON object is expected`);
  return { text, body: body as JsonObject };
}

function noProviders(): string {
  return "no provider is configured, so there is nowhere to go: --config names a file with `providers`, or set a key (OPENAI_API_KEY, …)";
}

/** Which key it is decides where it may go, and whose statistics hold. */
function callerNamed(name: string | undefined, keys: readonly ConfiguredKey[]): Caller {
  const [only] = keys;
  const names = keys.map((key) => key.name);
  if (name === undefined) {
    if (only === undefined) return { name: undefined, tenant: "" };
    if (keys.length === 1) return callerOf(only);
    throw new Error(`say by --key whose request it is: ${names.join(", ")}`);
  }
  const key = keys.find((one) => one.name === name);
  if (key !== undefined) return callerOf(key);
  throw new Error(`no key is called \`${name}\`${meant(name, names, "the config has no keys")}`);
}

/** By what its caller would say, or what an operator calls a derived one. Where nothing is known of any, none is misspelled. */
function classNamed(said: string, { classes }: Config, learned: Learned, { tenant }: Caller): string {
  if (!TASK_ID.test(said)) throw new Error("--class may hold letters, digits and . _ : - only, at most 128 characters");
  const { names, uses } = learned.classes.snapshot();
  const seen = [...learned.classNames(tenant), ...uses.map(([id]) => id)];
  if (seen.includes(said)) return said;
  const derived = learned.classes.idsOf(said).find((id) => seen.includes(id));
  if (derived !== undefined) return derived;
  const isConfigured = classRows(classes)(said).some(([key]) => key !== "*");
  const own = Object.entries(classes).flatMap(([key, { name }]) => [
    ...(key.endsWith("*") ? [] : [key]),
    ...(name === undefined ? [] : [name]),
  ]);
  const known = [...new Set([...own, ...names.map(([, name]) => name), ...seen])];
  if (isConfigured || known.includes(said) || known.length === 0) return said;
  throw new Error(`no class is called \`${said}\`, in the config or in the ledger${meant(said, known, "")}`);
}

function targetNamed(said: string, { targets }: Setup): string {
  try {
    const { targets: found, explicit } = targets.resolve(said);
    if (explicit && found[0] !== undefined) return found[0].name;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new Error(`--incumbent: ${error.message}${autoText(targets)}`, { cause: error });
  }
  throw new Error(`--incumbent: \`${said}\` is not one target${autoText(targets)}`);
}

function autoText(targets: Setup["targets"]): string {
  try {
    const names = targets.resolve("auto").targets.map(({ name }) => name);
    return ` (\`auto\` chooses from ${namesText(names)})`;
  } catch {
    return "";
  }
}

const NAMES_TOLD = 12;

function meant(said: string, known: readonly string[], none: string): string {
  if (known.length === 0) return `: ${none}`;
  const near = nearest(said, known, 1)[0];
  return `; ${near === undefined ? "" : `did you mean \`${near}\`? `}there are ${namesText(known)}`;
}

function namesText(names: readonly string[]): string {
  const more = names.length > NAMES_TOLD ? ` and ${names.length - NAMES_TOLD} more` : "";
  return names.slice(0, NAMES_TOLD).join(", ") + more;
}

function headOf({ told, refusal }: OfflineDecision): Pick<TableHead, "outcome"> {
  const named = `\`${told.requestedModel}\``;
  return {
    outcome:
      refusal === undefined
        ? `${named} would go to ${told.first ?? "nobody"}, by the policy ${told.policy}`
        : `${named} would be refused: ${refusal.status}, ${refusal.kind}`,
  };
}

function classText(id: string | undefined, name: string | undefined): string {
  if (id === undefined) return "no class";
  return name === undefined ? `class ${id}` : `class ${name} (${id})`;
}

function turnText(turnsSoFar: number, incumbent: string | undefined): string {
  return `turn ${turnsSoFar + 1}${incumbent === undefined ? "" : `, the last one by ${incumbent}`}`;
}

function learnedText({ lack, keptAtMs }: Learned): string {
  if (lack !== undefined) return `nothing learned: assumptions (${lack})`;
  const at = keptAtMs === undefined ? "" : `, as it was kept at ${new Date(keptAtMs).toISOString()}`;
  return `learned from tasks that ended${at}`;
}

const AT_REST =
  "As for a gateway at rest: nothing is warm in a cache, no target rests after failures, the request is bound to nobody, no budget is used up, and nothing is tried to learn of it.";

function cascadeText(order: readonly string[]): readonly string[] {
  return order.length < 2 ? [] : [`its class asks, until an answer passes its checks: ${order.join(", then ")}`];
}

function serversOf({ targets }: Setup): readonly string[] {
  return targets.instances.filter(({ provider }) => provider.modelsPath !== undefined).map(({ name }) => name);
}

function serversText(setup: Setup): readonly string[] {
  const servers = serversOf(setup);
  if (servers.length === 0) return [];
  return [
    `Not asked which models it has: ${servers.join(", ")}. Of its models only those that the config names can be told.`,
  ];
}

function notAsked(setup: Setup): string {
  const servers = serversOf(setup);
  return servers.length === 0
    ? ""
    : ` (${servers.join(", ")} ${servers.length === 1 ? "was" : "were"} not asked for models: nothing is sent anywhere)`;
}
