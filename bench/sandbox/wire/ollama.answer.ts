/** Ollama's answers: lines of JSON, the last one with counts and durations in nanoseconds. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { Answer } from "../answer.ts";
import { countTokens, digest, pick, tokensOf } from "../tokens.ts";
import { type Frame, isObject, type Reply } from "./wire.ts";

export interface AnswerForm {
  readonly model: string;
  /** `/api/chat` says it in a message, `/api/generate` on the line itself. */
  readonly kind: "chat" | "generate";
  /** Whether the version tells how much was in the cache. */
  readonly reportsCached: boolean;
  /** Whether the version gives its calls ids. */
  readonly callIds: boolean;
  /** Tokens of prompt and answer as numbers, where they are given back. */
  readonly givesContext: boolean;
}

interface Said {
  readonly text?: string;
  readonly thinking?: string;
  readonly calls?: readonly JsonObject[];
}

export function answerJson(form: AnswerForm, reply: Reply, promptTokens: number): JsonObject {
  const answer = onlyAnswer(reply);
  const said = { text: answer.text, thinking: answer.thinking, calls: callsOf(form, reply, answer) };
  return { ...line(form, reply, said), ...ending(form, reply, answer, promptTokens) };
}

export function* answerLines(form: AnswerForm, reply: Reply, promptTokens: number): Iterable<Frame> {
  const answer = onlyAnswer(reply);
  const frame = (said: Said, tokens: number): Frame => written({ ...line(form, reply, said), done: false }, tokens);
  for (const thinking of tokensOf(answer.thinking)) yield frame({ thinking }, 1);
  for (const text of tokensOf(answer.text)) yield frame({ text }, 1);
  // A call comes whole.
  for (const [index, call] of callsOf(form, reply, answer).entries()) {
    const made = answer.calls[index];
    const tokens = made === undefined ? 0 : countTokens(made.name) + 8 + countTokens(made.argumentsText);
    yield frame({ calls: [call] }, tokens);
  }
  yield written({ ...line(form, reply, {}), ...ending(form, reply, answer, promptTokens) }, 0);
}

function written(value: JsonObject, tokens: number): Frame {
  return { text: `${JSON.stringify(value)}\n`, tokens };
}

/** The answer to a request that only loads a model, or lets it go. */
export function loadJson(form: AnswerForm, reply: Reply, reason: "load" | "unload"): JsonObject {
  return { ...line(form, reply, {}), done: true, done_reason: reason };
}

function line(form: AnswerForm, reply: Reply, { text = "", thinking = "", calls = [] }: Said): JsonObject {
  const more = {
    ...(thinking === "" ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  const said: JsonObject =
    form.kind === "chat" ? { message: { role: "assistant", content: text, ...more } } : { response: text, ...more };
  return { model: form.model, created_at: timeOf(reply.nowMs()), ...said };
}

/** As the server writes times, to the nanosecond. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/(\.\d{3})Z$/, "$1000000Z");
}

function ending(form: AnswerForm, reply: Reply, answer: Answer, promptTokens: number): JsonObject {
  const { bill, pace } = reply;
  const prompt = bill.uncached + bill.read;
  const generated = answer.outputTokens;
  const loadNs = Math.round(pace.loadMs * NS_PER_MS) + NS_PER_TOKEN_MIN;
  const promptNs = nanoseconds(pace.promptMs, bill.uncached);
  const answerNs = nanoseconds(pace.perTokenMs * generated, generated);
  return {
    done: true,
    done_reason: answer.finish === "length" ? "length" : "stop",
    ...(form.givesContext ? { context: contextOf(reply, promptTokens + generated) } : {}),
    total_duration: loadNs + promptNs + answerNs,
    load_duration: loadNs,
    // A count of zero is left out, but for the cached one.
    ...(prompt === 0 ? {} : { prompt_eval_count: prompt }),
    ...(form.reportsCached ? { prompt_eval_cached_count: bill.read } : {}),
    prompt_eval_duration: promptNs,
    ...(generated === 0 ? {} : { eval_count: generated }),
    eval_duration: answerNs,
  };
}

const NS_PER_MS = 1_000_000;
/** What takes no time here is counted at a microsecond a token: a duration of zero would be left out. */
const NS_PER_TOKEN_MIN = 1000;

function nanoseconds(ms: number, tokens: number): number {
  return Math.max(Math.round(ms * NS_PER_MS), tokens * NS_PER_TOKEN_MIN);
}

function callsOf(form: AnswerForm, reply: Reply, answer: Answer): JsonObject[] {
  return answer.calls.flatMap(({ name, argumentsText }, index) => {
    const args = argumentsOf(argumentsText);
    if (args === undefined) return [];
    const id = digest(reply.id, String(index)).replaceAll(/[^a-z0-9]/g, "0");
    return form.callIds
      ? [{ id: `call_${id.slice(0, 8)}`, function: { index, name, arguments: args } }]
      : [{ function: { name, arguments: args } }];
  });
}

/** Arguments as an object; what was cut short is no JSON, and then there are none. */
export function argumentsOf(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Numbers that stand for the tokens so far. */
function contextOf(reply: Reply, count: number): number[] {
  const start = pick(reply.id, 100_000);
  return Array.from({ length: count }, (_, index) => (start + index * 7919) % 100_000);
}

function onlyAnswer(reply: Reply): Answer {
  const answer = reply.answers[0];
  if (answer === undefined) throw new Error("a reply holds at least one answer");
  return answer;
}
