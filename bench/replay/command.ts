/** The replay as a command: what its words mean, which of them go together, and what is printed. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { providerKinds } from "../../providers/index.ts";
import { classRulesOf } from "../../src/config-classes.ts";
import { ConfigError, loadConfig } from "../../src/config.ts";
import { policies } from "../../src/policies/index.ts";
import { hardwareOf } from "../calibrate/hardware.ts";
import { openSource, type OpenedLedger } from "./database.ts";
import { exportTo } from "./export.ts";
import { FLAGS_TEXT } from "./flags-text.ts";
import { hardwareRule, isAbout, readPriceRule, readPricesFile, type Hardware, type PriceRule } from "./price-rules.ts";
import { ReplayError } from "./replay-error.ts";
import { asItWasText, movedText, serverText, wouldBeText } from "./report.ts";
import { resultOf } from "./result.ts";
import { replay } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { TargetBook, type BookConfig } from "./target-book.ts";

const FLAGS = {
  price: { type: "string", multiple: true, default: [] as string[] },
  prices: { type: "string" },
  "all-to": { type: "string" },
  policy: { type: "string" },
  targets: { type: "string" },
  "keep-named": { type: "boolean", default: false },
  gpu: { type: "string", multiple: true, default: [] as string[] },
  class: { type: "string", multiple: true },
  since: { type: "string" },
  until: { type: "string" },
  config: { type: "string" },
  seed: { type: "string", default: "1" },
  export: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export interface Replied {
  readonly output: string;
  /** One line, or none. */
  readonly problem: string;
  readonly exitCode: number;
}

/** @param arguments_ Without node and script. */
export async function replayCommand(arguments_: readonly string[]): Promise<Replied> {
  const parts: string[] = [];
  try {
    await run(arguments_, (text) => void parts.push(text));
    return { output: parts.join(""), problem: "", exitCode: 0 };
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    return { output: parts.join(""), problem: `${error.message.replaceAll(/\s*\n\s*/g, " ")}\n`, exitCode: 2 };
  }
}

async function run(arguments_: readonly string[], print: (text: string) => void): Promise<void> {
  const { values, positionals } = readArguments(arguments_);
  if (values.help) return print(FLAGS_TEXT);
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new ReplayError("give one ledger or export (--help says more)");
  checkTogether(values);
  const question = readQuestion(values);
  const source = await openSource(file);
  try {
    if (values.export === undefined) return answer(file, source, values, question, print);
    const { tasks, attempts } = exportTo(values.export, source.database);
    return print(`${values.export}: ${tasks} tasks, ${attempts} attempts\n`);
  } finally {
    source.close();
  }
}

/** What is asked, as far as it can be read without the ledger. */
interface Question {
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly hardware: readonly Hardware[];
  readonly config: BookConfig | undefined;
  readonly rules: readonly PriceRule[];
}

function readQuestion(values: Values): Question {
  return {
    sinceMs: timeOf("--since", values.since),
    untilMs: timeOf("--until", values.until),
    hardware: values.gpu.map(hardwareOf),
    config: values.config === undefined ? undefined : readConfig(values.config),
    rules: [
      ...(values.prices === undefined ? [] : readPricesFile(readText(values.prices), basename(values.prices))),
      ...values.price.map(readPriceRule),
    ],
  };
}

function answer(
  file: string,
  ledger: OpenedLedger,
  values: Values,
  { sinceMs, untilMs, hardware, config, rules }: Question,
  print: (text: string) => void,
): void {
  const recorded = ledger.database
    .prepare("SELECT DISTINCT provider, model FROM attempts WHERE provider IS NOT NULL AND model IS NOT NULL")
    .all()
    .map(({ provider, model }) => `${String(provider)}/${String(model)}`);
  const nowMs = Date.now();
  const word = { kinds: providerKinds, config, recorded, nowMs };
  const plain = new TargetBook({ ...word, rules });
  // A server is named as targets are, and its price is that of the very target.
  const servers = hardware.map((one) => ({ ...one, target: onlyOf(plain.named(one.target), one.target) }));
  const book = new TargetBook({ ...word, rules: [...rules, ...servers.map(hardwareRule)] });
  const targets = targetsOf(values, book, { recorded, servers: servers.map(({ target }) => target), nowMs });
  checkRules(rules, book, [...recorded, ...(targets ?? [])], nowMs);
  const scenario: Scenario = {
    rules,
    hardware: servers,
    policy: values.policy === "named" ? undefined : values.policy,
    targets,
    keepNamed: values["keep-named"],
    classRules: config?.classes,
    sinceMs,
    untilMs,
    classes: values.class,
    seed: values.seed,
  };
  const result = resultOf(replay(ledger, book, scenario), values.seed);
  print(asItWasText(result, basename(file)));
  for (const [name, kind] of book.guesses) print(`provider ${name} is taken for ${kind}; --config says what it is\n`);
  for (const name of book.pricedLater) print(`${name} had no price yet in the beginning: today's is taken\n`);
  const asked = questionOf(scenario);
  if (asked !== undefined && result.as_it_was.attempts > 0) {
    print(`\n${wouldBeText(result, asked)}${movedText(result)}`);
    for (const server of result.servers) print(serverText(server, result.hours, scenario.policy !== undefined));
  }
  if (values.json) print(`${JSON.stringify({ ledger: basename(file), question: asked ?? null, ...result })}\n`);
}

type Values = ReturnType<typeof readArguments>["values"];

function readArguments(arguments_: readonly string[]) {
  try {
    return parseArgs({ args: [...arguments_], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new ReplayError((error as Error).message);
  }
}

function checkTogether(values: Values): void {
  const { policy, targets, gpu } = values;
  const names = ["named", ...policies.map(({ name }) => name)];
  if (policy !== undefined && !names.includes(policy))
    throw new ReplayError(`--policy ${policy}: there is no such policy; there are ${names.join(", ")}`);
  if (values["all-to"] !== undefined && policy !== undefined)
    throw new ReplayError("--all-to leaves nothing to a --policy: give one of them");
  if (targets !== undefined && (policy === undefined || policy === "named"))
    throw new ReplayError("--targets needs a --policy that chooses from them (or --all-to, for one)");
  if (policy === "named" && (gpu.length > 0 || values["keep-named"]))
    throw new ReplayError("--policy named moves nothing: it goes with --price and --prices only");
  if (gpu.length > 1 && policy === undefined) throw new ReplayError("several --gpu need a --policy that chooses");
  if (
    values.export !== undefined &&
    (policy ?? values["all-to"] ?? values.prices ?? values.price[0] ?? gpu[0]) !== undefined
  )
    throw new ReplayError("--export writes down the ledger as it is, and takes no prices, targets or policies");
}

function timeOf(flag: string, text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : Date.parse(text);
  if (Number.isNaN(time)) throw new ReplayError(`${flag} ${text}: must be a date or a time as in 2026-11-25T04:00:00Z`);
  return time;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ReplayError(`${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`);
  }
}

function readConfig(file: string): BookConfig {
  try {
    const { config } = loadConfig({
      arguments: ["check", "--config", file],
      environment: withoutSecrets(process.env),
      folder: process.cwd(),
      kinds: providerKinds,
    });
    const classes = Object.entries(config.classes).map(([key, row]) => [key, classRulesOf(row)] as const);
    const { providers, models, aliases } = config;
    return { providers, models, aliases, classes: Object.fromEntries(classes) };
  } catch (error) {
    if (error instanceof ConfigError) throw new ReplayError(`${file}: ${error.problems.join("; ")}`);
    throw error;
  }
}

/** Nobody is called: a key that the config names does not have to be here. */
function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return new Proxy(environment, {
    get(all, name) {
      if (typeof name !== "string") return undefined;
      return all[name] ?? (SECRET.test(name) ? `not-needed-to-replay-${name}` : undefined);
    },
  });
}

const SECRET = /^(?!SLUICE_).*(?:KEY|TOKEN|SECRET)$/;

function onlyOf(names: readonly string[], word: string): string {
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new ReplayError(`${word}: that is ${names.length} targets; name one`);
  return name;
}

/** @returns `undefined`: nothing moves. @throws ReplayError for a target without a price: nobody knows what it would cost. */
function targetsOf(
  values: Values,
  book: TargetBook,
  known: { readonly recorded: readonly string[]; readonly servers: readonly string[]; readonly nowMs: number },
): readonly string[] | undefined {
  const { policy, targets } = values;
  const all = values["all-to"];
  const hasPrice = (name: string) => book.under(name, known.nowMs)?.price !== undefined;
  if (policy === undefined || policy === "named") {
    if (all === undefined) return known.servers.length === 0 ? undefined : known.servers;
    return withPrices([onlyOf(book.named(all), all)], hasPrice);
  }
  if (targets !== undefined) {
    const words = targets.split(",").map((word) => word.trim());
    return withPrices([...new Set([...words.flatMap((word) => book.named(word)), ...known.servers])], hasPrice);
  }
  const own = known.recorded.filter(
    (name) => hasPrice(name) && book.under(name, known.nowMs)?.record?.abilities.chat !== false,
  );
  const chosen = [...new Set([...own, ...known.servers])];
  if (chosen.length === 0) throw new ReplayError("no target of the ledger has a price: name some with --targets");
  return chosen;
}

function withPrices(names: readonly string[], hasPrice: (name: string) => boolean): readonly string[] {
  const without = names.find((name) => !hasPrice(name));
  if (without === undefined) return names;
  throw new ReplayError(
    `${without} has no price, so nobody knows what it would cost: give it one by --price '${without}=input:…,output:…', or --gpu`,
  );
}

/** A rule about nobody is a mistyped one. */
function checkRules(rules: readonly PriceRule[], book: TargetBook, names: readonly string[], nowMs: number): void {
  const targets = names.flatMap((name) => book.plain(name, nowMs) ?? []);
  const idle = rules.find(({ pattern }) => !targets.some((target) => isAbout(pattern, target)));
  if (idle === undefined) return;
  throw new ReplayError(
    `no target is meant by \`${idle.pattern}\`; there are ${[...new Set(names)].slice(0, 20).join(", ")}`,
  );
}

/** @returns `undefined`: nothing is asked but what was. */
function questionOf({ rules, hardware, policy, targets, keepNamed }: Scenario): string | undefined {
  const parts = [
    ...(targets === undefined
      ? []
      : [
          policy === undefined
            ? `everything went to ${targets.join(", ")}`
            : `${policy} had chosen from ${targets.join(", ")}, once for each task`,
        ]),
    ...(keepNamed ? ["named models stayed"] : []),
    ...rules.map(({ pattern, change }) => `${pattern} ${priceText(change)}`),
    ...hardware.map(
      ({ target, usdPerHour, prefill, decode, busyMost }) =>
        `${target} were a server at $${usdPerHour} an hour (${prefill} tokens/s read, ${decode} written, busy at most ${busyMost * 100} % of an hour)`,
    ),
  ];
  return parts.length === 0 ? undefined : parts.join("; ");
}

function priceText(change: PriceRule["change"]): string {
  switch (change.kind) {
    case "times":
      return `cost ${change.text.slice(1)} times as much`;
    case "latest":
      return "cost what it does today";
    case "row":
      return "had the prices given";
  }
}
