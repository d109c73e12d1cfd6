/** A decision in one line, with the numbers that decided: for the ledger and for whoever asks at once. */
import { usdText } from "../usage.ts";
import { placeOf, type Weighed } from "./weighing.ts";

/** Candidates that the reason compares by name; the rest is counted. */
const COMPARED_MAX = 4;

export interface Why {
  /** Why the first stays where another would be cheaper. */
  readonly stays: string | undefined;
  readonly isTrial: boolean;
}

/** @param order As they are tried. @param excluded Who is not called at all. */
export function reasonOf(order: readonly Weighed[], excluded: readonly Weighed[], why: Why): string {
  const compared = order
    .slice(0, COMPARED_MAX)
    .map((one, index) => before(order[index - 1], one) + told(one, index, why));
  const rest = order.length - COMPARED_MAX;
  const more = rest > 0 ? `, ${rest} more` : "";
  const without = excluded.slice(0, COMPARED_MAX).map(({ candidate }) => candidate.target.name);
  const not = without.length === 0 ? "" : `; not ${without.join(", ")}${excluded.length > COMPARED_MAX ? " …" : ""}`;
  return `cheapest-task: ${compared.join("")}${more}${not}`;
}

/** How one stands to the next: by cost, or before it for another reason, which the notes tell. */
function before(one: Weighed | undefined, next: Weighed): string {
  if (one === undefined) return "";
  if (placeOf(one) !== placeOf(next) || one.total === undefined || next.total === undefined) return ", then ";
  if (one.total > next.total) return ", before ";
  return one.total < next.total ? " < " : " = ";
}

function told(one: Weighed, index: number, why: Why): string {
  const { candidate, total, known, excluded } = one;
  const { promptTokens, warmTokens } = candidate;
  const { mean, source, n } = known.success;
  const notes = [
    ...(candidate.bound ? ["bound"] : []),
    ...(candidate.resting ? ["resting"] : []),
    ...(excluded === undefined ? [] : [excluded.why]),
    ...(index === 0 && why.stays !== undefined ? [why.stays] : []),
    ...(index === 0 && why.isTrial ? ["tried"] : []),
    ...(index === 0 ? [`${turnsText(one.finish.turns)} to go`] : []),
    ...(source === "class" ? [`${mean.toFixed(2)} of ${Math.round(n)} succeed`] : []),
    ...(warmTokens > 0 ? [`${warmTokens} of ${promptTokens} tokens warm`] : []),
  ];
  const cost = total === undefined ? "unpriced" : `$${usdShort(total)}`;
  return `${candidate.target.name} ${cost}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

function turnsText(turns: number): string {
  const text = turns < 9.95 ? turns.toFixed(1).replace(/\.0$/, "") : turns.toFixed(0);
  return `${text} ${text === "1" ? "turn" : "turns"}`;
}

/** Three digits: more would pretend to know. */
export function usdShort(picoUsd: number): string {
  const whole = Math.round(picoUsd);
  const unit = 10 ** Math.max(0, String(Math.abs(whole)).length - 3);
  return usdText(BigInt(Math.round(whole / unit)) * BigInt(unit));
}
