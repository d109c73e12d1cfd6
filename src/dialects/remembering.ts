/** What a dialect knows of answers that the gateway itself remembers (`../remembered.ts`): how its clients name them and read them. */
import type { ChatRequest, JsonObject, JsonValue } from "../chat.ts";

/** An answer, and what it was the answer to. */
export interface RememberedAnswer {
  readonly id: string;
  /** As the client has it. */
  readonly answer: JsonObject;
  /** The conversation before it, item by item. */
  readonly told: readonly JsonValue[];
  /** The parts of the answer that can be named by an id of their own. */
  readonly items: readonly { readonly id: string; readonly item: JsonObject }[];
}

/** What is found by an id that is of our own making, for one caller. */
export interface Memory {
  answer(id: string): RememberedAnswer | undefined;
  item(id: string): JsonObject | undefined;
}

export interface Remembering {
  /** Whether an id is of our own making: no provider has it, and none must be asked for it. */
  isOurs(id: string): boolean;
  /** Whether a client with this body may go on from the answer by its id. */
  isWanted(body: JsonObject): boolean;
  /** The reading of a request whose answer is remembered, if its provider does not keep it. */
  met(request: ChatRequest): ChatRequest;
  /**
   * The body with all of what it names by ids of ours; the very same one where it names nothing.
   *
   * @throws GatewayError `invalid-request` naming what is not remembered any more.
   */
  resolve(body: JsonObject, memory: Memory): JsonObject;
  /**
   * What is to be remembered, once an encoder has written the answer. Made before, so that the body itself is let go while that runs.
   *
   * @param body Resolved.
   */
  remembered(body: JsonObject): (answer: JsonObject) => RememberedAnswer;
  /** What a provider that keeps it would answer to this. @throws GatewayError `invalid-request` */
  read(remembered: RememberedAnswer, method: string, operation: string, query: URLSearchParams): JsonObject;
}
