import { describe, expect, test } from "vitest";
import { createReplicas, type Affinity, type PlacedCall, type Replicas } from "../src/replicas.ts";
import { entry } from "./ledger-entry.ts";
import { request, said, target } from "./made-target.ts";
import { prefixesOf } from "./prefix-places.ts";

const REST_MS = 1_000;

interface Made {
  readonly replicas: Replicas;
  readonly instance: Parameters<Replicas["next"]>[0];
  /** The next so many, as one word. */
  readonly turns: (count: number, nowMs?: number) => string;
}

function of(weights: Readonly<Record<string, number>>, affinity?: Affinity): Made {
  const { instance: base } = target("gpt-5.4-nano");
  const settings = { ...base.settings, baseUrls: Object.keys(weights), weights: Object.values(weights) };
  const instance = { ...base, settings };
  const replicas = createReplicas(() => ({ restMs: REST_MS }), affinity === undefined ? {} : { affinity });
  return {
    replicas,
    instance,
    turns: (count, nowMs = 0) => Array.from({ length: count }, () => replicas.next(instance, nowMs)).join(""),
  };
}

test("replicas take turns", () => {
  const { instance, replicas } = of({ a: 1, b: 1, c: 1 });
  expect([1, 2, 3, 4].map(() => replicas.next(instance, 0))).toEqual(["a", "b", "c", "a"]);
});

test("without weights they are equal", () => {
  const { instance: base } = target("gpt-5.4-nano");
  const instance = { ...base, settings: { baseUrls: ["a", "b"] } };
  const replicas = createReplicas(() => ({ restMs: REST_MS }));
  expect([1, 2, 3].map(() => replicas.next(instance, 0))).toEqual(["a", "b", "a"]);
});

test("one that failed is passed over until it has rested", () => {
  const { replicas, instance, turns } = of({ a: 1, b: 1 });
  expect(replicas.failed(instance, "a", 0)).toBe(true);
  expect(turns(3, REST_MS - 1)).toBe("bbb");
  expect(replicas.next(instance, REST_MS)).toBe("a");
});

test("when all of them rest, one is tried all the same, and nothing says that another is there", () => {
  const { replicas, instance } = of({ a: 1, b: 1 });
  replicas.failed(instance, "a", 0);
  expect(replicas.failed(instance, "b", 0)).toBe(false);
  expect(["a", "b"]).toContain(replicas.next(instance, 1));
});

test("an only one is the one", () => {
  const { replicas, instance } = of({ a: 1 });
  expect(replicas.failed(instance, "a", 0)).toBe(false);
  expect(replicas.next(instance, 1)).toBe("a");
});

describe("weights", () => {
  test("a cycle has each as often as its weight says, and no run of the heaviest where it can be parted", () => {
    const { turns } = of({ a: 5, b: 1, c: 1 });
    expect(turns(7)).toBe("aabacaa");
    expect(turns(7)).toBe("aabacaa");
  });

  test("while one rests, the others share its calls by their own weights, and then it is back with its own", () => {
    const { replicas, instance, turns } = of({ a: 4, b: 2, c: 1 });
    expect(counted(turns(7))).toEqual({ a: 4, b: 2, c: 1 });
    replicas.failed(instance, "a", 0);
    expect(counted(turns(30))).toEqual({ b: 20, c: 10 });
    expect(counted(turns(70, REST_MS))).toEqual({ a: 40, b: 20, c: 10 });
  });
});

function counted(turns: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const one of turns) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

describe("probes", () => {
  test("one that is found down gets no call until it is found well", () => {
    const { replicas, instance, turns } = of({ a: 1, b: 1 });
    replicas.probed(instance, "a", false);
    expect(turns(3)).toBe("bbb");
    expect(replicas.health(instance, 0)).toEqual([
      { baseUrl: "a", isUp: false },
      { baseUrl: "b", isUp: true },
    ]);
    replicas.probed(instance, "a", true);
    expect(counted(turns(2))).toEqual({ a: 1, b: 1 });
  });

  test("one that failed a call rests, and is not down by that", () => {
    const { replicas, instance, turns } = of({ a: 1, b: 1 });
    replicas.probed(instance, "a", true);
    replicas.failed(instance, "a", 10);
    expect(turns(3, 10 + REST_MS - 1)).toBe("bbb");
    expect(turns(1, 10 + REST_MS)).toBe("a");
  });

  test("what a probe says does not cut the rest after a failure short", () => {
    const { replicas, instance, turns } = of({ a: 1, b: 1 });
    replicas.failed(instance, "a", 0);
    replicas.probed(instance, "a", true);
    expect(turns(3, REST_MS - 1)).toBe("bbb");
  });

  test("when all are found down, they are tried in turn all the same", () => {
    const { replicas, instance, turns } = of({ a: 1, b: 1 });
    for (const baseUrl of ["a", "b"]) replicas.probed(instance, baseUrl, false);
    expect(turns(4)).toBe("abab");
  });
});

/** The first word of each place: enough to tell these few apart. */
function wordsOf({ hashes }: PlacedCall["prefixes"]): Uint32Array {
  return hashes.filter((_, index) => index % 2 === 0);
}

describe("an affinity", () => {
  /** Goes back to where the longest known prefix was answered last. */
  function lastServer(): Affinity & { readonly told: readonly string[] } {
    const servers = new Map<number, string>();
    const told: string[] = [];
    return {
      told,
      prefer({ prefixes }, up) {
        const known = [...wordsOf(prefixes)].map((word) => servers.get(word)).filter((one) => one !== undefined);
        const index = up.indexOf(known.at(-1) ?? "");
        return index < 0 ? undefined : index;
      },
      sent: (_call, baseUrl, nowMs) => void told.push(`sent ${baseUrl} ${nowMs}`),
      began: (_call, baseUrl, nowMs) => void told.push(`began ${baseUrl} ${nowMs}`),
      ended({ prefixes }, baseUrl, { outcome }) {
        told.push(`ended ${baseUrl} ${outcome}`);
        for (const word of wordsOf(prefixes)) servers.set(word, baseUrl);
      },
    };
  }

  function call({ instance }: Made, ...texts: string[]): PlacedCall {
    const messages = texts.map((text) => said(text));
    return { instance, model: "m", prefixes: prefixesOf(request({ messages })) };
  }

  test("sends a conversation back to the replica that has its beginning, and others where it is their turn", () => {
    const made = of({ a: 1, b: 1, c: 1 }, lastServer());
    const { replicas } = made;
    const first = replicas.place(call(made, "one"), 0);
    first.ended(entry("x"));
    const other = replicas.place(call(made, "two"), 0);
    other.ended(entry("x"));
    expect([first.baseUrl, other.baseUrl]).toEqual(["a", "b"]);
    expect(replicas.place(call(made, "one", "more"), 0).baseUrl).toBe("a");
    expect(replicas.place(call(made, "two", "more"), 0).baseUrl).toBe("b");
    expect(replicas.place(call(made, "three"), 0).baseUrl).toBe("c");
  });

  test("is not offered one that rests", () => {
    const made = of({ a: 1, b: 1, c: 1 }, lastServer());
    made.replicas.place(call(made, "one"), 0).ended(entry("x"));
    made.replicas.failed(made.instance, "a", 0);
    expect(made.replicas.place(call(made, "one", "more"), 0).baseUrl).not.toBe("a");
  });

  test("that names nobody who is there leaves it to the turns", () => {
    const made = of({ a: 1, b: 1 }, { prefer: () => 7 });
    expect(made.replicas.place(call(made, "one"), 0).baseUrl).toBe("a");
    expect(made.replicas.place(call(made, "one"), 0).baseUrl).toBe("b");
  });

  test("is not asked where there is no choice", () => {
    const made = of(
      { a: 1 },
      {
        prefer() {
          throw new Error("asked");
        },
      },
    );
    expect(made.replicas.place(call(made, "one"), 0).baseUrl).toBe("a");
  });

  test("is told when a call was sent, when it began and how it ended", () => {
    const affinity = lastServer();
    const made = of({ a: 1, b: 1 }, affinity);
    const visit = made.replicas.place(call(made, "one"), 0);
    expect(affinity.told).toEqual([]);
    visit.sent(1);
    visit.began(2);
    visit.ended(entry("x", { outcome: "canceled" }));
    expect(affinity.told).toEqual(["sent a 1", "began a 2", "ended a canceled"]);
  });

  test("that throws is logged, and changes nothing: it is whoever's turn it is", () => {
    const broken = (): never => {
      throw new Error("plugin");
    };
    const reasons: unknown[] = [];
    const { instance } = of({ a: 1, b: 1 });
    const replicas = createReplicas(() => ({ restMs: REST_MS }), {
      affinity: { prefer: broken, sent: broken, began: broken, ended: broken },
      log: { error: (_event, fields) => void reasons.push(fields?.["reason"]) },
    });
    const visits = [1, 2].map(() => replicas.place(call({ ...of({ a: 1 }), instance }, "one"), 0));
    expect(visits.map(({ baseUrl }) => baseUrl)).toEqual(["a", "b"]);
    const [visit] = visits;
    visit?.sent(1);
    visit?.began(2);
    visit?.ended(entry("x"));
    expect(reasons).toEqual(Array.from({ length: 5 }, () => "plugin"));
  });
});
