/** A Claude request as its cache sees it: blocks with their marks, in the order tools, system, messages. */
import type { JsonObject, JsonValue } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { type Block, canonical } from "../prompt.ts";
import { digest, tokensOf } from "../tokens.ts";
import { invalid } from "./anthropic.thinking.ts";
import { isObject, stringOf } from "./wire.ts";

export const UNCACHED_KEYS: ReadonlySet<string> = new Set(["cache_control"]);
const MARKS_MAX = 4;

/** What a block is to the cache: its mark is not part of it. */
export function identityOf(block: JsonObject): string {
  return digest(canonical(block, UNCACHED_KEYS));
}

export function toolBlocks(tools: readonly JsonObject[], scale: (tokens: string[]) => string[]): Block[] {
  // Deferred tools are not part of the prompt until something refers to them.
  return tools
    .filter((tool) => tool["defer_loading"] !== true)
    .map((tool, index) => blockOf("tools", tool, index === 0 ? 12 : 2, scale));
}

export function systemBlocks(
  system: readonly JsonObject[],
  format: JsonObject | undefined,
  scale: (tokens: string[]) => string[],
): Block[] {
  const schema: Block[] =
    format === undefined
      ? []
      : [
          {
            level: "system",
            identity: digest("format", canonical(format)),
            tokens: scale(tokensOf(JSON.stringify(format))),
          },
        ];
  return [...schema, ...system.map((block) => blockOf("system", block, 1, scale))];
}

export function blockOf(
  level: Block["level"],
  block: JsonObject,
  envelope: number,
  scale: (tokens: string[]) => string[],
): Block {
  const { cache_control: _, type: __, ...rest } = block;
  const text = stringOf(block["text"]) ?? JSON.stringify(rest);
  const mark = markSeconds(block);
  return {
    level,
    identity: identityOf(block),
    tokens: scale([...Array.from({ length: envelope }, (___, index) => `<${level}${index}>`), ...tokensOf(text)]),
    ...(mark === undefined ? {} : { markSeconds: mark }),
  };
}

/** Checks the marks, and places the automatic one. */
export function marked(blocks: readonly Block[], automatic: JsonValue | undefined, record: ModelRecord): Block[] {
  const marks = blocks.filter((block) => block.markSeconds !== undefined);
  const wants = secondsOf(automatic);
  const placed = [...blocks];
  let count = marks.length;
  if (wants !== undefined && placed.length > 0) {
    const last = placed.length - 1;
    const block = placed[last];
    if (block?.markSeconds !== undefined && block.markSeconds !== wants)
      throw invalid("cache_control: the last block already has a cache_control with a different ttl");
    if (block !== undefined && block.markSeconds === undefined) {
      count += 1;
      placed[last] = { ...block, markSeconds: wants };
    }
  }
  if (count > MARKS_MAX)
    throw invalid(`A maximum of ${MARKS_MAX} blocks with cache_control may be provided. Found ${count}.`);
  let hasShort = false;
  for (const block of placed) {
    if (block.markSeconds === 300) hasShort = true;
    if (block.markSeconds === 3600 && hasShort) {
      throw invalid(
        `${block.level}: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. ` +
          "Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
      );
    }
  }
  return record.cache.kind === "marks" ? placed : placed.map(({ markSeconds: _, ...block }) => block);
}

/** Newer tokenizers make more of the same text: stretches a block's tokens to the model's ratio. */
export function scaler(ratio: number): (tokens: string[]) => string[] {
  if (ratio === 1) return (tokens) => tokens;
  return (tokens) => {
    const length = Math.max(Math.min(1, tokens.length), Math.round(tokens.length * ratio));
    const scaled = tokens.slice(0, length);
    for (let index = tokens.length; index < length; index += 1) scaled.push(`+${index}`);
    return scaled;
  };
}

/** @throws Refusal for a mark that is none. */
export function markSeconds(block: JsonObject): number | undefined {
  return secondsOf(block["cache_control"]);
}

function secondsOf(control: JsonValue | undefined): number | undefined {
  if (control === undefined || control === null) return undefined;
  if (!isObject(control) || control["type"] !== "ephemeral")
    throw invalid("cache_control.type: Input should be 'ephemeral'");
  const ttl = control["ttl"] ?? "5m";
  if (ttl !== "5m" && ttl !== "1h") throw invalid("cache_control.ephemeral.ttl: Input should be '5m' or '1h'");
  return ttl === "1h" ? 3600 : 300;
}
