/** A body with one member set, the rest as it was. */
export function withMember(
  body: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
  value: unknown,
): Record<string, unknown> {
  return set(body, path, value) as Record<string, unknown>;
}

function set(holder: unknown, [step, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (step === undefined) return value;
  if (typeof step === "number") {
    return (holder as readonly unknown[]).map((item, at) => (at === step ? set(item, rest, value) : item));
  }
  const members = holder as Readonly<Record<string, unknown>>;
  return { ...members, [step]: set(members[step], rest, value) };
}
