/**
 * A string that matches a regular expression of the kind schemas hold: literals, classes, groups, alternatives, quantifiers.
 */
import { pick } from "./tokens.ts";

/** @returns `undefined` when the pattern is beyond this sampler; what is returned has been checked against the pattern. */
export function sampleOf(pattern: string, seed: string, minLength: number, maxLength: number): string | undefined {
  let expression: RegExp;
  try {
    expression = new RegExp(pattern, "u");
  } catch {
    return undefined;
  }
  const fits = (text: string) => text.length >= minLength && text.length <= maxLength && expression.test(text);
  for (let extra = 0; extra < 8; extra++) {
    const sampler = new Sampler(pattern, `${seed}${extra}`, Math.ceil(minLength * (extra % 4)));
    const text = sampler.sample();
    if (text !== undefined && fits(text)) return text;
  }
  return FAMILIAR.find(fits);
}

const FAMILIAR = [
  "a",
  "A",
  "1",
  "abc",
  "ABC",
  "123",
  "a1",
  "A1",
  "abc-123",
  "2026-01-15",
  "user@example.com",
  "https://example.com",
  "0.5",
  "",
];

const CLASSES: Readonly<Record<string, string>> = {
  d: "0123456789",
  w: "abcdefghijklmnopqrstuvwxyz0123456789",
  s: " ",
  D: "abc",
  W: "-",
  S: "abc",
};
const ANY = "abcdefghijklmnopqrstuvwxyz";

class Sampler {
  readonly #pattern: string;
  readonly #seed: string;
  readonly #wish: number;
  #at = 0;
  #draws = 0;

  constructor(pattern: string, seed: string, wish: number) {
    this.#pattern = pattern;
    this.#seed = seed;
    this.#wish = wish;
  }

  sample(): string | undefined {
    const text = this.#alternatives();
    return text === undefined || this.#at < this.#pattern.length ? undefined : text;
  }

  #alternatives(): string | undefined {
    const all: string[] = [];
    for (;;) {
      const one = this.#sequence();
      if (one === undefined) return undefined;
      all.push(one);
      if (this.#pattern[this.#at] !== "|") break;
      this.#at += 1;
    }
    return all[this.#draw(all.length)];
  }

  #sequence(): string | undefined {
    let text = "";
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== "|" && this.#pattern[this.#at] !== ")") {
      const start = this.#at;
      const first = this.#atom();
      if (first === undefined) return undefined;
      const end = this.#at;
      const count = this.#quantity();
      if (count === 0) continue;
      text += first;
      const after = this.#at;
      for (let repeat = 1; repeat < count; repeat++) {
        this.#at = start;
        text += this.#atom() ?? "";
      }
      this.#at = count > 1 || end !== after ? after : end;
    }
    return text;
  }

  #atom(): string | undefined {
    const character = this.#pattern[this.#at++];
    switch (character) {
      case undefined:
        return undefined;
      case "^":
      case "$":
        return "";
      case ".":
        return this.#from(ANY);
      case "(": {
        if (this.#pattern.startsWith("?:", this.#at)) this.#at += 2;
        else if (this.#pattern.startsWith("?<", this.#at) && !/[=!]/.test(this.#pattern[this.#at + 2] ?? ""))
          this.#at = this.#pattern.indexOf(">", this.#at) + 1;
        else if (this.#pattern[this.#at] === "?") return undefined;
        const inner = this.#alternatives();
        if (this.#pattern[this.#at++] !== ")") return undefined;
        return inner;
      }
      case "[":
        return this.#class();
      case "\\": {
        const escaped = this.#pattern[this.#at++] ?? "";
        if (escaped === "b") return "";
        if (/[pPkux0]/.test(escaped)) return undefined;
        const set = CLASSES[escaped];
        return set === undefined ? ({ n: "\n", t: "\t", r: "\r" }[escaped] ?? escaped) : this.#from(set);
      }
      default:
        return character;
    }
  }

  #class(): string | undefined {
    const negated = this.#pattern[this.#at] === "^";
    if (negated) this.#at += 1;
    let set = "";
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== "]") {
      let character = this.#pattern[this.#at++] ?? "";
      if (character === "\\") {
        character = this.#pattern[this.#at++] ?? "";
        const known = CLASSES[character];
        if (known !== undefined) {
          set += known;
          continue;
        }
      }
      const last = this.#pattern[this.#at + 1];
      if (this.#pattern[this.#at] === "-" && last !== undefined && last !== "]") {
        this.#at += 2;
        for (let code = character.charCodeAt(0); code <= last.charCodeAt(0) && set.length < 512; code++)
          set += String.fromCharCode(code);
        continue;
      }
      set += character;
    }
    this.#at += 1;
    if (!negated) return set === "" ? undefined : this.#from(set);
    const left = [...(ANY + "0123456789_ -")].filter((one) => !set.includes(one)).join("");
    return left === "" ? undefined : this.#from(left);
  }

  #quantity(): number {
    const rest = this.#pattern.slice(this.#at);
    const match = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??/.exec(rest);
    if (match === null) return 1;
    this.#at += match[0].length;
    const [, sign, low, open, high] = match;
    const least = low === undefined ? (sign === "+" ? 1 : 0) : Number(low);
    const most =
      low === undefined
        ? sign === "?"
          ? 1
          : least + 4
        : open === undefined
          ? least
          : high === undefined || high === ""
            ? least + 4
            : Number(high);
    if (this.#wish > least)
      return Math.min(this.#wish, sign === "?" ? 1 : high === undefined || high === "" ? this.#wish : most);
    return least + this.#draw(Math.min(most - least, 4) + 1);
  }

  #from(set: string): string {
    return set[this.#draw(set.length)] ?? "";
  }

  #draw(below: number): number {
    return below <= 1 ? 0 : pick(`${this.#seed}:${this.#draws++}`, below);
  }
}
