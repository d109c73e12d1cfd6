/** A report of which every word that anybody may choose is an attack on the page that shows it. */
import type { Report } from "../bench/compare/report.ts";
import { madeReport } from "./made-report.ts";

export const HOSTILE =
  `</title></style></svg></pre><script>globalThis.attacked=1</script><img src=x onerror="globalThis.attacked=1">` +
  `'"\`<a href="javascript:1">&lt;\u0000\u202E https://example.invalid/x`;

/** Of them the page depends on the words, or the schema does. */
const KEPT: ReadonlySet<string> = new Set([
  "kind",
  "state",
  "why",
  "price_basis",
  "source",
  "cache",
  "started_at",
  "finished_at",
]);

export function hostileReport(): Report {
  const report = madeReport({ tasks: 20 });
  return changed({ ...report, state: "partial", stopped: { why: "failed", sentence: "x" } }, "") as Report;
}

/** Names that must go together stay different, and the same everywhere. */
function changed(value: unknown, key: string): unknown {
  if (typeof value === "string") return KEPT.has(key) || /^\d+$/.test(value) ? value : `${value} ${HOSTILE}`;
  if (Array.isArray(value)) return value.map((one) => changed(one, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      key === "usd_per_day" || key === "usd_per_million" ? `${name} ${HOSTILE}` : name,
      // A problem has a kind of ours, a failure a kind that a later version may add.
      name === "kind" && "runs" in value ? `${String(one)} ${HOSTILE}` : changed(one, name),
    ]),
  );
}
