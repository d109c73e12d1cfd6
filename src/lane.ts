/**
 * Two lanes out. Same dialect: the client's bytes with a short list of edits. Other dialect: the reading, written anew.
 */
import { placedRequest } from "./cache/marking.ts";
import type { ChatRequest, DialectName, Loss, Message, Placed } from "./chat.ts";
import type { CachePlacement, Dialect } from "./dialects/dialect.ts";
import { applyEdits, type Edit } from "./edit.ts";
import { GatewayError } from "./errors.ts";
import { can } from "./needs.ts";
import type { Exchange } from "./exchange.ts";
import type { CallFacts } from "./provider.ts";
import type { Candidate, Target } from "./target.ts";

export interface Outgoing {
  readonly lane: "same" | "translated";
  readonly dialect: Dialect;
  readonly bytes: Uint8Array;
  /** What the request said and these bytes do not. The answer's way back may add more. */
  readonly losses: readonly Loss[];
  /** Whether usage inside the stream was asked for by us only, and is to be kept from the client. */
  readonly hidesUsage: boolean;
  /** Of the cache placement, what these bytes do not have. */
  readonly unplaced: readonly Placed[];
}

export interface OutgoingOptions {
  readonly strict: boolean;
  readonly call: CallFacts;
  /** How the prompt is to be cached; `undefined`: as it says itself. */
  readonly placement?: CachePlacement | undefined;
  /** Whether the answer will be judged by how likely its tokens were, where the model can tell. Absent: no. */
  readonly asksLogprobs?: boolean | undefined;
}

/**
 * The body for this target. Same exchange, same target → the same bytes.
 *
 * @param upstreamDialect What is spoken to the target: the exchange's own dialect makes the same-dialect lane.
 * @throws GatewayError `unsupported` when the target cannot be told what the request says, or when `strict` and anything was lost.
 */
export function outgoing(
  exchange: Exchange,
  { target, named, unreadable = [] }: Pick<Candidate, "target" | "named" | "unreadable">,
  upstreamDialect: Dialect,
  { strict, call, placement, asksLogprobs }: OutgoingOptions,
): Outgoing {
  const { record } = target;
  const askLogprobs = asksLogprobs === true && can(record, "logprobs", exchange.request) === true;
  const asSaid = named || record === undefined || upstreamDialect.refuses?.(exchange.request, record) !== true;
  const made =
    upstreamDialect.name === exchange.dialect.name && asSaid && unreadable.length === 0
      ? edited(exchange, target, { call, placement, askLogprobs })
      : written(
          without(asking(placedOf(exchange.request, placement), askLogprobs), unreadable),
          target,
          upstreamDialect,
          call,
        );
  if (strict && made.losses.length > 0) throw strictRefusal(made.losses, target, upstreamDialect.name);
  return made;
}

interface OwnEdits {
  readonly call: CallFacts;
  readonly placement: CachePlacement | undefined;
  readonly askLogprobs: boolean;
}

function edited(exchange: Exchange, target: Target, { call, placement, askLogprobs }: OwnEdits): Outgoing {
  const { dialect, body, raw, request } = exchange;
  const { provider } = target.instance;
  const placing = placement === undefined ? undefined : dialect.placing?.(body, request, placement);
  const edits = [
    ...dialect.edits(body, {
      model: target.model,
      askStreamUsage: request.stream && provider.asksStreamUsage,
      askLogprobs,
    }),
    ...(placing?.edits ?? []),
    ...(provider.quirks?.(dialect.name, body, target.record, call) ?? []),
  ];
  return {
    lane: "same",
    dialect,
    bytes: applyEdits(raw, edits),
    losses: lossesOf(edits),
    hidesUsage: request.stream && provider.asksStreamUsage && !request.wantsStreamUsage,
    unplaced: placing?.unplaced ?? placement?.placed ?? [],
  };
}

function placedOf(request: ChatRequest, placement: CachePlacement | undefined): ChatRequest {
  return placement === undefined ? request : placedRequest(request, placement);
}

function asking(request: ChatRequest, askLogprobs: boolean): ChatRequest {
  return askLogprobs ? { ...request, logprobs: request.logprobs ?? {} } : request;
}

interface Reduced {
  readonly request: ChatRequest;
  readonly losses: readonly Loss[];
}

/** What the target could not read is not shown to it: it would refuse all of the request for it. */
function without(request: ChatRequest, places: NonNullable<Candidate["unreadable"]>): Reduced {
  if (places.length === 0) return { request, losses: [] };
  const unreadable = new Set(places.map(([message, part]) => `${message}.${part}`));
  const messages = request.messages.flatMap((message, at): Message[] => {
    if (message.role !== "assistant") return [message];
    const parts = message.parts.filter((_, index) => !unreadable.has(`${at}.${index}`));
    return parts.length === 0 ? [] : [{ ...message, parts }];
  });
  const losses = places.map(([at, index]) => ({ field: "reasoning", path: `messages[${at}].content[${index}]` }));
  return { request: { ...request, messages }, losses };
}

function written(reduced: Reduced, target: Target, dialect: Dialect, call: CallFacts): Outgoing {
  const losses: Loss[] = [...reduced.losses];
  const body = dialect.writeRequest(reduced.request, { model: target.model, record: target.record }, losses);
  const plain = Buffer.from(JSON.stringify(body));
  const edits = target.instance.provider.quirks?.(dialect.name, body, target.record, call) ?? [];
  return {
    lane: "translated",
    dialect,
    bytes: applyEdits(plain, edits),
    losses: [...losses, ...lossesOf(edits)],
    hidesUsage: false,
    unplaced: [],
  };
}

function lossesOf(edits: readonly Edit[]): Loss[] {
  return edits.flatMap((edit) => (edit.loss === undefined ? [] : [{ field: edit.loss, path: pathText(edit.path) }]));
}

function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

function strictRefusal(losses: readonly Loss[], target: Target, dialect: DialectName): GatewayError {
  const fields = [...new Set(losses.map((loss) => loss.path ?? loss.field))].slice(0, 8).join(", ");
  return new GatewayError(
    "unsupported",
    `strict mode: ${target.name} (${dialect}) cannot be told: ${fields}. Leave these out, choose another target, or switch strict mode off`,
  );
}
