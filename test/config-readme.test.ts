/** The README's configuration reference is what the schema says, option for option, and its examples load. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { providerKinds } from "../providers/index.ts";
import { loadConfig, USAGE } from "../src/config.ts";
import { priceAt } from "../src/model.ts";
import { configOptions, type Option } from "./config-options.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const section = /^## Configuration\n([^]*?)^## /m.exec(readme)?.[1] ?? "";
const rows = section.split("\n").filter((line) => line.startsWith("| `"));

describe("each option of the schema", () => {
  // Names of one's own and elements of a list have no description of their own.
  const options = configOptions().filter(
    ({ path, description }) => description !== undefined || !/(?:>|\])$/.test(path),
  );

  test("says what it is for", () => {
    expect(options.filter(({ description }) => description === undefined).map(({ path }) => path)).toEqual([]);
    expect(options.length).toBeGreaterThan(80);
  });

  // An element of `prices` is told with the list.
  test.each(options.filter(({ path }) => path !== "models.<id>.prices[]"))("$path is in the README", (option) => {
    expect(rows).toContain(rowOf(option));
  });

  test("and the README has no option that the schema lacks", () => {
    const paths = new Set(options.map(({ path }) => path));
    const tables = section.slice(section.indexOf("### Options"));
    const told = [...tables.matchAll(/^\| `([^`]+)` \|/gm)].flatMap(([, path]) => path ?? []);
    expect(told.length).toBe(new Set(told).size);
    expect(told.filter((path) => !paths.has(path))).toEqual([]);
  });

  function rowOf({ path, default: given, description }: Option): string {
    const shown = given === undefined ? "" : ` \`${given.replaceAll('"', "")}\``;
    return `| \`${path}\` |${shown} | ${description} |`;
  }
});

describe("each variable and flag", () => {
  test.each(["--port", "PORT", "--host", "HOST", "--config", "SLUICE_DATA", "SLUICE_API_KEYS", "LOG_LEVEL"])(
    "%s is in the README and in the help",
    (name) => {
      expect(section).toContain(`\`${name}`);
      expect(USAGE).toContain(name);
    },
  );

  test("of each kind of provider is in the README", () => {
    for (const { kind, environment } of providerKinds) {
      // The simulator starts by itself.
      if (kind === "sandbox") continue;
      expect(readme, kind).toContain(`\`${kind}\``);
      for (const variable of Object.values(environment)) expect(readme, kind).toContain(variable);
    }
  });
});

describe("the README's examples", () => {
  const examples = [...section.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text]) => text ?? "");
  const environment = { OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "b", APP_KEY: "c", TENANT: "d", GATEWAY_TOKEN: "e" };

  test("load", () => {
    expect(examples.length).toBeGreaterThan(1);
    for (const text of examples) expect(load(text).warnings).toEqual([]);
  });

  test("the one of a self-hosted model costs what the text says", () => {
    const example = examples.find((text) => text.includes("gpuHourUsd")) ?? "";
    const [record] = load(example).providers.flatMap(({ models }) => models);
    const price = record === undefined ? undefined : priceAt(record, 0);
    const perMillion = (rate: bigint | undefined) => `$${(Number(rate ?? 0n) / 1e6).toFixed(2)}`;
    expect(section).toContain(
      `a million tokens of input cost ${perMillion(price?.rates.inputUncached)}, of output ${perMillion(price?.rates.output)}, and tokens read from cache nothing`,
    );
  });

  function load(text: string) {
    return loadConfig({
      arguments: [],
      environment,
      folder: "/nowhere",
      kinds: providerKinds,
      readFile: () => text,
    }).config;
  }
});
