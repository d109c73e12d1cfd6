/**
 * What is sent and what is answered. A request's `user` field tells the upstream how to answer: with one JSON body, with a burst
 * of events, with one event every so many milliseconds until the client leaves, or never.
 */

/** `paced-25`: an event every 25 ms. */
export type Behaviour = "whole" | "burst" | "hold" | `paced-${number}`;

export interface RequestShape {
  readonly model: string;
  readonly behaviour: Behaviour;
  /** Size of the body. */
  readonly bytes: number;
}

/** Where each request has its own number: no two prompts are the same, so that nobody can answer from memory. */
export const NUMBER_PLACE = "00000000";

/** Events of a burst: the role, 62 pieces of text, the finish, the usage, the terminal mark. */
export const BURST_EVENTS = 66;
/** Each event is a line and a blank line. */
export const LINE_FEEDS_PER_EVENT = 2;
/** What every answer ends with, by its form. */
export const WHOLE_END = '"system_fingerprint":"fp_bench"}';
export const STREAM_END = "[DONE]";

/** Paths that begin so go to the address that does not accept, for contenders that only know paths. */
export const HOLE_PATH = "/hole";

const MESSAGE_CHARACTERS = 900;
const WORDS =
  "the invoice of the third quarter lists a charge that the customer says was refunded before the new plan began and asks us to look at both payments".split(
    " ",
  );

/** A chat of this many bytes: a system prompt, then turns of the two sides, the number in the last one. */
export function requestBody({ model, behaviour, bytes }: RequestShape): string {
  const isStream = behaviour !== "whole";
  const fixed = {
    model,
    user: `bench-${behaviour}`,
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
  const last = `Ticket ${NUMBER_PLACE}. What should we answer?`;
  const messages = [{ role: "system", content: prose(Math.min(MESSAGE_CHARACTERS, Math.floor(bytes / 3))) }];
  const sizeWith = (more: readonly { role: string; content: string }[]) =>
    JSON.stringify({ ...fixed, messages: more }).length;
  const filled = () => sizeWith([...messages, { role: "user", content: last }]);
  while (filled() + 2 * MESSAGE_CHARACTERS + 100 < bytes) {
    messages.push({ role: "user", content: prose(MESSAGE_CHARACTERS) });
    messages.push({ role: "assistant", content: prose(MESSAGE_CHARACTERS) });
  }
  messages.push({ role: "user", content: prose(Math.max(0, bytes - filled() - 1)) + ` ${last}` });
  return JSON.stringify({ ...fixed, messages });
}

function prose(characters: number): string {
  let text = "";
  for (let index = 0; text.length < characters; index += 1) text += `${WORDS[index % WORDS.length]} `;
  return text.slice(0, characters);
}

const USAGE = {
  prompt_tokens: 420,
  completion_tokens: 62,
  total_tokens: 482,
  prompt_tokens_details: { cached_tokens: 256, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
};

/** About 1 KB, as a real one. */
export function wholeAnswer(): string {
  return JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1_764_000_000,
    model: "gpt-5.4-nano",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: prose(500), refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: USAGE,
    service_tier: "default",
    system_fingerprint: "fp_bench",
  });
}

export function burstEvents(): readonly string[] {
  const texts = Array.from({ length: BURST_EVENTS - 4 }, (_, index) => `${WORDS[index % WORDS.length]} `);
  return [
    textEvent({ role: "assistant", content: "" }, null),
    ...texts.map((content) => textEvent({ content }, null)),
    textEvent({}, "stop"),
    event({ ...CHUNK, choices: [], usage: USAGE }),
    `data: ${STREAM_END}\n\n`,
  ];
}

/** The event that a paced stream repeats. */
export function pacedEvent(): string {
  return textEvent({ content: "payment " }, null);
}

const CHUNK = {
  id: "chatcmpl-bench",
  object: "chat.completion.chunk",
  created: 1_764_000_000,
  model: "gpt-5.4-nano",
  service_tier: "default",
  system_fingerprint: "fp_bench",
};

function textEvent(delta: object, finish: string | null): string {
  return event({ ...CHUNK, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null });
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
