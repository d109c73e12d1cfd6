/**
 * What a tester asks of the sandbox inside the request: `x-sandbox-*` headers, or a marker in the last user text, because a gateway
 * strips headers it does not know: `[[sandbox: fault=429 retry-after=1 times=1]]`, `[[sandbox: tool=get_weather then="Sunny."]]`.
 */
export type Directives = ReadonlyMap<string, string>;

const OPENING = "[[sandbox:";
const MARKER = /^\[\[sandbox:((?:"(?:[^"\\]|\\.)*"|(?!\]\])[^"])*)\]\]/;
const MARKER_CHARACTERS_MAX = 20_000;
/** Openings that are looked at, so that a text full of them costs no more than its length. */
const MARKERS_MAX = 16;
const PAIR = /([a-z][a-z0-9-]*)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]+)))?/g;
const HEADER_PREFIX = "x-sandbox-";

export function directivesOf(
  headers: { readonly [name: string]: string | string[] | undefined },
  lastUserText: string,
): Directives {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(HEADER_PREFIX) || typeof value !== "string") continue;
    const key = name.slice(HEADER_PREFIX.length);
    // `x-sandbox-fault: 429 retry-after=1`: the first word is the fault, the rest are directives of their own.
    if (key === "fault") readPairs(`fault=${value}`, found);
    else found.set(key, value);
  }
  for (const marker of markersIn(lastUserText)) readPairs(marker.said, found);
  return found;
}

/** The text without its markers. */
export function withoutMarkers(text: string): string {
  let rest = "";
  let end = 0;
  for (const marker of markersIn(text)) {
    rest += text.slice(end, marker.start);
    end = marker.end;
  }
  return (rest + text.slice(end)).trim();
}

interface Marker {
  readonly start: number;
  readonly end: number;
  readonly said: string;
}

function markersIn(text: string): Marker[] {
  const markers: Marker[] = [];
  let start = text.indexOf(OPENING);
  for (let count = 0; start >= 0 && count < MARKERS_MAX; count++) {
    const match = MARKER.exec(text.slice(start, start + MARKER_CHARACTERS_MAX));
    const end = start + (match?.[0].length ?? OPENING.length);
    if (match !== null) markers.push({ start, end, said: match[1] ?? "" });
    start = text.indexOf(OPENING, end);
  }
  return markers;
}

function readPairs(text: string, found: Map<string, string>): void {
  for (const pair of text.matchAll(PAIR)) {
    const [, key, quoted, plain] = pair;
    if (key !== undefined) found.set(key, quoted === undefined ? (plain ?? "") : unescape(quoted));
  }
}

function unescape(quoted: string): string {
  try {
    return JSON.parse(`"${quoted.replaceAll("\n", "\\n")}"`) as string;
  } catch {
    return quoted;
  }
}

/** A whole number of milliseconds from "20ms", "2s" or "20". */
export function millisecondsOf(value: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(value ?? "");
  if (match === null) return undefined;
  return Number(match[1]) * (match[2] === "s" ? 1000 : 1);
}

export function numberOf(directives: Directives, key: string): number | undefined {
  const value = Number(directives.get(key) ?? NaN);
  return Number.isFinite(value) ? value : undefined;
}
