/** Is the manager's broker there, and does it let us in? */
import { existsSync } from "node:fs";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { brokerPlace } from "../../host/net/host.ts";
import { beginMqtt, brokerReason, type ClientOptions } from "../mqtt/client.ts";
import { readBrokerCredentials } from "../mqtt/credentials.ts";
import { type Daemon, isCredential } from "./configuration.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";
import { checkNetwork } from "./network.ts";

const patience = 5_000;

/** What the configuration says of the broker: the table `manager`. */
export type ManagerOfDoctor = Parameters<typeof readBrokerCredentials>[0] &
  Pick<ClientOptions, "url" | "protocol"> & {
    readonly username?: string | undefined;
    readonly require_pq: boolean;
  };

export interface BrokerSubject {
  /** Of the program. */
  readonly id: string;
  readonly manager: ManagerOfDoctor | undefined;
  readonly daemon: Pick<Daemon, "called">;
  /** What the running program says of its connection, if that is well. */
  readonly well: string | undefined;
}

export async function checkBroker(
  { id, manager, daemon, well }: BrokerSubject,
  clock: Clock,
): Promise<Finding[]> {
  if (manager === undefined) return [];
  if (well !== undefined) return [ok(["broker", "broker"], well)];
  const findings = await checkNetwork("broker", "broker", brokerPlace(manager.url), clock);
  if (findings.some(({ status }) => status !== "ok")) return findings;
  return [...findings, await checkConnection(id, manager, daemon, clock)];
}

async function checkConnection(
  id: string,
  manager: ManagerOfDoctor,
  { called }: Pick<Daemon, "called">,
  clock: Clock,
): Promise<Finding> {
  const name = ["broker.mqtt", "MQTT of broker"] as const;
  const { password_file: secret } = manager;
  const files = [secret, manager.ca, manager.cert, manager.key, manager.crl];
  if (files.some((file) => isCredential(file) && !existsSync(file as string))) {
    return skip(name, `needs credentials that only the service has: start ${called}`);
  }
  const over = new AbortController();
  try {
    const { url, protocol, username } = manager;
    const options = {
      ...readBrokerCredentials(manager),
      url,
      protocol,
      // Its own identifier would throw the daemon itself out.
      clientId: `${id}-doctor`,
      username,
    };
    const late = () => Object.assign(new Error("late"), { code: "ETIMEDOUT" });
    await within(clock, patience, letIn(options, clock, over.signal), late);
    return ok(name, `${url} lets ${called} in`);
  } catch (error) {
    if (error instanceof Fault) {
      return fail(name, describe(error), "see the checks of certificates above, and the files");
    }
    const why = brokerReason(error, { ca: undefined, requirePq: manager.require_pq });
    return fail(name, why, brokerAdvice(why, manager.ca !== undefined));
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

/** @param why as `brokerReason` has it @param hasCa `manager.ca` is configured @returns what to do about it */
export function brokerAdvice(why: string, hasCa: boolean): string {
  const untrusted = hasCa
    ? "check manager.ca against the broker's certificate"
    : "set manager.ca to who issued the broker's certificate: it is no CA of this machine's";
  const advice: readonly (readonly [RegExp, string])[] = [
    [
      /user name|authorized|identifier/,
      "check user, password file and the broker's list of clients",
    ],
    // An alert is the broker's word about us, and not ours about it.
    [
      /ALERT_(\w+_)?(CERTIFICATE|CA\b)/,
      "the broker does not take manager.cert: look at its dates and lists, and whose certificates the broker takes",
    ],
    [/PROTOCOL_VERSION/, "the broker needs TLS 1.3: nothing older is spoken"],
    [/REVOKED/, "the broker's certificate was taken back: ask whoever runs the broker"],
    [/CRL/, "copy the CA's newest revocation list to manager.crl"],
    [
      /EXPIRED|NOT_YET_VALID/,
      "the broker needs another certificate; is the clock of this machine right?",
    ],
    [/require_pq/, "the broker needs OpenSSL 3.5 or the like; or take manager.require_pq out"],
    [/ALTNAME/, "the broker's certificate names another host than url does"],
    [/CERT|ISSUER|SELF_SIGNED|LEAF_SIGNATURE/, untrusted],
    [/TLS|SSL|EPROTO/, "check url: mqtts for TLS, and the port; and manager.cert"],
  ];
  return advice.find(([pattern]) => pattern.test(why))?.[1] ?? "see the broker's log";
}

/**
 * What a program's own alarms say of the manager's broker: one of which no alarm tells is not asked again.
 * @param alarms that are raised; undefined: it does not run @returns what is well; undefined if that is not known
 */
export function wellByAlarms(
  alarms: readonly { readonly alarm: string }[] | undefined,
  url = "",
): string | undefined {
  const about = ["broker_unreachable.manager", "broker_takeover.manager"];
  const told = alarms?.some(({ alarm }) => about.includes(alarm));
  return told === false ? `${url}: no alarm tells of it` : undefined;
}
