/**
 * A target is a model at a provider, with a price: what a policy chooses.
 */
import type { DialectName } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import { priceAt, RECORD_DEFAULTS, type ModelRecord, type ModelTable } from "./model.ts";
import { nearest } from "./nearest.ts";
import type { Provider, ProviderSettings } from "./provider.ts";
import { usdText, type PicoUsd, type Price } from "./usage.ts";

/** A configured provider: the kind's ways, and this instance's addresses and credential. */
export interface ProviderInstance {
  /** The config's key ("eu", "gpu-2"): the first part of a target's name. */
  readonly name: string;
  readonly provider: Provider;
  readonly settings: ProviderSettings;
  /** Where it keeps data, in the operator's words ("eu"); absent: not known. */
  readonly residency?: string;
}

export interface Target {
  /** `provider/model`, as a client may name it. */
  readonly name: string;
  readonly instance: ProviderInstance;
  /** The model id that the provider expects. */
  readonly model: string;
  /** `undefined` for a model that no table knows: unpriced, limits unknown. */
  readonly record: ModelRecord | undefined;
  /** The price that holds now; `undefined` is *unpriced*, never free. */
  readonly price: Price | undefined;
  /** The record holds nothing of this very model: only what is true of any that such a provider serves. */
  readonly isAssumed?: true;
}

/** A target that can take this exchange, with what the policy needs to compare it. */
export interface Candidate {
  readonly target: Target;
  /** The dialect that will be spoken to it: the client's own when it accepts that. */
  readonly dialect: DialectName;
  /** Estimated prompt tokens by this model's tokenizer. */
  readonly promptTokens: number;
  /** Of those, how many are probably warm in its cache. */
  readonly warmTokens: number;
  /** Estimated output tokens. */
  readonly outputTokens: number;
  /** Expected cost of this call; `undefined` when unpriced. */
  readonly expectedCost: PicoUsd | undefined;
  /** Whether the client named this very model. */
  readonly named: boolean;
  /** What the request holds is from it: it comes before others. */
  readonly bound: boolean;
  /** Reasoning of the request that it is known not to be able to read, as indices of a message and of its part: left out, as a loss. */
  readonly unreadable?: readonly (readonly [message: number, part: number])[];
  /** Its circuit breaker is open: only worth trying when nothing else is left. */
  readonly resting: boolean;
}

/** What the config says about where calls may go. */
export interface TargetsConfig {
  readonly providers: readonly ConfiguredProvider[];
  /** Names of our own, each for one or more targets. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  readonly policy: {
    /** What `auto` chooses from; `undefined`: the models marked for it, and every one that is configured by hand. */
    readonly targets?: readonly string[] | undefined;
  };
}

export interface ConfiguredProvider {
  readonly name: string;
  readonly kind: string;
  readonly settings: ProviderSettings;
  readonly residency?: string;
  /** Models that the config describes for this instance: self-hosted ones, or other prices than the table's. */
  readonly models: readonly ModelRecord[];
}

export interface Resolved {
  readonly targets: readonly Target[];
  /** Whether the client named this very model, so that no other may take its place. */
  readonly explicit: boolean;
  /** The policy that the client named. */
  readonly policy?: string;
  /** Why these and no others, where the name leaves that open: for the ledger's reason. */
  readonly note?: string;
}

/** One line of GET /v1/models. */
export interface ListedModel {
  readonly id: string;
  readonly ownedBy: string;
  readonly createdSeconds: number;
}

export interface Targets {
  /**
   * @param among What `auto` chooses from here, in place of what it does elsewhere: targets or aliases.
   * @throws GatewayError `model-not-found`, with the names that are near and what would be right.
   */
  resolve(model: string, among?: readonly string[]): Resolved;
  /** Every configured provider, in the config's order. */
  readonly instances: readonly ProviderInstance[];
  list(): readonly ListedModel[];
  /** For people: what `auto` chooses from, and the providers beside it. */
  describe(): readonly string[];
  /** What a server says that it serves, or that it does not answer (`undefined`): then its models are listed no more. */
  learn(instance: string, models: readonly string[] | undefined): void;
  /** Whether the server said that it has this model; `undefined` where that is not known. */
  serves(target: Target): boolean | undefined;
}

const AUTO = "auto";

/** Whether a client leaves it to us where its call goes: it names neither a model nor an alias. */
export function isAuto(model: string): boolean {
  return model === AUTO || model.startsWith(`${AUTO}:`);
}
/** Models of one server that `auto` chooses from, where it has nothing else: it compares them all at each call. */
const AUTO_LEARNED_MAX = 20;

/** What a server said last. */
interface Served {
  /** By the one form of their ids, as the server writes them. */
  readonly models: ReadonlyMap<string, string>;
  readonly isUp: boolean;
}

/** @param now Milliseconds since the epoch: prices are those of the day. */
export function createTargets(
  config: TargetsConfig,
  table: ModelTable,
  kinds: readonly Provider[],
  now: () => number,
): Targets {
  const instances = config.providers.map((configured) => instanceOf(configured, kinds));
  const byName = new Map(instances.map((instance) => [instance.name, instance]));
  const aliases = new Map(Object.entries(config.aliases));
  const learned = new Map<string, Served>();

  const target = (instance: Instance, model: string): Target => {
    const known = recordOf(instance, model, table);
    const record = known ?? assumedRecord(instance.provider, model);
    const price =
      (record === undefined ? undefined : priceAt(record, now())) ?? fallbackPrice(instance, model, table, now());
    return {
      name: `${instance.name}/${model}`,
      instance,
      model,
      record,
      price,
      ...(known === undefined && record !== undefined ? { isAssumed: true } : {}),
    };
  };
  const servedAs = (instance: Instance, name: string): string | undefined =>
    learned.get(instance.name)?.models.get(wholeId(instance, name));
  // In the config's order; those that do not answer only where no other has the model.
  const serversOf = (name: string): readonly Instance[] => {
    const all = instances.filter((instance) => servedAs(instance, name) !== undefined);
    const up = all.filter((instance) => learned.get(instance.name)?.isUp === true);
    return up.length > 0 ? up : all;
  };
  const named = (name: string): Target | undefined => {
    const slash = name.indexOf("/");
    const instance = slash < 1 ? undefined : byName.get(name.slice(0, slash));
    if (instance !== undefined && slash < name.length - 1) return target(instance, name.slice(slash + 1));
    const known = knownHomeOf(name, instances, table);
    if (known !== undefined) return target(known, name);
    // What a server has is known; what the beginning of a name tells is a guess ("gpt-oss:20b" is not OpenAI's to serve).
    const server = serversOf(name)[0];
    if (server !== undefined) return target(server, servedAs(server, name) ?? name);
    const guessed = guessedHomeOf(name, instances);
    return guessed === undefined ? undefined : target(guessed, name);
  };
  const noteOn = (name: string, found: Target): { readonly note?: string } => {
    const servers = found.name === name ? [] : serversOf(name);
    if (servers.length < 2 || servers[0] !== found.instance) return {};
    const others = servers.slice(1).map((server) => server.name);
    return { note: `\`${found.instance.name}\` serves it and comes before ${others.join(", ")} in the config` };
  };
  const one = (name: string): Target => {
    const found = named(name);
    if (found !== undefined) return found;
    throw new GatewayError(
      "model-not-found",
      whyNotFound(name, {
        kinds,
        table,
        instances,
        names: list().map((model) => model.id),
        served: [...learned.values()].flatMap(({ models }) => [...models.values()]),
      }),
      {
        param: "model",
        code: "model_not_found",
      },
    );
  };
  // A target whose provider is not configured here (told at the start) is no reason to do without the others.
  const thereOf = (names: readonly string[]): readonly Target[] => names.flatMap((name) => named(name) ?? []);
  const auto = (among?: readonly string[]): readonly Target[] => {
    const names = among ?? config.policy.targets;
    if (names !== undefined) return thereOf(names.flatMap((name) => aliases.get(name) ?? [name]));
    const day = new Date(now()).toISOString().slice(0, 10);
    const targetsOf = (models: (instance: Instance) => readonly string[]) =>
      instances.flatMap((instance) => models(instance).map((model) => target(instance, model)));
    const chosen = targetsOf((instance) => autoModels(instance, table, day));
    if (chosen.length > 0) return chosen;
    return targetsOf(({ name }) => [...(learned.get(name)?.models.values() ?? [])].slice(0, AUTO_LEARNED_MAX));
  };
  const list = (): readonly ListedModel[] => {
    const listed = new Map<string, ListedModel>();
    const add = (id: string, ownedBy: string, createdSeconds: number) => {
      if (!listed.has(id)) listed.set(id, { id, ownedBy, createdSeconds });
    };
    add(AUTO, "sluice", 0);
    for (const alias of aliases.keys()) add(alias, "sluice", 0);
    for (const instance of instances) {
      for (const record of [...instance.models, ...table.all().filter((row) => holds(row, instance))]) {
        const since = Date.parse(record.prices[0]?.from ?? "") / 1000;
        const createdSeconds = since > 0 ? since : 0;
        if (named(record.id)?.instance === instance) add(record.id, instance.name, createdSeconds);
        add(`${instance.name}/${record.id}`, instance.name, createdSeconds);
      }
      const served = learned.get(instance.name);
      for (const model of served?.isUp === true ? served.models.values() : []) {
        if (named(model)?.instance === instance) add(model, instance.name, 0);
        add(`${instance.name}/${model}`, instance.name, 0);
      }
    }
    return [...listed.values()];
  };
  return {
    instances,
    resolve(model, among) {
      const alias = aliases.get(model);
      if (alias !== undefined) {
        const targets = thereOf(alias);
        return { targets: targets.length > 0 ? targets : alias.map(one), explicit: alias.length === 1 };
      }
      if (!isAuto(model)) {
        const found = one(model);
        return { targets: [found], explicit: true, ...noteOn(model, found) };
      }
      const targets = auto(among);
      if (targets.length === 0) throw noAutoTargets(instances);
      const policy = model.slice(AUTO.length + 1);
      return { targets, explicit: false, ...(policy === "" ? {} : { policy }) };
    },
    list,
    describe() {
      const chosen = auto();
      const others = instances.filter((instance) => !chosen.some((target) => target.instance === instance));
      return [...chosen.map(described), ...others.map((instance) => `${instance.name}/<model>`)];
    },
    learn(instance, models) {
      const asked = instances.find(({ name }) => name === instance);
      if (asked === undefined) return;
      const known = learned.get(instance)?.models ?? new Map<string, string>();
      const served = models?.map((model) => [wholeId(asked, model), model] as const);
      learned.set(instance, { models: served === undefined ? known : new Map(served), isUp: served !== undefined });
    },
    serves({ instance, model }) {
      const served = learned.get(instance.name);
      if (served?.isUp !== true) return undefined;
      if (served.models.has(wholeId(instance, model))) return true;
      // Who takes any name has more than it lists.
      return instance.provider.modelPrefixes.includes("") ? undefined : false;
    },
  };
}

interface Instance extends ProviderInstance {
  readonly models: readonly ModelRecord[];
}

function instanceOf(configured: ConfiguredProvider, kinds: readonly Provider[]): Instance {
  const { name, kind, settings, models, residency } = configured;
  const provider = kinds.find((known) => known.kind === kind);
  // The config is checked against the same list.
  if (provider === undefined) throw new Error(`provider \`${name}\` is of a kind that is not there: ${kind}`);
  return { name, provider, settings, models, ...(residency === undefined ? {} : { residency }) };
}

/** Whether the table's row, its prices included, is true of this instance: the same id at another provider has another price. */
function holds(record: ModelRecord, instance: Instance): boolean {
  const { kind, recordsOf } = instance.provider;
  return (recordsOf ?? [kind]).includes(record.provider);
}

function configuredModel(instance: Instance, model: string): ModelRecord | undefined {
  const id = wholeId(instance, model);
  return instance.models.find((record) =>
    [record.id, ...record.aliases].some((name) => wholeId(instance, name) === id),
  );
}

/** Where one model may be written in several ways, the way by which they are told to be one. */
function wholeId({ provider }: ProviderInstance, model: string): string {
  return provider.wholeId?.(model) ?? model;
}

function recordOf(instance: Instance, model: string, table: ModelTable): ModelRecord | undefined {
  const configured = configuredModel(instance, model);
  if (configured !== undefined) return configured;
  const row = table.find(model);
  return row !== undefined && holds(row, instance) ? row : undefined;
}

function assumedRecord({ kind, modelDefaults }: Provider, model: string): ModelRecord | undefined {
  return modelDefaults === undefined ? undefined : { ...RECORD_DEFAULTS, ...modelDefaults, id: model, provider: kind };
}

function fallbackPrice(instance: Instance, model: string, table: ModelTable, atMs: number): Price | undefined {
  const { kind, recordsOf } = instance.provider;
  for (const known of recordsOf ?? [kind]) {
    const price = table.fallbackPrice(known, model, atMs);
    if (price !== undefined) return price;
  }
  return undefined;
}

/** Where a bare model id goes: who is configured to serve it, or who the table says. */
function knownHomeOf(model: string, instances: readonly Instance[], table: ModelTable): Instance | undefined {
  const configured = instances.find((instance) => configuredModel(instance, model) !== undefined);
  if (configured !== undefined) return configured;
  const row = table.find(model);
  return instances.find((instance) => instance.provider.kind === row?.provider);
}

/** Whose names begin so; the longest beginning counts. */
function guessedHomeOf(model: string, instances: readonly Instance[]): Instance | undefined {
  let home: Instance | undefined;
  let longest = -1;
  for (const instance of instances) {
    for (const prefix of instance.provider.modelPrefixes) {
      if (prefix.length <= longest || !model.startsWith(prefix)) continue;
      longest = prefix.length;
      home = instance;
    }
  }
  return home;
}

function autoModels(instance: Instance, table: ModelTable, day: string): readonly string[] {
  const isOwn = (row: ModelRecord) => instance.models.some((record) => record.id === row.id);
  const rows = table.all().filter((row) => row.auto === true && holds(row, instance) && !isOwn(row));
  const lives = (record: ModelRecord) => record.retires === undefined || record.retires > day;
  const own = instance.models.filter((record) => record.auto !== false);
  return [...new Set([...own, ...rows].filter(lives).map((record) => record.id))];
}

function described(target: Target): string {
  const { price } = target;
  const input = price?.rates.inputUncached;
  const output = price?.rates.output;
  if (input === undefined || output === undefined) return `${target.name} (unpriced)`;
  return `${target.name} ($${perMillion(input)} in, $${perMillion(output)} out per million tokens)`;
}

function perMillion(picoUsdPerToken: PicoUsd): string {
  return usdText(picoUsdPerToken * 1_000_000n);
}

function noAutoTargets(instances: readonly Instance[]): GatewayError {
  const example = instances[0]?.name ?? "provider";
  return new GatewayError(
    "model-not-found",
    `\`auto\` has nothing to choose from: name a model (\`${example}/<model-id>\`), or give it targets in the config (\`policy.targets\`)`,
    { param: "model", code: "model_not_found" },
  );
}

interface Known {
  readonly instances: readonly ProviderInstance[];
  readonly kinds: readonly Provider[];
  readonly table: ModelTable;
  readonly names: readonly string[];
  /** What the servers have, by their own names. */
  readonly served: readonly string[];
}

function whyNotFound(name: string, known: Known): string {
  const shown = `\`${name.slice(0, 128)}\``;
  const row = known.table.find(name);
  const prefix = name.includes("/") ? name.slice(0, name.indexOf("/")) : undefined;
  if (known.instances.some((instance) => instance.name === prefix))
    return `${shown} names no model; say \`${prefix}/<model-id>\``;
  const kind = known.kinds.find((provider) => provider.kind === (row?.provider ?? prefix));
  if (kind !== undefined) {
    const variable = kind.needsKey ? kind.environment.apiKey : kind.environment.baseUrl;
    const how =
      variable === undefined ? "add it to the config" : `set ${variable}, or add it to the config's \`providers\``;
    return row === undefined
      ? `provider \`${kind.kind}\` is not configured: ${how}`
      : `model ${shown} belongs to provider \`${kind.kind}\`, which is not configured: ${how}`;
  }
  if (prefix !== undefined && prefix !== "" && row === undefined) {
    const names = known.instances.map((instance) => instance.name);
    const near = nearest(prefix, names, 1)[0];
    const models = nearest(name, known.served).map((model) => `\`${model}\``);
    const right =
      models.length > 0
        ? `did you mean ${models.join(" or ")}?`
        : near === undefined
          ? `there are ${names.join(", ")}`
          : `did you mean \`${near}/…\`?`;
    return `no provider is called \`${prefix.slice(0, 64)}\`; ${right}`;
  }
  const near = nearest(name, known.names).map((candidate) => `\`${candidate}\``);
  const meant = near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`;
  return `no model is called ${shown}${meant === "" ? "." : meant} One that the table does not know is named \`provider/model-id\``;
}
