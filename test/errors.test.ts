/** What an upstream's refusal means: whose fault it is, whether waiting helps, whether another target may be tried. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { classify, ERROR_KINDS, GatewayError, mayRetrySame, type ErrorKindName } from "../src/errors.ts";

interface Said {
  readonly message: string;
  readonly type?: string;
  readonly code?: string;
  readonly details?: { readonly error_code: string };
}

const CASES: readonly (readonly [what: string, status: number, said: Said, kind: ErrorKindName])[] = [
  ["a wrong parameter", 400, { message: "no", code: "unsupported_parameter" }, "invalid-request"],
  ["a long prompt at OpenAI", 400, { message: "no", code: "context_length_exceeded" }, "context-too-long"],
  [
    "a long prompt at Anthropic",
    400,
    { message: "prompt is too long: 207185 tokens > 200000 maximum" },
    "context-too-long",
  ],
  [
    "prompt and cap together at Anthropic",
    400,
    { message: "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000" },
    "context-too-long",
  ],
  [
    "a long prompt at vLLM",
    400,
    {
      message: "This model's maximum context length is 4096 tokens. However, you requested 5000",
      type: "BadRequestError",
    },
    "context-too-long",
  ],
  [
    "a long prompt at llama-server",
    400,
    { message: "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it" },
    "context-too-long",
  ],
  ["the same by its type", 400, { message: "no", type: "exceed_context_size_error" }, "context-too-long"],
  ["an unknown model at Mistral", 400, { message: "Invalid model: x", type: "invalid_model" }, "model-not-found"],
  ["an unknown model as OpenAI may say it", 400, { message: "no", code: "model_not_found" }, "model-not-found"],
  [
    "no money left at Anthropic",
    400,
    { message: "Your credit balance is too low to access the Anthropic API.", type: "invalid_request_error" },
    "quota-exhausted",
  ],
  [
    "an own limit reached at Anthropic",
    400,
    { message: "You have reached your specified API usage limits.", type: "invalid_request_error" },
    "quota-exhausted",
  ],
  ["our credential", 401, { message: "Invalid API Key" }, "upstream-credential"],
  ["a bill to pay", 402, { message: "pay", type: "billing_error" }, "quota-exhausted"],
  ["something forbidden", 403, { message: "no", type: "permission_error" }, "forbidden"],
  ["an unknown model", 404, { message: "no", code: "model_not_found" }, "model-not-found"],
  ["an unknown model at Ollama", 404, { message: 'model "x" not found, try pulling it first' }, "model-not-found"],
  ["an unknown path", 404, { message: "Resource not found" }, "not-found"],
  ["a timeout there", 408, { message: "slow" }, "upstream-timeout"],
  ["a conflict", 409, { message: "no" }, "conflict"],
  ["a large body", 413, { message: "no", type: "request_too_large" }, "too-large"],
  ["an unknown field at Mistral", 422, { message: "Extra inputs are not permitted" }, "unprocessable"],
  ["a rate limit", 429, { message: "no", code: "rate_limit_exceeded" }, "rate-limited"],
  ["too steep a ramp", 429, { message: "no", code: "slow_down", type: "rate_limit_error" }, "rate-limited"],
  ["no quota left", 429, { message: "no", code: "insufficient_quota" }, "quota-exhausted"],
  ["no credit left", 429, { message: "no", code: "credit_balance_exhausted" }, "quota-exhausted"],
  [
    "a spend cap at Anthropic",
    429,
    { message: "no", type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } },
    "quota-exhausted",
  ],
  ["an error of theirs", 500, { message: "no", type: "server_error" }, "upstream-failed"],
  ["a gateway of theirs", 502, { message: "no" }, "upstream-failed"],
  ["a full server", 503, { message: "server busy" }, "overloaded"],
  ["a slow gateway of theirs", 504, { message: "no" }, "upstream-timeout"],
  ["an overload at Anthropic", 529, { message: "no", type: "overloaded_error" }, "overloaded"],
  ["a status nobody heard of", 418, { message: "no" }, "invalid-request"],
  ["a server error nobody heard of", 599, { message: "no" }, "upstream-failed"],
];

describe("an error answer", () => {
  test.each(CASES)("%s (%d)", (_what, status, said, kind) => {
    expect(classify(status, said)).toBe(kind);
  });

  test("of which a prompt's words are no part: a 400 that only quotes a model's name is the caller's mistake", () => {
    expect(classify(400, { message: "Unsupported value: 'x' is not supported with this model." })).toBe(
      "invalid-request",
    );
  });
});

describe("what may be tried after it", () => {
  test("the caller's own mistakes end at the first target: the same words would be as wrong at the next", () => {
    const ends = Object.entries(ERROR_KINDS).filter(([, kind]) => kind.status >= 400 && !kind.nextTarget);
    expect(ends.map(([name]) => name)).toEqual(
      expect.arrayContaining(["invalid-request", "forbidden", "too-large", "unprocessable", "budget-exceeded"]),
    );
  });

  test.each<readonly [ErrorKindName, boolean, boolean]>([
    ["rate-limited", true, true],
    ["overloaded", true, true],
    ["upstream-failed", true, true],
    // Waiting does not help; somebody else may.
    ["quota-exhausted", true, false],
    ["upstream-credential", true, false],
    ["context-too-long", true, false],
    ["model-not-found", true, false],
    // Perhaps still being worked on, and billed.
    ["upstream-timeout", true, false],
    ["invalid-request", false, false],
    ["canceled", false, false],
  ])("%s: the next target %s, the same one again %s", (kind, next, again) => {
    const error = new GatewayError(kind, "why");
    expect([error.nextTarget, mayRetrySame(error, 0)]).toEqual([next, again]);
  });

  test("nothing is tried on one target more than three times in all", () => {
    const error = new GatewayError("overloaded", "why");
    expect([0, 1, 2, 3].map((again) => mayRetrySame(error, again))).toEqual([true, true, false, false]);
  });
});

test("an upstream's own status is kept, as clients know what to make of it", () => {
  expect(new GatewayError("overloaded", "why").status).toBe(503);
  expect(new GatewayError("overloaded", "why", { status: 529 }).status).toBe(529);
});

const material = join(import.meta.dirname, "../../shared/conformance/recordings");
const isThere = existsSync(join(material, "index.json"));
if (!isThere) console.warn("errors: recordings skipped, ../shared/conformance is not beside this checkout");

describe.skipIf(!isThere)("recorded refusals", () => {
  /** By the provider's word for it, where the status alone does not tell. */
  const SPECIAL: Readonly<Record<string, ErrorKindName>> = {
    context_length_exceeded: "context-too-long",
    exceed_context_size_error: "context-too-long",
    model_not_found: "model-not-found",
    invalid_model: "model-not-found",
  };

  test("each is of the kind that its provider's word says", () => {
    let special = 0;
    for (const { status, file } of refusals()) {
      const { response } = JSON.parse(readFileSync(join(material, file), "utf8")) as { response: { body: unknown } };
      const said = saidIn(response.body);
      const wanted = SPECIAL[said.code ?? ""] ?? SPECIAL[said.type ?? ""];
      const kind = classify(status, said);
      if (wanted !== undefined) {
        special += 1;
        expect(kind, file).toBe(wanted);
      }
      if (status === 401) expect(kind, file).toBe("upstream-credential");
    }
    expect(special).toBeGreaterThan(8);
  });

  function refusals(): readonly { readonly status: number; readonly file: string }[] {
    const index = JSON.parse(readFileSync(join(material, "index.json"), "utf8")) as {
      records: { status: number; file: string }[];
    };
    return index.records.filter(({ status }) => status >= 400);
  }

  function saidIn(body: unknown): Said {
    const answer = (typeof body === "object" && body !== null ? body : {}) as { error?: unknown };
    const error = (typeof answer.error === "object" && answer.error !== null ? answer.error : answer) as Partial<Said>;
    return {
      message: typeof error.message === "string" ? error.message : "",
      ...(typeof error.type === "string" ? { type: error.type } : {}),
      ...(typeof error.code === "string" ? { code: error.code } : {}),
    };
  }
});
