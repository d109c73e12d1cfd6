/** `sluice cache-lint` on files that are given as texts, with the providers there are. */
import { providerKinds } from "../providers/index.ts";
import { cacheLint, type CacheLintConfig, type CacheLintParts, type CacheLintResult } from "../src/cache-lint.ts";
import type { LintReport } from "../src/cache/lint.ts";
import { BOUNDARY_LINE } from "../src/cache/modes.ts";
import type { JsonObject } from "../src/chat.ts";
import { createModelTable } from "../src/models.ts";

/** @param config What `--config` reads, whichever file it names. */
export function lintParts(readText: CacheLintParts["readText"], config: Partial<CacheLintConfig> = {}): CacheLintParts {
  const table = createModelTable();
  const readConfig = () =>
    ({ mode: "respect", boundaryLine: BOUNDARY_LINE, isIsolated: false, table, ...config }) as const;
  return { readText, kinds: providerKinds, readConfig };
}

/** Each body as a file of its own, `0.json` and so on. */
export function lintRun(bodies: readonly JsonObject[], ...flags: readonly string[]): CacheLintResult {
  const files = bodies.map((_, at) => `${at}.json`);
  return cacheLint(
    [...flags, ...files],
    lintParts((path) => JSON.stringify(bodies[Number.parseInt(path, 10)])),
  );
}

/** @param config As `--config` would say it. */
export function lintReports(
  bodies: readonly JsonObject[],
  config: Partial<CacheLintConfig> = {},
): readonly LintReport[] {
  const parts = lintParts(() => JSON.stringify(bodies), config);
  const { output, problem } = cacheLint(["--json", "--config", "sluice.yaml", "all.json"], parts);
  if (problem !== "") throw new Error(problem);
  return JSON.parse(output) as readonly LintReport[];
}

/** What is found in the last one, as `<level> <rule> <path>`. */
export function lintRules(...bodies: readonly JsonObject[]): readonly string[] {
  return (lintReports(bodies).at(-1)?.findings ?? []).map(({ level, rule, path }) => `${level} ${rule} ${path}`);
}
