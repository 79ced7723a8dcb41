/**
 * Is the KM there, is it the right one, does it accept us, and does it speak Kq-1? For the last a
 * Key supply message without a key is sent: a KM answers that it is not valid (Kq-1 §8.1.2), and
 * neither of the two has a key more or less than before.
 */
import { existsSync } from "node:fs";
import { request } from "node:https";
import type { Socket } from "node:net";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { names } from "../../host/net/lookup.ts";
import { readCredentials } from "../../host/tls/credentials.ts";
import { clientTls } from "../../host/tls/options.ts";
import { peerOf } from "../../host/tls/peer.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { isCredential } from "../../ops/doctor/configuration.ts";
import { type Finding, fail, ok, skip, warn } from "../../ops/doctor/finding.ts";
import { checkNetwork } from "../../ops/doctor/network.ts";
import { KqDeframer, writeHeader } from "../../wire/kq1/frame.ts";
import { command, header, parameter } from "../../wire/kq1/names.ts";
import type { Config } from "../config/load.ts";
import type { KmConfig } from "../config/tables.ts";
import { connectKm, endpointName, type KmEndpoint } from "../io/connect.ts";
import { supplyPath } from "../io/https-supply.ts";
import type { Running } from "./subject.ts";

const never = new AbortController().signal;

/** Every KM, each once. */
export function kmsOf(config: Config): KmConfig[] {
  return [...new Set(config.modules.flatMap(({ kms }) => kms))];
}

export async function checkKm(
  km: KmConfig,
  config: Config,
  running: Running | undefined,
  clock: Clock,
): Promise<Finding[]> {
  const id = `km.${km.name}`;
  const title = `KM ${km.name}`;
  const links = running?.links.modules
    .flatMap(({ kms }) => kms)
    .filter(({ name }) => name === km.name);
  if (links !== undefined && links.length > 0) {
    const unwell = running?.alarms.alarms.find((alarm) => isAbout(alarm, km, config));
    if (unwell !== undefined && !links.every(({ awaited }) => awaited)) {
      const { alarm, detail, text } = unwell;
      return [fail([id, title], `${alarm}: ${detail ?? text}`, unwell.action)];
    }
    if (links.every(({ up }) => up)) return [ok([id, title], "connected")];
    if (links.every(({ awaited }) => awaited)) {
      return [ok([id, title], "connects by itself when it wants keys")];
    }
  }
  const findings = await checkNetwork(id, title, km, clock, km.connect_timeout);
  if (findings.some(({ status }) => status !== "ok")) return findings;
  return [...findings, ...(await checkProtocol(km, moduleOf(km, config, running), clock))];
}

/** A KM that is connected and takes no keys. Where a module has several, the alarm's detail names it. */
function isAbout(
  { name, object, active, detail = "" }: Running["alarms"]["alarms"][number],
  km: KmConfig,
  config: Config,
): boolean {
  if (!active || !["km_silent", "km_refusing"].includes(name)) return false;
  const module = config.modules.find((one) => one.name === object);
  if (module === undefined || !module.kms.includes(km)) return false;
  return module.kms.length === 1 || detail.startsWith(`${km.name}: `);
}

function moduleOf(km: KmConfig, config: Config, running: Running | undefined): string {
  const module = config.modules.find(({ kms }) => kms.includes(km));
  const told = running?.status.modules.find(({ name }) => name === module?.name)?.module_id;
  return told ?? module?.module_id ?? "unknown";
}

async function checkProtocol(km: KmConfig, moduleId: string, clock: Clock): Promise<Finding[]> {
  const { ca, cert, key, crl } = km;
  const secure = [`km.${km.name}.tls`, `TLS of KM ${km.name}`] as const;
  const spoken = [`km.${km.name}.kq1`, `Kq-1 of KM ${km.name}`] as const;
  if ([ca, cert, key, crl].some((path) => isCredential(path) && !existsSync(path as string))) {
    return [skip(secure, "needs credentials that only the service has: start the node")];
  }
  let socket: Socket;
  let endpoint: KmEndpoint;
  try {
    const has = ca !== undefined && cert !== undefined && key !== undefined;
    endpoint = {
      host: km.host,
      port: km.port,
      serverName: km.server_name ?? km.host,
      tls: has
        ? {
            ...readCredentials({ ca, cert, key, crl }, "kq1.connect"),
            crlFresh: km.crl_fresh,
            requirePq: km.require_pq,
          }
        : undefined,
      connectTimeout: km.connect_timeout,
    };
    socket = await connectKm(endpoint, clock, never);
  } catch (error) {
    return [refused(secure, describe(error))];
  }
  const name = endpoint.serverName;
  const identity = endpoint.tls
    ? ok(secure, `TLS 1.3, it is ${name}, key exchange ${peerOf(socket)?.group}`)
    : warn(secure, "none: keys are readable on the way", 'transport = "tls" and certificates');
  try {
    const said =
      km.transport === "https" ? https(km, endpoint, moduleId, clock) : kq1(socket, moduleId);
    const late = () => new Fault("kq1.timeout", "no answer", { limit_ms: km.answer_timeout });
    const answer = await within(clock, km.answer_timeout, said, late);
    return [identity, ok(spoken, answer)];
  } catch (error) {
    const why = error instanceof Fault ? describe(error) : connectionReason(error, "KM");
    if (/refuses our certificate/.test(why)) return [refused(secure, why)];
    const closed = /closed|ended/.test(why);
    const advice = "a KM may close what it cannot follow: see its log for this node's message";
    if (closed)
      return [identity, warn(spoken, "it closed the connection without an answer", advice)];
    return [
      identity,
      fail(spoken, why, "is it a KM that listens there? See its log, and restart it"),
    ];
  } finally {
    socket.destroy();
  }
}

function refused(name: readonly [string, string], why: string): Finding {
  const advice: readonly (readonly [RegExp, string])[] = [
    [
      /another CA/,
      "km.NAME.ca must hold the CA that issued the KM's certificate; or it is another KM",
    ],
    [
      /names another KM/,
      "set server_name to a subject alternative name of the KM's certificate; or it is another KM",
    ],
    [
      /expired|not valid yet/,
      "check the clock of both machines, then have the KM's certificate renewed",
    ],
    [/revoked/, "the KM's certificate was taken back: ask whoever runs the KM"],
    [/revocation list/, "copy the newest list of the KM's CA to km.NAME.crl"],
    [/require_pq/, "the KM needs OpenSSL 3.5 or the like; or take require_pq out"],
    [
      /refuses our certificate|closed by the KM/,
      "the KM must trust the CA of km.NAME.cert, and know its name: see its log",
    ],
    [/cannot be used|cannot be read/, "see the checks of certificates above"],
    [
      /TLS 1\.3|WRONG_VERSION|wrong version/i,
      "the port does not speak TLS 1.3: check port and transport",
    ],
  ];
  const found = advice.find(([pattern]) => pattern.test(why))?.[1];
  return fail(name, why, found ?? "check port and transport, and the KM's log");
}

/** A round trip by Annex A. */
async function kq1(socket: Socket, moduleId: string): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ [parameter.moduleId]: moduleId }));
  const message = Buffer.alloc(header.length + payload.length);
  const messageId = 1;
  writeHeader(message, 0, messageId, command.keySupply, payload.length);
  payload.copy(message, header.length);
  return new Promise((resolve, reject) => {
    const deframer = new KqDeframer((frame) => {
      if (frame.messageId === messageId && frame.command === command.keySupplyResponse) {
        resolve("answers a message without a key, as it should");
      }
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        deframer.push(chunk);
      } catch (error) {
        reject(error);
      }
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Fault("kq1.closed", "closed by the KM")));
    socket.write(message);
  });
}

/** A round trip by Annex B: a GET supplies nothing, and any status is an answer. */
async function https(
  km: KmConfig,
  endpoint: KmEndpoint,
  moduleId: string,
  clock: Clock,
): Promise<string> {
  const { host, port, serverName, tls } = endpoint;
  const sent = request({
    host: names.lastGood(host, port),
    port,
    path: supplyPath(km.path, moduleId, moduleId),
    method: "GET",
    agent: false,
    headers: { host: endpointName(endpoint) },
    ...(tls && clientTls(tls, serverName, () => clock.wall())),
  });
  try {
    return await new Promise<string>((resolve, reject) => {
      sent.on("error", reject);
      sent.on("response", ({ statusCode = 0 }) => {
        if (statusCode === 401 || statusCode === 403) {
          reject(
            new Fault("kq1.connect", "the KM refuses our certificate", { status: statusCode }),
          );
        } else {
          resolve(`answers (status ${statusCode} to a request without a key)`);
        }
      });
      sent.end();
    });
  } finally {
    sent.destroy();
  }
}
