import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttemptRow } from "../src/ledger-query.ts";
import type { Script } from "./fake-upstream.ts";
import { open } from "./line-client.ts";
import { answers, startLine, type Line } from "./line-setup.ts";
import { lanes, SAID, SAID_PICO_USD, wires, type Lane, type Wire } from "./line-wires.ts";
import { until } from "./running.ts";

let line: Line;
beforeAll(async () => {
  line = await startLine({
    yaml: [
      "deadlines: { firstByteMs: 400, answerMs: 400, idleMs: 400 }",
      "retries: { attemptsMax: 2, waitMaxMs: 1500, backoffMs: 1 }",
      "breaker: { failures: 1000000 }",
    ].join("\n"),
  });
  for (const wire of wires) line.upstream(wire.kind).answer(asTold(wire));
});
afterAll(() => line.close());

/** How a call goes wrong, or does not. `leave`: the client goes after so many characters of its answer, or at once. */
type Ending = "complete" | "refused" | "reset" | "cut" | "error-event" | "silent" | "stall" | "garbage" | "leave";
const ENDINGS: readonly Ending[] = [
  "complete",
  "refused",
  "reset",
  "cut",
  "error-event",
  "silent",
  "stall",
  "garbage",
  "leave",
];

interface Plan {
  readonly lane: Lane;
  readonly stream: boolean;
  readonly ending: Ending;
  /** After how many events it ends so, and how many turns of the loop it takes until it begins. */
  readonly after: number;
  readonly delay: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  lane: fc.constantFrom(...lanes),
  stream: fc.boolean(),
  ending: fc.constantFrom(...ENDINGS),
  after: fc.nat({ max: 6 }),
  delay: fc.nat({ max: 20 }),
});

test(
  "however calls end, and in whatever order: a row for each request that was sent, and every sum the same",
  { timeout: 90_000 },
  async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 12 }), async (plans) => {
        round += 1;
        const tag = `r${round}`;
        const sentBefore = line.sent;
        const before = await sums();
        const seen = await Promise.all(plans.map((one, index) => played(one, `${tag}-${index}`)));
        const rows = (await line.gateway.allAttempts()).filter((row) => row.task.startsWith(`${tag}-`));
        await until(() => wires.every((wire) => line.upstream(wire.kind).open === 0), 3_000);

        expect(new Set(rows.map((row) => row.attempt)).size).toBe(rows.length);
        expect(rows.filter((row) => row.outcome === "open")).toEqual([]);
        // Of a request that was cut while it was on its way nobody knows whether it arrived: it has a row all the same.
        const sentRows = rows.filter((row) => row.cost_basis !== "not-billed" || row.outcome === "failed");
        const leavers = plans.filter((one) => one.ending === "leave").length;
        expect(sentRows.length).toBeGreaterThanOrEqual(line.sent - sentBefore);
        expect(sentRows.length).toBeLessThanOrEqual(line.sent - sentBefore + leavers);
        const after = await sums();
        expect(after.costPicoUsd - before.costPicoUsd).toBe(
          rows.reduce((sum, row) => sum + BigInt(row.cost_pico_usd ?? "0"), 0n),
        );
        expect(after.output - before.output).toBe(rows.reduce((sum, row) => sum + (row.usage.output ?? 0), 0));
        for (const [index, one] of plans.entries()) {
          agrees(
            one,
            seen[index],
            rows.filter((row) => row.task === `${tag}-${index}`),
          );
        }
      }),
      { numRuns: 25 },
    );
  },
);

interface Seen {
  readonly status: number;
  readonly isWhole: boolean;
  readonly costUsd: string | undefined;
}

async function played(one: Plan, task: string): Promise<Seen | undefined> {
  const { lane, stream, ending, after, delay } = one;
  for (let turn = 0; turn < delay; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  const text = `ending=${ending} after=${after}`;
  const opened = open(line.url, lane.client.path, {
    headers: { "x-sluice-task": task },
    body: lane.client.request({ model: lane.upstream.model, stream, text }),
  });
  if (ending === "leave") {
    // Wherever the call happens to be by then.
    for (let turn = 0; turn < after * 5; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
    opened.leave();
    return undefined;
  }
  const answer = await opened.answer;
  const cost = answer.headers["x-sluice-cost-usd"];
  return {
    status: answer.status,
    isWhole:
      answer.status === 200 &&
      !answer.isBroken &&
      (stream ? lane.client.textOfStream(answer.text) : lane.client.textOfWhole(answer.text)) === SAID.texts.join(""),
    costUsd: typeof cost === "string" ? cost : undefined,
  };
}

/** What the client saw is what its rows say. */
function agrees(one: Plan, seen: Seen | undefined, rows: readonly AttemptRow[]): void {
  const last = rows.at(-1);
  // Who leaves before the connection stands was never here.
  expect(rows.length).toBeGreaterThanOrEqual(seen === undefined ? 0 : 1);
  expect(rows.length).toBeLessThanOrEqual(2);
  for (const row of rows.slice(0, -1)) expect(row.outcome).toBe("failed");
  for (const row of rows) if (row.cost_basis === "estimated") expect(row.cost_usd).toBeGreaterThan(0);
  if (seen === undefined) return;
  expect(last?.outcome, JSON.stringify(one)).toBe(seen.isWhole ? "complete" : "failed");
  if (!seen.isWhole) return;
  expect(last).toMatchObject({ cost_pico_usd: String(SAID_PICO_USD), usage: { output: SAID.output } });
  if (!one.stream) expect(Number(seen.costUsd)).toBe(last?.cost_usd);
}

/** What /metrics says was spent and generated so far. */
async function sums(): Promise<{ readonly costPicoUsd: bigint; readonly output: number }> {
  const text = await line.gateway.sluice.metrics.render();
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => Number(match[1]));
  const usd = all(/^sluice_cost_usd_total\{[^}]*\} (\S+)$/gm).reduce((sum, value) => sum + value, 0);
  const output = all(/^sluice_tokens_total\{[^}]*bucket="output"[^}]*\} (\S+)$/gm).reduce(
    (sum, value) => sum + value,
    0,
  );
  return { costPicoUsd: BigInt(Math.round(usd * 1e12)), output };
}

/** The provider does what the prompt tells it to. */
function asTold(wire: Wire): Script {
  return async (outgoing, arrived, number) => {
    const [, ending, after] = /ending=(\S+) after=(\d+)/.exec(arrived.body.toString()) ?? [];
    const isStream = (JSON.parse(arrived.body.toString()) as { stream?: boolean }).stream === true;
    const begin = () => {
      outgoing.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
      // Some of it, never all: an answer that has said its finish is complete.
      const some = Math.min(Number(after), 1 + SAID.texts.length);
      const part = isStream
        ? wire.events(SAID).slice(0, some).join("")
        : JSON.stringify(wire.whole(SAID)).slice(0, some * 4);
      if (part !== "") outgoing.write(part);
      return new Promise((resolve) => void setImmediate(resolve));
    };
    switch (ending as Ending) {
      case "complete":
      case "leave":
        return answers(wire)(outgoing, arrived, number);
      case "refused":
        outgoing.writeHead(500, { "content-type": "application/json" });
        outgoing.end(JSON.stringify(wire.error(500, "broken")));
        return undefined;
      case "reset":
        await begin();
        outgoing.socket?.resetAndDestroy();
        return undefined;
      case "cut":
        await begin();
        outgoing.end();
        return undefined;
      case "error-event":
        await begin();
        outgoing.end(wire.errorEvent(529, "Overloaded"));
        return undefined;
      case "garbage":
        await begin();
        outgoing.end("\n\ndata: <html>\n\n");
        return undefined;
      case "stall":
        await begin();
        return undefined;
      case "silent":
        return undefined;
    }
  };
}
