/**
 * One connection to the MQTT broker, used once. mqtt.js keeps no message for us and never
 * reconnects: its store is unbounded, and what it replays can be lost with the connection.
 */
import type { IClientOptions, IConnackPacket, MqttClient } from "mqtt";
import type { Clock } from "../port/clock.ts";
import { errorCode, Fault } from "../port/errors.ts";
import type { Topic } from "./topics.ts";

/** Unacknowledged QoS 1 messages; every broker takes that many. */
const mostUnacknowledged = 10;
const connectTimeout = 10_000;
/** The broker acknowledges within this time, ms, or the connection is given up. */
const pubackTimeout = 10_000;
const closeTimeout = 500;
/** Telemetry is dropped while more than this waits in the socket, bytes. */
const socketBacklog = 65_536;

export interface SessionOptions {
  readonly url: string;
  /** 5, or 4 for MQTT 3.1.1 */
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** PEM texts. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly will: { readonly topic: string; readonly payload: Buffer };
  readonly clock: Clock;
}

export class MqttSession {
  readonly ended: Promise<Error | undefined>;
  readonly #client: MqttClient;
  readonly #clock: Clock;
  readonly #url: string;
  readonly #protocol: 4 | 5;
  readonly #limit: number;
  #unacknowledged = 0;
  #over = false;
  #end!: (error: Error | undefined) => void;

  private constructor(client: MqttClient, options: SessionOptions, limit: number) {
    this.#client = client;
    this.#clock = options.clock;
    this.#url = options.url;
    this.#protocol = options.protocol;
    this.#limit = limit;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const gone = (why: string) =>
      this.#finish(
        new Fault("mqtt.closed", "connection to the broker ended", { url: this.#url, why }),
      );
    client.on("close", () => gone("closed"));
    client.on("error", (error) => gone(brokerReason(error)));
    client.on("disconnect", (packet) => {
      const code = packet.reasonCode ?? 0;
      gone(code === 0x8e ? "another client took over this client id" : `reason code ${code}`);
    });
  }

  /** @throws Fault `mqtt.connect`; nothing is left open then */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<MqttSession> {
    // Loaded only where a manager is configured: it is the largest of the libraries.
    const { default: mqtt } = await import("mqtt");
    const { url, clock } = options;
    const client = mqtt.connect(url, clientOptions(options));
    const opened = Promise.withResolvers<IConnackPacket>();
    const fail = (why: string) =>
      opened.reject(new Fault("mqtt.connect", `cannot connect to the broker: ${why}`, { url }));
    const stop = () => fail("stopped");
    const timer = clock.after(connectTimeout, () => fail(`no answer within ${connectTimeout} ms`));
    // Stays attached for good: an `error` event that nobody listens to would end the process.
    client.on("error", (error) => fail(brokerReason(error)));
    client.once("close", () => fail("connection closed"));
    client.once("connect", opened.resolve);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const connack = await opened.promise;
      const maximum = connack.properties?.receiveMaximum ?? mostUnacknowledged;
      return new MqttSession(client, options, Math.min(maximum, mostUnacknowledged));
    } catch (error) {
      client.end(true);
      throw error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** How many more messages of QoS 1 may be sent now. */
  get room(): number {
    return this.#over ? 0 : this.#limit - this.#unacknowledged;
  }

  /**
   * Sends a message of QoS 1.
   * @param acknowledged called once when the broker has it; never if the connection ends before
   */
  send(topic: string, payload: Buffer, kind: Topic, acknowledged: () => void): void {
    if (this.#over) return;
    this.#unacknowledged++;
    const timer = this.#clock.after(pubackTimeout, () =>
      this.#finish(
        new Fault("mqtt.closed", "broker does not acknowledge", {
          url: this.#url,
          limit_ms: pubackTimeout,
        }),
      ),
    );
    this.#client.publish(topic, payload, this.#properties(kind), (error) => {
      timer.cancel();
      if (this.#over) return;
      this.#unacknowledged--;
      if (error) this.#finish(new Fault("mqtt.closed", brokerReason(error), { url: this.#url }));
      else acknowledged();
    });
  }

  /** Sends a message of QoS 0, or not. @returns false if it was dropped */
  offer(topic: string, payload: Buffer, kind: Topic): boolean {
    if (this.#over || this.#client.stream.writableLength > socketBacklog) return false;
    this.#client.publish(topic, payload, this.#properties(kind), () => {});
    return true;
  }

  /** Says goodbye to the broker, which then sends no will. Within a second; never rejects. */
  async close(): Promise<void> {
    if (!this.#over) {
      this.#over = true;
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(closeTimeout, resolve);
        this.#client.end(false, {}, () => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#client.end(true);
    // With something unacknowledged the first `end` waits for ever, and the second does nothing.
    this.#client.stream.destroy();
    this.#end(undefined);
  }

  #properties(kind: Topic) {
    const { qos, retain, expiry } = kind;
    if (this.#protocol === 4) return { qos, retain };
    const properties = {
      contentType: "application/json",
      ...(expiry !== undefined && { messageExpiryInterval: expiry }),
    };
    return { qos, retain, properties };
  }

  #finish(fault: Fault): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.end(true);
    this.#end(fault);
  }
}

function clientOptions(options: SessionOptions): IClientOptions {
  const { protocol, clientId, username, password, ca, cert, key, will } = options;
  return {
    protocolVersion: protocol,
    clientId,
    clean: true,
    keepalive: 30,
    connectTimeout,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Node's timers are exact enough, and a worker thread for a keep-alive is not small.
    timerVariant: "native",
    will: { topic: will.topic, payload: will.payload, qos: 1, retain: true },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    rejectUnauthorized: true,
  };
}

/** mqtt.js puts the CONNACK code into `code` as a number, system errors theirs as a word. */
function brokerReason(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  const connack: Readonly<Record<number, string>> = {
    4: "wrong user name or password",
    5: "not authorized",
    134: "wrong user name or password",
    135: "not authorized",
    136: "broker unavailable",
    137: "broker busy",
    138: "banned by the broker",
    151: "quota of the broker exceeded",
  };
  if (typeof code === "number") return connack[code] ?? `broker answered with code ${code}`;
  return errorCode(error) ?? "failed";
}
