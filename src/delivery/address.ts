/**
 * Which addresses a message may be sent to. Its receivers are named by the config, but what a name means is decided elsewhere, by whoever
 * has its zone: a name that means an address of a private network is refused where the config does not allow it.
 */
import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** The code of the error that a refused address ends a connection with. */
export const PRIVATE_ADDRESS = "SLUICE_PRIVATE_ADDRESS";

/** Not to be found on the Internet: own networks, this machine, links, groups, and what stands for one of them. */
const privateAddresses = blockList([
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 128],
  ["::1", 128],
  // Each holds an IPv4 address, which may be any of the above.
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
]);

/** Where clouds keep credentials of machines. */
const linkAddresses = blockList([
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::", 32],
]);

/** @param address Of IPv4, IPv6, or IPv4 in IPv6. */
export function isPrivateAddress(address: string): boolean {
  return isIn(privateAddresses, address);
}

export type HostKind = "name" | "address" | "link";

/**
 * What the config names when it names this host. `address`: one address, or this machine, which whoever writes it means; `link`: one that
 * nobody means (a cloud's metadata); `name`: whatever its zone says.
 */
export function hostKind(url: URL): HostKind {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0) return isIn(linkAddresses, host) ? "link" : "address";
  return host === "localhost" || host.endsWith(".localhost") ? "address" : "name";
}

type Resolve = (
  name: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, found: string | LookupAddress[], family?: number) => void,
) => void;

/** Looks a name up for a connection, and ends it where one of its addresses is private: which of them is tried is not ours to say. */
export function publicLookup(resolve: Resolve = lookup): LookupFunction {
  return (name, options, callback) => {
    resolve(name, options, (error, found, family) => {
      if (error !== null) return callback(error, found, family);
      const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
      if (!addresses.some(isPrivateAddress)) return callback(null, found, family);
      return callback(Object.assign(new Error("the name means a private address"), { code: PRIVATE_ADDRESS }), []);
    });
  };
}

function isIn(list: BlockList, address: string): boolean {
  // What is after it is the interface.
  const [plain = ""] = address.split("%");
  return list.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
}

function blockList(subnets: readonly (readonly [net: string, prefix: number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 6 ? "ipv6" : "ipv4");
  return list;
}
