/** A client's own body at its cache boundary: nothing is marked here, and the client's boundary line is left out. */
import type { ChatRequest, JsonObject } from "../chat.ts";
import type { CachePlacement, Placing } from "./dialect.ts";
import { plainEdits } from "./openai-chat.placing.ts";

/** For a prompt without turns: its system text is the reading's first message. */
export function promptPlacing({ system }: JsonObject, _request: ChatRequest, { placed }: CachePlacement): Placing {
  const inSystem = placed.filter(({ spot }) => spot.kind === "text" && spot.message === 0);
  return {
    edits: typeof system === "string" ? plainEdits(["system"], system, inSystem) : [],
    unplaced: placed.filter(({ mark }) => mark !== undefined),
  };
}
