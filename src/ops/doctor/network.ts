/** Name and port of a peer: can they be reached at all? */

import { type Clock, within } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { dial } from "../../host/net/dial.ts";
import { names } from "../../host/net/lookup.ts";
import { type Finding, fail, ok } from "./finding.ts";

const patience = 5_000;

const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ECONNREFUSED: [
    "connection refused",
    "the machine is there: is the program on it running, on this port?",
  ],
  EHOSTUNREACH: ["no route to it", "check cable, address and routes: ip route get ADDRESS"],
  ENETUNREACH: ["no route to its network", "check the network of this machine: ip addr, ip route"],
  ECONNRESET: ["closed at once", "a firewall or the program itself refuses this machine"],
  ETIMEDOUT: ["no answer", "check that it is switched on, and firewalls on the way"],
};

/**
 * @param id what its findings begin with: `km.main`
 * @param limit a connection may take so long, ms
 * @returns findings, the last of which is not ok if it cannot be reached
 */
export async function checkNetwork(
  id: string,
  title: string,
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
  limit = patience,
): Promise<Finding[]> {
  const late = () => Object.assign(new Error("late"), { code: "ETIMEDOUT" });
  let addresses: readonly string[];
  try {
    addresses = await within(clock, patience, names.addresses(host), late);
  } catch (error) {
    const none = errorCode(error) === "ENOTFOUND";
    const why = none ? "no such name" : "no name server answers";
    const advice = `check ${host} in the configuration, and /etc/resolv.conf: getent hosts ${host}`;
    return [fail([`${id}.dns`, `name of ${title}`], `${host}: ${why}`, advice)];
  }
  const where = addresses.join(", ");
  const dns = ok([`${id}.dns`, `name of ${title}`], host === where ? host : `${host} is ${where}`);
  const tcp = [`${id}.tcp`, `way to ${title}`] as const;
  const over = new AbortController();
  try {
    const connected = dial({ host, port }, { clock, signal: over.signal });
    const socket = await within(clock, limit, connected, late);
    const { remoteAddress = host } = socket;
    socket.destroy();
    return [dns, ok(tcp, `${remoteAddress} port ${port} answers`)];
  } catch (error) {
    const code = errorCode(error) ?? "ETIMEDOUT";
    const [why, advice] = reasons[code] ?? [code, "check network and firewalls"];
    return [dns, fail(tcp, `${where} port ${port}: ${why}`, advice)];
  } finally {
    over.abort();
  }
}
