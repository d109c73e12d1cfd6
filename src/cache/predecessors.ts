/**
 * Which answer was given to the prompt that another one goes on from: what a provider that tells why a prompt was not read compares it
 * with. Only a prompt that says the same up to that one's end goes on from it: whatever the provider finds changed, the client did not.
 */
import { BoundedMap } from "./bounded-map.ts";
import type { Prefixes } from "./prefixes.ts";

const ANSWERS_MAX = 10_000;
/** Places looked at from the prompt's end: a turn adds few. */
const PLACES_MAX = 64;
/** Ids are a provider's own, and short. */
const ID_CHARACTERS_MAX = 128;

export class Predecessors {
  readonly #answers = new BoundedMap<string>(ANSWERS_MAX);

  /** @returns the answer's id; `null`: there was no such prompt, as far as is known. */
  of({ hashes, spots }: Prefixes, target: string): string | null {
    const last = spots.length - 1;
    for (let place = last; place >= 0 && place > last - PLACES_MAX; place -= 1) {
      const id = this.#answers.get(keyOf(hashes, place, target));
      if (id !== undefined) return id;
    }
    return null;
  }

  answered({ hashes, spots }: Prefixes, target: string, id: string): void {
    if (spots.length === 0 || id === "" || id.length > ID_CHARACTERS_MAX) return;
    this.#answers.set(keyOf(hashes, spots.length - 1, target), id);
  }
}

function keyOf(hashes: Uint32Array, place: number, target: string): string {
  return `${target} ${hashes[2 * place]}.${hashes[2 * place + 1]}`;
}
