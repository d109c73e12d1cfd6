/** Whom a call is for, in a budget's words: who called, what for, and the tags of its metadata that the operator listed. */
import type { ChatRequest } from "../chat.ts";
import type { Exchange } from "../exchange.ts";
import type { Reservation } from "../ledger.ts";
import type { Task } from "../task.ts";
import type { BudgetScope, BudgetSubject } from "./budget.ts";

/** Longest value of a tag; what is longer is no word for a budget. */
export const TAG_CHARACTERS_MAX = 128;
export const TAGS_HEADER = "x-sluice-tags";
const HEADER_CHARACTERS_MAX = 4_096;

/** Of a call whose target is not chosen yet. @param tags The names that the config lists. */
export function callerSubject(
  { caller, request, headers }: Pick<Exchange, "caller" | "request" | "headers">,
  { className }: Pick<Task, "className">,
  tags: readonly string[],
): BudgetSubject {
  return {
    key: caller.name,
    team: teamOf(caller.tenant),
    taskClass: className,
    tags: tagsOf(request, headers.get(TAGS_HEADER), tags),
  };
}

/**
 * The listed tags that a call has: by the header (`x-sluice-tags: department=search, project=x`), else by its metadata.
 *
 * @param names Those that the config lists.
 */
export function tagsOf(
  { metadata }: Pick<ChatRequest, "metadata">,
  header: string | null,
  names: readonly string[],
): Readonly<Record<string, string>> {
  if (names.length === 0) return NO_TAGS;
  const said = header === null ? undefined : headerTags(header);
  const tags: Record<string, string> = {};
  for (const name of names) {
    const value = said?.get(name) ?? wordOf(metadata?.[name]);
    if (value !== undefined) tags[name] = value;
  }
  return tags;
}

const NO_TAGS: Readonly<Record<string, string>> = {};

/** The same in the header's form, for calls that are made for another one. */
export function tagsText(tags: Readonly<Record<string, string>>): string | undefined {
  const words = Object.entries(tags).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return words.length === 0 ? undefined : words.join(",");
}

function headerTags(header: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const one of header.slice(0, HEADER_CHARACTERS_MAX).split(",")) {
    const at = one.indexOf("=");
    const value = at === -1 ? undefined : wordOf(decoded(one.slice(at + 1).trim()));
    if (value !== undefined) tags.set(one.slice(0, at).trim(), value);
  }
  return tags;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Numbers and truths are words, too; what has control characters or is too long is none. */
function wordOf(value: unknown): string | undefined {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
  const word = String(value).trim().toWellFormed();
  return word === "" || word.length > TAG_CHARACTERS_MAX || /\p{Cc}/u.test(word) ? undefined : word;
}

/** Of a row of the ledger. */
export function subjectOf(
  row: Pick<Reservation, "caller" | "tenant" | "taskClass" | "provider" | "model" | "tags">,
): BudgetSubject {
  const { caller, taskClass, provider, model } = row;
  return {
    key: caller,
    team: teamOf(row.tenant),
    taskClass,
    tags: row.tags ?? NO_TAGS,
    ...(provider === undefined ? {} : { provider, target: `${provider}/${model ?? ""}` }),
  };
}

/** Of a call of which only this value of a scope is known. @param value A team's is its name; `undefined`: it has none. */
export function subjectWith(scope: BudgetScope, tag: string, value: string | undefined): BudgetSubject {
  if (value === undefined) return NOBODY;
  switch (scope) {
    case "global":
      return NOBODY;
    case "key":
      return { ...NOBODY, key: value };
    case "team":
      return { ...NOBODY, team: value };
    case "class":
      return { ...NOBODY, taskClass: value };
    case "target":
      return { ...NOBODY, target: value };
    case "provider":
      return { ...NOBODY, provider: value };
    case "tag":
      return { ...NOBODY, tags: { [tag]: value } };
  }
}

const NOBODY: BudgetSubject = { key: undefined, team: undefined, taskClass: undefined, tags: {} };

const TEAM = "team:";

/** A tenant is a team, or a key on its own (`ClientKey.tenant`). */
export function teamOf(tenant: string | undefined): string | undefined {
  return tenant?.startsWith(TEAM) === true ? tenant.slice(TEAM.length) : undefined;
}
