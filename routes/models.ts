/** The models one may name: every configured target, alias and `auto`, in the shape of whoever asks. */
import type { Context, Hono } from "hono";
import type { Discovery } from "../src/discovery.ts";
import { GatewayError } from "../src/errors.ts";
import type { Setup } from "../src/gateway.ts";
import type { Bindings } from "./call.ts";
import { mistralModel } from "./mistral-models.ts";
import { isMistralClient } from "./mistral.ts";

export function modelsRoutes(app: Hono<Bindings>, setup: () => Setup, discovery: Discovery, prefix: string): void {
  // Under its own prefix every client is taken for Mistral's.
  const formOf = (context: Context<Bindings>): Form =>
    isAnthropic(context) || prefix === ANTHROPIC_PREFIX
      ? "anthropic"
      : prefix === MISTRAL_PREFIX || isMistralClient(context)
        ? "mistral"
        : "openai";
  app.get(`${prefix}/v1/models`, async (context) => {
    const now = setup();
    await discovery.refresh(now.targets);
    return list(context, formOf(context), now);
  });
  // Targets have slashes in their names, so the id is everything that follows.
  app.get(`${prefix}/v1/models/:id{.+}`, async (context) => {
    const id = context.req.param("id");
    const now = setup();
    const found = now.targets.list().find((model) => model.id === id) ?? (await callable(id, now));
    if (found === undefined) return notFound(context, id, formOf(context));
    return context.json(MODEL[formOf(context)](found, now));
  });
}

/** One that is on no list (a dated snapshot, a model that no table knows) and can be called all the same. */
async function callable(id: string, setup: Setup): Promise<Listed | undefined> {
  try {
    const [first] = (await setup.resolve(id)).targets;
    if (first === undefined || setup.targets.serves(first) === false) return undefined;
    // A bare name that only went where every name goes is nobody's yet.
    const isAnybodys = first.name !== id && first.instance.provider.modelPrefixes.includes("");
    if (isAnybodys && first.record === undefined && setup.targets.serves(first) !== true) return undefined;
    return { id, ownedBy: first.instance.name, createdSeconds: 0 };
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

const ANTHROPIC_PREFIX = "/anthropic";
const MISTRAL_PREFIX = "/mistral";

type Form = "openai" | "anthropic" | "mistral";
type Listed = ReturnType<Setup["targets"]["list"]>[number];

const MODEL: Readonly<Record<Form, (model: Listed, setup: Setup) => object>> = {
  openai: openaiModel,
  anthropic: anthropicModel,
  mistral: mistralModel,
};

/** Anthropic's clients say so by their version header, on the same path. */
function isAnthropic(context: Context): boolean {
  return context.req.header("anthropic-version") !== undefined;
}

function list(context: Context, form: Form, setup: Setup): Response {
  const models = setup.targets.list();
  const written = (some: readonly Listed[]) => some.map((model) => MODEL[form](model, setup));
  if (form !== "anthropic") return context.json({ object: "list", data: written(models) });
  const page = pageOf(models, new URL(context.req.url).searchParams);
  if (typeof page === "string") {
    return context.json({ type: "error", error: { type: "invalid_request_error", message: page } }, 400);
  }
  const { data, hasMore } = page;
  return context.json({
    data: written(data),
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  });
}

const PAGE_MAX = 1000;

interface Page {
  readonly data: readonly Listed[];
  readonly hasMore: boolean;
}

/**
 * Anthropic's list comes in pages. Who names no `limit` gets the longest, and not the twenty that are Anthropic's default: the list here
 * is longer than theirs, and a client that does not turn pages would miss most of it.
 *
 * @returns in words what is wrong with the query.
 */
function pageOf(models: readonly Listed[], query: URLSearchParams): Page | string {
  const limit = Number(query.get("limit") ?? PAGE_MAX);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return `limit: must be from 1 to ${PAGE_MAX}`;
  const [after, before] = [query.get("after_id"), query.get("before_id")];
  if (after !== null && before !== null) return "after_id, before_id: only one of them can be given";
  const cursor = after ?? before;
  const at = models.findIndex(({ id }) => id === cursor);
  if (cursor !== null && at < 0)
    return `${after === null ? "before_id" : "after_id"}: no model of the list has this id`;
  if (before !== null) return { data: models.slice(Math.max(0, at - limit), at), hasMore: at > limit };
  return { data: models.slice(at + 1, at + 1 + limit), hasMore: at + 1 + limit < models.length };
}

function openaiModel(model: Listed): object {
  return { id: model.id, object: "model", created: model.createdSeconds, owned_by: model.ownedBy };
}

function anthropicModel(model: Listed): object {
  return {
    type: "model",
    id: model.id,
    display_name: model.id,
    created_at: new Date(model.createdSeconds * 1000).toISOString(),
  };
}

function notFound(context: Context, id: string, form: Form): Response {
  const message = `model \`${id.slice(0, 256)}\` is not one of this gateway's; GET /v1/models lists them`;
  switch (form) {
    case "anthropic":
      return context.json({ type: "error", error: { type: "not_found_error", message } }, 404);
    case "mistral":
      return context.json({ object: "error", message, type: "invalid_model", param: "model", code: "1500" }, 404);
    case "openai":
      return context.json(
        { error: { message, type: "invalid_request_error", param: "model", code: "model_not_found" } },
        404,
      );
  }
}
