/** The models one may name as Mistral's clients want them: they take no list whose entries do not say what each model can. */
import { mistralFim } from "../src/dialects/openai-completions.ts";
import { GatewayError } from "../src/errors.ts";
import type { Setup } from "../src/gateway.ts";
import type { Target } from "../src/target.ts";

type Listed = ReturnType<Setup["targets"]["list"]>[number];

export function mistralModel({ id, ownedBy, createdSeconds }: Listed, { targets }: Setup): object {
  const first = firstTarget(id, targets);
  const record = recordOf(first);
  const window = record?.contextTokens ?? record?.maxInputTokens;
  return {
    id,
    object: "model",
    created: createdSeconds,
    owned_by: ownedBy,
    name: id,
    description: null,
    aliases: [],
    // One that is not known is left out, and the client assumes one.
    ...(window === undefined ? {} : { max_context_length: window }),
    deprecation: record?.retires === undefined ? null : `${record.retires}T00:00:00Z`,
    default_model_temperature: null,
    capabilities: capabilitiesOf(first),
    type: "base",
  };
}

function capabilitiesOf(target: Target | undefined): object {
  const record = recordOf(target);
  return {
    completion_chat: true,
    function_calling: true,
    reasoning: record !== undefined && record.reasoning.kind !== "none",
    completion_fim: target?.instance.provider.dialects(target.model, target.record).includes(mistralFim.name) === true,
    fine_tuning: false,
    vision: record?.input.includes("image") === true,
    ocr: false,
    classification: false,
    moderation: false,
    audio: record?.input.includes("audio") === true,
    audio_transcription: false,
  };
}

/** What is assumed of a model that nobody knows is no promise to its clients. */
function recordOf(target: Target | undefined): Target["record"] {
  return target?.isAssumed === true ? undefined : target?.record;
}

/** Of an alias or `auto`, what the first would do; `undefined` while nobody is there for it. */
function firstTarget(id: string, targets: Setup["targets"]): Target | undefined {
  try {
    return targets.resolve(id).targets[0];
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}
