/**
 * Slack's incoming webhooks, in the form that Mattermost, Rocket.Chat and Discord (`…/slack`) understand, too: a text and one attachment,
 * not blocks.
 */
import type { Form } from "./form.ts";
import type { Message } from "./message.ts";

export const slack: Form = {
  forgets: false,
  outgoing(channel, message) {
    const title = escaped(message.title, TITLE_CHARACTERS_MAX);
    const body = JSON.stringify({
      text: `${symbolOf(message)} ${title}`,
      // A name that is an address is shown, and not fetched.
      unfurl_links: false,
      unfurl_media: false,
      attachments: [
        {
          color: message.isResolved ? "good" : message.severity === "critical" ? "danger" : "warning",
          fallback: title,
          text: escaped(message.text, TEXT_CHARACTERS_MAX),
          fields: message.fields.map(([name, value]) => ({ title: name, value: escaped(value, 200), short: true })),
          footer: "Sluice",
          ts: Math.floor(message.atMs / 1000),
          mrkdwn_in: ["text"],
        },
      ],
    });
    return { url: channel.url, headers: {}, body };
  },
};

const TITLE_CHARACTERS_MAX = 250;
/** Slack cuts at 4,000 for good reading. */
const TEXT_CHARACTERS_MAX = 3_500;

function symbolOf({ isResolved, severity }: Message): string {
  if (isResolved) return ":white_check_mark:";
  return severity === "critical" ? ":rotating_light:" : ":warning:";
}

/** `<!channel>` in a name that somebody made up calls nobody. */
function escaped(text: string, charactersMax: number): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return cut.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
