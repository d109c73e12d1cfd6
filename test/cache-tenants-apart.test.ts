/** What one tenant sends, however much of it, changes nothing of how another's prompts are placed. */
import { describe, expect, test } from "vitest";
import { DigestPools, digestSpans } from "../src/cache/digests.ts";
import { createPlanner, type Plan, type Planner } from "../src/cache/planner.ts";
import { spansOf } from "../src/cache/spans.ts";
import { request, said } from "./made-target.ts";
import { own, prompt, TWO_CLASSES } from "./planned-prompt.ts";
import { placesOf } from "./prefix-places.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ";

function answered(planner: Planner, tenant: string, names: readonly string[], nowMs: number): Plan {
  const plan = planner.plan(prompt(names, { tenant, staticPlace: 0 }), TWO_CLASSES, "t", nowMs);
  planner.sent(plan, nowMs);
  planner.settled(plan, undefined, nowMs);
  return plan;
}

describe("a tenant that floods", () => {
  test.each([
    { flood: "a few endless prompts", count: 31, length: 8192 },
    { flood: "very many short ones", count: 60_000, length: 1 },
  ])("with $flood leaves what others have in the cache", { timeout: 30_000 }, ({ count, length }) => {
    const planner = createPlanner();
    const names = Array.from({ length: 200 }, (_, index) => own(`v${index}-`, 3));
    // What nobody saw come back is written for a few prompts only; all of these were gone on with.
    for (const nowMs of [0, 1000]) for (const one of names) answered(planner, "calm", one, nowMs);
    for (let index = 0; index < count; index += 1)
      answered(planner, "flood", own(`f${index}-`, length), 2000 + index / 4);
    const isWarm = (one: readonly string[]) =>
      planner.plan(prompt(one, { tenant: "calm" }), TWO_CLASSES, "t", 60_000).predictedRead > 0;
    expect(names.filter(isWarm)).toHaveLength(200);
    const { borders, places } = planner.size();
    expect(borders).toBeLessThanOrEqual(50_000);
    expect(places).toBeLessThanOrEqual(250_000);
  });

  test("leaves others able to learn that their prompts do not come back", { timeout: 30_000 }, () => {
    const planner = createPlanner();
    for (let index = 0; index < 70_000; index += 1) answered(planner, "flood", [`x${index}`], index / 100);
    let written = 0;
    for (let index = 0; index < 400; index += 1) {
      const { marks } = answered(planner, "calm", own(`v${index}-`, 4), 1000 + index * 3000);
      if (index >= 200 && marks.length > 0) written += 1;
    }
    expect(written).toBe(0);
    expect(planner.size().waiting).toBeLessThanOrEqual(65_536);
  });
});

test("as many tenants as may be take no more memory than a few", { timeout: 30_000 }, () => {
  const planner = createPlanner({ tenantsMax: 64, waitingMax: 4096 });
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 0; index < 20_000; index += 1) answered(planner, `t${index % 500}`, [`x${index}`], index);
  expect(planner.size().tenants).toBe(64);
  // Each of those who wait would keep its tenant's table, were it not given back: 13 kB of each.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
});

test("a prefix of one caller is at no place that of another, so that whatever is told by its hash is not either", () => {
  const asked = request({
    tools: [{ type: "function", name: "look" }],
    messages: [said(WORDS.repeat(200), "system"), said("One."), said("Two.", "assistant"), said("Three.")],
  });
  const [acme, rival] = [placesOf(asked, "acme"), placesOf(asked, "rival")];
  expect(acme.length).toBeGreaterThan(6);
  const hashes = new Set([...acme, ...rival].map(({ hash }) => hash));
  expect(hashes.size).toBe(2 * acme.length);
  expect(placesOf(asked, "acme")).toEqual(acme);
});

test("how soon a piece is digested says nothing of another caller's prompts", () => {
  const pools = new DigestPools();
  const spans = spansOf(request({ messages: [said(WORDS.repeat(20), "system")] }));
  digestSpans(spans, [], pools.of("acme"));
  expect(pools.of("rival").size).toBe(0);
  expect(pools.of("acme").size).toBe(1);
});

test("whatever the model sees of a part tells prefixes apart", () => {
  const hashOf = (message: Parameters<typeof request>[0]) => placesOf(request(message)).at(-1)?.hash;
  const image = (source: { type: "url"; url: string }, detail?: string) =>
    hashOf({
      messages: [{ role: "user", parts: [{ type: "image", source, ...(detail === undefined ? {} : { detail }) }] }],
    });
  const [one, other] = ["https://a.example/1.png", "https://a.example/2.png"].map(
    (url) => ({ type: "url", url }) as const,
  );
  if (one === undefined || other === undefined) throw new Error("there are two");
  expect(image(one)).toBe(image({ ...one }));
  expect(image(one)).not.toBe(image(other));
  expect(image(one, "low")).not.toBe(image(one, "high"));
  expect(image(one, "auto")).toBe(image(one));
  const result = (isError: boolean) =>
    hashOf({
      messages: [
        {
          role: "tool",
          parts: [{ type: "tool-result", callId: "c", isError, content: [{ type: "text", text: "x" }] }],
        },
      ],
    });
  expect(result(true)).not.toBe(result(false));
  const tool = (strict: boolean) => hashOf({ tools: [{ type: "function", name: "f", strict }], messages: [] });
  expect(tool(true)).not.toBe(tool(false));
});
