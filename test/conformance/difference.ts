/** Where two JSON values differ: one line for each place, for comparing what a client sent with what a provider got. */

export interface Difference {
  /** "messages[2].content[0].text" */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Values are equal as JSON is; an array's items are compared by their places. */
export function differences(before: unknown, after: unknown, path = ""): readonly Difference[] {
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return before.flatMap((item, at) => differences(item, after[at], `${path}[${at}]`));
  }
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
