/**
 * Claude's thinking: what each generation lets a request say about it, and signatures that are good only where they were given.
 */
import { createHmac } from "node:crypto";
import type { JsonObject } from "../../../src/chat.ts";
import type { ModelRecord } from "../../../src/model.ts";
import { isObject, numberIn, Refusal, stringOf } from "./wire.ts";

export interface Thinking {
  readonly on: boolean;
  /** Whether the text of it is shown. */
  readonly shown: boolean;
  readonly tokens: number;
  /** What the message cache depends on. A default said aloud equals a default left out. */
  readonly state: string;
}

const TOKENS_BY_EFFORT: Readonly<Record<string, number>> = { low: 12, medium: 24, high: 48, xhigh: 96, max: 160 };

/** @throws Refusal for a configuration that this model does not take. */
export function thinkingOf(body: JsonObject, record: ModelRecord): Thinking {
  const generation = generationOf(record.id);
  const effort = effortOf(body, record);
  const config = isObject(body["thinking"]) ? body["thinking"] : undefined;
  const type = stringOf(config?.["type"]) ?? defaultType(generation, record);
  const isSteep = effort === "xhigh" || effort === "max";
  switch (type) {
    case "enabled":
      return enabled(body, record, config ?? {}, generation, effort);
    case "adaptive": {
      if (record.reasoning.kind !== "adaptive") throw invalid("adaptive thinking is not supported on this model");
      const shown =
        stringOf(config?.["display"]) === "summarized" || (generation < 4.7 && config?.["display"] !== "omitted");
      return { on: true, shown, tokens: TOKENS_BY_EFFORT[effort ?? "high"] ?? 24, state: `adaptive/${effort ?? ""}` };
    }
    case "between_tools":
      if (record.reasoning.off !== "between_tools")
        throw invalid(`"thinking.type.between_tools" is not supported for this model.`);
      if (isSteep) throw invalid(`"thinking.type.between_tools" is not supported with effort '${effort}'.`);
      return { on: false, shown: false, tokens: 0, state: `between_tools/${effort ?? ""}` };
    case "disabled":
      if (record.reasoning.kind === "adaptive" && record.reasoning.off !== "disabled")
        throw invalid(`"thinking.type.disabled" is not supported for this model.`);
      if (generation >= 5 && isSteep)
        throw invalid(
          `"thinking.type.disabled" is not supported with effort '${effort}'. Use effort low, medium or high.`,
        );
      return { on: false, shown: false, tokens: 0, state: `disabled/${effort ?? ""}` };
    default:
      throw invalid(
        `thinking: Input tag '${type}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'`,
      );
  }
}

function enabled(
  body: JsonObject,
  record: ModelRecord,
  config: JsonObject,
  generation: number,
  effort: string | undefined,
): Thinking {
  if (generation >= 4.7) {
    throw invalid(
      `"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.`,
    );
  }
  if (record.reasoning.kind === "none") throw invalid("thinking is not supported on this model");
  const budget = numberIn(config["budget_tokens"]);
  if (budget === undefined) throw invalid("thinking.enabled.budget_tokens: Field required");
  if (budget < 1024) throw invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
  if (budget >= (numberIn(body["max_tokens"]) ?? Infinity))
    throw invalid("`max_tokens` must be greater than `thinking.budget_tokens`.");
  return { on: true, shown: config["display"] !== "omitted", tokens: 32, state: `enabled/${budget}/${effort ?? ""}` };
}

/** From the fifth generation on, a model thinks unless it is told not to. */
function defaultType(generation: number, record: ModelRecord): string {
  return record.reasoning.kind === "adaptive" && generation >= 5 ? "adaptive" : "disabled";
}

function effortOf(body: JsonObject, record: ModelRecord): string | undefined {
  const said = isObject(body["output_config"]) ? stringOf(body["output_config"]["effort"]) : undefined;
  if (said === undefined) return record.reasoning.defaultEffort;
  if (record.reasoning.efforts.length === 0) throw invalid("This model does not support the effort parameter.");
  if (record.reasoning.efforts.includes(said)) return said;
  throw invalid(
    `This model does not support effort level '${said}'. Supported levels: ${record.reasoning.efforts.toSorted().join(", ")}.`,
  );
}

/** 4.5 of "claude-haiku-4-5-20251001", 5 of "claude-opus-5". */
export function generationOf(modelId: string): number {
  const match = /-(\d+)(?:-(\d)(?!\d))?/.exec(modelId);
  return match === null ? 0 : Number(`${match[1]}.${match[2] ?? 0}`);
}

/** Newest models refuse replayed thinking when what stood before it has changed: conversations are append-only. */
export function isAppendOnly(record: ModelRecord): boolean {
  return generationOf(record.id) >= 5.1;
}

export interface Signer {
  readonly account: string;
  readonly model: string;
}

const SIGNATURE_SECRET = "sandbox";

/** Binds a thought to account, model, text and everything that came before it. */
export function sign(signer: Signer, thinking: string, contentHash: string): string {
  const mac = createHmac("sha256", SIGNATURE_SECRET)
    .update([signer.account, signer.model, thinking, contentHash].join("\u0000"))
    .digest("base64url");
  return Buffer.from(`sandbox.${contentHash}.${mac}`).toString("base64");
}

/** The hash of what stood before the thought, or `undefined` for a signature that we did not give to this account and model for this text. */
export function verify(signer: Signer, thinking: string, signature: string): string | undefined {
  const [, contentHash] = Buffer.from(signature, "base64").toString("utf8").split(".");
  return contentHash !== undefined && sign(signer, thinking, contentHash) === signature ? contentHash : undefined;
}

export function invalid(message: string): Refusal {
  return new Refusal(400, message, { type: "invalid_request_error" });
}
