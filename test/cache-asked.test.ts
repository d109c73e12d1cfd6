/** What a client asks the gateway to cache, in a provider's own dialect and beside its own marks: forks, boundary lines, prompts written on purpose. */
import { describe, expect, test } from "vitest";
import { createPlacer, type PlacedPrompt, type Placer, type Prompt } from "../src/cache/placer.ts";
import { createPlanner, type Plan, type Planner } from "../src/cache/planner.ts";
import type { ChatRequest, Message } from "../src/chat.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";
import { request, said, target } from "./made-target.ts";
import { prefixesOf } from "./prefix-places.ts";

const WORDS = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(200);
const CLAUDE = target("claude-haiku-5-5");
const LUNA = target("gpt-6-luna");
const MINUTE_MS = 60_000;

const TURNS: readonly Message[] = [
  said(`System. ${WORDS}`, "system"),
  said(`First. ${WORDS}`),
  said(`Answer. ${WORDS}`, "assistant"),
];

function prompt(messages: readonly Message[], given: Partial<Prompt> = {}, more: Partial<ChatRequest> = {}): Prompt {
  const read = request({ messages, stream: true, ...more });
  return {
    request: read,
    prefixes: prefixesOf(read),
    namespace: "",
    session: undefined,
    task: "task",
    taskClass: undefined,
    mode: "respect",
    siblings: 1,
    ...given,
  };
}

function marked(text: string, ttl?: "1h"): Message {
  return { role: "user", parts: [{ type: "text", text, cache: ttl === undefined ? {} : { ttl } }] };
}

/** Own dialect. */
function place(placer: Placer, asked: Prompt, nowMs: number, to = CLAUDE): PlacedPrompt {
  return placer.place(asked, to, false, nowMs);
}

/** @returns The marks that were sent. */
function send(placer: Placer, asked: Prompt, nowMs: number, to = CLAUDE): string | undefined {
  const placed = place(placer, asked, nowMs, to);
  placed.sent([], nowMs);
  placed.readable(nowMs + 100);
  placed.settled(undefined, nowMs + 200);
  return placed.marksText;
}

/** Where they stand, as tokens. */
function tokensAt({ prefixes }: Prompt, place: number): number {
  return Math.ceil((prefixes.tokens.at(place) ?? 0) * (CLAUDE.record?.tokenRatio ?? 1));
}

describe("in `respect`, in the provider's own dialect", () => {
  test("a call that asks for nothing is sent without a mark of ours", () => {
    const placed = place(createPlacer(createPlanner()), prompt([...TURNS, said("Go on.")]), 0);
    expect(placed.placement).toBeUndefined();
  });

  test("where announced siblings part is marked", () => {
    const asked = prompt([...TURNS, said("Part one.")], { siblings: 8 });
    expect(send(createPlacer(createPlanner()), asked, 0)).toContain(`5m@${tokensAt(asked, -2)}`);
  });

  test("it is added beside the client's own marks, which stay, and nothing else is", () => {
    const asked = prompt([...TURNS, marked("Part one.")], { siblings: 8 });
    const placed = place(createPlacer(createPlanner()), asked, 0);
    expect(placed.marksChange).toBe("client=1;added=1");
    placed.sent([], 0);
    expect(placed.marksText).toBe(`5m@${tokensAt(asked, -2)} 5m@${tokensAt(asked, -1)}/client`);
  });

  test("it lives as long as the client's mark behind it, as no shorter one may stand in front", () => {
    const asked = prompt([...TURNS, marked("Part one.", "1h")], { siblings: 8 });
    const placed = place(createPlacer(createPlanner()), asked, 0);
    placed.sent([], 0);
    expect(placed.marksText).toBe(`1h@${tokensAt(asked, -2)} 1h@${tokensAt(asked, -1)}/client`);
  });

  test("where the client has set as many as the provider takes, none is added", () => {
    const four = [marked("One."), marked("Two."), marked("Three."), marked("Four.")];
    const placed = place(createPlacer(createPlanner()), prompt([...TURNS, ...four], { siblings: 8 }), 0);
    expect(placed.placement).toBeUndefined();
  });

  test("the same where it is translated, beside marks of the client's", () => {
    const asked = prompt([...TURNS, marked("Part one.")], { siblings: 8 });
    const placer = createPlacer(createPlanner());
    expect(placer.place(asked, CLAUDE, true, 0).marksChange).toBe("client=1;added=1");
    expect(placer.place({ ...asked, siblings: 1 }, CLAUDE, true, 0).marksChange).toBeUndefined();
  });

  test("a mark that is refused where it stands takes room all the same", () => {
    const tools = [{ type: "function", name: "later", deferred: true, cache: {} }] as const;
    const three = [marked("One."), marked("Two."), marked("Three.")];
    const asked = prompt([...TURNS, ...three, said("Four."), said("Go on.")], { siblings: 8 }, { tools });
    expect(place(createPlacer(createPlanner()), asked, 0).marksChange).toBeUndefined();
    expect(place(createPlacer(createPlanner()), prompt(asked.request.messages, { siblings: 8 }), 0).marksChange).toBe(
      "client=3;added=1",
    );
  });

  test("a text that was parted at the boundary line is parted there again, marked or not", () => {
    const placer = createPlacer(createPlanner());
    const system = said(`${WORDS}\n<!-- sluice:dynamic -->\nIt is Monday.`, "system");
    send(placer, prompt([system, said("Hello")], { warms: "static" }), 0);
    const four = [marked("One."), marked("Two."), marked("Three."), marked("Four.")];
    const placed = place(placer, prompt([system, ...four]), MINUTE_MS);
    expect(placed.placement?.placed).toMatchObject([{ spot: { kind: "text" }, mark: undefined, isParted: true }]);
  });

  test("what stands before the boundary line is read again, whatever stands behind it", () => {
    const placer = createPlacer(createPlanner());
    const dated = (date: string) =>
      prompt([said(`${WORDS}\n<!-- sluice:dynamic -->\nIt is ${date}.`, "system"), said("Hello")]);
    for (const [at, date] of ["Monday", "Tuesday"].entries()) send(placer, dated(date), at * MINUTE_MS);
    const placed = place(placer, dated("Wednesday"), 2 * MINUTE_MS);
    expect(placed.predictedRead).toBeGreaterThan(1_024);
  });

  test("a model that marks the end by itself keeps doing so", () => {
    const placed = place(createPlacer(createPlanner()), prompt([...TURNS, said("One.")], { siblings: 8 }), 0, LUNA);
    expect(placed.placement?.marksOnly).toBe(false);
    placed.sent([], 0);
    expect(placed.marksText).toContain("/provider");
  });

  test("with `off`, nothing is marked", () => {
    const placed = place(
      createPlacer(createPlanner()),
      prompt([...TURNS, said("One.")], { siblings: 8, mode: "off" }),
      0,
    );
    expect(placed.placement).toBeUndefined();
  });

  test("a prompt that is only counted is not marked", () => {
    const placed = place(createPlacer(createPlanner()), prompt(TURNS, { siblings: 8, countsOnly: true }), 0);
    expect(placed.placement).toBeUndefined();
  });
});

describe("a prompt that was written on purpose", () => {
  const written = prompt([...TURNS, said("Hello")], { warms: "static" });
  const later = prompt([...TURNS, said("Something else.")]);

  test("is read by calls that begin like it, for as long as they come before it is gone", () => {
    const placer = createPlacer(createPlanner());
    send(placer, written, 0);
    for (const minutes of [4, 8, 12]) {
      expect(place(placer, later, minutes * MINUTE_MS).predictedRead).toBeGreaterThan(0);
      expect(send(placer, later, minutes * MINUTE_MS)).toContain("5m@");
    }
    expect(place(placer, later, 18 * MINUTE_MS).placement).toBeUndefined();
  });

  test("is not looked for at another target, nor by another tenant", () => {
    const placer = createPlacer(createPlanner());
    send(placer, written, 0);
    expect(place(placer, later, MINUTE_MS, target("claude-opus-5")).placement).toBeUndefined();
    const other = prompt(later.request.messages, { prefixes: prefixesOf(later.request, "other"), namespace: "other" });
    expect(place(placer, other, MINUTE_MS).placement).toBeUndefined();
  });

  test("is remembered by its deepest marks only, however many it has", () => {
    const placer = createPlacer(createPlanner());
    const texts = Array.from({ length: 12 }, (_, at) => `${at} ${WORDS}`);
    send(placer, prompt([...TURNS, ...texts.map((text) => marked(text))], { warms: "end" }), 0);
    const after = (count: number) =>
      prompt([...TURNS, ...texts.slice(0, count).map((text) => said(text)), said("On.")]);
    expect(place(placer, after(12), 1_000).placement).toBeDefined();
    expect(place(placer, after(6), 1_000).placement).toBeUndefined();
  });

  test("is forgotten where it could not be written, and not where it was written before", () => {
    const placer = createPlacer(createPlanner());
    const fail = (nowMs: number) => {
      const placed = place(placer, written, nowMs);
      placed.sent([], nowMs);
      placed.failed();
    };
    fail(0);
    expect(place(placer, later, 1).placement).toBeUndefined();
    send(placer, written, MINUTE_MS);
    fail(2 * MINUTE_MS);
    expect(place(placer, later, 3 * MINUTE_MS).predictedRead).toBeGreaterThan(0);
  });
});

describe("announced siblings", () => {
  test("do not write what another of them is writing already", () => {
    const placer = createPlacer(createPlanner());
    const sibling = (part: string) => prompt([...TURNS, said(part)], { siblings: 8, mode: "improve" });
    place(placer, sibling("One."), 0).sent([], 0);
    const second = place(placer, sibling("Two."), 1);
    expect(second.hold).toBeDefined();
    // Nobody waits.
    second.sent([], 1);
    expect(second.marksText ?? "").not.toContain(`@${tokensAt(sibling("Two."), -2)}`);
  });

  test("read what there is: its mark comes before the fork's, and the fork's before all others", () => {
    const asked = prompt([...TURNS, said("More."), ...TURNS.slice(1), said("One.")], { siblings: 8, mode: "improve" });
    const { tokens } = asked.prefixes;
    const places = [0, 8, 9, 11].map((at) => Math.min(at, tokens.length - 1));
    const fork = tokens.length - 2;
    expect(places).not.toContain(fork);
    const tokensOf = (at: number) => tokensAt(asked, at);
    const planner = planning({
      marks: places.map((at) => ({ place: at, ttlSeconds: 300 })),
      foundTokens: tokensOf(0),
      comingTokens: 0,
    });
    const placed = createPlacer(planner).place(asked, CLAUDE, false, 0);
    placed.sent([], 0);
    const at = (placed.marksText ?? "").split(" ").map((mark) => Number(mark.split("@")[1]));
    expect(at).toHaveLength(4);
    expect(at).toContain(tokensOf(0));
    expect(at).toContain(tokensOf(fork));
  });
});

/** A planner that has made up its mind. */
function planning(made: Pick<Plan, "marks" | "foundTokens" | "comingTokens">): Planner {
  const planner = createPlanner();
  return {
    ...planner,
    plan: (...asked) => ({ ...planner.plan(...asked), ...made }),
    reads: () => made.foundTokens,
    sent: () => made.foundTokens,
  };
}

test("what is read is told by the call's own marks: without one, nothing is, and nothing is warm", () => {
  const placer = createPlacer(createPlanner());
  const improved = prompt([...TURNS, said("One.")], { mode: "improve" });
  send(placer, { ...improved, siblings: 8 }, 0);
  const bare = { ...improved, mode: "respect" } as const;
  expect(place(placer, improved, 1_000).predictedRead).toBeGreaterThan(0);
  expect(place(placer, bare, 1_000).predictedRead).toBe(0);
  expect(placer.warmTokens(bare, CLAUDE, false, 1_000)).toBe(0);
  expect(placer.warmTokens(improved, CLAUDE, false, 1_000)).toBe(place(placer, improved, 1_000).predictedRead);
});

test("what is learned of how a provider counts is in the warm tokens as in the prediction", () => {
  const placer = createPlacer(createPlanner());
  const improved = prompt([...TURNS, said("One.")], { mode: "improve", siblings: 8 });
  const placed = place(placer, improved, 0);
  placed.sent([], 0);
  placed.readable(100);
  placed.settled({ ...UNKNOWN_USAGE, inputUncached: 10, cacheRead: 0, cacheWrite5m: 7_777 }, 200);
  const warm = placer.warmTokens(improved, CLAUDE, false, 1_000);
  expect(warm).toBe(place(placer, improved, 1_000).predictedRead);
});
