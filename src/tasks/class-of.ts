/**
 * The class of a call whose caller names none: a hash of what its prompts begin with, the system text and the names of the tools.
 *
 * What changes by itself is not in it (dates, ids, counters, noise that a client adds, what stands behind the client's own boundary
 * line), nor whose call it is, so that an agent has the same class today and tomorrow, here and at another gateway. It is of 48 bits.
 */
import { hash } from "node:crypto";
import { boundariesIn } from "../cache/boundary.ts";
import { withoutChanging } from "../cache/changing.ts";
import type { ChatRequest } from "../chat.ts";

const ID_DIGITS = 12;

export function derivedClass(request: ChatRequest, boundaryLine: string): string {
  const tools = request.tools.flatMap((tool) => {
    if (tool.type === "function") return tool.deferred === true ? [] : [tool.name];
    return [`${tool.kind}\u0002${tool.name ?? ""}`];
  });
  const texts = [request.embedding === undefined ? "" : "embedding", tools.toSorted().join("\u0002")];
  for (const { role, parts } of request.messages) {
    if (role !== "system") break;
    for (const part of parts) {
      if (part.type !== "text") continue;
      const end = boundariesIn(part.text, boundaryLine)[0]?.end;
      texts.push(withoutChanging(part.text.slice(0, end)));
      if (end !== undefined) return idOf(texts);
    }
  }
  return idOf(texts);
}

function idOf(texts: readonly string[]): string {
  return `c-${hash("sha256", texts.join("\u0001"), "hex").slice(0, ID_DIGITS)}`;
}
