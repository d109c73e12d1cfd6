/**
 * Prompts whose answer is not streamed: nobody hears when they can be read, only that they can once they are answered. When they are
 * believed to be, is learned by target from whoever was sent while one was not answered yet, and read what it was writing, or did not.
 *
 * All of it is in units of what the target's reading is expected to take, so that what one prompt teaches holds for another.
 */
import type { Arrival } from "./mirror.ts";
import type { PrefillSpeeds } from "./prefill.ts";

/** Believed to be readable a little later than expected, where the target has shown how fast it reads; much later, where it has not. */
const LEARNED_SCALE = 1.25;
const UNSEEN_SCALE = 3;
/** No belief is longer. */
const SCALE_MAX = 6;
/** What was not there yet is looked for at so many times that age at most. */
const MISSED_SCALE = 2;
/** What was there is looked for a little sooner the next time, but not as soon again as it was missed. */
const SOONER = 0.95;
const ABOVE_MISSED = 1.2;
/** What is read shortens that memory, as a target may have been slow for a while only. */
const FORGETTING = 0.9995;
/** Where answers are complete so soon after their prompts, it is their end that is waited for: that says it for certain. */
const SHORT_ANSWER = 1.5;
/** What the newest answer weighs. */
const ANSWER_SHARE = 0.3;
/** The time that fewer tokens take says little of how fast they are read. */
const TOKENS_MIN = 2048;
/** Targets of which something is learned; the config names fewer. */
const TARGETS_MAX = 1000;

/** A prompt that is under way. */
export interface Writing {
  readonly target: string;
  readonly sentMs: number;
  /** What its reading is expected to take. */
  readonly expectedMs: number;
  /** How long its answer took, once it is there. */
  answeredMs: number | undefined;
  /** The oldest that it was when somebody did not find it. */
  missedMs: number;
}

interface Belief {
  /** Whether it goes by a speed that the target has shown. */
  readonly isOfLearned: boolean;
  scale: number;
  /** At this age it was missed. */
  missed: number;
  /** Whether what was read says so. */
  isProven: boolean;
  /** How long answers take as a whole; `undefined`: there were none. */
  answer: number | undefined;
}

export class Unheard {
  readonly #speeds: PrefillSpeeds;
  readonly #beliefs = new Map<string, Belief>();
  /** By plan; none of whom is answered. */
  readonly #writing = new Map<number, Writing>();

  constructor(speeds: PrefillSpeeds) {
    this.#speeds = speeds;
  }

  /**
   * When what is sent now can be read. Its answer is waited for where nothing is known of the target, so that one takes its place if none
   * comes, and where answers are short; else it is believed to be readable at that time.
   */
  arrival(target: string, uncachedTokens: number, nowMs: number): Arrival {
    const expectedMs = this.#speeds.expectedMs(target, uncachedTokens);
    const { scale, isProven, answer } = this.#belief(target);
    if (!isProven) return { readableMs: nowMs + scale * expectedMs, isHeard: true };
    if (answer !== undefined && answer <= SHORT_ANSWER * scale)
      return { readableMs: nowMs + Math.max(scale, answer) * expectedMs, isHeard: true };
    return { readableMs: nowMs + scale * expectedMs, isHeard: false };
  }

  sent(plan: number, target: string, uncachedTokens: number, nowMs: number): void {
    const expectedMs = this.#speeds.expectedMs(target, uncachedTokens);
    this.#writing.set(plan, { target, sentMs: nowMs, expectedMs, answeredMs: undefined, missedMs: 0 });
  }

  /** Nobody is answered whole. */
  get isQuiet(): boolean {
    return this.#writing.size === 0;
  }

  /** What this plan is writing, unless it is answered, or nobody's any more. */
  writing(plan: number): Writing | undefined {
    return this.#writing.get(plan);
  }

  answered(plan: number, nowMs: number): void {
    const writing = this.#writing.get(plan);
    if (writing === undefined) return;
    this.#writing.delete(plan);
    writing.answeredMs = nowMs - writing.sentMs;
    if (writing.missedMs > 0) this.#missed(writing, writing.missedMs, writing.answeredMs);
  }

  /** There will be no answer, and whoever did not find it says nothing of how fast it is read. */
  failed(plan: number): void {
    this.#writing.delete(plan);
  }

  /** Whoever was sent when it was so old found it, or did not. */
  told(writing: Writing, ageMs: number, wasRead: boolean): void {
    if (wasRead) this.#found(writing, ageMs);
    else if (writing.answeredMs !== undefined) this.#missed(writing, ageMs, writing.answeredMs);
    else writing.missedMs = Math.max(writing.missedMs, ageMs);
  }

  /** An answer is complete after its prompt was read: it was not slower than that. */
  tookWhole(target: string, uncachedTokens: number, tookMs: number): void {
    if (uncachedTokens < TOKENS_MIN || tookMs <= 0) return;
    const belief = this.#kept(target);
    const took = tookMs / this.#speeds.expectedMs(target, uncachedTokens);
    belief.scale = Math.min(belief.scale, took);
    belief.missed = Math.min(belief.missed, took);
    belief.answer = belief.answer === undefined ? took : belief.answer * (took / belief.answer) ** ANSWER_SHARE;
  }

  #found({ target, expectedMs }: Writing, ageMs: number): void {
    const belief = this.#kept(target);
    belief.isProven = true;
    belief.missed *= FORGETTING;
    belief.scale = Math.min(belief.scale, Math.max((SOONER * ageMs) / expectedMs, ABOVE_MISSED * belief.missed));
  }

  #missed({ target, expectedMs }: Writing, ageMs: number, answeredMs: number): void {
    const belief = this.#kept(target);
    const missed = ageMs / expectedMs;
    belief.isProven = false;
    belief.missed = Math.max(belief.missed, missed);
    const later = Math.min(MISSED_SCALE * missed, Math.max(answeredMs / expectedMs, ABOVE_MISSED * missed));
    belief.scale = Math.max(belief.scale, Math.min(SCALE_MAX, later));
  }

  #kept(target: string): Belief {
    const belief = this.#belief(target);
    if (this.#beliefs.has(target) || this.#beliefs.size < TARGETS_MAX) this.#beliefs.set(target, belief);
    return belief;
  }

  #belief(target: string): Belief {
    const isOfLearned = this.#speeds.isLearned(target);
    const belief = this.#beliefs.get(target);
    if (belief?.isOfLearned === isOfLearned) return belief;
    const scale = isOfLearned ? LEARNED_SCALE : UNSEEN_SCALE;
    return { isOfLearned, scale, missed: 0, isProven: isOfLearned, answer: undefined };
  }
}
