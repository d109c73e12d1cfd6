/** Two tables of the same models, written down apart: where the gateway's says something, the sandbox's says the same. */
import { describe, expect, test } from "vitest";
import { createModelBook } from "../bench/sandbox/models.ts";
import type { ModelRecord } from "../src/model.ts";
import { createModelTable } from "../src/models.ts";

const book = createModelBook();
const DAY = "2026-11-24";
const rows = createModelTable()
  .all()
  // What only embeds or completes is not chatted with there.
  .filter((record) => (record.retires ?? "9999") > DAY && record.abilities.chat !== false);

/** What decides whether a request is served and what of it is cached. */
const FACTS = [
  "sampling",
  "temperatureMax",
  "forcedTools",
  "prefill",
  "systemInMessages",
  "chatToolsNeedEffortNone",
  "contextTokens",
  "maxInputTokens",
  "maxOutputTokens",
] as const satisfies readonly (keyof ModelRecord)[];

describe.each(rows.map((record) => [record.id, record] as const))("%s", (id, ours) => {
  const theirs = book.of(ours.provider).find((record) => record.id === id);

  test("is known to the sandbox, under its aliases and with a date behind it too", () => {
    expect(theirs).toBeDefined();
    for (const name of [...ours.aliases, `${id}-2026-01-15`]) expect(book.find(ours.provider, name)?.id).toBe(id);
  });

  test("is described alike", () => {
    for (const fact of FACTS) if (ours[fact] !== undefined) expect([fact, theirs?.[fact]]).toEqual([fact, ours[fact]]);
    const { defaultEffort, ...reasoning } = ours.reasoning;
    expect(theirs?.reasoning).toMatchObject(reasoning);
    expect(theirs?.reasoning.off).toBe(reasoning.off);
    if (defaultEffort !== undefined) expect(theirs?.reasoning.defaultEffort).toBe(defaultEffort);
  });

  test("is cached alike, and the gateway expects no entry to live longer than it does", () => {
    const idleOf = (record: ModelRecord | undefined) =>
      record !== undefined && "idleSeconds" in record.cache ? record.cache.idleSeconds : 0;
    // What else than the prompt a cache is kept apart by, the simulator does not look at.
    const alike = { idleSeconds: 0, settings: undefined };
    expect({ ...theirs?.cache, ...alike }).toEqual({ ...ours.cache, ...alike });
    expect(idleOf(ours)).toBeLessThanOrEqual(idleOf(theirs));
  });
});
