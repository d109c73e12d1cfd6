/**
 * What the models of the sandbox can do, made up so that a comparison has something to find: how often each is right, how much it talks, how
 * many calls it wastes. What that costs is not written here: the sandbox charges it by its own rules. A task that says nothing of
 * `simulated` is answered by what its checks want, or wrongly.
 */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { seeded } from "../trace/random.ts";
import type { Said, ScriptedModel } from "../sandbox/index.ts";
import type { Check, Task } from "./task.ts";

export interface SimulatedModels {
  readonly model: ScriptedModel;
  /** Until the returned function is called, this model is asked for this task. */
  expect(model: string, task: Task, repeat: number): () => void;
}

interface Profile {
  /** How often one step of a task goes right. */
  readonly skill: number;
  /** Words around an answer, where they do no harm. */
  readonly words: number;
  /** How often a call is made twice. */
  readonly waste: number;
  readonly ttftMs: number;
  readonly tokensPerSecond: number;
}

/** By the simulator's provider. */
const PROFILES: Readonly<Record<string, Profile>> = {
  anthropic: { skill: 0.985, words: 30, waste: 0.05, ttftMs: 60, tokensPerSecond: 4_000 },
  openai: { skill: 0.95, words: 14, waste: 0.15, ttftMs: 30, tokensPerSecond: 8_000 },
  mistral: { skill: 0.93, words: 20, waste: 0.25, ttftMs: 25, tokensPerSecond: 6_000 },
  vllm: { skill: 0.93, words: 20, waste: 0.25, ttftMs: 20, tokensPerSecond: 5_000 },
  ollama: { skill: 0.85, words: 24, waste: 0.3, ttftMs: 20, tokensPerSecond: 4_000 },
};
/** Steps that are as hard as the answer itself. */
const STEPS_AS_HARD = 3;

export function createSimulatedModels(seed: number): SimulatedModels {
  const expected = new Map<string, { readonly task: Task; readonly repeat: number }>();
  return {
    model({ provider, model, body }) {
      const said = saidIn(body);
      const entry = expected.get(`${provider}/${model}\n${said.first}`);
      const profile = PROFILES[provider];
      if (entry === undefined || profile === undefined) return undefined;
      const { task, repeat } = entry;
      const before = task.messages.filter(({ role }) => role === "assistant").length;
      return stepOf(task, said.answers - before, profile, (what) =>
        chanceOf(seed, task, repeat, `${provider} ${what}`),
      );
    },
    expect(model, task, repeat) {
      const key = `${model}\n${task.messages.find(({ role }) => role === "user")?.content ?? ""}`;
      const entry = { task, repeat };
      expected.set(key, entry);
      return () => void (expected.get(key) === entry && expected.delete(key));
    },
  };
}

/** In every wire's form of a chat: messages, or the items of a response, where a call is one of its own and each of these models' turns has one. */
function saidIn(body: JsonObject): { readonly first: string; readonly answers: number } {
  const said = body["messages"] ?? body["input"];
  const items = (Array.isArray(said) ? said : []) as readonly JsonObject[];
  const user = items.find(({ role }) => role === "user");
  const answers = items.filter(({ role, type }) => role === "assistant" || type === "function_call");
  return { first: typeof said === "string" ? said : textOf(user?.["content"]), answers: answers.length };
}

function textOf(content: JsonValue | undefined): string {
  if (typeof content === "string") return content;
  const parts = (Array.isArray(content) ? content : []) as readonly JsonObject[];
  return parts.map(({ text }) => (typeof text === "string" ? text : "")).join("");
}

type Chance = (what: string) => number;

function stepOf(task: Task, at: number, profile: Profile, chance: Chance): Said | undefined {
  const pace = { ttftMs: profile.ttftMs, tokensPerSecond: profile.tokensPerSecond };
  const planned = (task.simulated?.calls ?? []).flatMap((call, index) => {
    const made = { name: call.tool, argumentsText: JSON.stringify(call.arguments) };
    return chance(`waste ${index}`) < profile.waste ? [made, made] : [made];
  });
  const call = planned[at];
  if (call !== undefined) return { text: "", calls: [call], ...pace };
  // Further turns of the user are answered shortly, the last one in earnest.
  if (at - planned.length < task.next.length) return { text: "Noted.", calls: [], ...pace };
  const steps = (task.simulated?.calls ?? []).length + task.next.length;
  const isRight = chance("luck") < profile.skill ** (1 + steps / STEPS_AS_HARD);
  const text = isRight ? rightAnswer(task) : wrongAnswer(task);
  if (text === undefined) return undefined;
  return { text: isTolerant(task) ? `${filler(profile.words)}\n${text}` : text, calls: [], ...pace };
}

/** What is hard for one is hard for others: half of the time their luck is the same. */
function chanceOf(seed: number, { suite, id }: Task, repeat: number, what: string): number {
  const own = drawn(`${seed} ${suite} ${id} ${repeat} ${what}`);
  if (!what.endsWith(" luck")) return own;
  const isShared = drawn(`${seed} ${suite} ${id} ${repeat} shared`) < 0.5;
  return isShared ? drawn(`${seed} ${suite} ${id} ${repeat} luck`) : own;
}

function drawn(text: string): number {
  let word = 0;
  for (const character of text) word = Math.imul(word, 31) + (character.codePointAt(0) ?? 0);
  const chance = seeded(word);
  // The first draws of near seeds are alike.
  for (let skipped = 0; skipped < 4; skipped += 1) chance();
  return chance();
}

/** Where words around the answer make it no other one. */
function isTolerant({ checks, schema }: Task): boolean {
  return schema === undefined && checks.every(({ kind }) => ["contains", "number", "judge", "calls"].includes(kind));
}

const WORDS = ["I", "have", "looked", "at", "what", "was", "given", "and", "weighed", "it", "with", "care"];

function filler(words: number): string {
  return `${Array.from({ length: words }, (_, index) => WORDS[index % WORDS.length]).join(" ")}.`;
}

function rightAnswer({ checks, simulated }: Task): string | undefined {
  return simulated?.answer ?? checks.map(rightFor).find((text) => text !== undefined);
}

function wrongAnswer({ checks, simulated }: Task): string | undefined {
  return simulated?.wrong ?? checks.map(wrongFor).find((text) => text !== undefined) ?? "I am not sure.";
}

function rightFor(check: Check): string | undefined {
  switch (check.kind) {
    case "exact":
      return check.value;
    case "contains":
      return check.value.join("; ");
    case "number":
      return String(check.value);
    case "json":
      return JSON.stringify(check.value);
    case "regex":
    case "json-schema":
    case "calls":
    case "function":
    case "judge":
      return undefined;
  }
}

function wrongFor(check: Check): string | undefined {
  if (check.kind === "number") return String(check.value * 1.5 + check.tolerance * 3 + 1);
  if (check.kind !== "json") return undefined;
  const [key, value] = Object.entries(check.value)[0] ?? [];
  return key === undefined
    ? "{}"
    : JSON.stringify({ ...check.value, [key]: typeof value === "number" ? value + 1 : "?" });
}
