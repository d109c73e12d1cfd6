/** What a calibration comes to, as `calibration.json` has it. */
import { z } from "zod";

export const CALIBRATION_KIND = "sluice-calibration";
export const CALIBRATION_VERSION = 1;

/** Tokens per second of all calls together: the mean of the rounds, and its 95 % interval; `null`: of one round there is none. */
const rate = z.looseObject({
  mean: z.number().positive(),
  interval: z.tuple([z.number(), z.number()]).nullable(),
  rounds: z.int().positive(),
});

const level = z.looseObject({
  concurrency: z.int().positive(),
  prefill: rate,
  decode: rate,
  /** The same prompts once more. `null`: it was not measured, or the server says that it read none from its cache. */
  cached: rate.nullable(),
  /** Until the first token of a prompt that is read. */
  ttft_ms: z.looseObject({ p50: z.number(), p90: z.number() }),
  /** As the server counted them, of a call. */
  prompt_tokens: z.number(),
  output_tokens: z.number(),
});

export const calibrationSchema = z.looseObject({
  kind: z.literal(CALIBRATION_KIND),
  version: z.literal(CALIBRATION_VERSION),
  /** `provider/model`. */
  target: z.string().min(1),
  at: z.iso.datetime(),
  /** `null`: one of its own, in the same process. */
  gateway_url: z.string().nullable(),
  is_simulated: z.boolean(),
  state: z.enum(["whole", "partial"]),
  levels: z.array(level).min(1),
  /** The level that the price is made of. */
  chosen: z.looseObject({
    concurrency: z.int().positive(),
    prefill_tokens_per_second: z.number().positive(),
    decode_tokens_per_second: z.number().positive(),
  }),
  /** `null`: nobody said. */
  usd_per_hour: z.number().positive().nullable(),
  utilization: z.number().positive().max(1),
  usd_per_million: z
    .looseObject({ input: z.number(), cache_read: z.number().nullable(), output: z.number() })
    .nullable(),
  /** What is to be known of it, for people. */
  notices: z.array(z.string()),
});

export type Calibration = z.infer<typeof calibrationSchema>;
export type Level = Calibration["levels"][number];
export type Rate = Level["prefill"];

/** @returns why it is none, as text. */
export function readCalibration(text: string, name: string): Calibration | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `${name}: it is not JSON`;
  }
  const head = z.looseObject({ kind: z.string(), version: z.number() }).safeParse(value);
  if (!head.success || head.data.kind !== CALIBRATION_KIND) return `${name}: it is no calibration`;
  if (head.data.version !== CALIBRATION_VERSION)
    return `${name}: a calibration of version ${head.data.version}; this reads version ${CALIBRATION_VERSION}`;
  const read = calibrationSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  return `${name}: \`${issue?.path.map(String).join(".")}\`: ${issue?.message}`;
}
