/**
 * What the provider says itself of a prompt that was not read, joined with what we know: it saw the prompt as it arrived, and we know
 * which piece of it the client had changed. Where it tells of a change its word counts; where both tell of the same, ours has the piece.
 */
import type { CacheDiagnosis } from "../chat.ts";
import type { BustCause } from "./bust-cause.ts";
import type { Breaker, Parting } from "./parting.ts";

/** The provider's own word of a bust. */
export interface Verdict {
  /** "system", "tools", "verbosity". */
  readonly word: string;
  /** What we would have said in its place ("expired messages[2]", "nothing"); `undefined`: the same, or we had nothing to go by. */
  readonly ours: string | undefined;
}

/** What is known of a call beside the provider's word. */
export interface Known {
  readonly paths: readonly string[];
  /** Whether an earlier prompt is known that it goes on from, or is another version of. */
  readonly hasEarlier: boolean;
  readonly parting: Parting | undefined;
  readonly partingExcerpt: string | undefined;
  readonly isModelSame: boolean;
  readonly isClientKeySame: boolean;
}

export interface Diagnosed {
  readonly cause: BustCause;
  readonly span: string;
  readonly offset: number | undefined;
  readonly breaker: Breaker | undefined;
  readonly excerpt: string | undefined;
}

type Miss = Extract<CacheDiagnosis, { type: "miss" }>;
/** What we say without the provider. */
type Own = Pick<Diagnosed, "cause" | "span"> | undefined;

const NO_PIECE = { offset: undefined, breaker: undefined, excerpt: undefined } as const;

/** The provider's word, and what we know beside it. */
export function diagnosed({ changed, word }: Miss, known: Known): Diagnosed {
  switch (changed) {
    case "model":
      return { ...NO_PIECE, cause: known.isModelSame ? "gateway" : "client", span: "model", breaker: "model" };
    case "key":
      return { ...NO_PIECE, cause: known.isClientKeySame ? "gateway" : "client", span: "prompt_cache_key" };
    case "setting":
      return { ...NO_PIECE, cause: "client", span: word };
    case "compacted":
      return { ...NO_PIECE, cause: "client", span: "messages", breaker: "compaction" };
    case "system":
    case "tools":
    case "messages":
    case "input": {
      const { parting } = known;
      if (parting !== undefined && isWithin(parting.path, changed)) {
        const { path, offset, breaker } = parting;
        return { cause: "client", span: path, offset, breaker, excerpt: known.partingExcerpt };
      }
      // The client's prompt is as it was: what the provider saw changed on its way through us.
      const isOurs = known.hasEarlier && parting === undefined && known.paths.length > 0;
      return { ...NO_PIECE, cause: isOurs ? "gateway" : "client", span: changed };
    }
  }
}

/** Whether both say the same of the prompt. */
export function agrees(diagnosis: CacheDiagnosis, own: Own): boolean {
  if (diagnosis.type === "hit") return own === undefined;
  if (own === undefined) return diagnosis.missedTokens === 0;
  return (own.cause === "client" || own.cause === "gateway") && isAbout(own.span, diagnosis.changed);
}

export function verdictOf({ word }: Miss, own: Own, isSame: boolean | undefined): Verdict {
  if (isSame !== false) return { word, ours: undefined };
  return { word, ours: own === undefined ? "nothing" : `${own.cause} ${own.span}` };
}

function isAbout(span: string, changed: Miss["changed"]): boolean {
  switch (changed) {
    case "model":
      return span === "model" || span === "target";
    case "key":
      return span === "prompt_cache_key";
    case "compacted":
      return isWithin(span, "messages");
    case "setting":
      return false;
    case "system":
    case "tools":
    case "messages":
    case "input":
      return isWithin(span, changed);
  }
}

function isWithin(path: string, part: "system" | "tools" | "messages" | "input"): boolean {
  return part === "input" ? path.startsWith("system") || path.startsWith("messages") : path.startsWith(part);
}
