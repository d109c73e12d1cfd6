/** `sluice explain` on what is given as texts: a config, an environment, requests. */
import { providerKinds } from "../providers/index.ts";
import { loadConfig } from "../src/config.ts";
import { explain, type ExplainParts, type ExplainResult } from "../src/explain/command.ts";

export interface ExplainGiven {
  /** Text of a sluice.yaml. */
  readonly yaml?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Texts by the names of their files; a string: of any. */
  readonly files?: string | Readonly<Record<string, string>>;
  readonly now?: () => number;
}

export function explainParts({ yaml = "", environment = {}, files = {}, now = () => 0 }: ExplainGiven): ExplainParts {
  return {
    kinds: providerKinds,
    now,
    readText(path) {
      const text = typeof files === "string" ? files : files[path];
      if (text === undefined) throw Object.assign(new Error("it is not there"), { code: "ENOENT" });
      return text;
    },
    readConfig: () =>
      loadConfig({ arguments: ["check"], environment, folder: "/", kinds: providerKinds, readFile: () => yaml }).config,
  };
}

export function explained(given: ExplainGiven, ...flags: readonly string[]): Promise<ExplainResult> {
  return explain(flags, explainParts(given));
}

/** What `--json` says. @throws when it could not be explained. */
export async function explainedJson(
  given: ExplainGiven,
  ...flags: readonly string[]
): Promise<Record<string, unknown>> {
  const { output, problem } = await explained(given, "--json", ...flags);
  if (problem !== "") throw new Error(problem);
  return JSON.parse(output) as Record<string, unknown>;
}
