/** What the planner is asked, and what it answers. Types only. */
import type { CacheRules } from "./rules.ts";
import type { TenantSnapshot } from "./tenants.ts";

/** A prompt as the planner sees it: places where prefixes end, shallow to deep. */
export interface PlannedPrompt {
  /** Whose prompt it is. Entries and statistics of one tenant are never another's. */
  readonly tenant: string;
  /** Where the target keeps its cache apart by a key that prompts carry: this prompt's. */
  readonly partition?: string;
  /**
   * Two words a place, each covering all that stands before it: equal words are equal prefixes. Two prompts with a common prefix
   * have the same places in it. The plan refers to the arrays until it is settled: they do not change.
   */
  readonly hashes: Uint32Array;
  /** The target's tokens up to each place, never falling. As long as there are places. */
  readonly tokens: Uint32Array;
  /** 1 where a mark may stand. Absent: anywhere. */
  readonly markable?: Uint8Array;
  /** The number of content blocks up to each place, for look-back. Absent: look-back is not counted. */
  readonly blocks?: Uint32Array;
  /** What besides its text the target's cache tells apart, from which place on; rising. Absent: nothing. */
  readonly settings?: readonly PlannedSetting[];
  /** The place where tools and system text end; -1: there is none. */
  readonly staticPlace: number;
  /** The whole prompt, at least the tokens of the last place. */
  readonly promptTokens: number;
  readonly lastKind: LastKind;
  /** Its answer is not streamed: when it can be read is not heard, only when it was answered. */
  readonly isWhole?: boolean;
}

/** Behind this place prompts are only alike where they have the same word. */
export interface PlannedSetting {
  readonly from: number;
  readonly word: string;
}

/** Who said the last message. */
export type LastKind = "user" | "tool" | "assistant" | "other";

export interface PlannedMark {
  /** Index into the prompt's places. */
  readonly place: number;
  readonly ttlSeconds: number;
}

export interface Plan {
  /** Of this planner, and of no other that is under way; names the leader in another plan's {@link Hold}. */
  readonly id: number;
  /** Shallow to deep, the longer lifetime first, as many as the rules allow. */
  readonly marks: readonly PlannedMark[];
  /** Tokens that these marks will read. */
  readonly predictedRead: number;
  /** Tokens up to the place that was found in the cache: what will be read, before it is rounded to the provider's steps. */
  readonly foundTokens: number;
  /** Tokens up to the deepest place of this prompt that another request is writing; 0: none is. */
  readonly comingTokens: number;
  /** A request in flight is writing more of this prompt than can be read now. */
  readonly hold?: Hold;
}

export interface Hold {
  /** The plan that is writing it. When it is readable, settled or failed: plan again. */
  readonly leader: number;
  /** Tokens that could be read then, and not now. */
  readonly moreTokens: number;
  /** When it is expected to be readable. */
  readonly untilMs: number;
  /** How long reading those tokens is expected to take: what whoever does not wait has to do itself. */
  readonly readingMs: number;
  /** Whether it will be known when it really is; else it is taken to be, from then on. */
  readonly isHeard: boolean;
}

/** What was billed, in any consistent count of tokens: the planner compares shares, as its own counts may be estimates. */
export interface PlanUsage {
  readonly uncached: number;
  readonly read: number;
  /** `undefined`: the provider does not tell. */
  readonly written: number | undefined;
}

export interface Planner {
  /** Changes nothing. @param target The name of what the prompt would be sent to: each has a cache of its own. */
  plan(prompt: PlannedPrompt, rules: CacheRules, target: string, nowMs: number): Plan;
  /** Tokens that a request of this plan would read with these marks in place of the plan's. Changes nothing. */
  reads(plan: Plan, marks: readonly PlannedMark[], nowMs: number): number;
  /**
   * The request left. @param marks Those it really carries, where they are not the plan's. @returns The tokens that they will read.
   */
  sent(plan: Plan, nowMs: number, marks?: readonly PlannedMark[]): number;
  /** The first event arrived: what was written can be read from now on. */
  readable(plan: Plan, nowMs: number): void;
  /** The answer told what was read and written; what the planner believed is corrected by it. `undefined`: it told nothing. */
  settled(plan: Plan, usage: PlanUsage | undefined, nowMs: number): void;
  /** Whom this plan's {@link Hold} is on was waited for long enough: another may write what it was to. */
  giveUp(plan: Plan): void;
  /** There will be no answer: nothing was written. */
  failed(plan: Plan): void;
  /** The statistics as JSON, for a restart. The mirror of providers' caches is not in it: it refills within minutes. */
  snapshot(): PlannerSnapshot;
  /** Takes over what {@link snapshot} gave; anything that it did not give is ignored. */
  restore(snapshot: unknown): void;
  /** How much is remembered, against the bounds of {@link PlannerOptions}. */
  size(): PlannerSize;
}

export interface PlannerSize {
  readonly borders: number;
  readonly places: number;
  readonly tenants: number;
  readonly waiting: number;
}

export interface PlannerOptions {
  /** Prefixes remembered with their statistics; 100 bytes each. Who has most of them gives them up first, but for what is idle. */
  readonly bordersMax?: number;
  /** Places remembered to find where prompts part; 24 bytes each. */
  readonly placesMax?: number;
  /**
   * Tenants with statistics of their own, 800 bytes each and 72 for each class of prompts that they send: 16 classes on average, of 65,535
   * at most in all. Those used least are forgotten, and then taken for nobody in particular.
   */
  readonly tenantsMax?: number;
  /** Prompts watched for their return within the hour; 39 bytes each. Of more, a sample that gives each tenant its share. */
  readonly waitingMax?: number;
}

/** Statistics by tenant. */
export interface PlannerSnapshot {
  readonly version: 3;
  readonly tenants: readonly TenantSnapshot[];
}
