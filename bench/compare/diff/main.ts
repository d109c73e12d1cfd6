/** What has changed between two comparisons. `npm run bench -- diff --help` lists the flags. */
import { diffCommand } from "./command.ts";

const { output, problem, exitCode } = diffCommand(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(problem);
process.exitCode = exitCode;
