/** Is the manager's broker there, and does it let us in? */
import { existsSync, readFileSync } from "node:fs";
import type { Config, ManagerConfig } from "../config/load.ts";
import { brokerReason, clientOptions } from "../manager/client.ts";
import type { Clock } from "../port/clock.ts";
import { isCredential } from "./configuration.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";
import { checkNetwork } from "./network.ts";
import type { Running } from "./subject.ts";

const patience = 5_000;

/** Host and port of `mqtts://HOST[:PORT]`. */
function endpoint({ url }: ManagerConfig): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  const standard = protocol === "mqtts:" ? 8_883 : 1_883;
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? standard : Number(port) };
}

export async function checkBroker(
  config: Config,
  running: Running | undefined,
  clock: Clock,
): Promise<Finding[]> {
  const { manager } = config;
  if (manager === undefined) return [];
  const told = running?.status.broker;
  if (told?.up === true) return [ok(["broker", "broker"], `${told.url}, connected`)];
  const findings = await checkNetwork("broker", "broker", endpoint(manager), clock);
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
  const text = (file: string | undefined) =>
    file === undefined ? undefined : readFileSync(file, "utf8");
  try {
    const { url, protocol, username, password_file, ca, cert, key, crl } = manager;
    const { will: _, ...options } = clientOptions(
      {
        url,
        protocol,
        // The node's own identifier would throw the node out.
        clientId: `${nodeId}-doctor`,
        username,
        password: text(password_file)?.trimEnd(),
        ca: text(ca),
        cert: text(cert),
        key: text(key),
        crl: text(crl),
        crlFresh: manager.crl_fresh,
        requirePq: manager.require_pq,
        will: { topic: "", payload: Buffer.alloc(0) },
      },
      patience,
      () => clock.wall(),
    );
    const { default: mqtt } = await import("mqtt");
    const client = mqtt.connect(url, options);
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("connect", () => resolve());
        client.on("error", reject);
        client.once("close", () => reject(new Error("closed")));
      });
    } finally {
      client.end(true);
      client.stream.destroy();
    }
    return ok(name, `${url} lets the node in`);
  } catch (error) {
    const why = brokerReason(error, { ca: undefined, requirePq: manager.require_pq });
    const advice: readonly (readonly [RegExp, string])[] = [
      [
        /user name|authorized|identifier/,
        "check user, password file and the broker's list of clients",
      ],
      [/REVOKED/, "the broker's certificate was taken back: ask whoever runs the broker"],
      [/CRL/, "copy the CA's newest revocation list to manager.crl"],
      [/require_pq/, "the broker needs OpenSSL 3.5 or the like; or take manager.require_pq out"],
      [/CERT|ISSUER|SELF_SIGNED|ALTNAME/, "check manager.ca against the broker's certificate"],
      [/TLS|SSL|EPROTO/, "check url: mqtts for TLS, and the port; and manager.cert"],
    ];
    const found = advice.find(([pattern]) => pattern.test(why))?.[1];
    return fail(name, why, found ?? "see the broker's log");
  }
}
