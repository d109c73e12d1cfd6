/** Request bodies in files, for commands that need no gateway: their text, their JSON, and the dialect that they are of. */
import type { JsonObject, JsonValue } from "./chat.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { dialects } from "./dialects/index.ts";
import { dialectOf } from "./dialects/shape.ts";
import { nearest } from "./nearest.ts";

/** For people. @param path `-` is standard input. */
export function fileName(path: string): string {
  return path === "-" ? "standard input" : path;
}

/** @param path `-` is standard input. @throws Error that names the file. */
export function textOf(path: string, readText: (path: string) => string): string {
  const file = fileName(path);
  try {
    return readText(path).replace(/^\uFEFF/, "");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "error";
    throw new Error(`${file}: cannot be read (${reason})`, { cause: error });
  }
}

/** @throws Error that says where it is no JSON, and quotes none of it. */
export function parsedText(file: string, text: string): JsonValue {
  if (text.trim() === "") throw new Error(`${file}: is empty`);
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`${file}: no JSON${placeOf(said, text)}`, { cause: error });
  }
}

/** Where a parser stopped. Its own words are not repeated, as they may quote the text. */
function placeOf(said: string, text: string): string {
  if (/end of JSON input|Unterminated/.test(said)) return ": it ends too early";
  const position = Number(/ position (\d+)/.exec(said)?.[1] ?? wrongTokenIn(said, text));
  const before = text.slice(0, position);
  const line = before.split("\n").length;
  return ` at line ${line}, column ${position - before.lastIndexOf("\n")}`;
}

/** Of a short text a parser names the sign it did not expect, and not where. */
function wrongTokenIn(said: string, text: string): number {
  const token = /Unexpected token '(.+?)',/su.exec(said)?.[1];
  for (let end = 1; end <= text.length; end += 1) {
    if (token !== undefined && !text.slice(0, end).endsWith(token)) continue;
    try {
      JSON.parse(text.slice(0, end));
    } catch (error) {
      if (!/end of JSON input|Unterminated/.test(String(error))) return end - (token?.length ?? 1);
    }
  }
  return 0;
}

/**
 * The dialect of a body: the one that is said, else the one that its fields show.
 *
 * @throws Error that says which there are.
 */
export function dialectFor(name: string, body: JsonObject, said: string | undefined): Dialect {
  const names = dialects.map((known) => known.name);
  const dialectName = said ?? dialectOf(body);
  const dialect = dialects.find((known) => known.name === dialectName);
  if (dialect !== undefined) return dialect;
  if (said !== undefined)
    throw new Error(`there is no dialect ${said}; did you mean ${nearest(said, names, 1)[0] ?? names.join(", ")}?`);
  throw new Error(
    `${name}: no request of any dialect that is known by its form; say which by --dialect (${names.join(", ")})`,
  );
}

/** By its form a body may be taken for what it is not. */
export function unreadable(name: string, error: unknown, { name: taken }: Dialect, said: string | undefined): Error {
  const guessed = said === undefined ? ` (taken for ${taken}; --dialect says which it is)` : "";
  return new Error(`${name}: ${error instanceof Error ? error.message : String(error)}${guessed}`, { cause: error });
}
