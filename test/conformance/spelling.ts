/** The same stream in other spellings that servers have for it: none of them changes what it says. */

const SPELLINGS: readonly (readonly [name: string, respell: (stream: string) => string])[] = [
  ["lines that end with CR and LF", (stream) => stream.replaceAll("\n", "\r\n")],
  ["comments between the events", (stream) => stream.replaceAll("\n\n", "\n\n: still there\n\n")],
  ["no end of the last line", (stream) => stream.replace(/\n+$/, "")],
  ["no space behind the field's name", (stream) => stream.replace(/^(data|event): /gm, "$1:")],
  ["no `[DONE]`", (stream) => stream.replace(/data: \[DONE\]\n*$/, "")],
  ["an event that nobody knows", (stream) => stream.replace("\n\n", `\n\n${UNKNOWN}`)],
  ["fields that nobody knows", (stream) => stream.replaceAll("data: ", "id: 7\nretry: 10\ndata: ")],
];
const UNKNOWN = 'event: mystery\ndata: {"type":"mystery","object":"chat.completion.chunk","choices":[]}\n\n';

/** @param number Which of them, in turn. */
export function respelt(bytes: Buffer, number: number): { readonly name: string; readonly bytes: Buffer } {
  const [name, respell] = SPELLINGS[number % SPELLINGS.length] ?? ["as it is", (stream: string) => stream];
  return { name, bytes: Buffer.from(respell(bytes.toString("utf8").replaceAll("\r\n", "\n"))) };
}
