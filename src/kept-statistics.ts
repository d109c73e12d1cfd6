/**
 * What was learned of prompts and their caches, kept over a restart: statistics and sums, not the mirror of the providers' caches, which
 * refills from bills.
 */
import type { Log } from "./log.ts";

/** Where a state is kept by its name. */
export interface StateStore {
  keep(name: string, value: string): void;
  kept(name: string): Promise<string | undefined>;
}

export interface Learned {
  /** As JSON. */
  snapshot(): unknown;
  /** @throws Error where it cannot be read: it begins anew then. */
  restore(snapshot: unknown): void;
  /** Another number once something was learned, so that what has not changed need not be written as text to be compared. Absent: not known. */
  revision?(): number;
}

/** What a crash may lose of it. */
const EVERY_MS = 60_000;

/**
 * @param learned By the name that it is kept by. What is broken of one costs the others nothing.
 * @returns what keeps it once more and ends. Rejects never: what cannot be read begins anew, and a warning says so.
 */
export async function keepStatistics(
  learned: Readonly<Record<string, Learned>>,
  store: StateStore,
  log: Pick<Log, "warn">,
): Promise<{ close(): void }> {
  const all = Object.entries(learned);
  for (const [name, one] of all) {
    try {
      const kept = await store.kept(name);
      if (kept !== undefined) one.restore(JSON.parse(kept));
    } catch (error) {
      log.warn("cache-statistics-lost", { name, reason: reasonOf(error) });
    }
  }
  const last = new Map<string, string>();
  const revisions = new Map<string, number>();
  const keep = () => {
    for (const [name, one] of all) {
      const revision = one.revision?.();
      if (revision !== undefined && revision === revisions.get(name)) continue;
      if (revision !== undefined) revisions.set(name, revision);
      const text = JSON.stringify(one.snapshot());
      if (text !== last.get(name)) store.keep(name, text);
      last.set(name, text);
    }
  };
  const timer = setInterval(keep, EVERY_MS).unref();
  return {
    close() {
      clearInterval(timer);
      keep();
    },
  };
}

/** Of what is no JSON the message quotes some. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return "what was kept is not JSON";
  return error instanceof Error ? error.message : String(error);
}
