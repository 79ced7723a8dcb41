/**
 * The node towards a SCADA host: Sparkplug B over a connection of its own, since a connection has one
 * will. The same data as over the JSON interface; what was not heard while the broker was away is not
 * told later, for a birth tells how everything is.
 */

import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ReconnectingSession } from "../../host/life/reconnecting.ts";
import type { BrokerCredentials } from "../../ops/mqtt/credentials.ts";
import { MqttSession, type SessionOptions } from "../../ops/mqtt/session.ts";
import { Takeovers } from "../../ops/mqtt/takeover.ts";
import type { Topic } from "../../ops/mqtt/topic.ts";
import { EdgeNode, type Message } from "../../ops/sparkplug/edge.ts";
import { asksForRebirth } from "../../ops/sparkplug/payload.ts";
import type { NodeFacts } from "../manager/payloads.ts";
import type { AlarmView, ModuleView } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";
import { deviceMetrics, nodeMetrics, type Supply } from "./metrics.ts";

export interface PublisherOptions
  extends Omit<
    SessionOptions,
    "will" | "clientId" | "clock" | "onMessage" | keyof BrokerCredentials
  > {
  readonly group: string;
  readonly edge: string;
  readonly facts: NodeFacts;
  readonly configurationDigest: string;
  /** Called for each connection. @throws Fault `mqtt.connect` */
  readonly credentials: () => BrokerCredentials;
  readonly clock: Clock;
  readonly log: Log;
}

const contentType = "application/octet-stream";
/** Births and data (§6.4.17 to §6.4.24). */
const unconfirmed: Topic = { qos: 0, retain: false, contentType };
const death: Topic = { qos: 1, retain: false, contentType };
/** Rebirths are at least this far apart, ms: the request for one is not signed. */
const rebirthEvery = 1_000;
/** The broker is given this long, ms, to take note that the node stops. */
const goodbyeTimeout = 500;

export class SparkplugPublisher {
  readonly #options: PublisherOptions;
  readonly #edge: EdgeNode;
  #modules: readonly ModuleView[] = [];
  #alarms: AlarmView | undefined;
  readonly #reports = new Map<string, { figures: WindowReport; supply: Supply }>();
  /** Connected, though not born yet. */
  #connected: MqttSession | undefined;
  #session: MqttSession | undefined;
  readonly #takeovers = new Takeovers();
  /** Something was not sent: only a birth makes the sequence whole again. */
  #broken = false;
  #rebornAt = Number.NEGATIVE_INFINITY;
  #rebirth: Timer | undefined;
  #pending = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#edge = new EdgeNode(options);
  }

  show(modules: readonly ModuleView[], alarms: AlarmView): void {
    this.#modules = modules;
    this.#alarms = alarms;
  }

  get takenOver(): boolean {
    return this.#takeovers.takenOver;
  }

  /** A telemetry window of a module is over. */
  report(module: string, figures: WindowReport, supply: Supply): void {
    const before = this.#reports.get(module)?.figures;
    this.#reports.set(module, { figures: { ...before, ...figures }, supply });
    this.changed();
  }

  /** A state or an alarm changed; what changes in the same turn is told at once. */
  changed(): void {
    if (this.#session === undefined || this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      if (this.#session !== undefined) this.#tell();
    });
  }

  /** Connects to the broker once; `reconnecting()` calls it again. */
  async connect(signal: AbortSignal): Promise<ReconnectingSession> {
    const { clock, log, url, facts } = this.#options;
    const { topic, payload } = this.#edge.connecting(clock.wall());
    const session = await MqttSession.open(
      {
        ...this.#options,
        ...this.#options.credentials(),
        clientId: `${facts.node}-sparkplug`,
        will: { topic, payload, kind: death },
        onMessage: (message) => this.#command(message.topic, message.payload),
      },
      signal,
    ).catch((error) => {
      this.#takeovers.failed();
      throw error;
    });
    const begun = clock.now();
    this.#connected = session;
    log.info("broker connected", { url });
    const born = () => {
      if (session.over) return;
      this.#session = session;
      this.#birth();
    };
    // A host may ask for a rebirth from the birth on (§5.4).
    session.subscribe([this.#edge.commands], {
      granted: born,
      refused: (why) => {
        log.warn("broker lets no rebirth commands through", { url, why });
        born();
      },
    });
    void session.ended.then((error) => {
      if (this.#session === session) this.#session = undefined;
      if (this.#connected === session) this.#connected = undefined;
      this.#takeovers.ended({ error, worked: session.worked, livedMs: clock.now() - begun });
    });
    return { ended: session.ended, close: () => this.#close(session) };
  }

  /** Ends the connection; `reconnecting()` makes the next. */
  reconnect(): void {
    if (this.#connected !== undefined) void this.#close(this.#connected);
  }

  stop(): void {
    this.#rebirth?.cancel();
  }

  /** Says that the node goes, as its will would (§5.6): a broker sends none after a goodbye. */
  async #close(session: MqttSession): Promise<void> {
    const { clock } = this.#options;
    let isTold = true;
    if (this.#session === session) {
      this.#session = undefined;
      const { topic, payload } = this.#edge.death(clock.wall());
      await new Promise<void>((resolve) => {
        const timer = clock.after(goodbyeTimeout, resolve);
        const done = () => {
          timer.cancel();
          resolve();
        };
        void session.ended.then(done);
        const refused = () => {
          isTold = false;
          done();
        };
        session.send({ topic, payload, kind: death }, { acknowledged: done, refused });
      });
    }
    // A host that was not told would take the node for one that is there: the will must go out.
    await session.close(isTold);
  }

  #command(topic: string, payload: Buffer): void {
    if (topic !== this.#edge.commands || !asksForRebirth(payload)) return;
    if (this.#rebirth !== undefined || this.#session === undefined) return;
    const { clock } = this.#options;
    const wait = this.#rebornAt + rebirthEvery - clock.now();
    if (wait <= 0) return this.#birth();
    this.#rebirth = clock.after(wait, () => {
      this.#rebirth = undefined;
      if (this.#session !== undefined) this.#birth();
    });
  }

  #birth(): void {
    const { facts, configurationDigest, clock } = this.#options;
    this.#rebornAt = clock.now();
    this.#broken = false;
    const metrics = nodeMetrics(facts, configurationDigest, this.#records, this.#names);
    this.#send(this.#edge.birth(metrics, clock.wall()));
    this.#tellDevices();
  }

  #tell(): void {
    if (this.#broken) return this.#birth();
    const { facts, configurationDigest, clock } = this.#options;
    const metrics = nodeMetrics(facts, configurationDigest, this.#records, this.#names);
    this.#send(this.#edge.data(metrics, clock.wall()));
    this.#tellDevices();
  }

  #tellDevices(): void {
    for (const module of this.#modules) {
      const state = module.state();
      const at = this.#options.clock.wall();
      if (state.module !== "OPERATING") {
        this.#send(this.#edge.deviceDeath(module.name, at));
        continue;
      }
      const { figures = {}, supply = module.supply() } = this.#reports.get(module.name) ?? {};
      const data = { description: module.describe(), state, figures, supply };
      const metrics = deviceMetrics(module.name, data, this.#records);
      this.#send(this.#edge.device(module.name, metrics, at));
    }
  }

  #send(message: Message | undefined): void {
    if (message === undefined || this.#broken) return;
    const { topic, payload } = message;
    if (this.#session?.offer({ topic, payload, kind: unconfirmed }) !== true) this.#broken = true;
  }

  get #records() {
    return this.#alarms?.records() ?? [];
  }

  get #names(): string[] {
    return this.#modules.map(({ name }) => name);
  }
}
