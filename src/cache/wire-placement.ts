/** What of a prompt's marks, its key and the client's boundary lines has to be said or left out on the wire. */
import type { CacheMark, Placed, Spot } from "../chat.ts";
import type { CachePlacement } from "../dialects/dialect.ts";
import type { Prefixes } from "./prefixes.ts";
import { ENDS_ITSELF, isChanged, type MarkContract, type SentMarks, TTLS } from "./sent-marks.ts";

export interface PlacementWish {
  readonly sent: SentMarks;
  /** Whether any of them may be ours. */
  readonly isOurs: boolean;
  /** Places where a text was parted before. */
  readonly parted: readonly number[];
  readonly key: string | undefined;
}

/** @returns `undefined` where nothing is to be done. */
export function wirePlacement(
  { spots, leftOut, saidPlace, hasTail }: Prefixes,
  contract: MarkContract | undefined,
  { sent, isOurs, parted, key }: PlacementWish,
): CachePlacement | undefined {
  const { marks, anew } = sent;
  const placed = new Map<number, Placed>();
  const put = (place: number, mark: CacheMark | undefined) => {
    const spot = spots[place];
    if (spot !== undefined) placed.set(place, { spot, mark, isParted: true });
  };
  if (contract?.splitsText === true) for (const place of parted) put(place, undefined);
  for (const mark of marks) {
    // The client's stand there already, unless they have another lifetime now; what the provider sets by itself need not be said.
    const isPut = mark.by === "gateway" || (mark.by === "client" && isOurs && (anew || isChanged(mark)));
    if (isPut) put(mark.place, markOf(mark.ttlSeconds, contract));
  }
  // What the provider sets by itself has to be declined where it is not wanted.
  const isEnded = marks.some(({ place }) => place === spots.length - 1 && !hasTail);
  const marksOnly = isOurs && contract?.style === ENDS_ITSELF && !isEnded;
  // The client's lines never reach the model, whatever is marked.
  const said = placed.get(saidPlace)?.spot;
  const lines = leftOut.flatMap((spot): readonly Placed[] =>
    said !== undefined && comparedSpots(spot, said) === 0 ? [] : [{ spot, mark: undefined, isParted: false }],
  );
  const inOrder = [...lines, ...placed.values()].sort((one, other) => comparedSpots(one.spot, other.spot));
  if (inOrder.length === 0 && key === undefined && !anew && !marksOnly) return undefined;
  return { placed: inOrder, anew, marksOnly, key, style: contract?.style };
}

/** Shallow to deep: below zero where the first one comes first. */
function comparedSpots(one: Spot, other: Spot): number {
  if (one.kind === "tools" || other.kind === "tools")
    return Number(other.kind === "tools") - Number(one.kind === "tools");
  return one.message - other.message || one.part - other.part || endOf(one) - endOf(other);
}

function endOf(spot: Exclude<Spot, { kind: "tools" }>): number {
  return spot.kind === "text" ? spot.end : Number.MAX_SAFE_INTEGER;
}

/** The provider's shortest lifetime is its default, and need not be said. */
function markOf(ttlSeconds: number, contract: MarkContract | undefined): CacheMark {
  const ttl = TTLS.get(ttlSeconds);
  return ttl === undefined || ttlSeconds === Math.min(...(contract?.ttlSeconds ?? [])) ? {} : { ttl };
}
