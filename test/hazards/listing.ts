/** Outcomes as text to read in a review: for each client, who answered, who refused, and in which words. */
import type { Outcome } from "./cells.ts";

export function listing(hazards: readonly (readonly [name: string, outcomes: readonly Outcome[]])[]): string {
  return hazards.map(([name, outcomes]) => `${name}\n${clientLines(outcomes)}`).join("\n");
}

function clientLines(outcomes: readonly Outcome[]): string {
  const clients = Map.groupBy(outcomes, ({ client }) => client);
  return [...clients].map(([client, own]) => `  ${client}\n${saidLines(own)}`).join("");
}

function saidLines(outcomes: readonly Outcome[]): string {
  const said = Map.groupBy(outcomes, (outcome) => outcome.said);
  return [...said].map(([words, of]) => `    ${targetsOf(of)}\n      ${words}\n`).join("");
}

/** Both ways of asking are one name; one of the two says which. */
function targetsOf(outcomes: readonly Outcome[]): string {
  const targets = Map.groupBy(outcomes, ({ target }) => target);
  return [...targets]
    .map(([target, asked]) => {
      if (asked.length === 2) return target;
      return `${target} ${asked[0]?.stream === true ? "(stream)" : "(whole)"}`;
    })
    .join(", ");
}
