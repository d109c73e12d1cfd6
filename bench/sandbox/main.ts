/**
 * The sandbox by itself: `node bench/sandbox/main.ts --port 8790`.
 */
import { parseArgs } from "node:util";
import { startSandbox, systemClock } from "./index.ts";
import { introduction } from "./itself.ts";

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8790" },
    /** Sandbox seconds per real second. */
    speed: { type: "string", default: "1" },
    "first-token-ms": { type: "string" },
    "tokens-per-second": { type: "string" },
    "prefill-tokens-per-second": { type: "string" },
  },
});

const number = (name: keyof typeof values): number | undefined => {
  const given = values[name];
  if (given === undefined) return undefined;
  const value = Number(given);
  if (Number.isFinite(value) && value >= 0) return value;
  process.stderr.write(`--${name} must be a number, but is "${given}"\n`);
  process.exit(2);
};

const firstTokenMs = number("first-token-ms");
const tokensPerSecond = number("tokens-per-second");
const prefillTokensPerSecond = number("prefill-tokens-per-second");
const sandbox = await startSandbox({
  host: values.host,
  port: number("port") ?? 0,
  clock: systemClock(number("speed")),
  pace: {
    ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
    ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
    ...(prefillTokensPerSecond === undefined ? {} : { prefillTokensPerSecond }),
  },
});
process.stdout.write(introduction(sandbox));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void sandbox.close().then(() => process.exit(0)));
}
