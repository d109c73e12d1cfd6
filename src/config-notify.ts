/** Who is told of alerts and budgets: options of `notify`, and the channels that they make. */
import { z } from "zod";
import { hostKind } from "./delivery/address.ts";
import { CHANNEL_KINDS, NEWS, type Channel, type ChannelKind, type News } from "./delivery/message.ts";
import { secretBytes } from "./delivery/signature.ts";

export interface NotifyRow {
  readonly name?: string | undefined;
  readonly kind: ChannelKind;
  readonly url?: string | undefined;
  readonly urlEnv?: string | undefined;
  readonly urlFile?: string | undefined;
  readonly secretEnv?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly tokenEnv?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tells: readonly News[];
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly resendMs: number;
}

/** A channel, and for people where what it holds came from. */
export interface ConfiguredChannel extends Channel {
  readonly urlSource?: string;
  readonly secretSource?: string;
  readonly tokenSource?: string;
}

export const CHANNELS_MAX = 16;
const SECRET_BYTES_MIN = 16;

const variable = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    "must be a variable's name, not what it holds: put that into an environment variable, and its name here",
  );
const path = z.string().min(1);

const row: z.ZodType<NotifyRow> = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9._:-]{1,64}$/, "may hold letters, digits and . _ : - only, at most 64 characters")
      .optional()
      .describe(
        "What it is called in logs and metrics; its kind when absent. What waits to be told is kept under it: it is lost with the name.",
      ),
    kind: z
      .enum(CHANNEL_KINDS)
      .describe(
        "`webhook`: JSON to a receiver of your own. `slack`: Slack's incoming webhooks, or what understands them (Mattermost, Rocket.Chat, Discord's `…/slack`). `alertmanager`: Prometheus' Alertmanager, by its API (v2).",
      ),
    url: z
      .string()
      .optional()
      .describe(
        "Where it is; of an Alertmanager without `/api/v2/alerts`. Several Alertmanagers of one cluster are an entry each.",
      ),
    urlEnv: variable
      .optional()
      .describe("The environment variable that holds the URL: whoever knows Slack's may write there."),
    urlFile: path.optional().describe("The file that holds the URL, where secrets are mounted as files."),
    secretEnv: variable
      .optional()
      .describe(
        "The environment variable that holds the secret which a webhook's bodies are signed with (`whsec_…` in base64, or any text of 16 characters or more). Without, its receiver cannot tell who calls.",
      ),
    secretFile: path.optional().describe("The file that holds the secret."),
    tokenEnv: variable
      .optional()
      .describe(
        "The environment variable that holds a bearer token, where the receiver or a proxy before it wants one.",
      ),
    tokenFile: path.optional().describe("The file that holds the token."),
    tells: z
      .array(z.enum(NEWS))
      .min(1)
      .default([...NEWS])
      .describe("What is told: `alerts` (spend that left its baseline), `budgets` (limits that are near or reached)."),
    allowPrivate: z
      .boolean()
      .default(false)
      .describe(
        "Whether the host's name may mean an address of a private network; set it for receivers inside yours. An address, or `localhost`, needs no leave.",
      ),
    timeoutMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(10_000)
      .describe("How long one try may take. Raise for receivers that do their work before they answer."),
    resendMs: z
      .int()
      .min(1_000)
      .max(3_600_000)
      .default(60_000)
      .describe(
        "How often an Alertmanager is told again what still fires. It takes for resolved what it has not heard of for four times as long.",
      ),
  })
  .superRefine((row, context) => {
    const issue = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
    const urls = [row.url, row.urlEnv, row.urlFile].filter((one) => one !== undefined);
    if (urls.length !== 1) issue("url", "is needed once: one of `url`, `urlEnv`, `urlFile`");
    if (row.secretEnv !== undefined && row.secretFile !== undefined)
      issue("secretFile", "stands beside `secretEnv`: say one of them");
    if (row.tokenEnv !== undefined && row.tokenFile !== undefined)
      issue("tokenFile", "stands beside `tokenEnv`: say one of them");
    if (row.kind !== "webhook" && (row.secretEnv !== undefined || row.secretFile !== undefined))
      issue(row.secretEnv === undefined ? "secretFile" : "secretEnv", "goes with `kind: webhook`: only it signs");
    if (row.kind === "slack" && row.url !== undefined)
      issue(
        "url",
        "is the secret of a Slack channel: name the variable that holds it as `urlEnv`, or a file as `urlFile`",
      );
  });

export const notify: z.ZodType<readonly NotifyRow[]> = z
  .array(row)
  .max(CHANNELS_MAX)
  .superRefine((rows, context) => {
    const names = new Set<string>();
    for (const [at, { name, kind }] of rows.entries()) {
      const shown = name ?? kind;
      if (names.has(shown))
        context.addIssue({ code: "custom", path: [at, "name"], message: `two channels are called \`${shown}\`` });
      names.add(shown);
    }
  })
  .default([])
  .describe(
    "Who is told of alerts and budgets, each until they took it, also over a crash: docs/delivery.md. With none, they are in the log, in `/metrics` and at `/sluice/v1/alerts` only.",
  );

export interface NotifyContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
  /** Grows. */
  readonly problems: string[];
  /** Grows. */
  readonly warnings: string[];
}

export function channelsOf(rows: readonly NotifyRow[], context: NotifyContext): readonly ConfiguredChannel[] {
  return rows.flatMap((row, at) => {
    const where = `notify[${at}]`;
    const url = urlOf(row, where, context);
    const secret = secretOf(row, where, context);
    const token = said(row.tokenEnv, row.tokenFile, `${where}.token`, context);
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token.value))
      context.problems.push(`the token from ${token.source} has characters in it that a header cannot carry`);
    if (url === undefined) return [];
    warn(row, url.value, secret !== undefined || token !== undefined || url.source !== undefined, where, context);
    const { kind, tells, allowPrivate, timeoutMs, resendMs } = row;
    return [
      {
        name: row.name ?? kind,
        kind,
        url: url.value.href,
        tells,
        allowPrivate,
        timeoutMs,
        resendMs,
        ...(url.source === undefined ? {} : { urlSource: url.source }),
        ...(secret === undefined ? {} : { secret: secret.value, secretSource: secret.source }),
        ...(token === undefined ? {} : { token: token.value, tokenSource: token.source }),
      },
    ];
  });
}

/** A channel as `sluice check` shows it. */
export function printableChannel({ urlSource, secretSource, tokenSource, ...channel }: ConfiguredChannel): object {
  const { secret: _secret, token: _token, url, ...rest } = channel;
  const { origin, pathname } = new URL(url);
  return {
    ...rest,
    // What is behind the `?` of an address is a token as often as not.
    url: urlSource === undefined ? `${origin}${pathname}` : `set (from ${urlSource})`,
    ...(secretSource === undefined ? {} : { secret: `set (from ${secretSource})` }),
    ...(tokenSource === undefined ? {} : { token: `set (from ${tokenSource})` }),
  };
}

interface Told {
  readonly value: string;
  readonly source: string;
}

function urlOf(
  row: NotifyRow,
  where: string,
  context: NotifyContext,
): { readonly value: URL; readonly source: string | undefined } | undefined {
  const told = row.url === undefined ? said(row.urlEnv, row.urlFile, `${where}.url`, context) : undefined;
  const text = row.url ?? told?.value;
  if (text === undefined) return undefined;
  // What it holds may be a secret, and is not repeated.
  const which = told === undefined ? `\`${where}.url\`` : `the URL from ${told.source} (\`${where}\`)`;
  const value = URL.canParse(text) ? new URL(text) : undefined;
  if (value === undefined || (value.protocol !== "https:" && value.protocol !== "http:")) {
    context.problems.push(`${which} is not a URL that begins with https:// or http://`);
    return undefined;
  }
  if (value.username !== "" || value.password !== "") {
    context.problems.push(`${which} has a name or password in it: use \`tokenEnv\` or \`tokenFile\``);
    return undefined;
  }
  if (hostKind(value) === "link" && !row.allowPrivate) {
    context.problems.push(
      `${which} names a link-local address, where clouds keep machines' credentials; \`allowPrivate: true\` if that is meant`,
    );
    return undefined;
  }
  return { value, source: told?.source };
}

function secretOf(row: NotifyRow, where: string, context: NotifyContext): Told | undefined {
  const told = said(row.secretEnv, row.secretFile, `${where}.secret`, context);
  if (told !== undefined && secretBytes(told.value).length < SECRET_BYTES_MIN) {
    context.problems.push(
      `the secret from ${told.source} (\`${where}\`) is too short: it must be at least ${SECRET_BYTES_MIN} bytes, as text or as \`whsec_\` and base64`,
    );
    return undefined;
  }
  return told;
}

function said(
  variable: string | undefined,
  file: string | undefined,
  where: string,
  { environment, readFile, problems }: NotifyContext,
): Told | undefined {
  const source = variable ?? file;
  if (source === undefined) return undefined;
  const value = variable === undefined ? contentOf(source, readFile) : environment[variable]?.trim();
  if (value !== undefined && value !== "") return { value, source };
  const option = `\`${where}${variable === undefined ? "File" : "Env"}\``;
  problems.push(
    variable === undefined
      ? `${option}: ${source} is empty or cannot be read`
      : `${option}: the environment has no ${source}`,
  );
  return undefined;
}

function contentOf(path: string, readFile: (path: string) => string): string | undefined {
  try {
    return readFile(path).trim();
  } catch {
    return undefined;
  }
}

function warn(row: NotifyRow, url: URL, hasSecret: boolean, where: string, { warnings }: NotifyContext): void {
  if (row.kind === "webhook" && row.secretEnv === undefined && row.secretFile === undefined)
    warnings.push(`\`${where}\` is not signed: set \`secretEnv\`, so that its receiver can tell who calls`);
  if (url.protocol === "http:" && hasSecret && hostKind(url) === "name" && !row.allowPrivate)
    warnings.push(`\`${where}\` goes over http://, where others can read it`);
}
