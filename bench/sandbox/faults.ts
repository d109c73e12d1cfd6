/**
 * What goes wrong on demand, and how bytes are cut on their way. Asked for by a program (`sandbox.faults.next`), by `x-sandbox-fault`, or
 * by a marker in the last user text.
 */
import { BoundedMap } from "./cache/cache.ts";
import { type Directives, millisecondsOf, numberOf } from "./directives.ts";

export const FAULT_NAMES = [
  "400",
  "401",
  "403",
  "404",
  "413",
  "429",
  "429-quota",
  "500",
  "500-empty",
  "502",
  "502-html",
  "503",
  "504",
  "529",
  "reset",
  "hang",
  "slow-headers",
  "slow-first-byte",
  "stall",
  "cut",
  "cut-clean",
  "error-event",
  "error-first",
  "broken-event",
  "garbage",
  "html",
  "empty",
  "truncated",
] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

export interface Fault {
  readonly name: FaultName;
  /** Seconds for `retry-after`; absent: no such header. */
  readonly retryAfter?: number;
  /** How often it happens; absent: always (in `next`: once). */
  readonly times?: number;
  /** For faults inside a stream: after so many events, or so many bytes. Default: after 3 events. */
  readonly afterEvents?: number;
  readonly afterBytes?: number;
  /** Length of what is slow or stalls, in milliseconds; absent: a stall or hang lasts until the client leaves. */
  readonly durationMs?: number;
}

/** How the bytes of a good answer are put on the wire: odd, and legal (but for the missing `[DONE]`). */
export interface Framing {
  /** Largest write in bytes. 1 splits every character that can be split. */
  readonly chunkBytes?: number;
  readonly crlf?: boolean;
  /** Comments and blank lines between events. */
  readonly comments?: boolean;
  readonly noDone?: boolean;
  readonly noFinalNewline?: boolean;
  readonly bytesAfterDone?: boolean;
}

export interface PlannedFault extends Fault {
  readonly provider?: string;
  readonly model?: string;
}

/** Faults that a program has planned. */
export class Faults {
  #planned: { readonly fault: PlannedFault; left: number }[] = [];
  readonly #marked = new BoundedMap<number>(MARKERS_MAX);

  /** The next `times` (default 1) requests that fit meet this fault. */
  next(fault: PlannedFault): void {
    this.#planned.push({ fault, left: fault.times ?? 1 });
  }

  /** Every request that fits meets this fault, until `clear`. */
  always(fault: PlannedFault): void {
    this.#planned.push({ fault, left: Infinity });
  }

  clear(): void {
    this.#planned = [];
    this.#marked.clear();
  }

  take(provider: string, model: string | undefined): Fault | undefined {
    const found = this.#planned.find(
      (one) =>
        (one.fault.provider ?? provider) === provider && (one.fault.model === undefined || one.fault.model === model),
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.#planned = this.#planned.filter((one) => one !== found);
    return found.fault;
  }

  /** The fault that the request itself asks for; `place` tells one asker's `times` from another's. */
  asked(directives: Directives, place: string): Fault | undefined {
    const name = FAULT_NAMES.find((one) => one === directives.get("fault"));
    if (name === undefined) return undefined;
    const times = numberOf(directives, "times");
    if (times !== undefined) {
      const key = `${place}\n${[...directives].join("\n")}`;
      const met = this.#marked.get(key) ?? 0;
      if (met >= times) return undefined;
      this.#marked.set(key, met + 1);
    }
    return {
      name,
      ...present("retryAfter", numberOf(directives, "retry-after")),
      ...present("afterEvents", numberOf(directives, "events")),
      ...present("afterBytes", numberOf(directives, "bytes")),
      ...present("durationMs", millisecondsOf(directives.get("ms") ?? directives.get("for"))),
    };
  }
}
const MARKERS_MAX = 10_000;

function present<Key extends string>(key: Key, value: number | undefined): { [key in Key]?: number } {
  return value === undefined ? {} : ({ [key]: value } as { [key in Key]: number });
}

export function framingOf(directives: Directives): Framing {
  const chunkBytes = numberOf(directives, "chunk");
  return {
    ...(chunkBytes === undefined ? {} : { chunkBytes: Math.max(1, chunkBytes) }),
    crlf: directives.has("crlf"),
    comments: directives.has("comments"),
    noDone: directives.has("no-done"),
    noFinalNewline: directives.has("no-final-newline"),
    bytesAfterDone: directives.has("bytes-after-done"),
  };
}
