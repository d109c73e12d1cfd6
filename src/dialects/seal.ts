/**
 * What a provider sealed (a signature under its reasoning, or reasoning that it encrypted) in the keeping of another dialect's client.
 *
 * Only its issuer can read a seal, and everybody else refuses a request that has it in it. A client keeps one where its own dialect's
 * seals stand, as text that it does not look into; so the text itself says whose it is:
 *
 *     sluice:<issuer>:<signature or redacted>:<the issuer's id for it, or nothing>:<the seal>
 */
import type { DialectName, ReasoningPart, SealOrigin } from "../chat.ts";

/** Under text that can be read, or instead of it. */
export type SealForm = "signature" | "redacted";
/** The members of a reasoning part that say how it is sealed. */
export type Sealed = Pick<ReasoningPart, SealForm | keyof SealOrigin>;

/** The seal as a client of `own` is given it. */
export function carriedSeal(seal: string, form: SealForm, origin: SealOrigin, own: DialectName): string {
  if (origin.issuer === own) return seal;
  return `${BEGINNING}${origin.issuer ?? ""}:${form}:${origin.sealId ?? ""}:${seal}`;
}

/** The seal that a client of `own` brings back in the place of one of this form. */
export function heldSeal(held: string, form: SealForm, own: DialectName): Sealed {
  const carried = CARRIED.exec(held)?.groups;
  if (carried === undefined) return { [form]: held, issuer: own };
  const { issuer = "", sealId = "", seal = "" } = carried;
  return {
    [carried["form"] === "redacted" ? "redacted" : "signature"]: seal,
    ...(issuer === "" ? {} : { issuer }),
    ...(sealId === "" ? {} : { sealId }),
  };
}

/** Whether a place for a seal of the client's own dialect holds another's. */
export function isForeignSeal(held: unknown): boolean {
  return typeof held === "string" && held.startsWith(BEGINNING);
}

const BEGINNING = "sluice:";
const CARRIED = /^sluice:(?<issuer>[^:]*):(?<form>signature|redacted):(?<sealId>[^:]*):(?<seal>.*)$/s;
