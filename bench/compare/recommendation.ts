/** What to do about it: the target whose successes cost least among those that are not known to be worse, or why that cannot be said. */
import type { Report, ReportComparison, ReportSums } from "./report.ts";

export interface Rated {
  readonly name: string;
  readonly model: string;
  readonly sums: ReportSums;
  readonly byClass: ReadonlyMap<string, ReportSums>;
  /** It was down, or nothing of it can be believed. */
  readonly isOut: boolean;
}

/** How many points less than the best a target may pass. */
const MARGIN = 0.05;

export function recommendationOf(
  targets: readonly Rated[],
  classes: readonly string[],
  comparisons: readonly ReportComparison[],
  about: { readonly id: string; readonly isSandbox: boolean; readonly isPartial: boolean },
): Report["recommendation"] {
  const all = chosen(targets, (target) => target.sums, comparisons, null);
  const byClass = classes.map((name) => ({
    class: name,
    ...chosen(targets, (target) => target.byClass.get(name), comparisons, name),
  }));
  return { ...all, by_class: byClass, policy_yaml: policyOf(targets, all.target, byClass, about) };
}

interface Choice {
  readonly target: string | null;
  readonly sentence: string;
}

function chosen(
  targets: readonly Rated[],
  sumsOf: (target: Rated) => ReportSums | undefined,
  comparisons: readonly ReportComparison[],
  className: string | null,
): Choice {
  const rated = targets.flatMap((target) => {
    const sums = sumsOf(target);
    const [pass, cost] = [sums?.pass_rate.value ?? null, sums?.cost_per_success_usd.value ?? null];
    return target.isOut || pass === null || cost === null ? [] : [{ name: target.name, pass, cost }];
  });
  const [first] = rated;
  if (first === undefined)
    return {
      target: null,
      sentence: "Nothing can be recommended: no target has both a price and an answer that was judged.",
    };
  if (rated.length < 2)
    return {
      target: null,
      sentence: `Nothing can be recommended: only ${first.name} has both a price and answers that were judged.`,
    };
  const best = rated.reduce((one, other) => (other.pass > one.pass ? other : one));
  const between = (one: string, other: string) =>
    comparisons.find(
      (pair) =>
        pair.class === className && [pair.base, pair.other].includes(one) && [pair.base, pair.other].includes(other),
    );
  const good = rated.filter(({ name, pass }) => {
    if (name === best.name) return true;
    return best.pass - pass <= MARGIN && between(name, best.name)?.pass_rate_difference.is_significant !== true;
  });
  const least = good.reduce((one, other) => (other.cost < one.cost ? other : one));
  const rest = good.filter(({ name }) => name !== least.name);
  const unsure = rest.filter(({ name }) => between(name, least.name)?.cost_per_success_ratio.is_significant !== true);
  const cheaper = rated.filter(({ name, cost }) => cost < least.cost && good.every((one) => one.name !== name));
  return {
    target: least.name,
    sentence: [
      `${least.name}: a success costs ${dollars(least.cost)}, and ${percent(least.pass)} pass.`,
      ...(least.name === best.name
        ? []
        : [`${best.name} passes ${percent(best.pass)}, which is not known to be more.`]),
      ...(unsure.length === 0 ? [] : [`That it is cheaper than ${named(unsure)} is not sure.`]),
      ...cheaper.map(
        ({ name, pass, cost }) => `${name} costs ${dollars(cost)} for a success, but only ${percent(pass)} pass.`,
      ),
    ].join(" "),
  };
}

function named(all: readonly { readonly name: string }[]): string {
  return all.map(({ name }) => name).join(" or ");
}

function dollars(usd: number): string {
  return `$${Number(usd.toPrecision(3))}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function policyOf(
  targets: readonly Rated[],
  all: string | null,
  byClass: readonly (Choice & { readonly class: string })[],
  { id, isSandbox, isPartial }: { readonly id: string; readonly isSandbox: boolean; readonly isPartial: boolean },
): string {
  if (all === null) return "";
  const modelOf = (name: string) => targets.find((target) => target.name === name)?.model ?? name;
  const own = byClass.filter(({ target }) => target !== null && target !== all);
  const lines = [
    `# From the comparison ${id}${isPartial ? ", which is not whole" : ""}.`,
    ...(isSandbox ? ["# Its models were simulated: what they can do was made up. Do not use this."] : []),
    "policy:",
    "  default: ordered",
    `  targets: [${JSON.stringify(modelOf(all))}]`,
    ...(own.length === 0 ? [] : ["classes:"]),
    ...own.flatMap(({ class: name, target }) => [
      `  ${JSON.stringify(name)}:`,
      `    targets: [${JSON.stringify(modelOf(target ?? all))}]`,
    ]),
  ];
  return `${lines.join("\n")}\n`;
}
