/** What a plan remembers between its calls: where its prompt goes in the tree, what was found there, what it wrote. */
import type { Account, Stakes } from "./exploring.ts";
import type { Hold, LastKind, Plan, PlannedMark } from "./plan.ts";
import type { PrefixTree } from "./prefix-tree.ts";
import type { Slot } from "./slots.ts";
import type { Lineage, Traveller } from "./trail.ts";
import type { Writing } from "./unheard.ts";

export interface Course extends Plan, Traveller {
  marks: readonly PlannedMark[];
  predictedRead: number;
  hold?: Hold;
  lineage: Lineage;
  known: number;
  readonly target: string;
  sentMs: number;
  /** When its first event arrived. */
  answeredMs: number;
  /** Of the planner when it was made: whether what it found still stands. */
  readonly epoch: number;
  state: "planned" | "sent" | "readable" | "over";
  foundTokens: number;
  comingTokens: number;
  /** What it wrote, as border and its generation in turn. */
  readonly written: number[];
  /** Whether it wrote something that another request was writing: not its own if all goes well. */
  hasProlonged: boolean;
  /** What was written by another of whom nobody had heard, when it was sent: whether it was there, its bill says. */
  ahead?: { readonly writing: Writing; readonly tokens: number };
  /** What a local server was thought to have of it, when it was sent. */
  slot?: Slot | undefined;
  /** What its writes cost if nothing of them comes back, and whom that is charged to. */
  stakes: Stakes;
  account?: Account;
  /** Who waited for it, as `Waiting` numbers them. */
  awaited: readonly number[];
}

/** Acts on what it wrote and is still known. */
export function eachWritten({ written }: Course, tree: PrefixTree, act: (border: number) => void): void {
  for (let at = 0; at < written.length; at += 2) {
    const border = written[at] as number;
    if (tree.generation[border] === written[at + 1]) act(border);
  }
}

/** As the hazard's classes number them. */
export const KINDS: Readonly<Record<LastKind, number>> = { user: 0, tool: 1, assistant: 2, other: 3 };
