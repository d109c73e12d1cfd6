/** A target's rates, level by level of parallel calls: rounds of calls that begin at once, until their time is over. */
import { APIConnectionError, APIError } from "openai";
import type { Level } from "./calibration.ts";
import {
  ProbeError,
  promptToRead,
  promptToWrite,
  TOKENS_PER_WORD,
  type Asked,
  type Prober,
  type Probe,
} from "./probe.ts";
import { rateOf, readRate, rereadRate, writtenRate } from "./rate.ts";

export interface MeasureOptions {
  readonly prober: Prober;
  readonly model: string;
  readonly concurrency: readonly number[];
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** For reading, and as long for writing, at each level. */
  readonly seconds: number;
  readonly stopped: AbortSignal;
  /** Whether as much as such a round may still be spent. */
  readonly affords: (calls: readonly Asked[]) => boolean;
  /** Of each call that was answered. */
  readonly answered: (probe: Probe) => void;
  readonly tell: (line: string) => void;
}

export interface Measured {
  readonly levels: readonly Level[];
  /** Why it is not all of it, in one line. */
  readonly stopped: string | undefined;
  readonly notices: readonly string[];
}

/** More tell no more, and a fast server is not to be asked without end. */
const ROUNDS_MAX = 20;
const REREAD_ROUNDS = 3;
const WARM_UPS = 2;
/** Shorter answers say little of how fast they are written. */
const OUTPUT_LEAST = 0.5;

/** A server that is spent, stopped or does not answer ends it: what there is by then counts. */
class Ended extends Error {}

export async function measure(options: MeasureOptions): Promise<Measured> {
  const levels: Level[] = [];
  const notices: string[] = [];
  try {
    const tokensPerWord = await warmedUp(options);
    for (const concurrency of options.concurrency) {
      const level = await levelAt(concurrency, tokensPerWord, options, notices);
      levels.push(level);
      options.tell(
        `${concurrency} at once: reads ${Math.round(level.prefill.mean)} tokens/s, writes ${Math.round(level.decode.mean)}`,
      );
    }
    return { levels, stopped: undefined, notices };
  } catch (error) {
    return { levels, stopped: reasonOf(error), notices };
  }
}

/** The longest prompt first: a server that loads its model for it, or grows its window, is not to be measured at that. */
async function warmedUp(options: MeasureOptions): Promise<number> {
  const { model, promptTokens, outputTokens } = options;
  let tokensPerWord = TOKENS_PER_WORD;
  for (let time = 0; time < WARM_UPS; time += 1) {
    const prompt = promptToRead(promptTokens, tokensPerWord);
    const [probe] = await round([{ model, prompt, outputTokens: 1 }], options);
    const words = prompt.split(" ").length;
    if (probe !== undefined && probe.promptTokens > 0) tokensPerWord = probe.promptTokens / words;
  }
  await round([{ model, prompt: promptToWrite(), outputTokens: Math.min(8, outputTokens) }], options);
  return tokensPerWord;
}

async function levelAt(
  concurrency: number,
  tokensPerWord: number,
  options: MeasureOptions,
  notices: string[],
): Promise<Level> {
  const { model, promptTokens, outputTokens } = options;
  const at = Array.from({ length: concurrency });
  let newest: readonly Asked[] = [];
  const reading = await rounds(options, ROUNDS_MAX, () => {
    newest = at.map(() => ({ model, prompt: promptToRead(promptTokens, tokensPerWord), outputTokens: 1 }));
    return newest;
  });
  const again = await rounds(options, REREAD_ROUNDS, () => newest);
  const writing = await rounds(options, ROUNDS_MAX, () =>
    at.map(() => ({ model, prompt: promptToWrite(), outputTokens })),
  );
  const prefill = rateOf(reading.map(readRate));
  const decode = rateOf(writing.map(writtenRate));
  if (prefill === undefined || decode === undefined)
    throw new Ended(`at ${concurrency} parallel calls its answers are too short to be measured: raise --output-tokens`);
  const written = meanBy(writing.flat(), ({ outputTokens: tokens }) => tokens);
  if (written < outputTokens * OUTPUT_LEAST)
    notices.push(`${concurrency} at once: its answers ended after ${Math.round(written)} tokens, not ${outputTokens}.`);
  const isCached = again.flat().some(({ cachedTokens }) => cachedTokens !== 0);
  const waits = reading
    .flat()
    .map(({ sentMs, firstMs }) => firstMs - sentMs)
    .toSorted((one, other) => one - other);
  return {
    concurrency,
    prefill,
    decode,
    cached: (isCached ? rateOf(again.map(rereadRate)) : undefined) ?? null,
    ttft_ms: { p50: quantile(waits, 0.5), p90: quantile(waits, 0.9) },
    prompt_tokens: meanBy(reading.flat(), ({ promptTokens: tokens }) => tokens),
    output_tokens: written,
  };
}

/** One at least. */
async function rounds(
  options: MeasureOptions,
  most: number,
  next: () => readonly Asked[],
): Promise<readonly (readonly Probe[])[]> {
  const done: (readonly Probe[])[] = [];
  const until = performance.now() + options.seconds * 1_000;
  do done.push(await round(next(), options));
  while (done.length < most && performance.now() < until);
  return done;
}

async function round(calls: readonly Asked[], options: MeasureOptions): Promise<readonly Probe[]> {
  if (options.stopped.aborted) throw new Ended("it was interrupted");
  if (!options.affords(calls)) throw new Ended("--max-usd is spent");
  const settled = await Promise.allSettled(calls.map((asked) => options.prober.probe(asked)));
  const probes = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  for (const probe of probes) options.answered(probe);
  if (options.stopped.aborted) throw new Ended("it was interrupted");
  const failed = settled.find((one) => one.status === "rejected");
  if (failed === undefined) return probes;
  const reason = reasonOf(failed.reason);
  throw new Ended(calls.length === 1 ? reason : `at ${calls.length} parallel calls: ${reason}`);
}

const REASON_CHARACTERS_MAX = 300;

/** In one line, and no prompt in it: those are made here. */
function reasonOf(error: unknown): string {
  if (error instanceof Ended || error instanceof ProbeError) return error.message;
  if (error instanceof APIConnectionError) return "the gateway does not answer, or cut the answer off";
  const said = error instanceof Error ? error.message : String(error);
  const words = error instanceof APIError && error.status !== undefined ? said : `the answer broke off (${said})`;
  return words.replaceAll(/\s+/g, " ").slice(0, REASON_CHARACTERS_MAX);
}

function meanBy(probes: readonly Probe[], of: (probe: Probe) => number): number {
  return probes.reduce((sum, probe) => sum + of(probe), 0) / Math.max(1, probes.length);
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0) * 10) / 10;
}
