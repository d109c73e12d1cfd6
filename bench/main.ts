/** The benchmarks under one command; each has flags of its own. */
import { join } from "node:path";
import { FLAGS_TEXT as CALIBRATE_FLAGS } from "./calibrate/flags-text.ts";
import { FLAGS_TEXT as COMPARE_FLAGS } from "./compare/flags-text.ts";
import { FLAGS_TEXT as REPLAY_FLAGS } from "./replay/flags-text.ts";

interface Bench {
  /** In one line. */
  readonly what: string;
  readonly flags: string;
  /** Reads its flags from the command line, as if it had been started alone. */
  start(): Promise<unknown>;
}

const benches: Readonly<Record<string, Bench>> = {
  compare: {
    what: "what a task costs, and how often it is done right, at two targets or more: which of them to take",
    flags: COMPARE_FLAGS,
    start: () => import("./compare/main.ts"),
  },
  calibrate: {
    what: "how fast a server of one's own reads and writes, by parallel calls, and what its tokens cost by that",
    flags: CALIBRATE_FLAGS,
    start: () => import("./calibrate/main.ts"),
  },
  load: {
    what: "what the gateway itself costs, beside its peers",
    flags: `
  [--seconds N] [--rounds N]  of one measurement; of all of them
  [--only name,name]          these scenarios only
  [--json file]               the figures, as JSON
  [--profile folder]          where the gateway's processor profiles go
`,
    start: () => import("./load/main.ts"),
  },
  trace: {
    what: "what placing cache marks costs on a trace of requests, beside what no policy can beat",
    flags: `
  <file.jsonl[.gz]> | --generate unique | drift | fanout-cold-8 | fanout-warm-8 [--seed N]
  | --ledger .sluice/ledger.sqlite   the prompts of a gateway's own calls, also of one that runs
      [--target provider/model]      whose (the only one's), for each has a cache of its own
      [--since time] [--until time]  sent within these times (2026-11-25T04:00:00Z)
      [--class name]                 of this task class
  | --goals folder                   as \`goals\` does, with the traces of that folder
  [--rules anthropic | openai-5.6 | openai-legacy | vllm:N,C]  whose billing; N replicas with a cache of C tokens
                            (anthropic; of a ledger, as the target's model record has it)
  [--only "name;name"]      these policies only
  [--decisions out.jsonl]   what a policy decided for each request; [--of name] whose (learned)
  [--check out.jsonl]       the bill of such a file, from the rules alone
  [--generous]              a 1 h entry keeps the 5 min tokens before it
  [--prefill share]         of the trace's tokens that the replicas can read (1)
  [--svg out.svg]           cost by policy against the bound, as a picture
  [--json]                  one line of JSON last
  Exits with 2 where it is asked for what cannot be done, or a file is not what it should be.
`,
    start: () => import("./trace/main.ts"),
  },
  goals: {
    what: "every goal of the cache planner, on the shared traces and on generated loads: met or missed",
    flags: `
  [folder]         of the shared traces (../shared/traces beside this checkout)
  [--svg out.svg]  the picture of the README, from the same runs
  [--json]         one line of JSON last
  Exits with 1 when a goal is missed, with 2 when the traces are not there.
`,
    start: () => {
      const [folder, ...others] = process.argv.slice(2);
      const isNamed = folder !== undefined && !folder.startsWith("-");
      const named = isNamed ? [folder, ...others] : [SHARED_TRACES, ...process.argv.slice(2)];
      process.argv.splice(2, process.argv.length, "--goals", ...named);
      return import("./trace/main.ts");
    },
  },
  replay: {
    what: "what a ledger would have cost at other prices or targets, under another policy, or on a server of one's own",
    flags: REPLAY_FLAGS,
    start: () => import("./replay/main.ts"),
  },
  report: {
    what: "the page of a finished comparison, drawn once more: one file that needs no network",
    flags: `
  <report.json>
  [--html out.html]  where it goes (report.html beside the report)
  [--svg out.svg]    cost, and cost against quality, as one picture for a README
  Exits with 2 where the report cannot be read or the page not be written.
`,
    start: () => import("./compare/page/main.ts"),
  },
  diff: {
    what: "what has changed between two comparisons of the same tasks, by target and class; exit codes for CI",
    flags: `
  <old.json> <new.json>
  [--fail-if-cost-up 10%]    exits with 1 where a task costs more than that above what it did
  [--fail-if-pass-down 2%]   exits with 1 where more points than that of the pass rate are lost
  [--strict]                 counts what may be chance too (without it an interval has to leave out "no change")
  [--target name] ...        these targets only
  [--json]                   one line of JSON last
  Exits with 2 where a report cannot be read, or a limit be held against nothing: a target is gone or was not judged.
`,
    start: () => import("./compare/diff/main.ts"),
  },
  prefixes: {
    what: "what one pass over a prompt costs that finds where it may be cached",
    flags: `
  [--captures folder] [--rounds N]   agents' recorded calls; passes that are measured
`,
    start: () => import("./prefixes/main.ts"),
  },
  finish: {
    what: "whether cheapest-task, behind the gateway, finds who finishes tasks for the least; the ledger against the bill",
    flags: `
  [--tasks N]      of each class (80)
  [--seed N]       of all chance (1)
  [--trials usd]   to be spent a day on trying others (0: nothing is tried, and each run is the same)
  [--json]         one line of JSON last
  [--check]        exits with 1 when a goal is missed
`,
    start: () => import("./finish/main.ts"),
  },
  world: {
    what: "whether cheapest-task finds the best choice in a simulated world whose truth is known",
    flags: `
  [--runs N] [--tasks N]    runs of other chance; tasks of a class before each change
  [--trials share]          of what a class costs, to be spent on trying others (0.05)
  [--svg out.svg] [--json]  cost over the best choice, task by task; one line of JSON last
  [--check]                 exits with 1 when a goal is missed
`,
    start: () => import("./world/main.ts"),
  },
  year: {
    what: "whether alerts fire when they should and only then, in simulated years whose truth is known",
    flags: `
  [--seeds 301,302]     whose chance (six that nothing was chosen on)
  [--confidence share]  of projections (0.95)
  [--each]              every alert, and what was wrong then
  [--json]              one line of JSON last
  [--check]             exits with 1 when a goal is missed
`,
    start: () => import("./year/main.ts"),
  },
};

const SHARED_TRACES = join(import.meta.dirname, "../../shared/traces");

async function main(): Promise<void> {
  // Whoever reads only the first lines has what he wanted.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  const [name, ...words] = process.argv.slice(2);
  if (name === undefined || HELP.has(name)) return void process.stdout.write(listed(name !== undefined));
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (bench === undefined) {
    process.stderr.write(`there is no bench ${name}\n\n${listed(false)}`);
    process.exitCode = 2;
    return;
  }
  if (words.some((word) => word !== "help" && HELP.has(word))) {
    return void process.stdout.write(`${STARTED_AS} ${name}: ${bench.what}\n${bench.flags}`);
  }
  process.argv.splice(2, 1);
  try {
    await bench.start();
  } catch (error) {
    const problem = isWrongFlag(error) ? error.message : missingClient(error);
    if (problem === undefined) throw error;
    process.stderr.write(`${problem}\n`);
    process.exitCode = 2;
  }
}

/** The checkout has them; whoever has installed the package installs those of the providers that he compares. */
function missingClient(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const missing = /Cannot find package '([^']+)'/.exec(error.message)?.[1];
  if (missing === undefined) return undefined;
  return `${missing} is not installed; the official clients are used: npm install openai @anthropic-ai/sdk @mistralai/mistralai ollama`;
}

/** The gateway's own command starts it, too. */
const STARTED_AS = /\bbench\/main\.[jt]s$/.test(process.argv[1] ?? "") ? "npm run bench --" : "sluice bench";

const HELP: ReadonlySet<string> = new Set(["help", "--help", "-h"]);

function listed(hasFlags: boolean): string {
  const width = Math.max(...Object.keys(benches).map((name) => name.length));
  const lines = Object.entries(benches).map(
    ([name, { what, flags }]) =>
      `  ${name.padEnd(width)}  ${what}\n${hasFlags ? flags.replaceAll(/^(?=.)/gm, "    ") : ""}`,
  );
  const head = `${STARTED_AS} <what> [flags]`;
  return `${head}\n\n${lines.join(hasFlags ? "\n" : "")}${hasFlags ? "" : `\nFlags: ${STARTED_AS} <what> --help\n`}`;
}

function isWrongFlag(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

await main();
