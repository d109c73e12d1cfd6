/**
 * The marks that a prompt is sent with, and whose each of them is: the client's own, as they arrive at the provider, and where the mode is
 * `improve` ours beside them. None of the client's is taken away but what the provider would refuse.
 */
import type { CacheMark, ChatRequest, Part } from "../chat.ts";
import type { CacheContract } from "../model.ts";
import type { PlannedMark } from "./plan.ts";
import type { Prefixes } from "./prefixes.ts";

export type MarkContract = Extract<CacheContract, { kind: "marks" }>;

/** The mark of models that set one at a prompt's end by themselves. */
export const ENDS_ITSELF = "prompt_cache_breakpoint";

export interface SentMark extends PlannedMark {
  readonly by: "gateway" | "client" | "provider";
  /** The client's own lifetime, where another one is sent. */
  readonly saidSeconds?: number;
  /** Whether it stands on the request as a whole. */
  readonly isWhole?: boolean;
}

export interface SentMarks {
  /** Shallow to deep, one a place. */
  readonly marks: readonly SentMark[];
  /** How many the client has set, and how many of them are not sent. */
  readonly saidCount: number;
  readonly droppedCount: number;
  /** Whether they cannot stand as they are, so that all of them are to be set anew. */
  readonly anew: boolean;
}

/** What the model of a prompt asks of marks. */
export interface MarkAsk {
  readonly request: ChatRequest;
  readonly prefixes: Prefixes;
  readonly contract: MarkContract;
  /** 1 where a mark can be put. */
  readonly markable: Uint8Array;
  readonly isTranslated: boolean;
}

export function oursOnly(marks: readonly PlannedMark[]): SentMarks {
  return {
    marks: marks.map((mark): SentMark => ({ ...mark, by: "gateway" })),
    saidCount: 0,
    droppedCount: 0,
    anew: false,
  };
}

/** The client's marks as they arrive: untouched in the provider's own dialect, elsewhere as its writer leaves them. */
export function clientsOnly(ask: MarkAsk): SentMarks {
  const said = saidMarks(ask);
  const kept = ask.isTranslated ? acceptable(said, ask) : said;
  return {
    marks: withProviders(onePlaceEach(kept), ask),
    saidCount: said.length,
    droppedCount: said.length - kept.length,
    anew: false,
  };
}

/**
 * The client's marks, with the lifetimes that the plan has for their places, and as many more of the plan's as there is room for, the
 * deepest first.
 */
export function improvedMarks(planned: readonly PlannedMark[], ask: MarkAsk): SentMarks {
  const { contract, prefixes } = ask;
  const said = saidMarks(ask);
  const kept = acceptable(said, ask);
  const client = onePlaceEach(kept);
  const unseen = kept.length - client.length + opaqueMarks(ask.request);
  // Where some stand at no place of ours, the order of the others' lifetimes is not ours to say.
  if (unseen > 0 && said.length + opaqueMarks(ask.request) <= contract.maxMarks) return clientsOnly(ask);
  const plans = new Map(planned.map((mark) => [mark.place, mark]));
  const own = client.map((mark): SentMark => {
    const plan = plans.get(mark.place);
    plans.delete(mark.place);
    return plan === undefined || mark.isWhole === true ? mark : { ...mark, ttlSeconds: plan.ttlSeconds };
  });
  const room = Math.max(0, contract.maxMarks - own.length);
  const end = prefixes.spots.length - 1;
  const added = [...plans.values()]
    .slice(-room || planned.length)
    .map((mark): SentMark => ({ ...mark, by: isItsOwn(mark, ask, end) ? "provider" : "gateway" }));
  const marks = [...own, ...added].sort((one, other) => one.place - other.place);
  const isRefused = said.length !== kept.length || kept.some(({ saidSeconds }) => saidSeconds !== undefined);
  return {
    marks: longestFirst(marks).map(withoutNews),
    saidCount: said.length + opaqueMarks(ask.request),
    droppedCount: said.length - client.length + opaqueMarks(ask.request),
    anew: isRefused && !ask.isTranslated,
  };
}
