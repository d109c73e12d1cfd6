/** One call, and when its first and its last token came. */
import { randomBytes } from "node:crypto";
import OpenAI from "openai";

export interface Probe {
  /** By a clock that only goes on. */
  readonly sentMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** By the server's count. */
  readonly promptTokens: number;
  /** `undefined`: it does not say. */
  readonly cachedTokens: number | undefined;
  readonly outputTokens: number;
}

export interface Asked {
  readonly model: string;
  readonly prompt: string;
  readonly outputTokens: number;
}

export interface Prober {
  probe(asked: Asked): Promise<Probe>;
}

/** A server that does not do what is needed to measure it. */
export class ProbeError extends Error {}

export function createProber(url: string, apiKey: string, timeoutMs: number, stopped: AbortSignal): Prober {
  // One try: a second one would be measured as if it were the first.
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: timeoutMs });
  return {
    async probe({ model, prompt, outputTokens }) {
      const late = AbortSignal.timeout(timeoutMs);
      const sentMs = performance.now();
      let [firstMs, lastMs] = [0, 0];
      let usage: OpenAI.CompletionUsage | undefined;
      try {
        const stream = await client.chat.completions.create(
          {
            model,
            messages: [{ role: "user", content: prompt }],
            max_tokens: outputTokens,
            stream: true,
            stream_options: { include_usage: true },
          },
          { signal: AbortSignal.any([late, stopped]) },
        );
        for await (const chunk of stream) {
          usage = chunk.usage ?? usage;
          if (!chunk.choices.some(({ delta }) => hasTokens(delta))) continue;
          lastMs = performance.now();
          if (firstMs === 0) firstMs = lastMs;
        }
      } catch (error) {
        if (late.aborted) throw new ProbeError(`no answer within ${timeoutMs / 1_000} s`);
        throw error;
      }
      if (late.aborted) throw new ProbeError(`no answer within ${timeoutMs / 1_000} s`);
      if (usage === undefined)
        throw new ProbeError("its answers do not tell their tokens, and nothing can be measured");
      if (firstMs === 0) throw new ProbeError("its answers have no words in them");
      return {
        sentMs,
        firstMs,
        lastMs,
        promptTokens: usage.prompt_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens,
        outputTokens: usage.completion_tokens,
      };
    },
  };
}

/** Thoughts are tokens as well; of them OpenAI's types know nothing. */
function hasTokens(delta: object): boolean {
  const said = delta as Readonly<Record<string, unknown>>;
  return ["content", "reasoning_content", "reasoning"].some(
    (name) => typeof said[name] === "string" && said[name] !== "",
  );
}

const WORDS = [
  "river",
  "stone",
  "paper",
  "green",
  "quiet",
  "table",
  "seven",
  "north",
  "apple",
  "glass",
  "cloud",
  "train",
];
/** Until it is known better. */
export const TOKENS_PER_WORD = 1.2;

/** That nobody has read before: it differs from its first word on. */
export function promptToRead(tokens: number, tokensPerWord: number): string {
  const bytes = randomBytes(Math.max(1, Math.round(tokens / tokensPerWord)));
  const words = [...bytes].map((byte) => WORDS[byte % WORDS.length]);
  return `${nonce()} ${words.join(" ")}`;
}

export function promptToWrite(): string {
  return `${nonce()} Write the numbers from one to five thousand in words, one after the other, and nothing else. Do not stop before.`;
}

function nonce(): string {
  return randomBytes(8).toString("hex");
}
