/** Do the controllers answer? A connection is made up to TLS and ended: no Report is sent, so that no session of this KM ends. */
import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import { peerOf } from "../../host/tls/peer.ts";
import { readTexts } from "../../host/tls/texts.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import { checkNetwork } from "../../ops/doctor/network.ts";
import type { ControllerConfig } from "../config/controllers.ts";
import { type CkIdentity, dialCk } from "../io/ck-dial.ts";
import type { Running } from "./subject.ts";

const never = new AbortController().signal;

/** @param forbidden the key manager runs, but does not say how it is */
export async function checkController(
  config: ControllerConfig,
  running: Running | undefined,
  forbidden: boolean,
  clock: Clock,
): Promise<Finding[]> {
  const { name, host, port } = config;
  const id = `controller.${name}`;
  const title = [id, `controller ${name}`] as const;
  const told = running?.status.controllers?.find((one) => one.name === name);
  if (told?.connected) {
    const exchange = told.key_exchange === undefined ? "" : `, key exchange ${told.key_exchange}`;
    return [ok(title, `connected${told.standby ? ", it stands by" : ""}${exchange}`)];
  }
  const network = await checkNetwork(id, `controller ${name}`, { host, port }, clock);
  if (network.some(({ status }) => status !== "ok")) return network;
  return [...network, await checkTls(config, forbidden, clock)];
}

async function checkTls(
  config: ControllerConfig,
  forbidden: boolean,
  clock: Clock,
): Promise<Finding> {
  const { name, serverName, ca, cert, key, crl } = config;
  const title = [`controller.${name}.tls`, `TLS of controller ${name}`] as const;
  if ([ca, cert, key, crl].some((path) => isCredential(path) && !existsSync(path ?? ""))) {
    return skip(title, "needs credentials that only the service has: start the key manager");
  }
  try {
    const socket = await dialCk(config, readTexts(config) as CkIdentity, clock, never);
    const { group } = peerOf(socket) ?? {};
    socket.destroy();
    return ok(title, `TLS 1.3, it is ${serverName}, key exchange ${group}`);
  } catch (error) {
    const why = describe(error);
    if (forbidden && /cannot be read/.test(why)) return skip(title, why);
    const advice = "compare host, port, binding and server_name, and the CAs of both ends";
    return fail(title, why, advice);
  }
}
