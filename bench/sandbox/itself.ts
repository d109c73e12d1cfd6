/** What the sandbox answers beside its providers: what it is, its invoice, and a way to start over. */
import type { ServerResponse } from "node:http";
import type { Invoice } from "./invoice.ts";

export interface Itself {
  readonly url: string;
  /** Of its providers, as they are to be configured. */
  readonly baseUrls: readonly string[];
  readonly invoice: Invoice;
  reset(): void;
}

export function answerAsItself(method: string, path: string, response: ServerResponse, itself: Itself): void {
  if (method === "GET" && path === "/") return text(response, 200, introduction(itself));
  if (method === "GET" && path === "/sandbox/invoice") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ lines: itself.invoice.lines, totals: itself.invoice.totals }, withBigints));
    return;
  }
  if (method === "POST" && path === "/sandbox/reset") {
    itself.reset();
    response.writeHead(204).end();
    return;
  }
  text(response, 404, "Not found.\n");
}

/** The addresses to configure, one a line. */
export function introduction({ url, baseUrls }: Pick<Itself, "url" | "baseUrls">): string {
  return [
    "The Sluice sandbox simulates providers: real wire formats, cache rules and refusals, and no model.",
    ...baseUrls.map((baseUrl) => `  ${baseUrl}`),
    `  ${url}/sandbox/invoice`,
    "",
  ].join("\n");
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(body);
}

/** Money is exact, and larger than a double: as text. */
function withBigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
