/** What Ollama's clients ask about models: the gateway's own, in Ollama's shapes. */
import { hash } from "node:crypto";
import type { Context, Hono } from "hono";
import { GatewayError } from "../src/errors.ts";
import { authenticate, readFetchBody } from "../src/exchange.ts";
import type { Setup } from "../src/gateway.ts";
import type { ModelRecord } from "../src/model.ts";
import type { Bindings } from "./call.ts";

/** The version whose words this surface speaks (`prompt_eval_cached_count` came with it): some clients want one to be recent enough. */
const VERSION = "0.33.3";

export function ollamaModelsRoutes(app: Hono<Bindings>, setup: () => Setup, prefix: string): void {
  const route = (answer: (context: Context<Bindings>, setup: Setup) => object | Promise<object>) =>
    async function handle(context: Context<Bindings>): Promise<Response> {
      try {
        const now = setup();
        authenticate(context.req.raw.headers, now.keys);
        return context.json(await answer(context, now));
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        return context.json({ error: error.message }, error.status as 400);
      }
    };
  app.get(
    `${prefix}/api/tags`,
    route((_context, { targets }) => ({ models: targets.list().map(listed) })),
  );
  app.post(`${prefix}/api/show`, route(shown));
  // What is loaded into whose memory is not for a gateway to say: nothing is, here.
  app.get(
    `${prefix}/api/ps`,
    route(() => ({ models: [] })),
  );
  app.get(
    `${prefix}/api/version`,
    route(() => ({ version: VERSION })),
  );
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

async function shown(context: Context<Bindings>, { targets }: Setup): Promise<object> {
  const name = nameIn(await readFetchBody(context.req.raw, { bytesMax: NAME_BYTES_MAX, hold: () => {} }));
  const { targets: named } = targets.resolve(name);
  // Of an alias or `auto`, what the first would do.
  const [first] = named;
  const record = first?.record;
  const owner = first?.instance.name ?? "sluice";
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
    capabilities: capabilitiesOf(record),
    modified_at: new Date(0).toISOString(),
  };
}

/** @throws GatewayError */
function nameIn(bytes: Uint8Array): string {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new GatewayError("invalid-request", "the request body is not valid JSON", { cause: error });
  }
  const { model, name } = (body ?? {}) as { readonly model?: unknown; readonly name?: unknown };
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
