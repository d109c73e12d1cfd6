import { AssertionError } from "node:assert";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyEdits, type Edit } from "../src/edit.ts";
import { anyDocument, edited, parse, render, type Node } from "./json-tree.ts";

function apply(text: string, ...edits: Edit[]): string {
  return Buffer.from(applyEdits(Buffer.from(text), edits)).toString();
}

describe("what is not named keeps its bytes", () => {
  test("no edits, and edits that find nothing, give the very same buffer", () => {
    const raw = Buffer.from('{"a":1}');
    expect(applyEdits(raw, [])).toBe(raw);
    expect(
      applyEdits(raw, [
        { op: "delete", path: ["b"] },
        { op: "rename", path: ["c"], to: "d" },
      ]),
    ).toBe(raw);
    expect(applyEdits(raw, [{ op: "delete", path: ["a", "b", 0] }])).toBe(raw);
  });

  test("numbers, white space, escapes, key order and integer-like keys stay as they were written", () => {
    const before = '{ "n" : [1.0,\t1e400, 9007199254740993, -0 ],\r\n"mod\\u0065l":\n"a\\/b\\u00e9é𝄞" , "9":1,"1":2 }';
    expect(apply(before, { op: "set", path: ["n", 0], value: "x" })).toBe(before.replace("1.0", '"x"'));
    expect(apply(before, { op: "set", path: ["9"], value: null })).toBe(before.replace('"9":1', '"9":null'));
  });

  test("a byte-order mark stays, and so do the bytes beside a view", () => {
    const memory = Buffer.from('xx\ufeff {"model":"a"}yy');
    const view = new Uint8Array(memory.buffer, memory.byteOffset + 2, memory.length - 4);
    const after = applyEdits(view, [{ op: "set", path: ["model"], value: "é" }]);
    expect(Buffer.from(after).toString()).toBe('\ufeff {"model":"é"}');
    expect(memory.toString()).toBe('xx\ufeff {"model":"a"}yy');
  });
});

describe("each operation", () => {
  const cases: readonly [name: string, before: string, edits: Edit[], after: string][] = [
    ["set replaces", '{"a": 1 }', [{ op: "set", path: ["a"], value: { b: [2] } }], '{"a": {"b":[2]} }'],
    ["set replaces the whole document", " [1] ", [{ op: "set", path: [], value: {} }], " {} "],
    ["set adds the last member", '{"a":1\n}', [{ op: "set", path: ["b"], value: 2 }], '{"a":1,"b":2\n}'],
    ["set adds to an empty object", '{"a": { } }', [{ op: "set", path: ["a", "b"], value: 2 }], '{"a": {"b":2 } }'],
    [
      "sets add in the order of the list",
      "{}",
      [
        { op: "set", path: ["b"], value: 1 },
        { op: "set", path: ["a"], value: 2 },
      ],
      '{"b":1,"a":2}',
    ],
    ["set escapes the key it adds", "{}", [{ op: "set", path: ['"\ud800'], value: 1 }], '{"\\"\\ud800":1}'],
    ["delete takes the comma before", '{"a":1 , "b":2 }', [{ op: "delete", path: ["b"] }], '{"a":1 }'],
    ["delete of the first takes the comma after", '{ "a":1 , "b":2 }', [{ op: "delete", path: ["a"] }], '{ "b":2 }'],
    [
      "delete of all leaves an empty object",
      '{"a":1,"b":2}',
      [
        { op: "delete", path: ["a"] },
        { op: "delete", path: ["b"] },
      ],
      "{}",
    ],
    [
      "delete of all and a set",
      '{"a":1,"b":2}',
      [
        { op: "delete", path: ["a"] },
        { op: "delete", path: ["b"] },
        { op: "set", path: ["c"], value: 3 },
      ],
      '{"c":3}',
    ],
    [
      "delete in an array",
      "[0,[1,2],3]",
      [
        { op: "delete", path: [1, 0] },
        { op: "delete", path: [2] },
      ],
      "[0,[2]]",
    ],
    [
      "insert before, in the order of the list",
      "[0,1]",
      [
        { op: "insert", path: [1], value: "a" },
        { op: "insert", path: [1], value: "b" },
      ],
      '[0,"a","b",1]',
    ],
    ["insert first", "[ 0 ]", [{ op: "insert", path: [0], value: "a" }], '[ "a",0 ]'],
    ["insert at the length appends", "[0 ]", [{ op: "insert", path: [1], value: "a" }], '[0,"a" ]'],
    ["insert into an empty array", "[ ]", [{ op: "insert", path: [0], value: "a" }], '["a" ]'],
    [
      "indexes are those of the original",
      "[0,1,2]",
      [
        { op: "delete", path: [0] },
        { op: "insert", path: [1], value: "a" },
        { op: "set", path: [2], value: "b" },
      ],
      '["a",1,"b"]',
    ],
    [
      "rename keeps the place and the value",
      '{"a" : 1.0,"b":2}',
      [{ op: "rename", path: ["a"], to: "c" }],
      '{"c" : 1.0,"b":2}',
    ],
    [
      "rename and an edit below it",
      '{"a":{"x":1}}',
      [
        { op: "rename", path: ["a"], to: "c" },
        { op: "set", path: ["a", "x"], value: 2 },
      ],
      '{"c":{"x":2}}',
    ],
    [
      "rename takes the name from a member that has it",
      '{"b":0,"a":1}',
      [{ op: "rename", path: ["a"], to: "b" }],
      '{"b":1}',
    ],
    ["rename of what is absent takes nothing", '{"b":0}', [{ op: "rename", path: ["a"], to: "b" }], '{"b":0}'],
    [
      "a set of the new name wins over the rename",
      '{"a":1}',
      [
        { op: "set", path: ["b"], value: 2 },
        { op: "rename", path: ["a"], to: "b" },
      ],
      '{"b":2}',
    ],
    [
      "two renames swap",
      '{"a":1,"b":2}',
      [
        { op: "rename", path: ["a"], to: "b" },
        { op: "rename", path: ["b"], to: "a" },
      ],
      '{"b":1,"a":2}',
    ],
    [
      "a member that is set and renamed leaves its name to another",
      '{"a":1,"b":2}',
      [
        { op: "set", path: ["b"], value: 3 },
        { op: "rename", path: ["b"], to: "c" },
        { op: "rename", path: ["a"], to: "b" },
      ],
      '{"b":1,"c":3}',
    ],
    [
      "of two renames to one name the later wins",
      '{"a":1,"b":2}',
      [
        { op: "rename", path: ["b"], to: "c" },
        { op: "rename", path: ["a"], to: "c" },
      ],
      '{"c":1}',
    ],
    [
      "the later of set and delete wins",
      '{"a":1,"b":2}',
      [
        { op: "set", path: ["a"], value: 0 },
        { op: "delete", path: ["a"] },
        { op: "delete", path: ["b"] },
        { op: "set", path: ["b"], value: 3 },
      ],
      '{"b":3}',
    ],
    [
      "a deleted parent voids what is below it",
      '{"a":{"b":1},"c":2}',
      [
        { op: "set", path: ["a", "b"], value: 0 },
        { op: "delete", path: ["a"] },
      ],
      '{"c":2}',
    ],
    [
      "a set parent voids what is below it",
      '{"a":{"b":1}}',
      [
        { op: "set", path: ["a"], value: [] },
        { op: "set", path: ["a", "b", "c"], value: 0 },
      ],
      '{"a":[]}',
    ],
    [
      "a key written with escapes matches",
      '{"mod\\u0065l":"a"}',
      [{ op: "set", path: ["model"], value: "b" }],
      '{"mod\\u0065l":"b"}',
    ],
    [
      "a key that stands twice is set twice",
      '{"model":"a","mod\\u0065l":"b"}',
      [{ op: "set", path: ["model"], value: "c" }],
      '{"model":"c","mod\\u0065l":"c"}',
    ],
    [
      "below a key that stands twice the last one is edited: the other may be quite another value",
      '{"m":[{"t":"old"}],"n":1,"m":[{"t":"b"},2]}',
      [
        { op: "set", path: ["m", 0, "t"], value: "c" },
        { op: "insert", path: ["m", 1], value: 0 },
      ],
      '{"m":[{"t":"old"}],"n":1,"m":[{"t":"c"},0,2]}',
    ],
    [
      "a key that stands twice is renamed twice",
      '{"a":1,"b":2,"a":3}',
      [{ op: "rename", path: ["a"], to: "c" }],
      '{"c":1,"b":2,"c":3}',
    ],
    ["a key that stands twice is deleted twice", '{"a":1,"b":2,"a":3}', [{ op: "delete", path: ["a"] }], '{"b":2}'],
    [
      "only the last of two must hold what is put into it",
      '{"o":null,"o":{}}',
      [{ op: "set", path: ["o", "a"], value: 1 }],
      '{"o":null,"o":{"a":1}}',
    ],
    [
      "quotes and brackets inside strings are text",
      '{"a":"}\\\\\\"],{","b":["\\\\"],"c":1}',
      [{ op: "delete", path: ["b"] }],
      '{"a":"}\\\\\\"],{","c":1}',
    ],
  ];
  test.each(cases)("%s", (_name, before, edits, after) => {
    expect(apply(before, ...edits)).toBe(after);
  });
});

describe("an edit that has no place is its author's error", () => {
  const cases: readonly [name: string, before: string, edit: Edit, message: RegExp][] = [
    ["set below an absent parent", "{}", { op: "set", path: ["a", "b"], value: 1 }, /`b` in `a` cannot be set/],
    ["set below a string", '{"a":"x"}', { op: "set", path: ["a", "b"], value: 1 }, /cannot be set/],
    ["set of a key in an array", '{"a":[1]}', { op: "set", path: ["a", "b"], value: 1 }, /cannot be set/],
    ["set of an index in an object", '{"a":{}}', { op: "set", path: ["a", 0], value: 1 }, /cannot be set/],
    ["set beyond the end of an array", "[1]", { op: "set", path: [1], value: 1 }, /the array has 1 elements/],
    ["insert beyond the end of an array", "[1]", { op: "insert", path: [3], value: 1 }, /not within the 1 elements/],
    [
      "insert beyond the end of an empty array",
      "[]",
      { op: "insert", path: [1], value: 1 },
      /not within the 0 elements/,
    ],
    ["insert into an object", '{"a":{}}', { op: "insert", path: ["a", 0], value: 1 }, /inserted into `a`/],
    ["insert into what is absent", "{}", { op: "insert", path: ["a", 0], value: 1 }, /inserted into `a`/],
    ["insert by key", "{}", { op: "insert", path: ["a"], value: 1 }, /index/],
    ["rename of an element", "[1]", { op: "rename", path: [0], to: "a" }, /key/],
    ["delete of the document", "[1]", { op: "delete", path: [] }, /path/],
    ["an index that is none", "[1]", { op: "delete", path: [-1] }, /not an index/],
    ["a text that ends early", '{"a":[1', { op: "set", path: ["a", 0], value: 1 }, /not valid JSON/],
    ["a text that is not JSON", '{"a" 1}', { op: "set", path: ["a"], value: 1 }, /not valid JSON/],
  ];
  test.each(cases)("%s", (_name, before, edit, message) => {
    expect(() => apply(before, edit)).toThrow(AssertionError);
    expect(() => apply(before, edit)).toThrow(message);
  });
});

describe("properties", () => {
  test("a list of edits does to the text what it does to the tree, leaf texts and key texts included", () => {
    fc.assert(
      fc.property(documentAndEdits(), ([document, edits]) => {
        const expected = edited(document, edits);
        const text = render(document);
        if (expected === undefined) {
          expect(() => apply(text, ...edits)).toThrow(AssertionError);
          return;
        }
        const after = apply(text, ...edits);
        expect(strip(parse(after))).toEqual(strip(expected));
        // Valid for a parser that is not ours, and equal to its reading of the edited tree.
        expect(JSON.parse(after)).toEqual(JSON.parse(render(expected)));
      }),
      { numRuns: 3000 },
    );
  });

  test("setting one value changes its span and not one byte more", () => {
    fc.assert(
      fc.property(anyDocument(), fc.nat(), fc.jsonValue(), (document, pick, value) => {
        const paths = pathsOf(document).filter((path) => isUnambiguous(document, path));
        const path = paths[pick % paths.length] ?? [];
        const { text, start, end } = spanAt(document, path);
        const after = applyEdits(Buffer.from(text), [{ op: "set", path, value: value as never }]);
        expect(Buffer.from(after).toString()).toBe(text.slice(0, start) + JSON.stringify(value) + text.slice(end));
      }),
      { numRuns: 1000 },
    );
  });

  test("edits on JSON.stringify's output equal edits on the value", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.jsonValue(), (value, key, next) => {
        fc.pre(!["__proto__"].includes(key) && !Object.hasOwn(value, "__proto__"));
        const text = JSON.stringify(value);
        const plain = JSON.parse(text) as Record<string, unknown>;
        const set = JSON.parse(apply(text, { op: "set", path: [key], value: next as never })) as unknown;
        expect(set).toEqual({ ...plain, [key]: JSON.parse(JSON.stringify(next)) as unknown });
        const { [key]: _gone, ...rest } = plain;
        expect(JSON.parse(apply(text, { op: "delete", path: [key] }))).toEqual(rest);
      }),
    );
  });
});

type Path = (string | number)[];

function pathsOf(node: Node): Path[] {
  if (node.type === "leaf") return [[]];
  const steps =
    node.type === "object"
      ? node.members.map((m) => [m.key, m.value] as const)
      : node.items.map((v, i) => [i, v] as const);
  return [[], ...steps.flatMap(([step, value]) => pathsOf(value).map((path) => [step, ...path]))];
}

function isUnambiguous(node: Node, [step, ...rest]: Path): boolean {
  if (step === undefined || node.type === "leaf") return true;
  if (node.type === "array") return isUnambiguous(node.items[step as number] as Node, rest);
  const same = node.members.filter((member) => member.key === step);
  return same.length === 1 && isUnambiguous((same[0] as (typeof same)[0]).value, rest);
}

/** Where the value at `path` stands: found by rendering the document with a mark in its place. */
function spanAt(document: Node, path: Path): { text: string; start: number; end: number } {
  const mark = "\u0000";
  const text = render(document);
  const marked = render(replaced(document, path, { type: "leaf", text: mark }));
  const start = marked.indexOf(mark);
  return { text, start, end: text.length - (marked.length - start - mark.length) };
}

function replaced(node: Node, [step, ...rest]: Path, by: Node): Node {
  if (step === undefined) return by;
  if (node.type === "array")
    return { ...node, items: node.items.map((item, index) => (index === step ? replaced(item, rest, by) : item)) };
  if (node.type === "leaf") throw new Error("no such path");
  return {
    ...node,
    members: node.members.map((m) => (m.key === step ? { ...m, value: replaced(m.value, rest, by) } : m)),
  };
}

/** The tree without its white space. */
function strip(node: Node): unknown {
  if (node.type === "leaf") return node.text;
  if (node.type === "array") return node.items.map(strip);
  return { members: node.members.map((member) => [member.keyText, strip(member.value)]) };
}

function documentAndEdits(): fc.Arbitrary<[Node, Edit[]]> {
  const change = fc.record({
    pick: fc.nat(),
    op: fc.constantFrom("set", "insert", "rename", "delete"),
    key: fc.constantFrom("a", "b", "é", "new"),
    astray: fc.nat(9),
    value: fc.jsonValue({ maxDepth: 2 }),
  });
  return fc.tuple(anyDocument(), fc.array(change, { minLength: 1, maxLength: 6 })).map(([document, changes]) => {
    const paths = pathsOf(document);
    const edits = changes.map(({ pick, op, key, astray, value }): Edit => {
      const path = paths[pick % paths.length] ?? [];
      const last = path.at(-1);
      // Mostly a place that exists, now and then one that does not.
      const place =
        astray === 0 ? [...path, key] : astray === 1 && last !== undefined ? [...path.slice(0, -1), key] : path;
      if (op === "set") return { op, path: place, value: value as never };
      if (op === "insert")
        return {
          op,
          path: typeof last === "number" ? [...path.slice(0, -1), last + (astray > 4 ? 1 : 0)] : [...path, 0],
          value: value as never,
        };
      if (place.length === 0) return { op: "delete", path: [key] };
      if (op === "delete" || typeof place.at(-1) === "number") return { op: "delete", path: place };
      return { op: "rename", path: place, to: key };
    });
    return [document, edits];
  });
}
