/** How mqtt.js is set up, and what its errors mean. */
import type { Socket } from "node:net";
import type { IClientOptions, MqttClient } from "mqtt";
import type { Clock } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import { shortText } from "../../base/short-text.ts";
import { dial } from "../../host/net/dial.ts";
import { brokerPlace } from "../../host/net/host.ts";
import { clientTls, noCommonGroup, type TlsTexts } from "../../host/tls/options.ts";
import { reasonOfCode } from "../../host/tls/reason.ts";
import { secure } from "../../host/tls/secure.ts";
import type { Skipped } from "./packet-sieve.ts";
import { SievedStream } from "./sieved-stream.ts";
import { contentTypeOf, type Topic } from "./topic.ts";

/**
 * A longer packet is not taken, bytes; a command is far shorter. A broker of MQTT 5 is told so and
 * sends none; in 3.1.1 it cannot be told.
 */
export const longestPacket = 65_536;
/** The broker may have this many messages of QoS 1 unacknowledged towards the node. */
const receiveMaximum = 10;

/** Another client connected with the same identifier (MQTT 5 §3.14.2.1). */
export const takeover = 0x8e;

export interface ClientOptions extends TlsTexts {
  readonly url: string;
  /** 5, or 4 for MQTT 3.1.1 */
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** What the broker says of a program that is lost; undefined: nothing. */
  readonly will?: { readonly topic: string; readonly payload: Buffer; readonly kind: Topic };
}

function clientOptions(options: ClientOptions, connectTimeout: number): IClientOptions {
  const { protocol, clientId, username, password, will } = options;
  return {
    protocolVersion: protocol,
    clientId,
    // A command that came while the node was away is of no use when it is back.
    clean: true,
    keepalive: 30,
    connectTimeout,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Node's timers are exact enough, and a worker thread for a keep-alive is not small.
    timerVariant: "native",
    ...(will !== undefined && { will: willOf(will) }),
    ...(protocol === 5 && { properties: { receiveMaximum, maximumPacketSize: longestPacket } }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
}

function willOf({ topic, payload, kind }: NonNullable<ClientOptions["will"]>) {
  const { qos, retain } = kind;
  return { topic, payload, qos, retain, properties: { contentType: contentTypeOf(kind) } };
}

export interface BeginCallbacks {
  /** The broker's name was found. */
  readonly onAddresses?: () => void;
  /** It is connected, by TLS where that is asked for. */
  readonly onSocket?: (socket: Socket) => void;
  /** A message was longer than {@link longestPacket}, and was left out. Must not throw. */
  readonly onSkipped?: (message: Skipped) => void;
}

/**
 * Connects to the broker by TCP, or TLS for `mqtts://`, and begins MQTT over it.
 * @param connectTimeout the broker answers MQTT's first message within this time, ms; what comes before
 *   it is the caller's to end
 * @returns a client that waits for the broker's answer, on a {@link SievedStream}
 * @throws CrlError, NameError, or what the system or OpenSSL says; nothing is left open then
 */
export async function beginMqtt(
  options: ClientOptions,
  connectTimeout: number,
  clock: Clock,
  signal: AbortSignal,
  { onAddresses = () => {}, onSocket = () => {}, onSkipped = () => {} }: BeginCallbacks = {},
): Promise<MqttClient> {
  const place = brokerPlace(options.url);
  const tls = place.secure ? clientTls(options, place.host, () => clock.wall()) : undefined;
  // Loaded only where a manager is configured: it is the largest of the libraries.
  const { default: mqtt } = await import("mqtt");
  const tcp = await dial(place, { clock, signal, onAddresses });
  const socket: Socket = tls === undefined ? tcp : await secure(tcp, tls, signal);
  if (signal.aborted) {
    socket.destroy();
    throw new Error("stopped");
  }
  onSocket(socket);
  const stream = new SievedStream(socket, longestPacket, onSkipped);
  return new mqtt.MqttClient(() => stream, clientOptions(options, connectTimeout));
}

/** Codes of CONNACK (3.1.1: up to 5), PUBACK, SUBACK and DISCONNECT. */
const codes: Readonly<Record<number, string>> = {
  0: "ended by the broker",
  1: "broker does not speak this version of MQTT",
  2: "client identifier refused",
  3: "broker unavailable",
  4: "wrong user name or password",
  5: "not authorized",
  128: "broker refuses",
  129: "broker says that it was sent no MQTT",
  130: "broker says that the protocol was broken",
  131: "broker refuses",
  132: "broker does not speak this version of MQTT",
  133: "client identifier refused",
  134: "wrong user name or password",
  135: "not authorized",
  136: "broker unavailable",
  137: "broker busy",
  138: "banned by the broker",
  139: "broker shuts down",
  140: "way of authentication refused",
  141: "broker heard nothing within the keep-alive",
  143: "topic filter refused",
  144: "topic name refused",
  145: "broker says that a packet identifier is in use",
  146: "broker says that it does not know a packet identifier",
  147: "more at a time than the broker's Receive Maximum",
  148: "broker says that a topic alias was wrong; none is used here",
  149: "packet longer than the broker takes",
  150: "message rate too high",
  151: "quota of the broker exceeded",
  152: "ended by an administrator",
  153: "broker refuses the form of the payload",
  154: "broker has no retained messages, which are needed here",
  155: "broker has no QoS 1, which is needed here",
  156: "broker wants another one to be used",
  157: "broker has moved",
  158: "broker says that it has no shared subscriptions; none is used here",
  159: "connection rate exceeded",
  160: "broker allows no longer connection",
  161: "broker says that it has no subscription identifiers; none is used here",
  162: "broker has no wildcard subscriptions, which are needed here",
};

/** "Use another server", "server moved". */
const redirects: readonly number[] = [156, 157];

/** What a reason code of MQTT says. @param server where the broker sends its clients, MQTT 5 §4.13 */
export function refusal(code: number, server?: string): string {
  const why = codes[code] ?? `reason code ${code}`;
  // It is told and not followed: an address of the broker is the configuration's to say.
  const isTold = server !== undefined && server !== "" && redirects.includes(code);
  return isTold ? `${why}: ${shortText(server, 80)}` : why;
}

/** Whether the broker answered with a reason code, which mqtt.js puts into `code` as a number. */
export function isCode(error: unknown): error is { code: number } {
  return typeof (error as { code?: unknown }).code === "number";
}

/** mqtt.js' own, none of them made of what a broker sent: `Not supported`, `Keepalive timeout`. */
function ownWords(error: unknown): string {
  const { message } = error as { message?: unknown };
  return typeof message === "string" && message !== ""
    ? `failed: ${shortText(message, 80)}`
    : "failed";
}

/**
 * Errors of the system have a word for a code.
 * @param asked of the broker, where a handshake may have failed by it
 * @param server as of {@link refusal}
 */
export function brokerReason(error: unknown, asked?: TlsTexts, server?: string): string {
  if (error instanceof Fault) return describe(error);
  if (isCode(error)) return refusal(error.code, server);
  const name = errorCode(error);
  if (name === undefined) return ownWords(error);
  return noCommonGroup(error, asked) ?? reasonOfCode(name, "broker");
}

/** Why mqtt.js ends a connection that was good: a reason code is its judgement of what the broker sent. */
export function libraryReason(error: unknown): string {
  return isCode(error) ? ownWords(error) : brokerReason(error);
}
