/** Where texts were parted for a mark: there they are parted again, marked or not, as long as it is remembered. */
import type { PlannedMark } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";

/** Places remembered; about 100 bytes each. Those that came first are forgotten first, and cost one cold prompt if they are used again. */
const PLACES_MAX = 10_000;

export class PartedPlaces {
  readonly #places = new Set<string>();
  readonly #oldest = this.#places.values();

  /** Places of the prompt at which its texts were parted before for this target. */
  of({ spots, hashes }: Prefixes, target: string): readonly number[] {
    if (this.#places.size === 0) return [];
    return spots.flatMap((spot, place) =>
      spot.kind === "text" && this.#places.has(nameOf(hashes, place, target)) ? [place] : [],
    );
  }

  learn({ spots, hashes }: Prefixes, marks: readonly PlannedMark[], target: string): void {
    for (const { place } of marks) {
      if (spots[place]?.kind !== "text") continue;
      this.#places.add(nameOf(hashes, place, target));
      if (this.#places.size <= PLACES_MAX) continue;
      const oldest = this.#oldest.next();
      if (oldest.done !== true) this.#places.delete(oldest.value);
    }
  }
}

function nameOf(hashes: Uint32Array, place: number, target: string): string {
  return `${hashes[2 * place]}.${hashes[2 * place + 1]}.${target}`;
}
