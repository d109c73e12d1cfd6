/**
 * The layers hold because the linter refuses what crosses them. This plants one violation of each boundary in a copy of the tree's
 * shape, and reads what the linter, with the repository's own configuration, says about it.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

interface Planted {
  readonly boundary: string;
  readonly file: string;
  readonly code: string;
  readonly rule: string;
}

const IMPORTS = "eslint(no-restricted-imports)";
const planted: readonly Planted[] = [
  { boundary: "words do not import pure code", file: "src/usage.ts", code: 'import "./task.ts";', rule: IMPORTS },
  {
    boundary: "words know an edit's type only",
    file: "src/provider.ts",
    code: 'import { applyEdits } from "./edit.ts"; applyEdits();',
    rule: IMPORTS,
  },
  { boundary: "words do not import effects", file: "src/errors.ts", code: 'import "./log.ts";', rule: IMPORTS },
  { boundary: "words do not import packages", file: "src/model.ts", code: 'import "undici";', rule: IMPORTS },
  { boundary: "pure code does not import effects", file: "src/task.ts", code: 'import "./binding.ts";', rule: IMPORTS },
  {
    boundary: "pure code does not import an effect's type",
    file: "src/target.ts",
    code: 'import type { Ledger } from "./ledger.ts"; export type L = Ledger;',
    rule: IMPORTS,
  },
  {
    boundary: "dialects do not import the line",
    file: "src/dialects/planted.ts",
    code: 'import "../lane.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "dialects do not import providers",
    file: "src/dialects/planted-2.ts",
    code: 'import "../../providers/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "dialects do not import routes",
    file: "src/dialects/planted-3.ts",
    code: 'import "../../routes/index.ts";',
    rule: IMPORTS,
  },
  { boundary: "policies do not open files", file: "src/policies/planted.ts", code: 'import "node:fs";', rule: IMPORTS },
  {
    boundary: "policies do not import a module later either",
    file: "src/policies/planted-2.ts",
    code: 'export const net = await import("node:net");',
    rule: IMPORTS,
  },
  {
    boundary: "the cache does not speak HTTP",
    file: "src/cache/planted.ts",
    code: 'import "node:http";',
    rule: IMPORTS,
  },
  {
    boundary: "the cache does not dispatch",
    file: "src/cache/planted-2.ts",
    code: 'export { request } from "undici";',
    rule: IMPORTS,
  },
  {
    boundary: "pure code has no clock",
    file: "src/cache/planted-3.ts",
    code: "export const now = Date.now();",
    rule: "eslint(no-restricted-properties)",
  },
  {
    boundary: "pure code has no dice",
    file: "src/policies/planted-3.ts",
    code: "export const dice = Math.random();",
    rule: "eslint(no-restricted-properties)",
  },
  {
    boundary: "pure code has no timers",
    file: "src/policies/planted-4.ts",
    code: "setTimeout(() => undefined, 1);",
    rule: "eslint(no-restricted-globals)",
  },
  {
    boundary: "pure code does not fetch",
    file: "src/dialects/planted-4.ts",
    code: "export const answer = globalThis.fetch;",
    rule: "eslint(no-restricted-globals)",
  },
  {
    boundary: "pure code has no environment",
    file: "src/tokens.ts",
    code: "export const cwd = process.cwd();",
    rule: "eslint(no-restricted-globals)",
  },
  { boundary: "effects do not know the line", file: "src/ledger.ts", code: 'import "./attempt.ts";', rule: IMPORTS },
  {
    boundary: "a new file of src/ does not know the line either",
    file: "src/brand-new.ts",
    code: 'import type { Meter } from "./meter.ts"; export type M = Meter;',
    rule: IMPORTS,
  },
  {
    boundary: "effects do not import providers",
    file: "src/upstream.ts",
    code: 'import "../providers/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "the line does not import routes",
    file: "src/gateway.ts",
    code: 'import "../routes/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "the line does not import providers",
    file: "src/lane.ts",
    code: 'import "../providers/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "the library surface does not start the sandbox",
    file: "src/index.ts",
    code: 'import "../bench/sandbox/index.ts";',
    rule: IMPORTS,
  },
  { boundary: "nobody imports test/", file: "src/main.ts", code: 'import "../test/json-tree.ts";', rule: IMPORTS },
  {
    boundary: "main.ts starts nothing of bench/ but the sandbox",
    file: "src/main.ts",
    code: 'import "../bench/load.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "only the configuration reads the environment",
    file: "src/relay.ts",
    code: 'export const port = process.env["PORT"];',
    rule: "node(no-process-env)",
  },
  { boundary: "only the log speaks", file: "src/meter.ts", code: 'console.log("hello");', rule: "eslint(no-console)" },
  {
    boundary: "providers import words only",
    file: "providers/planted.ts",
    code: 'import "../src/upstream.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "providers know an edit's type only",
    file: "providers/planted-5.ts",
    code: 'import { applyEdits } from "../src/edit.ts"; applyEdits();',
    rule: IMPORTS,
  },
  {
    boundary: "providers do not import dialects",
    file: "providers/planted-2.ts",
    code: 'import "../src/dialects/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "providers do not open sockets",
    file: "providers/planted-3.ts",
    code: 'import "node:net";',
    rule: IMPORTS,
  },
  {
    boundary: "providers do not start the sandbox",
    file: "providers/planted-4.ts",
    code: 'import "../bench/sandbox/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "routes do not import providers",
    file: "routes/planted.ts",
    code: 'import "../providers/index.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "routes do not call upstream",
    file: "routes/planted-2.ts",
    code: 'import "../src/upstream.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "the sandbox shares words with the gateway and nothing else",
    file: "bench/sandbox/planted.ts",
    code: 'import "../../src/dialects/sse.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "bench does not import test/",
    file: "bench/planted.ts",
    code: 'import "../test/json-tree.ts";',
    rule: IMPORTS,
  },
  {
    boundary: "imports make no circle",
    file: "src/here.ts",
    code: 'import { there } from "./there.ts"; export const here = (): unknown => there;',
    rule: "import(no-cycle)",
  },
  {
    boundary: "imports make no circle, from the other side",
    file: "src/there.ts",
    code: 'import { here } from "./here.ts"; export const there = (): unknown => here;',
    rule: "import(no-cycle)",
  },
  {
    boundary: "no promise is left alone",
    file: "src/exchange.ts",
    code: "async function work(): Promise<void> {}\nwork();",
    rule: "typescript(no-floating-promises)",
  },
  {
    boundary: "no promise stands where a truth value is meant",
    file: "src/reply.ts",
    code: "export async function ready(): Promise<boolean> { return true; }\nif (ready()) throw new Error();",
    rule: "typescript(no-misused-promises)",
  },
];

const allowed: readonly Omit<Planted, "rule">[] = [
  {
    boundary: "main.ts knows everybody",
    file: "src/main.ts",
    code: 'import "../providers/index.ts"; import "../routes/index.ts"; import "../bench/sandbox/index.ts"; import "./gateway.ts";',
  },
  {
    boundary: "words know an edit's type",
    file: "src/provider.ts",
    code: 'import type { Edit } from "./edit.ts"; export type E = Edit;',
  },
  {
    boundary: "pure imports pure and words",
    file: "src/policies/fine.ts",
    code: 'import "../target.ts"; import "../cache/boundary.ts"; import "./policy.ts"; import "../usage.ts"; import "node:crypto";',
  },
  {
    boundary: "effects import pure code, words and sockets",
    file: "src/upstream.ts",
    code: 'import "./errors.ts"; import "./task.ts"; import "undici"; import "node:net"; export const now = Date.now();',
  },
  {
    boundary: "providers import words and each other",
    file: "providers/fine.ts",
    code: 'import type { Edit } from "../src/edit.ts"; export type E = Edit; import "../src/provider.ts"; import "./openai-compatible.ts";',
  },
  {
    boundary: "routes import the line and the dialects",
    file: "routes/fine.ts",
    code: 'import "../src/gateway.ts"; import "../src/dialects/index.ts"; import "hono";',
  },
];

interface Diagnostic {
  /** `plugin(rule)`; absent on what is no rule's. */
  readonly code?: string;
  readonly filename: string;
}

/** Lints one tree that has each file's code in it. */
function lint(
  folder: string,
  files: readonly { readonly file: string; readonly code: string }[],
): readonly Diagnostic[] {
  copyFileSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
  writeFileSync(join(folder, "tsconfig.json"), '{"compilerOptions":{"strict":true,"lib":["es2024"],"types":[]}}');
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  for (const { file, code } of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${code}\nexport {};\n`);
  }
  const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint");
  const tsgolint = join(root, "node_modules", ".bin", "tsgolint");
  const ran = spawnSync(process.execPath, [oxlint, "--format", "json"], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, OXLINT_TSGOLINT_PATH: tsgolint },
  });
  const { diagnostics } = JSON.parse(ran.stdout) as { diagnostics: Diagnostic[] };
  expect(ran.status, ran.stderr).toBe(diagnostics.length > 0 ? 1 : 0);
  return diagnostics;
}

describe("the linter holds that", () => {
  /** What was said about each planted violation; a file that is planted twice is linted in a tree of its own. */
  const found = new Map<Planted, readonly Diagnostic[]>();
  const folders: string[] = [];

  beforeAll(() => {
    const first = planted.filter((one, index) => planted.findIndex(({ file }) => file === one.file) === index);
    const rest = planted.filter((one) => !first.includes(one));
    for (const group of [first, rest]) {
      const folder = mkdtempSync(join(tmpdir(), "sluice-boundaries-"));
      folders.push(folder);
      const diagnostics = lint(folder, group);
      for (const one of group)
        found.set(
          one,
          diagnostics.filter(({ filename }) => filename === one.file),
        );
    }
  });
  afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  test.each(planted)("$boundary ($file)", (one) => {
    expect(found.get(one)?.map(({ code }) => code)).toContain(one.rule);
  });
});

test("what may be imported is not refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-boundaries-"));
  try {
    const refused = lint(folder, allowed).filter(({ code }) => code?.includes("no-restricted"));
    expect(refused).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe("the one rule: nobody branches on a provider's or a dialect's name", () => {
  const names = ["openai", "anthropic", "mistral", "ollama", "vllm", "sandbox"];
  const dialects = ["openai-chat", "openai-responses", "anthropic-messages", "ollama-chat"];
  const literal = new RegExp(`(["'\`])(?:${[...names, ...dialects].join("|")})\\1`);

  const isComment = (line: string): boolean => /^\s*(?:\/\/|\/?\*)/.test(line);

  test("no file of src/ names one, but its own, the configuration, the models and main.ts", () => {
    const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !/^(?:dialects\/|main\.ts$|config|models)/.test(file))
      .toSorted();
    expect(files).toContain("gateway.ts");
    const naming = files.flatMap((file) =>
      readFileSync(join(root, "src", file), "utf8")
        .split("\n")
        .flatMap((line, index) =>
          !isComment(line) && literal.test(line) ? [`src/${file}:${index + 1}: ${line.trim()}`] : [],
        ),
    );
    expect(naming).toEqual([]);
  });

  test("a branch on a name would be found", () => {
    expect(literal.test('if (provider.name === "mistral") {')).toBe(true);
    expect(literal.test("case 'openai-chat':")).toBe(true);
    expect(literal.test("the openai dialect")).toBe(false);
  });
});
