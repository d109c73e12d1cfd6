/** The mirror of a replica's cache is a cache that forgets what was used longest ago, leaves first, and nothing else. */
import { describe, expect, test } from "vitest";
import { ReplicaMirror, type SaltedPrompt } from "../src/cache/replica-mirror.ts";
import { seeded } from "../bench/trace/random.ts";

/** A place for each letter, whose prefix is its name, of so many tokens each. */
function prompt(path: string, weight = 10, salt = 0): SaltedPrompt {
  const hashes = new Uint32Array(2 * path.length);
  const tokens = new Uint32Array(path.length);
  let low = 0x811c9dc5;
  for (let place = 0; place < path.length; place += 1) {
    low = Math.imul(low ^ path.charCodeAt(place), 0x01000193);
    hashes[2 * place] = low;
    hashes[2 * place + 1] = Math.imul(low, 0x9e3779b9) ^ place;
    tokens[place] = weight * (place + 1);
  }
  return { hashes, tokens, promptTokens: weight * path.length, salt };
}

test("what was used is held, as far as prompts are the same", () => {
  const mirror = new ReplicaMirror(1_000);
  mirror.use(prompt("abcd"));
  expect(mirror.match(prompt("abcd"))).toBe(40);
  expect(mirror.match(prompt("abxy"))).toBe(20);
  expect(mirror.match(prompt("xbcd"))).toBe(0);
  expect(mirror.match(prompt(""))).toBe(0);
});

test("the deepest of what was used longest ago goes first, in part where that is enough", () => {
  const mirror = new ReplicaMirror(60);
  mirror.use(prompt("abc"));
  mirror.use(prompt("axy"));
  expect(mirror.tokens).toBe(50);
  mirror.use(prompt("pq"));
  expect(mirror.tokens).toBe(60);
  expect(mirror.match(prompt("abc"))).toBe(20);
  mirror.use(prompt("pqr", 5));
  expect(mirror.tokens).toBeLessThanOrEqual(60);
  expect(mirror.match(prompt("axy"))).toBe(30);
});

test("models share nothing", () => {
  const mirror = new ReplicaMirror(1_000);
  mirror.use(prompt("abc", 10, 1));
  expect(mirror.match(prompt("abc", 10, 2))).toBe(0);
});

test("a smaller capacity holds at once, a larger one from then on", () => {
  const mirror = new ReplicaMirror(100);
  mirror.use(prompt("abcdefghij"));
  mirror.capacityTokens = 35;
  expect(mirror.tokens).toBe(35);
  expect(mirror.match(prompt("abcdefghij"))).toBe(35);
  mirror.capacityTokens = 70;
  mirror.use(prompt("abcdefghij"));
  expect(mirror.tokens).toBe(70);
});

test("a prompt that was never read after all is forgotten as far as nobody has used it since", () => {
  const mirror = new ReplicaMirror(1_000);
  mirror.use(prompt("ab"));
  const { stamps } = mirror.use(prompt("abcdef"));
  const { stamp } = mirror;
  mirror.use(prompt("abcdx"));
  mirror.forgetRead(prompt("abcdef"), stamps.length, stamp);
  expect(mirror.match(prompt("abcdef"))).toBe(40);
  expect(mirror.tokens).toBe(50);
});

describe("at random", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("it is what a list that is searched from end to end would be (%i)", (seed) => {
    const random = seeded(seed);
    const capacity = 20 + Math.floor(random() * 200);
    const mirror = new ReplicaMirror(capacity);
    const list = new BruteForce(capacity);
    for (let step = 0; step < 400; step += 1) {
      const path = pathAt(random);
      const asked = prompt(path, 7);
      expect(mirror.match(asked)).toBe(list.match(path));
      if (random() < 0.05) {
        const age = list.stamp - Math.floor(random() * 300);
        mirror.forgetUntil(age >>> 0);
        list.forgetUntil(age);
      } else {
        expect(mirror.use(asked).tokens).toBe(list.use(path));
      }
      expect(mirror.tokens).toBe(list.tokens);
      expect(mirror.tokens).toBeLessThanOrEqual(capacity);
      expect(mirror.nodes).toBe(list.size);
    }
  });

  test("it has never more nodes than it may, forgets nothing above what it keeps, and keeps the prompt that came last", () => {
    const random = seeded(9);
    const mirror = new ReplicaMirror(1_000_000, 64);
    for (let step = 0; step < 3_000; step += 1) {
      const path = pathAt(random);
      mirror.use(prompt(path));
      expect(mirror.nodes).toBeLessThanOrEqual(64);
      expect(mirror.match(prompt(path))).toBe(10 * path.length);
      if (step === 1_500) mirror.clear();
    }
  });

  test("a prompt with more places than there is room for leaves its beginning", () => {
    const mirror = new ReplicaMirror(1_000_000, 8);
    mirror.use(prompt("abcdefghijkl"));
    expect(mirror.match(prompt("abcdefghijkl"))).toBe(80);
    mirror.use(prompt("zyxwvutsrqponm"));
    expect(mirror.nodes).toBe(8);
    expect(mirror.tokens).toBe(80);
  });
});

function pathAt(random: () => number): string {
  const length = 1 + Math.floor(random() * 9);
  return Array.from({ length }, () => "abc"[Math.floor(random() * random() * 3)]).join("");
}

/** The same, without any cleverness. */
class BruteForce {
  stamp = 0;
  readonly #kept = new Map<string, { tokens: number; used: number; stamp: number }>();
  #uses = 0;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get tokens(): number {
    return [...this.#kept.values()].reduce((sum, { tokens }) => sum + tokens, 0);
  }

  get size(): number {
    return this.#kept.size;
  }

  match(path: string): number {
    let tokens = 0;
    for (let length = 1; length <= path.length; length += 1) {
      const kept = this.#kept.get(path.slice(0, length));
      tokens += kept?.tokens ?? 0;
      if (kept?.tokens !== 7) break;
    }
    return tokens;
  }

  use(path: string): number {
    const held = this.match(path);
    this.stamp += 7 * path.length - held;
    this.#uses += 1;
    for (let length = 1; length <= path.length; length += 1) {
      this.#kept.set(path.slice(0, length), { tokens: 7, used: this.#uses, stamp: this.stamp });
    }
    for (let excess = this.tokens - this.#capacity; excess > 0; excess = this.tokens - this.#capacity) {
      const [name, kept] = this.#oldest();
      if (kept.tokens > excess) kept.tokens -= excess;
      else this.#kept.delete(name);
    }
    return held;
  }

  forgetUntil(stamp: number): void {
    if (stamp < 0) return;
    for (const [name, kept] of this.#kept) if (kept.stamp <= stamp) this.#kept.delete(name);
  }

  #oldest(): [string, { tokens: number }] {
    const order = [...this.#kept].sort(([one, a], [other, b]) => a.used - b.used || other.length - one.length);
    const [first] = order;
    if (first === undefined) throw new Error("nothing is left");
    return first;
  }
}
