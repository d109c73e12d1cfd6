/** Whom a client library talks to besides the one that it was pointed at. */
import { subscribe } from "node:diagnostics_channel";

/** Every host that this process connects to from now on, by `fetch` or by `node:http`. */
export function hostsSpokenTo(): ReadonlySet<string> {
  const hosts = new Set<string>();
  subscribe("undici:client:beforeConnect", (message) => {
    const { connectParams } = message as { readonly connectParams: { readonly hostname: string } };
    hosts.add(connectParams.hostname);
  });
  subscribe("http.client.request.start", (message) => {
    const { request } = message as { readonly request: { readonly host: string } };
    hosts.add(request.host);
  });
  return hosts;
}
