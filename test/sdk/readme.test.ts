/** What the README tells people to paste runs as it stands, but for the address. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSimulation, type Simulation } from "./simulated.ts";

const ROOT = join(import.meta.dirname, "../..");
const ADDRESS = "http://127.0.0.1:8787";
const SNIPPETS = snippetsOf(readFileSync(join(ROOT, "README.md"), "utf8"), "Point your SDK here");

let simulation: Simulation;
beforeAll(async () => {
  simulation = await startSimulation();
});
afterAll(() => simulation.close());

test("there is a snippet for each official SDK", () => {
  expect(SNIPPETS.map((code) => /from "(.+?)"/.exec(code)?.[1])).toEqual([
    "openai",
    "@anthropic-ai/sdk",
    "@mistralai/mistralai",
    "ollama",
  ]);
});

test.each(SNIPPETS.map((code) => [/from "(.+?)"/.exec(code)?.[1] ?? "no SDK", code] as const))(
  "the snippet for %s is answered",
  async (_sdk, code) => {
    expect(code).toContain(ADDRESS);
    const before = (await simulation.gateway.allAttempts()).length;
    await promisify(execFile)(
      process.execPath,
      ["--input-type=module-typescript", "--eval", code.replaceAll(ADDRESS, simulation.gateway.url)],
      { cwd: ROOT, timeout: 20_000, env: {} },
    );
    const added = (await simulation.gateway.allAttempts()).slice(before);
    expect(added.map((row) => [row.outcome, row.requested_model])).toEqual([["complete", "auto"]]);
  },
);

/** The `ts` blocks under a heading. */
function snippetsOf(markdown: string, heading: string): readonly string[] {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? "");
}
