/** What the command line asks `bench compare` for. */
import { parseArgs } from "node:util";
import { CACHING_MODES, type CachingMode } from "../../src/cache/modes.ts";
import { CompareError } from "./compare-error.ts";

export interface Options {
  readonly suites: readonly string[];
  readonly requests: readonly string[];
  readonly ledger: string | undefined;
  readonly sample: number;
  readonly limit: number | undefined;
  readonly targets: readonly string[] | undefined;
  readonly gpus: readonly string[];
  readonly judge: string | undefined;
  readonly repeats: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly cache: "as-it-comes" | "cold" | "warm";
  readonly caching: CachingMode | undefined;
  readonly maxUsd: number | undefined;
  readonly timeoutSeconds: number;
  readonly dryRun: boolean;
  readonly out: string | undefined;
  readonly resume: string | undefined;
  readonly url: string | undefined;
  readonly config: string | undefined;
  readonly sandbox: boolean;
  readonly json: boolean;
}

const FLAGS = {
  requests: { type: "string", multiple: true },
  ledger: { type: "string" },
  sample: { type: "string" },
  limit: { type: "string" },
  targets: { type: "string" },
  gpu: { type: "string", multiple: true },
  judge: { type: "string" },
  repeats: { type: "string" },
  concurrency: { type: "string" },
  seed: { type: "string" },
  cold: { type: "boolean" },
  warm: { type: "boolean" },
  caching: { type: "string" },
  "max-usd": { type: "string" },
  timeout: { type: "string" },
  "dry-run": { type: "boolean" },
  out: { type: "string" },
  resume: { type: "string" },
  url: { type: "string" },
  config: { type: "string" },
  sandbox: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** What may be changed when a comparison goes on. */
const WITH_RESUME: ReadonlySet<string> = new Set(["resume", "max-usd", "json"]);

/** @param arguments_ Without node and script. @throws CompareError */
export function readOptions(arguments_: readonly string[]): Options {
  const { values, positionals } = parsed(arguments_);
  if (values.resume !== undefined) {
    const other = Object.keys(values).find((name) => !WITH_RESUME.has(name)) ?? positionals[0];
    if (other !== undefined)
      throw new CompareError(
        `--resume goes on with what was asked for then: it takes --max-usd and --json only, not ${other}`,
      );
  }
  if (values.cold === true && values.warm === true) throw new CompareError("either --cold or --warm");
  if (values.sample !== undefined && values.ledger === undefined) throw new CompareError("--sample is for --ledger");
  if (values.url !== undefined && values.sandbox === true)
    throw new CompareError("--url is a gateway that runs, with its own providers: it takes no --sandbox");
  if (values.url !== undefined && !URL.canParse(values.url))
    throw new CompareError("--url must be as in http://127.0.0.1:8787");
  const caching = CACHING_MODES.find((mode) => mode === values.caching);
  if (values.caching !== undefined && caching === undefined)
    throw new CompareError(`--caching must be one of ${CACHING_MODES.join(", ")}`);
  if (caching !== undefined && values.url !== undefined)
    throw new CompareError("--caching is for a gateway of its own: the one at --url has its own `cache.mode`");
  const targets = values.targets?.split(",").map((word) => word.trim());
  if (targets?.some((word) => word === "") === true)
    throw new CompareError("--targets must be names, with commas between them");
  return {
    suites: positionals,
    requests: values.requests ?? [],
    ledger: values.ledger,
    sample: whole("--sample", values.sample, 1, 100_000) ?? 50,
    limit: whole("--limit", values.limit, 1, Number.MAX_SAFE_INTEGER),
    targets,
    gpus: values.gpu ?? [],
    judge: values.judge,
    repeats: whole("--repeats", values.repeats, 1, 1_000) ?? 1,
    concurrency: whole("--concurrency", values.concurrency, 1, 256) ?? 4,
    seed: whole("--seed", values.seed, 0, 2_147_483_647) ?? 1,
    cache: values.cold === true ? "cold" : values.warm === true ? "warm" : "as-it-comes",
    caching,
    maxUsd: positive("--max-usd", values["max-usd"]),
    timeoutSeconds: positive("--timeout", values.timeout) ?? 120,
    dryRun: values["dry-run"] ?? false,
    out: values.out,
    resume: values.resume,
    url: values.url?.replace(/\/+$/, ""),
    config: values.config,
    sandbox: values.sandbox ?? false,
    json: values.json ?? false,
  };
}

function parsed(arguments_: readonly string[]) {
  try {
    return parseArgs({ args: [...arguments_], options: FLAGS, allowPositionals: true });
  } catch (error) {
    // Behind the first sentence is how to name a file that begins with a dash.
    const [what] = (error as Error).message.split(". ");
    throw new CompareError(`${what}; npm run bench -- compare --help lists the flags`);
  }
}

function whole(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new CompareError(
    most === Number.MAX_SAFE_INTEGER
      ? `${flag} must be a whole number from ${least} on`
      : `${flag} must be a whole number from ${least} to ${most}`,
  );
}

function positive(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new CompareError(`${flag} must be a number above 0`);
}
