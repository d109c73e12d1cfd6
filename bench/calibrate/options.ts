/** What the command line asks `bench calibrate` for. */
import { parseArgs } from "node:util";
import { CalibrateError } from "./calibrate-error.ts";

export interface Options {
  readonly target: string;
  readonly usdPerHour: number | undefined;
  readonly utilization: number;
  readonly concurrency: readonly number[];
  readonly at: number | undefined;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly seconds: number;
  readonly timeoutSeconds: number;
  readonly maxUsd: number | undefined;
  readonly out: string;
  readonly write: string | undefined;
  readonly url: string | undefined;
  readonly config: string | undefined;
  readonly sandbox: boolean;
  readonly json: boolean;
}

const FLAGS = {
  "gpu-hour": { type: "string" },
  utilization: { type: "string" },
  concurrency: { type: "string" },
  at: { type: "string" },
  "prompt-tokens": { type: "string" },
  "output-tokens": { type: "string" },
  seconds: { type: "string" },
  timeout: { type: "string" },
  "max-usd": { type: "string" },
  out: { type: "string" },
  write: { type: "string" },
  url: { type: "string" },
  config: { type: "string" },
  sandbox: { type: "boolean" },
  json: { type: "boolean" },
} as const;

const CONCURRENCY_MAX = 256;
const LEVELS_MAX = 16;

/** @param arguments_ Without node and script. @throws CalibrateError */
export function readOptions(arguments_: readonly string[]): Options {
  const { values, positionals } = parsed(withFile(arguments_));
  const [target, ...others] = positionals;
  if (target === undefined || others.length > 0)
    throw new CalibrateError("name one target, as provider/model (npm run bench -- calibrate --help says more)");
  const concurrency = (values.concurrency ?? "1,2,4,8,16")
    .split(",")
    .map((one) => whole("--concurrency", one.trim(), 1, CONCURRENCY_MAX) ?? 1);
  if (concurrency.length > LEVELS_MAX) throw new CalibrateError(`--concurrency: ${LEVELS_MAX} levels at most`);
  const at = whole("--at", values.at, 1, CONCURRENCY_MAX);
  if (at !== undefined && !concurrency.includes(at))
    throw new CalibrateError(`--at ${at}: it is not measured; --concurrency is ${concurrency.join(",")}`);
  const usdPerHour = positive("--gpu-hour", values["gpu-hour"]?.replace(/^\$/, ""));
  const utilization = positive("--utilization", values.utilization) ?? 1;
  if (utilization > 1) throw new CalibrateError("--utilization must be above 0, and at most 1");
  if (values.url !== undefined && values.sandbox === true)
    throw new CalibrateError("--url is a gateway that runs, with its own providers: it takes no --sandbox");
  if (values.url !== undefined && !URL.canParse(values.url))
    throw new CalibrateError("--url must be as in http://127.0.0.1:8787");
  if (values.write !== undefined && usdPerHour === undefined)
    throw new CalibrateError("--write needs --gpu-hour: without it there is no price");
  if (values.write !== undefined && values.sandbox === true)
    throw new CalibrateError("--write: the simulator's speed is no price");
  return {
    target,
    usdPerHour,
    utilization,
    concurrency: [...new Set(concurrency)].toSorted((one, other) => one - other),
    at,
    promptTokens: whole("--prompt-tokens", values["prompt-tokens"], 16, 1_000_000) ?? 2_000,
    outputTokens: whole("--output-tokens", values["output-tokens"], 16, 100_000) ?? 256,
    seconds: positive("--seconds", values.seconds) ?? 10,
    timeoutSeconds: positive("--timeout", values.timeout) ?? 120,
    maxUsd: positive("--max-usd", values["max-usd"]),
    out: values.out ?? "calibration.json",
    write: values.write,
    url: values.url?.replace(/\/+$/, ""),
    config: values.config,
    sandbox: values.sandbox ?? false,
    json: values.json ?? false,
  };
}

/** `--write` alone is the usual file. */
function withFile(given: readonly string[]): readonly string[] {
  return given.flatMap((word, at) => {
    const next = given[at + 1];
    return word === "--write" && (next === undefined || !/\.ya?ml$/.test(next)) ? ["--write", "sluice.yaml"] : [word];
  });
}

function parsed(arguments_: readonly string[]) {
  try {
    return parseArgs({ args: [...arguments_], options: FLAGS, allowPositionals: true });
  } catch (error) {
    const [what] = (error as Error).message.split(". ");
    throw new CalibrateError(`${what}; npm run bench -- calibrate --help lists the flags`);
  }
}

function whole(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new CalibrateError(`${flag} must be a whole number from ${least} to ${most}`);
}

function positive(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new CalibrateError(`${flag} must be a number above 0`);
}
