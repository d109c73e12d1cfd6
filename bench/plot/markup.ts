/** Markup as text: what is said is never taken for markup. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/**
 * For elements and for attributes in double quotes. What no page may hold (control characters, halves of a character) is replaced, and so
 * is what turns the order of text, with which it would read as something else.
 */
export function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(UNPRINTABLE, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** An element. Its children are markup already; its attributes are escaped here, and left out where they are `undefined`. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const words = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${typeof value === "number" ? rounded(value) : escaped(value)}"`],
  );
  const start = `<${name}${words.join("")}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join("")}</${name}>`;
}

/** A coordinate with no more digits than can be seen. */
export function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}

// oxlint-disable-next-line no-control-regex -- it is these that must not come through
const UNPRINTABLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069\uFFFE\uFFFF]/g;
