/** The names that someone who wrote another one probably meant: for messages that say what would be right. */

/** Longer names are compared by their beginning: who wrote them is not helped by a guess. */
const CHARACTERS_MAX = 64;

/**
 * @returns at most `limit` of the candidates, nearest first; none that differs in more than a third of its characters, unless one
 * contains the other.
 */
export function nearest(name: string, candidates: readonly string[], limit = 3): readonly string[] {
  const wanted = name.toLowerCase().slice(0, CHARACTERS_MAX);
  return candidates
    .map((candidate) => ({ candidate, distance: distanceOf(wanted, comparable(candidate, wanted)) }))
    .filter(({ distance }) => distance !== undefined)
    .toSorted((one, other) => (one.distance ?? 0) - (other.distance ?? 0))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/** A tag ("llama3.1:8b") is no difference to who wrote none. */
function comparable(candidate: string, wanted: string): string {
  const whole = candidate.toLowerCase();
  return (wanted.includes(":") ? whole : whole.replace(/:[^:/]*$/, "")).slice(0, CHARACTERS_MAX);
}

function distanceOf(one: string, other: string): number | undefined {
  const distance = editDistance(one, other);
  if (distance <= Math.max(2, Math.ceil(Math.max(one.length, other.length) / 3))) return distance;
  const contains = Math.min(one.length, other.length) >= 4 && (one.includes(other) || other.includes(one));
  return contains ? distance : undefined;
}

/** How many characters must be added, taken away or replaced; of two rows of the table only, as only the last number is wanted. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[other.length] ?? 0;
}
