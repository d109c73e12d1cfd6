/**
 * Edits on raw JSON bytes, by span: everything that is not named by an edit keeps its very bytes.
 */
import type { JsonValue } from "./chat.ts";

/** From the root: object keys and array indexes. */
export type Path = readonly (string | number)[];

/**
 * One change to a JSON document.
 * - `set`: replace the value at `path`, or add it as the last member of its (existing) parent object.
 * - `insert`: add `value` into the array at `path` (its last element is the index to insert before; the length appends).
 * - `rename`: give the member at `path` another key; does nothing when it is absent.
 * - `delete`: remove the member or element; does nothing when it is absent.
 *
 * `loss` marks an edit that takes something the caller said away: the lane records it under that word.
 */
export type Edit =
  | { readonly op: "set"; readonly path: Path; readonly value: JsonValue; readonly loss?: string }
  | { readonly op: "insert"; readonly path: Path; readonly value: JsonValue; readonly loss?: string }
  | { readonly op: "rename"; readonly path: Path; readonly to: string; readonly loss?: string }
  | { readonly op: "delete"; readonly path: Path; readonly loss?: string };

/** Applies the edits. No edits → the very same buffer. */
export function applyEdits(_raw: Uint8Array, _edits: readonly Edit[]): Uint8Array {
  throw new Error("not built yet");
}
