import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openLedger } from "../src/ledger.ts";

const WRITER = new URL("./ledger-crash/writer.ts", import.meta.url).pathname;
/** Ids seen before the kill, so that each round dies at another place of its work. */
const KILL_AFTER = [1, 500, 2_345];

test(
  "kill -9 under load loses no committed row, and what it left open is lost and nothing else",
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-crash-"));
    const path = join(folder, "ledger.sqlite");
    try {
      const said: string[] = [];
      for (const [round, killAfter] of KILL_AFTER.entries())
        said.push(...(await writtenUntilKilled(path, `run${round}`, killAfter)));
      expect(said.length).toBeGreaterThan(2_845);

      const quiet = () => undefined;
      const ledger = await openLedger({
        path,
        sinks: [],
        now: Date.now,
        log: { info: quiet, warn: quiet, error: quiet },
      });
      const { total } = await ledger.spend({});
      const bound = new Set<string>();
      await ledger.recall((issued) => issued.forEach(({ key }) => bound.add(key)));
      await ledger.close();
      expect(total.outcomes.open).toBe(0);
      expect(total.attempts).toBeGreaterThanOrEqual(said.length);

      const database = new DatabaseSync(path, { readOnly: true });
      expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      const outcomeOf = new Map(
        database
          .prepare("SELECT attempt, outcome, cost_pico_usd AS cost FROM attempts")
          .all()
          .map((row) => [String(row["attempt"]), row]),
      );
      database.close();
      const costs: Readonly<Record<string, number>> = { complete: 1_234_567, lost: 2_000_000, rejected: 0 };
      const wrong = said.filter((line) => {
        const [outcome = "", attempt = ""] = line.split(" ");
        const row = outcomeOf.get(attempt);
        return row?.["outcome"] !== outcome || row["cost"] !== costs[outcome];
      });
      expect(wrong).toEqual([]);
      const unbound = said.filter((line) => {
        const [outcome, attempt = ""] = line.split(" ");
        return outcome === "complete" && !bound.has(attempt.replace(/\.1$/, ""));
      });
      expect(unbound).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** @returns the lines that the child said in whole before it died. */
async function writtenUntilKilled(path: string, run: string, killAfter: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, path, run], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    text += chunk;
    if (!child.killed && text.split("\n").length > killAfter) child.kill("SIGKILL");
  });
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
  return text.split("\n").slice(0, -1);
}
