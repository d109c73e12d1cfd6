/** Every pair of dialects that a call can cross, and what becomes of each thing said on its way there and back. */
import type { DialectName } from "../../src/chat.ts";
import { answerOutcomeOf } from "./answer-outcome.ts";
import { answersSaid } from "./answers.ts";
import { anthropicMessagesSaid } from "./anthropic-messages.ts";
import { mistralChatSaid } from "./mistral-chat.ts";
import { ollamaChatSaid, ollamaGenerateSaid } from "./ollama.ts";
import { openaiChatSaid } from "./openai-chat.ts";
import { openaiResponsesSaid } from "./openai-responses.ts";
import { dialectNamed, isChat, outcomeOf, upstreamsOf, type Outcome, type Upstream } from "./outcome.ts";
import type { Said } from "./said.ts";
import { answerReasons, reasonFor, requestReasons, type Reason } from "./unsaid.ts";

export const requestsSaid: Readonly<Record<DialectName, readonly Said[]>> = {
  "openai-chat": openaiChatSaid,
  "openai-responses": openaiResponsesSaid,
  "anthropic-messages": anthropicMessagesSaid,
  "mistral-chat": mistralChatSaid,
  "ollama-chat": ollamaChatSaid,
  "ollama-generate": ollamaGenerateSaid,
};

export interface Row {
  readonly what: string;
  /** Each that some model gets, the commonest first. */
  readonly outcomes: readonly Told[];
}

export interface Told extends Outcome {
  /** For how many of the pair's models. */
  readonly models: number;
  /** One of them. */
  readonly example: string;
  /** Why nobody is told, where nobody is. */
  readonly reason: Reason | undefined;
}

export interface Pair {
  readonly client: DialectName;
  readonly upstream: DialectName;
  readonly models: number;
  readonly requests: readonly Row[];
  /** None where the two are the same: answers pass as they are. */
  readonly answers: readonly Row[];
}

export function matrix(): readonly Pair[] {
  const names = Object.keys(requestsSaid);
  return names.flatMap((client) =>
    names.flatMap((upstream) => {
      const targets = upstreamsOf(client, upstream);
      return targets.length === 0 || !isChat(upstream) ? [] : [pairOf(client, upstream, targets)];
    }),
  );
}

function pairOf(client: DialectName, upstream: DialectName, targets: readonly Upstream[]): Pair {
  const [from, to] = [dialectNamed(client), dialectNamed(upstream)];
  const requests = (requestsSaid[client] ?? []).map((said) => {
    const found = targets.map((target) => ({ target, outcome: outcomeOf(said, from, to, target) }));
    return {
      what: said.what,
      outcomes: gathered(found, (what) => reasonFor(requestReasons, what, client, upstream), said),
    };
  });
  const answers = (client === upstream ? [] : (answersSaid[upstream] ?? [])).map((said) => {
    const found = [{ target: undefined, outcome: answerOutcomeOf(said, to, from) }];
    return {
      what: said.what,
      outcomes: gathered(found, (what) => reasonFor(answerReasons, what, upstream, client), said),
    };
  });
  return { client, upstream, models: targets.length, requests, answers };
}

interface Found {
  readonly target: Upstream | undefined;
  readonly outcome: Outcome;
}

/** Where a thing is kept differs in no way that matters here. */
function gathered(found: readonly Found[], why: (what: string) => Reason | undefined, { what }: Said): Told[] {
  const groups = Map.groupBy(found, ({ outcome }) => `${outcome.kind} ${outcome.words.join(" ")}`);
  return [...groups.values()]
    .flatMap((group): Told[] => {
      const [first] = group;
      if (first === undefined) return [];
      const { outcome, target } = first;
      const reason = outcome.kind === "unsaid" ? why(what) : undefined;
      const example = target?.record === undefined ? "one that no table knows" : target.model;
      return [{ ...outcome, models: group.length, example, reason }];
    })
    .sort((one, other) => other.models - one.models);
}
