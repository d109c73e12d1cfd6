/** Runs a hazard: every client with every target, streaming and not, and says what came of each. */
import { expect } from "vitest";
import type { ReceivedRequest } from "../../bench/sandbox/index.ts";
import type { AttemptRow } from "../../src/ledger-query.ts";
import { isSame, type Simulation, type SimulatedTarget, TARGETS } from "../sdk/simulated.ts";
import { arrived } from "./arrived.ts";
import type { Client } from "./clients.ts";
import { CLIENTS } from "./clients.ts";
import type { Hazard } from "./hazard.ts";
import { written } from "./talk.ts";

/** Each provider under its own name, and the kind that stands in for them all with two of their models. */
export const CELL_TARGETS: readonly SimulatedTarget[] = TARGETS.filter(
  ({ provider, kind }) => provider !== "sandbox" || kind === "openai" || kind === "anthropic",
);

export interface Cell {
  readonly hazard: Hazard;
  readonly client: Client;
  readonly target: SimulatedTarget;
  readonly stream: boolean;
  readonly body: string;
  /** Stands in the request of this cell alone. */
  readonly marker: string;
}

interface Ended {
  readonly cell: Cell;
  readonly status: number;
  readonly text: string;
  readonly exchange: string;
  readonly losses: readonly string[];
  /** What the provider was sent, where it was called and the marker stands in the request. */
  readonly sent: Uint8Array | undefined;
}

export interface Outcome {
  readonly client: string;
  /** The target, and how it was asked. */
  readonly target: string;
  readonly stream: boolean;
  /** One line: "answered", with what was lost, or the error's status, whose it is, and its words. */
  readonly said: string;
}

/** In flight at once. */
const AT_ONCE = 12;
/** No cell may take longer: what does hangs. */
const CELL_MS_MAX = 20_000;

/** What is not right, all of it; each with the cell it is about. */
export class Faults {
  readonly found: string[] = [];

  about({ client, target, stream }: Cell, judge: () => void): void {
    try {
      judge();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      this.found.push(`${client.name} → ${target.name}${stream ? " (stream)" : ""}: ${words.slice(0, 600)}`);
    }
  }
}

let cells = 0;

export async function runHazard(simulation: Simulation, hazard: Hazard, faults: Faults): Promise<readonly Outcome[]> {
  const before = await rowCount(simulation);
  const ended = await inBatches(cellsOf(hazard), (cell) => runCell(simulation, cell));
  const rows = await rowsByExchange(simulation, (await rowCount(simulation)) - before);
  return ended.map((end) => {
    const [row, ...more] = rows.get(end.exchange) ?? [];
    faults.about(end.cell, () => {
      expect(row, "the row of this call").toBeDefined();
      expect(more, "rows of this call besides its one").toEqual([]);
      expect(row).toMatchObject({ client_dialect: end.cell.client.name });
      // What a provider of the client's own dialect calls a failure of its own is passed on, and understood as what it is.
      if (end.status < 500) expect(row?.status).toBe(end.status);
      if (end.status === 200) expect(row?.outcome).toBe("complete");
      else expect(row?.outcome).toMatch(end.sent === undefined ? /^(?:rejected|failed)$/ : /^failed$/);
      judge(end);
    });
    return outcomeOf(end, row?.outcome === "rejected");
  });
}

export function cellsOf(hazard: Hazard): readonly Cell[] {
  return CLIENTS.flatMap((client) =>
    CELL_TARGETS.flatMap((target) =>
      [false, true].flatMap((stream) => {
        cells += 1;
        const marker = `cell-${String(cells).padStart(5, "0")}`;
        const said = hazard.say(client, marker);
        const model = hazard.isNarrow === true ? `${target.provider}/narrow-${target.kind}` : target.name;
        if (said === undefined) return [];
        if (hazard.isHeavy === true && (!stream || target.provider !== target.kind)) return [];
        const body = written({ model, ...said, ...client.streaming(stream) });
        return [{ hazard, client, target, stream, body, marker }];
      }),
    ),
  );
}

async function runCell({ gateway, sandbox }: Simulation, cell: Cell): Promise<Ended> {
  const response = await asked(gateway, cell, AbortSignal.timeout(CELL_MS_MAX));
  const text = await response.text();
  const sent = received(sandbox, cell)?.bodyBytes;
  return {
    cell,
    status: response.status,
    text,
    exchange: response.headers.get("x-sluice-exchange") ?? "",
    losses: (response.headers.get("x-sluice-losses") ?? "").split(/, */).filter((word) => word !== ""),
    sent,
  };
}

export function asked(gateway: Simulation["gateway"], { client, body }: Cell, signal: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json", "anthropic-version": "2023-06-01" };
  return fetch(`${gateway.url}${client.path}`, { method: "POST", headers, body, signal });
}

/** The newest request that the provider was sent for this cell. */
export function received(sandbox: Simulation["sandbox"], { marker }: Cell): ReceivedRequest | undefined {
  return sandbox.requests.findLast(({ bodyBytes }) => bodyBytes.includes(marker));
}

export async function inBatches<Result>(
  all: readonly Cell[],
  run: (cell: Cell) => Promise<Result>,
): Promise<readonly Result[]> {
  const ended: Result[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    ended.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(run))));
  }
  return ended;
}

function judge({ cell, status, text, losses, sent }: Ended): void {
  const { hazard, client, target, stream } = cell;
  const isNative = isSame(target, client.name);
  if (status === 200) {
    const answer = client.read(text, stream, isNative);
    if (sent === undefined && hazard.right !== undefined) throw new Error("what the provider was sent is not known");
    if (sent !== undefined) hazard.right?.({ client: client.name, isNative, answer, arrived: arrived(sent), losses });
    return;
  }
  expect(status).toBeGreaterThanOrEqual(400);
  if (!isNative || sent === undefined) expect(status).toBeLessThan(500);
  const { message, param = "" } = client.errorIn(text);
  expect(`${param} ${message}`).toMatch(hazard.names);
}

function outcomeOf({ cell, status, text, losses }: Ended, isOurs: boolean): Outcome {
  const { client, target, stream, marker } = cell;
  const said =
    status === 200
      ? ["answered", ...(losses.length === 0 ? [] : [`without ${losses.join(", ")}`])].join(" ")
      : `${status}, ${isOurs ? "ours" : "the provider's"}: ${errorWords(client, text)}`;
  return { client: client.name, target: target.name, stream, said: said.replaceAll(marker, "…") };
}

function errorWords(client: Client, text: string): string {
  try {
    const { message, param } = client.errorIn(text);
    return `${param === undefined ? "" : `[${param}] `}${message}`.replaceAll(/\s+/g, " ").slice(0, 220);
  } catch {
    return text.slice(0, 220);
  }
}

/** The newest rows, once nothing is in flight. */
export async function rowsByExchange(
  { gateway }: Simulation,
  count: number,
): Promise<ReadonlyMap<string, readonly AttemptRow[]>> {
  await gateway.allAttempts();
  const { data } = await gateway.sluice.ledger.attempts({ order: "newest", limit: count });
  return Map.groupBy(data, ({ exchange }) => exchange);
}

export async function rowCount({ gateway }: Simulation): Promise<number> {
  const { data } = await gateway.sluice.ledger.spend({ groupBy: [] });
  return data[0]?.attempts ?? 0;
}
