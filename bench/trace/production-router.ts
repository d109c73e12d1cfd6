/** `src/cache/affinity.ts` itself in a replay: told of a trace's requests as the gateway tells it of calls. */
import { vllm } from "../../providers/vllm.ts";
import { createAffinity, type PrefixAffinity, type RoutedCall } from "../../src/cache/affinity.ts";
import type { ProviderInstance } from "../../src/target.ts";
import { UNKNOWN_USAGE } from "../../src/usage.ts";
import type { Router, Site } from "./routers.ts";
import type { Trace, TraceRequest } from "./trace.ts";

const MODEL = "m";
/** Answers that say nothing of the cache: what the mirror believes is all that there is. */
const END = { outcome: "complete", usage: UNKNOWN_USAGE, usageBasis: "reported" };

export class ProductionRouter implements Router {
  readonly name: string;
  readonly #trace: Trace;
  readonly #affinity: PrefixAffinity = createAffinity();
  readonly #instance: ProviderInstance;
  readonly #calls = new Map<number, RoutedCall>();

  /** @param capacityError What the affinity takes the replicas' capacity for, as a multiple of what it is. */
  constructor(name: string, { trace, replicas, capacityTokens }: Site, capacityError: number) {
    this.name = name;
    this.#trace = trace;
    const baseUrls = replicas.map((_, index) => `http://replica-${index}/v1`);
    const cacheTokens = Math.ceil(capacityTokens * capacityError);
    this.#instance = { name: "fleet", provider: vllm, settings: { baseUrls, cacheTokens } };
  }

  /** The gateway has a prompt's places before it looks for a replica. */
  read(request: TraceRequest): void {
    const prefixes = { ...placesOf(request, this.#trace), promptTokens: request.promptTokens };
    this.#calls.set(request.index, { instance: this.#instance, model: MODEL, prefixes });
  }

  choose(request: TraceRequest): number {
    return this.#affinity.prefer(this.#call(request), this.#instance.settings.baseUrls) ?? 0;
  }

  sent(request: TraceRequest, replica: number): void {
    this.#affinity.sent(this.#call(request), this.#urlOf(replica));
  }

  began(request: TraceRequest, replica: number): void {
    const call = this.#call(request);
    this.#affinity.began(call, this.#urlOf(replica));
    this.#affinity.ended(call, this.#urlOf(replica), END);
    this.#calls.delete(request.index);
  }

  #call(request: TraceRequest): RoutedCall {
    const call = this.#calls.get(request.index);
    if (call === undefined) throw new Error("a request is read before it is routed");
    return call;
  }

  #urlOf(replica: number): string {
    return this.#instance.settings.baseUrls[replica] as string;
  }
}

/** From one place to the next, as in the gateway's prompts: a message, or so many tokens of one. */
const STEP_TOKENS = 512;
const WORD = 2 ** 32;

/** Two words of all blocks up to each place. */
function placesOf(request: TraceRequest, trace: Trace): Pick<RoutedCall["prefixes"], "hashes" | "tokens"> {
  const hashes: number[] = [];
  const tokens: number[] = [];
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  let soFar = 0;
  let lastPlace = 0;
  for (let run = 0; run < request.runs.length; run += 2) {
    const first = request.runs[run] as number;
    const count = request.runs[run + 1] as number;
    for (let id = first; id < first + count; id += 1) {
      low = mixed(low ^ (id % WORD), 0x85ebca6b);
      high = mixed(high ^ low ^ Math.floor(id / WORD), 0xc2b2ae35);
      soFar += trace.tokensOf(id, 1);
      const isEnd = run === request.runs.length - 2 && id === first + count - 1;
      if (!isEnd && Math.floor(soFar / STEP_TOKENS) === Math.floor(lastPlace / STEP_TOKENS)) continue;
      hashes.push(low, high);
      tokens.push(Math.min(soFar, request.promptTokens));
      lastPlace = soFar;
    }
  }
  return { hashes: Uint32Array.from(hashes), tokens: Uint32Array.from(tokens) };
}

function mixed(value: number, factor: number): number {
  const product = Math.imul(value ^ (value >>> 16), factor);
  return (product ^ (product >>> 13)) >>> 0;
}
