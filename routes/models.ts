/** The models one may name: every configured target, alias and `auto`, in the shape of whoever asks. */
import type { Context, Hono } from "hono";
import type { Setup } from "../src/gateway.ts";
import type { Bindings } from "./call.ts";

export function modelsRoutes(app: Hono<Bindings>, setup: () => Setup, prefix: string): void {
  app.get(`${prefix}/v1/models`, (context) => context.json(list(context, setup())));
  // Targets have slashes in their names, so the id is everything that follows.
  app.get(`${prefix}/v1/models/:id{.+}`, (context) => {
    const id = context.req.param("id");
    const found = setup()
      .targets.list()
      .find((model) => model.id === id);
    if (found === undefined) return notFound(context, id);
    return context.json(isAnthropic(context) ? anthropicModel(found) : openaiModel(found));
  });
}

type Listed = ReturnType<Setup["targets"]["list"]>[number];

/** Anthropic's clients say so by their version header, on the same path. */
function isAnthropic(context: Context): boolean {
  return context.req.header("anthropic-version") !== undefined;
}

function list(context: Context, setup: Setup): object {
  const models = setup.targets.list();
  if (!isAnthropic(context)) return { object: "list", data: models.map(openaiModel) };
  return {
    data: models.map(anthropicModel),
    first_id: models.at(0)?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
    has_more: false,
  };
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

function notFound(context: Context, id: string): Response {
  const message = `model \`${id.slice(0, 256)}\` is not one of this gateway's; GET /v1/models lists them`;
  return isAnthropic(context)
    ? context.json({ type: "error", error: { type: "not_found_error", message } }, 404)
    : context.json({ error: { message, type: "invalid_request_error", param: "model", code: "model_not_found" } }, 404);
}
