/**
 * What a task costs, and how often it is done right, at two targets or more.
 *
 *     node bench/compare/main.ts [suite …] [flags]        (--help says which)
 */
import { compareCommand } from "./command.ts";

const stop = new AbortController();
let interrupts = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    interrupts += 1;
    // Whoever asks twice does not want to wait for a report.
    if (interrupts > 1) process.exit(130);
    process.stderr.write("\nstopping: the report of what there is follows (once more: at once)\n");
    stop.abort();
  });
}

process.exitCode = await compareCommand(process.argv.slice(2), {
  environment: process.env,
  folder: process.cwd(),
  command: ["npm run bench -- compare", ...process.argv.slice(2)].join(" "),
  print: (text) => void process.stdout.write(text),
  tell: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
  columns: process.stderr.columns ?? 80,
  stopped: stop.signal,
});
