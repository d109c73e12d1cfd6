/** The page of a finished comparison. `npm run bench -- report --help` lists the flags. */
import { reportCommand } from "./command.ts";

const { output, problem, exitCode } = reportCommand(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(problem);
process.exitCode = exitCode;
