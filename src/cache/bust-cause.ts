/**
 * `client`: it changed its prompt. `gateway`: we sent it elsewhere or otherwise. `expired`: it came after the lifetime that was paid.
 * `evicted`: an automatic cache forgot it sooner. `provider`: it was paid for and not read. `cold`: a sibling was still writing it.
 */
export const BUST_CAUSES = ["client", "gateway", "expired", "evicted", "provider", "cold"] as const;
export type BustCause = (typeof BUST_CAUSES)[number];
