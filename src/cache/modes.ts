/** What an operator can say of caching. Words only. */

/**
 * `respect`: a client that speaks the provider's own dialect has said what it wants, marks or none, and so has one that sets marks; ours
 * are set where a request without any is translated, and for what a client asks of the gateway. `improve`: ours are set everywhere, beside the client's, and theirs may live longer or shorter. `off`: none are.
 */
export type CachingMode = (typeof CACHING_MODES)[number];
export const CACHING_MODES = ["respect", "improve", "off"] as const;

/**
 * How the prompts of tenants are kept apart that share a provider's account. `keys`: by cache keys of their own, which costs nothing.
 * `strict`: by a line of their own in front of each prompt, too. `off`: a body keeps the key that it came with.
 */
export type IsolationMode = (typeof ISOLATION_MODES)[number];
export const ISOLATION_MODES = ["off", "keys", "strict"] as const;

/** Says, as a line of its own in a system text, that what follows changes from prompt to prompt. */
export const BOUNDARY_LINE = "<!-- sluice:dynamic -->";
