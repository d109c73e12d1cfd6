/** The page of losses, written from the matrix. */
import type { Pair, Row, Told } from "./matrix.ts";

export function page(pairs: readonly Pair[]): string {
  const crossing = pairs.filter(({ client, upstream }) => client !== upstream);
  const same = pairs.filter(({ client, upstream }) => client === upstream);
  return [
    ...head(pairs),
    "## Pairs",
    "",
    ...summary(pairs),
    "",
    "# Across dialects",
    "",
    ...crossing.flatMap(section),
    "# The same dialect",
    "",
    "The client's bytes go as they are, with the few edits that a model or a provider insists on. Answers are not changed.",
    "",
    ...same.flatMap(section),
  ].join("\n");
}

function head(pairs: readonly Pair[]): string[] {
  const things = pairs.reduce((sum, { requests, answers }) => sum + requests.length + answers.length, 0);
  return [
    "# What translation loses",
    "",
    "Written by `npm run -s translation > docs/translation.md` from the code that translates; a test fails when it differs.",
    "",
    `For each pair of a client's dialect and the one spoken upstream: every field and block that the first has, one at a time, written`,
    "for every model of the table that converses and for one that no table knows. " +
      `${pairs.length} pairs, ${things} rows. Not here: calls that are`,
    "forwarded to a provider that has them, or refused (embeddings, text completion, token counts), and pairs that no provider makes.",
    "",
    "## How to read it",
    "",
    "| word | what happens |",
    "|---|---|",
    "| kept | it is said upstream, in the words of its dialect (`as` names the place, where that is another) |",
    "| changed | it is said otherwise than it was, and a loss names that |",
    "| lost | it is left out, and a loss names that |",
    "| refused | no target of the pair is tried: without it, the request would mean something else. An explicit error names the need |",
    "| left out | nothing is said of it, and the reason is given: it would change no answer |",
    "",
    "A loss is a word in `code` here. It stands in the header `x-sluice-losses` (when it was known before the first byte of the answer),",
    "with its path in the column `losses` of the ledger row, and counts in `sluice_translation_losses_total{from,to,field}`. With `strict`,",
    "a request of which something would be lost is a 400 instead that names the fields. What an answer loses comes after its header: it",
    "is on the row and in the metric. Where it depends on the model, each case is given with the number of models and one of them.",
    "",
    "What only the client's dialect has is called by its name where one of its official clients sends it (`store`, `citations`), else",
    "`unknown-field`, and the header adds where it stood: `unknown-field(mine)`. Of an `unknown-block` the row's path tells which it was.",
    "A field that a model's own rules forbid (`temperature` beside reasoning) is lost for that model in its own dialect too.",
    "",
    "`json_instruction` is something added. OpenAI and Mistral refuse to be asked for a JSON object by a prompt that does not say the word,",
    "which other dialects need not: unless the prompt says it before the first answer, `Respond with one JSON object only.` stands behind the",
    "system's words. `json_object` is the same sentence where it stands for the format, which Anthropic lacks: the model is told, not held to it.",
    "",
  ];
}

function summary(pairs: readonly Pair[]): string[] {
  return [
    "| client | upstream | models | kept whole | changed or lost | refused | left out |",
    "|---|---|--:|--:|--:|--:|--:|",
    ...pairs.map((pair) => {
      const rows = [...pair.requests, ...pair.answers];
      const counts = [
        rows.filter(isKept),
        rows.filter((row) => has(row, "changed", "lost")),
        rows.filter((row) => has(row, "refused")),
        rows.filter((row) => has(row, "unsaid")),
      ].map((found) => String(found.length));
      return line([pair.client, `[${pair.upstream}](#${anchor(pair)})`, String(pair.models), ...counts]);
    }),
  ];
}

function section(pair: Pair): string[] {
  return [
    `## ${title(pair)}`,
    "",
    ...part("Requests", pair.requests, pair.models),
    ...(pair.answers.length === 0 ? [] : part("Answers", pair.answers, 1)),
  ];
}

function title({ client, upstream }: Pair): string {
  return client === upstream ? `${client}, as it is` : `${client} to ${upstream}`;
}

function anchor(pair: Pair): string {
  return title(pair).replaceAll(",", "").replaceAll(" ", "-");
}

function part(name: string, rows: readonly Row[], models: number): string[] {
  const kept = rows.filter(isKept);
  const other = rows.filter((row) => !isKept(row));
  const isAll = other.length === 0;
  return [
    ...(isAll ? [`**${name}**: nothing is lost.`] : [`**${name}**`]),
    "",
    ...(isAll ? [] : ["| said | what happens | note |", "|---|---|---|", ...lines(other, models), ""]),
    ...(kept.length === 0 ? [] : [`Kept: ${kept.map(keptText).join(", ")}.`, ""]),
  ];
}

/** What fares alike stands together. */
function lines(rows: readonly Row[], models: number): string[] {
  const alike = Map.groupBy(rows, (row) => line(fate(row, models)));
  return [...alike.values()].map((group) => {
    const names = group.map(({ what }) => `\`${what}\``).join(", ");
    return line([names, ...group.slice(0, 1).flatMap((row) => fate(row, models))]);
  });
}

function fate({ outcomes }: Row, models: number): readonly [what: string, note: string] {
  const texts = [...Map.groupBy(outcomes, outcomeText)].map(([text, told]) => {
    const count = told.reduce((sum, one) => sum + one.models, 0);
    return `${text}${count === models ? "" : ` (${count} of ${models} models, such as ${told[0]?.example ?? ""})`}`;
  });
  const notes = outcomes.flatMap(({ kind, words, reason }) => {
    if (kind === "refused") return words.map((word) => word.replace(/^[a-z]+\[[^ ]*: /, ""));
    return reason === undefined ? [] : [reason.why];
  });
  return [texts.join("; "), [...new Set(notes)].join("; ")];
}

function outcomeText(told: Told): string {
  const words = told.words.map((word) => `\`${word}\``).join(", ");
  switch (told.kind) {
    case "kept":
      return told.places.length === 0 ? "kept" : `kept in ${placeText(told.places)}`;
    case "changed":
      return `changed: ${words}`;
    case "lost":
      return `lost: ${words}`;
    case "refused":
      return "refused";
    case "unsaid":
      return told.places.length === 0 ? "left out" : `kept in ${placeText(told.places)}, in part`;
  }
}

function keptText({ what, outcomes }: Row): string {
  const place = placeText(outcomes[0]?.places ?? []);
  return place === `\`${what}\`` ? place : `\`${what}\` as ${place}`;
}

/** Where several members changed, what they are all in. */
function placeText(places: readonly string[]): string {
  const [first = "", ...others] = places.map((place) => place.split("."));
  const steps = first === "" ? [] : first;
  const shared = steps.filter((step, at) => others.every((other) => other[at] === step) && isBegun(steps, others, at));
  return `\`${(shared.length > 0 ? shared : steps.slice(0, 1)).join(".").replace(/\[\]$/, "")}\``;
}

function isBegun(steps: readonly string[], others: readonly (readonly string[])[], at: number): boolean {
  return steps.slice(0, at).every((step, before) => others.every((other) => other[before] === step));
}

function isKept({ outcomes }: Row): boolean {
  return outcomes.every(({ kind }) => kind === "kept");
}

function has({ outcomes }: Row, ...kinds: readonly Told["kind"][]): boolean {
  return outcomes.some(({ kind }) => kinds.includes(kind));
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
