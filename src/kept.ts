/**
 * What providers keep of answers: read, canceled and deleted by its id at the one that keeps it; and prompts counted by the one that
 * would answer them. Nothing of this is billed, so nothing of it is a row in the ledger.
 */
import { randomUUID } from "node:crypto";
import type { Admission, Admitted } from "./admission.ts";
import type { Bindings } from "./binding.ts";
import { callFacts } from "./call-facts.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { applyEdits } from "./edit.ts";
import { GatewayError } from "./errors.ts";
import { authenticate, receive, type Caller } from "./exchange.ts";
import type { Call, Setup } from "./gateway.ts";
import type { Log } from "./log.ts";
import { readWhole } from "./read.ts";
import type { Replicas } from "./replicas.ts";
import type { Reply } from "./reply.ts";
import type { ProviderInstance } from "./target.ts";
import { estimatePromptTokens } from "./tokens.ts";
import { errorSaid, isPassable, retryAfter } from "./upstream-error.ts";
import { UpstreamFailure, type Upstream, type UpstreamAnswer, type UpstreamMethod } from "./upstream.ts";

export interface KeptDependencies {
  readonly setup: () => Setup;
  readonly admission: Admission;
  readonly upstream: Upstream;
  readonly bindings: Pick<Bindings, "holder">;
  readonly replicas: Replicas;
  readonly log: Pick<Log, "error">;
  readonly now: () => number;
}

export interface KeptCall extends Call {
  readonly method: UpstreamMethod;
  /** Of the answer, as its provider gave it. */
  readonly id: string;
  /** What stands behind the id in the path ("/cancel"), or "". */
  readonly operation: string;
}

export interface KeptAnswers {
  /** Asks whoever keeps this answer. Never rejects: what goes wrong is told to the client. */
  serve(call: KeptCall): Promise<void>;
  /** Counts a prompt's tokens. @param write The count as an answer's body, where no provider gives it. */
  count(call: Call, operation: string, write: (inputTokens: number) => object): Promise<void>;
}

export function createKeptAnswers(dependencies: KeptDependencies): KeptAnswers {
  return {
    serve: (call) =>
      told(call, dependencies, async (setup, caller, { body: bound }) => {
        const instance = keeper(call, caller.name ?? "", setup, dependencies.bindings);
        const body = call.method === "POST" ? await call.body(bound) : undefined;
        const place = { instance, path: `${pathOf(call.dialect, instance)}/${call.id}${call.operation}` };
        await pass(call, place, { method: call.method, body: body?.length === 0 ? undefined : body }, dependencies);
      }),
    count: (call, operation, write) =>
      told(call, dependencies, async (setup, caller, { body: bound }) => {
        const { dialect } = call;
        const raw = await call.body(bound);
        const { body, request } = receive(raw, dialect, setup.limits);
        const { targets } = setup.targets.resolve(request.model);
        const target = targets.find(({ instance, model, record }) =>
          instance.provider.dialects(model, record).includes(dialect.name),
        );
        if (target === undefined) {
          const ratio = Math.max(1, ...targets.map(({ record }) => record?.tokenRatio ?? 1));
          const text = JSON.stringify(write(Math.ceil(estimatePromptTokens(request) * ratio)));
          call.reply.start(200, { "content-type": "application/json", "x-sluice-count": "estimated" });
          call.reply.end(text);
          return;
        }
        const { instance, model, record } = target;
        const edits = [
          ...dialect.edits(body, { model, askStreamUsage: false }),
          ...(instance.provider.quirks?.(dialect.name, body, record, callFacts(caller)) ?? []),
        ];
        const place = { instance, path: instance.provider.path(dialect.name, model, record) + operation };
        await pass(call, place, { method: "POST", body: applyEdits(raw, edits) }, dependencies);
      }),
  };
}

async function told(
  { dialect, headers, reply }: Call,
  { setup, admission, log }: KeptDependencies,
  work: (setup: Setup, caller: Caller, admitted: Admitted) => Promise<void>,
): Promise<void> {
  const id = randomUUID();
  const admitted = admission.enter();
  try {
    if (admitted.refused !== undefined) throw admitted.refused;
    const current = setup();
    await work(current, authenticate(headers, current.keys), admitted);
  } catch (thrown) {
    const error = errorOf(thrown);
    if (error.kind === "internal") log.error("internal", { exchange: id, message: String(thrown) });
    if (reply.started) reply.fail(dialect.errorEvent(error, id));
    else tell(reply, error.status, JSON.stringify(dialect.writeError(error, id)), { "x-sluice-exchange": id });
  } finally {
    admitted.leave();
  }
}

function errorOf(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown instanceof UpstreamFailure) return new GatewayError(thrown.kind, thrown.message, { cause: thrown });
  return new GatewayError("internal", "the gateway failed; its log has the reason", { cause: thrown });
}

/** What could lead to another path is no id. */
const ID = /^[A-Za-z0-9_-]{1,256}$/;

/** Whoever is known to keep it, else (it is older than we are) the first that keeps such answers at all. */
function keeper(
  { dialect, id }: KeptCall,
  caller: string,
  { targets }: Setup,
  bindings: KeptDependencies["bindings"],
): ProviderInstance {
  const holder = bindings.holder(id, caller);
  const found =
    holder === undefined
      ? targets.instances.find(({ provider }) => provider.dialects("", undefined).includes(dialect.name))
      : targets.instances.find(({ name }) => name === holder.instance && holder.isOwn);
  if (found !== undefined && ID.test(id)) return found;
  if (holder !== undefined && holder.isOwn) {
    throw new GatewayError(
      "conflict",
      `the answer \`${id.slice(0, 128)}\` is kept at ${holder.instance}, which is not configured here any more`,
      { code: "provider_conflict" },
    );
  }
  throw new GatewayError(
    "not-found",
    `no answer with the id '${id.slice(0, 128)}' is kept at a provider of this gateway`,
  );
}

function pathOf({ name }: Dialect, { provider }: ProviderInstance): string {
  return provider.path(name, "", undefined);
}

interface Place {
  readonly instance: ProviderInstance;
  readonly path: string;
}

const ERROR_BYTES_MAX = 1024 * 1024;

async function pass(
  { dialect, headers, search, reply }: Call,
  { instance, path }: Place,
  { method, body }: { readonly method: UpstreamMethod; readonly body: Uint8Array | undefined },
  { setup, upstream, replicas, now }: KeptDependencies,
): Promise<void> {
  const left = new AbortController();
  reply.onGone(() => left.abort());
  const url = new URL(replicas.next(instance, now()) + path);
  if (search !== "") url.search = search;
  const answer = await upstream.send({
    url,
    method,
    headers: { "content-type": "application/json", ...instance.provider.headers(headers, instance.settings) },
    body,
    deadlines: setup().attempts.deadlines.stream,
    signal: left.signal,
  });
  if (answer.status < 400) return stream(reply, answer);
  const bytes = await readWhole(answer.body, ERROR_BYTES_MAX);
  const said = dialect.readError(answer.status, bytes);
  const error = errorSaid(said, instance, retryAfter(answer.headers, now()));
  if (error.kind === "upstream-credential" || said.ours === true || !isPassable(bytes, instance)) throw error;
  tell(reply, answer.status, bytes, passed(answer));
}

/** As it comes: an answer may be long, or be a stream that is taken up again. */
function stream(reply: Reply, answer: UpstreamAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    reply.onDrain(() => answer.body.resume());
    reply.start(answer.status, passed(answer));
    answer.body.read({
      data(chunk) {
        if (!reply.write(chunk)) answer.body.pause();
      },
      end() {
        reply.end();
        resolve();
      },
      error: reject,
    });
  });
}

function passed({ headers }: UpstreamAnswer): Record<string, string> {
  const names = ["content-type", "x-request-id", "retry-after", "retry-after-ms"];
  return Object.fromEntries(
    names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])] as const])),
  );
}

function tell(reply: Reply, status: number, body: string | Uint8Array, headers: Record<string, string>): void {
  reply.start(status, {
    "content-type": "application/json",
    ...headers,
    "content-length": String(Buffer.byteLength(body)),
  });
  reply.end(body);
}
