/** A Responses request in the words of Chat Completions, for what reads those: who said what, and how the answer is wanted. */
import { object, objects } from "./answer.ts";
import type { Json } from "./material.ts";

/** A body of Chat Completions as it is. */
export function asChat(body: Json): Json {
  if (body["messages"] !== undefined) return body;
  const input = typeof body["input"] === "string" ? [{ role: "user", content: body["input"] }] : objects(body["input"]);
  const format = object(object(body["text"])["format"]);
  const choice = object(body["tool_choice"]);
  const instructions = body["instructions"];
  return {
    model: body["model"],
    messages: [
      ...(typeof instructions === "string" ? [{ role: "system", content: instructions }] : []),
      ...input.flatMap(messageOf),
    ],
    tools: objects(body["tools"]).map((tool) =>
      tool["type"] === "function" ? { type: "function", function: tool } : tool,
    ),
    tool_choice: choice["name"] === undefined ? body["tool_choice"] : { type: "function", function: choice },
    parallel_tool_calls: body["parallel_tool_calls"],
    max_completion_tokens: body["max_output_tokens"],
    temperature: body["temperature"],
    top_p: body["top_p"],
    stream: body["stream"],
    ...(format["schema"] === undefined ? {} : { response_format: { json_schema: format } }),
  };
}

function messageOf(item: Json): Json[] {
  switch (item["type"] ?? "message") {
    case "message":
      return [{ role: item["role"], content: contentOf(item["content"]) }];
    case "function_call": {
      const { call_id: id, name, arguments: given } = item;
      return [
        {
          role: "assistant",
          content: [],
          tool_calls: [{ id, type: "function", function: { name, arguments: given } }],
        },
      ];
    }
    // A custom tool's input is text; where arguments are JSON it is a member of them.
    case "custom_tool_call": {
      const { input, ...call } = item;
      return messageOf({ ...call, type: "function_call", arguments: JSON.stringify({ input }) });
    }
    case "custom_tool_call_output":
    case "function_call_output":
      return [{ role: "tool", tool_call_id: item["call_id"], content: contentOf(item["output"]) }];
    default:
      return [];
  }
}

function contentOf(content: unknown): unknown {
  if (typeof content === "string") return content;
  return objects(content).map((part) => {
    switch (part["type"]) {
      case "input_text":
      case "output_text":
        return { type: "text", text: part["text"] };
      case "input_image":
        return { type: "image_url", image_url: { url: part["image_url"] } };
      case "input_file":
        return { type: "file", file: part };
      default:
        return part;
    }
  });
}
