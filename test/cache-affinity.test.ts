/** Which replica a prompt goes to: where most of it is warm and least waits, as far as answers bear out what is believed. */
import { describe, expect, test } from "vitest";
import { seeded } from "../bench/trace/random.ts";
import { ollama } from "../providers/ollama.ts";
import { openai } from "../providers/openai.ts";
import { vllm } from "../providers/vllm.ts";
import { createAffinity, type PrefixAffinity, type RoutedCall, type RoutedEnd } from "../src/cache/affinity.ts";
import type { Provider, ProviderSettings } from "../src/provider.ts";
import type { ProviderInstance } from "../src/target.ts";
import { UNKNOWN_USAGE } from "../src/usage.ts";

const URLS = ["a", "b", "c"];
const PLACE_TOKENS = 100;

interface Fleet {
  readonly affinity: PrefixAffinity;
  readonly instance: ProviderInstance;
  readonly call: (path: string, model?: string) => RoutedCall;
  /** Where it goes, which is where it is sent. */
  readonly send: (path: string, up?: readonly string[]) => Sent;
  /** Sent, begun and ended at once; the answer says how much was cached, if anything. */
  readonly ask: (path: string, cacheRead?: number, up?: readonly string[]) => string;
}

interface Sent {
  readonly at: string;
  began(): void;
  end(end?: Partial<RoutedEnd>): void;
}

function fleet(
  settings: Partial<ProviderSettings> = {},
  provider: Provider = vllm,
  affinity: PrefixAffinity = createAffinity(),
): Fleet {
  const instance = { name: "gpu", provider, settings: { baseUrls: URLS, ...settings } };
  const made: Fleet = {
    affinity,
    instance,
    call: (path, model = "m") => ({ instance, model, prefixes: prefixesOf(path) }),
    send(path, up = instance.settings.baseUrls) {
      const call = made.call(path);
      const at = up[affinity.prefer(call, up) ?? -1] ?? "turn";
      if (at !== "turn") affinity.sent(call, at);
      return {
        at,
        began: () => affinity.began(call, at),
        end: (end = {}) =>
          affinity.ended(call, at, { outcome: "complete", usage: UNKNOWN_USAGE, usageBasis: "reported", ...end }),
      };
    },
    ask(path, cacheRead, up) {
      const sent = made.send(path, up);
      sent.began();
      sent.end(cacheRead === undefined ? {} : { usage: usageOf(path, cacheRead) });
      return sent.at;
    },
  };
  return made;
}

const usageOf = (path: string, cacheRead: number): RoutedEnd["usage"] => ({
  ...UNKNOWN_USAGE,
  inputUncached: path.length * PLACE_TOKENS - cacheRead,
  cacheRead,
  output: 1,
});

/** A place for each letter. */
function prefixesOf(path: string): RoutedCall["prefixes"] {
  const hashes = new Uint32Array(2 * path.length);
  const tokens = new Uint32Array(path.length);
  let low = 0x811c9dc5;
  for (let place = 0; place < path.length; place += 1) {
    low = Math.imul(low ^ path.charCodeAt(place), 0x01000193);
    hashes[2 * place] = low;
    hashes[2 * place + 1] = Math.imul(low, 0x9e3779b9) ^ place;
    tokens[place] = PLACE_TOKENS * (place + 1);
  }
  return { hashes, tokens, promptTokens: PLACE_TOKENS * path.length };
}

describe("a prompt", () => {
  test("goes where its beginning is, and one that is nowhere to whose turn it is", () => {
    const { ask } = fleet();
    const homes = ["pa", "qa", "ra"].map((path) => ask(path));
    expect(homes.toSorted()).toEqual(URLS);
    expect(["pab", "qab", "rab", "rabc", "pabc"].map((path) => ask(path))).toEqual([
      homes[0],
      homes[1],
      homes[2],
      homes[2],
      homes[0],
    ]);
  });

  test("goes elsewhere when more waits there than its beginning is worth, and no sooner", () => {
    const { ask, send } = fleet();
    const home = ask("pp");
    // Four times two hundred tokens are worth as much as 800 that wait; of the first that waits, half has been read.
    const blocking = send("ppxxxxxxxxxxxxxx");
    expect(blocking.at).toBe(home);
    expect(send("ppy").at).toBe(home);
    expect(send("ppzzz").at).not.toBe(home);
  });

  test("of another model is not warm", () => {
    const { affinity, ask, call } = fleet();
    const home = ask("pqrst");
    const chosen = new Set(URLS.map(() => affinity.prefer(call("pqrst", "other"), URLS)));
    expect(chosen.size).toBe(3);
    expect(URLS[affinity.prefer(call("pqrst"), URLS) ?? -1]).toBe(home);
  });

  test("is never sent where it is not offered", () => {
    const { ask } = fleet();
    const home = ask("pqr");
    const others = URLS.filter((url) => url !== home);
    const second = ask("pqrs", undefined, others);
    expect(others).toContain(second);
    // Back where the longer part of it is, and not where it began.
    expect(ask("pqrst")).toBe(second);
  });

  test("without places goes in turn", () => {
    const { ask } = fleet();
    expect(["", "", ""].map((path) => ask(path)).toSorted()).toEqual(URLS);
  });
});

describe("what waits", () => {
  test("is shared out: prompts of a burst that have nothing in common go to all of them alike", () => {
    const { send } = fleet();
    const counts: Record<string, number> = {};
    for (let call = 0; call < 30; call += 1) {
      const { at } = send(`${String.fromCodePoint(0x4e00 + call)}${"x".repeat(9)}`);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    expect(counts).toEqual({ a: 10, b: 10, c: 10 });
  });

  test("is no longer there once it began, or ended without that", () => {
    for (const over of ["began", "end"] as const) {
      const { ask, send } = fleet();
      const home = ask("pp");
      const blocking = send(`pp${"x".repeat(40)}`);
      expect(blocking.at).toBe(home);
      blocking[over]();
      blocking.end({ outcome: "canceled" });
      blocking.end();
      expect(send("ppzzz").at).toBe(home);
    }
  });

  test("is half as much where the weight is two", () => {
    const { send } = fleet({ baseUrls: ["a", "b"], weights: [2, 1] });
    const counts: Record<string, number> = {};
    for (let call = 0; call < 30; call += 1) {
      const { at } = send(`${String.fromCodePoint(0x4e00 + call)}${"x".repeat(9)}`);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    expect(counts["a"]).toBeGreaterThanOrEqual(19);
    expect(counts["a"]).toBeLessThanOrEqual(21);
  });
});

test("equals take turns by their weights", () => {
  const { ask } = fleet({ weights: [2, 1, 1] });
  const counts: Record<string, number> = {};
  for (let call = 0; call < 8; call += 1) {
    const at = ask(String.fromCodePoint(0x4e00 + call));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  expect(counts).toEqual({ a: 4, b: 2, c: 2 });
});

describe("whose replicas", () => {
  test.each<[string, Provider, Partial<ProviderSettings>, boolean]>([
    ["vLLM's", vllm, {}, true],
    ["Ollama's", ollama, {}, true],
    ["those of a provider whose cache is not theirs", openai, {}, false],
    ["others that are said to have a cache", openai, { cacheTokens: 1_000 }, true],
    ["those that are to take turns", vllm, { affinity: "turns" }, false],
    ["an only one", vllm, { baseUrls: ["a"] }, false],
  ])("%s", (_whose, provider, settings, isChosen) => {
    const { affinity, call } = fleet(settings, provider);
    expect(affinity.prefer(call("p"), URLS) !== undefined).toBe(isChosen);
  });
});

describe("what is believed", () => {
  test("is no more than the capacity that is configured", () => {
    const { ask } = fleet({ cacheTokens: 1_000, baseUrls: ["a", "b"] });
    const home = ask("pqrstuvwxy");
    for (const path of ["1234567890", "!?-=+*/&%$"]) ask(path, undefined, [home]);
    const other = home === "a" ? "b" : "a";
    ask("pq", undefined, [other]);
    expect(ask("pqrs")).toBe(other);
  });

  test("is as much as the server says, unless that is configured", () => {
    const held = (cacheTokens: number | undefined) => {
      const { affinity, ask, instance } = fleet(cacheTokens === undefined ? {} : { cacheTokens });
      const home = ask("pqrst");
      affinity.sized(instance, home, 300);
      ask("uvw", undefined, [home]);
      return ["pqrst", "pqrst", "pqrst"].map((path) => ask(path, undefined, URLS)).every((at) => at === home);
    };
    expect(held(100_000)).toBe(true);
    expect(held(undefined)).toBe(false);
  });

  test("is nothing of a server that began anew, and calls that were sent before take nothing from the new one", () => {
    const { affinity, ask, instance, send } = fleet();
    const home = ask("pqrst");
    ask("another prompt", 0, [home]);
    const running = ["pqrstu", "pqrstuv"].map((path) => send(path, [home]));
    affinity.restarted(instance, home);
    ask("uvwxyz", 0, [home]);
    running[0]?.began();
    running[0]?.end({ usage: usageOf("pqrstu", 0) });
    running[1]?.end({ outcome: "failed" });
    expect(ask("uvwxyz!")).toBe(home);
    const other = ask(
      "p",
      undefined,
      URLS.filter((url) => url !== home),
    );
    expect(ask("pqrst")).toBe(other);
  });

  test("is nothing of a prompt that failed before it was read", () => {
    const { ask, send } = fleet();
    const failed = send("pqrst");
    failed.end({ outcome: "failed" });
    const other = ask(
      "p",
      undefined,
      URLS.filter((url) => url !== failed.at),
    );
    expect(ask("pqrst")).toBe(other);
  });

  test("outlasts a reload of the config, by the replica's address", () => {
    const before = fleet();
    const home = before.ask("pqrst");
    const after = fleet({ baseUrls: ["d", home] }, vllm, before.affinity);
    expect(after.ask("pqrstu")).toBe(home);
  });

  test("is no more than a reload says that the capacity is, whatever the server said before", () => {
    const before = fleet({ baseUrls: ["a", "b"] });
    const home = before.ask("pqrst");
    before.affinity.sized(before.instance, home, 100_000);
    const after = fleet({ baseUrls: ["a", "b"], cacheTokens: 200 }, vllm, before.affinity);
    const other = home === "a" ? "b" : "a";
    after.ask("xy", undefined, [home]);
    after.ask("pq", undefined, [other]);
    expect(after.ask("pqrst")).toBe(other);
  });
});

describe("an answer that read less from cache than was believed", () => {
  const only = ["a"];
  /** Where a prompt that begins so is believed to be, if `a` competes with a replica that has its first letter. */
  function isHeld({ ask, affinity, call }: Fleet, path: string): boolean {
    ask(path.slice(0, 1), undefined, ["b"]);
    return affinity.prefer(call(path), ["a", "b"]) === 0;
  }

  test("takes with it all that had not been used for as long", () => {
    const made = fleet();
    for (const path of ["1aaaaaaaaa", "2bbbbbbbbb", "3ccccccccc"]) made.ask(path, 0, only);
    made.ask("2bbbbbbbbbB", 0, only);
    expect(isHeld(made, "1aaaaaaaaa")).toBe(false);
    expect(isHeld(made, "2bbbbbbbbbB")).toBe(true);
    expect(isHeld(made, "3ccccccccc")).toBe(true);
  });

  test.each([
    ["nothing is said", undefined],
    ["as much as was believed", 1_000],
    ["a little less, as counts differ", 850],
  ])("only so: %s", (_what, cacheRead) => {
    const made = fleet();
    for (const path of ["1aaaaaaaaa", "2bbbbbbbbb"]) made.ask(path, 0, only);
    made.ask("2bbbbbbbbbB", cacheRead, only);
    expect(isHeld(made, "1aaaaaaaaa")).toBe(true);
  });

  test("says nothing where it is less because the server counts otherwise", () => {
    const made = fleet();
    const [beginning, whole] = [`2${"b".repeat(14)}`, `2${"b".repeat(19)}`];
    for (const path of ["1aaaaaaaaa", whole, "3ccccccccc", beginning]) made.ask(path, undefined, only);
    made.ask(whole, 1_440, only);
    expect(isHeld(made, "1aaaaaaaaa")).toBe(true);
  });

  test("is no sign of forgetting where older prompts were found to be there", () => {
    const made = fleet();
    for (const path of ["1aaaaaaaaa", "2bbbbbbbbb", "3ccccccccc", "4ddddddddd"]) made.ask(path, 0, only);
    made.ask("2bbbbbbbbbB", 1_000, only);
    made.ask("4dddddddddD", 0, only);
    expect(isHeld(made, "1aaaaaaaaa")).toBe(true);
    expect(isHeld(made, "3ccccccccc")).toBe(true);
  });

  test("is none where the other prompt had not been read by then", () => {
    const made = fleet();
    made.ask("1aaaaaaaaa", 0, only);
    const first = made.send("2bbbbbbbbb", only);
    const between = made.send("3ccccccccc", only);
    const sibling = made.send("2bbbbbbbbbB", only);
    between.began();
    between.end();
    for (const sent of [first, sibling]) {
      sent.began();
      sent.end({ usage: usageOf("2bbbbbbbbb", 0) });
    }
    expect(isHeld(made, "1aaaaaaaaa")).toBe(true);
  });
});

test("at random, whatever happens, what is chosen is among what is offered, and nothing waits when all is over", () => {
  const random = seeded(3);
  const { affinity, call, send, instance } = fleet({ cacheTokens: 3_000, weights: [3, 1, 2] });
  const running: Sent[] = [];
  for (let step = 0; step < 4_000; step += 1) {
    const dice = random();
    const path = Array.from({ length: Math.floor(random() * 12) }, () => "abc"[Math.floor(random() * 3)]).join("");
    if (dice < 0.5) {
      const up = URLS.filter(() => random() < 0.7);
      if (up.length === 0) continue;
      const sent = send(path, up);
      expect(up).toContain(sent.at);
      running.push(sent);
    } else if (dice < 0.52) affinity.restarted(instance, URLS[Math.floor(random() * 3)] ?? "");
    else if (dice < 0.54) affinity.sized(instance, URLS[Math.floor(random() * 3)] ?? "", Math.floor(random() * 5_000));
    else {
      const [over] = running.splice(Math.floor(random() * running.length), 1);
      if (random() < 0.7) over?.began();
      const usage = random() < 0.5 ? UNKNOWN_USAGE : usageOf("x".repeat(20), Math.floor(random() * 2_000));
      over?.end({ outcome: random() < 0.8 ? "complete" : "failed", usage });
    }
  }
  for (const sent of running) sent.end();
  for (const url of URLS) affinity.restarted(instance, url);
  // All are empty equals: they get their shares.
  const counts = new Map<number | undefined, number>();
  for (let turn = 0; turn < 60; turn += 1) {
    const index = affinity.prefer(call("fresh"), URLS);
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  expect(Math.abs((counts.get(0) ?? 0) - 30)).toBeLessThanOrEqual(4);
  expect(Math.abs((counts.get(1) ?? 0) - 10)).toBeLessThanOrEqual(4);
});
