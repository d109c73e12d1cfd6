/** Which rows of the config hold for a class of tasks. */
import { describe, expect, test } from "vitest";
import { classRows, keyOf, merged } from "../src/policies/class-rows.ts";

interface Row {
  readonly a?: number;
  readonly b?: number;
}
const rows: Readonly<Record<string, Row>> = {
  triage: { a: 4 },
  "triage-*": { a: 3 },
  "tri*": { a: 2, b: 2 },
  "*": { a: 1, b: 1 },
  "c-0123456789ab": { b: 5 },
};
const nameOf = (id: string) => (id === "c-0123456789ab" ? "triage-mail" : undefined);
const of = (className: string | undefined) => merged(classRows(rows, nameOf)(className));

describe("of each option the row that says most holds", () => {
  test.each([
    ["triage", { a: 4, b: 2 }],
    ["triage-web", { a: 3, b: 2 }],
    ["trial", { a: 2, b: 2 }],
    ["other", { a: 1, b: 1 }],
    [undefined, { a: 1, b: 1 }],
    // By the name that it has, and by its id.
    ["c-0123456789ab", { a: 3, b: 5 }],
    // What every object has is no row.
    ["constructor", { a: 1, b: 1 }],
    ["*", { a: 1, b: 1 }],
  ])("%s", (className, expected) => {
    expect(of(className)).toEqual(expected);
  });

  test("and whose it is, is known", () => {
    const found = classRows(rows, nameOf)("triage-web");
    expect(keyOf(found, "a")).toBe("triage-*");
    expect(keyOf(found, "b")).toBe("tri*");
    expect(keyOf(classRows<Row>({})("x"), "a")).toBeUndefined();
  });
});
