/** A report of `sluice cache-lint`, for people. */
import type { LintFinding } from "./lint-findings.ts";
import type { Follows } from "./lint-follows.ts";
import type { LintReport } from "./lint.ts";
import { ENDS_ITSELF } from "./sent-marks.ts";

export function lintText(report: LintReport): string {
  const { name, dialect, model, promptTokens, staticTokens, prefixes, follows, findings } = report;
  const shown = prefixes.filter(({ isStatic, isMarked }) => isStatic || isMarked);
  const left = shown.length - PREFIXES_SHOWN;
  return [
    `${name}: ${dialect}, ${model}: about ${promptTokens} tokens, ${staticTokens} of them static`,
    `  ${cacheText(report.cache)}`,
    ...shown.slice(0, PREFIXES_SHOWN).map(prefixText),
    ...(left > 0 ? [`  ${" ".repeat(8)}  and ${left} more`] : []),
    ...(follows === undefined ? [] : [`  ${followsText(follows)}`]),
    ...findings.flatMap(findingLines),
    ...(findings.length > 0 ? [] : [follows === undefined ? "  nothing was found" : "  nothing else was found"]),
    "",
  ].join("\n");
}

const PREFIXES_SHOWN = 12;

function cacheText(cache: LintReport["cache"]): string {
  switch (cache?.kind) {
    case undefined:
      return "nothing is known of this model's cache (the config's `models` can say it); what follows is about its text";
    case "none":
      return "this model has no prompt cache";
    case "marks":
      return cache.style === ENDS_ITSELF
        ? `cached: up to marks (\`${cache.style}\`) and to the prompt's end, from ${cache.minTokens} tokens on, found by \`prompt_cache_key\``
        : `cached: up to marks (\`${cache.style}\`), from ${cache.minTokens} tokens on`;
    case "automatic":
      return `cached: by itself, from ${cache.minTokens} tokens on${cache.key ? ", helped by `prompt_cache_key`" : ""}`;
    case "keyed":
      return `cached: with a \`prompt_cache_key\`, from ${cache.minTokens} tokens on`;
    case "local":
      return "cached: in the server's own memory, for as long as it has room";
  }
}

function prefixText({ path, tokens, isStatic, isMarked }: LintReport["prefixes"][number]): string {
  return `  ${String(tokens).padStart(8)}  ${path}${isStatic ? "  static" : ""}${isMarked ? "  marked" : ""}`;
}

function followsText(follows: Follows): string {
  switch (follows.how) {
    case "goes-on":
      return `goes on from ${follows.from}: all of its ${follows.sharedTokens} tokens come again${readText(follows)}`;
    case "begins-alike":
      return `begins like ${follows.from}: ${follows.sharedTokens} tokens come again, and then something new${readText(follows)}`;
    case "parts":
      if (follows.sharedTokens === 0)
        return `parts from ${follows.from}: none of it can be read, and ${follows.lostTokens} tokens are paid again`;
      return `parts from ${follows.from}: ${follows.sharedTokens} tokens come again${readText(follows)}; ${follows.lostTokens} are paid again`;
    case "another-conversation":
      return "has too little in common with those before it to be compared";
  }
}

function readText({ read }: Exclude<Follows, { how: "another-conversation" }>): string {
  if (read === undefined) return "";
  const because = read.because === undefined ? "" : ` (${read.because})`;
  return read.tokens === 0 ? `, and none can be read${because}` : `, and about ${read.tokens} can be read${because}`;
}

function findingLines({ level, rule, path, offset, excerpt, says, advice }: LintFinding): readonly string[] {
  const place = offset === undefined ? path : `${path}, character ${offset}`;
  return [
    `  ${level} ${rule}${place === "" ? "" : ` at ${place}`}: ${says}`,
    ...(excerpt === undefined || excerpt === "" ? [] : [`    ${JSON.stringify(excerpt)}`]),
    `    → ${advice}`,
  ];
}
