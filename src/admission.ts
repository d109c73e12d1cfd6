/**
 * Who is let in: so many calls at once, so many bytes of bodies together, and nobody while the gateway drains.
 */
import { GatewayError } from "./errors.ts";

export interface AdmissionLimits {
  /** Calls served at once. */
  readonly concurrency: number;
  /** Bytes of one body. */
  readonly bodyBytesMax: number;
  /** Bytes of all bodies that are held at the same time. */
  readonly bodiesBytesMax: number;
}

export interface Admission {
  /** Calls that entered and have not left. */
  readonly inFlight: number;
  readonly draining: boolean;
  /** Of all bodies that are held now. */
  readonly bodiesBytes: number;
  /** Counts a call in, the refused one as well: somebody still answers it. */
  enter(): Admitted;
  /** From now on new calls are refused; resolves when all have left. */
  drain(): Promise<void>;
}

/** A call that is counted until it leaves. */
export interface Admitted {
  /** Why it is not to be served. */
  readonly refused: GatewayError | undefined;
  readonly body: BodyBound;
  /** The body is not held any more: an answer may run for an hour after it. */
  letGo(): void;
  leave(): void;
}

/** How much of a body may be read. */
export interface BodyBound {
  readonly bytesMax: number;
  /** Told of each piece before it is kept. @throws GatewayError `busy` when all bodies together would be too much. */
  hold(bytes: number): void;
}

/**
 * @param limits Asked with every call, as a reload may change them.
 * @param changed Told how many calls are in.
 */
export function createAdmission(
  limits: () => AdmissionLimits,
  changed: (inFlight: number) => void = () => {},
): Admission {
  let inFlight = 0;
  let bodiesBytes = 0;
  let draining = false;
  const drained = Promise.withResolvers<void>();
  const count = (difference: 1 | -1) => {
    inFlight += difference;
    changed(inFlight);
    if (draining && inFlight === 0) drained.resolve();
  };
  return {
    get inFlight() {
      return inFlight;
    },
    get bodiesBytes() {
      return bodiesBytes;
    },
    get draining() {
      return draining;
    },
    enter() {
      const { concurrency, bodyBytesMax, bodiesBytesMax } = limits();
      const refused = draining ? shuttingDown() : inFlight < concurrency ? undefined : tooMany(concurrency);
      count(1);
      let held = 0;
      const letGo = () => {
        bodiesBytes -= held;
        held = 0;
      };
      return {
        refused,
        body: {
          bytesMax: bodyBytesMax,
          hold(bytes) {
            if (bodiesBytes + bytes > bodiesBytesMax) throw tooMuch(bodiesBytesMax);
            bodiesBytes += bytes;
            held += bytes;
          },
        },
        letGo,
        leave() {
          letGo();
          count(-1);
        },
      };
    },
    drain() {
      draining = true;
      if (inFlight === 0) drained.resolve();
      return drained.promise;
    },
  };
}

const RETRY_AFTER_MS = 1_000;

function shuttingDown(): GatewayError {
  return new GatewayError("shutting-down", "the gateway is shutting down; try another instance", {
    retryAfterMs: RETRY_AFTER_MS,
  });
}

function tooMany(concurrency: number): GatewayError {
  return busy(`the gateway is serving its limit of ${concurrency} calls at once; try again shortly`);
}

function tooMuch(bodiesBytesMax: number): GatewayError {
  return busy(
    `the calls that the gateway is reading fill its limit of ${bodiesBytesMax} bytes (\`limits.bodiesBytesMax\`); try again shortly`,
  );
}

function busy(message: string): GatewayError {
  return new GatewayError("busy", message, { retryAfterMs: RETRY_AFTER_MS });
}
