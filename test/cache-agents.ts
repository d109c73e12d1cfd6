/**
 * Conversations of mixed agents in virtual time: what the official SDKs say, and what real agents were seen to say, interleaved by
 * their pauses. The same at every run of one seed.
 */
import Anthropic from "@anthropic-ai/sdk";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import type { JsonObject } from "../src/chat.ts";

/** Where a request goes without a socket. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface Agent {
  readonly name: string;
  /** Asks once more. @returns whether there is more to say. */
  ask(): Promise<boolean>;
  /** What its last request began with, of which it is not known whether the provider counts it to the prefix. */
  readonly noise?: string | undefined;
}

const captures = join(import.meta.dirname, "../../shared/conformance/captures");
export const hasCaptures: boolean = existsSync(captures);

const CLAUDE = "anthropic/claude-haiku-5-5";
const LUNA = "openai/gpt-6-luna";
const MISTRAL = "mistral/mistral-small-latest";
const WORDS =
  "the parser reads a line and gives back what stood there before anyone asked for it while other threads wait their turn in order".split(
    " ",
  );
const TURNS_MAX = 16;

/** Numbers in [0, 1) that are the same every time. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @param share Of the agents that are replayed captures, where there are any. */
export function createAgents(fetch: Fetch, random: () => number, share: number): () => Agent {
  const openai = new OpenAI({ baseURL: "http://gateway.test/v1", apiKey: "any", maxRetries: 0, fetch });
  const anthropic = new Anthropic({ baseURL: "http://gateway.test", apiKey: "any", maxRetries: 0, fetch });
  const recorded = hasCaptures ? readCaptures() : [];
  const saying = new Saying(random);
  let count = 0;
  return () => {
    count += 1;
    const capture = recorded[Math.floor(random() * recorded.length)];
    if (capture !== undefined && random() < share) return replayed(capture, fetch, count);
    const kinds = [
      () => viaOpenai("openai-sdk to claude", openai, CLAUDE, saying),
      () => viaOpenai("openai-sdk to claude", openai, CLAUDE, saying),
      () => viaAnthropic("anthropic-sdk to mistral", anthropic, MISTRAL, saying, false),
      () => viaAnthropic("anthropic-sdk to gpt", anthropic, LUNA, saying, false),
      () => viaAnthropic("anthropic-sdk, own marks", anthropic, CLAUDE, saying, true),
    ];
    return (kinds[Math.floor(random() * kinds.length)] as () => Agent)();
  };
}

class Saying {
  readonly chance: () => number;
  #said = 0;

  constructor(chance: () => number) {
    this.chance = chance;
  }

  /** Text that nobody has said before. */
  fresh(words: number): string {
    this.#said += 1;
    return `Number ${this.#said}: ${Array.from({ length: words }, () => WORDS[this.below(WORDS.length)]).join(" ")}`;
  }

  /** What all agents of a kind begin with. */
  instructions(): string {
    const kind = this.below(3);
    return `You are agent ${kind}. ${`${WORDS.slice(kind).join(" ")}. `.repeat(40 + 25 * kind)}`;
  }

  below(limit: number): number {
    return Math.floor(this.chance() * limit);
  }
}

/** A turn is taken back now and then, and said otherwise. */
function takenBack(messages: unknown[], least: number, chance: number): void {
  if (chance < 0.06 && messages.length > least + 4) messages.length -= 4;
}

function viaOpenai(name: string, client: OpenAI, model: string, saying: Saying): Agent {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "system", content: saying.instructions() }];
  const tools: OpenAI.ChatCompletionTool[] = ["read_file", "run_tests", "search"].map((tool) => ({
    type: "function",
    function: {
      name: tool,
      description: `It does what it is called: ${WORDS.join(" ")}`,
      parameters: { type: "object", properties: { path: { type: "string" } } },
    },
  }));
  const withTools = saying.chance() < 0.5 ? { tools } : {};
  const turns = 1 + saying.below(TURNS_MAX);
  let turn = 0;
  return {
    name,
    async ask() {
      turn += 1;
      takenBack(messages, 1, saying.chance());
      messages.push({ role: "user", content: saying.fresh(20 + saying.below(200)) });
      const create = { model, messages, max_tokens: 200, ...withTools };
      const content =
        saying.chance() < 0.5
          ? await client.chat.completions.stream(create).finalContent()
          : (await client.chat.completions.create(create)).choices[0]?.message.content;
      messages.push({ role: "assistant", content: content ?? "" });
      return turn < turns;
    },
  };
}

function viaAnthropic(name: string, client: Anthropic, model: string, saying: Saying, isMarking: boolean): Agent {
  const ttl = saying.chance() < 0.3 ? ("1h" as const) : ("5m" as const);
  const mark = { type: "ephemeral" as const, ttl };
  const system: Anthropic.TextBlockParam[] = [
    { type: "text", text: saying.instructions(), ...(isMarking ? { cache_control: mark } : {}) },
  ];
  const messages: Anthropic.MessageParam[] = [];
  const turns = 1 + saying.below(TURNS_MAX);
  let turn = 0;
  return {
    name,
    async ask() {
      turn += 1;
      takenBack(messages, 0, saying.chance());
      messages.push({ role: "user", content: saying.fresh(20 + saying.below(200)) });
      const last = messages.at(-1) as { role: "user"; content: string };
      const marked: Anthropic.MessageParam = {
        role: "user",
        content: [{ type: "text", text: last.content, cache_control: { type: "ephemeral" } }],
      };
      const sent = isMarking ? [...messages.slice(0, -1), marked] : messages;
      const create = { model, max_tokens: 200, system, messages: sent };
      const answer =
        saying.chance() < 0.5
          ? await client.messages.stream(create).finalMessage()
          : await client.messages.create(create);
      messages.push({ role: "assistant", content: answer.content.flatMap(textOf).join("") });
      return turn < turns;
    },
  };
}

function textOf(block: Anthropic.ContentBlock): readonly string[] {
  return block.type === "text" ? [block.text] : [];
}

interface Captured {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: JsonObject;
}

interface Capture {
  readonly name: string;
  readonly requests: readonly Captured[];
}

/** The sessions of agents; the SDKs' own captures are single calls. */
function readCaptures(): readonly Capture[] {
  return readdirSync(captures)
    .filter((file) => /^(?:claude-code|codex|opencode)--/.test(file))
    .toSorted()
    .map((file) => {
      const { requests } = JSON.parse(readFileSync(join(captures, file), "utf8")) as { requests: readonly Captured[] };
      return { name: file.replace(".json", ""), requests: requests.filter(({ method }) => method === "POST") };
    });
}

/** Models that a capture names and the table does not know are replaced, as a policy behind the name would do. */
const MODELS: Readonly<Record<string, string>> = {
  "gw-model": CLAUDE,
  "claude-sonnet-4-5": "claude-sonnet-4-6",
  "gpt-5.1": LUNA,
};
const KEPT_HEADERS = /^(?:anthropic-|x-claude|x-session|session|thread|user-agent$|x-stainless|x-codex|originator$)/i;

/** A recorded session, said anew: another first word, and so another conversation behind the same tools and instructions. */
function replayed({ name, requests }: Capture, fetch: Fetch, number: number): Agent {
  let next = 0;
  let noise: string | undefined;
  return {
    name,
    get noise() {
      return noise;
    },
    async ask() {
      const { path, headers, body } = requests[next] as Captured;
      next += 1;
      noise = noiseOf(body);
      const model = String(body["model"]);
      const response = await fetch(`http://gateway.test${path}`, {
        method: "POST",
        headers: {
          ...Object.fromEntries(headers.filter(([header]) => KEPT_HEADERS.test(header))),
          "content-type": "application/json",
          authorization: "Bearer any",
        },
        body: JSON.stringify(renamed({ ...body, model: MODELS[model] ?? model }, number)),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${name}, request ${next}: ${response.status} ${text.slice(0, 400)}`);
      return next < requests.length;
    },
  };
}

/** The line that Claude Code puts in front of its instructions; it differs from conversation to conversation. */
function noiseOf({ system }: JsonObject): string | undefined {
  const first = Array.isArray(system) ? (system[0] as JsonObject | undefined)?.["text"] : undefined;
  return typeof first === "string" && first.startsWith("x-anthropic-billing-header:") ? first : undefined;
}

/** The body with a number in front of what the user said first. */
function renamed(body: JsonObject, number: number): JsonObject {
  const field = "messages" in body ? "messages" : "input";
  const items = body[field] as readonly JsonObject[];
  const first = items.findIndex((item) => item["role"] === "user");
  return { ...body, [field]: items.map((item, index) => (index === first ? numbered(item, number) : item)) };
}

function numbered(item: JsonObject, number: number): JsonObject {
  const { content } = item;
  if (typeof content === "string") return { ...item, content: `Run ${number}. ${content}` };
  const parts = content as readonly JsonObject[];
  return {
    ...item,
    content: parts.map((part, index) =>
      index === 0 ? { ...part, text: `Run ${number}. ${String(part["text"])}` } : part,
    ),
  };
}
