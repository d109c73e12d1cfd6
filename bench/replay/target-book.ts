/** The targets that a replay speaks of, as they were on a day and as they would be under other prices: production's own, by their names. */
import { createModelTable } from "../../src/models.ts";
import { priceAt, type ModelTable } from "../../src/model.ts";
import { GatewayError } from "../../src/errors.ts";
import type { CheapestTaskSettings } from "../../src/policies/cheapest-task.ts";
import type { Provider } from "../../src/provider.ts";
import { createTargets, type ConfiguredProvider, type Target, type Targets } from "../../src/target.ts";
import type { Price } from "../../src/usage.ts";
import { recordUnder, ruleOf, timesPrice, type PriceRule, type Times } from "./price-rules.ts";
import { ReplayError } from "./replay-error.ts";

/** What a config tells of targets. */
export interface BookConfig {
  readonly providers: readonly ConfiguredProvider[];
  readonly models: Parameters<typeof createModelTable>[0];
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** What a policy is to keep to, by class. */
  readonly classes: CheapestTaskSettings["classes"];
}

export interface BookOptions {
  readonly kinds: readonly Provider[];
  /** Absent: each provider is of the kind that it is named by, or of the one that makes its model. */
  readonly config: BookConfig | undefined;
  /** `provider/model`, as the ledger has them. */
  readonly recorded: readonly string[];
  readonly rules: readonly PriceRule[];
  readonly nowMs: number;
}

/** Entries that are remembered: targets by days. */
const REMEMBERED_MAX = 50_000;
const DAY_MS = 86_400_000;

export class TargetBook {
  readonly #options: BookOptions;
  readonly #targets: Targets;
  readonly #table: ModelTable;
  readonly #times = new WeakMap<Price, { readonly change: Times; readonly made: Price }>();
  readonly #versions = new Map<string, Price>();
  readonly #plain = new Map<string, Target | undefined>();
  readonly #ruled = new Map<string, Target | undefined>();
  /** Providers whose kind is a guess, with what was guessed. */
  readonly guesses: ReadonlyMap<string, string>;
  readonly pricedLater: Set<string> = new Set<string>();
  #atMs: number;

  constructor(options: BookOptions) {
    const { kinds, config, recorded, nowMs } = options;
    this.#options = options;
    this.#atMs = nowMs;
    this.#table = createModelTable(config?.models);
    const { providers, guesses } = withRecorded(config?.providers, recorded, kinds, this.#table);
    this.guesses = guesses;
    this.#targets = createTargets(
      { providers, aliases: config?.aliases ?? {}, policy: {} },
      this.#table,
      kinds,
      () => this.#atMs,
    );
    // What was paid before the config said another price is still what was paid.
    const shipped = config === undefined ? [] : createModelTable().all();
    for (const record of [...shipped, ...this.#table.all(), ...providers.flatMap(({ models }) => models)])
      for (const { price } of record.prices) this.#versions.set(price.version, price);
  }

  /** The names that somebody's word for targets stands for. @throws ReplayError */
  named(word: string): readonly string[] {
    try {
      return this.#targets.resolve(word).targets.map(({ name }) => name);
    } catch (error) {
      if (error instanceof GatewayError) throw new ReplayError(`${word}: ${error.message}`);
      throw error;
    }
  }

  /** As the table and the config have it. `undefined`: it is of no provider that is known. */
  plain(name: string, atMs: number): Target | undefined {
    return this.#remembered(this.#plain, name, atMs, () => {
      this.#atMs = atMs;
      try {
        return this.#targets.resolve(name).targets[0];
      } catch (error) {
        if (error instanceof GatewayError) return undefined;
        throw error;
      }
    });
  }

  /** Under the prices that are asked for. */
  under(name: string, atMs: number): Target | undefined {
    return this.#remembered(this.#ruled, name, atMs, () => {
      const target = this.plain(name, atMs);
      return target === undefined ? undefined : this.#under(target, atMs);
    });
  }

  /** The same for what is asked: who has no price on a day yet is taken at today's, and is told of ({@link pricedLater}). */
  offered(name: string, atMs: number): Target | undefined {
    const target = this.under(name, atMs);
    if (target === undefined || target.price !== undefined) return target;
    const price = this.under(name, this.#options.nowMs)?.price;
    if (price === undefined) return target;
    this.pricedLater.add(name);
    return { ...target, price };
  }

  /** The price that a row says it was paid at; `undefined`: it is not known here. */
  paid(version: string, name: string, atMs: number): Price | undefined {
    const known = this.#versions.get(version);
    if (known !== undefined) return known;
    const price = this.plain(name, atMs)?.price;
    if (price?.version !== version) return undefined;
    this.#versions.set(version, price);
    return price;
  }

  ruleOf(name: string): PriceRule | undefined {
    const target = this.plain(name, this.#options.nowMs);
    return target === undefined ? undefined : ruleOf(this.#options.rules, target);
  }

  /** What a target's tokens are in those of the estimates. */
  tokenRatio(name: string): number {
    return this.under(name, this.#options.nowMs)?.record?.tokenRatio ?? 1;
  }

  /** @param change Whose the price is that it is made of. */
  times(price: Price, change: Times): Price {
    const known = this.#times.get(price);
    if (known !== undefined && known.change === change) return known.made;
    const made = timesPrice(price, change);
    this.#times.set(price, { change, made });
    return made;
  }

  #under(target: Target, atMs: number): Target {
    const change = ruleOf(this.#options.rules, target)?.change;
    switch (change?.kind) {
      case undefined:
        return target;
      case "times":
        return target.price === undefined ? target : { ...target, price: this.times(target.price, change) };
      case "latest":
        return { ...target, price: this.plain(target.name, this.#options.nowMs)?.price };
      case "row": {
        const record = recordUnder(target, change.row);
        return { ...target, record, price: priceAt(record, atMs) ?? target.price };
      }
    }
  }

  #remembered(
    all: Map<string, Target | undefined>,
    name: string,
    atMs: number,
    make: () => Target | undefined,
  ): Target | undefined {
    // Prices are those of a day.
    const key = `${Math.floor(atMs / DAY_MS)} ${name}`;
    if (all.has(key)) return all.get(key);
    if (all.size >= REMEMBERED_MAX) all.clear();
    const made = make();
    all.set(key, made);
    return made;
  }
}

/** Who is configured, whoever else the ledger names, and, where there is no config, every kind under its own name. */
function withRecorded(
  configured: readonly ConfiguredProvider[] | undefined,
  recorded: readonly string[],
  kinds: readonly Provider[],
  table: ModelTable,
): { readonly providers: readonly ConfiguredProvider[]; readonly guesses: ReadonlyMap<string, string> } {
  const providers = new Map((configured ?? []).map((provider) => [provider.name, provider]));
  const guesses = new Map<string, string>();
  const add = (name: string, kind: string) =>
    providers.has(name) ||
    providers.set(name, { name, kind, settings: {} as ConfiguredProvider["settings"], models: [] });
  const isKind = (name: string) => kinds.some(({ kind }) => kind === name);
  for (const target of recorded) {
    const slash = target.indexOf("/");
    const [name, model] = [target.slice(0, slash), target.slice(slash + 1)];
    if (providers.has(name)) continue;
    const kind = isKind(name) ? name : (table.find(model)?.provider ?? ANY_KIND);
    if (!isKind(name)) guesses.set(name, kind);
    add(name, isKind(kind) ? kind : ANY_KIND);
  }
  // Whoever takes any name would take the mistyped ones.
  if (configured === undefined)
    for (const { kind, modelPrefixes } of kinds) if (!modelPrefixes.includes("")) add(kind, kind);
  return { providers: [...providers.values()], guesses };
}

const ANY_KIND = "openai-compatible";
