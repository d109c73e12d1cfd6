/**
 * What ties a request to where something in it is from, and which targets that leaves to choose from.
 *
 * - *Kept* (`previous_response_id`, `conversation`, an item by its id): hard, also for who names a model. It is gone on from where it
 *   is kept or not at all: elsewhere it would be a conversation without its beginning. It is its tenant's only: another's, and where
 *   there are several also one that nobody is known to own, is to be had as little as one that does not exist.
 * - *Hosted* (files, containers, vector stores): nobody tells us where they were put, so that their place is learned from calls that
 *   went well. Hard where we choose; unknown, it is a guess as soon as two providers could be meant, and none is made. Who names
 *   the model says with it where they are, and is told by the provider if that is wrong.
 * - *Reasoning of a tool loop that is still open*: hard where we choose, as a model that has lost it in the middle of its work goes
 *   on as another one. First at the model that thought it, else (it was taken out of the choice) at another of the same account.
 *   That was sealed by nobody known: targets that are spoken to in the dialect it was sealed in come first (`needs.ts`).
 * - *Calls of an open loop* whose answer bore no reasoning: their model comes first, before any other. Others stay behind it for when
 *   it fails: all there is of such a loop is in the request, and nothing of it is lost.
 * - *Reasoning of turns that have ended*: its issuer comes first. Anywhere else it is left out, as a loss.
 *
 * Who names another model than the issuer's changes it on purpose, and the name wins; an alias that the issuer is not of is such a name,
 * too. In the same dialect the request then goes as it
 * stands, and the provider judges what it cannot read; in another one reasoning is left out: a loss in the answer's headers and
 * on the row, and a refusal under `strict`.
 */
import type { ChatRequest, JsonObject, JsonValue, Kept, Part } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import { hosted, openFrom } from "./needs.ts";
import type { Target } from "./target.ts";

/** Whom something is from. */
export interface Origin {
  /** The provider instance's name. */
  readonly instance: string;
  /** The model id that the provider knows it by. */
  readonly model: string;
}

/** One thing in a request that may be tied to a place. */
export type Tie =
  | ({ readonly kind: "kept" | "hosted" } & Kept)
  | {
      readonly kind: "thought";
      /** What sealed it, or the issuer's id for what it did not give away. */
      readonly seal: string;
      readonly isKept: boolean;
      readonly isOpen: boolean;
      /** Its message and its part. */
      readonly at: Place;
    }
  | { readonly kind: "call"; readonly id: string };

/** A part of a request: its message's index, and its own. */
export type Place = readonly [message: number, part: number];

/** A tie, and what is known of it. */
export type Binding = Tie & {
  /** `undefined`: not known. */
  readonly origin: Origin | undefined;
  /** Whether it was the same tenant's call that left it there. */
  readonly isOwn: boolean;
  /** Whether nobody is known to own it, so that it may be another tenant's. */
  readonly isUnowned: boolean;
};

/** What a request leans on at its provider: once that has answered, it is known to be there. */
export type Leaning = Extract<Tie, { readonly id: string; readonly field: string }>;

/** Files and the like of one request that are looked up: where these are, the others are. */
const HOSTED_MAX = 64;

export function leanings(request: ChatRequest): readonly Leaning[] {
  // All of them: each may be another tenant's.
  const kept = (request.continues ?? []).map((one): Leaning => ({ kind: "kept", ...one }));
  const named = hosted(request).slice(0, HOSTED_MAX);
  return [...kept, ...named.map((one): Leaning => ({ kind: "hosted", ...one }))];
}

/** In the request's order. */
export function ties(request: ChatRequest): readonly Tie[] {
  const found: Tie[] = [...leanings(request)];
  const opened = openFrom(request);
  const answered = request.messages.findLastIndex(({ role }) => role === "assistant");
  for (const [at, message] of request.messages.entries()) {
    if (message.role === "assistant") {
      for (const [index, part] of message.parts.entries()) {
        const thought = thoughtIn(part, at >= opened, [at, index]);
        if (thought !== undefined) found.push(thought);
      }
    } else if (message.role === "tool" && at > answered) {
      found.push(...message.parts.map(({ callId }): Tie => ({ kind: "call", id: callId })));
    }
  }
  return found;
}

function thoughtIn(part: Part, isOpen: boolean, at: Place): Tie | undefined {
  if (part.type !== "reasoning") return undefined;
  const seal = part.signature ?? part.redacted;
  if (seal !== undefined) return { kind: "thought", seal, isKept: false, isOpen, at };
  const id = part.envelope?.["id"];
  return typeof id === "string" ? { kind: "thought", seal: id, isKept: true, isOpen, at } : undefined;
}

export interface BoundContext {
  readonly clientDialect: string;
  /** Whether the client named this very model. */
  readonly explicit: boolean;
  /** Whether the client named nothing, neither a model nor an alias. */
  readonly isChosenHere: boolean;
  readonly bindings: readonly Binding[];
  /** Every provider that is configured, by its name. */
  readonly providers: readonly string[];
  /** Where this text stands in the client's body, in its own words. */
  readonly fieldOf: (text: string) => string | undefined;
}

/**
 * The targets that the hard bindings leave.
 *
 * @throws GatewayError `conflict` when what binds is known and leads to none of them; `invalid-request` when it is not known and
 * more than one could be meant.
 */
export function boundTargets(targets: readonly Target[], context: BoundContext): readonly Target[] {
  const { bindings, explicit } = context;
  // Of a loop that models of several places have thought in, by their names, the last one's thought is what goes on.
  const going = bindings.findLast((binding) => binding.kind === "thought" && binding.isOpen);
  let left = targets;
  for (const binding of bindings) {
    const { origin } = binding;
    if (isOthers(binding)) {
      left = unlooked(binding, left, context);
      continue;
    }
    if (origin === undefined || !isHard(binding, explicit)) continue;
    if (binding.kind === "thought" && (binding !== going || isLeft(origin, targets, context))) continue;
    const there = left.filter(({ instance }) => instance.name === origin.instance);
    if (there.length === 0) throw conflict(binding, origin, targets, context);
    left = there;
  }
  // What one of them that is not known leaves, all of them do.
  const unknown = (kind: Tie["kind"]) => bindings.find((one) => one.kind === kind && one.origin === undefined);
  for (const binding of explicit ? [] : [unknown("kept"), unknown("hosted")]) {
    if (binding?.kind !== "kept" && binding?.kind !== "hosted") continue;
    const able = left.filter(({ instance, model, record }) =>
      instance.provider.dialects(model, record).includes(context.clientDialect),
    );
    const names = new Set(able.map(({ instance }) => instance.name));
    if (names.size === 1) left = able;
    else if (names.size > 1)
      throw binding.kind === "kept"
        ? notFound(keptIn(binding, context.fieldOf), "name the model that gave it, or send the whole conversation")
        : ambiguous(binding, [...names], context);
  }
  return thinkersOf(left, explicit ? undefined : openOrigin(bindings));
}

/** Another tenant's, or maybe so: as little to be had as what is not there. Seals and files are whoever's has them. */
function isOthers(binding: Binding): boolean {
  if (binding.kind !== "kept" && (binding.kind !== "thought" || !binding.isKept)) return false;
  return binding.isUnowned || (binding.origin !== undefined && !binding.isOwn);
}

/**
 * The targets that would not look for another's. None for what is named only. A thought stands in the request itself as a rule, with an
 * id that says nothing to most servers: only those that look for what is behind it are not to be asked.
 *
 * @throws GatewayError `invalid-request`, which does not tell whether and where there is such a thing.
 */
function unlooked(binding: Binding, targets: readonly Target[], context: BoundContext): readonly Target[] {
  const others = binding.kind === "thought" ? targets.filter((target) => !looks(target, context)) : [];
  if (others.length > 0) return others;
  const remedy = binding.kind === "thought" ? "leave it out" : "send the whole conversation";
  throw notFound(keptIn(binding, context.fieldOf), remedy);
}

function looks({ instance, model, record }: Target, { clientDialect }: BoundContext): boolean {
  const { provider } = instance;
  return provider.refusesUnknownIds === true && provider.dialects(model, record).includes(clientDialect);
}

/** Whether the client has left whoever issued an open loop's reasoning: what it named was never to lead there. */
function isLeft(origin: Origin, targets: readonly Target[], { isChosenHere, providers }: BoundContext): boolean {
  const isThere = targets.some(({ instance }) => instance.name === origin.instance);
  return !isThere && !isChosenHere && providers.includes(origin.instance);
}

function isHard(binding: Binding, explicit: boolean): boolean {
  switch (binding.kind) {
    case "kept":
      return true;
    case "hosted":
      return !explicit;
    case "thought":
      return !explicit && binding.isOpen;
    case "call":
      return false;
  }
}

function openOrigin(bindings: readonly Binding[]): Origin | undefined {
  return bindings.findLast((binding) => binding.kind === "thought" && binding.isOpen)?.origin;
}

/** The very model's targets, or all where it is not among them. */
function thinkersOf(targets: readonly Target[], origin: Origin | undefined): readonly Target[] {
  const own = targets.filter((target) => origin !== undefined && isFrom(target, origin));
  return own.length === 0 ? targets : own;
}

function isFrom({ instance, model }: Target, origin: Origin): boolean {
  return instance.name === origin.instance && model === origin.model;
}

/** Whether a target comes before others because of what the request holds. */
export function boundTo(targets: readonly Target[], bindings: readonly Binding[]): (target: Target) => boolean {
  const going = bindings.findLast(({ kind }) => kind === "call")?.origin;
  const open = openOrigin(bindings) ?? going;
  const issuer = open ?? bindings.findLast(({ kind }) => kind === "thought")?.origin;
  if (issuer === undefined) return () => false;
  const isThere = open !== undefined && targets.some((target) => isFrom(target, issuer));
  return (target) => (isThere ? isFrom(target, issuer) : target.instance.name === issuer.instance);
}

/** The reasoning that this target's account is known not to be able to read. */
export function unreadable(target: Target, bindings: readonly Binding[]): readonly Place[] {
  return bindings.flatMap((binding) =>
    binding.kind === "thought" && binding.origin !== undefined && binding.origin.instance !== target.instance.name
      ? [binding.at]
      : [],
  );
}

function keptIn(binding: Binding, fieldOf: BoundContext["fieldOf"]): Kept {
  const id = binding.kind === "thought" ? binding.seal : binding.id;
  return { field: fieldFor(binding, fieldOf), id };
}

function notFound({ field, id }: Kept, remedy: string): GatewayError {
  return new GatewayError(
    "invalid-request",
    `no provider is known to keep \`${id.slice(0, 128)}\` for this caller; ${remedy}`,
    { param: field, code: `${nameOf(field).replace(/_id$/, "")}_not_found` },
  );
}

/** What a field is called, without the way to it. */
function nameOf(field: string): string {
  return field.includes("[") ? "item" : field;
}

function ambiguous({ field, id }: Kept, names: readonly string[], { fieldOf }: BoundContext): GatewayError {
  const where = fieldOf(id) ?? field;
  const example = names[0] ?? "provider";
  return new GatewayError(
    "invalid-request",
    `\`${where}\` names what only the provider has that it was given to, and that may be ${names.slice(0, 5).join(" or ")}: name the model as \`${example}/<model-id>\``,
    { param: where, code: "provider_ambiguous" },
  );
}

function conflict(
  binding: Binding,
  { instance, model }: Origin,
  targets: readonly Target[],
  { providers, fieldOf }: BoundContext,
): GatewayError {
  const offered = [...new Set(targets.map((target) => target.instance.name))].slice(0, 5).join(", ");
  const isGone = !providers.includes(instance);
  const why = isGone
    ? `${instance} is not configured here any more`
    : `only ${offered} can be chosen from for this model`;
  const field = fieldFor(binding, fieldOf);
  const isThought = binding.kind === "thought";
  const instead = INSTEAD[binding.kind];
  if (!binding.isOwn) {
    // A seal that came along from another tenant's call: whose account it was is not this one's to know.
    const message = `\`${field}\` is reasoning in a tool loop that is still open, which nobody who can be chosen can read: ${instead}`;
    return new GatewayError("conflict", message, { code: "provider_conflict", param: field });
  }
  const what = isThought
    ? `is reasoning of ${instance}/${model} in a tool loop that is still open, which nobody else can read`
    : `names what is kept at ${instance}`;
  const remedy = isGone ? instead : `name a model of ${instance}, or ${instead}`;
  return new GatewayError("conflict", `\`${field}\` ${what}, and ${why}: ${remedy}`, {
    code: "provider_conflict",
    param: field,
  });
}

function fieldFor(binding: Binding, fieldOf: BoundContext["fieldOf"]): string {
  switch (binding.kind) {
    case "kept":
      return binding.field;
    case "hosted":
      return fieldOf(binding.id) ?? binding.field;
    case "thought":
      return fieldOf(binding.seal) ?? "messages";
    case "call":
      return fieldOf(binding.id) ?? "messages";
  }
}

const INSTEAD: Readonly<Record<Tie["kind"], string>> = {
  kept: "send the whole conversation",
  hosted: "send its content",
  thought: "leave the loop's reasoning out, or begin the turn anew",
  call: "begin the turn anew",
};

/** Characters of a path that are told: the members of a client's body are named as it likes. */
const PATH_MAX = 256;

/** Where a text stands in a body, whole or at the end of one that says whose it is ("sluice:…:<seal>"); the last place counts. */
export function fieldOf(body: JsonObject, text: string): string | undefined {
  const ending = `:${text}`;
  const find = (value: JsonValue | undefined, path: string): string | undefined => {
    if (typeof value === "string")
      return value === text || value.endsWith(ending) ? path.slice(0, PATH_MAX) : undefined;
    if (typeof value !== "object" || value === null) return undefined;
    if (isList(value)) {
      for (let at = value.length - 1; at >= 0; at -= 1) {
        const found = find(value[at], `${path}[${at}]`);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    for (const [key, member] of Object.entries(value)) {
      const found = find(member, path === "" ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return find(body, "");
}

function isList(value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] {
  return Array.isArray(value);
}
