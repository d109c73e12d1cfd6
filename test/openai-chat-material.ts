/**
 * Recorded answers and captured requests, read where they lie beside the checkout; tests of them are skipped where they do not.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const material = join(import.meta.dirname, "../../shared/conformance");
export const present = existsSync(join(material, "recordings/index.json"));
if (!present) console.warn("openai-chat: recordings skipped, ../shared/conformance is not beside this checkout");

interface Canonical {
  readonly text_chars: number;
  readonly reasoning_chars: number;
  readonly tools: readonly string[];
  readonly finish: string | null;
  readonly usage: Readonly<Record<string, number | null>> | null;
}
export interface RecordEntry {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly kind: string;
  readonly status: number;
  readonly file: string;
  readonly canonical: Canonical;
}
interface Recording {
  readonly request?: { readonly body?: unknown } | null;
  readonly response: { readonly body: unknown };
}

export function entries(provider: string): readonly RecordEntry[] {
  if (!present) return [];
  const index = JSON.parse(readFileSync(join(material, "recordings/index.json"), "utf8")) as { records: RecordEntry[] };
  return index.records.filter((entry) =>
    provider === "anthropic" ? entry.provider === "anthropic" && entry.api === "messages" : entry.api === "chat",
  );
}

export interface Captured {
  readonly path: string;
  readonly body: unknown;
}

export function captured(): Captured[] {
  return readdirSync(join(material, "captures"))
    .filter((file) => file.endsWith(".json"))
    .flatMap(requestsOf);
}

export function requestsOf(file: string): Captured[] {
  return (JSON.parse(readFileSync(join(material, "captures", file), "utf8")) as { requests: Captured[] }).requests;
}

export function recording(entry: RecordEntry): Recording {
  return JSON.parse(readFileSync(join(material, "recordings", entry.file), "utf8")) as Recording;
}

export function bodyBytes(body: unknown): Buffer {
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}
