/** Providers as they are configured: from the file's section, or from the environment where there is none. */
import { isIP } from "node:net";
import type { ProviderConfig } from "./config.ts";
import type { ProviderRow } from "./config-schema.ts";
import type { Environment } from "./config-yaml.ts";
import { RECORD_DEFAULTS, type ModelRecord, type ModelTable } from "./model.ts";
import { withConfiguredRow } from "./models.ts";
import { nearest } from "./nearest.ts";
import type { Provider } from "./provider.ts";

export interface ProviderContext {
  readonly kinds: readonly Provider[];
  readonly environment: Environment;
  readonly table: ModelTable;
  readonly readFile: (path: string) => string;
  /** Grows. */
  readonly problems: string[];
  /** Grows. */
  readonly warnings: string[];
}

/** Each kind whose first variable is set: the key where it needs one, the address otherwise. */
export function environmentProviders(context: ProviderContext): readonly ProviderConfig[] {
  return context.kinds.flatMap((kind) => {
    const { apiKey, baseUrl } = kind.environment;
    const first = kind.needsKey ? apiKey : baseUrl;
    if (first === undefined || variable(context, first) === undefined) return [];
    const urls =
      variable(context, baseUrl)?.split(",") ?? (kind.defaultBaseUrl === undefined ? [] : [kind.defaultBaseUrl]);
    const key = apiKey === undefined ? undefined : keyFrom(apiKey, variable(context, apiKey), context);
    return [assembled({ name: kind.kind, kind, urls, where: baseUrl, key, headers: {}, models: [] }, context)];
  });
}

export function configuredProviders(
  rows: Readonly<Record<string, ProviderRow>>,
  context: ProviderContext,
): readonly ProviderConfig[] {
  return Object.entries(rows).flatMap(([name, row]) => {
    const where = `providers.${name}`;
    const kind = context.kinds.find((known) => known.kind === (row.kind ?? name));
    if (kind === undefined) {
      context.problems.push(`\`${where}\`: ${whichKind(row.kind ?? name, row.kind !== undefined, context.kinds)}`);
      return [];
    }
    const replicas = row.baseUrls ?? (row.baseUrl === undefined ? undefined : [row.baseUrl]) ?? fromKind(kind, context);
    const urls = replicas.map((replica) => (typeof replica === "string" ? replica : replica.url));
    const weights = replicas.map((replica) => (typeof replica === "string" ? 1 : replica.weight));
    if (urls.length === 0) context.problems.push(`\`${where}\` needs a \`baseUrl\`: where the server is`);
    const key = keyOf(row, kind, where, context);
    context.problems.push(...wrongHeaders(row.headers, where));
    const { contextTokens } = row;
    if (contextTokens !== undefined && kind.sizesWindow === undefined)
      context.problems.push(
        `\`${where}.contextTokens\`: no call to \`${kind.kind}\` says how large its window is; leave it out`,
      );
    const models = Object.entries(row.models).map(([id, model]) => {
      const base = context.table.find(id);
      const own =
        base !== undefined && (kind.recordsOf ?? [kind.kind]).includes(base.provider) ? base : blank(id, kind);
      return { ...withConfiguredRow(own, model), id };
    });
    const { headers, affinity, cacheTokens, residency } = row;
    const replicated = { urls, weights, affinity, cacheTokens };
    const parts = {
      ...replicated,
      name,
      kind,
      where: `${where}.baseUrl`,
      key,
      headers,
      contextTokens,
      models,
      residency,
    };
    return [assembled(parts, context)];
  });
}

function whichKind(kind: string, isSaid: boolean, kinds: readonly Provider[]): string {
  const names = kinds.map((known) => known.kind);
  const near = nearest(kind, names, 1)[0];
  const right = near === undefined ? `there are ${names.join(", ")}` : `did you mean \`${near}\`?`;
  return isSaid
    ? `there is no kind \`${kind}\`; ${right}`
    : `its name is no kind of provider, so it needs a \`kind\`; ${right}`;
}

function blank(id: string, kind: Provider): ModelRecord {
  return { ...RECORD_DEFAULTS, ...kind.modelDefaults, id, provider: kind.kind };
}

/** Where the kind is when the row does not say: its variable, its default. */
function fromKind(kind: Provider, context: ProviderContext): readonly string[] {
  const said = variable(context, kind.environment.baseUrl);
  if (said !== undefined) return said.split(",");
  return kind.defaultBaseUrl === undefined ? [] : [kind.defaultBaseUrl];
}

interface Key {
  readonly value: string;
  readonly source: string;
}

function keyOf(row: ProviderRow, kind: Provider, where: string, context: ProviderContext): Key | undefined {
  if (row.apiKeyFile !== undefined) {
    try {
      return keyFrom(row.apiKeyFile, context.readFile(row.apiKeyFile).trim(), context);
    } catch {
      context.problems.push(`\`${where}.apiKeyFile\`: ${row.apiKeyFile} cannot be read`);
      return undefined;
    }
  }
  const name = row.apiKeyEnv ?? kind.environment.apiKey;
  const value = name === undefined ? undefined : variable(context, name);
  if (name !== undefined && value !== undefined) return keyFrom(name, value, context);
  if (row.apiKeyEnv !== undefined)
    context.problems.push(`\`${where}.apiKeyEnv\`: the environment has no ${row.apiKeyEnv}`);
  else if (kind.needsKey)
    context.problems.push(`\`${where}\` needs a key: set ${name}, or name another variable as \`apiKeyEnv\``);
  return undefined;
}

/** A key becomes a header: a line break in it would begin another one. */
function keyFrom(source: string, value: string | undefined, context: ProviderContext): Key | undefined {
  if (value === undefined) return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return { value, source };
  context.problems.push(
    `the key from ${source} is empty, or has white space or other characters in it that a header cannot carry`,
  );
  return undefined;
}

function variable(context: ProviderContext, name: string): string | undefined {
  const value = context.environment[name]?.trim();
  return value === "" ? undefined : value;
}

interface Parts {
  readonly name: string;
  readonly kind: Provider;
  readonly urls: readonly string[];
  /** Of each of them; absent: all have the same. */
  readonly weights?: readonly number[];
  readonly affinity?: ProviderRow["affinity"];
  readonly cacheTokens?: ProviderRow["cacheTokens"];
  /** What to call the addresses when one is wrong. */
  readonly where: string;
  readonly key: Key | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly contextTokens?: ProviderRow["contextTokens"];
  readonly residency?: ProviderRow["residency"];
  readonly models: readonly ModelRecord[];
}

function assembled(parts: Parts, context: ProviderContext): ProviderConfig {
  const { name, kind, key, headers, models } = parts;
  const weighed = parts.urls.flatMap((given, index) => {
    const url = kind.baseUrl?.(given.trim()) ?? given.trim().replace(/\/+$/, "");
    if (given.trim() === "") return [];
    const problem = whyNotUrl(url);
    if (problem !== undefined) context.problems.push(`\`${parts.where}\`: ${problem}`);
    else if (key !== undefined && url.startsWith("http:") && isPublic(new URL(url).hostname)) {
      context.warnings.push(
        `provider \`${name}\` is called over http, so that its key can be read on the way; use https`,
      );
    }
    return [{ url, weight: parts.weights?.[index] ?? 1 }];
  });
  return {
    name,
    kind: kind.kind,
    settings: {
      baseUrls: weighed.map(({ url }) => url),
      ...(weighed.every(({ weight }) => weight === 1) ? {} : { weights: weighed.map(({ weight }) => weight) }),
      ...(key === undefined ? {} : { apiKey: key.value }),
      ...(Object.keys(headers).length === 0 ? {} : { headers: lowerCased(headers) }),
      ...(parts.contextTokens === undefined ? {} : { contextTokens: parts.contextTokens }),
      ...(parts.affinity === "turns" ? { affinity: parts.affinity } : {}),
      ...(parts.cacheTokens === undefined ? {} : { cacheTokens: parts.cacheTokens }),
    },
    models,
    ...(parts.residency === undefined ? {} : { residency: parts.residency }),
    ...(key === undefined ? {} : { keySource: key.source }),
  };
}

/** They are written by the transport itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding", "connection"]);

/** One that cannot be sent would fail every call. Its value is not repeated: it may be a credential. */
function wrongHeaders(headers: Readonly<Record<string, string>>, where: string): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const at = `\`${where}.headers.${name}\``;
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return [`${at} is no name of a header`];
    if (OWN_HEADERS.has(name.toLowerCase())) return [`${at} cannot be set; leave it out`];
    return /^[\x20-\x7e]*$/.test(value) ? [] : [`${at} has characters in its value that a header cannot carry`];
  });
}

/** Names of headers are compared in lower case, so that one that is given replaces our own. */
function lowerCased(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The address itself is not repeated: it may hold what it must not. */
function whyNotUrl(text: string): string | undefined {
  if (!URL.canParse(text) || !text.includes("://")) return "that is not a URL; it must begin with https:// or http://";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return `${url.protocol}// is not spoken; it must be https:// or http://`;
  if (url.username !== "" || url.password !== "")
    return "a user and password in the URL are not allowed; use `apiKeyEnv` or `headers`";
  if (url.search !== "" || url.hash !== "") return "a base URL has no ? and no #";
  return undefined;
}

const PRIVATE_V4 = /^(?:10\.|127\.|169\.254\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.)/;

/** Whether the way there leaves networks of one's own, as far as the name tells. */
function isPublic(hostname: string): boolean {
  const name = hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (isIP(name) === 4) return !PRIVATE_V4.test(name);
  if (isIP(name) === 6) return name !== "::1" && !/^f[cde]/.test(name);
  return name.includes(".") && !/\.(?:local|localhost|internal|lan|home\.arpa)$/.test(name);
}
