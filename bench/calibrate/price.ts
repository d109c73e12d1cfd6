/** What an hour's price is by the token, and as the config has it. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { isMap, parseDocument, stringify } from "yaml";
import { readConfigText, type Environment } from "../../src/config-yaml.ts";
import type { ConfiguredModelRow } from "../../src/models-schema.ts";
import { CalibrateError } from "./calibrate-error.ts";
import type { Calibration, Level } from "./calibration.ts";

/** The level at which a call of the measured sizes takes the server least time. */
export function cheapestLevel(levels: readonly Level[]): Level | undefined {
  const seconds = ({ prompt_tokens: read, output_tokens: written, prefill, decode }: Level) =>
    read / prefill.mean + written / decode.mean;
  return levels.toSorted((one, other) => seconds(one) - seconds(other))[0];
}

/** Dollars for a million tokens; what is read from cache, as it was measured with all that a first token takes besides. */
export function perMillion(
  { prefill, decode, cached }: Level,
  usdPerHour: number,
  utilization: number,
): NonNullable<Calibration["usd_per_million"]> {
  const usd = (rate: number) => (usdPerHour / 3_600 / rate / utilization) * 1e6;
  return { input: usd(prefill.mean), cache_read: cached === null ? null : usd(cached.mean), output: usd(decode.mean) };
}

/** A row of the config's `models`. */
export function modelRow({ chosen, usd_per_hour: usdPerHour, utilization, target }: Calibration): {
  readonly id: string;
  readonly row: ConfiguredModelRow;
} {
  if (usdPerHour === null) throw new CalibrateError("there is no price without --gpu-hour");
  return {
    id: target.slice(target.indexOf("/") + 1),
    row: {
      gpuHourUsd: usdPerHour,
      tokensPerSecond: {
        prefill: rounded(chosen.prefill_tokens_per_second),
        decode: rounded(chosen.decode_tokens_per_second),
      },
      utilization,
    },
  };
}

/** To be pasted into a sluice.yaml. @param kind Who serves it, where it is known: for a model that the table lacks. */
export function snippet(calibration: Calibration, kind: string | undefined): string {
  const { id, row } = modelRow(calibration);
  const { at, target, chosen, usd_per_million: usd, is_simulated: isSimulated } = calibration;
  const head = [
    `${target}, measured ${at.slice(0, 10)} at ${chosen.concurrency} parallel calls${isSimulated ? " OF THE SIMULATOR: it is no price" : ""}`,
    ...(usd === null
      ? []
      : [`$ per million tokens: input ${amount(usd.input)}, read from cache 0, output ${amount(usd.output)}`]),
  ];
  const comment = head.map((line) => `# ${line}\n`).join("");
  return `${comment}${stringify({ models: { [id]: { ...(kind === undefined ? {} : { provider: kind }), ...row } } })}`;
}

/**
 * Puts the row into the file and leaves the rest of it, comments too. @returns what it took out, as text.
 *
 * @throws CalibrateError
 */
export function writeRow(
  file: string,
  calibration: Calibration,
  kind: string | undefined,
  environment: Environment,
): readonly string[] {
  const { id, row } = modelRow(calibration);
  const text = textOf(file);
  const document = parseDocument(text);
  if (document.errors.length > 0) throw new CalibrateError(`${file}: it is no YAML, and was left as it is`);
  const models = document.get("models") ?? undefined;
  const before = isMap(models) ? models.get(id) : undefined;
  if ((models !== undefined && !isMap(models)) || (before !== undefined && !isMap(before)))
    throw new CalibrateError(`${file}: \`models\` there has no section for ${id}, and it was left as it is`);
  if (models === undefined) document.set("models", document.createNode({}));
  const taken = ["price", "prices"].filter((name) => isMap(before) && before.has(name));
  for (const name of taken) document.deleteIn(["models", id, name]);
  if (kind !== undefined && !(isMap(before) && before.has("provider")))
    document.setIn(["models", id, "provider"], kind);
  for (const [name, value] of Object.entries(row)) document.setIn(["models", id, name], document.createNode(value));
  const made = document.toString({ lineWidth: 0 });
  const problems = problemsIn(made, file, environment).filter(
    (problem) => !problemsIn(text, file, environment).some((known) => wordsOf(known) === wordsOf(problem)),
  );
  if (problems.length > 0)
    throw new CalibrateError(`${file}: with the price it would be wrong, and was left as it is: ${problems[0]}`);
  try {
    writeFileSync(`${file}.new`, made);
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new CalibrateError(`${file}: it cannot be written (${(error as NodeJS.ErrnoException).code ?? "error"})`);
  }
  return taken.map((name) => `${file}: \`models.${id}.${name}\` was replaced`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return "";
    throw new CalibrateError(`${file}: it cannot be read (${code ?? "error"})`);
  }
}

function problemsIn(text: string, file: string, environment: Environment): readonly string[] {
  const read = readConfigText(text, file, environment);
  return read.ok ? [] : read.problems;
}

/** Without the line, which moves. */
function wordsOf(problem: string): string {
  return problem.replace(/:\d+:\d+: /, ": ");
}

/** As exact as it was measured. */
function rounded(rate: number): number {
  return Number(rate.toPrecision(4));
}

export function amount(usd: number): string {
  return String(Number(usd.toPrecision(3)));
}
