/**
 * Who is measured: a process that listens, and how a call to it looks.
 */
import type { Cores } from "./process.ts";
import { NUMBER_PLACE, requestBody, type Behaviour } from "./traffic.ts";

export interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Requests sent to it. */
  asked: number;
  /** A call that goes to the upstream. */
  readonly usual: CallShape;
  /** A call that goes to the address that does not accept. */
  readonly hole: CallShape;
  stop(): Promise<void>;
}

export interface CallShape {
  readonly path: string;
  readonly model: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Setting {
  readonly cores: Cores;
  readonly upstreamPort: number;
  readonly holePort: number;
  /** A folder of its own; deleted by whoever made it. */
  readonly folder: string;
  /** Where Sluice's CPU profile goes, if one is wanted. */
  readonly profile: string | undefined;
}

export interface Kind {
  readonly name: string;
  /** Whether it becomes faster while it runs, as what is compiled on the way does. */
  readonly warmsUp: boolean;
  /** Version and form, in a few words; or why it cannot take part. */
  find(): { readonly about: string } | { readonly missing: string };
  /** @throws Error when it does not start. */
  start(setting: Setting): Promise<Contender>;
}

export const CLIENT_KEY = "bench-client-key-0123456789";
/** What the OpenAI SDK sends besides; everyone has to read it. */
const SDK_HEADERS: Readonly<Record<string, string>> = {
  accept: "application/json",
  "content-type": "application/json",
  "user-agent": "OpenAI/JS 7.57.0",
  "x-stainless-retry-count": "0",
  "x-stainless-timeout": "600",
  "x-stainless-lang": "js",
  "x-stainless-package-version": "7.57.0",
  "x-stainless-os": "Linux",
  "x-stainless-arch": "x64",
  "x-stainless-runtime": "node",
  "x-stainless-runtime-version": process.version,
  authorization: `Bearer ${CLIENT_KEY}`,
};

/** The call as bytes, with the place of the number that each one has of its own. */
export class RequestBytes {
  readonly bytes: Buffer;
  readonly #numberAt: number;

  constructor(port: number, shape: CallShape, behaviour: Behaviour, bodyBytes: number) {
    const body = requestBody({ model: shape.model, behaviour, bytes: bodyBytes });
    const headers = {
      host: `127.0.0.1:${port}`,
      ...SDK_HEADERS,
      ...shape.headers,
      "content-length": String(body.length),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.bytes = Buffer.from(`POST ${shape.path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
    this.#numberAt = this.bytes.lastIndexOf(NUMBER_PLACE);
  }

  /** The same buffer, with its next number: for one connection, which asks one thing at a time. */
  numbered(number: number): Buffer {
    const digits = String(number % 10 ** NUMBER_PLACE.length).padStart(NUMBER_PLACE.length, "0");
    this.bytes.write(digits, this.#numberAt, "latin1");
    return this.bytes;
  }
}
