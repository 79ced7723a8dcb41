/**
 * A program towards its manager: birth and will, retained states, alarms, figures, events, commands. What
 * is told of which program is for who extends this.
 *
 * States are retained and the latest wins; events are in the durable outbox until the broker has
 * them; figures are sent or dropped. Nothing here ever waits for the broker, and the key path never
 * waits for this.
 */

import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { AlarmRecord, Transition } from "../alarms/alarm.ts";
import type { AlarmKind } from "../alarms/alarm-kind.ts";
import type { AlarmView } from "../alarms/view.ts";
import type { CommandPort } from "../commands/port.ts";
import type { NodeEvent } from "../events/event.ts";
import type { BrokerCredentials } from "../mqtt/credentials.ts";
import type { BrokerSession } from "../mqtt/kept.ts";
import { type Incoming, MqttSession, type Outgoing, type SessionOptions } from "../mqtt/session.ts";
import { Takeovers } from "../mqtt/takeover.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { AlarmTopics } from "./alarm-topics.ts";
import type { Listening } from "./listening.ts";
import type { Message, Offer } from "./message.ts";
import * as payloads from "./payloads.ts";
import { type Retained, RetainedTopics, retainedPause } from "./retained.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import { type CommonNames, responseTopic, topics } from "./topics.ts";

export interface LinkOptions
  extends Omit<
    SessionOptions,
    "will" | "clientId" | "clock" | "onMessage" | keyof BrokerCredentials
  > {
  /** Called for each connection. @throws Fault `mqtt.connect` */
  readonly credentials: () => BrokerCredentials;
  readonly base: string;
  readonly telemetryInterval: Duration;
  readonly boot: number;
  /** Random bits of this start, never on a disk: events and births of another start differ from its own. */
  readonly incarnation: string;
  readonly softwareVersion: string;
  readonly outbox: Outbox;
  /** What is told in order, each at least once, when no event waits. */
  readonly streams?: readonly Omit<StreamOptions, "clock" | "log">[];
  /** What it reads along of others, if it does. */
  readonly listens?: Listening;
  readonly clock: Clock;
  readonly log: Log;
}

/** Which program it is. */
export interface Identity {
  /** Its ID; also its client identifier at the broker. */
  readonly id: string;
  readonly names: CommonNames;
  readonly kindOf: (alarm: string) => AlarmKind;
}

/** Whose alarms are shown, and whom commands go to. */
export interface CommonSubjects {
  readonly alarms?: AlarmView;
  readonly commands?: CommandPort;
}

/**
 * The birth is told again so often, ms: where brokers are several, one that finds a connection of before lost
 * publishes its will after the birth of the next.
 */
const birthEvery = 300_000;
/** The broker is given this long, ms, to take note that the program stops. */
const goodbyeTimeout = 500;
/** Results that wait for the broker; beyond that they are dropped, their events are not. */
const mostResults = 32;
/** Of those, refusals: a command that is sent again and again must not keep out what was carried out. */
const mostRefusals = 16;
/** Event identifiers are boot × this + sequence. */
const sequences = 2 ** 32;

export abstract class ManagerLink {
  readonly #options: LinkOptions;
  readonly #identity: Identity;
  /** What the broker of the connection at hand is to have. */
  readonly #retained: RetainedTopics;
  readonly #results: Outgoing[] = [];
  readonly #streams: Stream[];
  #alarms: AlarmTopics | undefined;
  #commands: CommandPort | undefined;
  #session: MqttSession | undefined;
  #sequence = 0;
  #droppedTelemetry = 0;
  /** The last that the broker was given was a result. */
  #answered = false;
  readonly #takeovers = new Takeovers();
  readonly #timers: Timer[] = [];

  constructor(options: LinkOptions, identity: Identity) {
    this.#options = options;
    this.#identity = identity;
    const { outbox, streams = [], clock, log } = options;
    this.#retained = new RetainedTopics(clock, () => this.#pump());
    const topic = identity.names.event;
    const events = { name: "events", source: outbox, topic, kind: topics.event };
    this.#streams = [events, ...streams].map((stream) => new Stream({ ...stream, clock, log }));
    for (const { source } of [events, ...streams]) source.onChange = () => this.#pump();
  }

  /** Its birth. @param now ms since 1970 UTC */
  protected abstract online(now: number): object;
  /** Its goodbye, or without a time its will. */
  protected abstract offline(reason: string, now?: number): object;
  /** Everything else that is retained, but alarms. */
  protected abstract states(): Iterable<Message>;
  /** Everything that is told at intervals: latest wins. */
  protected abstract report(offer: Offer, connected: boolean): void;

  /** Whose view the manager gets, from now on until {@link stop}. */
  protected begin({ alarms, commands }: CommonSubjects): void {
    const { clock, telemetryInterval, boot } = this.#options;
    const { names, kindOf } = this.#identity;
    this.#commands = commands;
    const payload = (record: AlarmRecord) =>
      payloads.encode({ boot, ...payloads.alarm(record, kindOf(record.name)) });
    this.#alarms =
      alarms &&
      new AlarmTopics(alarms, names.alarm, payload, (topic, bytes, then) => {
        this.#retained.set({ topic, payload: bytes, kind: topics.alarm, whenTaken: then });
        this.#pump();
      });
    this.#timers.push(
      every(clock, telemetryInterval, () => this.#report()),
      every(clock, birthEvery, () => this.reborn()),
    );
  }

  /** Names of the commands that can be carried out. */
  protected get available(): readonly string[] {
    return this.#commands?.available ?? [];
  }

  /** Retained messages: at once, if the broker is there; else all are told anew when it is. */
  protected retain(messages: () => Iterable<Message>): void {
    if (this.#session === undefined) return;
    for (const message of messages()) this.#retain(message);
    this.#pump();
  }

  /** The birth says something else now. */
  protected reborn(): void {
    this.retain(() => [this.#birth()]);
  }

  /** Reports no more. Any number of times. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#retained.stop();
    for (const stream of this.#streams) stream.stop();
  }

  /** Telemetry and counter messages that were dropped because the broker was slow or away. */
  get droppedTelemetry(): number {
    return this.#droppedTelemetry;
  }

  /** The last connection ended because another client has this program's identifier. */
  get takenOver(): boolean {
    return this.#takeovers.takenOver;
  }

  /**
   * Something happened. It reaches the manager once the broker is there.
   * @returns its id in the outbox
   */
  event(event: NodeEvent): number {
    const { boot, incarnation, outbox } = this.#options;
    this.#sequence++;
    const id = boot * sequences + this.#sequence;
    const { id: who, names } = this.#identity;
    const start = { id: who, boot, incarnation };
    const payload = this.#encode(names.event, payloads.event(start, event, this.#sequence));
    if (payload !== undefined) outbox.push(id, payload, event.routine !== true);
    this.#pump();
    return id;
  }

  /**
   * An alarm was raised, changed, acknowledged or cleared.
   * @returns its id in the outbox
   */
  alarm({ change, record }: Transition): number {
    const kind = this.#identity.kindOf(record.name);
    const id = this.event(payloads.transition(change, record, kind));
    if (this.#session !== undefined) this.#alarms?.show(record.id);
    return id;
  }

  /** Group of TLS's key exchange with the broker that is connected; undefined without TLS. */
  get keyExchange(): string | undefined {
    return this.#session?.keyExchange;
  }

  /** Connects to the broker; for the supervisor, which calls it again after it ended. */
  async connect(signal: AbortSignal): Promise<BrokerSession> {
    const { log, url, clock } = this.#options;
    const { id, names } = this.#identity;
    const payload = payloads.encode(this.#ofStart(this.offline("connection lost")));
    const session = await MqttSession.open(
      {
        ...this.#options,
        ...this.#options.credentials(),
        clientId: id,
        will: { topic: names.status, payload, kind: topics.status },
        onMessage: (message) => this.#message(message),
      },
      signal,
    ).catch((error) => {
      this.#takeovers.failed();
      throw error;
    });
    const begun = clock.now();
    const { keyExchange } = session;
    log.info("broker connected", { url, ...(keyExchange && { key_exchange: keyExchange }) });
    this.#session = session;
    for (const stream of this.#streams) stream.rewind();
    this.#retained.clear();
    const { listens } = this.#options;
    const ready = this.#subscribe(session);
    this.#retain(this.#birth());
    for (const message of this.states()) this.#retain(message);
    this.#alarms?.showAll();
    this.#pump();
    void session.ended.then((error) => {
      if (this.#session === session) {
        this.#session = undefined;
        listens?.onEnded();
      }
      this.#takeovers.ended({ error, worked: session.worked, livedMs: clock.now() - begun });
    });
    return { ended: session.ended, ready, close: () => this.#close(session) };
  }

  /** Resolves when the broker has answered, and a message as well: one that takes none is not there. */
  async #subscribe(session: MqttSession): Promise<void> {
    const { log, url, listens } = this.#options;
    const answers = [session.answered];
    if (this.#commands !== undefined) {
      const refused = (why: string) => log.warn("broker lets no commands through", { url, why });
      answers.push(session.subscribe([this.#identity.names.commands], { refused }));
    }
    if (listens !== undefined) {
      listens.onConnected();
      const granted = () => listens.onSubscribed();
      const refused = (why: string) =>
        log.warn("broker lets nothing of others be read", { url, why });
      // Brokers hold back a thousand messages of QoS 1 for a client, and may retain more than that.
      answers.push(session.subscribe(listens.filters, { qos: 0, granted, refused }));
    }
    await Promise.all(answers);
  }

  /** Ends the connection and leaves the broker its will: the credentials of the next may be good for none. */
  reconnect(): void {
    void this.#session?.close(false);
  }

  /** Publishes that the program stops, before it says goodbye: a retained `online` would be a lie. */
  async #close(session: MqttSession): Promise<void> {
    const { clock } = this.#options;
    const topic = this.#identity.names.status;
    let told = true;
    if (this.#session === session) {
      this.#report();
      const payload = payloads.encode(this.#ofStart(this.offline("stopped", clock.wall())));
      await new Promise<void>((resolve) => {
        const timer = clock.after(goodbyeTimeout, resolve);
        const then = () => {
          timer.cancel();
          resolve();
        };
        void session.ended.then(then);
        // Nothing else goes before it; what is left of the events stays in the outbox.
        this.#retained.clear();
        this.#retained.set({ topic, kind: topics.status, payload, whenTaken: then });
        this.#pump();
      });
      // A broker that had no room for it, or refused it, still says `online`: its will must go out.
      told = !this.#retained.waits(topic);
    }
    await session.close(told);
  }

  #report(): void {
    const session = this.#session;
    this.report((message) => {
      const { topic = "", kind = topics.event } = message ?? {};
      const payload = message?.payload && session && this.#encode(topic, message.payload);
      const isSent = payload !== undefined && session?.offer({ topic, payload, kind }) === true;
      if (!isSent) this.#droppedTelemetry++;
    }, session !== undefined);
  }

  /** A command came. `commands/handler.ts` checks it before it is carried out. */
  #message({ topic, payload, retain, responseTopic: asked, correlation }: Incoming): void {
    const { names } = this.#identity;
    const prefix = names.command("");
    if (!topic.startsWith(prefix)) return this.#options.listens?.onMessage(topic, payload, retain);
    const command = topic.slice(prefix.length);
    this.#commands?.submit({ command, payload, retained: retain }, (result) => {
      const bytes = this.#encode(names.result(command), result);
      const most = "status" in result && result.status === "refused" ? mostRefusals : mostResults;
      if (bytes === undefined || this.#results.length >= most) return;
      const to = responseTopic(asked, this.#options.base) ?? names.result(command);
      this.#results.push({ topic: to, payload: bytes, kind: topics.result, correlation });
      this.#pump();
    });
  }

  #birth(): Message {
    const payload = this.#ofStart(this.online(this.#options.clock.wall()));
    return { topic: this.#identity.names.status, kind: topics.status, payload };
  }

  #ofStart(status: object): object {
    return { ...status, incarnation: this.#options.incarnation };
  }

  #retain({ topic, kind, payload, whenTaken }: Message): void {
    const bytes = payload === undefined ? Buffer.alloc(0) : this.#encode(topic, payload);
    if (bytes === undefined) return;
    this.#retained.set({ topic, kind, payload: bytes, ...(whenTaken && { whenTaken }) });
  }

  /** Gives the broker what it has room for: states first, results, then what comes in order. */
  #pump(): void {
    const session = this.#session;
    if (session === undefined) return;
    while (session.room > 0) {
      const retained = this.#retained.next();
      if (retained !== undefined) {
        this.#sendRetained(session, retained);
        continue;
      }
      // By turns: answers to a command that is sent again and again hold up nothing that is told in order.
      if (this.#answered && this.#sendNext(session)) {
        this.#answered = false;
        continue;
      }
      const result = this.#results.shift();
      this.#answered = result !== undefined;
      if (result !== undefined) this.#sendResult(session, result);
      else if (!this.#sendNext(session)) return;
    }
  }

  #sendNext(session: MqttSession): boolean {
    return this.#streams.some((stream) => stream.send(session, () => this.#pump()));
  }

  #sendRetained(session: MqttSession, message: Retained): void {
    const { topic } = message;
    session.send(message, {
      acknowledged: () => {
        this.#retained.done(message);
        this.#pump();
      },
      refused: (why, forever) => {
        const { log } = this.#options;
        if (forever) {
          if (this.#retained.drop(message, why)) log.warn("broker refuses a state", { topic, why });
        } else if (this.#retained.refused(message, why)) {
          log.warn("broker refuses a state: it waits", { topic, why, retry_ms: retainedPause });
        }
        this.#pump();
      },
    });
  }

  #sendResult(session: MqttSession, message: Outgoing): void {
    session.send(message, {
      acknowledged: () => this.#pump(),
      refused: (why) => {
        this.#options.log.warn("broker refuses a result", { topic: message.topic, why });
        this.#pump();
      },
    });
  }

  #encode(topic: string, message: object): Buffer | undefined {
    try {
      return payloads.encode(message);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#options.log.warn(error.message, { topic, ...error.facts });
      return undefined;
    }
  }
}
