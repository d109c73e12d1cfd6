/** Where texts were parted for a mark: there they are parted again, marked or not, as long as it is remembered. */
import { BoundedMap } from "./bounded-map.ts";
import type { PlannedMark } from "./plan.ts";
import { placeName, type Prefixes } from "./prefixes.ts";

/** Places remembered; about 100 bytes each. Those that came first are forgotten first, and cost one cold prompt if they are used again. */
const PLACES_MAX = 10_000;

export class PartedPlaces {
  readonly #places = new BoundedMap<true>(PLACES_MAX);

  /** Places of the prompt at which its texts were parted before for this target. */
  of(prefixes: Prefixes, target: string): readonly number[] {
    if (this.#places.size === 0) return [];
    return prefixes.spots.flatMap((spot, place) =>
      spot.kind === "text" && this.#places.has(placeName(prefixes, place, target)) ? [place] : [],
    );
  }

  learn(prefixes: Prefixes, marks: readonly PlannedMark[], target: string): void {
    for (const { place } of marks) {
      if (prefixes.spots[place]?.kind === "text") this.#places.set(placeName(prefixes, place, target), true);
    }
  }
}
