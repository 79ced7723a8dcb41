/** A key manager towards its manager: inventory, states and figures of links, modules and store. */
import type { AlarmView } from "../../ops/alarms/view.ts";
import type { CommandPort } from "../../ops/commands/port.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import { type LinkOptions, ManagerLink } from "../../ops/manager/link.ts";
import type { Message, Offer } from "../../ops/manager/message.ts";
import { offline, online } from "../../ops/manager/payloads.ts";
import type { Source } from "../../ops/manager/stream.ts";
import { kindOf } from "../alarms/catalogue.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";
import * as payloads from "./payloads.ts";
import { Rates, type Tally } from "./tally.ts";
import { topicNames, topics } from "./topics.ts";

export interface KmManagerOptions extends Omit<LinkOptions, "streams"> {
  readonly kmId: string;
  /** Tells configurations apart; not a secret. */
  readonly configurationDigest: string;
  readonly modules: readonly payloads.ModuleOfKm[];
  readonly tally: Tally;
  /** Records that are told. */
  readonly records?: Source | undefined;
  /** Something that the manager is told was seen. */
  readonly onEvent: (event: NodeEvent) => void;
}

/** What the manager gets to see, and whom its commands go to. */
export interface KmSubjects {
  readonly status: () => KmStatus;
  readonly marks: (link: string) => payloads.Marks;
  readonly alarms: AlarmView;
  readonly commands?: CommandPort;
}

/** Records that are told and not acknowledged, at a time: events and states have the rest. */
const recordWindow = 4;

/** A link as it was told. */
interface Told {
  readonly session: LinkStatus["session"];
  /** ms since 1970 UTC */
  readonly since: number;
  /** All that is told at once when it changes. */
  readonly text: string;
  /** All of it. */
  readonly whole: string;
}

export class KmManager extends ManagerLink {
  readonly #options: KmManagerOptions;
  readonly #names: ReturnType<typeof topicNames>;
  readonly #facts: payloads.KmFacts;
  readonly #rates = new Rates();
  readonly #links = new Map<string, Told>();
  #subjects: KmSubjects | undefined;

  constructor(options: KmManagerOptions) {
    const { kmId, base, boot, softwareVersion, records } = options;
    const names = topicNames(base, kmId);
    const exported = {
      name: "records",
      topic: names.record,
      kind: topics.record,
      window: recordWindow,
    };
    const streams = records === undefined ? [] : [{ ...exported, source: records }];
    super({ ...options, streams }, { id: kmId, names, kindOf });
    this.#options = options;
    this.#names = names;
    this.#facts = { km: kmId, boot, version: softwareVersion };
  }

  /** Whose view the manager gets, from now on until {@link stop}. */
  show(subjects: KmSubjects): void {
    const { alarms, commands } = subjects;
    this.#subjects = subjects;
    this.look(subjects.status());
    this.begin({ alarms, ...(commands && { commands }) });
  }

  /** The state of now, once a second: what changed is told at once, but for marks. */
  look({ links }: KmStatus): void {
    const { clock, onEvent } = this.#options;
    const wall = clock.wall();
    for (const link of links) {
      const before = this.#links.get(link.name);
      const since = before?.session === link.session ? before.since : wall;
      const { mark: _m, peer_mark: _p, ...rest } = this.#stateOf(link, since);
      const text = JSON.stringify(rest);
      if (before?.text === text) continue;
      this.#links.set(link.name, { session: link.session, since, text, whole: "" });
      this.retain(() => [this.#linkState(link)]);
      const was = before?.session === "ready";
      const is = link.session === "ready";
      if (was === is) continue;
      const facts = { link: link.name, peer: link.peer };
      onEvent({ type: is ? "link_up" : "link_down", at: wall, facts });
    }
  }

  protected override online(now: number): object {
    return online(this.#facts, now);
  }

  protected override offline(reason: string, now?: number): object {
    return offline(this.#facts, reason, now);
  }

  protected override states(): Iterable<Message> {
    const { configurationDigest, modules, records, boot } = this.#options;
    const links = this.#subjects?.status().links ?? [];
    const inventory = payloads.inventory(this.#facts, {
      configuration_digest: configurationDigest,
      links: links.map(({ name }) => name),
      modules: modules.map(({ name }) => name),
      commands: this.available,
      records: records !== undefined,
    });
    return [
      { topic: this.#names.inventory, kind: topics.inventory, payload: inventory },
      ...modules.map((module) => ({
        topic: this.#names.module(module.name),
        kind: topics.module,
        payload: payloads.moduleState(boot, module),
      })),
      ...links.map((link) => this.#linkState(link)),
    ];
  }

  #stateOf(link: LinkStatus, since: number) {
    const marks = this.#subjects?.marks(link.name) ?? { own: 0, peer: 0 };
    return payloads.linkState(this.#options.boot, link, marks, since);
  }

  #linkState(link: LinkStatus): Message {
    const told = this.#links.get(link.name);
    const payload = this.#stateOf(link, told?.since ?? this.#options.clock.wall());
    if (told !== undefined) {
      this.#links.set(link.name, { ...told, whole: JSON.stringify(payload) });
    }
    return { topic: this.#names.link(link.name), kind: topics.link, payload };
  }

  protected override report(offer: Offer, connected: boolean): void {
    const { clock, boot, modules, outbox, tally } = this.#options;
    const status = this.#subjects?.status();
    if (status === undefined) return;
    const [now, wall] = [clock.now(), clock.wall()];
    if (connected) this.#tellMarks(status);
    offer({
      topic: this.#names.telemetry,
      kind: topics.telemetry,
      payload: payloads.telemetry(
        boot,
        status,
        {
          dropped_telemetry: this.droppedTelemetry,
          dropped_events: outbox.dropped,
          waiting_events: outbox.length,
        },
        wall,
      ),
    });
    for (const link of status.links) {
      const supplied = tally.supplied(link.name);
      const relay = status.relay?.pairs.find((pair) => pair.link === link.name);
      const rates = {
        matched: this.#rates.of(`matched ${link.name}`, link.matched_bits, now),
        supplied: this.#rates.of(`supplied ${link.name}`, supplied.bits, now),
      };
      offer({
        topic: this.#names.linkTelemetry(link.name),
        kind: topics.link_telemetry,
        payload: payloads.linkTelemetry(boot, link, supplied, rates, wall, relay),
      });
    }
    for (const module of status.modules) {
      if (!modules.some(({ name }) => name === module.name)) continue;
      const rate = this.#rates.of(`received ${module.name}`, module.received_bits, now);
      const last = tally.lastKeyAt(module.name, { now, wall });
      offer({
        topic: this.#names.moduleTelemetry(module.name),
        kind: topics.module_telemetry,
        payload: payloads.moduleTelemetry(boot, module, last, rate, wall),
      });
    }
  }

  /** Marks change with every transaction: they are told at intervals, retained, and are a witness then. */
  #tellMarks({ links }: KmStatus): void {
    this.retain(() =>
      links.flatMap((link) => {
        const before = this.#links.get(link.name)?.whole;
        const message = this.#linkState(link);
        return JSON.stringify(message.payload) === before ? [] : [message];
      }),
    );
  }
}
