/**
 * The node towards its manager: birth and will, inventory, states, alarms, telemetry, counters,
 * events, commands.
 *
 * States are retained and the latest wins; events are in the durable outbox until the broker has
 * them; telemetry is sent or dropped. Nothing here ever waits for the broker, and the key path never
 * waits for this.
 */

import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { ReconnectingSession } from "../../host/life/reconnecting.ts";
import type { Transition } from "../../ops/alarms/alarm.ts";
import type { BrokerCredentials } from "../../ops/mqtt/credentials.ts";
import {
  type Incoming,
  MqttSession,
  type Outgoing,
  type SessionOptions,
} from "../../ops/mqtt/session.ts";
import { Takeovers } from "../../ops/mqtt/takeover.ts";
import type { Topic } from "../../ops/mqtt/topic.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import type { AlarmView, CommandPort, ModuleView, NodeEvent, PanelView } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";
import { AlarmTopics } from "./alarm-topics.ts";
import * as payloads from "./payloads.ts";
import { responseTopic, topicNames, topics } from "./topics.ts";

export interface ManagerOptions
  extends Omit<
    SessionOptions,
    "will" | "clientId" | "clock" | "onMessage" | keyof BrokerCredentials
  > {
  /** Called for each connection. @throws Fault `mqtt.connect` */
  readonly credentials: () => BrokerCredentials;
  readonly base: string;
  readonly telemetryInterval: Duration;
  readonly nodeId: string;
  readonly boot: number;
  readonly softwareVersion: string;
  /** Tells configurations apart; not a secret. */
  readonly configurationDigest: string;
  readonly outbox: Outbox;
  /** Gets each telemetry window, and the counters at its end: Sparkplug, the recorder. */
  readonly onReport?:
    | ((module: string, figures: WindowReport, counters: ReturnType<ModuleView["supply"]>) => void)
    | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the manager gets to see, and whom its commands go to. */
export interface Subjects {
  readonly modules: readonly ModuleView[];
  readonly alarms?: AlarmView;
  readonly commands?: CommandPort;
  readonly panel?: PanelView;
}

/** The broker is given this long, ms, to take note that the node stops. */
const goodbyeTimeout = 500;
/** Results that wait for the broker; beyond that they are dropped, their events are not. */
const mostResults = 32;
/** A broker that refused an event is asked again this much later, ms. */
const refusedPause = 30_000;
/** Event identifiers are boot × this + sequence. */
const sequences = 2 ** 32;

interface Retained extends Outgoing {
  /** Called when the broker has it. */
  readonly then?: () => void;
}

export class Manager {
  readonly #options: ManagerOptions;
  readonly #names: ReturnType<typeof topicNames>;
  readonly #facts: payloads.NodeFacts;
  readonly #outbox: Outbox;
  /** Retained messages that the broker of the connection at hand was not given yet, by topic. */
  readonly #dirty = new Map<string, Retained>();
  readonly #results: Outgoing[] = [];
  #modules: readonly ModuleView[] = [];
  #alarms: AlarmTopics | undefined;
  #commands: CommandPort | undefined;
  #panel: PanelView | undefined;
  #session: MqttSession | undefined;
  #sequence = 0;
  #droppedTelemetry = 0;
  readonly #takeovers = new Takeovers();
  #timer: Timer | undefined;
  #pause: Timer | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#names = topicNames(options.base, options.nodeId);
    this.#facts = { node: options.nodeId, boot: options.boot, version: options.softwareVersion };
    this.#outbox = options.outbox;
    this.#outbox.onChange = () => this.#pump();
  }

  /** Whose view the manager gets, from now on until {@link stop}. */
  show({ modules, alarms, commands, panel }: Subjects): void {
    const { clock, telemetryInterval, boot } = this.#options;
    this.#modules = modules;
    this.#commands = commands;
    this.#panel = panel;
    this.#alarms =
      alarms &&
      new AlarmTopics(alarms, this.#names.alarm, boot, (topic, payload, then) => {
        this.#dirty.delete(topic);
        this.#dirty.set(topic, { topic, payload, kind: topics.alarm, then });
        this.#pump();
      });
    this.#timer = every(clock, telemetryInterval, () => this.#report());
  }

  /** Reports no more. Any number of times. */
  stop(): void {
    this.#timer?.cancel();
    this.#pause?.cancel();
  }

  /** Telemetry and counter messages that were dropped because the broker was slow or away. */
  get droppedTelemetry(): number {
    return this.#droppedTelemetry;
  }

  /** The last connection ended because another client has this node's identifier. */
  get takenOver(): boolean {
    return this.#takeovers.takenOver;
  }

  /**
   * Something happened. It reaches the manager once the broker is there.
   * @returns its id in the outbox
   */
  event(event: NodeEvent): number {
    this.#sequence++;
    const id = this.#facts.boot * sequences + this.#sequence;
    const payload = this.#encode(payloads.event(this.#facts, event, this.#sequence));
    if (payload !== undefined) this.#outbox.push(id, payload, event.routine !== true);
    this.#pump();
    return id;
  }

  /**
   * An alarm was raised, changed, acknowledged or cleared.
   * @returns its id in the outbox
   */
  alarm({ change, record }: Transition): number {
    const id = this.event(payloads.transition(change, record));
    if (this.#session !== undefined) this.#alarms?.show(record.id);
    return id;
  }

  /** The state of a module, its link or its KM changed. */
  stateChanged(name: string): void {
    if (this.#session === undefined) return;
    this.#describe();
    const module = this.#modules.find((view) => view.name === name);
    if (module !== undefined) this.#state(module);
    this.#pump();
  }

  /** The chassis panel, or what it brought about, changed. */
  panelChanged(): void {
    if (this.#session === undefined) return;
    this.#online();
    this.#pump();
  }

  /** Group of TLS's key exchange with the broker that is connected; undefined without TLS. */
  get keyExchange(): string | undefined {
    return this.#session?.keyExchange;
  }

  /** Connects to the broker; for the supervisor, which calls it again after it ended. */
  async connect(signal: AbortSignal): Promise<ReconnectingSession> {
    const { nodeId, log, url, clock } = this.#options;
    const will = payloads.encode(payloads.offline(this.#facts, "connection lost"));
    const session = await MqttSession.open(
      {
        ...this.#options,
        ...this.#options.credentials(),
        clientId: nodeId,
        will: { topic: this.#names.status, payload: will },
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
    this.#outbox.rewind();
    this.#dirty.clear();
    if (this.#commands !== undefined) {
      session.subscribe([this.#names.commands], {
        refused: (why) => log.warn("broker lets no commands through", { url, why }),
      });
    }
    this.#online();
    this.#describe();
    for (const module of this.#modules) this.#state(module);
    this.#alarms?.showAll();
    this.#pump();
    void session.ended.then((error) => {
      if (this.#session === session) this.#session = undefined;
      this.#takeovers.ended({ error, worked: session.worked, livedMs: clock.now() - begun });
    });
    return { ended: session.ended, close: () => this.#close(session) };
  }

  /** Ends the connection in order; `reconnecting()` makes the next, with the credentials of then. */
  reconnect(): void {
    void this.#session?.close();
  }

  /** Publishes that the node stops, before it says goodbye: a retained `online` would be a lie. */
  async #close(session: MqttSession): Promise<void> {
    const { clock } = this.#options;
    if (this.#session === session) {
      this.#report();
      const payload = payloads.encode(payloads.offline(this.#facts, "stopped", clock.wall()));
      await new Promise<void>((resolve) => {
        const timer = clock.after(goodbyeTimeout, resolve);
        const then = () => {
          timer.cancel();
          resolve();
        };
        void session.ended.then(then);
        // Nothing else goes before it; what is left of the events stays in the outbox.
        const topic = this.#names.status;
        this.#dirty.clear();
        this.#dirty.set(topic, { topic, kind: topics.status, payload, then });
        this.#pump();
      });
    }
    await session.close();
  }

  /** Everything that is told at intervals: latest wins. */
  #report(): void {
    const session = this.#session;
    const { clock, onReport } = this.#options;
    // Without a connection the window goes on.
    if (session === undefined && onReport === undefined) {
      this.#droppedTelemetry += 2 * this.#modules.length;
      return;
    }
    const now = clock.wall();
    const { boot } = this.#facts;
    for (const module of this.#modules) {
      const figures = module.takeTelemetryWindow();
      const supply = {
        ...module.supply(),
        kept_back: module.keptCounts(),
        dropped_telemetry: this.#droppedTelemetry,
        dropped_events: this.#outbox.dropped,
      };
      onReport?.(module.name, figures, supply);
      if (session === undefined) {
        this.#droppedTelemetry += 2;
        continue;
      }
      const sample = payloads.telemetry(boot, figures, now);
      const counters = payloads.kq1(boot, supply, now);
      this.#offer(session, this.#names.telemetry(module.name), sample, topics.telemetry);
      this.#offer(session, this.#names.kq1(module.name), counters, topics.kq1);
    }
  }

  #offer(session: MqttSession, topic: string, message: object, kind: Topic): void {
    const payload = this.#encode(message);
    if (payload === undefined || !session.offer({ topic, payload, kind })) this.#droppedTelemetry++;
  }

  /** A command came. `commands/handler.ts` checks it before it is carried out. */
  #message({ topic, payload, retain, responseTopic: asked, correlation }: Incoming): void {
    const prefix = this.#names.command("");
    if (!topic.startsWith(prefix)) return;
    const command = topic.slice(prefix.length);
    this.#commands?.submit({ command, payload, retained: retain }, (result) => {
      const bytes = this.#encode(result);
      if (bytes === undefined || this.#results.length >= mostResults) return;
      const to = responseTopic(asked, this.#options.base) ?? this.#names.result(command);
      this.#results.push({ topic: to, payload: bytes, kind: topics.result, correlation });
      this.#pump();
    });
  }

  #online(): void {
    const now = this.#options.clock.wall();
    const message = payloads.online(this.#facts, now, this.#panel?.status());
    this.#retain(this.#names.status, topics.status, message);
  }

  #describe(): void {
    const descriptions = this.#modules.map((module) => module.describe());
    const digest = this.#options.configurationDigest;
    const commands = this.#commands?.available ?? [];
    const message = payloads.inventory(this.#facts, descriptions, digest, commands);
    this.#retain(this.#names.inventory, topics.inventory, message);
  }

  #state(module: ModuleView): void {
    const message = payloads.moduleState(module.state(), module.health());
    this.#retain(this.#names.state(module.name), topics.state, message);
  }

  #retain(topic: string, kind: Topic, message: object): void {
    const payload = this.#encode(message);
    if (payload !== undefined) this.#dirty.set(topic, { topic, kind, payload });
  }

  /** Gives the broker what it has room for: states first, results, then events in order. */
  #pump(): void {
    const session = this.#session;
    if (session === undefined) return;
    while (session.room > 0) {
      const retained = this.#dirty.values().next().value;
      if (retained !== undefined) {
        this.#dirty.delete(retained.topic);
        this.#send(session, retained, retained.then);
        continue;
      }
      const result = this.#results.shift();
      if (result !== undefined) this.#send(session, result);
      else if (!this.#sendEvent(session)) return;
    }
  }

  #send(session: MqttSession, message: Outgoing, then?: () => void): void {
    session.send(message, {
      acknowledged: () => {
        then?.();
        this.#pump();
      },
      refused: (why) => {
        this.#options.log.warn("broker refuses a message", { topic: message.topic, why });
        this.#pump();
      },
    });
  }

  #sendEvent(session: MqttSession): boolean {
    if (this.#pause !== undefined) return false;
    const item = this.#outbox.next();
    if (item === undefined) return false;
    const { event: topic } = this.#names;
    session.send(
      { topic, payload: item.payload, kind: topics.event },
      {
        acknowledged: () => {
          this.#outbox.done(item);
          this.#pump();
        },
        refused: (why, forever) => {
          if (!forever) return this.#holdEvents(why);
          this.#outbox.drop(item);
          return this.#pump();
        },
      },
    );
    return true;
  }

  /** The broker takes no events now: they wait, and everything else goes on. */
  #holdEvents(why: string): void {
    const { log, clock } = this.#options;
    if (this.#pause !== undefined) return;
    log.warn("broker refuses events: they wait", { why, retry_ms: refusedPause });
    this.#pause = clock.after(refusedPause, () => {
      this.#pause = undefined;
      this.#outbox.rewind();
      this.#pump();
    });
  }

  #encode(message: object): Buffer | undefined {
    try {
      return payloads.encode(message);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#options.log.warn(describe(error));
      return undefined;
    }
  }
}
