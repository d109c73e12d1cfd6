/** The config file's text as a checked value: environment references put in, each problem with its line. */
import { isPair, isScalar, LineCounter, parseDocument, Scalar, visit, type Document } from "yaml";
import { z } from "zod";
import { configFile, type ConfigFile } from "./config-schema.ts";
import { nearest } from "./nearest.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export type FileRead =
  | {
      readonly ok: true;
      readonly file: ConfigFile;
      /** What came into it out of variables that by their names hold secrets. */
      readonly secrets: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** @param name The file's name, as problems begin with it. */
export function readConfigText(text: string, name: string, environment: Environment): FileRead {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return name;
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos: [offset], message }) => {
      const line = text.split("\n")[lines.linePos(offset).line - 1] ?? "";
      return `${at(offset)}: ${message}${line.includes("${") ? REFERENCE_HINT : ""}`;
    });
    return { ok: false, problems };
  }
  const references = putReferences(document, environment);
  const missing = references.missing.map(
    ({ variable, offset }) =>
      `${at(offset)}: the environment has no ${variable}; set it, or write \${${variable}:-default}`,
  );
  const value = valueOf(document);
  if (!value.ok) return { ok: false, problems: [...missing, `${name}: ${value.problem}`] };
  const parsed = configFile.safeParse(value.value ?? {});
  const wrong = parsed.success
    ? []
    : parsed.error.issues.flatMap((issue) =>
        told(issue).map(({ path, message }) => `${at(offsetOf(document, path))}: ${message}`),
      );
  const problems = [...missing, ...wrong];
  return parsed.success && problems.length === 0
    ? { ok: true, file: parsed.data, secrets: references.secrets }
    : { ok: false, problems };
}

const REFERENCE_HINT = '; inside [ ] and { } a reference needs quotes: "${NAME}"';

/** Aliases are resolved here, so that one without an anchor, or too many of them, are found here. */
function valueOf(
  document: Document,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string } {
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** Names of variables whose values are not to be shown. */
const SECRET_VARIABLE = /key|token|secret|pass|credential|auth/i;

interface References {
  readonly missing: readonly { readonly variable: string; readonly offset: number | undefined }[];
  readonly secrets: readonly string[];
}

/** Puts the environment into `${NAME}` and `${NAME:-default}` (`$${` is a plain `${`). In values only: never in keys or comments. */
function putReferences(document: Document, environment: Environment): References {
  const secrets: string[] = [];
  const missing: { variable: string; offset: number | undefined }[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
      const text = node.value.replaceAll(
        REFERENCE,
        (reference, variable: string | undefined, fallback: string | undefined) => {
          if (variable === undefined) return "${";
          const said = environment[variable];
          if (said !== undefined && said !== "") {
            if (SECRET_VARIABLE.test(variable)) secrets.push(said);
            return said;
          }
          if (fallback !== undefined) return fallback;
          missing.push({ variable, offset: node.range?.[0] });
          return reference;
        },
      );
      // Unquoted, a reference may stand for a number or a truth value; it can never become more than one value.
      node.value = node.type === Scalar.PLAIN ? plainValue(text) : text;
    },
  });
  return { missing, secrets };
}

function plainValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}

type Path = readonly PropertyKey[];

/** An issue in words, with the path to point at; an unknown key with those that are known and near. */
function told(issue: z.core.$ZodIssue): readonly { readonly path: Path; readonly message: string }[] {
  const where = pathText(issue.path);
  if (issue.code === "invalid_key") {
    const why = issue.issues[0]?.message ?? "letters, digits and . _ - only";
    return [{ path: issue.path, message: `\`${where}\` is a name that cannot be used here: it ${why}` }];
  }
  if (issue.code !== "unrecognized_keys") {
    return [{ path: issue.path, message: `${where === "" ? "the file" : `\`${where}\``} ${plain(issue.message)}` }];
  }
  const known = keysAt(issue.path);
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    const shown = `\`${pathText(path)}\``;
    if (SECRETS.test(key)) {
      return {
        path,
        message: `${shown} is not an option: secrets are not written into this file. Name the environment variable that holds it (\`apiKeyEnv\`, for client keys \`keyEnv\`) or the file (\`apiKeyFile\`, \`keyFile\`)`,
      };
    }
    const near = nearest(key, known, 1)[0];
    const right = near === undefined ? `; known here: ${known.join(", ")}` : `; did you mean \`${near}\`?`;
    return { path, message: `${shown} is not an option${right}` };
  });
}

const SECRETS = /^(?:api[-_]?key|key|token|secret|password)$/i;

function plain(message: string): string {
  return message
    .replace(/^Invalid input: expected .+, received undefined$/, "is missing")
    .replace(/^Invalid input: expected (.+), received (.+)$/, (_all, expected: string, received: string) =>
      received === "null"
        ? `is empty; it must be ${kindText(expected)}${expected === "object" ? " (`{}` for the defaults)" : ""}`
        : `must be ${kindText(expected)}, not ${kindText(received)}`,
    )
    .replace(/^Too small: expected \S+ to have >=1 items$/, "must have at least one item")
    .replace(/^Invalid (?:option: expected one of|discriminator value\. Expected) /, "must be one of ")
    .replace(/^Too (small|big): expected \S+ to (.+)$/, "must $2");
}

/** Zod's words for kinds, as people who write YAML know them. */
const KINDS: Readonly<Record<string, string>> = {
  object: "a section with options",
  record: "a section with names",
  array: "a list",
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

function kindText(kind: string): string {
  return KINDS[kind] ?? kind;
}

/** Of a longer name its beginning tells where it is. */
const NAME_CHARACTERS_MAX = 128;

function pathText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    const name = String(step).slice(0, NAME_CHARACTERS_MAX);
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** The keys that an object at this path may have. */
function keysAt(path: Path): readonly string[] {
  let nodes: readonly SchemaNode[] = [z.toJSONSchema(configFile, { io: "input" }) as SchemaNode];
  for (const step of path) {
    nodes = nodes.flatMap(alternatives).flatMap((node) => {
      const below =
        typeof step === "number"
          ? node.items
          : (node.properties?.[String(step)] ??
            (typeof node.additionalProperties === "object" ? node.additionalProperties : undefined));
      return below === undefined ? [] : [below];
    });
  }
  return nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {}));
}

function alternatives(node: SchemaNode): readonly SchemaNode[] {
  return [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];
}

/** Where the key (or the element) at this path stands; the nearest place above it when it is absent. */
function offsetOf(document: Document, path: Path): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const last = path[length - 1];
    const parent = document.getIn(path.slice(0, length - 1), true);
    const items =
      typeof parent === "object" && parent !== null && "items" in parent && Array.isArray(parent.items)
        ? parent.items
        : [];
    const pair = items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === last);
    if (isPair(pair) && isScalar(pair.key)) return pair.key.range?.[0];
    const item: unknown = typeof last === "number" ? items[last] : undefined;
    if (typeof item === "object" && item !== null && "range" in item && Array.isArray(item.range))
      return item.range[0] as number;
  }
  return undefined;
}
