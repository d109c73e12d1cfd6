/**
 * What a ledger would have cost: at other prices, at other targets, under another policy, on a server of one's own.
 *
 *     node bench/replay/main.ts <ledger.sqlite | export.jsonl[.gz]> [flags]        (--help says which)
 */
import { replayCommand } from "./command.ts";

const { output, problem, exitCode } = await replayCommand(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(problem);
process.exitCode = exitCode;
