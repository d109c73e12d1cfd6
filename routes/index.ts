/**
 * Every path of the gateway. Adding one: a file beside this one, and a line here.
 */
import { Hono, type MiddlewareHandler } from "hono";
import type { Admission } from "../src/admission.ts";
import type { Discovery } from "../src/discovery.ts";
import { GatewayError } from "../src/errors.ts";
import { authenticate } from "../src/exchange.ts";
import type { Explainer } from "../src/cache/explainer.ts";
import type { Gateway, Setup } from "../src/gateway.ts";
import type { KeptAnswers } from "../src/kept.ts";
import type { Ledger } from "../src/ledger.ts";
import type { Metrics } from "../src/metrics.ts";
import { alertsRoute, type AlertRoutes } from "./alerts.ts";
import { anthropicMessagesRoutes } from "./anthropic-messages.ts";
import { attemptsRoute } from "./attempts.ts";
import { budgetsRoute, type BudgetRoutes } from "./budgets.ts";
import type { Bindings } from "./call.ts";
import { cacheRoute } from "./cache.ts";
import { decisionsRoute } from "./decisions.ts";
import { countTokensRoutes } from "./count-tokens.ts";
import { forwardedRoutes } from "./forwarded.ts";
import { healthRoutes } from "./health.ts";
import { metricsRoute } from "./metrics.ts";
import { mistralRoutes } from "./mistral.ts";
import { modelsRoutes } from "./models.ts";
import { ollamaModelsRoutes } from "./ollama-models.ts";
import { ollamaRoutes } from "./ollama.ts";
import { openaiChatRoutes } from "./openai-chat.ts";
import { openaiResponsesRoutes } from "./openai-responses.ts";
import { prewarmRoute } from "./prewarm.ts";
import { readerOf } from "./readers.ts";
import { spendRoute } from "./spend.ts";
import { tasksRoutes, type TaskRoutes } from "./tasks.ts";
import { taskClassesRoutes } from "./task-classes.ts";
import type { TaskClasses } from "../src/tasks/classes.ts";
import { driftRoute, type DriftRoutes } from "./drift.ts";
import { errorBody, methodRefused, notServed } from "./surfaces.ts";

export interface RouteDependencies {
  readonly gateway: Gateway;
  readonly admission: Admission;
  readonly kept: KeptAnswers;
  readonly discovery: Discovery;
  readonly ledger: Ledger;
  readonly tasks: TaskRoutes["tasks"];
  readonly classes: TaskClasses;
  readonly budgets: BudgetRoutes["budgets"];
  readonly alerts: AlertRoutes["alerts"];
  readonly drift: DriftRoutes["drift"];
  readonly metrics: Metrics;
  readonly explainer: Pick<Explainer, "read">;
  readonly setup: () => Setup;
}

/** @example createApp(dependencies).request("/healthz") */
export function createApp(dependencies: RouteDependencies): Hono<Bindings> {
  const { admission, discovery, ledger, metrics, setup } = dependencies;
  const app = new Hono<Bindings>();
  // The surfaces of the dialects ask for the key themselves: their refusals are in their own words and on the ledger.
  for (const path of ["/v1/models", "/v1/models/*", "/sluice/*", "/metrics"]) app.use(path, keyed(setup));
  for (const prefix of PREFIXES)
    app.use(`${prefix}/v1/models/*`, keyed(setup)).use(`${prefix}/v1/models`, keyed(setup));
  surfaces(app, dependencies);
  for (const prefix of ["", ...PREFIXES]) modelsRoutes(app, setup, discovery, prefix);
  const reading = readerOf(() => setup().keys);
  app.route("/", attemptsRoute(ledger, reading));
  app.route("/", spendRoute(ledger, reading));
  app.route("/", tasksRoutes(dependencies));
  app.route("/", taskClassesRoutes(dependencies));
  app.route("/", budgetsRoute(dependencies));
  app.route("/", alertsRoute(dependencies));
  app.route("/", driftRoute(dependencies));
  app.route("/", decisionsRoute(dependencies, reading));
  app.route("/", cacheRoute({ reporter: dependencies.explainer, keys: () => setup().keys }));
  app.route("/", prewarmRoute(dependencies));
  app.route("/", metricsRoute(metrics, reading));
  app.route("/", healthRoutes({ isReady: () => !admission.draining && ledger.isAvailable }));
  app.get("/", (context) =>
    context.text("Sluice, an inference gateway. Point your SDK's base URL here; see /v1/models.\n"),
  );
  refuseOtherMethods(app);
  app.notFound(notServed);
  return app;
}

/** Under these each API is served as at its official path: for clients of several that share one host. */
const PREFIXES = ["/openai", "/anthropic", "/mistral"] as const;

function surfaces(app: Hono<Bindings>, dependencies: RouteDependencies): void {
  const { gateway, kept, discovery, setup } = dependencies;
  for (const prefix of ["", "/openai"]) {
    openaiChatRoutes(app, gateway, prefix);
    openaiResponsesRoutes(app, gateway, kept, prefix);
    forwardedRoutes(app, gateway, prefix);
  }
  for (const prefix of ["", "/anthropic"]) {
    anthropicMessagesRoutes(app, gateway, prefix);
    countTokensRoutes(app, dependencies, prefix);
  }
  mistralRoutes(app, gateway, "/mistral");
  for (const prefix of ["", "/ollama"]) {
    ollamaRoutes(app, gateway, prefix);
    ollamaModelsRoutes(app, setup, discovery, prefix);
  }
  // As Ollama's own root does, by which clients see that somebody is there.
  for (const path of ["/ollama", "/ollama/"]) app.get(path, (context) => context.text("Sluice is running"));
}

/** Every path that is served for some method says so to the others. `OPTIONS` allows nothing to other websites. */
function refuseOtherMethods(app: Hono<Bindings>): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set(["OPTIONS"]);
    known.add(method);
    if (method === "GET") known.add("HEAD");
    methods.set(path, known);
  }
  for (const [path, known] of methods) {
    const allow = [...known].toSorted().join(", ");
    app.all(path, (context) =>
      context.req.method === "OPTIONS" ? context.body(null, 204, { allow }) : methodRefused(context, allow),
    );
  }
}

/** The same keys as on the chat surfaces, for what reads the ledger and the metrics. */
function keyed(setup: () => Setup): MiddlewareHandler<Bindings> {
  return async (context, next) => {
    try {
      authenticate(context.req.raw.headers, setup().keys);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return error.status === 401
        ? context.json(errorBody("authentication_error", "invalid_api_key", error.message), 401)
        : context.json(errorBody("permission_error", "forbidden", error.message), 403);
    }
    await next();
    return undefined;
  };
}
