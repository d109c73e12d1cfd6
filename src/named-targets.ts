/** Everything that a client could name, for errors that say what would be right. */
import type { Target, Targets } from "./target.ts";

/** The targets behind the names that are listed, in their order and each once; without those that their vendor has shut down. */
export function namedTargets(targets: Targets, nowMs: number): readonly Target[] {
  const day = new Date(nowMs).toISOString().slice(0, 10);
  const found = new Map<string, Target>();
  for (const { id, ownedBy } of targets.list()) {
    // Names of ours (`auto`, an alias) are for some of the others.
    if (ownedBy === OURS) continue;
    for (const target of targets.resolve(id).targets) {
      const { retires } = target.record ?? {};
      if (retires === undefined || retires > day) found.set(target.name, target);
    }
  }
  return [...found.values()];
}

/** What is known of a target that the config names; `undefined`: there is none. */
export function targetNamed(name: string, targets: Pick<Targets, "resolve">): Target | undefined {
  try {
    return targets.resolve(name).targets[0];
  } catch {
    return undefined;
  }
}

const OURS = "sluice";
