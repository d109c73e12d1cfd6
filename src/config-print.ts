/** The effective config for people: everything but secrets. */
import { stringify } from "yaml";
import type { Config, ProviderConfig } from "./config.ts";
import { printableChannel } from "./config-notify.ts";
import type { ModelRecord } from "./model.ts";
import { usdNumber, type Price } from "./usage.ts";

/** YAML; where a secret is set, it says where from. */
export function printableConfig(config: Config): string {
  const { warnings, secrets, keys, providers, notify, alertRules: _, expectations: __, ...rest } = config;
  const shown = {
    ...rest,
    keys: keys.map(({ name, team, readsAll, rules, source }) => ({
      name,
      ...(team === undefined ? {} : { team }),
      ...(readsAll === true ? { reads: "all" } : {}),
      ...rules,
      key: `set (from ${source})`,
    })),
    notify: notify.map((channel) => printableChannel(channel)),
    providers: Object.fromEntries(providers.map((provider) => [provider.name, printableProvider(provider)])),
  };
  const notes = warnings.map((warning) => `# warning: ${warning}\n`).join("");
  const none = providers.length === 0 ? "# no provider is configured: the sandbox answers\n" : "";
  const hidden = [...secrets, ...providers.flatMap(secretsOf)].filter(
    (secret) => secret.length >= SECRET_CHARACTERS_MIN,
  );
  const hide = (_key: unknown, value: unknown): unknown =>
    typeof value === "string" ? hidden.reduce((text, secret) => text.replaceAll(secret, "[redacted]"), value) : value;
  return `${notes}${none}${stringify(shown, hide, { aliasDuplicateObjects: false, lineWidth: 0 })}`;
}

/** Shorter values are no secrets, but words that stand elsewhere, too. */
const SECRET_CHARACTERS_MIN = 6;

/** What is a secret where it belongs may have been written into an address, too. */
function secretsOf({ settings }: ProviderConfig): readonly string[] {
  const values = Object.values(settings.headers ?? {});
  // `Bearer <token>`: the token alone is the secret.
  const tokens = values.flatMap((value) => value.split(" ").at(-1) ?? []);
  return [...(settings.apiKey === undefined ? [] : [settings.apiKey]), ...values, ...tokens];
}

function printableProvider(provider: ProviderConfig): object {
  const { settings, models } = provider;
  const headers = Object.keys(settings.headers ?? {});
  return {
    kind: provider.kind,
    baseUrls: settings.baseUrls,
    ...(settings.weights === undefined ? {} : { weights: settings.weights }),
    ...(settings.contextTokens === undefined ? {} : { contextTokens: settings.contextTokens }),
    ...(settings.affinity === undefined ? {} : { affinity: settings.affinity }),
    ...(settings.cacheTokens === undefined ? {} : { cacheTokens: settings.cacheTokens }),
    ...(provider.residency === undefined ? {} : { residency: provider.residency }),
    apiKey: settings.apiKey === undefined ? "none" : `set (from ${provider.keySource ?? "elsewhere"})`,
    // Values of headers are often credentials.
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers.map((name) => [name, "set"])) }),
    ...(models.length === 0
      ? {}
      : { models: Object.fromEntries(models.map((model) => [model.id, printableModel(model)])) }),
  };
}

function printableModel(model: ModelRecord): object {
  return {
    ...(model.contextTokens === undefined ? {} : { contextTokens: model.contextTokens }),
    ...(model.maxOutputTokens === undefined ? {} : { maxOutputTokens: model.maxOutputTokens }),
    prices:
      model.prices.length === 0
        ? "unpriced"
        : model.prices.map(({ from, price }) => ({ from, ...usdPerMillion(price) })),
  };
}

function usdPerMillion(price: Price): object {
  return Object.fromEntries(
    Object.entries(price.rates).map(([bucket, rate]) => [bucket, usdNumber(rate * 1_000_000n)]),
  );
}
