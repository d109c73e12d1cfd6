/** The calibration as a command: a gateway of its own before the target, the measuring, the price, and where they are written. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../../src/config.ts";
import type { Environment } from "../../src/config-yaml.ts";
import type { Target } from "../../src/target.ts";
import { costOf, UNKNOWN_USAGE, usdNumber, type PicoUsd } from "../../src/usage.ts";
import { CompareError } from "../compare/compare-error.ts";
import { openSetting, startOwnGateway, type Setting } from "../compare/setting.ts";
import { chooseOne } from "../compare/targets.ts";
import { CalibrateError } from "./calibrate-error.ts";
import { CALIBRATION_KIND, CALIBRATION_VERSION, type Calibration, type Level } from "./calibration.ts";
import { measure, type Measured } from "./measure.ts";
import { readOptions, type Options } from "./options.ts";
import { cheapestLevel, perMillion, snippet, writeRow } from "./price.ts";
import { createProber, type Asked, type Probe } from "./probe.ts";
import { tableText } from "./table.ts";

export interface CalibrateParts {
  readonly environment: Environment;
  /** That paths begin at. */
  readonly folder: string;
  readonly print: (text: string) => void;
  readonly tell: (text: string) => void;
  readonly stopped: AbortSignal;
}

/** Of the simulator, in each call. */
const SANDBOX_PACE = { prefillTokensPerSecond: 5_000, tokensPerSecond: 50 };
/** What somebody writes who does not stop. */
const SANDBOX_WORDS = "one two three four five six seven eight nine ten ".repeat(4_000);

/** @returns the exit code. */
export async function calibrateCommand(words: readonly string[], parts: CalibrateParts): Promise<number> {
  try {
    return await calibrated(readOptions(words), parts);
  } catch (error) {
    if (!(error instanceof CalibrateError) && !(error instanceof CompareError)) throw error;
    parts.tell(`${error.message.replaceAll(/\s*\n\s*/g, " ")}\n`);
    return 2;
  }
}

async function calibrated(options: Options, parts: CalibrateParts): Promise<number> {
  const { folder, environment, print, tell } = parts;
  const place = await placeOf(options, parts);
  const spending = spendingOf(options, place.target);
  let measured: Measured;
  try {
    measured = await measure({
      ...options,
      prober: createProber(place.url, place.apiKey, options.timeoutSeconds * 1_000, parts.stopped),
      model: place.model,
      stopped: parts.stopped,
      affords: spending.affords,
      answered: spending.answered,
      tell: (line) => tell(`${line}\n`),
    });
  } finally {
    await place.close();
  }
  const { levels, stopped } = measured;
  const chosen = levels.find(({ concurrency }) => concurrency === options.at) ?? cheapestLevel(levels);
  if (chosen === undefined) throw new CalibrateError(`${place.model}: ${stopped ?? "nothing could be measured"}`);
  const calibration = calibrationOf(options, place, measured, chosen);
  const file = resolve(folder, options.out);
  try {
    writeFileSync(file, `${JSON.stringify(calibration, null, 2)}\n`);
  } catch (error) {
    throw new CalibrateError(
      `${options.out}: it cannot be written (${(error as NodeJS.ErrnoException).code ?? "error"})`,
    );
  }
  print(tableText(calibration));
  if (calibration.usd_per_hour !== null) print(`\n${snippet(calibration, place.kind)}`);
  print(`\n${options.out}: for --gpu of \`compare\` and \`replay\`\n`);
  if (options.write !== undefined) {
    const replaced = writeRow(resolve(folder, options.write), calibration, place.kind, environment);
    for (const line of replaced) print(`${line}\n`);
    print(`${options.write}: the price is in it, under \`models\`\n`);
  }
  if (options.json) print(`${JSON.stringify(calibration)}\n`);
  return stopped === undefined ? 0 : 1;
}

/** Where calls go. */
interface Place {
  readonly url: string;
  readonly apiKey: string;
  /** As the gateway knows it. */
  readonly model: string;
  /** Absent: another gateway's. */
  readonly target: Target | undefined;
  readonly kind: string | undefined;
  readonly isSimulated: boolean;
  close(): Promise<void>;
}

async function placeOf(options: Options, { environment, folder }: CalibrateParts): Promise<Place> {
  if (options.url !== undefined)
    return {
      url: options.url,
      apiKey: environment["SLUICE_BENCH_KEY"] ?? "none",
      model: options.target,
      target: undefined,
      kind: undefined,
      isSimulated: false,
      close: async () => {},
    };
  const setting = await openSetting({
    configFile: options.config,
    forcesSandbox: options.sandbox,
    isElsewhere: false,
    environment,
    folder,
    model: () => ({ text: SANDBOX_WORDS, calls: [] }),
    pace: SANDBOX_PACE,
  });
  try {
    return await ownPlace(options, setting);
  } catch (error) {
    await setting.close();
    throw error;
  }
}

async function ownPlace(options: Options, setting: Setting): Promise<Place> {
  if (setting.isSandbox && !options.sandbox)
    throw new CalibrateError(
      "no provider is configured: set VLLM_BASE_URL or OLLAMA_HOST, name a --config, or measure the simulator with --sandbox",
    );
  const { target } = chooseOne(options.target, setting.config);
  const gateway = await startOwnGateway(plainConfig(setting.config, options.timeoutSeconds * 1_000), ":memory:");
  return {
    url: gateway.url,
    apiKey: "none",
    model: target.name,
    target,
    kind: target.instance.provider.kind,
    isSimulated: setting.isSandbox,
    async close() {
      await gateway.close();
      await setting.close();
    },
  };
}

/** Each call goes out once, at once and as it is, and a target that fails is asked all the same. */
function plainConfig(config: Config, timeoutMs: number): Config {
  return {
    ...config,
    retries: { ...config.retries, attemptsMax: 1 },
    deadlines: {
      ...config.deadlines,
      firstByteMs: timeoutMs,
      answerMs: timeoutMs,
      idleMs: timeoutMs,
      totalMs: timeoutMs,
    },
    cache: { ...config.cache, mode: "off", hold: false, move: {} },
    budgets: [],
    classes: {},
    expectations: [],
    alertRules: [],
    notify: [],
  };
}

interface Spending {
  readonly affords: (calls: readonly Asked[]) => boolean;
  readonly answered: (probe: Probe) => void;
}

function spendingOf({ maxUsd, usdPerHour, promptTokens }: Options, target: Target | undefined): Spending {
  const price = target?.price;
  if (maxUsd === undefined) return { affords: () => true, answered: () => {} };
  if (usdPerHour !== undefined) {
    const since = performance.now();
    const spent = () => ((performance.now() - since) / 3_600_000) * usdPerHour;
    return { affords: () => spent() < maxUsd, answered: () => {} };
  }
  if (price === undefined)
    throw new CalibrateError("--max-usd: what is spent is not known, as the target has no price: say --gpu-hour");
  let spent = 0n;
  const costOfTokens = (prompt: number, cached: number, output: number): PicoUsd =>
    costOf(
      { ...UNKNOWN_USAGE, inputUncached: prompt - cached, ...(cached > 0 ? { cacheRead: cached } : {}), output },
      price,
    ) ?? 0n;
  return {
    affords: (calls) =>
      usdNumber(calls.reduce((sum, { outputTokens }) => sum + costOfTokens(promptTokens, 0, outputTokens), spent)) <=
      maxUsd,
    answered({ promptTokens: prompt, cachedTokens = 0, outputTokens }) {
      spent += costOfTokens(prompt, cachedTokens, outputTokens);
    },
  };
}

function calibrationOf(
  { usdPerHour, utilization, url, at }: Options,
  { model, isSimulated }: Place,
  { levels, stopped, notices }: Measured,
  chosen: Level,
): Calibration {
  return {
    kind: CALIBRATION_KIND,
    version: CALIBRATION_VERSION,
    target: model,
    at: new Date().toISOString(),
    gateway_url: url ?? null,
    is_simulated: isSimulated,
    state: stopped === undefined ? "whole" : "partial",
    levels: [...levels],
    chosen: {
      concurrency: chosen.concurrency,
      prefill_tokens_per_second: chosen.prefill.mean,
      decode_tokens_per_second: chosen.decode.mean,
    },
    usd_per_hour: usdPerHour ?? null,
    utilization,
    usd_per_million: usdPerHour === undefined ? null : perMillion(chosen, usdPerHour, utilization),
    notices: [
      ...(isSimulated ? ["This is the simulator: its speed is what it was told, and no price."] : []),
      ...(stopped === undefined ? [] : [`Not all of it was measured: ${stopped}.`]),
      ...(at !== undefined && chosen.concurrency !== at
        ? [`At ${at} parallel calls nothing was measured; the price is made of ${chosen.concurrency}.`]
        : []),
      ...notices,
    ],
  };
}
