/** When something changed: the time that parts a course best into two that are each alike. */
import type { Took } from "../ledger-growth.ts";
import type { CauseKind } from "./alert.ts";
import type { Weights } from "./cause.ts";

/** A change explains so much of all that differs. */
const EXPLAINED_LEAST = 0.4;
/** And is of at least this share of the larger side. */
const STEP_LEAST = 0.25;

/**
 * @param course By short times, in order; `window` is each one's place.
 * @returns the place where it begins to be as it is now; `undefined`: nothing of the kind is to be seen.
 */
export function changeOf(kind: CauseKind, course: readonly Took[], weights: Weights): number | undefined {
  // A day has its own rhythm: how much is asked says little of when something began.
  if (kind === "volume" || kind === "turns") return undefined;
  const points = course.map((row) => pointOf(kind, row, weights)).filter(({ of }) => of > 0);
  const whole = points.reduce((sum, { of }) => sum + of, 0);
  const mean = points.reduce((sum, { amount }) => sum + amount, 0) / whole;
  const spread = points.reduce((sum, { of, amount }) => sum + of * (amount / of - mean) ** 2, 0);
  let best: { readonly at: number; readonly explained: number; readonly step: number } | undefined;
  let [before, beforeOf] = [0, 0];
  for (const [at, { amount, of, place }] of points.entries()) {
    if (at > 0) {
      const [first, second] = [before / beforeOf, (mean * whole - before) / (whole - beforeOf)];
      const explained = ((beforeOf * (whole - beforeOf)) / whole) * (first - second) ** 2;
      const step = Math.abs(first - second) / Math.max(first, second);
      if (best === undefined || explained > best.explained) best = { at: place, explained, step };
    }
    before += amount;
    beforeOf += of;
  }
  return best !== undefined && best.explained >= EXPLAINED_LEAST * spread && best.step >= STEP_LEAST
    ? best.at
    : undefined;
}

function pointOf(kind: CauseKind, row: Took, weights: Weights): { place: number; amount: number; of: number } {
  const [read = 0, output = 0] = [row.tokens[1], row.tokens[5]];
  const prompt = row.tokens.slice(0, 5).reduce((sum, count) => sum + count, 0);
  const place = row.window;
  switch (kind) {
    case "cache":
      return { place, amount: read, of: prompt };
    case "retries":
      return { place, amount: row.attempts, of: row.exchanges };
    case "prompt-tokens":
      return { place, amount: prompt, of: row.attempts };
    case "output-tokens":
      return { place, amount: output, of: row.attempts };
    case "price":
      return {
        place,
        amount: Number(row.charge),
        of: row.tokens.reduce((sum, count, at) => sum + count * (weights[at] ?? 0), 0),
      };
    default:
      return { place, amount: 0, of: 0 };
  }
}
