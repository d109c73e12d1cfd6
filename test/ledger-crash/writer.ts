/**
 * Writes to a ledger as fast as it takes it, until it is killed. After each flush it prints the ids whose rows are committed.
 * Of every ten attempts one is never settled. Each that is complete leaves a binding in the same batch.
 */
import { writeSync } from "node:fs";
import { openLedger } from "../../src/ledger.ts";
import { entry, rejected, reservation } from "../ledger-entry.ts";

const [path, run] = process.argv.slice(2);
if (path === undefined || run === undefined) throw new Error("usage: writer.ts <file> <name of this run>");

const quiet = () => undefined;
const ledger = await openLedger({ path, sinks: [], now: Date.now, log: { info: quiet, warn: quiet, error: quiet } });
for (let round = 0; ; round += 1) {
  const ids: string[] = [];
  for (let n = 0; n < 50; n += 1) {
    const exchange = `${run}-${round}-${n}`;
    if (n % 10 === 9) {
      ledger.settle(rejected(exchange));
      ids.push(`rejected ${exchange}.0`);
      continue;
    }
    ledger.reserve(reservation(exchange));
    if (n % 10 === 0) {
      ids.push(`lost ${exchange}.1`);
      continue;
    }
    ledger.settle(entry(exchange));
    ledger.remember({ kind: "kept", key: exchange, instance: "openai", model: "m", caller: "" });
    ids.push(`complete ${exchange}.1`);
  }
  await ledger.flush();
  // Synchronously: what stands in a buffer of a killed process was never said.
  writeSync(1, `${ids.join("\n")}\n`);
}
