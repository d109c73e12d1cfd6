/** The reader that these suites judge by, against what the recorders themselves read. */
import { expect, test } from "vitest";
import { readAnswer, type Counts } from "./answer.ts";
import { describeMaterial, recordings } from "./material.ts";

describeMaterial("the suites' own reading of an answer", () => {
  for (const recording of recordings()) {
    const { canonical } = recording;
    if (recording.status !== 200 || canonical.problems.length > 0 || canonical.error !== null) continue;
    test(`${recording.id} is what the recorder read`, () => {
      const answer = readAnswer(recording.api, recording.kind === "sse", recording.response.bytes);
      const usage = canonical.usage;
      expect({
        text: answer.text.length,
        tools: answer.tools.map((tool) => tool.name),
        finish: answer.finish,
        usage: answer.usage && counted(answer.usage),
      }).toEqual({
        text: canonical.text_chars,
        tools: canonical.tools,
        finish: canonical.finish ?? undefined,
        usage: usage === null ? undefined : recorded(usage),
      });
    });
  }
});

function counted({ input, cacheRead, cacheWrite, output, reasoning }: Counts) {
  return { input, cacheRead: cacheRead ?? 0, cacheWrite, output, reasoning };
}

function recorded(usage: Readonly<Record<string, number | null>>) {
  const number = (key: string) => usage[key] ?? 0;
  return {
    input: number("input"),
    cacheRead: number("cache_read"),
    cacheWrite: number("cache_write"),
    output: number("output"),
    reasoning: number("reasoning"),
  };
}
