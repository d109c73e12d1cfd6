import { expect, test } from "vitest";
import { createReplicas, type Replicas } from "../src/replicas.ts";
import { target } from "./made-target.ts";

const REST_MS = 1_000;

function of(...baseUrls: string[]): {
  readonly replicas: Replicas;
  readonly instance: Parameters<Replicas["next"]>[0];
} {
  const { instance } = target("gpt-5.4-nano");
  return {
    replicas: createReplicas(() => ({ restMs: REST_MS })),
    instance: { ...instance, settings: { ...instance.settings, baseUrls } },
  };
}

test("replicas take turns", () => {
  const { replicas, instance } = of("a", "b", "c");
  expect([1, 2, 3, 4].map(() => replicas.next(instance, 0))).toEqual(["a", "b", "c", "a"]);
});

test("one that failed is passed over until it has rested", () => {
  const { replicas, instance } = of("a", "b");
  expect(replicas.failed(instance, "a", 0)).toBe(true);
  expect([1, 2, 3].map(() => replicas.next(instance, REST_MS - 1))).toEqual(["b", "b", "b"]);
  expect(replicas.next(instance, REST_MS)).toBe("a");
});

test("when all of them rest, one is tried all the same, and nothing says that another is there", () => {
  const { replicas, instance } = of("a", "b");
  replicas.failed(instance, "a", 0);
  expect(replicas.failed(instance, "b", 0)).toBe(false);
  expect(["a", "b"]).toContain(replicas.next(instance, 1));
});

test("an only one is the one", () => {
  const { replicas, instance } = of("a");
  expect(replicas.failed(instance, "a", 0)).toBe(false);
  expect(replicas.next(instance, 1)).toBe("a");
});
