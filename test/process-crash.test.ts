import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttemptRow } from "../src/ledger-query.ts";
import { startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { call } from "./line-client.ts";
import { answers } from "./line-setup.ts";
import { SAID, wires } from "./line-wires.ts";
import { processFolder, type ProcessFolder, type ProcessGateway } from "./process-gateway.ts";
import { until } from "./running.ts";

const CALLS_AT_ONCE = 24;
/** Rows that are to be visible before the process is killed. */
const VISIBLE_MIN = 200;
const HELD = 5;

let folder: ProcessFolder;
const upstreams = new Map<string, FakeUpstream>();
beforeEach(async () => {
  folder = processFolder();
  // One for each kind: it speaks all the dialects of its kind.
  for (const wire of wires.filter((one, at) => wires.findIndex(({ kind }) => kind === one.kind) === at)) {
    const script: Script = (outgoing, arrived, number) => {
      // Those that are told to wait are still open when the process dies.
      if (!arrived.body.includes("wait for ever")) return answers(wire)(outgoing, arrived, number);
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      const spoken = wires.find((one) => one.kind === wire.kind && one.upstreamPath === arrived.path) ?? wire;
      outgoing.write(spoken.events(SAID).slice(0, 3).join(""));
      return undefined;
    };
    upstreams.set(wire.kind, await startFakeUpstream(script));
  }
  folder.configure(
    `providers:\n${[...upstreams]
      .map(([kind, { url }]) => `  ${kind}: { baseUrl: "${url}/v1", apiKeyEnv: IT_KEY }`)
      .join("\n")}`,
  );
});
afterEach(async () => {
  await folder.remove();
  for (const upstream of upstreams.values()) await upstream.close();
});

test(
  "kill -9 under load: every row that could be seen is there afterwards, and what was open is lost with its estimate",
  { timeout: 60_000 },
  async () => {
    const first = await folder.start({ IT_KEY: "sk-provider-0123456789", LOG_LEVEL: "warn" });
    const run = { isOver: false };
    const ignored = () => undefined;
    const load = Array.from({ length: CALLS_AT_ONCE }, async (_, index) => {
      for (let count = 0; !run.isOver; count += 1) await once(first, index + count, "go").catch(ignored);
    });
    const waiting = Array.from({ length: HELD }, (_, index) => once(first, index, "wait for ever").catch(ignored));

    let visible: readonly AttemptRow[] = [];
    await until(async () => {
      visible = await settled(first);
      const open = (await rowsOf(first, "outcome=open")).filter((row) => row.task === "held");
      return visible.length >= VISIBLE_MIN && open.length === HELD;
    }, 20_000);
    first.process.kill("SIGKILL");
    run.isOver = true;
    await Promise.all([...load, ...waiting, first.ended]);

    const second = await folder.start({ IT_KEY: "sk-provider-0123456789", LOG_LEVEL: "warn" });
    const after = new Map((await settled(second)).map((row) => [row.attempt, row]));
    for (const row of visible) expect(after.get(row.attempt)).toEqual(row);
    expect(await rowsOf(second, "outcome=open")).toEqual([]);
    const lost = await rowsOf(second, "outcome=lost&task=held");
    expect(lost).toHaveLength(HELD);
    for (const row of lost) {
      expect(row.cost_usd).toBeGreaterThan(0);
      expect(row).toMatchObject({ cost_usd: row.estimate_usd, cost_basis: "estimated" });
    }
    const { total } = (await get(second, "/sluice/v1/spend")) as { total: { outcomes: { open: number } } };
    expect(total.outcomes.open).toBe(0);
    const metrics = (await call(second.url, "/metrics", { method: "GET" })).text;
    expect(Number(/^sluice_ledger_lost_total\{kind="reservation"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(
      HELD,
    );
  },
);

/** A call of either dialect, streamed or not, to either provider. */
async function once(gateway: ProcessGateway, turn: number, text: string): Promise<void> {
  const client = wires[turn % wires.length];
  const upstream = wires[Math.floor(turn / 2) % wires.length];
  if (client === undefined || upstream === undefined) return;
  const isHeld = text !== "go";
  await call(gateway.url, client.path, {
    headers: { "x-sluice-task": isHeld ? "held" : "load" },
    body: client.request({ model: upstream.model, stream: isHeld || turn % 3 === 0, text }),
  });
}

/** Everything that has been settled, page by page. */
async function settled(gateway: ProcessGateway): Promise<readonly AttemptRow[]> {
  return (await rowsOf(gateway, "")).filter((row) => row.outcome !== "open");
}

async function rowsOf(gateway: ProcessGateway, filter: string): Promise<AttemptRow[]> {
  const rows: AttemptRow[] = [];
  let cursor = "";
  do {
    const page = (await get(gateway, `/sluice/v1/attempts?limit=1000&order=oldest&${filter}${cursor}`)) as {
      data: AttemptRow[];
      next_cursor: string | null;
    };
    rows.push(...page.data);
    cursor = page.next_cursor === null ? "" : `&cursor=${page.next_cursor}`;
  } while (cursor !== "");
  return rows;
}

async function get(gateway: ProcessGateway, path: string): Promise<unknown> {
  return JSON.parse((await call(gateway.url, path, { method: "GET" })).text) as unknown;
}
