/**
 * Regular expressions for single lines, matched without backtracking: the time is the line's length times the pattern's, whatever both
 * are. An operator's pattern meets text that strangers send, and JavaScript's own matcher would take years over `(a+)+$` and a line
 * of forty letters.
 *
 * The syntax is JavaScript's, in Unicode mode: characters, `.`, classes and escapes, groups, `|`, `*`, `+`, `?`, `{n,m}`, `^`, `$`, `\b` and
 * `\B`. Looking around and back-references have no linear form and are refused, as are flags inside of a pattern.
 */

export interface LinePattern {
  /**
   * Whether it matches anywhere in the line, as JavaScript's `test` does.
   *
   * @param work What may be spent on it; absent: as much as it takes. Where that ends, so does the search, without a match.
   */
  test(line: string, work?: Work): boolean;
}

/** Steps that may still be looked at, each once for each character that it is reached at. */
export interface Work {
  stepsLeft: number;
}

/** Characters of a pattern. */
export const PATTERN_CHARACTERS_MAX = 256;
/** Steps that a pattern may have once its repetitions are written out. */
const STEPS_MAX = 128;
/** Groups inside of groups. */
const DEPTH_MAX = 16;

/** @throws Error which says what is wrong with the pattern, in words for its author. */
export function linePattern(source: string): LinePattern {
  if (source.length > PATTERN_CHARACTERS_MAX) throw new Error(`is longer than ${PATTERN_CHARACTERS_MAX} characters`);
  try {
    new RegExp(source, "u");
  } catch (error) {
    throw new Error(`is no regular expression: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const tree = new Parser(source).parse();
  const steps: Step[] = [];
  emit(tree, steps);
  add(steps, { op: "match" });
  const matcher = new Matcher(steps);
  return { test: (line, work = { stepsLeft: Number.POSITIVE_INFINITY }) => matcher.test(line, work) };
}

type Node =
  | { readonly kind: "atom"; readonly accepts: Accepts }
  | { readonly kind: "assert"; readonly at: Assertion }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "either"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

type Accepts = (character: string) => boolean;
type Assertion = "start" | "end" | "border" | "no-border";

/** Of an expression that JavaScript takes already: here it is only taken apart. */
class Parser {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  parse(): Node {
    return this.#either();
  }

  #either(): Node {
    const nodes = [this.#sequence()];
    while (this.#peek() === "|") {
      this.#at += 1;
      nodes.push(this.#sequence());
    }
    return nodes.length === 1 ? (nodes[0] as Node) : { kind: "either", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")"; next = this.#peek()) {
      nodes.push(this.#repeated(this.#one()));
    }
    return { kind: "sequence", nodes };
  }

  #one(): Node {
    const first = this.#next();
    switch (first) {
      case "^":
        return { kind: "assert", at: "start" };
      case "$":
        return { kind: "assert", at: "end" };
      case "(":
        return this.#group();
      case "[":
        return atom(this.#class());
      case "\\":
        return this.#escape();
      default:
        return atom(first);
    }
  }

  #group(): Node {
    if (this.#depth === DEPTH_MAX) throw new Error(`has groups more than ${DEPTH_MAX} deep`);
    if (this.#peek() === "?") this.#groupKind();
    this.#depth += 1;
    const node = this.#either();
    this.#depth -= 1;
    this.#at += 1;
    return node;
  }

  #groupKind(): void {
    const kind = this.#characters.slice(this.#at, this.#at + 3).join("");
    if (kind.startsWith("?:")) {
      this.#at += 2;
    } else if (kind.startsWith("?<") && kind !== "?<=" && kind !== "?<!") {
      this.#at = this.#characters.indexOf(">", this.#at) + 1;
    } else {
      throw new Error("looks around (`(?=`, `(?!`, `(?<=`, `(?<!`) or sets flags, which is not possible here");
    }
  }

  /** Up to the bracket that ends it. */
  #class(): string {
    const from = this.#at - 1;
    while (this.#next() !== "]") if (this.#characters[this.#at - 1] === "\\") this.#at += 1;
    return this.#characters.slice(from, this.#at).join("");
  }

  #escape(): Node {
    const from = this.#at - 1;
    const letter = this.#next();
    if (letter === "b") return { kind: "assert", at: "border" };
    if (letter === "B") return { kind: "assert", at: "no-border" };
    if (letter === "k" || /[1-9]/.test(letter)) throw new Error("refers back to a group, which is not possible here");
    if (letter === "x") this.#at += 2;
    if (letter === "c") this.#at += 1;
    if (letter === "p" || letter === "P") this.#at = this.#characters.indexOf("}", this.#at) + 1;
    if (letter === "u") this.#at = this.#peek() === "{" ? this.#characters.indexOf("}", this.#at) + 1 : this.#at + 4;
    return atom(this.#characters.slice(from, this.#at).join(""));
  }

  #repeated(node: Node): Node {
    const [min, max] = this.#times();
    if (min === 1 && max === 1) return node;
    // Whether few or many come first makes no difference to whether any do.
    if (this.#peek() === "?") this.#at += 1;
    return { kind: "repeat", node, min, max };
  }

  #times(): readonly [min: number, max: number] {
    const sign = this.#peek();
    if (sign === "{") {
      const end = this.#characters.indexOf("}", this.#at);
      const [min = "", max] = this.#characters
        .slice(this.#at + 1, end)
        .join("")
        .split(",");
      this.#at = end + 1;
      const least = Number(min);
      return [least, max === undefined ? least : max === "" ? Number.POSITIVE_INFINITY : Number(max)];
    }
    if (sign !== "*" && sign !== "+" && sign !== "?") return [1, 1];
    this.#at += 1;
    return [sign === "+" ? 1 : 0, sign === "?" ? 1 : Number.POSITIVE_INFINITY];
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const next = this.#characters[this.#at];
    if (next === undefined) throw new Error("ends too early");
    this.#at += 1;
    return next;
  }
}

/** What one character may be is JavaScript's to say; of one character it says so at once. */
function atom(source: string): Node {
  const one = new RegExp(`^${source}$`, "u");
  const known = new Uint8Array(ASCII);
  return {
    kind: "atom",
    accepts(character) {
      const code = character.charCodeAt(0);
      if (code >= ASCII) return one.test(character);
      if (known[code] === UNKNOWN) known[code] = one.test(character) ? YES : NO;
      return known[code] === YES;
    },
  };
}

const ASCII = 128;
const UNKNOWN = 0;
const YES = 1;
const NO = 2;

// ---- The pattern as steps: each but a character's leads on without reading.

type Step =
  | { readonly op: "character"; readonly accepts: Accepts }
  | { readonly op: "assert"; readonly at: Assertion }
  | { readonly op: "fork"; to: readonly number[] }
  | { readonly op: "match" };

function emit(node: Node, steps: Step[]): void {
  switch (node.kind) {
    case "atom":
      add(steps, { op: "character", accepts: node.accepts });
      return;
    case "assert":
      add(steps, { op: "assert", at: node.at });
      return;
    case "sequence":
      for (const one of node.nodes) emit(one, steps);
      return;
    case "either":
      emitEither(node.nodes, steps);
      return;
    case "repeat":
      emitRepeat(node, steps);
  }
}

function emitEither(nodes: readonly Node[], steps: Step[]): void {
  const fork = addFork(steps);
  const ends: Fork[] = [];
  fork.to = nodes.map((one) => {
    const from = steps.length;
    emit(one, steps);
    ends.push(addFork(steps));
    return from;
  });
  for (const end of ends) end.to = [steps.length];
}

function emitRepeat({ node, min, max }: Extract<Node, { readonly kind: "repeat" }>, steps: Step[]): void {
  for (let count = 0; count < min; count += 1) emit(node, steps);
  if (max === Number.POSITIVE_INFINITY) {
    const at = steps.length;
    const fork = addFork(steps);
    emit(node, steps);
    addFork(steps).to = [at];
    fork.to = [at + 1, steps.length];
    return;
  }
  const forks: Fork[] = [];
  for (let count = min; count < max; count += 1) {
    const fork = addFork(steps);
    fork.to = [steps.length];
    forks.push(fork);
    emit(node, steps);
  }
  for (const fork of forks) fork.to = [...fork.to, steps.length];
}

type Fork = Extract<Step, { readonly op: "fork" }>;

function addFork(steps: Step[]): Fork {
  const fork: Fork = { op: "fork", to: [] };
  add(steps, fork);
  return fork;
}

function add(steps: Step[], step: Step): void {
  if (steps.length === STEPS_MAX) throw new Error(`has more than ${STEPS_MAX} steps once its repetitions are counted`);
  steps.push(step);
}

// ---- All ways through at once, a character at a time.

class Matcher {
  readonly #steps: readonly Step[];
  /** Whether a match can begin at the line's start only. */
  readonly #isAnchored: boolean;
  /** When each step was reached last, in places of all lines so far. */
  readonly #reached: Float64Array;
  #places = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    const [first] = steps;
    this.#isAnchored = first?.op === "assert" && first.at === "start";
    this.#reached = new Float64Array(steps.length);
  }

  test(line: string, work: Work): boolean {
    const characters = [...line];
    let waiting: number[] = [0];
    for (let at = 0; at <= characters.length && waiting.length > 0; at += 1) {
      this.#places += 1;
      const open = waiting;
      waiting = [];
      for (let index = open.pop(); index !== undefined; index = open.pop()) {
        if (this.#reached[index] === this.#places) continue;
        this.#reached[index] = this.#places;
        work.stepsLeft -= 1;
        if (work.stepsLeft < 0) return false;
        const step = this.#steps[index] as Step;
        if (step.op === "match") return true;
        if (step.op === "fork") open.push(...step.to);
        else if (step.op === "assert") {
          if (holds(step.at, characters, at)) open.push(index + 1);
        } else if (at < characters.length && step.accepts(characters[at] as string)) waiting.push(index + 1);
      }
      if (!this.#isAnchored) waiting.push(0);
    }
    return false;
  }
}

function holds(assertion: Assertion, characters: readonly string[], at: number): boolean {
  switch (assertion) {
    case "start":
      return at === 0;
    case "end":
      return at === characters.length;
    case "border":
      return isWord(characters[at - 1]) !== isWord(characters[at]);
    case "no-border":
      return isWord(characters[at - 1]) === isWord(characters[at]);
  }
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /^\w$/.test(character);
}
