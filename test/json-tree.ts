/**
 * JSON documents as trees that remember how they were written: for tests that compare bytes. Slow and plain on purpose: it is
 * the second opinion on what an edit means.
 */
import fc from "fast-check";
import type { Edit } from "../src/edit.ts";

export interface Leaf {
  readonly type: "leaf";
  readonly text: string;
}
export interface Member {
  /** As written, quotes included. */
  readonly keyText: string;
  readonly key: string;
  readonly value: Node;
  readonly space?: readonly [string, string, string, string];
}
export type Node =
  | Leaf
  | { readonly type: "array"; readonly items: readonly Node[]; readonly space?: string }
  | { readonly type: "object"; readonly members: readonly Member[]; readonly space?: string };

const SPACES = fc.constantFrom("", "", "", " ", "\n\t", "  \r\n");
const NUMBERS = ["1.0", "1e400", "9007199254740993", "-0", "0.10", "1E+2", "12345678901234567890.5"];

/** Any document: odd numbers, escapes, unicode, keys that stand twice, white space anywhere. */
export function anyDocument(): fc.Arbitrary<Node> {
  const keys = fc.oneof(fc.constantFrom("a", "b", "c", "é", "1", 'q"\\'), fc.string({ unit: "binary", maxLength: 4 }));
  const strings = fc.string({ unit: "binary", maxLength: 40 });
  const leaf: fc.Arbitrary<Node> = fc
    .oneof(
      fc.constantFrom("null", "true", "false", ...NUMBERS),
      fc.tuple(strings, fc.boolean()).map(([text, escapes]) => quoted(text, escapes)),
      fc.constantFrom('"{[\\"]}\\\\"', '"\\\\"', '"\\\\\\""', `"${"x".repeat(60)}\\\\\\"${"]".repeat(60)}"`),
    )
    .map((text) => ({ type: "leaf", text }));
  const { node } = fc.letrec<{ node: Node }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      fc.record({ type: fc.constant("array" as const), items: fc.array(tie("node"), { maxLength: 4 }), space: SPACES }),
      fc.record({
        type: fc.constant("object" as const),
        members: fc.array(
          fc
            .tuple(keys, fc.boolean(), tie("node"), fc.tuple(SPACES, SPACES, SPACES, SPACES))
            .map(([key, escapes, value, space]) => ({ key, keyText: quoted(key, escapes), value, space })),
          { maxLength: 4 },
        ),
        space: SPACES,
      }),
    ),
  }));
  return node;
}

/** A string as JSON; with every character of it escaped if wished. */
function quoted(text: string, escapes: boolean): string {
  if (!escapes) return JSON.stringify(text);
  const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index).toString(16).padStart(4, "0"));
  return `"${units.map((unit) => `\\u${unit}`).join("")}"`;
}

export function render(node: Node): string {
  if (node.type === "leaf") return node.text;
  const space = node.space ?? "";
  if (node.type === "array") return `[${space}${node.items.map((item) => render(item) + space).join(`,${space}`)}]`;
  const members = node.members.map(({ keyText, value, space: [a, b, c, d] = ["", "", "", ""] }) => {
    return `${a}${keyText}${b}:${c}${render(value)}${d}`;
  });
  return `{${space}${members.join(",")}}`;
}

/** Reads valid JSON into a tree, without its white space. */
export function parse(text: string): Node {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g) ?? [];
  let at = 0;
  const next = (): string => tokens[at++] ?? "";
  const value = (): Node => {
    const token = next();
    if (token === "[") {
      const items: Node[] = [];
      while (tokens[at] !== "]") {
        items.push(value());
        if (tokens[at] === ",") at += 1;
      }
      at += 1;
      return { type: "array", items };
    }
    if (token === "{") {
      const members: Member[] = [];
      while (tokens[at] !== "}") {
        const keyText = next();
        at += 1;
        members.push({ keyText, key: JSON.parse(keyText) as string, value: value() });
        if (tokens[at] === ",") at += 1;
      }
      at += 1;
      return { type: "object", members };
    }
    return { type: "leaf", text: token };
  };
  return value();
}

/** What the edits make of the document; `undefined` when one of them has no place to go. */
export function edited(document: Node, edits: readonly Edit[]): Node | undefined {
  const result = editedNode(document, edits);
  return result.failed ? undefined : result.node;
}

interface Result {
  readonly node: Node;
  readonly failed: boolean;
}

function editedNode(node: Node, edits: readonly Edit[]): Result {
  const own = changeOf(edits);
  if (own?.op === "set") return { node: parse(JSON.stringify(own.value)), failed: false };
  if (node.type === "leaf")
    return { node, failed: edits.some((edit) => edit.path.length > 0 && puts(edit) && !isVoid(edit, edits)) };
  return node.type === "array" ? editedArray(node, edits) : editedObject(node, edits);
}

function editedArray(node: Extract<Node, { type: "array" }>, edits: readonly Edit[]): Result {
  const inserts = edits.filter((edit) => edit.op === "insert" && edit.path.length === 1);
  let failed = inserts.some((edit) => (edit.path[0] as number) > node.items.length);
  for (const edit of edits) {
    const [step] = edit.path;
    const exists = typeof step === "number" && step < node.items.length;
    if (!exists && !inserts.includes(edit) && step !== undefined && puts(edit) && !isVoid(edit, edits)) failed = true;
  }
  const items: Node[] = [];
  for (let index = 0; index <= node.items.length; index += 1) {
    for (const edit of inserts)
      if (edit.op === "insert" && edit.path[0] === index) items.push(parse(JSON.stringify(edit.value)));
    const item = node.items[index];
    const below = under(edits, index);
    if (item === undefined || changeOf(below)?.op === "delete") continue;
    const result = editedNode(item, below);
    failed ||= result.failed;
    items.push(result.node);
  }
  return { node: { type: "array", items }, failed };
}

function editedObject(node: Extract<Node, { type: "object" }>, edits: readonly Edit[]): Result {
  let failed = edits.some((edit) => edit.op === "insert" && edit.path.length === 1);
  const has = (key: string | number | undefined): boolean => node.members.some((member) => member.key === key);
  const renameOf = (key: string): string | undefined => {
    const edit = edits.findLast(({ op, path }) => op === "rename" && path.length === 1 && path[0] === key);
    return edit?.op === "rename" ? edit.to : undefined;
  };
  const isSet = (key: string): boolean => changeOf(under(edits, key))?.op === "set";
  const isDeleted = (key: string): boolean => changeOf(under(edits, key))?.op === "delete";
  /** Whose a name is in the end: the key of the member that gets it. */
  const owner = (name: string): string => {
    if (isSet(name) && !(has(name) && renameOf(name) !== undefined)) return name;
    const takers = edits.filter((edit) => edit.op === "rename" && edit.path.length === 1 && has(edit.path[0]));
    const key = takers.findLast(({ path }) => renameOf(path[0] as string) === name && !isDeleted(path[0] as string))
      ?.path[0];
    return typeof key === "string" ? key : name;
  };
  const members: Member[] = [];
  const failures = new Map<string, boolean>();
  for (const [at, member] of node.members.entries()) {
    // Below a key that stands twice the last one counts.
    const isLast = node.members.findLastIndex(({ key }) => key === member.key) === at;
    const below = isLast || isSet(member.key) ? under(edits, member.key) : [];
    if (isDeleted(member.key)) continue;
    const result = editedNode(member.value, below);
    failures.set(member.key, result.failed);
    const to = renameOf(member.key);
    if (owner(to ?? member.key) !== member.key) continue;
    const keyText = to === undefined ? member.keyText : JSON.stringify(to);
    members.push({ keyText, key: to ?? member.key, value: result.node });
  }
  failed ||= [...failures.values()].includes(true);
  for (const step of new Set(edits.map((edit) => edit.path[0]))) {
    if (step === undefined || has(step)) continue;
    const below = under(edits, step);
    const own = changeOf(below);
    if (own?.op === "set" && typeof step === "string") {
      members.push({ keyText: JSON.stringify(step), key: step, value: parse(JSON.stringify(own.value)) });
    } else if (own?.op !== "delete" && below.some((edit) => puts(edit) && !isVoid(edit, below))) failed = true;
  }
  return { node: { type: "object", members }, failed };
}

/** Whether the edit brings something in, and so needs a parent. */
function puts(edit: Edit): boolean {
  return edit.op === "set" || edit.op === "insert";
}

/** The last `set` or `delete` of the node itself. */
function changeOf(edits: readonly Edit[]): Edit | undefined {
  return edits.findLast((edit) => edit.path.length === 0 && (edit.op === "set" || edit.op === "delete"));
}

/** Whether the node itself or something between it and the edit's place is set or deleted, or the edit was overruled at its place. */
function isVoid(edit: Edit, edits: readonly Edit[]): boolean {
  return edits.some((other) => {
    if (other === edit || (other.op !== "set" && other.op !== "delete")) return false;
    const isAbove =
      other.path.length < edit.path.length && other.path.every((step, index) => step === edit.path[index]);
    const isLater = edits.indexOf(other) > edits.indexOf(edit);
    const isSame =
      edit.op === "set" &&
      other.path.length === edit.path.length &&
      other.path.every((step, index) => step === edit.path[index]);
    return isAbove || (isSame && isLater && other.op === "delete");
  });
}

/** The edits below one step, with the rest of their paths. An insert's own index is not a step: its place is the array. */
function under(edits: readonly Edit[], step: string | number): Edit[] {
  return edits
    .filter((edit) => edit.path[0] === step && !(edit.op === "insert" && edit.path.length === 1))
    .map((edit) => ({ ...edit, path: edit.path.slice(1) }));
}
