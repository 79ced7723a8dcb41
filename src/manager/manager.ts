/**
 * The node towards its manager: birth and will, inventory, states, telemetry, counters, events.
 *
 * States are retained and the latest wins; events are kept until the broker has them; telemetry is
 * sent or dropped. Nothing here ever waits for the broker, and the key path never waits for this.
 */
import type { KeptSession } from "../lifecycle/keep.ts";
import { type Clock, every, type Timer } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import { Outbox } from "./outbox.ts";
import * as payloads from "./payloads.ts";
import { MqttSession, type SessionOptions } from "./session.ts";
import { type Topic, topicNames, topics } from "./topics.ts";
import type { ModuleView, NodeEvent } from "./view.ts";

export interface ManagerOptions extends Omit<SessionOptions, "will" | "clientId" | "clock"> {
  readonly base: string;
  readonly telemetryIntervalMs: number;
  readonly nodeId: string;
  readonly boot: number;
  readonly softwareVersion: string;
  /** Tells configurations apart; not a secret. */
  readonly configurationDigest: string;
  readonly clock: Clock;
  readonly log: Log;
}

const maxEvents = 1_000;
/** The broker is given this long, ms, to take note that the node stops. */
const goodbyeTimeout = 500;

interface Retained {
  readonly kind: Topic;
  readonly payload: Buffer;
  /** Called when the broker has it. */
  readonly then?: () => void;
}

export class Manager {
  readonly #options: ManagerOptions;
  readonly #names: ReturnType<typeof topicNames>;
  readonly #facts: payloads.NodeFacts;
  readonly #outbox = new Outbox(maxEvents);
  /** Retained messages that the broker of the connection at hand was not given yet, by topic. */
  readonly #dirty = new Map<string, Retained>();
  #modules: readonly ModuleView[] = [];
  #session: MqttSession | undefined;
  #sequence = 0;
  #droppedTelemetry = 0;
  #timer: Timer | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#names = topicNames(options.base, options.nodeId);
    this.#facts = {
      node: options.nodeId,
      boot: options.boot,
      version: options.softwareVersion,
    };
  }

  /** Whose view the manager gets, from now on until {@link stop}. */
  show(modules: readonly ModuleView[]): void {
    this.#modules = modules;
    const { clock, telemetryIntervalMs } = this.#options;
    this.#timer = every(clock, telemetryIntervalMs, () => this.#report());
  }

  /** Reports no more. Any number of times. */
  stop(): void {
    this.#timer?.cancel();
  }

  /** Telemetry and counter messages that were dropped because the broker was slow or away. */
  get droppedTelemetry(): number {
    return this.#droppedTelemetry;
  }

  /** Something happened. It reaches the manager once the broker is there. */
  event(event: NodeEvent): void {
    this.#sequence++;
    const payload = this.#encode(payloads.event(this.#facts, event, this.#sequence));
    if (payload === undefined) return;
    this.#outbox.push(payload);
    this.#pump();
  }

  /** The state of a module, its link or its KM changed. */
  stateChanged(name: string): void {
    if (this.#session === undefined) return;
    this.#describe();
    const module = this.#modules.find((view) => view.name === name);
    if (module !== undefined) this.#state(module);
    this.#pump();
  }

  /** Connects to the broker; for the supervisor, which calls it again after it ended. */
  async connect(signal: AbortSignal): Promise<KeptSession> {
    const { nodeId, clock, log } = this.#options;
    const will = payloads.encode(payloads.offline(this.#facts, "connection lost"));
    const session = await MqttSession.open(
      { ...this.#options, clientId: nodeId, will: { topic: this.#names.status, payload: will } },
      signal,
    );
    log.info("broker connected", { url: this.#options.url });
    this.#session = session;
    this.#outbox.rewind();
    this.#dirty.clear();
    this.#retain(this.#names.status, topics.status, payloads.online(this.#facts, clock.wall()));
    this.#describe();
    for (const module of this.#modules) this.#state(module);
    this.#pump();
    void session.ended.then(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return { ended: session.ended, close: () => this.#close(session) };
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
        this.#dirty.clear();
        this.#dirty.set(this.#names.status, { kind: topics.status, payload, then });
        this.#pump();
      });
    }
    await session.close();
  }

  /** Everything that is told at intervals: latest wins. */
  #report(): void {
    const session = this.#session;
    if (session === undefined) {
      this.#droppedTelemetry += 2 * this.#modules.length;
      return;
    }
    const now = this.#options.clock.wall();
    const { boot } = this.#facts;
    for (const module of this.#modules) {
      const sample = payloads.telemetry(boot, module.telemetry(), now);
      const dropped = {
        dropped_telemetry: this.#droppedTelemetry,
        dropped_events: this.#outbox.dropped,
      };
      const counters = payloads.kq1(boot, { ...module.supply(), ...dropped }, now);
      this.#offer(session, this.#names.telemetry(module.name), sample, topics.telemetry);
      this.#offer(session, this.#names.kq1(module.name), counters, topics.kq1);
    }
  }

  #offer(session: MqttSession, topic: string, message: object, kind: Topic): void {
    const payload = this.#encode(message);
    if (payload === undefined || !session.offer(topic, payload, kind)) this.#droppedTelemetry++;
  }

  #describe(): void {
    const descriptions = this.#modules.map((module) => module.describe());
    const digest = this.#options.configurationDigest;
    const message = payloads.inventory(this.#facts, descriptions, digest);
    this.#retain(this.#names.inventory, topics.inventory, message);
  }

  #state(module: ModuleView): void {
    const message = payloads.moduleState(module.state());
    this.#retain(this.#names.state(module.name), topics.state, message);
  }

  #retain(topic: string, kind: Topic, message: object): void {
    const payload = this.#encode(message);
    if (payload !== undefined) this.#dirty.set(topic, { kind, payload });
  }

  /** Gives the broker what it has room for: states first, then events in order. */
  #pump(): void {
    const session = this.#session;
    if (session === undefined) return;
    while (session.room > 0) {
      const state = this.#dirty.entries().next().value;
      if (state !== undefined) {
        const [topic, { kind, payload, then }] = state;
        this.#dirty.delete(topic);
        session.send(topic, payload, kind, () => {
          then?.();
          this.#pump();
        });
        continue;
      }
      const item = this.#outbox.next();
      if (item === undefined) return;
      session.send(this.#names.event, item.payload, topics.event, () => {
        this.#outbox.done(item);
        this.#pump();
      });
    }
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
