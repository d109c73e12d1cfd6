/** What `sluice` does besides serving: each command by its name, with what it takes of the machine it runs on. */
import { readFileSync } from "node:fs";
import { budgetsCommand } from "./budgets-command.ts";
import { cacheLint } from "./cache-lint.ts";
import { loadConfig, type Config } from "./config.ts";
import { isShared } from "./exchange.ts";
import { explain } from "./explain/command.ts";
import { createModelTable } from "./models.ts";
import type { Provider } from "./provider.ts";

export interface CommandResult {
  readonly exitCode: 0 | 1 | 2;
  readonly output: string;
  /** For standard error. */
  readonly problem: string;
}

export interface Machine {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin. */
  readonly folder: string;
  /** The kinds of provider there are. */
  readonly kinds: readonly Provider[];
}

/** @param given What follows its name on the command line. */
export type Command = (given: readonly string[], machine: Machine) => CommandResult | Promise<CommandResult>;

/** How long a gateway may take to say what it has spent. */
const ASK_MS_MAX = 10_000;

export const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    "budgets",
    (given, machine) =>
      budgetsCommand(given, {
        environment: machine.environment,
        listen: (path) => configAt(path, machine).listen,
        ask: (url, headers) => fetch(url, { headers, signal: AbortSignal.timeout(ASK_MS_MAX), redirect: "error" }),
      }),
  ],
  [
    // It needs no configuration but one that it is told of, and a wrong one is not in its way.
    "cache-lint",
    (given, machine) =>
      cacheLint(given, {
        readText,
        kinds: machine.kinds,
        readConfig(path) {
          const { cache, keys, models } = configAt(path, machine);
          const { mode, boundaryLine, isolate } = cache;
          const isIsolated = isolate !== "off" && isShared(keys);
          return { mode, boundaryLine, isIsolated, table: createModelTable(models) };
        },
      }),
  ],
  [
    "explain",
    (given, machine) =>
      explain(given, {
        readText,
        readConfig: (path) => configAt(path, machine),
        kinds: machine.kinds,
        now: Date.now,
      }),
  ],
]);

function readText(path: string): string {
  return readFileSync(path === "-" ? 0 : path, "utf8");
}

function configAt(path: string | undefined, { environment, folder, kinds }: Machine): Config {
  const given = path === undefined ? ["check"] : ["check", "--config", path];
  return loadConfig({ arguments: given, environment, folder, kinds }).config;
}
