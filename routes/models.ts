/** The models one may name: every configured target, alias and `auto`, in the shape of whoever asks. */
import type { Context, Hono } from "hono";
import type { Setup } from "../src/gateway.ts";
import type { Bindings } from "./call.ts";
import { mistralModel } from "./mistral-models.ts";
import { isMistralClient } from "./mistral.ts";

export function modelsRoutes(app: Hono<Bindings>, setup: () => Setup, prefix: string): void {
  // Under its own prefix every client is taken for Mistral's.
  const formOf = (context: Context<Bindings>): Form =>
    isAnthropic(context) ? "anthropic" : prefix === MISTRAL_PREFIX || isMistralClient(context) ? "mistral" : "openai";
  app.get(`${prefix}/v1/models`, (context) => context.json(list(formOf(context), setup())));
  // Targets have slashes in their names, so the id is everything that follows.
  app.get(`${prefix}/v1/models/:id{.+}`, (context) => {
    const id = context.req.param("id");
    const now = setup();
    const found = now.targets.list().find((model) => model.id === id);
    if (found === undefined) return notFound(context, id, formOf(context));
    return context.json(MODEL[formOf(context)](found, now));
  });
}

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

function list(form: Form, setup: Setup): object {
  const models = setup.targets.list();
  const data = models.map((model) => MODEL[form](model, setup));
  if (form !== "anthropic") return { object: "list", data };
  return { data, first_id: models.at(0)?.id ?? null, last_id: models.at(-1)?.id ?? null, has_more: false };
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
