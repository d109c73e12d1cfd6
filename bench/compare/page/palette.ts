/** The page's colours, on light and on dark ground. Words in them have a contrast of 4.5 at least; nothing is told by colour alone. */

interface Shades {
  readonly light: string;
  readonly dark: string;
}

/** Of targets, in their order; then again from the first. */
const TARGETS: readonly Shades[] = [
  { light: "#0a5fbf", dark: "#6db3f8" },
  { light: "#b1480a", dark: "#f2a15c" },
  { light: "#12733c", dark: "#5cc98a" },
  { light: "#7a3fc0", dark: "#bb9bfa" },
  { light: "#b31a5d", dark: "#f283b4" },
  { light: "#0b6e75", dark: "#4fcbd0" },
  { light: "#77550b", dark: "#d8b45f" },
  { light: "#4b5563", dark: "#b4bdc9" },
];

/** Of buckets of tokens: what is read again is pale, what is written to be read again is warm, what is new is strong. */
const BUCKETS: Readonly<Record<string, Shades & { readonly on: Shades }>> = {
  uncached: { light: "#3f74b5", dark: "#5a94d6", on: { light: "#ffffff", dark: "#06121f" } },
  read: { light: "#c3d9f0", dark: "#26405e", on: { light: "#12314f", dark: "#d5e6f8" } },
  write: { light: "#e8b35c", dark: "#8a5d12", on: { light: "#3a2503", dark: "#fff3dc" } },
  output: { light: "#5b4a8a", dark: "#9d8bd0", on: { light: "#ffffff", dark: "#140d26" } },
  reasoning: { light: "#a99bd0", dark: "#64539a", on: { light: "#1c1338", dark: "#f0ebff" } },
};

export const COLOR_COUNT: number = TARGETS.length;

/** Custom properties of one ground. */
export function variables(ground: "light" | "dark"): string {
  const targets = TARGETS.map((shades, index) => `--c${index}:${shades[ground]}`);
  const buckets = Object.entries(BUCKETS).map(
    ([name, shades]) => `--${name}:${shades[ground]};--on-${name}:${shades.on[ground]}`,
  );
  return [...targets, ...buckets].join(";");
}

/** Classes that take them. */
export function colorRules(): string {
  const targets = TARGETS.map((_, index) => `.c${index}{color:var(--c${index})}`);
  const buckets = Object.keys(BUCKETS).map(
    (name) => `.${name} .part{fill:var(--${name})}.${name} .inside{fill:var(--on-${name})}`,
  );
  return [...targets, ...buckets].join("\n");
}
