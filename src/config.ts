/**
 * What the gateway is told: flags, environment and one file, checked together. The only reader of the environment and of that file.
 *
 * A flag comes before the environment, the environment before the file, the file before the defaults.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { AlertRule } from "./alerts/alert.ts";
import { alertRules } from "./config-alerts.ts";
import { checkBudgets } from "./config-budgets.ts";
import { dataRulesOf } from "./config-classes.ts";
import { checkDataRules } from "./config-data-rules.ts";
import { expectationsIn } from "./config-expectations.ts";
import { namedTargets, targetsNotThere } from "./config-targets.ts";
import { readConfigText, type Environment } from "./config-yaml.ts";
import { configuredProviders, environmentProviders } from "./config-providers.ts";
import type { ConfigFile, ConfigSections } from "./config-schema.ts";
import type { Expectation } from "./drift/drift.ts";
import type { ClientKey } from "./exchange.ts";
import type { LogLevel } from "./log.ts";
import { createModelTable } from "./models.ts";
import type { ModelTable } from "./model.ts";
import { channelsOf, type ConfiguredChannel } from "./config-notify.ts";
import { nearest } from "./nearest.ts";
import { policies } from "./policies/index.ts";
import type { Provider } from "./provider.ts";
import type { ConfiguredProvider } from "./target.ts";

export { printableConfig } from "./config-print.ts";

/** The effective config. */
export interface Config extends ConfigSections {
  readonly listen: { readonly host: string; readonly port: number };
  /** The ledger's folder, absolute. */
  readonly data: string;
  readonly keys: readonly ConfiguredKey[];
  readonly providers: readonly ProviderConfig[];
  /** Who is told of alerts and budgets. */
  readonly notify: readonly ConfiguredChannel[];
  /** What `alerts` makes. */
  readonly alertRules: readonly AlertRule[];
  /** What the reports that classes name let expect. */
  readonly expectations: readonly Expectation[];
  /** What is not wrong and yet worth saying, one line each. */
  readonly warnings: readonly string[];
  /** Values that are never to be shown, wherever in the config they stand. */
  readonly secrets: readonly string[];
}

export interface ConfiguredKey extends ClientKey {
  /** Where it came from ("SLUICE_API_KEYS"), for people. */
  readonly source: string;
}

export interface ProviderConfig extends ConfiguredProvider {
  /** Where its key came from ("OPENAI_API_KEY"), for people. */
  readonly keySource?: string;
}

export interface ConfigOptions {
  /** Without node and script. */
  readonly arguments: readonly string[];
  readonly environment: Environment;
  /** The folder that relative paths begin at. */
  readonly folder: string;
  /** The kinds of provider there are. */
  readonly kinds: readonly Provider[];
  readonly readFile?: (path: string) => string;
  /** The policies that the config may name; ours by default. */
  readonly policies?: readonly string[];
}

export interface LoadedConfig {
  readonly command: "serve" | "check" | "help";
  /** For `help` the defaults: asking for help must not fail on what help is needed with. */
  readonly config: Config;
}

/** Everything that is wrong, at once: one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export const USAGE = `sluice [serve] [--port <n>] [--host <address>] [--config <file>]
sluice check  [--config <file>]   print the effective configuration, without secrets
sluice budgets                    what is spent and left, of a gateway that runs (--help says more)
sluice explain <request.json>     where a request would go and why, in dollars (--help says more)
sluice bench [<what>]             what a workload costs per task, what a ledger would have cost, and more (alone: the list)
sluice cache-lint <request.json>  what keeps a request from being read from a provider's cache (--help says more)

  --port, PORT         where to listen (8787; 0 takes a free port)
  --host, HOST         127.0.0.1; another address needs client keys
  --config             the YAML file (./sluice.yaml, if there is one)
  --help               this text
  SLUICE_DATA          the ledger's folder (./.sluice)
  SLUICE_API_KEYS      client keys, comma-separated
  LOG_LEVEL            debug, info, warn, error, silent

Without \`providers\` in a file, they come from the environment: OPENAI_API_KEY, ANTHROPIC_API_KEY, MISTRAL_API_KEY, OLLAMA_HOST,
VLLM_BASE_URL, and each one's *_BASE_URL. With none at all, a simulator answers.
`;

/**
 * @throws ConfigError with everything that is wrong.
 * @example
 * const loaded = loadConfig({ arguments: ["check"], environment: process.env, folder: process.cwd(), kinds: providerKinds });
 */
export function loadConfig(options: ConfigOptions): LoadedConfig {
  const problems: string[] = [];
  const warnings: string[] = [];
  const flags = readFlags(options.arguments, problems);
  if (flags.command === "help" && problems.length === 0) {
    const { config } = loadConfig({ ...options, arguments: [], environment: {}, readFile: noFile });
    return { command: "help", config };
  }
  const readFile = options.readFile ?? ((path: string) => readFileSync(path, "utf8"));
  const { file, folder, secrets } = readConfigFile(flags.config, options, readFile, problems);
  const { environment, kinds } = options;

  const [host, hostFrom] =
    flags.host !== undefined
      ? [flags.host, "--host"]
      : said(environment, "HOST") !== undefined
        ? [said(environment, "HOST") ?? "", "HOST"]
        : [file.listen.host, "`listen.host`"];
  const port = portOf(flags.port ?? said(environment, "PORT"), problems) ?? file.listen.port;
  const level = levelOf(said(environment, "LOG_LEVEL"), problems) ?? file.log.level;
  const data = said(environment, "SLUICE_DATA");
  const keys = clientKeys(file, environment, (path) => readFile(resolve(folder, path)), problems);
  if (keys.length === 0 && !isLoopback(host)) {
    problems.push(
      `${hostFrom} is ${host}, where others can call and spend: set client keys (SLUICE_API_KEYS, or \`keys\` in the file), or listen on 127.0.0.1`,
    );
  }
  const table = tableOf(file, problems);
  const context = {
    kinds,
    environment,
    table,
    readFile: (path: string) => readFile(resolve(folder, path)),
    problems,
    warnings,
  };
  const providers =
    file.providers === undefined ? environmentProviders(context) : configuredProviders(file.providers, context);
  const notify = channelsOf(file.notify, context);
  const names = providers.map((provider) => provider.name);
  checkNames(file, names, options.policies ?? policies.map((policy) => policy.name), problems);
  checkDataRules(file, providers, { problems, warnings });
  checkBudgets(file.budgets, { keys, providers: names }, problems);
  const alerting = { ...context, budgets: file.budgets, keepDays: file.ledger.keepDays };
  const rules = alertRules(file.alerts, alerting);
  const expectations = expectationsIn(file.classes, { ...context, providers: names });
  if (problems.length > 0) throw new ConfigError(problems);
  warnings.push(...targetsNotThere(file, providers, table, kinds));
  return {
    command: flags.command,
    config: {
      ...file,
      listen: { host, port },
      data:
        data === undefined && file.data !== undefined
          ? resolve(folder, file.data)
          : resolve(options.folder, data ?? DEFAULT_DATA),
      log: { level, content: file.log.content },
      keys,
      providers,
      notify,
      alertRules: rules,
      expectations,
      warnings,
      secrets,
    },
  };
}

function noFile(): never {
  throw Object.assign(new Error("no file is read"), { code: "ENOENT" });
}

/** A variable that is set to nothing says nothing. */
function said(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === "" ? undefined : value;
}

interface Flags {
  readonly command: "serve" | "check" | "help";
  readonly port: string | undefined;
  readonly host: string | undefined;
  readonly config: string | undefined;
}

const FLAGS = {
  port: { type: "string" },
  host: { type: "string" },
  config: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function readFlags(given: readonly string[], problems: string[]): Flags {
  const { tokens, positionals } = parseArgs({
    args: [...given],
    options: FLAGS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string | undefined>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (!(token.name in FLAGS))
      problems.push(`there is no flag ${token.rawName}${meant(token.name, Object.keys(FLAGS), "--")}`);
    else if (token.name !== "help" && token.value === undefined)
      problems.push(`the flag ${token.rawName} needs a value`);
    values.set(token.name, token.value);
  }
  const [command = "serve", ...others] = positionals;
  if (command !== "serve" && command !== "check" && command !== "help") {
    problems.push(
      `there is no command \`${command}\`${meant(command, ["serve", "check", "budgets", "explain", "cache-lint", "help"], "")}`,
    );
  }
  for (const other of others) problems.push(`\`${other}\` is too much: one command at a time`);
  return {
    command: values.has("help") || command === "help" ? "help" : command === "check" ? "check" : "serve",
    port: values.get("port"),
    host: values.get("host"),
    config: values.get("config"),
  };
}

function meant(name: string, known: readonly string[], prefix: string): string {
  const near = nearest(name, known, 1)[0];
  return near === undefined
    ? `; known: ${known.map((each) => prefix + each).join(", ")}`
    : `; did you mean ${prefix}${near}?`;
}

const DEFAULT_FILE = "sluice.yaml";
const DEFAULT_DATA = ".sluice";

/** The checked file, the defaults when there is none (or none that can be used), and the folder its paths begin at. */
function readConfigFile(
  named: string | undefined,
  options: ConfigOptions,
  readFile: (path: string) => string,
  problems: string[],
): { readonly file: ConfigFile; readonly folder: string; readonly secrets: readonly string[] } {
  const name = named ?? DEFAULT_FILE;
  const path = resolve(options.folder, name);
  let text = "";
  try {
    text = readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (named !== undefined || code !== "ENOENT") problems.push(`${name} cannot be read (${code ?? "error"})`);
  }
  const read = readConfigText(text, name, options.environment);
  if (read.ok) return { file: read.file, folder: dirname(path), secrets: read.secrets };
  problems.push(...read.problems);
  const defaults = readConfigText("", name, {});
  if (!defaults.ok) throw new ConfigError(defaults.problems);
  // What the file says is not known: whatever follows from its absence is not to be complained about.
  return { file: { ...defaults.file, providers: {} }, folder: dirname(path), secrets: [] };
}

function portOf(value: string | undefined, problems: string[]): number | undefined {
  if (value === undefined) return undefined;
  const port = Number(value);
  if (/^\d+$/.test(value) && port <= 65_535) return port;
  problems.push(`the port is \`${value}\`; it must be a number from 0 to 65535`);
  return undefined;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

function levelOf(value: string | undefined, problems: string[]): LogLevel | undefined {
  if (value === undefined) return undefined;
  const level = LEVELS.find((known) => known === value.toLowerCase());
  if (level === undefined) problems.push(`LOG_LEVEL is \`${value}\`; it must be one of ${LEVELS.join(", ")}`);
  return level;
}

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

type FoundKey = Pick<ConfiguredKey, "name" | "sha256" | "source" | "team" | "readsAll" | "rules">;

function clientKeys(
  file: ConfigFile,
  environment: Environment,
  readFile: (path: string) => string,
  problems: string[],
): readonly ConfiguredKey[] {
  const keys: FoundKey[] = [];
  for (const row of file.keys) {
    if (keys.some((key) => key.name === row.name)) problems.push(`two client keys are called \`${row.name}\``);
    const rules = dataRulesOf(row);
    const common = {
      name: row.name,
      ...(row.team === undefined ? {} : { team: row.team }),
      ...(row.reads === "all" ? { readsAll: true } : {}),
      ...(rules === undefined ? {} : { rules }),
    };
    if (row.sha256 !== undefined) {
      keys.push({ ...common, sha256: row.sha256.toLowerCase(), source: "sha256" });
      continue;
    }
    const source = row.keyEnv ?? row.keyFile ?? "";
    const key = row.keyEnv === undefined ? contentOf(source, readFile) : said(environment, row.keyEnv);
    if (key === undefined)
      problems.push(`the client key \`${row.name}\` is to come from ${source}, which is empty or not there`);
    else keys.push({ ...common, sha256: sha256(key), source });
  }
  const listed = (environment["SLUICE_API_KEYS"] ?? "").split(",").map((key) => key.trim());
  for (const key of new Set(listed.filter((one) => one !== ""))) {
    const digest = sha256(key);
    const name = listedName(digest);
    if (keys.some((other) => other.name === name))
      problems.push(`the client key \`${name}\` of the file is called as one of SLUICE_API_KEYS; give it another name`);
    keys.push({ name, sha256: digest, source: "SLUICE_API_KEYS" });
  }
  return keys.map((key) => tenantKey(key, keys));
}

/** By the key and not by its place: another one's coming or going must not give it another's name on the ledger. */
function listedName(digest: string): string {
  return `key-${sha256(`sluice key name\u0000${digest}`).slice(0, 6)}`;
}

function tenantKey(key: FoundKey, keys: readonly FoundKey[]): ConfiguredKey {
  const { team } = key;
  if (team === undefined) return { ...key, tenant: `key:${sha256(`sluice tenant\u0000${key.sha256}`).slice(0, 32)}` };
  const first = keys.find((other) => other.team === team) ?? key;
  return { ...key, tenant: `team:${team}`, teamSha256: sha256(`sluice team\u0000${first.sha256}`) };
}

function contentOf(path: string, readFile: (path: string) => string): string | undefined {
  try {
    const text = readFile(path).trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function tableOf(file: ConfigFile, problems: string[]): ModelTable {
  try {
    return createModelTable(file.models);
  } catch (error) {
    problems.push(`\`models\`: ${error instanceof Error ? error.message : String(error)}`);
    return createModelTable();
  }
}

function checkNames(
  file: ConfigFile,
  providers: readonly string[],
  known: readonly string[],
  problems: string[],
): void {
  const named = Object.entries(file.classes).map(([key, row]) => [`classes.${key}.policy`, row.policy] as const);
  for (const [where, policy] of [["policy.default", file.policy.default] as const, ...named]) {
    if (policy !== undefined && !known.includes(policy))
      problems.push(`\`${where}\`: there is no policy \`${policy}\`${meant(policy, known, "")}`);
  }
  for (const [where, target] of namedTargets(file)) {
    if (target === "auto" || target.startsWith("auto:"))
      problems.push(`\`${where}\`: \`${target}\` is not a target but a question for one`);
    if (where.startsWith("aliases.") && Object.hasOwn(file.aliases, target))
      problems.push(`\`${where}\`: \`${target}\` is an alias, too; an alias names targets, not other aliases`);
  }
  for (const alias of Object.keys(file.aliases)) {
    if (alias === "auto" || alias.startsWith("auto:")) problems.push(`\`aliases.${alias}\`: that name is taken`);
    if (providers.some((name) => alias.startsWith(`${name}/`)))
      problems.push(`\`aliases.${alias}\` would hide a model of that provider`);
  }
}
