/** An operator's regular expression in the config. */
import { z } from "zod";
import { linePattern } from "./cache/line-pattern.ts";

export const patternText: z.ZodType<string> = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    try {
      linePattern(source);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
    }
  });
