/**
 * What providers keep of answers: read, canceled and deleted by its id at the one that keeps it; and prompts counted by the one that
 * would answer them. Nothing of this is billed, so nothing of it is a row in the ledger; but what an answer that was made in the
 * background cost is told here, and settles the row of the call that asked for it.
 */
import { randomUUID } from "node:crypto";
import type { Admission, Admitted } from "./admission.ts";
import type { BackgroundAnswers, BackgroundListener } from "./background.ts";
import type { Bindings } from "./binding.ts";
import { readPrefixes } from "./cache/prefixes.ts";
import { NO_MARKS } from "./cache/sent-marks.ts";
import { wirePlacement } from "./cache/wire-placement.ts";
import { callFacts } from "./call-facts.ts";
import type { ChatEvent } from "./chat.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { Remembering } from "./dialects/remembering.ts";
import { applyEdits } from "./edit.ts";
import { GatewayError } from "./errors.ts";
import { authenticate, isShared, receive, type Caller } from "./exchange.ts";
import type { Call, Setup } from "./gateway.ts";
import { isolatedCall, isolationOf } from "./isolated.ts";
import type { Log } from "./log.ts";
import { readWhole } from "./read.ts";
import { memoryOf, type Remembered } from "./remembered.ts";
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
  readonly background: Pick<BackgroundAnswers, "listener">;
  readonly bindings: Pick<Bindings, "holder">;
  readonly remembered: Remembered;
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
        if (call.dialect.remembering?.isOurs(call.id) === true) {
          return tellRemembered(call, call.dialect.remembering, caller.tenant, dependencies.remembered);
        }
        const instance = keeper(call, caller.tenant, setup, dependencies.bindings);
        const body = call.method === "POST" ? await call.body(bound) : undefined;
        const place = { instance, path: `${pathOf(call.dialect, instance)}/${call.id}${call.operation}` };
        const listener = TELLING.has(call.operation)
          ? dependencies.background.listener(call.id, caller.tenant)
          : undefined;
        if (call.method === "DELETE" && listener !== undefined) await hearLast(call, place, listener, dependencies);
        const sent = { method: call.method, body: body?.length === 0 ? undefined : body };
        await pass(call, place, sent, dependencies, listener);
      }),
    count: (call, operation, write) =>
      told(call, dependencies, async (setup, caller, { body: bound }) => {
        const { dialect } = call;
        const bytes = await call.body(bound);
        const memory = memoryOf(dependencies.remembered, caller.tenant);
        const isolation = isShared(setup.keys) ? isolationOf(caller, setup.cache.isolate) : undefined;
        const received = receive(bytes, dialect, setup.limits, memory);
        const { raw, body, request } = isolatedCall(received, dialect, isolation, setup.limits);
        const { targets } = await setup.resolve(request.model);
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
        const placement = wirePlacement(readPrefixes(request, caller.tenant, setup.cache.boundaryLine), undefined, {
          sent: NO_MARKS,
          isOurs: false,
          parted: [],
          key: undefined,
        });
        const edits = [
          ...dialect.edits(body, { model, askStreamUsage: false }),
          ...(placement === undefined ? [] : (dialect.placing?.(body, request, placement).edits ?? [])),
          ...(instance.provider.quirks?.(dialect.name, body, record, callFacts(caller)) ?? []),
        ];
        const place = { instance, path: instance.provider.path(dialect.name, model, record) + operation };
        await pass(call, place, { method: "POST", body: applyEdits(raw, edits) }, dependencies);
      }),
  };
}

/** What nobody else keeps, as the one would tell it that does. */
function tellRemembered(
  { id, method, operation, search, reply }: KeptCall,
  remembering: Remembering,
  tenant: string,
  remembered: Remembered,
): void {
  const found = remembered.answer(id, tenant);
  if (found === undefined) {
    throw new GatewayError(
      "not-found",
      `the answer \`${id.slice(0, 128)}\` was remembered here for a while only, and is not any more`,
    );
  }
  const told = remembering.read(found, method, operation, new URLSearchParams(search));
  if (method === "DELETE") remembered.forget(id, tenant);
  tell(reply, 200, JSON.stringify(told), {});
}

/** Operations that are answered with the answer itself, as it stands. */
const TELLING: ReadonlySet<string> = new Set(["", "/cancel"]);

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
/** Largest answer that is read for its bill. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Once it is deleted, nobody can tell any more what it cost. */
async function hearLast(
  call: KeptCall,
  place: Place,
  listener: BackgroundListener,
  dependencies: KeptDependencies,
): Promise<void> {
  const answer = await send({ ...call, search: "" }, place, { method: "GET", body: undefined }, dependencies);
  const bytes = await readWhole(answer.body, ANSWER_BYTES_MAX);
  if (answer.status < 400) listener.hear(wholeEvents(call.dialect, bytes));
}

interface Sent {
  readonly method: UpstreamMethod;
  readonly body: Uint8Array | undefined;
}

/** @param listener Hears what is told of an answer whose bill is still open. */
async function pass(
  call: Call,
  place: Place,
  sent: Sent,
  dependencies: KeptDependencies,
  listener?: BackgroundListener,
): Promise<void> {
  const { dialect, reply } = call;
  const { instance } = place;
  const { now } = dependencies;
  const answer = await send(call, place, sent, dependencies);
  if (answer.status < 400) {
    await stream(reply, answer, listener === undefined ? undefined : earOf(dialect, answer, listener));
    if (sent.method === "DELETE") listener?.gone();
    return;
  }
  if (answer.status === 404) listener?.gone();
  const bytes = await readWhole(answer.body, ERROR_BYTES_MAX);
  const said = dialect.readError(answer.status, bytes);
  const error = errorSaid(said, instance, retryAfter(answer.headers, now()));
  if (error.kind === "upstream-credential" || said.ours === true || !isPassable(bytes, instance)) throw error;
  tell(reply, answer.status, bytes, passed(answer));
}

function send(
  { headers, search, reply }: Call,
  { instance, path }: Place,
  { method, body }: Sent,
  { setup, upstream, replicas, now }: KeptDependencies,
): Promise<UpstreamAnswer> {
  const left = new AbortController();
  reply.onGone(() => left.abort());
  const url = new URL(replicas.next(instance, now()) + path);
  if (search !== "") url.search = search;
  return upstream.send({
    url,
    method,
    headers: { "content-type": "application/json", ...instance.provider.headers(headers, instance.settings) },
    body,
    deadlines: setup().attempts.deadlines.stream,
    signal: left.signal,
  });
}

/** Who reads an answer along with the client. */
interface Ear {
  data(chunk: Uint8Array): void;
  /** Before the client is told that it is the end. */
  end(): void;
}

function earOf(dialect: Dialect, { headers }: UpstreamAnswer, listener: BackgroundListener): Ear {
  if (String(headers["content-type"] ?? "").startsWith(dialect.streamContentType)) {
    const watcher = dialect.watcher();
    const hear = (frames: ReturnType<typeof watcher.push>) => frames.forEach(({ events }) => listener.hear(events));
    return { data: (chunk) => hear(watcher.push(chunk)), end: () => hear(watcher.end()) };
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    data(chunk) {
      bytes += chunk.length;
      if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
      else chunks.length = 0;
    },
    end() {
      if (chunks.length > 0) listener.hear(wholeEvents(dialect, Buffer.concat(chunks)));
    },
  };
}

function wholeEvents(dialect: Dialect, bytes: Uint8Array): readonly ChatEvent[] {
  const decoder = dialect.decoder(false);
  return [...decoder.push(bytes), ...decoder.end()];
}

/** As it comes: an answer may be long, or be a stream that is taken up again. */
function stream(reply: Reply, answer: UpstreamAnswer, ear: Ear | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    reply.onDrain(() => answer.body.resume());
    reply.start(answer.status, passed(answer));
    answer.body.read({
      data(chunk) {
        ear?.data(chunk);
        if (!reply.write(chunk)) answer.body.pause();
      },
      end() {
        ear?.end();
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
