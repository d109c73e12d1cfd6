/**
 * A gateway with a scripted provider behind each of its names: by default one for each dialect, called by its kind.
 */
import { expect } from "vitest";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { SAID, wires, type Said, type Wire } from "./line-wires.ts";
import { startGateway, until, type RunningGateway, type RunningOptions } from "./running.ts";

export interface Line {
  readonly gateway: RunningGateway;
  readonly url: string;
  /** The provider of this name. */
  upstream(name: string): FakeUpstream;
  /** Requests that reached any provider. */
  readonly sent: number;
  /** Also asserts that nothing was left open, and that no provider's key was logged. */
  close(): Promise<void>;
}

export interface LineOptions {
  /** By name; the alias `all` is their models in this order. */
  readonly upstreams?: Readonly<Record<string, Wire>>;
  /** Further sections of the config. */
  readonly yaml?: string;
  /** Where they keep data, by their names. */
  readonly residency?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly data?: string;
  readonly now?: () => number;
  /** Further options of the gateway. */
  readonly sluice?: RunningOptions["sluice"];
}

/** The credential that the provider of this name expects: it must be seen by that provider and by nobody else. */
export function providerKey(name: string): string {
  return `sk-provider-${name}-0123456789abcdef`;
}

export async function startLine(options: LineOptions = {}): Promise<Line> {
  const named = options.upstreams ?? Object.fromEntries(wires.toReversed().map((wire) => [wire.kind, wire]));
  const upstreams = new Map<string, FakeUpstream>();
  const environment: Record<string, string> = {};
  const yaml = ["policy: { default: ordered }", options.yaml ?? "", "providers:"];
  for (const [name, wire] of Object.entries(named)) {
    const upstream = await startFakeUpstream(answers(wire));
    upstreams.set(name, upstream);
    environment[`${name.toUpperCase()}_KEY`] = providerKey(name);
    const place = options.residency?.[name];
    const residency = place === undefined ? "" : `, residency: ${place}`;
    const address = `baseUrl: "${upstream.url}/v1", apiKeyEnv: ${name.toUpperCase()}_KEY`;
    yaml.push(`  ${name}: { kind: ${wire.kind}, ${address}${residency} }`);
  }
  yaml.push(
    `aliases: { all: [${Object.entries(named)
      .map(([name, wire]) => `${name}/${wire.model}`)
      .join(", ")}] }`,
  );
  const gateway = await startGateway({
    environment: { LOG_LEVEL: "debug", ...environment, ...options.environment },
    yaml: yaml.join("\n"),
    ...(options.data === undefined ? {} : { data: options.data }),
    ...(options.now === undefined ? {} : { now: options.now }),
    ...(options.sluice === undefined ? {} : { sluice: options.sluice }),
  });
  const all = [...upstreams.values()];
  return {
    gateway,
    url: gateway.url,
    upstream(name) {
      const found = upstreams.get(name);
      if (found === undefined) throw new Error(`no upstream is called ${name}`);
      return found;
    },
    get sent() {
      return all.reduce((sum, upstream) => sum + upstream.requests.length, 0);
    },
    async close() {
      await until(() => gateway.sluice.admission.inFlight === 0 && all.every((upstream) => upstream.open === 0));
      await gateway.close();
      for (const upstream of all) await upstream.close();
      for (const name of Object.keys(named)) expect(gateway.logged.join("")).not.toContain(providerKey(name));
    },
  };
}

/** A provider as it should be: whole or streamed, and in the dialect, as it is asked. */
export function answers(named: Wire, said: Said = SAID): Script {
  return (outgoing, arrived, number) => {
    const isAsked = ({ kind, upstreamPath }: Wire) => kind === named.kind && arrived.path.startsWith(upstreamPath);
    const wire = wires.find(isAsked) ?? named;
    // Which models it has, it does not say.
    if (arrived.method === "GET") return json({ error: { message: "not found" } }, 404)(outgoing, arrived, number);
    const { stream } = JSON.parse(arrived.body.toString("utf8")) as { stream?: boolean };
    if (stream !== true) return json(wire.whole(said))(outgoing, arrived, number);
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.end(wire.events(said).join(""));
    return undefined;
  };
}
