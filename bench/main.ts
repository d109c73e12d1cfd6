/** The benchmarks under one command; each has flags of its own, described at its head. */

const HELP = `npm run bench -- <what> [flags]

  load     what the gateway itself costs, beside its peers (without arguments: this)
             [--seconds N] [--rounds N] [--only name,name] [--json file] [--profile folder]
  trace    what placing cache marks costs on a trace of requests, beside what no policy can beat
             <file.jsonl[.gz]> | --generate unique | drift | fanout-cold-8 | fanout-warm-8 [--seed N]
             | --ledger .sluice/ledger.sqlite   the prompts of a gateway's own calls, also of one that runs
                 [--target provider/model]      whose (the only one's), for each has a cache of its own
                 [--since time] [--until time] [--class name]  sent within these times (2026-11-25T04:00:00Z), of this task class
             [--rules anthropic | openai-5.6 | openai-legacy | vllm:N,C]  whose billing; N replicas with a cache of C tokens
                                       (anthropic; of a ledger, as the target's model record has it)
             [--only "name;name"]      these policies only
             [--decisions out.jsonl]   what a policy decided for each request; [--of name] whose (learned)
             [--check out.jsonl]       the bill of such a file, from the rules alone
             [--generous]              a 1 h entry keeps the 5 min tokens before it
             [--prefill share]         of the trace's tokens that the replicas can read (1)
             [--svg out.svg]           cost by policy against the bound, as a picture
             [--json]                  one line of JSON last
           --goals <folder> [--svg out.svg]  every goal on the shared traces and on the generated loads; exits with 1 when one is missed
  prefixes what one pass over a prompt costs that finds where it may be cached
             [--captures folder] [--rounds N]   agents' recorded calls; passes that are measured
  world    whether cheapest-task finds the best choice in a simulated world whose truth is known
             [--runs N] [--tasks N]    runs of other chance; tasks of a class before each change
             [--trials share]          of what a class costs, to be spent on trying others (0.05)
             [--svg out.svg] [--json]  cost over the best choice, task by task; one line of JSON last
             [--check]                 exits with 1 when a goal is missed
`;

/** Each reads its flags from the command line, as if it had been started alone. */
const benches: ReadonlyMap<string, () => Promise<unknown>> = new Map([
  ["load", () => import("./load/main.ts")],
  ["trace", () => import("./trace/main.ts")],
  ["prefixes", () => import("./prefixes/main.ts")],
  ["world", () => import("./world/main.ts")],
]);

const [first] = process.argv.slice(2);
if (first === "help" || first === "--help" || first === "-h") process.stdout.write(HELP);
else if (first === undefined || first.startsWith("-")) await benches.get("load")?.();
else {
  const bench = benches.get(first);
  if (bench === undefined) {
    process.stderr.write(`there is no bench ${first}\n\n${HELP}`);
    process.exitCode = 2;
  } else {
    process.argv.splice(2, 1);
    await bench();
  }
}
