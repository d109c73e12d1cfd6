/** What the planner has learned, kept over a restart: its statistics, not the mirror of the providers' caches, which refills from bills. */
import type { Log } from "./log.ts";
import type { Planner } from "./cache/plan.ts";

/** Where a state is kept by its name. */
export interface StateStore {
  keep(name: string, value: string): void;
  kept(name: string): Promise<string | undefined>;
}

const NAME = "cache-planner";
/** What a crash may lose of it. */
const EVERY_MS = 60_000;

/** @returns what keeps it once more and ends. Rejects never: without what was kept it begins anew. */
export async function keepPlanner(
  planner: Planner,
  store: StateStore,
  log: Pick<Log, "warn">,
): Promise<{ close(): void }> {
  try {
    const kept = await store.kept(NAME);
    if (kept !== undefined) planner.restore(JSON.parse(kept));
  } catch (error) {
    log.warn("cache-statistics-lost", { reason: error instanceof Error ? error.message : String(error) });
  }
  let last = "";
  const keep = () => {
    const text = JSON.stringify(planner.snapshot());
    if (text !== last) store.keep(NAME, text);
    last = text;
  };
  const timer = setInterval(keep, EVERY_MS).unref();
  return {
    close() {
      clearInterval(timer);
      keep();
    },
  };
}
