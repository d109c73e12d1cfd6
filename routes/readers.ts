/** Who reads what of the gateway's own records, where several tenants call: their own calls, or everybody's (`keys[].reads`). */
import type { Context } from "hono";
import { GatewayError } from "../src/errors.ts";
import { readableTenant, type ClientKey } from "../src/exchange.ts";

/** Whose calls are shown to whoever calls; `undefined`: everybody's. @throws GatewayError for a key that is none. */
export type ReaderOf = (context: Context) => string | undefined;

/** @example readerOf(() => setup().keys) */
export function readerOf(keys: () => readonly ClientKey[]): ReaderOf {
  return (context) => readableTenant(context.req.raw.headers, keys());
}

/** For what is not told apart by tenants. @throws GatewayError `forbidden` for whoever reads their own only. */
export function requireWhole(reader: string | undefined, what: string): void {
  if (reader === undefined) return;
  throw new GatewayError("forbidden", `${what}: that takes a key with \`reads: all\` in the configuration`);
}
