/** Is the manager's broker there, and does it let us in? */
import { existsSync } from "node:fs";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { brokerPlace } from "../../host/net/host.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import { checkNetwork } from "../../ops/doctor/network.ts";
import { beginMqtt, brokerReason, type ClientOptions } from "../../ops/mqtt/client.ts";
import { readBrokerCredentials } from "../../ops/mqtt/credentials.ts";
import type { Config } from "../config/load.ts";
import type { ManagerConfig } from "../config/tables.ts";
import type { Running } from "./subject.ts";

const patience = 5_000;

export async function checkBroker(
  config: Config,
  running: Running | undefined,
  clock: Clock,
): Promise<Finding[]> {
  const { manager } = config;
  if (manager === undefined) return [];
  const told = running?.status.broker;
  if (told?.up === true) return [ok(["broker", "broker"], `${told.url}, connected`)];
  const findings = await checkNetwork("broker", "broker", brokerPlace(manager.url), clock);
  if (findings.some(({ status }) => status !== "ok")) return findings;
  return [...findings, await checkConnection(config.node.id, manager, clock)];
}

async function checkConnection(
  nodeId: string,
  manager: ManagerConfig,
  clock: Clock,
): Promise<Finding> {
  const name = ["broker.mqtt", "MQTT of broker"] as const;
  const { password_file: secret } = manager;
  const files = [secret, manager.ca, manager.cert, manager.key, manager.crl];
  if (files.some((file) => isCredential(file) && !existsSync(file as string))) {
    return skip(name, "needs credentials that only the service has: start the node");
  }
  const over = new AbortController();
  try {
    const { url, protocol, username } = manager;
    const options = {
      ...readBrokerCredentials(manager),
      url,
      protocol,
      // The node's own identifier would throw the node out.
      clientId: `${nodeId}-doctor`,
      username,
    };
    const late = () => Object.assign(new Error("late"), { code: "ETIMEDOUT" });
    await within(clock, patience, letIn(options, clock, over.signal), late);
    return ok(name, `${url} lets the node in`);
  } catch (error) {
    if (error instanceof Fault) {
      return fail(name, describe(error), "see the checks of certificates above, and the files");
    }
    const why = brokerReason(error, { ca: undefined, requirePq: manager.require_pq });
    const untrusted =
      manager.ca === undefined
        ? "set manager.ca to who issued the broker's certificate: it is no CA of this machine's"
        : "check manager.ca against the broker's certificate";
    const advice: readonly (readonly [RegExp, string])[] = [
      [
        /user name|authorized|identifier/,
        "check user, password file and the broker's list of clients",
      ],
      [/REVOKED/, "the broker's certificate was taken back: ask whoever runs the broker"],
      [/CRL/, "copy the CA's newest revocation list to manager.crl"],
      [/require_pq/, "the broker needs OpenSSL 3.5 or the like; or take manager.require_pq out"],
      [/ALTNAME/, "the broker's certificate names another host than url does"],
      [/CERT|ISSUER|SELF_SIGNED/, untrusted],
      [/TLS|SSL|EPROTO/, "check url: mqtts for TLS, and the port; and manager.cert"],
    ];
    const found = advice.find(([pattern]) => pattern.test(why))?.[1];
    return fail(name, why, found ?? "see the broker's log");
  } finally {
    over.abort();
  }
}

/** Resolves when the broker has let the node in; the connection is closed then. */
async function letIn(options: ClientOptions, clock: Clock, signal: AbortSignal): Promise<void> {
  const client = await beginMqtt(options, patience, clock, signal);
  const close = () => {
    client.end(true);
    client.stream.destroy();
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.on("error", reject);
      client.once("close", () => reject(new Error("closed")));
    });
  } finally {
    close();
  }
}
