/**
 * The model: a deterministic function of the prompt. It quotes what it was told, calls the tools that are named or forced, and answers in
 * the schema that was asked for.
 */
import type { JsonObject, JsonValue } from "../../src/chat.ts";
import { type Directives, numberOf, withoutMarkers } from "./directives.ts";
import { instanceOf } from "./schema.ts";
import { countTokens, digest, pick, tokensOf } from "./tokens.ts";

export interface Ask {
  /** Fixes every choice: hash of the prompt and the seed. */
  readonly seed: string;
  readonly lastUserText: string;
  /** Results of the calls this request answers; empty unless the conversation ends in some. */
  readonly toolResults: readonly string[];
  readonly tools: readonly { readonly name: string; readonly schema: JsonValue | undefined }[];
  readonly toolChoice:
    /** `only`: the offered tools that may be called now. */
    | { readonly kind: "auto" | "none" | "any"; readonly only?: readonly string[] }
    | { readonly kind: "named"; readonly name: string };
  readonly parallel: boolean;
  /** Structured output: the schema, or `{}` for "some JSON object". */
  readonly schema: JsonObject | undefined;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  /** About how many tokens it thinks; 0: not at all. */
  readonly thinkingTokens: number;
  /** The beginning of the answer, as the client put it. */
  readonly prefill?: string;
}

export interface Answer {
  /** What it thought; wires that do not show it only count it. */
  readonly thinking: string;
  readonly thinkingTokens: number;
  readonly text: string;
  readonly calls: readonly Call[];
  readonly finish: "stop" | "stop-sequence" | "length" | "tool-calls" | "refusal";
  readonly stopSequence: string | undefined;
  /** Everything generated, thinking included. */
  readonly outputTokens: number;
}

export interface Call {
  readonly name: string;
  /** JSON text; cut short when the answer ran into its cap. */
  readonly argumentsText: string;
}

/** What a call costs besides its name and arguments. */
const CALL_ENVELOPE_TOKENS = 8;
/** No model here says more, whatever it is asked for. */
const ANSWER_TOKENS_MAX = 128_000;
/** Nobody shall take an answer of the sandbox for a model's. */
const OPENING = "This is the sandbox, not a model.";
const FILLER = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs", "home"];

/** What a model that somebody scripted says in place of the sandbox's own (`startSandbox({ model })`). */
export interface Said {
  readonly text: string;
  /** Tools that it calls, in order; those that the request does not have are left out. */
  readonly calls: readonly Call[];
  /** Until its first token, and how fast it goes on; absent: as the sandbox's pace is. */
  readonly ttftMs?: number;
  readonly tokensPerSecond?: number;
}

export function answerTo(ask: Ask, directives: Directives, said?: Said): Answer {
  const wanted = said === undefined ? wantedParts(ask, directives) : saidParts(ask, said);
  const thought =
    ask.thinkingTokens === 0 ? [] : fillerTokens(`${ask.seed}think`, Math.min(ask.thinkingTokens, ANSWER_TOKENS_MAX));
  const cut = cutAtStop(wanted.text, ask.stop);
  let room = Math.max(0, ask.maxTokens ?? Infinity);

  const thinking = thought.slice(0, room);
  room -= thinking.length;
  const text = tokensOf(cut.text).slice(0, room);
  room -= text.length;
  let isShort = thinking.length < thought.length || text.length < countTokens(cut.text);
  const calls: Call[] = [];
  let callTokens = 0;
  for (const call of cut.stop === undefined && !isShort ? wanted.calls : []) {
    const argumentTokens = tokensOf(call.argumentsText);
    const envelope = CALL_ENVELOPE_TOKENS + countTokens(call.name);
    if (room < envelope) {
      isShort = true;
      break;
    }
    const kept = argumentTokens.slice(0, room - envelope);
    room -= envelope + kept.length;
    callTokens += envelope + kept.length;
    calls.push({ name: call.name, argumentsText: kept.join("") });
    isShort = kept.length < argumentTokens.length;
    if (isShort) break;
  }
  return {
    thinking: thinking.join(""),
    thinkingTokens: thinking.length,
    text: text.join(""),
    calls,
    finish: finishOf(isShort, cut.stop !== undefined, calls.length > 0, wanted.refused),
    stopSequence: isShort ? undefined : cut.stop,
    // Real models bill at least the token that ends the answer.
    outputTokens: Math.max(ask.maxTokens === 0 ? 0 : 1, thinking.length + text.length + callTokens),
  };
}

interface Wanted {
  readonly text: string;
  readonly calls: readonly Call[];
  readonly refused: boolean;
}

function saidParts({ tools }: Ask, { text, calls }: Said): Wanted {
  const known = calls.filter(({ name }) => tools.some((tool) => tool.name === name));
  return { text, calls: known, refused: false };
}

function wantedParts(ask: Ask, directives: Directives): Wanted {
  if (directives.has("refusal")) return { text: directives.get("refusal") ?? "", calls: [], refused: true };
  const inLoop = ask.toolResults.length > 0;
  const calls = callsOf(ask, directives, inLoop);
  const literal = directives.get(inLoop ? "then" : "text");
  if (calls.length > 0) return { text: literal ?? "", calls, refused: false };
  return { text: literal ?? textOf(ask, directives, inLoop), calls: [], refused: false };
}

function callsOf(ask: Ask, directives: Directives, inLoop: boolean): Call[] {
  if (ask.toolChoice.kind === "none" || ask.tools.length === 0) return [];
  const named = namedTools(ask, directives, inLoop);
  const chosen = ask.parallel ? named : named.slice(0, 1);
  return chosen.map((tool, index) => ({
    name: tool.name,
    argumentsText: directives.get("arguments") ?? JSON.stringify(instanceOf(tool.schema, `${ask.seed}call${index}`)),
  }));
}

function namedTools(ask: Ask, directives: Directives, inLoop: boolean): Ask["tools"] {
  const choice = ask.toolChoice;
  if (choice.kind === "named") return ask.tools.filter((tool) => tool.name === choice.name);
  const { only } = choice;
  const callable = only === undefined ? ask.tools : ask.tools.filter((tool) => only.includes(tool.name));
  const mentioned = inLoop ? [] : askedFor(callable, ask.lastUserText, directives.get("tool")?.split(",") ?? []);
  if (mentioned.length > 0) return mentioned;
  return choice.kind === "any" ? callable.slice(0, 1) : [];
}

function askedFor(tools: Ask["tools"], said: string, directed: readonly string[]): Ask["tools"] {
  if (directed.length > 0) return directed.flatMap((name) => tools.filter((tool) => tool.name === name));
  const text = withoutMarkers(said);
  return tools.filter((tool) => mentions(text, tool.name));
}

function mentions(text: string, name: string): boolean {
  const at = text.indexOf(name);
  const isWord = (character: string | undefined) => character !== undefined && /[\w-]/.test(character);
  return at >= 0 && !isWord(text[at - 1]) && !isWord(text[at + name.length]);
}

function textOf(ask: Ask, directives: Directives, inLoop: boolean): string {
  if (ask.schema !== undefined) return JSON.stringify(instanceOf(ask.schema, ask.seed));
  const length = numberOf(directives, "tokens");
  if (length !== undefined) return fillerTokens(ask.seed, Math.min(length, ANSWER_TOKENS_MAX)).join("");
  if (inLoop) return `${OPENING} The tool said: ${ask.toolResults.map((result) => clip(result, 400)).join(" | ")}`;
  const said = clip(withoutMarkers(ask.lastUserText), 400);
  const answer = said === "" ? `${OPENING} You said nothing.` : `${OPENING} You said: ${said}`;
  return ask.prefill === undefined ? answer : answer.slice(Math.min(ask.prefill.length, answer.length - 1));
}

/** Exactly `count` tokens of harmless text. */
function fillerTokens(seed: string, count: number): string[] {
  const start = pick(seed, FILLER.length);
  return Array.from(
    { length: count },
    (_, index) => `${index === 0 ? "" : " "}${FILLER[(start + index * 5) % FILLER.length] ?? "word"}`,
  );
}

function cutAtStop(
  text: string,
  stop: readonly string[],
): { readonly text: string; readonly stop: string | undefined } {
  let end = text.length;
  let found: string | undefined;
  for (const one of stop) {
    const at = one === "" ? -1 : text.indexOf(one);
    if (at < 0 || at >= end) continue;
    end = at;
    found = one;
  }
  return { text: text.slice(0, end), stop: found };
}

function finishOf(isShort: boolean, isStopped: boolean, hasCalls: boolean, refused: boolean): Answer["finish"] {
  if (refused) return "refusal";
  if (isShort) return "length";
  if (isStopped) return "stop-sequence";
  return hasCalls ? "tool-calls" : "stop";
}

function clip(text: string, characters: number): string {
  const whole = [...text];
  return whole.length <= characters ? text : `${whole.slice(0, characters).join("")}…`;
}

/** The seed of an answer: same prompt, same seed, same answer. */
export function seedOf(...parts: readonly string[]): string {
  return digest("answer", ...parts);
}
