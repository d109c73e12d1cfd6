/** Every option that the config file may hold, from its schema: with its default and its description. */
import { z } from "zod";
import { configFile } from "../src/config-schema.ts";

export interface Option {
  /** `limits.concurrency`; `<name>` and `<id>` stand for keys of one's own, `[]` for the elements of a list. */
  readonly path: string;
  /** `undefined`: there is none, or it is empty. */
  readonly default: string | undefined;
  readonly description: string | undefined;
  readonly isLeaf: boolean;
}

interface Node {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

/** Each option once: what several places have in common (a model's row, a price's rates) stands under the first name. */
export function configOptions(): readonly Option[] {
  const options = new Map<string, Option>();
  for (const option of walk(z.toJSONSchema(configFile, { io: "input" }) as Node, "")) {
    const path = commonPath(option.path);
    const known = options.get(path);
    if (known?.description === undefined) options.set(path, { ...option, path });
  }
  return [...options.values()];
}

function* walk(node: Node, path: string): Generator<Option> {
  const below = [...membersOf(node, path)];
  if (path !== "") {
    const given = node.default === undefined ? undefined : JSON.stringify(node.default);
    yield {
      path,
      default: given === "{}" || given === "[]" ? undefined : given,
      description: node.description,
      isLeaf: below.length === 0,
    };
  }
  for (const [name, member] of below) yield* walk(member, name);
}

function* membersOf(node: Node, path: string): Generator<readonly [string, Node]> {
  for (const one of [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])]) {
    for (const [key, member] of Object.entries(one.properties ?? {}))
      yield [path === "" ? key : `${path}.${key}`, member];
    const own = path.endsWith("models") ? "<id>" : "<name>";
    if (typeof one.additionalProperties === "object") yield [`${path}.${own}`, one.additionalProperties];
    if (one.items?.properties !== undefined) yield [`${path}[]`, one.items];
  }
}

const RATES = "input|output|cacheRead|cacheWrite|cacheWrite5m|cacheWrite1h";

function commonPath(path: string): string {
  return path
    .replace(/^providers\.<name>\.models\.<id>/, "models.<id>")
    .replace(new RegExp(`\\.(?:price|prices\\[\\])\\.over\\[\\]\\.(${RATES})$`), ".price.$1")
    .replace(new RegExp(`\\.prices\\[\\]\\.(${RATES}|over.*)$`), ".price.$1");
}
