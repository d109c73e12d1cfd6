/** The config file's schema: each option with its default, and when to change it. */
import { z } from "zod";
import { alerts, type AlertsRow } from "./config-alerts.ts";
import { budgets, type BudgetRow } from "./config-budgets.ts";
import { classes, dataRows, idleMinutes, type ClassRow, type DataRows } from "./config-classes.ts";
import { notify, type NotifyRow } from "./config-notify.ts";
import { patternText } from "./config-pattern.ts";
import { BOUNDARY_LINE, CACHING_MODES, ISOLATION_MODES, type CachingMode, type IsolationMode } from "./cache/modes.ts";
import { ANY_CLASS, MOVE_RULES, type MoveRows } from "./cache/moving.ts";
import type { LogLevel } from "./log.ts";
import { configuredModelRow, type ConfiguredModelRow } from "./models-schema.ts";

/** The sections that are the same in the file and in the effective config. */
export interface ConfigSections {
  readonly log: { readonly level: LogLevel; readonly content: boolean };
  /** Overrides of the model table, by model id. */
  readonly models: Readonly<Record<string, ConfiguredModelRow>>;
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  readonly policy: { readonly default: string; readonly targets?: readonly string[] | undefined };
  readonly deadlines: {
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly answerMs: number;
    readonly idleMs: number;
    readonly totalMs: number;
  };
  readonly retries: { readonly attemptsMax: number; readonly waitMaxMs: number; readonly backoffMs: number };
  readonly breaker: { readonly failures: number; readonly windowMs: number; readonly restMs: number };
  readonly limits: {
    readonly bodyBytesMax: number;
    readonly bodiesBytesMax: number;
    readonly jsonDepthMax: number;
    readonly headerBytesMax: number;
    readonly concurrency: number;
  };
  readonly cache: {
    readonly mode: CachingMode;
    readonly boundaryLine: string;
    readonly isolate: IsolationMode;
    readonly hold: boolean;
    readonly move: MoveRows;
    readonly diagnose: boolean;
  };
  readonly ledger: {
    readonly flushMs: number;
    readonly queueMax: number;
    readonly keepDays?: number;
    readonly whenUnavailable: "refuse" | "serve";
  };
  readonly tasks: { readonly idleMinutes: number; readonly frustration: readonly string[] };
  /** By the class as the caller names it, or its derived id. */
  readonly classes: Readonly<Record<string, ClassRow>>;
  readonly budgets: readonly BudgetRow[];
  readonly alerts: AlertsRow;
  readonly answers: { readonly unowned: "refuse" | "serve"; readonly rememberBytesMax: number };
  readonly strict: boolean;
}

export interface ConfigFile extends ConfigSections {
  readonly notify: readonly NotifyRow[];
  readonly listen: { readonly host: string; readonly port: number };
  readonly data?: string;
  readonly keys: readonly ClientKeyRow[];
  readonly providers?: Readonly<Record<string, ProviderRow>> | undefined;
}

export interface ClientKeyRow extends DataRows {
  readonly name: string;
  readonly team?: string | undefined;
  readonly reads: "own" | "all";
  readonly keyEnv?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly sha256?: string | undefined;
}

/** An address, or one with its share of the calls. */
export type ReplicaRow = string | { readonly url: string; readonly weight: number };

export interface ProviderRow {
  readonly kind?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly baseUrls?: readonly ReplicaRow[] | undefined;
  readonly apiKeyEnv?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly contextTokens?: "auto" | "off" | number | undefined;
  readonly affinity: "prefix" | "turns";
  readonly cacheTokens?: number | undefined;
  readonly residency?: string | undefined;
  readonly models: Readonly<Record<string, ConfiguredModelRow>>;
}

const milliseconds = z.int().positive();
/** Whoever puts the key itself here by mistake must not find it in an error, and so in a log. */
const variableName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    "must be a variable's name, not the key itself: put the key into an environment variable, and its name here",
  );
const count = z.int().positive();

const listen = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe(
        "Change to 0.0.0.0 (or one of the machine's addresses) when others are to call; that needs `keys`. HOST and --host come before it.",
      ),
    port: z
      .int()
      .min(0)
      .max(65_535)
      .default(8787)
      .describe("Change when the port is taken; 0 takes a free one. PORT and --port come before it."),
  })
  .prefault({})
  .describe("Where it listens. A change needs a restart.");

const callerName = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,64}$/, "may hold letters, digits and . _ : - only, at most 64 characters");

const keys = z
  .array(
    z
      .strictObject({
        name: callerName.describe("Who calls with it, for the ledger."),
        team: callerName
          .optional()
          .describe(
            "Keys of one team go on with each other's answers and tasks, and share their cache entries. Absent: each is on its own, and a key that takes another's place begins anew.",
          ),
        reads: z
          .enum(["own", "all"])
          .default("own")
          .describe(
            "What it sees of the ledger, the tasks and the reports where there are several tenants: its own calls (and its team's), or everybody's. `all` for whoever runs the gateway, and for what collects `/metrics`.",
          ),
        keyEnv: variableName.optional().describe("The environment variable that holds the key."),
        keyFile: z.string().optional().describe("The file that holds the key."),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/i, "must be 64 hexadecimal digits")
          .optional()
          .describe("The key's SHA-256, where the key itself is not to be on this machine."),
        ...dataRows("this key's calls"),
      })
      .refine((key) => [key.keyEnv, key.keyFile, key.sha256].filter((said) => said !== undefined).length === 1, {
        message: "needs exactly one of `keyEnv`, `keyFile`, `sha256`",
      }),
  )
  .default([])
  .describe(
    "Who may call. With none, only this machine may, with any credential. SLUICE_API_KEYS adds keys that are called by a digest of each (`key-3f9a1c`).",
  );

const CONTEXT_TOKENS_MIN = 512;
const WEIGHT_MAX = 1_000;
const replica = z.union([z.string(), z.strictObject({ url: z.string(), weight: z.int().min(1).max(WEIGHT_MAX) })], {
  error: `must be a URL, or \`{ url, weight }\` with a weight from 1 to ${WEIGHT_MAX}`,
});

const provider = z
  .strictObject({
    kind: z
      .string()
      .optional()
      .describe(
        "What it is: `openai`, `anthropic`, `mistral`, `groq`, `vllm`, `ollama`, `openai-compatible`, `sandbox`. Absent: the section's own name.",
      ),
    baseUrl: z.string().optional().describe("Change to reach it elsewhere: a proxy, a region, your own server."),
    baseUrls: z
      .array(replica)
      .min(1)
      .optional()
      .describe(
        "Several replicas that serve the same models; `{ url, weight }` for one that is to get more calls than those of weight 1.",
      ),
    apiKeyEnv: variableName
      .optional()
      .describe("The environment variable that holds its key; the kind's usual one when absent."),
    apiKeyFile: z.string().optional().describe("The file that holds its key, where secrets are mounted as files."),
    headers: z
      .record(z.string(), z.string())
      .default({})
      .describe("Further request headers it needs (an organisation, a tenant)."),
    contextTokens: z
      .union([z.enum(["auto", "off"]), z.int().min(CONTEXT_TOKENS_MIN)], {
        error: `must be \`auto\`, \`off\` or a number of tokens from ${CONTEXT_TOKENS_MIN} up`,
      })
      .optional()
      .describe(
        "The window that an Ollama model is loaded with (`num_ctx`). `auto`, the default: what the requests need, in steps that only grow, up to the model's own; a `num_ctx` in a request is that request's alone. A number where memory allows no more, or nothing is to be loaded anew; `off` to leave it to the server.",
      ),
    affinity: z
      .enum(["prefix", "turns"])
      .default("prefix")
      .describe(
        "How a call finds its replica, where each has a cache of its own: where most of its prompt is cached and least waits (`prefix`), or in turn (`turns`).",
      ),
    cacheTokens: count
      .optional()
      .describe(
        "How many tokens one replica's cache holds, if the assumption (2,000,000 for vLLM, 262,144 for Ollama, or what vLLM's `/metrics` say) is far too small or large. For other kinds, it says that replicas have such a cache.",
      ),
    residency: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be one word for a place (`eu`, `us`, `own`)")
      .optional()
      .describe("Where it keeps data, in a word of yours (`eu`): what `residency` of classes and keys asks for."),
    models: z
      .record(z.string(), configuredModelRow)
      .default({})
      .describe(
        "Models that only this instance serves, or serves at other prices: self-hosted ones with their limits and cost.",
      ),
  })
  .refine((row) => row.baseUrl === undefined || row.baseUrls === undefined, {
    message: "say `baseUrl` or `baseUrls`, not both",
  })
  .refine((row) => row.apiKeyEnv === undefined || row.apiKeyFile === undefined, {
    message: "say `apiKeyEnv` or `apiKeyFile`, not both",
  });

const PATTERNS_MAX = 8;
const move = z
  .record(
    z
      .string()
      .regex(
        /^(?:\*|[A-Za-z0-9._:-]{1,128})$/,
        `must be a class of tasks, or \`${ANY_CLASS}\` for all that are not listed`,
      ),
    z.strictObject({
      rules: z
        .array(z.enum(MOVE_RULES))
        .default([])
        .describe(
          "`timestamps`: lines with a date or time that is called the current one, or a date with its time of day. `uuids`: lines with a UUID. `ids`: lines with what looks random and is called an id. Each only in a line of one sentence and at most 160 characters.",
        ),
      patterns: z
        .array(patternText)
        .max(PATTERNS_MAX)
        .default([])
        .describe(
          "Regular expressions of your own, each for one line (`^Build: .+$`), without looking around and back-references. What matches is moved whole, up to 512 characters.",
        ),
    }),
  )
  .default({})
  .describe(
    "Moves lines of the system text that change by themselves to the end of the prompt, so that what stood around them can be cached: by class of tasks (`x-sluice-task-class`), `*` for all calls whose class is not listed. Empty: nothing is moved.",
  );

const FRUSTRATIONS_MAX = 100;

const tasks = z
  .strictObject({
    idleMinutes: idleMinutes
      .default(30)
      .describe(
        "A task that nobody has called for so long is over, and what it took is counted. Raise it where people think longer between two turns; a later call opens it again.",
      ),
    frustration: z
      .array(z.string().min(1).max(100))
      .max(FRUSTRATIONS_MAX)
      .default([])
      .describe(
        "Words by which a user's turn says that the answer before it did not do (`that is wrong`), whether in capitals or not. How often they come is counted, and nothing else kept. Empty: nobody looks.",
      ),
  })
  .prefault({})
  .describe("What a task is over by, and what says how it went.");

const oneOrMore = z.union([z.string().transform((name) => [name]), z.array(z.string()).min(1)], {
  error: "must be a target or a list of targets",
});

export const configFile: z.ZodType<ConfigFile> = z.strictObject({
  listen,
  data: z
    .string()
    .min(1)
    .exactOptional()
    .describe(
      "The folder of the ledger, from this file's folder on. Absent: `.sluice` where it is started. SLUICE_DATA comes before it. A change needs a restart.",
    ),
  log: z
    .strictObject({
      level: z
        .enum(["debug", "info", "warn", "error", "silent"])
        .default("info")
        .describe("`warn` when a line for each call is too much; `debug` to find out why. LOG_LEVEL comes before it."),
      content: z
        .boolean()
        .default(false)
        .describe(
          "Whether bits of prompts may be written down: the 80 characters at which a prefix broke that was expected to be read (`cache_bust` of the row). Off: nothing of what prompts say is kept.",
        ),
    })
    .prefault({})
    .describe("Log lines go to standard error, as NDJSON. A change needs a restart."),
  keys,
  providers: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, "may hold letters, digits and . _ - only"), provider)
    .optional()
    .describe(
      "Who is called, by a name of yours: the first part of `provider/model-id`. When given, the environment's are not added.",
    ),
  models: z
    .record(z.string(), configuredModelRow)
    .default({})
    .describe(
      "What is true of a model, wherever it is served: prices you negotiated, models that are newer than the table.",
    ),
  aliases: z
    .record(z.string(), oneOrMore)
    .default({})
    .describe("Names of your own, each for one target or several that the policy chooses from."),
  policy: z
    .strictObject({
      default: z
        .string()
        .default("cheapest-task")
        .describe("What `auto` means. `ordered` when the order in `targets` is to decide."),
      targets: z
        .array(z.string())
        .min(1)
        .optional()
        .describe(
          "What `auto` chooses from, as `provider/model-id` or alias. Absent: a small model of each provider, and every one under `providers.*.models`.",
        ),
    })
    .prefault({})
    .describe("Who decides where `auto` goes."),
  deadlines: z
    .strictObject({
      connectMs: milliseconds.default(10_000).describe("Raise for upstreams far away. A change needs a restart."),
      firstByteMs: milliseconds
        .default(120_000)
        .describe("Until a stream begins. Raise for long reasoning before the first token, or queues."),
      answerMs: milliseconds
        .default(600_000)
        .describe("Until an answer that is not streamed begins: it is generated whole before."),
      idleMs: milliseconds
        .default(120_000)
        .describe("Between two pieces of an answer. Lower to notice dead upstreams sooner."),
      totalMs: milliseconds.default(1_800_000).describe("One attempt, from sending to its last byte."),
    })
    .prefault({})
    .describe("How long an upstream may take."),
  retries: z
    .strictObject({
      attemptsMax: count
        .default(3)
        .describe("Tries per call over all targets. Agents try again themselves: keep it small."),
      waitMaxMs: milliseconds
        .default(2_000)
        .describe("The longest wait before a further try; who is told to wait longer is answered at once."),
      backoffMs: milliseconds
        .default(250)
        .describe("The first wait where the upstream names none; doubles with each try."),
    })
    .prefault({})
    .describe("Only before the first event of an answer; nothing is tried again after it."),
  breaker: z
    .strictObject({
      failures: count.default(5).describe("Failures within the window after which a target rests."),
      windowMs: milliseconds.default(30_000).describe("Widen for targets with few calls."),
      restMs: milliseconds.default(15_000).describe("How long it rests before one call tries it."),
    })
    .prefault({})
    .describe("A target that fails again and again is tried last for a while."),
  limits: z
    .strictObject({
      bodyBytesMax: count
        .default(32 * 1024 * 1024)
        .describe("Lower on small machines: every call may hold so much. Providers take 32 MB."),
      bodiesBytesMax: count
        .default(512 * 1024 * 1024)
        .describe(
          "All bodies that are held at the same time; who would go over it is told to come back. Reading one takes about three times its size.",
        ),
      jsonDepthMax: count.default(200).describe("How deep a body may be nested."),
      headerBytesMax: count.default(32 * 1024).describe("All request headers together. A change needs a restart."),
      concurrency: count
        .default(1024)
        .describe("Calls served at once; the next one is told to come back. Lower it when memory is short."),
    })
    .prefault({})
    .describe("What one caller, and all of them, may take."),
  cache: z
    .strictObject({
      mode: z
        .enum(CACHING_MODES)
        .default("respect")
        .describe(
          "`respect`: our cache marks are set where a request without any is translated, and where a client asks for it (`x-sluice-fork`, the boundary line, a prompt that it had prewarmed); what else it says itself, or leaves out in the provider's own dialect, stays. `improve`: ours everywhere, beside the client's, whose lifetimes may change. `off`: none of ours.",
        ),
      boundaryLine: z
        .string()
        .trim()
        .regex(/^[^\r\n]*$/, "is one line, and has several")
        .default(BOUNDARY_LINE)
        .describe(
          "A line of the system text that says that what follows it changes from prompt to prompt. It never reaches the model. Empty: there is none.",
        ),
      isolate: z
        .enum(ISOLATION_MODES)
        .default("keys")
        .describe(
          "Where keys are of several tenants that share a provider's account. `keys`: every prompt has a cache key of its tenant's where the provider takes one, and one that the client says is made the tenant's. `strict`: a line of the tenant's own in front of each prompt, too, which nobody else's begins with: for providers that keep one cache for all (Anthropic, OpenAI, Mistral, Ollama). `off`: bodies keep the keys that they came with.",
        ),
      hold: z
        .boolean()
        .default(true)
        .describe(
          "Whether calls that share a long beginning wait until the first of them has written it to the cache.",
        ),
      move,
      diagnose: z
        .boolean()
        .default(false)
        .describe(
          "Asks providers that can tell (Anthropic) why a prompt was not read from their cache, in requests that are translated, and joins what they say with what the gateway knows (`cache_bust`). They keep a fingerprint of each prompt for it.",
        ),
    })
    .prefault({})
    .describe("How prompts are placed at their cache boundary."),
  ledger: z
    .strictObject({
      flushMs: milliseconds.default(5).describe("The longest a row waits to be written, and so what a crash may lose."),
      queueMax: count.default(50_000).describe("Rows that may wait for a slow disk."),
      keepDays: count.exactOptional().describe("Delete rows that are older. Absent: all are kept."),
      whenUnavailable: z
        .enum(["refuse", "serve"])
        .default("refuse")
        .describe(
          "`serve` when answers matter more than knowing what they cost: what does not fit into the queue is lost.",
        ),
    })
    .prefault({})
    .describe("The record of every attempt. A change needs a restart."),
  tasks,
  classes,
  budgets,
  alerts,
  notify,
  answers: z
    .strictObject({
      unowned: z
        .enum(["refuse", "serve"])
        .default("refuse")
        .describe(
          "With several keys (or teams), who may go on from an answer, a conversation or an item at a provider by its id when nobody here is known to have asked for it: nobody, as it may be another's (`refuse`), or everybody (`serve`), when they were made elsewhere and the keys trust each other.",
        ),
      rememberBytesMax: z
        .int()
        .min(0)
        .default(64 * 1024 * 1024)
        .describe(
          "Memory for answers in Responses that their providers do not keep, so that clients can go on from them by an id, for an hour after the last use. Raise it for many or long conversations; 0: none, and such clients must send everything, with `store: false`.",
        ),
    })
    .prefault({})
    .describe("Answers that clients go on from by their ids."),
  strict: z
    .boolean()
    .default(false)
    .describe(
      "true: refuse a call that a translation would lose anything of. A call may ask for it with x-sluice-strict.",
    ),
});
