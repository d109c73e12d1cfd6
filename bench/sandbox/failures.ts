/** What is answered instead of an answer: refusals in the provider's words, and faults that take the answer's place. */
import type { Counter } from "./counter.ts";
import type { Fault } from "./faults.ts";
import type { LimitState } from "./limits.ts";
import type { Outlet } from "./outlet.ts";
import type { OpenRequest } from "./requests.ts";
import type { Refusal, Surface } from "./wire/wire.ts";

export function refuse(
  outlet: Outlet,
  received: OpenRequest,
  refusal: Refusal,
  requestId: string,
  limits: LimitState | undefined,
  { wire, clock }: Counter,
): void {
  const text = JSON.stringify(wire.refusal(refusal, requestId));
  outlet.head(refusal.status, {
    "content-type": wire.jsonType ?? "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...wire.headers(requestId, limits, clock.now()),
    ...refusal.said.headers,
  });
  received.answered(refusal.status);
  void outlet.write(Buffer.from(text));
  outlet.end();
}

export interface Place {
  readonly outlet: Outlet;
  readonly received: OpenRequest;
  readonly requestId: string;
  readonly surface: Surface;
  readonly wantsStream: boolean;
}

/**
 * Faults that take the answer's place.
 *
 * @returns Whether it was one of those; nothing is billed for them.
 */
export async function failInstead(
  fault: Fault,
  { outlet, received, requestId, surface, wantsStream }: Place,
  counter: Counter,
): Promise<boolean> {
  received.met(fault.name);
  const { wire, clock } = counter;
  const instead = async (status: number, type: string, bytes: Buffer) => {
    outlet.head(status, { "content-type": type, "content-length": String(bytes.length) });
    received.answered(status);
    await outlet.write(bytes);
    outlet.end();
    return true;
  };
  const type = wantsStream ? surface.form.type : "application/json";
  const overloaded = wire.fault(wire.overloadedStatus, "plain");
  const retryAfterMs = fault.retryAfter === undefined ? undefined : fault.retryAfter * 1000;
  switch (fault.name) {
    case "400":
    case "401":
    case "403":
    case "404":
    case "413":
    case "429":
    case "500":
    case "502":
    case "503":
    case "504":
    case "529":
      refuse(outlet, received, wire.fault(Number(fault.name), "plain", retryAfterMs), requestId, undefined, counter);
      return true;
    case "429-quota":
      refuse(outlet, received, wire.fault(429, "quota"), requestId, undefined, counter);
      return true;
    case "500-empty":
      return instead(500, "text/plain", Buffer.alloc(0));
    case "502-html":
      return instead(502, "text/html", Buffer.from(HTML));
    case "reset":
      outlet.reset();
      return true;
    case "hang":
      await clock.sleep(fault.durationMs ?? Infinity, outlet.left);
      outlet.cut();
      return true;
    case "garbage":
      return instead(200, type, GARBAGE);
    case "html":
      return instead(200, "text/html", Buffer.from(HTML));
    case "empty":
      return instead(200, type, Buffer.alloc(0));
    case "error-first":
    case "error-event":
      if (!wantsStream) {
        refuse(outlet, received, overloaded, requestId, undefined, counter);
        return true;
      }
      if (fault.name === "error-event") return false;
      return instead(200, type, Buffer.from(surface.refusalFrame(overloaded).text));
    case "slow-headers":
    case "slow-first-byte":
    case "stall":
    case "cut":
    case "cut-clean":
    case "broken-event":
    case "truncated":
      return false;
  }
}

const HTML =
  "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
const GARBAGE = Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 7919 + 131) % 256));
