import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const text = readFileSync(join(import.meta.dirname, "..", "package-lock.json"), "utf8");
const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Entry>> };

// A registry that lacks a platform's package makes npm leave it out of the lock file, and `npm ci` then refuses it everywhere.
test("the lock file holds every platform's package of every tool", () => {
  const held = new Set(
    Object.entries(packages).map(([path, { version }]) => `${path.split("node_modules/").at(-1)}@${version}`),
  );
  const exact = Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.entries(optionalDependencies ?? {}))
    .filter(([, range]) => /^\d/.test(range))
    .map(([name, version]) => `${name}@${version}`);
  expect(exact.length).toBeGreaterThan(20);
  expect(exact.filter((one) => !held.has(one))).toEqual([]);
});

test("the lock file names no host", () => {
  expect(text).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});
