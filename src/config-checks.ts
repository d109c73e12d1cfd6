/** What the config says of how answers are checked before a client has them: options, and what the line makes of them. */
import { z } from "zod";
import { linePattern } from "./cache/line-pattern.ts";
import type { CheckRules } from "./checks/rules.ts";
import { patternText } from "./config-pattern.ts";

/** Of one class of tasks. */
export interface CheckRows {
  readonly cascade?: CascadeRow | undefined;
  readonly crossCheck?: CrossCheckRow | undefined;
}

export interface CascadeRow {
  readonly targets?: readonly string[] | undefined;
  readonly schema?: boolean | undefined;
  readonly pattern?: string | undefined;
  readonly logprobLeast?: number | undefined;
  readonly reviewers?: readonly string[] | undefined;
}

export interface CrossCheckRow {
  readonly reviewers: readonly string[];
  readonly onDisagreement: "tell" | "escalate";
}

const targetNames = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)], {
  error: "must be a target (`mistral/mistral-small-4`) or a list of targets",
});

/** Options of a class. */
export const checkRows: {
  readonly cascade: z.ZodType<CascadeRow | undefined>;
  readonly crossCheck: z.ZodType<CrossCheckRow | undefined>;
} = {
  cascade: z
    .strictObject({
      targets: targetNames
        .optional()
        .describe(
          "Asked first, in this order; a task that has come to one of them stays there. Absent: in the order of the policy.",
        ),
      schema: z
        .boolean()
        .default(true)
        .describe(
          "Whether JSON must fit the schema that was asked for, and calls their tools. An answer that is cut, refused or empty never does.",
        ),
      pattern: patternText
        .optional()
        .describe(
          "A regular expression that the answer's text must match (`^yes$`), without looking around and back-references.",
        ),
      logprobLeast: z
        .number()
        .max(0)
        .optional()
        .describe(
          "The least mean of the natural logarithms of its tokens' probabilities (-0.5: 61 % a token), where the model tells them. The answer has them in it then.",
        ),
      reviewers: targetNames
        .optional()
        .describe(
          "Who is asked whether the answer does: the first of them that is of another maker than who gave it. Their calls are billed to the task.",
        ),
    })
    .optional()
    .describe(
      "Cheap first: each answer is read to its end and checked before the client has any of it (a stream comes at once, then), and where it does not do, the next target is asked in its place. Absent: what answers first is passed on as it comes.",
    ),
  crossCheck: z
    .strictObject({
      reviewers: targetNames.describe(
        "The first of them that is of another maker than who gave the answer reviews it.",
      ),
      onDisagreement: z
        .enum(["tell", "escalate"])
        .default("tell")
        .describe(
          "`tell`: the answer goes out all the same, `x-sluice-check` says so. `escalate`: another target is asked.",
        ),
    })
    .optional()
    .describe("Each answer that would go out is reviewed once more by a model of another maker."),
};

/** @returns `undefined` where nothing is said. */
export function checkRulesOf({ cascade, crossCheck }: CheckRows): CheckRules | undefined {
  if (cascade === undefined && crossCheck === undefined) return undefined;
  return {
    ...(cascade === undefined ? {} : { cascade: cascadeOf(cascade) }),
    ...(crossCheck === undefined ? {} : { crossCheck }),
  };
}

function cascadeOf({
  targets = [],
  schema = true,
  pattern: source,
  logprobLeast,
  reviewers = [],
}: CascadeRow): NonNullable<CheckRules["cascade"]> {
  return {
    targets,
    reviewers,
    verify: {
      schema,
      ...(source === undefined ? {} : { pattern: linePattern(source) }),
      ...(logprobLeast === undefined ? {} : { logprobLeast }),
    },
  };
}
