/**
 * Which rows of the config hold for a class of tasks: `*`, then beginnings (`triage-*`), the longer the later, then the class by its
 * name and by its id. Of each option the last row that has it says what holds.
 */

/** A row, and the key that it stands under. */
export type KeyedRow<Row> = readonly [key: string, row: Row];

/** @param nameOf What an operator calls a class whose id is derived. */
export function classRows<Row extends object>(
  rows: Readonly<Record<string, Row>>,
  nameOf: (className: string) => string | undefined = () => undefined,
): (className: string | undefined) => readonly KeyedRow<Row>[] {
  const beginnings = Object.entries(rows)
    .filter(([key]) => key.endsWith("*"))
    .map(([key, row]) => ({ begins: key.slice(0, -1), keyed: [key, row] as const }))
    .toSorted((one, other) => one.begins.length - other.begins.length);
  const everybodys = beginnings.filter(({ begins }) => begins === "").map(({ keyed }) => keyed);
  return (className) => {
    if (className === undefined) return everybodys;
    const name = nameOf(className);
    const found: KeyedRow<Row>[] = [];
    for (const { begins, keyed } of beginnings) {
      if (className.startsWith(begins) || name?.startsWith(begins) === true) found.push(keyed);
    }
    for (const key of name === undefined ? [className] : [name, className]) {
      const row = Object.hasOwn(rows, key) && !key.endsWith("*") ? rows[key] : undefined;
      if (row !== undefined) found.push([key, row]);
    }
    return found;
  };
}

export function merged<Row extends object>(rows: readonly KeyedRow<Row>[]): Partial<Row> {
  const all: Partial<Row> = {};
  for (const [, row] of rows) Object.assign(all, row);
  return all;
}

/** The key of the row that says an option. */
export function keyOf<Row extends object>(rows: readonly KeyedRow<Row>[], option: keyof Row): string | undefined {
  return rows.findLast(([, row]) => row[option] !== undefined)?.[0];
}
