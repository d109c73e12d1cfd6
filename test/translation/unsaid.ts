/**
 * What is left out without a loss, each with the reason why nobody is told: the list that was looked through by a person. Whatever
 * else is found to be left out is a fault.
 */
import type { DialectName } from "../../src/chat.ts";

export interface Reason {
  readonly what: RegExp;
  /** Only between these; absent: everywhere. */
  readonly from?: DialectName;
  readonly to?: DialectName;
  readonly why: string;
}

export const requestReasons: readonly Reason[] = [
  {
    what: /^(safety_identifier|user|metadata\.user_id)$/,
    why: "said as its SHA-256: an id that means something stays with who knows it",
  },
  {
    what: /^(prompt_cache_(key|options|retention)|.*cache_control(\.ttl|,).*|.*cache_control|.*prompt_cache_breakpoint)$/,
    why: "a hint for a cache that is not there, or finds by itself what it holds; no answer changes",
  },
  { what: /^include: reasoning\.encrypted_content$/, why: "how an answer brings its seals; they come in any case" },
  {
    what: /^(background: false|store: false|truncation: disabled|truncate: false|guardrails: none|safe_prompt: false)$/,
    why: "what holds in any case",
  },
  { what: /^(response_format|text\.format): text$/, why: "what holds in any case" },
  { what: /^(service_tier(: (auto|default|standard_only))?|tool_choice: auto)$/, why: "what holds in any case" },
  { what: /^parallel_tool_calls: true$/, why: "what holds in any case" },
  { what: /\.strict$/, why: "a schema is always held to here, or said to be strict where nothing is said" },
  { what: /^stream_options\./, why: "the form of the client's own stream, which is written here" },
  { what: /^input: ids and status$/, why: "what stands around what is said; it means nothing elsewhere" },
  { what: /^system: a billing line/, why: "noise that says nothing to a model" },
  {
    what: /^(reasoning\.summary|thinking\.display)$/,
    why: "how thoughts are to be shown; they come as this upstream shows them",
  },
  {
    what: /^(reasoning_effort: none|reasoning\.effort: none|thinking: disabled|think: false)$/,
    why: "a model that does not think needs not be told to",
  },
  {
    what: /^(thinking: adaptive|prompt_mode)$/,
    to: "ollama-chat",
    why: "a model that can think does so unless told not to",
  },
  {
    what: /^(messages: thinking\.signature|input: reasoning\.encrypted_content|content: thinking)$/,
    why: "the thought's text goes along where it is read; its seal is for who made it",
  },
];

const ASKED = "comes only to who asked for it, which another dialect cannot";
const COUNTED = "the ledger has what was billed; the client's words have no count of it";

export const answerReasons: readonly Reason[] = [
  { what: /^service_tier: /, why: "how it was served is on the ledger row, which is priced by it" },
  { what: /^usage: /, why: COUNTED },
  { what: /^(system_fingerprint|durations)$/, why: "about the provider's machines" },
  { what: /^(function_call: namespace|tool_use\.caller|container|context_management)$/, why: ASKED },
  { what: /^phase of a message$/, why: "which part of an answer it is; the text is whole" },
  { what: /^stop_sequence$/, why: "that it stopped is said; at which of the client's own words has no place" },
  { what: /^stop_details$/, why: "that it was refused is said; of what category has no place" },
  {
    what: /^(reasoning_details \(sealed\)|redacted_thinking)$/,
    to: "mistral-chat",
    why: "a seal without text: a client that parses text would find a list instead",
  },
];

export function reasonFor(
  reasons: readonly Reason[],
  what: string,
  from: DialectName,
  to: DialectName,
): Reason | undefined {
  return reasons.find((reason) => {
    const isThere = (reason.from ?? from) === from && (reason.to ?? to) === to;
    return isThere && reason.what.test(what);
  });
}
