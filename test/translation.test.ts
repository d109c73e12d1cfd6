import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { matrix, requestsSaid, type Told } from "./translation/matrix.ts";
import { page } from "./translation/page.ts";
import { answerReasons, requestReasons } from "./translation/unsaid.ts";

const PAIRS = matrix();
const PAGE = readFileSync(new URL("../docs/translation.md", import.meta.url), "utf8");

test("the page of losses is what the code does (`npm run -s translation > docs/translation.md`)", () => {
  const differs = page(PAIRS)
    .split("\n")
    .filter((line, at) => line !== PAGE.split("\n")[at]);
  expect(differs.slice(0, 5)).toEqual([]);
  expect(page(PAIRS).length).toBe(PAGE.length);
});

describe("what is left out without a loss", () => {
  const rows = PAIRS.flatMap(({ client, upstream, requests, answers }) =>
    [...requests, ...answers].map((row) => ({ pair: `${client} to ${upstream}`, ...row })),
  );
  const unsaid = rows.flatMap(({ pair, what, outcomes }) =>
    outcomes.filter(({ kind }) => kind === "unsaid").map((told) => ({ name: `${pair}: ${what}`, told })),
  );

  test("has a reason each time", () => {
    const unexplained = unsaid.filter(({ told }) => told.reason === undefined).map(({ name }) => name);
    expect(unexplained).toEqual([]);
  });

  test("is all that there are reasons for", () => {
    const used = new Set(unsaid.map(({ told }: { told: Told }) => told.reason));
    expect([...requestReasons, ...answerReasons].filter((reason) => !used.has(reason))).toEqual([]);
  });

  test("is not what a body holds by accident: each thing said has a name of its own", () => {
    for (const list of Object.values(requestsSaid)) {
      expect(new Set(list.map(({ what }) => what)).size).toBe(list.length);
    }
  });
});

describe("every loss that the code can name", () => {
  const named = [...namedIn("src/dialects"), ...namedIn("providers"), ...namedIn("src", ["lane.ts"])];

  const told = new Set(
    PAIRS.flatMap(({ requests, answers }) =>
      [...requests, ...answers].flatMap(({ outcomes }) =>
        outcomes.flatMap(({ kind, words }) => (kind === "refused" ? [] : words)),
      ),
    ),
  );

  test("is found by looking for the calls", () => {
    expect(named).toEqual(expect.arrayContaining(["top_k", "answer-block", "orphan-reasoning", "service_tier"]));
    expect(new Set(named).size).toBeGreaterThan(35);
  });

  // Several choices are a need: no target that would have to lose them is ever tried.
  const NEVER = new Set(["n"]);
  test.each([...new Set(named)].filter((word) => !NEVER.has(word)).sort())(
    "%s is on the page, as the loss of something",
    (word) => {
      expect(told.has(word)).toBe(true);
      expect(PAGE.includes(`\`${word}\``)).toBe(true);
    },
  );
});

/** The words of `lose("…")`, `{ field: "…" }` in a push, and an edit's `loss: "…"`. */
function namedIn(folder: string, only?: readonly string[]): string[] {
  const root = new URL(`../${folder}/`, import.meta.url);
  const files = readdirSync(root).filter((file) => file.endsWith(".ts") && (only?.includes(file) ?? true));
  return files.flatMap((file) => {
    const text = readFileSync(new URL(file, root), "utf8");
    const calls =
      /(?:\b|#)lose\("([^"]+)"|losses\.push\(\{ field: "([^"]+)"|\bloss: "([^"]+)"|\{ field: "([^"]+)", path/g;
    return [...text.matchAll(calls)].flatMap(([, ...found]) => found.filter((word) => word !== undefined));
  });
}

describe("the official clients' types", () => {
  const TYPES: readonly (readonly [client: string, file: string, name: string])[] = [
    ["openai-chat", "openai/resources/chat/completions/completions.d.ts", "ChatCompletionCreateParamsBase"],
    ["openai-responses", "openai/resources/responses/responses.d.ts", "ResponseCreateParamsBase"],
    ["anthropic-messages", "@anthropic-ai/sdk/resources/messages/messages.d.ts", "MessageCreateParamsBase"],
    ["anthropic-messages", "@anthropic-ai/sdk/resources/beta/messages/messages.d.ts", "MessageCreateParamsBase"],
    ["mistral-chat", "@mistralai/mistralai/esm/models/components/chatcompletionrequest.d.ts", "ChatCompletionRequest"],
    ["ollama-chat", "ollama/dist/browser.d.ts", "ChatRequest"],
    ["ollama-chat", "ollama/dist/browser.d.ts", "Options"],
    ["ollama-generate", "ollama/dist/browser.d.ts", "GenerateRequest"],
  ];
  /** What each request has. */
  const EVERYWHERE: ReadonlySet<string> = new Set([
    "model",
    "messages",
    "input",
    "prompt",
    "betas",
    "stream",
    "options",
  ]);

  test.each(TYPES)("%s: each field of %s's %s is asked after", (client, file, name) => {
    const fields = membersOf(readFileSync(new URL(`../node_modules/${file}`, import.meta.url), "utf8"), name);
    expect(fields.length).toBeGreaterThan(6);
    const asked = new Set(
      (requestsSaid[client] ?? []).flatMap(({ what }) => what.split(/[^a-z0-9_]+/i)).filter((word) => word !== ""),
    );
    expect(fields.filter((field) => !asked.has(field) && !EVERYWHERE.has(field))).toEqual([]);
  });
});

/** The members of an interface or an object type, in the words of the wire. */
function membersOf(text: string, name: string): string[] {
  const start = text.search(new RegExp(`export (?:declare )?(?:interface|type) ${name}\\b|^interface ${name}\\b`, "m"));
  const body = text.slice(start, text.indexOf("\n}", start));
  const members = body.split("\n").flatMap((line) => /^ {4}['"]?(\w+)['"]?\??:/.exec(line)?.[1] ?? []);
  return members.map((member) => member.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
