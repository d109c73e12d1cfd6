/** What the page is built of: sections, tables, plots with the table that says the same. */
import { type Drawing, pictureOf } from "../../plot/drawing.ts";
import { element, escaped } from "../../plot/markup.ts";

/** Longer texts are cut: a suite may say what it likes. */
export const TEXT_MAX = 240;

/** Text of a suite, of a target or of the report, as markup. */
export function said(text: string, most = TEXT_MAX): string {
  const characters = Array.from(text.slice(0, most * 4));
  return escaped(characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`);
}

/** With what stands between backticks as code, and no number parted from its unit. */
export function sentence(text: string): string {
  return said(text.replaceAll(/(?<=\d) (?=%)/g, "\u202F"), 800).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

export function section(id: string, title: string, ...content: readonly string[]): string {
  return element(
    "section",
    { id, "aria-labelledby": `${id}-heading` },
    element("h2", { id: `${id}-heading` }, escaped(title)),
    ...content,
  );
}

export function paragraph(text: string, kind?: string): string {
  return element("p", { class: kind }, escaped(text));
}

/** A value of a table; `note`: smaller, below it. */
export interface Cell {
  readonly text: string;
  readonly note?: string | undefined;
  /** Class of it. */
  readonly kind?: string;
}

export interface Table {
  /** For those who do not see what stands around it. */
  readonly name: string;
  /** The first is of the rows' names. */
  readonly columns: readonly (string | Cell)[];
  readonly rows: readonly (readonly (string | Cell)[])[];
  /** Columns of words, from 0; the others are of numbers. */
  readonly wordColumns?: readonly number[];
}

export function tableOf({ name, columns, rows, wordColumns = [] }: Table): string {
  const kindOf = (index: number): string | undefined => (index === 0 || wordColumns.includes(index) ? undefined : "n");
  const head = columns.map((cell, index) =>
    element("th", { scope: "col", class: classes(kindOf(index), cell) }, content(cell)),
  );
  const body = rows.map((cells) =>
    element(
      "tr",
      {},
      ...cells.map((cell, index) =>
        index === 0
          ? element("th", { scope: "row", class: classes(undefined, cell) }, content(cell))
          : element("td", { class: classes(kindOf(index), cell) }, content(cell)),
      ),
    ),
  );
  const table = element(
    "table",
    {},
    element("caption", {}, escaped(name)),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body),
  );
  // Wider than a phone it is moved by itself, by keys too, and the page is not.
  return element("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": name }, table);
}

function content(cell: string | Cell): string {
  if (typeof cell === "string") return said(cell);
  return said(cell.text) + (cell.note === undefined || cell.note === "" ? "" : element("small", {}, said(cell.note)));
}

function classes(kind: string | undefined, cell: string | Cell): string | undefined {
  const all = [kind, typeof cell === "string" ? undefined : cell.kind].filter((one) => one !== undefined);
  return all.length === 0 ? undefined : all.join(" ");
}

export interface Plot {
  readonly id: string;
  /** What it shows, in the words of its numbers: for those who do not see it. */
  readonly description: string;
  readonly title: string;
  readonly draw: (width: number) => Drawing;
  readonly tables: readonly Table[];
}

/** Drawn twice, as text that is made smaller cannot be read: the page's style shows one of them. */
export const WIDE_WIDTH = 720;
export const NARROW_WIDTH = 328;

export function plotOf({ id, title, description, draw, tables }: Plot): string {
  const drawn = [
    ["wide", WIDE_WIDTH],
    ["narrow", NARROW_WIDTH],
  ] as const;
  const pictures = drawn.map(([kind, width]) =>
    element("div", { class: kind }, pictureOf(`${id}-${kind}`, title, description, width, draw(width))),
  );
  return (
    element("figure", { class: "plot", id: `plot-${id}` }, ...pictures) + folded("The numbers", ...tables.map(tableOf))
  );
}

/** @param summary What is in it. */
export function folded(summary: string, ...content: readonly string[]): string {
  return element("details", {}, element("summary", {}, escaped(summary)), ...content);
}

export function list(items: readonly string[]): string {
  return element("ul", {}, ...items.map((item) => element("li", {}, sentence(item))));
}

/** Of many no more than so many, and in words how many are not shown. */
export function atMost<Item>(items: readonly Item[], most: number, what: string): readonly [readonly Item[], string] {
  if (items.length <= most) return [items, ""];
  return [items.slice(0, most), paragraph(`${items.length - most} more ${what} are in report.json.`, "note")];
}
