/**
 * What Mistral's official client for JavaScript (2.7.0) insists on in an answer, written by hand after its schemas: each of these
 * mirrors the lines of its `src/models/` that stand beside it. It throws at what does not fit them, and drops what they do not name.
 *
 * One thing is stricter here: a chunk of content that it cannot read it keeps as "UNKNOWN", which for an answer of ours is a fault.
 */
import { z } from "zod";

/** components/textchunk.ts 17–20. */
const textChunk = z.looseObject({ type: z.literal("text"), text: z.string() });

/** components/thinkchunk.ts 79–91; of its three kinds of pieces (46–56) ours are text. */
const thinkChunk = z.looseObject({
  type: z.literal("thinking"),
  thinking: z.array(textChunk),
  signature: z.string().nullish(),
  closed: z.boolean().optional(),
});

/** components/contentchunk.ts 66–83, the two of seven that an answer of ours has. */
const content = z.union([z.string(), z.array(z.discriminatedUnion("type", [textChunk, thinkChunk]))]);

/** components/toolcall.ts 30–35 and functioncall.ts 45–49: the name is not optional, in no delta. */
const toolCall = z.looseObject({
  id: z.string().optional(),
  type: z.string().optional(),
  function: z.looseObject({ name: z.string(), arguments: z.union([z.record(z.string(), z.unknown()), z.string()]) }),
  index: z.int().optional(),
});

/** components/usageinfo.ts 25–31. */
const usage = z.looseObject({
  prompt_tokens: z.int().optional(),
  completion_tokens: z.int().optional(),
  total_tokens: z.int().optional(),
  prompt_audio_seconds: z.int().nullish(),
  service_tier: z.string().nullish(),
});

/** components/assistantmessage.ts 71–80. */
const assistantMessage = z.looseObject({
  role: z.literal("assistant").optional(),
  content: content.nullish(),
  tool_calls: z.array(toolCall).nullish(),
  prefix: z.boolean().optional(),
});

/** components/chatcompletionresponse.ts 26–36 and chatcompletionchoice.ts 44–52; the finish is an open set of words (38–42). */
export const completion = z.looseObject({
  id: z.string(),
  object: z.string(),
  model: z.string(),
  usage,
  created: z.int(),
  choices: z.array(z.looseObject({ index: z.int(), message: assistantMessage.optional(), finish_reason: z.string() })),
});

/** components/deltamessage.ts 46–56. */
const deltaMessage = z.looseObject({
  role: z.string().nullish(),
  content: content.nullish(),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish(),
  index: z.int().nullish(),
});

/** components/completionchunk.ts 26–36 and completionresponsestreamchoice.ts 37–46; no usage is none, but not `null`. */
export const completionChunk = z.looseObject({
  id: z.string(),
  object: z.string().optional(),
  created: z.int().optional(),
  model: z.string(),
  usage: usage.optional(),
  choices: z.array(z.looseObject({ index: z.int(), delta: deltaMessage, finish_reason: z.string().nullable() })),
});

/** errors/httpvalidationerror.ts 36–41 and components/validationerror.ts 54–63: of a 422 the client's error shows the list alone. */
export const validationError = z.looseObject({
  detail: z
    .array(z.looseObject({ loc: z.array(z.union([z.string(), z.int()])), msg: z.string(), type: z.string() }))
    .optional(),
});
