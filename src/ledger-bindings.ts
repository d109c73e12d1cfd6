/**
 * The hard bindings' table: who issued a seal or a call's id, and who keeps an answer. A restart forgets none that was committed.
 *
 * Only hashes are stored, never an id or a signature, beside names that the ledger holds anyway. A row is about 150 bytes with its
 * indices; each kind is bounded as in memory (`ISSUED_MAX`), the oldest of whoever has most going first, so that all of them are at most about 21 MB. Reading
 * them all back takes 0.2 s of the start, beside the providers being asked what they serve, and no step of it more than 3 ms.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Cell, Operation } from "./ledger-schema.ts";

/** `seal`: of reasoning. `kept`: an answer, an item of it, a conversation. `hosted`: a file, a container. `call`: of a tool. */
export type IssuedKind = "seal" | "kept" | "hosted" | "call";

/** Something that is known to be from a target. */
export interface Issued {
  readonly kind: IssuedKind;
  /** The hash of what it is known by. */
  readonly key: string;
  /** The provider instance's name. */
  readonly instance: string;
  readonly model: string;
  /** The tenant whose call brought it, or "". */
  readonly caller: string;
}

/** How many of each are remembered, here and in memory (there, about 210 bytes each). */
export const ISSUED_MAX: Readonly<Record<IssuedKind, number>> = {
  seal: 50_000,
  kept: 50_000,
  hosted: 20_000,
  call: 20_000,
};

/** The table, as the second migration makes it. */
export const BINDINGS_TABLE = `CREATE TABLE bindings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    instance TEXT NOT NULL,
    model TEXT NOT NULL,
    caller TEXT NOT NULL,
    learned_at_ms INTEGER NOT NULL,
    UNIQUE (kind, key)
  ) STRICT;
  CREATE INDEX bindings_kind ON bindings (kind, id);
  CREATE INDEX bindings_learned ON bindings (learned_at_ms);`;

/** May be repeated without changing anything. What is learned anew keeps its place, as it does in memory. */
export const BIND_OPERATION: Operation = {
  sql: `INSERT INTO bindings (kind, key, instance, model, caller, learned_at_ms) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, key) DO UPDATE SET instance = excluded.instance, model = excluded.model, caller = excluded.caller,
      learned_at_ms = excluded.learned_at_ms`,
  cells: 6,
};

/** Names longer than this are nobody's. */
const NAME_CHARACTERS_MAX = 1_000;

/** @param operation The number of `BIND_OPERATION` in a batch. */
export function appendIssued(cells: Cell[], operation: number, issued: Issued, nowMs: number): void {
  const { kind, key, instance, model, caller } = issued;
  const [where, what, who] = [instance, model, caller].map((name) => name.slice(0, NAME_CHARACTERS_MAX));
  cells.push(operation, kind, key, where ?? "", what ?? "", who ?? "", Math.round(nowMs));
}

/** Rows that one message brings: a few milliseconds of the main thread's. */
export const RECALL_ROWS = 2_000;

/** Some of the table's rows. Each says where its key is from by an index: what few have in common crosses to the thread once. */
export interface IssuedPage {
  readonly origins: readonly Omit<Issued, "key">[];
  readonly keys: readonly string[];
  /** For each key the index of its origin. */
  readonly originOf: readonly number[];
  /** Where the next page begins; `undefined`: this is the last. */
  readonly next: number | undefined;
}

/** The table's rows, oldest first. */
export function readIssued(database: DatabaseSync, after: number): IssuedPage {
  const rows = database
    .prepare("SELECT id, key, kind, instance, model, caller FROM bindings WHERE id > ? ORDER BY id LIMIT ?")
    .all(after, RECALL_ROWS);
  const origins: Omit<Issued, "key">[] = [];
  const known = new Map<string, number>();
  const keys: string[] = [];
  const originOf: number[] = [];
  for (const row of rows) {
    const [kind = "", instance = "", model = "", caller = ""] = ORIGIN_COLUMNS.map((column) => String(row[column]));
    const name = [kind, instance, model, caller].join("\u0000");
    let index = known.get(name);
    if (index === undefined) {
      index = origins.push({ kind: kind as IssuedKind, instance, model, caller }) - 1;
      known.set(name, index);
    }
    keys.push(String(row["key"]));
    originOf.push(index);
  }
  return { origins, keys, originOf, next: rows.length < RECALL_ROWS ? undefined : Number(rows.at(-1)?.["id"]) };
}

const ORIGIN_COLUMNS = ["kind", "instance", "model", "caller"] as const;

export function issuedIn({ origins, keys, originOf }: IssuedPage): readonly Issued[] {
  return keys.flatMap((key, at) => {
    const origin = origins[originOf[at] ?? -1];
    return origin === undefined ? [] : [{ ...origin, key }];
  });
}

/** New ones after which the oldest are looked for: until then the table may be larger by so many. */
const TRIM_AFTER = 1_000;
/** Rows of one deletion by age. */
const PRUNE_ROWS = 500;

/** Keeps the table within its bounds. */
export class BindingBounds {
  readonly #shares: StatementSync;
  readonly #trim: StatementSync;
  readonly #prune: StatementSync;
  #written = 0;

  constructor(database: DatabaseSync) {
    this.#shares = database.prepare("SELECT caller, count(*) AS rows FROM bindings WHERE kind = ? GROUP BY caller");
    this.#trim = database.prepare(`DELETE FROM bindings WHERE id IN
      (SELECT id FROM bindings WHERE kind = ? AND caller = ? ORDER BY id LIMIT ?)`);
    this.#prune = database.prepare(`DELETE FROM bindings WHERE id IN
      (SELECT id FROM bindings WHERE learned_at_ms < ? ORDER BY learned_at_ms LIMIT ${PRUNE_ROWS})`);
  }

  wrote(): void {
    this.#written += 1;
  }

  /** @param always Whether or not enough has been written since. */
  trim(always = false): void {
    if (!always && this.#written < TRIM_AFTER) return;
    this.#written = 0;
    for (const [kind, most] of Object.entries(ISSUED_MAX)) {
      const shares = this.#shares
        .all(kind)
        .map((row) => ({ caller: String(row["caller"]), rows: Number(row["rows"]) }));
      const share = fairShare(
        shares.map(({ rows }) => rows),
        most,
      );
      for (const { caller, rows } of shares) if (rows > share) this.#trim.run(kind, caller, rows - share);
    }
  }

  /** @returns whether there may be more to delete. */
  prune(beforeMs: number): boolean {
    return this.#prune.run(beforeMs).changes === PRUNE_ROWS;
  }
}

/** How many each may have at most, so that all together have no more than `most`, and who has less than that keeps all. */
function fairShare(rows: readonly number[], most: number): number {
  let left = most;
  const rising = rows.toSorted((one, other) => one - other);
  for (const [at, count] of rising.entries()) {
    const share = Math.floor(left / (rising.length - at));
    if (count > share) return share;
    left -= count;
  }
  return most;
}
