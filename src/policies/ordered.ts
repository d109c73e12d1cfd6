/** The config's order: the first target that can, the next one when it fails. */
import type { Candidate } from "../target.ts";
import type { Policy } from "./policy.ts";

export const ordered: Policy = {
  name: "ordered",
  choose(_request, _task, candidates) {
    const order = candidates.toSorted((one, other) => rank(one) - rank(other));
    const first = order[0];
    const passed = candidates.slice(0, first === undefined ? 0 : candidates.indexOf(first));
    const why =
      first?.bound === true
        ? "issued what this conversation goes on from"
        : passed.map((candidate) => `${candidate.target.name} rests`).join(", ");
    return {
      order,
      reason: `ordered: ${first?.target.name ?? "none"} of ${candidates.length}${why === "" ? "" : ` (${why})`}`,
    };
  },
};

/** A binding comes before health: another target could not read what it carries. */
export function rank(candidate: Candidate): number {
  if (candidate.bound) return 0;
  return candidate.resting ? 2 : 1;
}
