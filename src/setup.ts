/**
 * What of a gateway its config decides: the targets, the policies and what they go by, the limits. Replaced as a whole on reload.
 */
import { createMovers } from "./cache/moving.ts";
import type { ChoiceSetup, ClassSettings } from "./choice.ts";
import type { Config } from "./config.ts";
import { checkRulesOf } from "./config-checks.ts";
import { classRulesOf, dataRulesOf, picoUsd } from "./config-classes.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { dialects as ownDialects } from "./dialects/index.ts";
import type { Discovery } from "./discovery.ts";
import type { Setup } from "./gateway.ts";
import { createModelTable } from "./models.ts";
import { createCheapestTask, type CheapestTaskOptions } from "./policies/cheapest-task.ts";
import { classRows, keyOf, merged } from "./policies/class-rows.ts";
import { createPolicies } from "./policies/index.ts";
import type { Policy } from "./policies/policy.ts";
import type { Provider } from "./provider.ts";
import { createTargets } from "./target.ts";
import type { EstimatesReader } from "./tasks/estimates.ts";

export interface SetupOptions {
  /** The kinds of provider that the config may name. */
  readonly kinds: readonly Provider[];
  readonly dialects?: readonly Dialect[];
  readonly policies?: readonly Policy[];
}

export interface SetupParts {
  readonly discovery: Pick<Discovery, "resolve">;
  readonly estimates: EstimatesReader;
  readonly classNameOf: (id: string) => string | undefined;
}

export function setupOf(config: Config, options: SetupOptions, parts: SetupParts, now: () => number): Setup {
  const { discovery, estimates, classNameOf } = parts;
  const { connectMs, firstByteMs, answerMs, idleMs, totalMs } = config.deadlines;
  const targets = createTargets(config, createModelTable(config.models), options.kinds, now);
  const tasksOf: CheapestTaskOptions = {
    estimates,
    classNameOf,
    settings: {
      classes: Object.fromEntries(Object.entries(config.classes).map(([key, row]) => [key, classRulesOf(row)])),
    },
  };
  return {
    keys: config.keys,
    targets,
    resolve: (model, among) => discovery.resolve(targets, model, among),
    classOf: classesOf(config, classNameOf),
    dialects: options.dialects ?? ownDialects,
    policies: options.policies ?? createPolicies(tasksOf),
    weighing: createCheapestTask(tasksOf),
    defaultPolicy: config.policy.default,
    attempts: {
      ...config.retries,
      strict: config.strict,
      hold: config.cache.hold,
      diagnose: config.cache.diagnose,
      deadlines: {
        stream: { connectMs, headMs: firstByteMs, idleMs, totalMs },
        whole: { connectMs, headMs: answerMs, idleMs, totalMs },
      },
    },
    limits: config.limits,
    cache: { ...config.cache, moverFor: createMovers(config.cache.move, config.cache.boundaryLine) },
  };
}

/** What the config says of each class of tasks, for who chooses. */
function classesOf(config: Config, classNameOf: (id: string) => string | undefined): ChoiceSetup["classOf"] {
  const rowsOf = classRows(config.classes, classNameOf);
  return (className) => {
    const rows = rowsOf(className);
    if (rows.length === 0) return {};
    const { targets, policy, trials, ...row } = merged(rows);
    const rules = dataRulesOf(row);
    const checks = checkRulesOf(row);
    const from = keyOf(rows, "trials");
    const settings: ClassSettings = {
      ...(targets === undefined ? {} : { targets }),
      ...(policy === undefined ? {} : { policy }),
      ...(rules === undefined ? {} : { rules }),
      ...(checks === undefined ? {} : { checks }),
      ...(trials === undefined || from === undefined ? {} : { trials: { from, perDay: picoUsd(trials.usdPerDay) } }),
    };
    return settings;
  };
}

/** Names that the config gives to derived classes. */
export function configuredNames({ classes }: Config): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(classes).flatMap(([id, { name }]) => (name === undefined ? [] : [[id, name] as const])),
  );
}
