/** How it was measured: enough to doubt it, and to do it again. */
import { element, escaped } from "../../plot/markup.ts";
import type { Report, ReportTarget } from "../report.ts";
import { said, section, tableOf, type Table } from "./blocks.ts";
import { counted, dated, dollars, exactDollars, percent, seconds, shortened } from "./figures.ts";
import type { View } from "./view.ts";

export function methodSection({ report, targets }: View): string {
  const facts = factsOf(report).map(([name, value]) => element("dt", {}, escaped(name)) + element("dd", {}, value));
  return section(
    "method",
    "How it was measured",
    element("dl", {}, ...facts),
    tableOf(targetsTable(targets)),
    tableOf(suitesTable(report)),
  );
}

/** Values are markup. */
function factsOf({ run, settings, is_sandbox, spend, judge }: Report): readonly (readonly [string, string])[] {
  const { machine } = run;
  const where = is_sandbox
    ? "on the sandbox: nothing in it was measured of a model"
    : "through the gateway, by the providers’ own clients";
  const cache = {
    "as-it-comes": "prompts as they are",
    cold: "cold: no task finds another’s prefix",
    warm: "warm: each class was sent once before, unmeasured",
  };
  const extra = [
    [spend.judge_pico_usd, "for the judge"],
    [spend.warm_up_pico_usd, "to warm caches"],
    [spend.interrupted_pico_usd, "for runs that were cut off"],
  ] as const;
  const parts = extra.flatMap(([pico, what]) => (/^0+$/.test(pico) ? [] : [`${exactDollars(pico)} ${what}`]));
  const sessions = run.sessions > 1 ? `, in ${run.sessions} sessions` : "";
  return [
    ["Command", element("code", {}, said(run.command, 1000))],
    ["When", escaped(`${dated(run.started_at)}, in ${seconds(run.duration_s)}${sessions}`)],
    ["Where", escaped(where)],
    [
      "Machine",
      said(
        `${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, ${machine.platform}, Node ${machine.node}`,
      ),
    ],
    ["Sluice", run.commit === null ? "not from a checkout" : element("code", {}, said(run.commit, 80))],
    ["Gateway", run.gateway_url === null ? "its own, in the same process" : element("code", {}, said(run.gateway_url))],
    [
      "Runs",
      escaped(
        `${settings.repeats} of each task, ${settings.concurrency} at a time, ${settings.timeout_s} s at most, seed ${settings.seed}`,
      ),
    ],
    ["Caches", escaped(cache[settings.cache])],
    [
      "Intervals",
      escaped(`at ${percent(settings.confidence, 0)}, by ${counted(settings.resamples)} resamples of tasks`),
    ],
    [
      "Judge",
      judge === null
        ? said(settings.judge ?? "none")
        : said(
            `${judge.model}: ${counted(judge.calls)} calls, ${counted(judge.failures)} failed, ${exactDollars(judge.cost_pico_usd)}`,
          ),
    ],
    [
      "Spent",
      escaped(
        `${exactDollars(spend.total_pico_usd)}${parts.length === 0 ? "" : `, of which ${parts.join(", ")}`}${settings.max_usd === null ? "" : `; at most ${dollars(settings.max_usd)}`}`,
      ),
    ],
  ];
}

function targetsTable(targets: readonly ReportTarget[]): Table {
  return {
    name: "The targets’ models, clients and prices",
    columns: ["Target", { text: "Model", kind: "words" }, "Client", { text: "Price", kind: "words" }],
    wordColumns: [1, 2, 3],
    rows: targets.map((target) => [
      target.name,
      { text: target.model, note: target.is_simulated ? "simulated" : "", kind: "words" },
      target.client,
      { ...priceOf(target), kind: "words" },
    ]),
  };
}

function priceOf({ price_basis: basis, usd_per_million: prices, hardware }: ReportTarget): {
  text: string;
  note: string;
} {
  const list = Object.entries(prices ?? {})
    .slice(0, 8)
    .map(([bucket, usd]) => `${bucket.slice(0, 30).replaceAll("_", " ")} $${Number(usd.toPrecision(6))}`)
    .join(", ");
  const perMillion = list === "" ? "" : `a million tokens: ${list}`;
  switch (basis) {
    case "none":
      return { text: "no price", note: "" };
    case "tokens":
      return { text: "by the token", note: perMillion };
    case "gpu-hours": {
      if (hardware === null) return { text: "by the hour", note: perMillion };
      const rates = `${shortened(hardware.prefill_tokens_per_second)} in and ${shortened(hardware.decode_tokens_per_second)} out a second`;
      return {
        text: `${dollars(hardware.usd_per_hour)} an hour, ${hardware.source}`,
        note: `${rates}, ${percent(hardware.utilization, 0)} busy; ${perMillion}`,
      };
    }
  }
}

function suitesTable({ settings }: Report): Table {
  return {
    name: "The suites",
    columns: ["Suite", { text: "From", kind: "words" }, "Tasks", "SHA-256"],
    wordColumns: [1, 3],
    rows: settings.suites
      .slice(0, 60)
      .map(({ name, source, tasks, sha256 }) => [
        name,
        { text: source, kind: "words" },
        counted(tasks),
        sha256 === null ? "" : sha256.slice(0, 12),
      ]),
  };
}
