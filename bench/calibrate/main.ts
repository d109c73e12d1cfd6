/**
 * How fast a server of one's own reads and writes, and what its tokens cost by that.
 *
 *     node bench/calibrate/main.ts vllm/<model> --gpu-hour 2.10        (--help says more)
 */
import { calibrateCommand } from "./command.ts";

const stopping = new AbortController();
process.once("SIGINT", () => stopping.abort());
process.exitCode = await calibrateCommand(process.argv.slice(2), {
  environment: process.env,
  folder: process.cwd(),
  print: (text) => void process.stdout.write(text),
  tell: (text) => void process.stderr.write(text),
  stopped: stopping.signal,
});
