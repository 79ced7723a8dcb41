/**
 * One connection to the MQTT broker, used once. mqtt.js keeps no message for us and never
 * reconnects: its store is unbounded, and what it replays can be lost with the connection.
 */
import type { Socket } from "node:net";
import type { IConnackPacket, MqttClient } from "mqtt";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { inVain } from "../../host/net/dial.ts";
import { peerOf } from "../../host/tls/peer.ts";
import {
  beginMqtt,
  brokerReason,
  type ClientOptions,
  isCode,
  libraryReason,
  longestPacket,
  refusal,
  takeover,
} from "./client.ts";
import type { Skipped } from "./packet-sieve.ts";
import type { SievedStream } from "./sieved-stream.ts";
import { contentTypeOf, type Topic } from "./topic.ts";

/** Unacknowledged QoS 1 messages; every broker takes that many. */
const mostUnacknowledged = 10;
const connectTimeout = 10_000;
/** The broker acknowledges a message or a subscription within this time, ms, or the connection is given up. */
export const ackTimeout = 10_000;
const closeTimeout = 500;
/** Telemetry is dropped while more than this waits in the socket, bytes. */
const socketBacklog = 65_536;
/** Topics of messages that were too long, told for each connection. */
const mostTold = 8;
/** Fixed header, packet identifier and properties of a PUBLISH, without correlation data; bytes. */
const overhead = 64;
/** Longest topic (MQTT 5 §1.5.4), bytes: mqtt.js throws at a longer one. */
const longestTopic = 65_535;

/** A message that came. Its content is from any client that may publish at the broker. */
export interface Incoming {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
  /** MQTT 5 only. */
  readonly responseTopic?: string | undefined;
  readonly correlation?: Buffer | undefined;
}

export interface Outgoing {
  readonly topic: string;
  readonly payload: Buffer;
  readonly kind: Topic;
  /** MQTT 5 only. */
  readonly correlation?: Buffer | undefined;
}

/** What became of a message of QoS 1; neither is called if the connection ends before. */
export interface DeliveryCallbacks {
  readonly acknowledged: () => void;
  /**
   * The broker does not take it.
   * @param forever it is longer than this broker ever takes
   */
  readonly refused: (why: string, forever: boolean) => void;
}

export interface SessionOptions extends ClientOptions {
  /** Must not throw. */
  readonly onMessage?: (message: Incoming) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SubscribeOptions {
  /** Default: 1. With 0 a broker that queues few messages drops none of many that it retains. */
  readonly qos?: 0 | 1;
  readonly granted?: () => void;
  readonly refused: (why: string) => void;
}

export class MqttSession {
  readonly ended: Promise<Error | undefined>;
  /** A message of QoS 1 was answered, or too long to be sent. Never, if the connection ends before. */
  readonly answered: Promise<void>;
  /** Group of TLS's key exchange; undefined without TLS. */
  readonly keyExchange: string | undefined;
  readonly #client: MqttClient;
  readonly #clock: Clock;
  readonly #url: string;
  readonly #protocol: 4 | 5;
  /** What the broker takes. */
  readonly #limits: {
    readonly unacknowledged: number;
    readonly packet: number;
    readonly retain: boolean;
  };
  #unacknowledged = 0;
  #worked = false;
  #over = false;
  #end!: (error: Error | undefined) => void;
  #answer!: () => void;

  private constructor(client: MqttClient, options: SessionOptions, connack: IConnackPacket) {
    const { receiveMaximum, maximumPacketSize, retainAvailable } = connack.properties ?? {};
    this.#client = client;
    this.#clock = options.clock;
    this.#url = options.url;
    this.#protocol = options.protocol;
    this.keyExchange = peerOf((client.stream as SievedStream).socket)?.group;
    this.#limits = {
      unacknowledged: Math.min(receiveMaximum ?? mostUnacknowledged, mostUnacknowledged),
      packet: maximumPacketSize ?? Number.POSITIVE_INFINITY,
      retain: retainAvailable !== false,
    };
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
    client.on("close", () => this.#gone(closedByBroker));
    client.on("error", (error) => this.#gone(libraryReason(error)));
    client.on("disconnect", ({ reasonCode = 0, properties }) => {
      const why = refusal(reasonCode, properties?.serverReference);
      this.#gone(reasonCode === takeover ? takenOver : why);
    });
  }

  /** @throws Fault `mqtt.connect`; nothing is left open then */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<MqttSession> {
    const { url, clock } = options;
    const opened = Promise.withResolvers<IConnackPacket>();
    opened.promise.catch(() => {});
    const over = new AbortController();
    const fail = (why: string) => {
      over.abort();
      opened.reject(new Fault("mqtt.connect", `cannot connect to the broker: ${why}`, { url }));
    };
    const stop = () => fail("stopped");
    let named = false;
    const onAddresses = () => {
      named = true;
    };
    const timer = clock.after(connectTimeout, () => {
      const who = named ? "no answer" : "no name server answers for its name";
      fail(`${who} within ${connectTimeout} ms`);
    });
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    let client: MqttClient | undefined;
    let socket: Socket | undefined;
    const onSocket = (connected: Socket) => {
      socket = connected;
    };
    try {
      const onSkipped = skippedTeller(options);
      const begun = beginMqtt(options, connectTimeout, clock, over.signal, {
        onAddresses,
        onSocket,
        onSkipped,
      });
      client = await begun.catch((error) => {
        fail(brokerReason(error, options));
        // Rejected by now: by this, or by what came first.
        return opened.promise as Promise<never>;
      });
      // Stays attached for good: an `error` event that nothing listens to would end the process.
      let server: string | undefined;
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "connack") server = packet.properties?.serverReference;
      });
      client.on("error", (error) => fail(brokerReason(error, options, server)));
      client.once("close", () => fail("closed without an answer: its log says why"));
      client.once("connect", opened.resolve);
      if (options.onMessage !== undefined) listen(client, options.onMessage);
      const connack = await opened.promise;
      checkLimits(connack, url);
      return new MqttSession(client, options, connack);
    } catch (error) {
      if (socket !== undefined) inVain(socket);
      client?.end(true);
      client?.stream.destroy();
      throw error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** The broker has acknowledged a message. */
  get worked(): boolean {
    return this.#worked;
  }

  /** How many more messages of QoS 1 may be sent now. */
  get room(): number {
    return this.#over ? 0 : this.#limits.unacknowledged - this.#unacknowledged;
  }

  /** The connection ended, or is ending. */
  get over(): boolean {
    return this.#over;
  }

  /**
   * Subscribes. If the broker does not allow it the connection goes on; if it does not answer
   * the connection ends, since it would look well while nothing can come.
   * @returns resolves when the broker has answered; never, if the connection ends before
   */
  subscribe(
    filters: readonly string[],
    { qos = 1, granted: done, refused }: SubscribeOptions,
  ): Promise<void> {
    const answered = Promise.withResolvers<void>();
    if (this.#over) return answered.promise;
    const timer = this.#clock.after(ackTimeout, () =>
      this.#gone(`no answer to a subscription within ${ackTimeout} ms`),
    );
    this.#client.subscribe([...filters], { qos }, (error, granted) => {
      timer.cancel();
      if (this.#over) return;
      const code = granted?.find(({ qos }) => qos >= 0x80)?.qos;
      if (error) refused(brokerReason(error));
      else if (code !== undefined) refused(refusal(code));
      else done?.();
      answered.resolve();
    });
    return answered.promise;
  }

  /** Sends a message of QoS 1. */
  send(message: Outgoing, { acknowledged, refused }: DeliveryCallbacks): void {
    if (this.#over) return;
    const { topic, payload } = message;
    const tooLong = this.#tooLong(message);
    if (tooLong !== undefined) {
      // Deferred, like every callback: the caller is still inside its send loop.
      return queueMicrotask(() => {
        this.#answer();
        refused(tooLong, true);
      });
    }
    this.#unacknowledged++;
    const timer = this.#clock.after(ackTimeout, () =>
      this.#gone(`no acknowledgement within ${ackTimeout} ms`),
    );
    this.#client.publish(topic, payload, this.#properties(message), (error) => {
      timer.cancel();
      if (this.#over) return;
      this.#unacknowledged--;
      if (!error) this.#worked = true;
      if (!error || isCode(error)) this.#answer();
      if (!error) acknowledged();
      else if (isCode(error)) refused(brokerReason(error), false);
      // mqtt.js gives up every message at hand before it says why the connection ends: that is heard first.
      else queueMicrotask(() => this.#gone(libraryReason(error)));
    });
  }

  /** Sends a message of QoS 0, or not. @returns false if it was dropped */
  offer(message: Outgoing): boolean {
    if (this.#over || this.#client.stream.writableLength > socketBacklog) return false;
    if (this.#tooLong(message) !== undefined) return false;
    const { topic, payload } = message;
    this.#client.publish(topic, payload, this.#properties(message), () => {});
    return true;
  }

  /**
   * Says goodbye to the broker, which then sends no will. Within a second; never rejects.
   * @param goodbye false: the will is to be sent, since the broker was not told what it would say
   */
  async close(goodbye = true): Promise<void> {
    const isFirst = !this.#over;
    this.#over = true;
    if (isFirst && goodbye) {
      // With something unacknowledged `end` waits for the broker before it sends DISCONNECT, and a
      // broker that is slow would send the will.
      for (const id of Object.keys(this.#client.outgoing)) {
        this.#client.removeOutgoingMessage(Number(id));
      }
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(closeTimeout, resolve);
        this.#client.end(false, {}, () => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#client.end(true);
    // The second `end` does nothing.
    this.#client.stream.destroy();
    this.#end(undefined);
  }

  /** What of it is too long; undefined: nothing. Topic and correlation data may be a stranger's. */
  #tooLong({ topic, payload, correlation }: Outgoing): string | undefined {
    const topicBytes = Buffer.byteLength(topic);
    if (topicBytes > longestTopic) return `topic longer than MQTT allows: ${longestTopic} bytes`;
    const bytes = topicBytes + payload.length + (correlation?.length ?? 0) + overhead;
    return bytes > this.#limits.packet ? "longer than the broker takes" : undefined;
  }

  #properties({ kind, correlation }: Outgoing) {
    const { qos, expiry } = kind;
    const retain = kind.retain && this.#limits.retain;
    if (this.#protocol === 4) return { qos, retain };
    const properties = {
      contentType: contentTypeOf(kind),
      ...(expiry !== undefined && { messageExpiryInterval: expiry }),
      ...(correlation !== undefined && { correlationData: correlation }),
    };
    return { qos, retain, properties };
  }

  #gone(why: string): void {
    if (this.#over) return;
    this.#over = true;
    const facts = { url: this.#url, why };
    this.#end(new Fault("mqtt.closed", "connection to the broker ended", facts));
    // Not now: mqtt.js may be going through its own table of messages, and ending it empties that.
    queueMicrotask(() => {
      this.#client.end(true);
      this.#client.stream.destroy();
    });
  }
}

/** @throws Fault `mqtt.connect` where the broker takes nothing at all (MQTT 5 §3.2.2.3.3, §3.2.2.3.6) */
function checkLimits({ properties }: IConnackPacket, url: string): void {
  const limits = {
    "Receive Maximum": properties?.receiveMaximum,
    "Maximum Packet Size": properties?.maximumPacketSize,
  };
  for (const [name, limit] of Object.entries(limits)) {
    if (limit !== 0) continue;
    const why = `its ${name} is 0, which MQTT 5 forbids`;
    throw new Fault("mqtt.connect", `cannot connect to the broker: ${why}`, { url });
  }
}

const closedByBroker = "closed";

/** Whether the broker ended a session and told no reason. */
export function wasClosed(error: unknown): boolean {
  return error instanceof Fault && error.facts.why === closedByBroker;
}

const takenOver = "another client took over this client identifier";

/** Whether a session ended because another client has the same identifier. */
export function wasTakenOver(error: unknown): boolean {
  return error instanceof Fault && error.facts.why === takenOver;
}

/** Tells of messages that were left out: of each topic once for a connection. */
function skippedTeller({ log, url }: SessionOptions): (message: Skipped) => void {
  const told = new Set<string>();
  return ({ topic, bytes }) => {
    if (told.has(topic) || told.size >= mostTold) return;
    told.add(topic);
    const facts = { url, topic, bytes, limit: longestPacket };
    log.warn("the broker sent a message that is too long: it was left out", facts);
  };
}

function listen(client: MqttClient, onMessage: (message: Incoming) => void): void {
  client.on("message", (topic, payload, { retain, properties }) =>
    onMessage({
      topic,
      payload,
      retain,
      responseTopic: properties?.responseTopic,
      correlation: properties?.correlationData,
    }),
  );
}
