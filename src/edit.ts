/**
 * Edits on raw JSON bytes, by span: everything that is not named by an edit keeps its very bytes.
 */
import assert from "node:assert/strict";
import type { JsonValue } from "./chat.ts";
import {
  bufferOn,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
  stringEnd,
  valueEnd,
} from "./json-scan.ts";

/** From the root: object keys and array indexes. */
export type Path = readonly (string | number)[];

/**
 * One change to a JSON document.
 * - `set`: replace the value at `path`, or add it as the last member of its (existing) parent object.
 * - `insert`: add `value` into the array at `path` (its last element is the index to insert before; the length appends).
 * - `rename`: give the member at `path` another key; does nothing when it is absent.
 * - `delete`: remove the member or element; does nothing when it is absent.
 *
 * `loss` marks an edit that takes something the caller said away: the lane records it under that word.
 */
export type Edit =
  | { readonly op: "set"; readonly path: Path; readonly value: JsonValue; readonly loss?: string }
  | { readonly op: "insert"; readonly path: Path; readonly value: JsonValue; readonly loss?: string }
  | { readonly op: "rename"; readonly path: Path; readonly to: string; readonly loss?: string }
  | { readonly op: "delete"; readonly path: Path; readonly loss?: string };

/**
 * Applies the edits to a JSON text in one scan. No edits, or none that finds its place → the very same buffer.
 *
 * All paths speak of the document as it was, so the order of the edits matters only where two of them say the same thing:
 * - Of `set` and `delete` on one path the later wins; on a path and one below it, the upper wins and the lower is void.
 * - A `rename` changes the key only: the value may be set, or edited below, at the same time. A member that already bears the
 *   new name gives way, unless it is renamed itself; of two renames to one name the later wins, and a `set` of that name over both.
 * - Several `insert`s before one index stand in the order of the list.
 * - A key that an object has twice is set, renamed and deleted at every occurrence, as parsers disagree about which one counts. Below it
 *   only the last one is edited, which is what `JSON.parse` sees: the path was not meant for another value, which keeps its bytes.
 *
 * @param raw Valid JSON in UTF-8, with any white space.
 * @throws Error when a `set` or `insert` has no parent to go into, or an index is beyond the array: the edit's author erred.
 */
export function applyEdits(raw: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return raw;
  const bytes = bufferOn(raw);
  const scan: Scan = { bytes, at: 0, splices: [] };
  const problem = editValue(scan, startOf(bytes), planOf(edits));
  assert(problem === undefined, problem);
  return scan.splices.length === 0 ? raw : splice(bytes, scan.splices);
}

// ---- The plan: the edits as a tree of places. Numbers are array indexes, strings are keys.

interface Place {
  /** The path so far, for messages. */
  readonly name: string;
  /** What becomes of the value here; `undefined` keeps it. */
  change: { readonly to: "set"; readonly text: string } | { readonly to: "delete" } | undefined;
  rename: { readonly to: string; readonly order: number } | undefined;
  readonly below: Map<string | number, Place>;
  /** Array elements that come in, by the index they stand before. */
  readonly inserts: Map<number, string[]>;
}

function planOf(edits: readonly Edit[]): Place {
  const root = placeNamed("the document");
  for (const [order, edit] of edits.entries()) {
    for (const step of edit.path) {
      assert(
        typeof step === "string" || (Number.isSafeInteger(step) && step >= 0),
        `${step} is not an index in an array`,
      );
    }
    const last = edit.path.at(-1);
    if (edit.op === "set") {
      placeAt(root, edit.path).change = { to: "set", text: JSON.stringify(edit.value) };
    } else if (last === undefined) {
      assert.fail(`\`${edit.op}\` needs a path`);
    } else if (edit.op === "delete") {
      placeAt(root, edit.path).change = { to: "delete" };
    } else if (edit.op === "rename") {
      assert(typeof last === "string", "`rename` needs the key of an object's member");
      placeAt(root, edit.path).rename = { to: edit.to, order };
    } else {
      assert(typeof last === "number", "`insert` needs an index in an array");
      const { inserts } = placeAt(root, edit.path.slice(0, -1));
      inserts.set(last, [...(inserts.get(last) ?? []), JSON.stringify(edit.value)]);
    }
  }
  return root;
}

function placeAt(root: Place, path: Path): Place {
  let place = root;
  for (const step of path) {
    let next = place.below.get(step);
    if (next === undefined) {
      next = placeNamed(place === root ? `\`${step}\`` : `\`${step}\` in ${place.name}`);
      place.below.set(step, next);
    }
    place = next;
  }
  return place;
}

function placeNamed(name: string): Place {
  return { name, change: undefined, rename: undefined, below: new Map(), inserts: new Map() };
}

/** Why this place cannot stay absent, if anything has to be put below it. What it holds itself is its parent's business. */
function whyNeeded(place: Place): string | undefined {
  if (place.change !== undefined) return undefined;
  if (place.inserts.size > 0) return `nothing can be inserted into ${place.name}: it is not an array`;
  for (const child of place.below.values()) {
    if (child.change?.to === "set") return `${child.name} cannot be set: there is nothing to hold it`;
    const why = whyNeeded(child);
    if (why !== undefined) return why;
  }
  return undefined;
}

// ---- The scan: from values down to members, collecting spans to be replaced.

interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Scan {
  readonly bytes: Buffer;
  /** After a value was visited: the index after it. */
  at: number;
  readonly splices: Splice[];
}

/** Visits the value that begins at `start`. Returns what could not be done, if anything. */
function editValue(scan: Scan, start: number, place: Place): string | undefined {
  const { change } = place;
  if (change !== undefined) {
    scan.at = valueEnd(scan.bytes, start);
    // A deletion is the parent's to make, with its comma.
    if (change.to === "set") scan.splices.push({ start, end: scan.at, text: change.text });
    return undefined;
  }
  if (place.below.size > 0 || place.inserts.size > 0) {
    const first = scan.bytes[start];
    if (first === OPEN_OBJECT) return editObject(scan, start, place);
    if (first === OPEN_ARRAY) return editArray(scan, start, place);
  }
  scan.at = valueEnd(scan.bytes, start);
  return whyNeeded(place);
}

interface Member {
  readonly start: number;
  readonly end: number;
  readonly keyEnd: number;
  readonly key: string;
  readonly place: Place | undefined;
}

function editObject(scan: Scan, open: number, place: Place): string | undefined {
  const { bytes } = scan;
  const members: Member[] = [];
  const problems = new Map<Place, string | undefined>();
  /** Of each place, what is replaced: of what is below it, at its last occurrence. */
  const splices = new Map<Place, Splice[]>();
  let at = skipSpace(bytes, open + 1);
  while (bytes[at] !== CLOSE_OBJECT) {
    assert(bytes[at] === QUOTE, "the document is not valid JSON: a key was expected");
    const keyEnd = stringEnd(bytes, at);
    const key = keyText(bytes, at, keyEnd);
    const colon = skipSpace(bytes, keyEnd);
    assert(bytes[colon] === COLON, "the document is not valid JSON: a colon was expected");
    const value = skipSpace(bytes, colon + 1);
    const child = place.below.get(key);
    if (child === undefined) scan.at = valueEnd(bytes, value);
    else {
      // The last occurrence's word stands: what came before it is not what a parser returns.
      const within: Scan = { bytes, at: value, splices: [] };
      problems.set(child, editValue(within, value, child));
      const before = splices.get(child);
      if (before === undefined || child.change === undefined) splices.set(child, within.splices);
      else before.push(...within.splices);
      scan.at = within.at;
    }
    members.push({ start: at, end: scan.at, keyEnd, key, place: child });
    at = nextItem(bytes, scan.at, CLOSE_OBJECT);
  }
  for (const own of splices.values()) for (const one of own) scan.splices.push(one);
  const gone = leavingMembers(members, place);
  for (const member of members) {
    const rename = member.place?.rename;
    if (rename === undefined || gone.has(member)) continue;
    scan.splices.push({ start: member.start, end: member.keyEnd, text: JSON.stringify(rename.to) });
  }
  const arriving: string[] = [];
  for (const [key, child] of place.below) {
    if (problems.has(child)) continue;
    if (child.change?.to === "set" && typeof key === "string") {
      arriving.push(`${JSON.stringify(key)}:${child.change.text}`);
    } else {
      problems.set(
        child,
        child.change?.to === "set" ? `${child.name} cannot be set: an object has no index` : whyNeeded(child),
      );
    }
  }
  spliceItems(scan, open, members, (index) => gone.has(members[index]), new Map([[members.length, arriving]]));
  scan.at = at + 1;
  if (place.inserts.size > 0) return `nothing can be inserted into ${place.name}: it is an object`;
  return firstOf(problems);
}

/** Members that are deleted, and those whose name another one takes. */
function leavingMembers(members: readonly Member[], place: Place): ReadonlySet<Member | undefined> {
  const gone = new Set<Member | undefined>(members.filter((member) => member.place?.change?.to === "delete"));
  /** For each new name, whose it becomes. */
  const takers = new Map<string, Place>();
  for (const { place: from } of members) {
    if (from?.rename === undefined || from.change?.to === "delete") continue;
    const rival = takers.get(from.rename.to)?.rename?.order ?? -1;
    if (from.rename.order > rival) takers.set(from.rename.to, from);
  }
  for (const [name, taker] of takers) {
    const holder = place.below.get(name);
    const leaves = holder?.rename !== undefined && members.some((member) => member.place === holder);
    const winner = holder?.change?.to === "set" && !leaves ? holder : taker;
    for (const member of members) {
      const willBe = member.place?.rename?.to ?? member.key;
      if (willBe === name && member.place !== winner) gone.add(member);
    }
  }
  return gone;
}

function editArray(scan: Scan, open: number, place: Place): string | undefined {
  const { bytes } = scan;
  const items: { readonly start: number; readonly end: number }[] = [];
  const problems = new Map<Place, string | undefined>();
  let at = skipSpace(bytes, open + 1);
  while (bytes[at] !== CLOSE_ARRAY) {
    const child = place.below.get(items.length);
    if (child === undefined) scan.at = valueEnd(bytes, at);
    else problems.set(child, editValue(scan, at, child));
    items.push({ start: at, end: scan.at });
    at = nextItem(bytes, scan.at, CLOSE_ARRAY);
  }
  for (const child of place.below.values()) {
    if (problems.has(child)) continue;
    const isSet = child.change?.to === "set";
    problems.set(
      child,
      isSet ? `${child.name} cannot be set: the array has ${items.length} elements` : whyNeeded(child),
    );
  }
  const isGone = (index: number): boolean => place.below.get(index)?.change?.to === "delete";
  spliceItems(scan, open, items, isGone, place.inserts);
  scan.at = at + 1;
  for (const index of place.inserts.keys()) {
    if (index > items.length) return `index ${index} is not within the ${items.length} elements of ${place.name}`;
  }
  return firstOf(problems);
}

function nextItem(bytes: Buffer, from: number, close: number): number {
  const at = skipSpace(bytes, from);
  if (bytes[at] === COMMA) return skipSpace(bytes, at + 1);
  assert(bytes[at] === close, "the document is not valid JSON: a comma or the end was expected");
  return at;
}

function firstOf(problems: ReadonlyMap<Place, string | undefined>): string | undefined {
  for (const problem of problems.values()) if (problem !== undefined) return problem;
  return undefined;
}

/** Takes items out of a container and puts new ones in before an index, with the commas that this needs. */
function spliceItems(
  scan: Scan,
  open: number,
  items: readonly { readonly start: number; readonly end: number }[],
  isGone: (index: number) => boolean,
  inserts: ReadonlyMap<number, readonly string[]>,
): void {
  const before = (index: number): readonly string[] => inserts.get(index) ?? [];
  const push = (start: number, end: number, text: string): void => {
    if (start < end || text !== "") scan.splices.push({ start, end, text });
  };
  const contentStart = items[0]?.start ?? open + 1;
  const stays = items.findIndex((_, index) => !isGone(index));
  const first = items[stays];
  if (first === undefined) {
    const arriving = Array.from({ length: items.length + 1 }, (_, index) => before(index)).flat();
    push(contentStart, items.at(-1)?.end ?? open + 1, arriving.join(","));
    return;
  }
  // Up to the first item that stays, commas follow; after it they lead.
  const leading = Array.from({ length: stays + 1 }, (_, index) => before(index)).flat();
  push(contentStart, first.start, leading.map((text) => `${text},`).join(""));
  let previousEnd = first.end;
  for (let index = stays + 1; index <= items.length; index += 1) {
    const end = items[index]?.end ?? previousEnd;
    const text = before(index)
      .map((value) => `,${value}`)
      .join("");
    push(previousEnd, index < items.length && isGone(index) ? end : previousEnd, text);
    previousEnd = end;
  }
}

/** The key between two quotes, as a parser reads it. */
function keyText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start + 1, end - 1);
  return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
}

/** Index of the document's first byte, after a byte-order mark and white space. */
function startOf(bytes: Buffer): number {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return skipSpace(bytes, hasMark ? 3 : 0);
}

// ---- The copy.

function splice(bytes: Buffer, splices: Splice[]): Buffer {
  // By place; what comes in at a place stands before what is replaced there.
  if (splices.length > 1) splices.sort((one, other) => one.start - other.start || one.end - other.end);
  const parts: Buffer[] = [];
  let copied = 0;
  for (const { start, end, text } of splices) {
    // Inside a span that is gone already: an edit in a member that gave way.
    if (start < copied) continue;
    parts.push(bytes.subarray(copied, start), Buffer.from(text));
    copied = end;
  }
  parts.push(bytes.subarray(copied));
  return Buffer.concat(parts);
}
