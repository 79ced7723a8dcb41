/**
 * Is the key manager at the other end there, and is it the right one? A connection is made up to TLS and ended: no
 * HELLO is said, so that no session of the two ends.
 */
import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import { peerOf } from "../../host/tls/peer.ts";
import { readTexts } from "../../host/tls/texts.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import { checkNetwork } from "../../ops/doctor/network.ts";
import type { KmConfig } from "../config/load.ts";
import type { LinkConfig } from "../config/tables.ts";
import { dialKx, type KxIdentity } from "../io/kx-dial.ts";
import type { Running } from "./subject.ts";

const never = new AbortController().signal;

/** @param forbidden it runs, but does not say how it is */
export async function checkPeer(
  link: LinkConfig,
  config: KmConfig,
  running: Running | undefined,
  forbidden: boolean,
  clock: Clock,
): Promise<Finding[]> {
  const { name, peer, host, port } = link;
  const title = [`link.${name}`, `KM ${peer}`] as const;
  const told = running?.status.links.find((one) => one.name === name);
  if (told?.session === "ready") {
    const exchange = told.key_exchange === undefined ? "" : `, key exchange ${told.key_exchange}`;
    return [ok(title, `connected, its books agree${exchange}`)];
  }
  if (told?.session === "comparing") return [ok(title, "connected, books are being compared")];
  // What it says of itself is nearer to the cause than what a second connection finds.
  const said = running && lastWord(running.log, name, peer);
  const complaint =
    said === undefined ? [] : [refused([`link.${name}.told`, `link ${name}`], said)];
  if (host === undefined || port === undefined) {
    if (complaint.length > 0) return complaint;
    const why = `it dials this key manager${running === undefined ? "" : ", and has not yet"}`;
    if (running === undefined) return [skip(title, why)];
    const advice = "look there: qkd-km doctor; and at firewalls on the way to kx.port";
    return [fail(title, why, advice)];
  }
  const id = `link.${name}`;
  const network = await checkNetwork(id, `KM ${peer}`, { host, port }, clock);
  if (network.some(({ status }) => status !== "ok")) return network;
  return [...network, ...complaint, ...(await checkTls(link, config, forbidden, clock))];
}

async function checkTls(
  { name, peer, host = "", port = 0, server_name }: LinkConfig,
  { kx }: KmConfig,
  forbidden: boolean,
  clock: Clock,
): Promise<Finding[]> {
  const title = [`link.${name}.tls`, `TLS of KM ${peer}`] as const;
  if (kx === undefined) return [];
  if (
    [kx.ca, kx.cert, kx.key, kx.crl].some((path) => isCredential(path) && !existsSync(path ?? ""))
  ) {
    return [skip(title, "needs credentials that only the service has: start the key manager")];
  }
  try {
    const peerName = server_name ?? host;
    const texts = readTexts(kx) as KxIdentity;
    const socket = await dialKx({ host, port, peerName }, texts, clock, never);
    const { peerNames = [], group } = peerOf(socket) ?? {};
    socket.destroy();
    const found = ok(title, `TLS 1.3, it is ${peerName}, key exchange ${group}`);
    if (peerNames.includes(peer)) return [found];
    const detail = `its certificate does not name it; that it is ${peer} is told in a session only`;
    return [found, skip([`link.${name}.id`, `ID of KM ${peer}`], detail)];
  } catch (error) {
    const why = describe(error);
    if (forbidden && /cannot be read/.test(why)) return [skip(title, why)];
    return [refused(title, why)];
  }
}

/** Why the link is not up, as the log had it last; undefined if it says nothing of that. */
function lastWord(log: readonly string[], link: string, peer: string): string | undefined {
  const about = log.filter((line) => {
    const isOf =
      line.includes(`at=km.link.${link} `) ||
      line.includes(`from=${peer} `) ||
      line.includes('msg="connection of a KM refused"');
    return isOf && /level=(warn|error|info)/.test(line);
  });
  const last = about.at(-1);
  if (last === undefined || /msg="KM link is up"/.test(last)) return undefined;
  const [, cause] = /\bcause=("(?:[^"\\]|\\.)*"|\S+)/.exec(last) ?? [];
  const [, message] = /\bmsg=("(?:[^"\\]|\\.)*"|\S+)/.exec(last) ?? [];
  const text = cause ?? message;
  const plain = text?.replace(/^"|"$/g, "").replaceAll('\\"', '"');
  return plain?.startsWith(`KM ${peer}: `) ? plain.slice(`KM ${peer}: `.length) : plain;
}

const advices: readonly (readonly [RegExp, string])[] = [
  [/refused/, "is the other key manager running, on this port?"],
  [
    /another CA|issuer|self.signed/i,
    "kx.ca must hold the CA that issued its certificate; or it is another KM",
  ],
  [
    /names another|ALTNAME|not in the cert/i,
    "set server_name to a name of its certificate; or it is another KM",
  ],
  [
    /another KM answers|talk to another KM|no link to a KM/,
    "compare km.id there with link.NAME.peer here, and the other way round",
  ],
  [/expired|not valid yet/, "check the clock of both machines, then have the certificate renewed"],
  [/revoked/, "the certificate was taken back: ask whoever runs the other key manager"],
  [/revocation list/, "copy the newest list of the CA to kx.crl"],
  [
    // A link that was there and is reset is over, as one that is closed.
    /refuses our certificate|(?<!the link ended: )closed by/,
    "the other end must trust the CA of kx.cert and know its name: see its log",
  ],
  [/speak/, "something else listens there: check host and port of the link"],
  [/cannot be used|cannot be read/, "see the checks of certificates"],
  // Who is dialled sees no more of one that stopped than of one that refuses it.
  [
    /closed/,
    "it has stopped, or it refuses this one: ask there, qkd-km doctor; compare km.id, peer and certificates",
  ],
];

function refused(name: readonly [string, string], why: string): Finding {
  const found = advices.find(([pattern]) => pattern.test(why))?.[1];
  return fail(name, why, found ?? "see the logs of both key managers");
}
