/** A controller towards its manager: inventory, the network as a whole, what routing makes of links, figures. */
import type { AlarmView } from "../../ops/alarms/view.ts";
import type { CommandPort } from "../../ops/commands/port.ts";
import { type LinkOptions, ManagerLink } from "../../ops/manager/link.ts";
import type { Message, Offer } from "../../ops/manager/message.ts";
import { offline, online } from "../../ops/manager/payloads.ts";
import { kindOf } from "../alarms/catalogue.ts";
import type { ControllerStatus } from "../model/status.ts";
import * as payloads from "./payloads.ts";
import { topicNames, topics } from "./topics.ts";

/** Topics of states that the broker may have of this process: links that come and go do not fill it. */
const mostTopics = 10_000;

export interface ControllerManagerOptions extends Omit<LinkOptions, "streams"> {
  readonly controllerId: string;
  /** Tells configurations apart; not a secret. */
  readonly configurationDigest: string;
}

/** What the manager gets to see, and whom its commands go to. */
export interface ControllerSubjects {
  readonly status: () => ControllerStatus;
  readonly alarms: AlarmView;
  readonly commands?: CommandPort;
}

export class ControllerManager extends ManagerLink {
  readonly #options: ControllerManagerOptions;
  readonly #names: ReturnType<typeof topicNames>;
  readonly #facts: payloads.ControllerFacts;
  readonly #started: number;
  /** What was told, by topic. */
  readonly #told = new Map<string, string>();
  /** Told once, of what is not there any more: the broker has not taken them away yet. */
  readonly #gone = new Set<string>();
  #subjects: ControllerSubjects | undefined;

  constructor(options: ControllerManagerOptions) {
    const { controllerId, base, boot, softwareVersion, clock } = options;
    const names = topicNames(base, controllerId);
    super(options, { id: controllerId, names, kindOf });
    this.#options = options;
    this.#names = names;
    this.#started = clock.now();
    this.#facts = { controller: controllerId, boot, version: softwareVersion };
  }

  /** Whose view the manager gets, from now on until {@link stop}. */
  show(subjects: ControllerSubjects): void {
    const { alarms, commands } = subjects;
    this.#subjects = subjects;
    this.look(subjects.status());
    this.begin({ alarms, ...(commands && { commands }) });
  }

  /** The state of now, once a second: what changed is told at once. */
  look(status: ControllerStatus): void {
    const changed = this.#changes(status);
    if (changed.length > 0) this.retain(() => changed);
  }

  /** What is not as it was told last, which counts as told from now on. */
  #changes(status: ControllerStatus): Message[] {
    const changed: Message[] = [];
    const states = this.#statesOf(status);
    const topicsNow = new Set(states.map(({ topic }) => topic));
    for (const topic of this.#told.keys()) {
      if (topicsNow.has(topic)) continue;
      this.#told.delete(topic);
      this.#gone.add(topic);
      changed.push(this.#removal(topic));
    }
    for (const message of states) {
      const { topic } = message;
      const text = JSON.stringify(message.payload);
      const before = this.#told.get(topic);
      if (before === text) continue;
      const isNew = before === undefined && !this.#gone.has(topic);
      if (isNew && this.#told.size + this.#gone.size >= mostTopics) continue;
      this.#gone.delete(topic);
      this.#told.set(topic, text);
      changed.push(message);
    }
    return changed;
  }

  /** Nothing is retained there any more. */
  #removal(topic: string): Message {
    const then = () => this.#gone.delete(topic);
    return { topic, kind: topics.link, payload: undefined, whenTaken: then };
  }

  protected override online(now: number): object {
    return online(this.#facts, now);
  }

  protected override offline(reason: string, now?: number): object {
    return offline(this.#facts, reason, now);
  }

  protected override states(): Iterable<Message> {
    const { configurationDigest } = this.#options;
    const status = this.#subjects?.status();
    // All of it is told below.
    if (status !== undefined) this.#changes(status);
    const inventory = payloads.inventory(this.#facts, {
      configuration_digest: configurationDigest,
      mode: status?.mode ?? "",
      commands: this.available,
    });
    return [
      { topic: this.#names.inventory, kind: topics.inventory, payload: inventory },
      ...[...this.#gone].map((topic) => this.#removal(topic)),
      ...(status === undefined ? [] : this.#statesOf(status)).filter(({ topic }) =>
        this.#told.has(topic),
      ),
    ];
  }

  #statesOf(status: ControllerStatus): Message[] {
    const { boot } = this.#options;
    return [
      {
        topic: this.#names.network,
        kind: topics.network,
        payload: payloads.network(boot, status),
      },
      ...status.links.map((link) => ({
        topic: this.#names.link(link.link),
        kind: topics.link,
        payload: payloads.linkState(boot, link),
      })),
    ];
  }

  protected override report(offer: Offer): void {
    const { clock, boot, outbox } = this.#options;
    const status = this.#subjects?.status();
    if (status === undefined) return;
    const dropped = {
      dropped_telemetry: this.droppedTelemetry,
      dropped_events: outbox.dropped,
      waiting_events: outbox.length,
    };
    const uptime = Math.floor((clock.now() - this.#started) / 1_000);
    const payload = payloads.telemetry(boot, status, dropped, uptime, clock.wall());
    offer({ topic: this.#names.telemetry, kind: topics.telemetry, payload });
  }
}
