/**
 * One NDJSON line per event, to standard error. What is logged is chosen field by field: no bodies, no headers, no keys.
 */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

/** Longest value of one field, in characters: an upstream's error text must not flood the log. */
const FIELD_CHARACTERS_MAX = 500;

/**
 * @example
 * const log = createLog("info", (line) => process.stderr.write(line));
 * log.info("exchange", { exchange: "…", status: 200 });
 */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const at =
    (own: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (RANK[own] < RANK[level]) return;
      const line: Record<string, unknown> = { time: new Date().toISOString(), level: own, event };
      for (const [name, value] of Object.entries(fields)) {
        if (value === undefined) continue;
        line[name] = typeof value === "string" ? redacted(value.slice(0, FIELD_CHARACTERS_MAX)) : value;
      }
      write(`${JSON.stringify(line)}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * Credentials by their shape, wherever they turn up: the second line of defence, after never passing one here.
 * Shapes: OpenAI and Anthropic `sk-…`, bearer values, `key=` query parameters.
 */
export function redacted(text: string): string {
  return text
    .replace(/\b(sk|pk|rk|xai|gsk|key|token)[-_][A-Za-z0-9_*.-]{8,}/gi, "$1-[redacted]")
    .replace(/\bbearer\s+[^\s"',]+/gi, "Bearer [redacted]")
    .replace(/([?&](?:api[-_]?key|key|token)=)[^&\s"']+/gi, "$1[redacted]");
}
