/** What Ollama's clients ask about models: of an Ollama server's own models in its own words, of all others in its shapes. */
import { hash } from "node:crypto";
import type { Context, Hono } from "hono";
import type { JsonObject } from "../src/chat.ts";
import type { Discovery, ServerModel } from "../src/discovery.ts";
import { GatewayError } from "../src/errors.ts";
import { authenticate, readFetchBody } from "../src/exchange.ts";
import type { Setup } from "../src/gateway.ts";
import type { ModelRecord } from "../src/model.ts";
import type { ProviderInstance, Target, Targets } from "../src/target.ts";
import type { Bindings } from "./call.ts";

/** The version whose words this surface speaks (`prompt_eval_cached_count` came with it): some clients want one to be recent enough. */
const VERSION = "0.33.3";

export function ollamaModelsRoutes(
  app: Hono<Bindings>,
  setup: () => Setup,
  discovery: Discovery,
  prefix: string,
): void {
  const route = (answer: (context: Context<Bindings>, setup: Setup) => Promise<Response>) =>
    async function handle(context: Context<Bindings>): Promise<Response> {
      try {
        const now = setup();
        authenticate(context.req.raw.headers, now.keys);
        return await answer(context, now);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        return context.json({ error: error.message }, error.status as 400);
      }
    };
  app.get(
    `${prefix}/api/tags`,
    route(async (context, { targets }) => context.json({ models: await tags(targets, discovery) })),
  );
  app.post(
    `${prefix}/api/show`,
    route((context, now) => shown(context, now, discovery)),
  );
  app.get(
    `${prefix}/api/ps`,
    route(async (context, { targets }) => context.json({ models: await loaded(targets, discovery) })),
  );
  app.get(
    `${prefix}/api/version`,
    route(async (context) => context.json({ version: VERSION })),
  );
}

/** A server's own models once, by the shortest name; the gateway's other targets by every name they have. */
async function tags(targets: Targets, discovery: Discovery): Promise<readonly object[]> {
  await discovery.refresh(targets);
  const own = targets.instances
    .filter(({ provider }) => provider.modelPaths !== undefined)
    .flatMap((instance) => discovery.listed(instance).map((model) => ({ instance, model })));
  const ownNames = new Set(
    own.flatMap(({ instance, model: { name } }) => [`${instance.name}/${name}`, calledAs(targets, instance, name)]),
  );
  const others = targets.list().filter(({ id }) => !ownNames.has(id));
  return [...others.map(listed), ...own.map(({ instance, model }) => renamed(targets, instance, model))];
}

/** What several replicas or servers of one name have loaded is there once. */
async function loaded(targets: Targets, discovery: Discovery): Promise<readonly object[]> {
  const models = new Map<string, object>();
  for (const [instance, running] of await discovery.loaded(targets)) {
    for (const model of running) {
      const name = calledAs(targets, instance, model.name);
      if (!models.has(name)) models.set(name, renamed(targets, instance, model));
    }
  }
  return [...models.values()];
}

function renamed(targets: Targets, instance: ProviderInstance, model: ServerModel): object {
  const name = calledAs(targets, instance, model.name);
  return { ...model, name, model: name };
}

/** By its own name, unless another model is meant by that here. */
function calledAs(targets: Targets, instance: ProviderInstance, model: string): string {
  const name = `${instance.name}/${model}`;
  try {
    const { targets: named } = targets.resolve(model);
    return named.length === 1 && named[0]?.name === name ? model : name;
  } catch (error) {
    if (error instanceof GatewayError) return name;
    throw error;
  }
}

function listed({ id, ownedBy, createdSeconds }: ReturnType<Setup["targets"]["list"]>[number]): object {
  return {
    name: id,
    model: id,
    modified_at: new Date(createdSeconds * 1000).toISOString(),
    // There is no file: its size is none, and what tells two models apart is their name.
    size: 0,
    digest: hash("sha256", id),
    details: detailsOf(ownedBy),
  };
}

/** A model's name, and options that nobody has. */
const NAME_BYTES_MAX = 64 * 1024;

async function shown(context: Context<Bindings>, setup: Setup, discovery: Discovery): Promise<Response> {
  const body = bodyIn(await readFetchBody(context.req.raw, { bytesMax: NAME_BYTES_MAX, hold: () => {} }));
  const first = await firstTarget(nameIn(body), setup);
  const isOwn = setup.targets.serves(first) ?? first.isAssumed === true;
  if (!isOwn || first.instance.provider.modelPaths === undefined) return context.json(described(first));
  // The name by which the client calls it may be no name there.
  const { name: _, ...asked } = body;
  const { status, bytes } = await discovery.show(first, asked);
  return context.body(new Uint8Array(bytes), status as 200, { "content-type": "application/json; charset=utf-8" });
}

/** Of an alias or `auto`, what the first would do. @throws GatewayError as Ollama says that there is no such model */
async function firstTarget(name: string, setup: Setup): Promise<Target> {
  try {
    const [first] = (await setup.resolve(name)).targets;
    if (first !== undefined && setup.targets.serves(first) !== false) return first;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError(error.kind, `model '${name.slice(0, 128)}' not found: ${error.message}`);
  }
  throw new GatewayError("model-not-found", `model '${name.slice(0, 128)}' not found: its server has no such model`);
}

function described({ instance, record, isAssumed }: Target): object {
  const owner = instance.name;
  const window = record?.contextTokens ?? record?.maxInputTokens;
  return {
    modelfile: "",
    parameters: "",
    template: "",
    details: detailsOf(owner),
    model_info: {
      "general.architecture": owner,
      ...(window === undefined ? {} : { [`${owner}.context_length`]: window }),
    },
    capabilities: capabilitiesOf(isAssumed === true ? undefined : record),
    modified_at: new Date(0).toISOString(),
  };
}

/** @throws GatewayError */
function bodyIn(bytes: Uint8Array): JsonObject {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new GatewayError("invalid-request", "the request body is not valid JSON", { cause: error });
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as JsonObject;
  throw new GatewayError("invalid-request", "the request body must be a JSON object");
}

/** @throws GatewayError */
function nameIn({ model, name }: JsonObject): string {
  // Older clients say `name`.
  const said = model ?? name;
  if (typeof said !== "string" || said === "") {
    throw new GatewayError("invalid-request", "`model` is missing; it must be a non-empty string", { param: "model" });
  }
  return said;
}

function capabilitiesOf(record: ModelRecord | undefined): readonly string[] {
  return [
    "completion",
    "tools",
    ...(record?.input.includes("image") === true ? ["vision"] : []),
    ...(record === undefined || record.reasoning.kind === "none" ? [] : ["thinking"]),
  ];
}

function detailsOf(owner: string): object {
  return {
    parent_model: "",
    format: "",
    family: owner,
    families: [owner],
    parameter_size: "",
    quantization_level: "",
  };
}
