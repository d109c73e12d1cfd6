/** What the command line asks `bench diff` for. */
import { parseArgs } from "node:util";
import type { Limits } from "./verdict.ts";

export interface Options {
  readonly old: string;
  readonly now: string;
  readonly limits: Limits;
  /** `undefined`: all. */
  readonly targets: readonly string[] | undefined;
  readonly json: boolean;
}

const FLAGS = {
  "fail-if-cost-up": { type: "string" },
  "fail-if-pass-down": { type: "string" },
  strict: { type: "boolean" },
  target: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

/** @returns what is wrong with them, as text. */
export function readOptions(words: readonly string[]): Options | string {
  let parsed;
  try {
    parsed = parseArgs({ args: [...words], options: FLAGS, allowPositionals: true });
  } catch (error) {
    const [what] = (error as Error).message.split(". ");
    return `${what}; npm run bench -- diff --help lists the flags`;
  }
  const { values, positionals } = parsed;
  const [old, now, ...others] = positionals;
  if (old === undefined || now === undefined || others.length > 0) return "give two reports: old.json new.json";
  const costUp = readLimit("--fail-if-cost-up", values["fail-if-cost-up"]);
  if (typeof costUp === "string") return costUp;
  const passDown = readLimit("--fail-if-pass-down", values["fail-if-pass-down"]);
  if (typeof passDown === "string") return passDown;
  if (values.strict === true && costUp === undefined && passDown === undefined)
    return "--strict is about --fail-if-cost-up and --fail-if-pass-down";
  const limits: Limits = { costUp, passDown, isStrict: values.strict ?? false };
  return { old, now, limits, targets: values.target, json: values.json ?? false };
}

/** With its sign, as 0.1 could be a tenth or a thousandth. */
function readLimit(flag: string, text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  const [, digits] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim()) ?? [];
  return digits === undefined
    ? `${flag} must be a percentage as in 10%, and is ${JSON.stringify(text)}`
    : Number(digits) / 100;
}
