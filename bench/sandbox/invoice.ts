/**
 * What the simulated providers charge: one line for each answer that began, by arithmetic of its own, so that a ledger can be held
 * against it. The prices are those of the table; how they are applied is written down here a second time on purpose.
 */
import modelsJson from "../../src/models.json" with { type: "json" };

/** Billed tokens in disjoint parts; `output` includes `reasoning`. */
export interface BilledTokens {
  readonly uncached: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheWriteOther: number;
  readonly output: number;
  readonly reasoning: number;
}

/** `complete`: to its last event. `client-left`: the client went away. `broken`: a fault ended it. */
export type Ending = "complete" | "client-left" | "broken";

export interface InvoiceLine {
  readonly requestId: string;
  readonly provider: string;
  /** The record's id, whatever alias was asked for. */
  readonly model: string;
  readonly account: string;
  readonly atMs: number;
  readonly stream: boolean;
  readonly tokens: BilledTokens;
  /** Integer picodollars (1e-12 $); `undefined` where nobody publishes a price. */
  readonly costPicoUsd: bigint | undefined;
  readonly ending: Ending;
}

export interface InvoiceTotal {
  readonly provider: string;
  readonly model: string;
  readonly requests: number;
  readonly tokens: BilledTokens;
  readonly costPicoUsd: bigint | undefined;
}

/** Lines that are kept one by one; the totals go on. */
const LINES_MAX = 10_000;

export class Invoice {
  #lines: InvoiceLine[] = [];
  readonly #totals = new Map<string, InvoiceTotal>();

  /** The newest lines, oldest first. */
  get lines(): readonly InvoiceLine[] {
    return this.#lines;
  }

  /** By provider and model, since the start. */
  get totals(): readonly InvoiceTotal[] {
    return [...this.#totals.values()];
  }

  /** Everything that has a price, in picodollars. */
  get costPicoUsd(): bigint {
    return this.totals.reduce((sum, total) => sum + (total.costPicoUsd ?? 0n), 0n);
  }

  add(charged: Omit<InvoiceLine, "costPicoUsd">): InvoiceLine {
    const line = { ...charged, costPicoUsd: costOf(charged.model, charged.tokens, charged.atMs) };
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX / 2);
    const key = `${line.provider}/${line.model}`;
    const before = this.#totals.get(key);
    this.#totals.set(key, {
      provider: line.provider,
      model: line.model,
      requests: (before?.requests ?? 0) + 1,
      tokens: before === undefined ? line.tokens : added(before.tokens, line.tokens),
      costPicoUsd: line.costPicoUsd === undefined ? undefined : (before?.costPicoUsd ?? 0n) + line.costPicoUsd,
    });
    return line;
  }

  clear(): void {
    this.#lines = [];
    this.#totals.clear();
  }
}

function added(a: BilledTokens, b: BilledTokens): BilledTokens {
  return {
    uncached: a.uncached + b.uncached,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
    cacheWriteOther: a.cacheWriteOther + b.cacheWriteOther,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
  };
}

/** US dollars per million tokens, as the table has them. */
interface ListPrice {
  readonly input: number;
  readonly cacheRead?: number;
  readonly cacheWrite5m?: number;
  readonly cacheWrite1h?: number;
  readonly cacheWrite?: number;
  readonly output: number;
}
interface DatedListPrice extends ListPrice {
  readonly from?: string;
  readonly over?: readonly (ListPrice & { readonly promptTokens: number })[];
}

const PRICES: ReadonlyMap<string, readonly DatedListPrice[]> = new Map(
  (modelsJson.models as readonly { readonly id: string; readonly prices: readonly DatedListPrice[] }[]).map((model) => [
    model.id,
    model.prices,
  ]),
);

function costOf(model: string, tokens: BilledTokens, atMs: number): bigint | undefined {
  const day = new Date(atMs).toISOString().slice(0, 10);
  const held = (PRICES.get(model) ?? [])
    .filter((price) => (price.from ?? "") <= day)
    .toSorted((a, b) => ((a.from ?? "") < (b.from ?? "") ? -1 : 1))
    .at(-1);
  if (held === undefined) return undefined;
  const prompt =
    tokens.uncached + tokens.cacheRead + tokens.cacheWrite5m + tokens.cacheWrite1h + tokens.cacheWriteOther;
  // A prompt beyond the mark costs more from its first token on; of several marks the highest it passes.
  const steep = (held.over ?? [])
    .filter((tier) => prompt > tier.promptTokens)
    .toSorted((a, b) => a.promptTokens - b.promptTokens)
    .at(-1);
  const price: ListPrice = steep ?? held;
  const parts: readonly (readonly [number, number | undefined])[] = [
    [tokens.uncached, price.input],
    [tokens.cacheRead, price.cacheRead],
    [tokens.cacheWrite5m, price.cacheWrite5m],
    [tokens.cacheWrite1h, price.cacheWrite1h],
    [tokens.cacheWriteOther, price.cacheWrite],
    [tokens.output, price.output],
  ];
  let cost = 0n;
  for (const [count, usdPerMillion] of parts) {
    if (count === 0) continue;
    if (usdPerMillion === undefined) return undefined;
    // A dollar a million is a microdollar each, and a microdollar is a million picodollars.
    cost += BigInt(count) * BigInt(Math.round(usdPerMillion * 1_000_000));
  }
  return cost;
}
