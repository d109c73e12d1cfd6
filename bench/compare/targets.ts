/**
 * Who is compared: names, and the model behind each. A name is one of the configuration's `aliases`, one of the three that this command knows
 * by itself, or `name=provider/model`.
 */
import { providerKinds } from "../../providers/index.ts";
import { sandbox } from "../../providers/sandbox.ts";
import type { Config } from "../../src/config.ts";
import { GatewayError } from "../../src/errors.ts";
import type { ConfiguredModelRow } from "../../src/models-schema.ts";
import { createModelTable, withConfiguredRow } from "../../src/models.ts";
import { RECORD_DEFAULTS } from "../../src/model.ts";
import { createTargets, type Target, type Targets } from "../../src/target.ts";
import { hardwareOf } from "../calibrate/hardware.ts";
import { ReplayError } from "../replay/replay-error.ts";
import { clientFor, clientKinds } from "./clients/index.ts";
import type { ClientKind } from "./clients/client.ts";
import { CompareError } from "./compare-error.ts";
import type { Hardware } from "./report.ts";

export interface ComparedTarget {
  readonly name: string;
  /** `provider/model`. */
  readonly model: string;
  readonly client: ClientKind;
  readonly target: Target;
  readonly hardware: Hardware | undefined;
  /** Whether it is the simulator that answers. */
  readonly isSimulated: boolean;
}

/** What is compared where nobody says: the first is the base. Small 4 at Mistral stands in where no server of one's own is configured. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  current: ["anthropic/claude-sonnet-5-5"],
  nano: ["openai/gpt-5.4-nano"],
  "self-hosted": ["vllm/mistralai/Mistral-Small-4-119B-2603", "mistral/mistral-small-2603"],
};
export const DEFAULT_TARGETS: readonly string[] = Object.keys(KNOWN);

/** Of the simulator's server: assumed, as nobody can measure what is not there. Two H200 at $3.50 an hour each. */
const SANDBOX_HARDWARE: Hardware = {
  usd_per_hour: 7,
  prefill_tokens_per_second: 30_000,
  decode_tokens_per_second: 2_500,
  utilization: 0.5,
  source: "assumed",
};

export interface ChosenTargets {
  readonly targets: readonly ComparedTarget[];
  /** With what their hardware costs put into it, so that the ledger has it. */
  readonly config: Config;
  /** Who was left out, and why: for people. */
  readonly notices: readonly string[];
}

/**
 * @param words As `--targets` has them; absent: the three that are known, as far as they are configured.
 * @param gpus As `--gpu` has them.
 * @throws CompareError
 */
export function chooseTargets(
  words: readonly string[] | undefined,
  gpus: readonly string[],
  config: Config,
  rows: ReadonlyMap<string, ConfiguredModelRow>,
  isSandbox: boolean,
): ChosenTargets {
  const notices: string[] = [];
  const book = bookOf(config);
  const chosen = (words ?? DEFAULT_TARGETS).flatMap((word) => {
    const found = resolved(word, book, config);
    if (typeof found !== "string") return [found];
    if (words !== undefined) throw new CompareError(found);
    notices.push(`${word} is left out: ${found}`);
    return [];
  });
  if (chosen.length < 2)
    throw new CompareError(
      `at least two targets are needed: name them with --targets, or as \`aliases\` (${notices.join("; ") || "one was named"})`,
    );
  const [twice] = chosen.filter(({ name }, at) => chosen.findIndex((one) => one.name === name) !== at);
  if (twice !== undefined) throw new CompareError(`two targets are called ${twice.name}`);
  const said = new Map(gpus.map((text) => hardwareSaid(text, chosen)));
  const hardware = new Map(
    chosen.flatMap(({ name, target }) => {
      const own = said.get(name) ?? configuredHardware(rows, target);
      if (own !== undefined) return [[name, own] as const];
      const isServer = target.instance.provider.cacheCounters !== undefined;
      return isSandbox && isServer ? [[name, SANDBOX_HARDWARE] as const] : [];
    }),
  );
  const priced = withHardware(config, chosen, hardware);
  const again = bookOf(priced);
  return {
    config: priced,
    notices,
    targets: chosen.map(({ name, target, client }) => ({
      name,
      model: target.name,
      client,
      target: again.resolve(target.name).targets[0] ?? target,
      hardware: hardware.get(name),
      isSimulated: isSandbox || target.instance.provider === sandbox,
    })),
  };
}

/** One more target, that is not compared: the judge. @throws CompareError */
export function chooseOne(word: string, config: Config): ComparedTarget {
  const found = resolved(word, bookOf(config), config);
  if (typeof found === "string") throw new CompareError(found);
  return { ...found, model: found.target.name, hardware: undefined, isSimulated: false };
}

interface Chosen {
  readonly name: string;
  readonly target: Target;
  readonly client: ClientKind;
}

/** @returns why there is none, as text. */
function resolved(word: string, book: Targets, config: Config): Chosen | string {
  const [, name = word, named] = /^([^=]+)=(.+)$/.exec(word) ?? [];
  const [, model, clientName] = /^(.+?)(?:@([\w@/.-]+))?$/.exec(named ?? name) ?? [];
  if (model === undefined) return `${word}: must be a name, or name=provider/model`;
  if (!/^[\w.:/-]{1,100}$/.test(name)) return `${name}: a target's name has letters, digits and . _ : / - only`;
  const tried = named === undefined && !Object.hasOwn(config.aliases, name) ? (KNOWN[name] ?? [model]) : [model];
  let why = "";
  for (const one of tried) {
    try {
      const { targets } = book.resolve(one);
      const [target, ...others] = targets;
      if (target === undefined) continue;
      if (others.length > 0)
        return `${name} means ${targets.length} targets; a comparison needs one: name=provider/model`;
      const client =
        clientName === undefined ? clientFor(target.instance.provider.kind, target.model) : clientCalled(clientName);
      return client === undefined
        ? `${name}: there is no client ${clientName}; there are ${clientKinds.map((kind) => kind.name).join(", ")}`
        : { name, target, client };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      why = why === "" ? error.message : why;
    }
  }
  return `${name}: ${why.replaceAll("\n", " ")}`;
}

function clientCalled(name: string): ClientKind | undefined {
  return clientKinds.find((kind) => kind.name === name || kind.name.replace(/^@([^/]+)\/.*$/, "$1") === name);
}

function bookOf({ providers, aliases, models }: Config): Targets {
  return createTargets({ providers, aliases, policy: {} }, createModelTable(models), providerKinds, Date.now);
}

function configuredHardware(rows: ReadonlyMap<string, ConfiguredModelRow>, target: Target): Hardware | undefined {
  const row = rows.get(target.name) ?? rows.get(target.model);
  const { gpuHourUsd, tokensPerSecond, utilization = 1 } = row ?? {};
  if (gpuHourUsd === undefined || tokensPerSecond === undefined) return undefined;
  return {
    usd_per_hour: gpuHourUsd,
    prefill_tokens_per_second: tokensPerSecond.prefill,
    decode_tokens_per_second: tokensPerSecond.decode,
    utilization,
    source: "configuration",
  };
}

function hardwareSaid(text: string, chosen: readonly Chosen[]): readonly [string, Hardware] {
  try {
    const { target, usdPerHour, prefill, decode, utilization, isCalibrated } = hardwareOf(text);
    const one = chosen.find(({ name, target: { name: model } }) => name === target || model === target);
    if (one === undefined)
      throw new CompareError(
        `--gpu ${target}: it is not compared; there are ${chosen.map(({ name }) => name).join(", ")}`,
      );
    const speeds = { prefill_tokens_per_second: prefill, decode_tokens_per_second: decode };
    const source = isCalibrated ? "calibrated" : "configuration";
    return [one.name, { usd_per_hour: usdPerHour, ...speeds, utilization, source }];
  } catch (error) {
    throw error instanceof ReplayError ? new CompareError(error.message) : error;
  }
}

/** The gateway prices its rows by the config: what an hour costs becomes what a token costs. */
function withHardware(config: Config, chosen: readonly Chosen[], hardware: ReadonlyMap<string, Hardware>): Config {
  const providers = config.providers.map((provider) => {
    const added = chosen.flatMap(({ name, target }) => {
      const own = hardware.get(name);
      if (own === undefined || target.instance.name !== provider.name) return [];
      const { kind, modelDefaults } = target.instance.provider;
      const base = target.record ?? { ...RECORD_DEFAULTS, ...modelDefaults, id: target.model, provider: kind };
      const row = {
        gpuHourUsd: own.usd_per_hour,
        tokensPerSecond: { prefill: own.prefill_tokens_per_second, decode: own.decode_tokens_per_second },
        utilization: own.utilization,
      };
      return [withConfiguredRow({ ...base, id: target.model }, row)];
    });
    const others = provider.models.filter(({ id }) => added.every((one) => one.id !== id));
    return { ...provider, models: [...others, ...added] };
  });
  return { ...config, providers };
}
