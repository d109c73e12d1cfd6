/** "Some JSON object" as an answer, of servers that refuse to be asked for it by a prompt that does not say the word. */
import type { ChatRequest, Loss, Message, Part } from "../chat.ts";

/** What the model is told where nobody told it: as much as the format itself says. */
export const JSON_INSTRUCTION = "Respond with one JSON object only.";

/**
 * The request with a word on JSON behind its system's, where it asks for a JSON object in a dialect whose servers want none.
 *
 * Only what stands before the first answer decides, and the word stands there, too: so the prompt of one turn stays the beginning of
 * the next one's, whatever is said later. That the model was told more than the client said is on the row.
 */
export function withJsonWord(request: ChatRequest, losses: Loss[]): ChatRequest {
  if (request.responseFormat?.type !== "json-object" || saysJson(request)) return request;
  losses.push({ field: "json_instruction", path: "response_format" });
  const behind = request.messages.findIndex(({ role }) => role !== "system");
  const at = behind < 0 ? request.messages.length : behind;
  const word: Message = { role: "system", parts: [{ type: "text", text: JSON_INSTRUCTION }] };
  return { ...request, messages: [...request.messages.slice(0, at), word, ...request.messages.slice(at)] };
}

function saysJson({ messages }: ChatRequest): boolean {
  const answered = messages.findIndex(({ role }) => role === "assistant");
  const opening = answered < 0 ? messages : messages.slice(0, answered);
  return opening.some(({ parts }) => parts.some((part: Part) => part.type === "text" && /json/i.test(part.text)));
}
