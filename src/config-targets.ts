/** Whether what a config calls targets is there: a name that leads nowhere is no error, and is told at the start. */
import type { ProviderConfig } from "./config.ts";
import type { ConfigFile } from "./config-schema.ts";
import { GatewayError } from "./errors.ts";
import type { ModelTable } from "./model.ts";
import { nearest } from "./nearest.ts";
import type { Provider } from "./provider.ts";
import { createTargets, type ProviderInstance, type Targets } from "./target.ts";

/** A name, and the place of the config where it stands. */
export type PlacedName = readonly [where: string, name: string];

/** Targets as the config names them. */
export function namedTargets({ aliases, policy, classes }: ConfigFile): readonly PlacedName[] {
  return [
    ...Object.entries(aliases).flatMap(([alias, list]) => placed(`aliases.${alias}`, list)),
    ...placed("policy.targets", policy.targets),
    ...Object.entries(classes).flatMap(([key, { targets, cascade, crossCheck }]) => [
      ...placed(`classes.${key}.targets`, targets),
      ...placed(`classes.${key}.cascade.targets`, cascade?.targets),
      ...placed(`classes.${key}.cascade.reviewers`, cascade?.reviewers),
      ...placed(`classes.${key}.crossCheck.reviewers`, crossCheck?.reviewers),
    ]),
  ];
}

function placed(where: string, names: readonly string[] = []): readonly PlacedName[] {
  return names.map((name) => [where, name] as const);
}

/** Warnings: the rest of the config works, and a call that names one is told why. */
export function targetsNotThere(
  file: ConfigFile,
  providers: readonly ProviderConfig[],
  table: ModelTable,
  kinds: readonly Provider[],
): readonly string[] {
  // With none, the sandbox answers to every name.
  if (providers.length === 0) return [];
  const targets = createTargets({ providers, aliases: {}, policy: {} }, table, kinds, () => 0);
  // What those have that can be asked is not known yet.
  const servers = targets.instances.filter(({ provider }) => provider.modelsPath !== undefined);
  const unlessServed = servers.length === 0 ? "" : ` (unless ${servers.map(({ name }) => name).join(" or ")} has it)`;
  const named = namedTargets(file).flatMap(([where, target]) => {
    if (!where.startsWith("aliases.") && Object.hasOwn(file.aliases, target)) return [];
    try {
      targets.resolve(target);
      return [];
    } catch (error) {
      if (error instanceof GatewayError) return [`\`${where}\`: ${error.message}${unlessServed}`];
      throw error;
    }
  });
  return [...named, ...ruleNames(file).flatMap((rule) => unmatched(rule, targets, table) ?? [])];
}

/** What data rules name. */
function ruleNames({ keys, classes }: ConfigFile): readonly PlacedName[] {
  const rows = [
    ...keys.map((row) => [`keys.${row.name}`, row] as const),
    ...Object.entries(classes).map(([key, row]) => [`classes.${key}`, row] as const),
  ];
  return rows.flatMap(([where, { allow, deny }]) => [
    ...placed(`${where}.allow`, allow),
    ...placed(`${where}.deny`, deny),
  ]);
}

/** Of a provider that is there (`config-data-rules.ts` looks at that), whether any model of it is meant. */
function unmatched([where, pattern]: PlacedName, targets: Targets, table: ModelTable): string | undefined {
  const slash = pattern.indexOf("/");
  const instance = targets.instances.find(({ name }) => name === pattern.slice(0, Math.max(0, slash)));
  if (instance === undefined || !isListed(instance)) return undefined;
  const isBeginning = pattern.endsWith("*");
  const begins = isBeginning ? pattern.slice(0, -1) : pattern;
  const known = modelsOf(instance, targets, table);
  const isMatched = isBeginning ? known.some((name) => name.startsWith(begins)) : isKnown(pattern, targets);
  if (known.length === 0 || isMatched) return undefined;
  const near = nearest(begins, known, 1)[0];
  const said = isBeginning
    ? `no model that is known of \`${instance.name}\` begins as \`${pattern}\` says`
    : `\`${pattern}\` is no model that is known of \`${instance.name}\``;
  return `\`${where}\`: ${said}${near === undefined ? "" : `; did you mean \`${near}\`?`}`;
}

/** Whether its models are those of a list: who can be asked, and who takes any name, has others. */
function isListed({ provider }: ProviderInstance): boolean {
  return provider.modelsPath === undefined && !provider.modelPrefixes.includes("");
}

/** By all the names that a client may say. */
function modelsOf({ name }: ProviderInstance, targets: Targets, table: ModelTable): readonly string[] {
  const ids = targets.list().flatMap(({ id }) => (id.startsWith(`${name}/`) ? [id.slice(name.length + 1)] : []));
  return ids.flatMap((id) => [id, ...(table.find(id)?.aliases ?? [])]).map((id) => `${name}/${id}`);
}

function isKnown(name: string, targets: Targets): boolean {
  const [found] = name.endsWith("/") ? [] : targets.resolve(name).targets;
  return found !== undefined && (found.price !== undefined || (found.record !== undefined && found.isAssumed !== true));
}
