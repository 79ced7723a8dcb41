/** A connection to the broker that is made anew whenever it ends, and when what it shows was renewed. */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, type Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import {
  type Reconnecting,
  type ReconnectingSession,
  reconnecting,
} from "../../host/life/reconnecting.ts";
import { lookEvery } from "../../host/tls/watch.ts";
import {
  type BrokerCredentials,
  type BrokerFiles,
  digestOf,
  KeptBrokerCredentials,
} from "./credentials.ts";
import { ackTimeout } from "./session.ts";
import { brokerWaits } from "./waits.ts";

export interface KeptOptions {
  /** What it is, in the log; and what its certificates are for. */
  readonly name: string;
  readonly purpose: string;
  readonly files: BrokerFiles;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface BrokerSession extends ReconnectingSession {
  /** Resolves when the broker has answered what it was told and asked first; default: at once. */
  readonly ready?: Promise<void>;
}

/** Who makes its sessions. */
export interface Connection {
  connect(signal: AbortSignal): Promise<BrokerSession>;
  /** Ends the session at hand in order. */
  reconnect(): void;
  readonly takenOver: boolean;
}

export interface KeptCallbacks {
  /** Each time that a session was made and is {@link BrokerSession.ready}. */
  readonly onUp?: () => void;
  /** Each time that no session could be made, or that one ended. */
  readonly onDown?: (error: Error) => void;
}

/** A session that lived so long was a good one, ms: a broker that never answers is given up before. */
const settledAfterMs = 2 * ackTimeout;

export class KeptBroker {
  readonly #options: KeptOptions;
  readonly #credentials: KeptBrokerCredentials;
  /** Of what the broker was shown last. */
  #shown: string | undefined;
  #connection: Connection | undefined;
  #kept: Reconnecting | undefined;
  #look: Timer | undefined;

  constructor(options: KeptOptions) {
    this.#options = options;
    this.#credentials = new KeptBrokerCredentials(options.files);
  }

  /** Read anew, for each session. @throws Fault `mqtt.connect` if there is nothing of before */
  credentials(): BrokerCredentials {
    const credentials = this.#credentials.read();
    const { trouble } = this.#credentials;
    if (trouble !== undefined) {
      const facts = { for: this.#options.purpose, why: describe(trouble) };
      this.#options.log.warn("what could be read last is shown to the broker", facts);
    }
    this.#shown = digestOf(credentials);
    return credentials;
  }

  /** Connects from now on. */
  start(connection: Connection, { onUp, onDown }: KeptCallbacks = {}): void {
    const { name, clock, random, log } = this.#options;
    this.#connection = connection;
    this.#kept = reconnecting({
      name,
      connect: async (signal) => {
        const session = await connection.connect(signal);
        // A broker that lets everyone in and answers nothing is not there.
        void (session.ready ?? Promise.resolve()).then(onUp);
        // Files that changed while it was being made.
        this.renewed();
        return session;
      },
      ...(onDown && { onDown }),
      schedule: () => brokerWaits(() => connection.takenOver, random),
      settledAfterMs,
      clock,
      log,
    });
    this.#look = every(clock, lookEvery, () => this.renewed());
  }

  /**
   * Looks whether what the broker is shown and checked by was renewed; connects anew with it then.
   * @returns why some of it can't be read, if that is so: what could be read last counts then
   */
  renewed(): Fault | undefined {
    const { log, purpose } = this.#options;
    if (this.#shown === undefined) return undefined;
    // It was read before.
    if (digestOf(this.#credentials.read()) !== this.#shown) {
      log.info("certificates changed", { for: purpose });
      this.#connection?.reconnect();
    }
    return this.#credentials.trouble;
  }

  /** Says goodbye, if it is connected. Never rejects. */
  async stop(): Promise<void> {
    this.#look?.cancel();
    await this.#kept?.stop();
  }
}
