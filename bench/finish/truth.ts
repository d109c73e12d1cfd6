/**
 * What is true of the targets here, and made up: of each class of tasks how many turns a target needs, and how often it succeeds. What
 * that costs is not written down: the simulator charges it, at the table's prices.
 */
import { seeded } from "../trace/random.ts";

export const TARGETS = ["openai/gpt-5.4-nano", "openai/gpt-5.4-mini", "anthropic/claude-sonnet-5-5"] as const;
export type TargetName = (typeof TARGETS)[number];

export interface Behaviour {
  readonly turns: number;
  readonly success: number;
}

export interface TaskClass {
  readonly name: string;
  readonly systemWords: number;
  /** Of what the client says with each turn. */
  readonly turnWords: number;
  readonly outputTokens: number;
  readonly behaviours: Readonly<Record<TargetName, Behaviour>>;
}

/** One that anybody can do, one that the smallest model mostly fails, one that only the dear one does well. */
export const CLASSES: readonly TaskClass[] = [
  {
    name: "lookup",
    systemWords: 900,
    turnWords: 120,
    outputTokens: 80,
    behaviours: {
      "openai/gpt-5.4-nano": { turns: 2, success: 0.95 },
      "openai/gpt-5.4-mini": { turns: 2, success: 0.97 },
      "anthropic/claude-sonnet-5-5": { turns: 2, success: 0.99 },
    },
  },
  {
    name: "repair",
    systemWords: 1_400,
    turnWords: 250,
    outputTokens: 250,
    behaviours: {
      "openai/gpt-5.4-nano": { turns: 10, success: 0.25 },
      "openai/gpt-5.4-mini": { turns: 3, success: 0.85 },
      "anthropic/claude-sonnet-5-5": { turns: 3, success: 0.97 },
    },
  },
  {
    name: "audit",
    systemWords: 1_400,
    turnWords: 250,
    outputTokens: 250,
    behaviours: {
      "openai/gpt-5.4-nano": { turns: 14, success: 0.05 },
      "openai/gpt-5.4-mini": { turns: 12, success: 0.35 },
      "anthropic/claude-sonnet-5-5": { turns: 3, success: 0.95 },
    },
  },
];

/** One task's chance, drawn before anybody does it: whoever does it has the same luck. */
export interface Draws {
  /** It succeeds where this is below the chance. */
  readonly luck: number;
  /** Of the turns that a target needs. */
  readonly size: number;
}

export function drawsOf(seed: number, className: string, index: number): Draws {
  let word = seed * 1_000_003 + index * 7_919;
  for (const character of className) word = Math.imul(word, 31) + character.charCodeAt(0);
  const chance = seeded(word);
  // The first draws of near seeds are alike.
  for (let skipped = 0; skipped < 4; skipped += 1) chance();
  return { luck: chance(), size: 0.75 + chance() / 2 };
}

const WORDS = ["order", "invoice", "parcel", "ticket", "refund", "window", "garden", "copper", "signal", "harbor"];

/** Text of so many words that begins as no other one does. */
export function textOf(name: string, words: number): string {
  let word = 0;
  for (const character of name) word = Math.imul(word, 31) + character.charCodeAt(0);
  const chance = seeded(word);
  const said = Array.from({ length: words }, () => WORDS[Math.floor(chance() * WORDS.length)] ?? "");
  return `${name}: ${said.join(" ")}.`;
}
