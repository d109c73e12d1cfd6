/**
 * What one replica's own cache is believed to hold: the prefixes it read last, as many tokens of them as it has room for. Of what was
 * used at the same time the deepest goes first, so that whatever is held of a prompt is held from its start.
 *
 * A prompt's places are moved to the newest end of one list from the deepest to the shallowest, so that the oldest end is always a
 * leaf: forgetting needs no tree. Flat words, and none of them is touched before it is needed.
 */

/** No node: numbers begin at one, so that memory need not be filled. */
const NONE = 0;

/** The words of a node: its hash, the next one of its bucket (or the next free one), its neighbours by use, */
const LOW = 0;
const HIGH = 1;
const NEXT = 2;
const OLDER = 3;
const NEWER = 4;
/** what is held of its tokens, and when it was used last. */
const TOKENS = 5;
const STAMP = 6;
const NODE_WORDS = 7;

/** Places that are kept: 32 bytes each, so 2 MB a replica. */
const NODES_MAX = 65_536;

/** A prompt's places under its model's salt. */
export interface SaltedPrompt {
  /** Two words a place, shallow to deep. */
  readonly hashes: Uint32Array;
  /** Up to each place. */
  readonly tokens: Uint32Array;
  readonly promptTokens: number;
  readonly salt: number;
}

/** What was held of a prompt before it was used. */
export interface Held {
  readonly tokens: number;
  /** Of each place that was held, shallow to deep, when it was used last: the deeper, the longer ago. */
  readonly stamps: Uint32Array;
}

export class ReplicaMirror {
  /** What it holds. */
  tokens = 0;
  /**
   * The time here: tokens that it has had to read since it began, up to 2³². Two calls of which the later had to read nothing have the
   * same one.
   */
  stamp = 0;
  /** Nodes in use. */
  nodes = 0;
  #capacityTokens: number;
  readonly #nodesMax: number;
  readonly #heads: Int32Array;
  readonly #words: Int32Array;
  #oldest = NONE;
  #newest = NONE;
  #free = NONE;
  /** The first that was never used. */
  #fresh = 1;

  constructor(capacityTokens: number, nodesMax: number = NODES_MAX) {
    this.#capacityTokens = capacityTokens;
    this.#nodesMax = nodesMax;
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, nodesMax))));
    this.#words = new Int32Array((nodesMax + 1) * NODE_WORDS);
  }

  get capacityTokens(): number {
    return this.#capacityTokens;
  }

  set capacityTokens(tokens: number) {
    this.#capacityTokens = tokens;
    this.#fit();
  }

  /** How many of the prompt's tokens are held. */
  match(prompt: SaltedPrompt): number {
    return this.#held(prompt, this.#known(prompt));
  }

  /** The prompt is read: it is held now, and what there is no room for beside it is not. */
  use(prompt: SaltedPrompt): Held {
    const known = this.#known(prompt);
    const held = this.#held(prompt, known);
    const { tokens } = prompt;
    // A prompt with more places than there is room for may have lost some of them when their turn comes: those say nothing.
    const stamps = new Uint32Array(known).fill(this.stamp);
    this.stamp = (this.stamp + Math.max(0, prompt.promptTokens - held)) >>> 0;
    let beside = NONE;
    for (let place = tokens.length - 1; place >= 0; place -= 1) {
      // Those that were used together last time stand side by side.
      let node = beside !== NONE && this.#is(beside, prompt, place) ? beside : this.#find(prompt, place);
      beside = node === NONE ? NONE : this.#word(node, NEWER);
      if (node === NONE) node = this.#take(prompt, place);
      else {
        if (place < known) stamps[place] = this.#word(node, STAMP) >>> 0;
        this.#unlink(node);
      }
      const weight = weightOf(tokens, place);
      this.tokens += weight - this.#word(node, TOKENS);
      this.#set(node, TOKENS, weight);
      this.#set(node, STAMP, this.stamp);
      this.#link(node);
    }
    this.#fit();
    return { tokens: held, stamps };
  }

  /** What was used last at this time or before is gone. */
  forgetUntil(stamp: number): void {
    const age = this.ageOf(stamp);
    while (this.#oldest !== NONE && this.ageOf(this.#word(this.#oldest, STAMP)) >= age) this.#drop(this.#oldest);
  }

  /** The prompt was never read after all: what was added for it, and nobody has used since, is not there. */
  forgetRead(prompt: SaltedPrompt, knownPlaces: number, stamp: number): void {
    for (let place = prompt.tokens.length - 1; place >= knownPlaces; place -= 1) {
      const node = this.#find(prompt, place);
      if (node !== NONE && this.#word(node, STAMP) >>> 0 === stamp) this.#drop(node);
    }
  }

  /** It began anew. Its time goes on, so that what was sent before touches nothing that comes after. */
  clear(): void {
    this.#heads.fill(NONE);
    this.#oldest = NONE;
    this.#newest = NONE;
    this.#free = NONE;
    this.#fresh = 1;
    this.tokens = 0;
    this.nodes = 0;
  }

  /** Tokens that it has had to read since. */
  ageOf(stamp: number): number {
    return (this.stamp - stamp) >>> 0;
  }

  /** How many of the prompt's places are here. Looked for from the start: at most replicas it is the few that all prompts share. */
  #known(prompt: SaltedPrompt): number {
    const count = prompt.tokens.length;
    let low = 0;
    let step = 1;
    while (step <= count && this.#find(prompt, step - 1) !== NONE) {
      low = step;
      step *= 2;
    }
    let high = Math.min(step - 1, count);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#find(prompt, middle) === NONE) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The last of the places may be there in part. */
  #held(prompt: SaltedPrompt, known: number): number {
    if (known === 0) return 0;
    const above = known === 1 ? 0 : (prompt.tokens[known - 2] as number);
    const kept = this.#word(this.#find(prompt, known - 1), TOKENS);
    return above + Math.min(kept, weightOf(prompt.tokens, known - 1));
  }

  #fit(): void {
    while (this.tokens > this.#capacityTokens && this.#oldest !== NONE) {
      const excess = this.tokens - this.#capacityTokens;
      const kept = this.#word(this.#oldest, TOKENS);
      if (kept > excess) {
        this.#set(this.#oldest, TOKENS, kept - excess);
        this.tokens -= excess;
        return;
      }
      this.#drop(this.#oldest);
    }
  }

  #find({ hashes, salt }: SaltedPrompt, place: number): number {
    const low = (hashes[2 * place] as number) ^ salt;
    const high = (hashes[2 * place + 1] as number) | 0;
    let node = this.#heads[low & (this.#heads.length - 1)] as number;
    while (node !== NONE && (this.#word(node, LOW) !== low || this.#word(node, HIGH) !== high)) {
      node = this.#word(node, NEXT);
    }
    return node;
  }

  #is(node: number, { hashes, salt }: SaltedPrompt, place: number): boolean {
    return (
      this.#word(node, LOW) === ((hashes[2 * place] as number) ^ salt) &&
      this.#word(node, HIGH) === ((hashes[2 * place + 1] as number) | 0)
    );
  }

  #take({ hashes, salt }: SaltedPrompt, place: number): number {
    if (this.nodes === this.#nodesMax) this.#drop(this.#oldest);
    let node = this.#free;
    if (node === NONE) {
      node = this.#fresh;
      this.#fresh += 1;
    } else this.#free = this.#word(node, NEXT);
    const low = (hashes[2 * place] as number) ^ salt;
    const bucket = low & (this.#heads.length - 1);
    this.#set(node, LOW, low);
    this.#set(node, HIGH, hashes[2 * place + 1] as number);
    this.#set(node, NEXT, this.#heads[bucket] as number);
    this.#set(node, TOKENS, 0);
    this.#heads[bucket] = node;
    this.nodes += 1;
    return node;
  }

  #drop(node: number): void {
    this.#unlink(node);
    const bucket = this.#word(node, LOW) & (this.#heads.length - 1);
    const next = this.#word(node, NEXT);
    let before = this.#heads[bucket] as number;
    if (before === node) this.#heads[bucket] = next;
    else {
      while (this.#word(before, NEXT) !== node) before = this.#word(before, NEXT);
      this.#set(before, NEXT, next);
    }
    this.tokens -= this.#word(node, TOKENS);
    this.nodes -= 1;
    this.#set(node, NEXT, this.#free);
    this.#free = node;
  }

  #link(node: number): void {
    this.#set(node, OLDER, this.#newest);
    this.#set(node, NEWER, NONE);
    if (this.#newest === NONE) this.#oldest = node;
    else this.#set(this.#newest, NEWER, node);
    this.#newest = node;
  }

  #unlink(node: number): void {
    const older = this.#word(node, OLDER);
    const newer = this.#word(node, NEWER);
    if (older === NONE) this.#oldest = newer;
    else this.#set(older, NEWER, newer);
    if (newer === NONE) this.#newest = older;
    else this.#set(newer, OLDER, older);
  }

  #word(node: number, word: number): number {
    return this.#words[node * NODE_WORDS + word] as number;
  }

  #set(node: number, word: number, value: number): void {
    this.#words[node * NODE_WORDS + word] = value;
  }
}

function weightOf(tokens: Uint32Array, place: number): number {
  return place === 0 ? (tokens[0] as number) : (tokens[place] as number) - (tokens[place - 1] as number);
}
