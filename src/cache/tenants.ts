/**
 * The statistics of each tenant, bounded. Where there are more tenants than room, who is used least these days is forgotten, so that those
 * who come all the time keep what they taught, however many others come by. As JSON they survive a restart.
 *
 * A tenant of whom nothing is known is taken for nobody in particular, never for what others are on average: they would learn of each
 * other from their bills, and one could spoil another's.
 */
import type { Account } from "./exploring.ts";
import { emptyHazards, forgetHazards, type Hazards, HazardRows, packHazards, unpackHazards } from "./hazard.ts";

export interface TenantSnapshot {
  readonly name: string;
  readonly meanTokens: number;
  readonly prompts: number;
  readonly uses: number;
  readonly lastMs: number;
  /** As `packHazards` has it. */
  readonly counts: string;
  /** Absent: kept before there were any. */
  readonly account?: Account;
}

interface Tenant {
  readonly name: string;
  readonly slot: number;
  readonly hazards: Hazards;
  /** Its prompts; those of a day ago count half. */
  uses: number;
  lastMs: number;
}

/** In what time a use comes to count half. */
const AGEING_MS = 86_400_000;
/** Rows for each tenant, on average: one takes 7 to 187, as its prompts are alike or not. */
const TENANT_ROWS = 16;
/** But so many in all, for the few. */
const ROWS_MIN = 1024;
/** What one more prompt may take. */
const PROMPT_ROWS = 8;
/** Of so many, the one that is used least is forgotten: whoever is among the least used of all goes soon enough. */
const LOOKED_AT = 16;
/** In a snapshot. */
const NAME_LENGTH_MAX = 1024;

const UNKNOWN: Hazards = emptyHazards(new HazardRows(0));

export class Tenants {
  readonly #max: number;
  readonly #rows: HazardRows;
  readonly #known = new Map<string, Tenant>();
  readonly #slots: (Tenant | undefined)[] = [];
  readonly #freed: number[] = [];
  #next = 0;

  constructor(max: number) {
    this.#max = max;
    this.#rows = new HazardRows(Math.max(ROWS_MIN, max * TENANT_ROWS));
  }

  get size(): number {
    return this.#known.size;
  }

  /** To read only: a tenant that is not known has the statistics of nobody. */
  look(name: string): Hazards {
    return this.#known.get(name)?.hazards ?? UNKNOWN;
  }

  /** To account with before anything is learned. @returns Nothing for one that is new where room for it is another's. */
  meet(name: string, nowMs: number): Hazards | undefined {
    const known = this.#known.get(name)?.hazards;
    if (known !== undefined || this.#known.size >= this.#max) return known;
    return this.#add(name, nowMs).hazards;
  }

  /** To learn in, from one more of its prompts. */
  of(name: string, nowMs: number): Hazards {
    const tenant = this.#known.get(name) ?? this.#add(name, nowMs);
    tenant.uses = usesAt(tenant, nowMs) + 1;
    tenant.lastMs = Math.max(tenant.lastMs, nowMs);
    while (this.#rows.free < PROMPT_ROWS && this.#forgetLeast(nowMs, tenant));
    return tenant.hazards;
  }

  /** Those who have taught nothing yet are not in it. */
  snapshot(): TenantSnapshot[] {
    const snapshot: TenantSnapshot[] = [];
    for (const { name, hazards, uses, lastMs } of this.#known.values()) {
      hazards.packed ??= packHazards(hazards);
      if (hazards.packed === "") continue;
      const { meanTokens, prompts, packed, account } = hazards;
      snapshot.push({ name, meanTokens, prompts, uses, lastMs, counts: packed, account: { ...account } });
    }
    return snapshot;
  }

  /** No more than there is room for; what cannot be is left out. */
  restore(snapshot: unknown): void {
    if (!Array.isArray(snapshot)) return;
    for (const kept of snapshot.slice(0, this.#max) as readonly unknown[]) {
      if (!isTenant(kept) || this.#known.has(kept.name) || this.#known.size === this.#max) continue;
      if (this.#rows.free < PROMPT_ROWS) return;
      const tenant = this.#add(kept.name, kept.lastMs);
      const { hazards } = tenant;
      const { meanTokens, prompts, uses, counts, account } = kept;
      unpackHazards(hazards, counts);
      // Of whom nothing can be read, the rest is not believed either.
      if (!hazards.row.some((row) => row !== 0)) continue;
      tenant.uses = uses;
      Object.assign(hazards, { meanTokens, prompts });
      if (account !== undefined) {
        const { spent, static: ofStatic, rest } = account;
        Object.assign(hazards.account, { spent, static: ofStatic, rest });
      }
    }
  }

  #add(name: string, nowMs: number): Tenant {
    if (this.#known.size >= this.#max) this.#forgetLeast(nowMs, undefined);
    const slot = this.#freed.pop() ?? this.#slots.length;
    const tenant: Tenant = { name, slot, hazards: emptyHazards(this.#rows), uses: 0, lastMs: nowMs };
    this.#slots[slot] = tenant;
    this.#known.set(name, tenant);
    return tenant;
  }

  /** @returns Whether there was one besides `kept`. */
  #forgetLeast(nowMs: number, kept: Tenant | undefined): boolean {
    let least: Tenant | undefined;
    let leastUses = Infinity;
    let looked = 0;
    for (let step = 0; step < this.#slots.length && looked < LOOKED_AT; step += 1) {
      const tenant = this.#slots[this.#next];
      this.#next = (this.#next + 1) % this.#slots.length;
      if (tenant === undefined || tenant === kept) continue;
      looked += 1;
      const uses = usesAt(tenant, nowMs);
      if (uses > leastUses || (uses === leastUses && tenant.lastMs >= (least?.lastMs ?? 0))) continue;
      least = tenant;
      leastUses = uses;
    }
    if (least === undefined) return false;
    forgetHazards(least.hazards);
    this.#known.delete(least.name);
    this.#slots[least.slot] = undefined;
    this.#freed.push(least.slot);
    return true;
  }
}

function usesAt({ uses, lastMs }: Tenant, nowMs: number): number {
  return nowMs <= lastMs ? uses : uses * 2 ** ((lastMs - nowMs) / AGEING_MS);
}

function isTenant(kept: unknown): kept is TenantSnapshot {
  if (typeof kept !== "object" || kept === null) return false;
  const { name, meanTokens, prompts, uses, lastMs, counts } = kept as Partial<Record<keyof TenantSnapshot, unknown>>;
  if (typeof name !== "string" || name.length > NAME_LENGTH_MAX || typeof counts !== "string") return false;
  const { account } = kept as { readonly account?: unknown };
  return [meanTokens, prompts, uses, lastMs].every(isAmount) && (account === undefined || isAccount(account));
}

function isAccount(kept: unknown): kept is Account {
  if (typeof kept !== "object" || kept === null) return false;
  const { spent, static: ofStatic, rest } = kept as Partial<Record<keyof Account, unknown>>;
  return isAmount(spent) && [ofStatic, rest].every((owed) => typeof owed === "number" && isAmount(Math.abs(owed)));
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
