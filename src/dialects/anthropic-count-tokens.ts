/** Anthropic's count of a prompt's tokens (`POST /v1/messages/count_tokens`): a message that is not answered. */
import type { JsonObject } from "../chat.ts";
import { GatewayError } from "../errors.ts";
import { UNKNOWN_USAGE } from "../usage.ts";
import { anthropicMessages } from "./anthropic-messages.ts";
import type { Dialect } from "./dialect.ts";
import { CountingDecoder } from "./forwarded.ts";

const NAME = "anthropic-count-tokens";
const WORD = "Anthropic's token count";

const { prewarming: _prewarming, ...rest } = anthropicMessages;

export const anthropicCountTokens: Dialect = {
  ...rest,
  name: NAME,
  countsOnly: true,
  readRequest: (body: JsonObject) => ({
    ...anthropicMessages.readRequest(body),
    dialect: NAME,
    stream: false,
    onlyHere: [WORD],
  }),
  writeRequest: () => {
    throw new GatewayError("unsupported", `${WORD} can only be forwarded to a provider that has it`);
  },
  // It is asked of one model only, whichever generation its words are for.
  refuses: () => false,
  decoder: () =>
    new CountingDecoder({
      word: WORD,
      like: anthropicMessages,
      // Counting is free, and leaves nothing in a cache.
      readUsage: () => ({ ...UNKNOWN_USAGE, inputUncached: 0, cacheRead: 0, output: 0, reasoning: 0 }),
      readContent: (answer) => (typeof answer["input_tokens"] === "number" ? [] : undefined),
    }),
};
