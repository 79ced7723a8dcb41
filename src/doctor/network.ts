/** Name and port of a peer: can they be reached at all? */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { type Clock, within } from "../port/clock.ts";
import { errorCode } from "../port/errors.ts";
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
 * @returns findings, the last of which is not ok if it cannot be reached
 */
export async function checkNetwork(
  id: string,
  title: string,
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<Finding[]> {
  const late = () => Object.assign(new Error("late"), { code: "ETIMEDOUT" });
  let address: string;
  try {
    ({ address } = await within(clock, patience, lookup(host), late));
  } catch (error) {
    const why =
      errorCode(error) === "ETIMEDOUT" ? "the name server does not answer" : "no such name";
    const advice = `check ${host} in the configuration, and /etc/resolv.conf: getent hosts ${host}`;
    return [fail([`${id}.dns`, `name of ${title}`], `${host}: ${why}`, advice)];
  }
  const dns = ok(
    [`${id}.dns`, `name of ${title}`],
    host === address ? host : `${host} is ${address}`,
  );
  const tcp = [`${id}.tcp`, `way to ${title}`] as const;
  const where = `${address} port ${port}`;
  const socket = connect({ host: address, port });
  try {
    const connected = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.on("error", reject);
    });
    await within(clock, patience, connected, late);
    return [dns, ok(tcp, `${where} answers`)];
  } catch (error) {
    const code = errorCode(error) ?? "ETIMEDOUT";
    const [why, advice] = reasons[code] ?? [code, "check network and firewalls"];
    return [dns, fail(tcp, `${where}: ${why}`, advice)];
  } finally {
    socket.destroy();
  }
}
