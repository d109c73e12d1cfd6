/** Whether data rules name what there is: a word that is misspelled would let data go where it must not, or nowhere. */
import type { ProviderConfig } from "./config.ts";
import type { DataRows } from "./config-classes.ts";
import type { ConfigFile } from "./config-schema.ts";
import { nearest } from "./nearest.ts";

export interface Findings {
  /** Grows. */
  readonly problems: string[];
  /** Grows. */
  readonly warnings: string[];
}

export function checkDataRules(file: ConfigFile, providers: readonly ProviderConfig[], findings: Findings): void {
  // With none, the sandbox answers to every name.
  if (providers.length === 0) return;
  const rows: readonly (readonly [where: string, row: DataRows])[] = [
    ...file.keys.map((row) => [`keys.${row.name}`, row] as const),
    ...Object.entries(file.classes).map(([key, row]) => [`classes.${key}`, row] as const),
  ];
  const places = [...new Set(providers.flatMap(({ residency }) => residency ?? []))];
  for (const [where, { allow = [], deny = [], residency = [] }] of rows) {
    for (const [option, patterns] of [["allow", allow] as const, ["deny", deny] as const]) {
      for (const pattern of patterns) checkPattern(`${where}.${option}`, pattern, providers, findings);
    }
    for (const place of residency) {
      if (!places.includes(place)) findings.problems.push(`\`${where}.residency\`: ${noPlace(place, places)}`);
    }
  }
}

/** A provider that another machine's environment has is no mistake here; one that looks like another's name is. */
function checkPattern(where: string, pattern: string, providers: readonly ProviderConfig[], findings: Findings): void {
  const names = providers.map(({ name }) => name);
  const slash = pattern.indexOf("/");
  const said = slash === -1 ? pattern : pattern.slice(0, slash);
  const isThere =
    slash === -1 && pattern.endsWith("*")
      ? names.some((name) => `${name}/`.startsWith(pattern.slice(0, -1)))
      : names.includes(said);
  if (isThere) return;
  const near = nearest(said, names, 1)[0];
  if (near === undefined)
    findings.warnings.push(`\`${where}\`: no provider is called \`${said}\`; there are ${names.join(", ")}`);
  else findings.problems.push(`\`${where}\`: no provider is called \`${said}\`; did you mean \`${near}\`?`);
}

function noPlace(place: string, places: readonly string[]): string {
  const none = `no provider keeps data in \`${place}\` (\`providers.<name>.residency\` says where each does`;
  return places.length === 0 ? `${none}, and none has it)` : `${none}: ${places.join(", ")})`;
}
