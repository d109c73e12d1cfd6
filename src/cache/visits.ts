/** Who used a prefix, how often, and after what pauses: a border's own history, and the last prompt that went through it. */
/** Counts beyond this are halved: what matters is how a prefix is used these days. */
const VISITS_MAX = 60_000;
/** No conversation: a border that was sent to, and never answered from. */
export const NOBODY = 0;

export class Visits {
  readonly lastMs: Float64Array;
  /** Pauses seen, those within the short lifetime, and those after it within the long one. */
  readonly pauses: Uint16Array;
  readonly shortPauses: Uint16Array;
  readonly laterPauses: Uint16Array;
  /** How often another conversation took over. */
  readonly switches: Uint8Array;
  /** The last prompt through here: its conversation, its turn in it, its tokens behind the static prefix, and who waits for its return. */
  readonly conversation: Uint32Array;
  readonly turn: Uint16Array;
  readonly ownTokens: Uint32Array;
  readonly waiting: Uint32Array;
  /** Who waits for the return of this border itself, where it is a static one. */
  readonly staticWaiting: Uint32Array;

  constructor(borders: number) {
    this.lastMs = new Float64Array(borders);
    this.pauses = new Uint16Array(borders);
    this.shortPauses = new Uint16Array(borders);
    this.laterPauses = new Uint16Array(borders);
    this.switches = new Uint8Array(borders);
    this.conversation = new Uint32Array(borders);
    this.turn = new Uint16Array(borders);
    this.ownTokens = new Uint32Array(borders);
    this.waiting = new Uint32Array(borders);
    this.staticWaiting = new Uint32Array(borders);
  }

  /** A new border; one that divides an edge was passed by whoever passed the border below it. */
  reset(border: number, below: number): void {
    this.pauses[border] = 0;
    this.shortPauses[border] = 0;
    this.laterPauses[border] = 0;
    this.switches[border] = 0;
    this.staticWaiting[border] = 0;
    if (below < 0) {
      this.lastMs[border] = -Infinity;
      this.conversation[border] = NOBODY;
      this.waiting[border] = 0;
      return;
    }
    this.lastMs[border] = this.lastMs[below] as number;
    this.conversation[border] = this.conversation[below] as number;
    this.turn[border] = this.turn[below] as number;
    this.ownTokens[border] = this.ownTokens[below] as number;
    this.waiting[border] = this.waiting[below] as number;
  }

  /** Counts the pause that this use ends. Nothing is counted at the first use. */
  use(border: number, shortMs: number, longMs: number, conversation: number, nowMs: number): void {
    if (this.conversation[border] !== NOBODY) {
      if (this.pauses[border] === VISITS_MAX) this.#halve(border);
      const pauseMs = nowMs - (this.lastMs[border] as number);
      this.pauses[border] = (this.pauses[border] as number) + 1;
      if (pauseMs <= shortMs) this.shortPauses[border] = (this.shortPauses[border] as number) + 1;
      else if (pauseMs <= longMs) this.laterPauses[border] = (this.laterPauses[border] as number) + 1;
      if (this.conversation[border] !== conversation) {
        this.switches[border] = Math.min(255, (this.switches[border] as number) + 1);
      }
    }
    // Answers begin in another order than they were asked for.
    this.lastMs[border] = Math.max(this.lastMs[border] as number, nowMs);
    this.conversation[border] = conversation;
  }

  /** The prompt that goes through here now, for the next one to find. */
  pass(border: number, turn: number, ownTokens: number, waiting: number): void {
    this.turn[border] = Math.min(turn, 65_535);
    this.ownTokens[border] = ownTokens;
    this.waiting[border] = waiting;
  }

  #halve(border: number): void {
    this.pauses[border] = (this.pauses[border] as number) >>> 1;
    this.shortPauses[border] = (this.shortPauses[border] as number) >>> 1;
    this.laterPauses[border] = (this.laterPauses[border] as number) >>> 1;
  }
}
