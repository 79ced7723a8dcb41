/** A node towards its manager: inventory, states of modules, telemetry, counters of supply. */
import type { CommandPort } from "../../ops/commands/port.ts";
import { type LinkOptions, ManagerLink } from "../../ops/manager/link.ts";
import type { Message, Offer } from "../../ops/manager/message.ts";
import { offline } from "../../ops/manager/payloads.ts";
import { kindOf } from "../alarms/catalogue.ts";
import type { AlarmView, ModuleView, PanelView } from "../model/manager.ts";
import type { WindowReport } from "../telemetry/window.ts";
import * as payloads from "./payloads.ts";
import { topicNames, topics } from "./topics.ts";

export interface ManagerOptions extends LinkOptions {
  readonly nodeId: string;
  /** Tells configurations apart; not a secret. */
  readonly configurationDigest: string;
  /** Gets each telemetry window, and the counters at its end: Sparkplug, the recorder. */
  readonly onReport?:
    | ((module: string, figures: WindowReport, counters: ReturnType<ModuleView["supply"]>) => void)
    | undefined;
}

/** What the manager gets to see, and whom its commands go to. */
export interface Subjects {
  readonly modules: readonly ModuleView[];
  readonly alarms?: AlarmView;
  readonly commands?: CommandPort;
  readonly panel?: PanelView;
}

export class Manager extends ManagerLink {
  readonly #options: ManagerOptions;
  readonly #names: ReturnType<typeof topicNames>;
  readonly #facts: payloads.NodeFacts;
  #modules: readonly ModuleView[] = [];
  #panel: PanelView | undefined;

  constructor(options: ManagerOptions) {
    const { nodeId, base, boot, softwareVersion } = options;
    const names = topicNames(base, nodeId);
    super(options, { id: nodeId, names, kindOf });
    this.#options = options;
    this.#names = names;
    this.#facts = { node: nodeId, boot, version: softwareVersion };
  }

  /** Whose view the manager gets, from now on until {@link stop}. */
  show({ modules, panel, ...subjects }: Subjects): void {
    this.#modules = modules;
    this.#panel = panel;
    this.begin(subjects);
  }

  /** The state of a module, its link or its KM changed. */
  stateChanged(name: string): void {
    const changed = this.#modules.filter((module) => module.name === name);
    this.retain(() => [this.#inventory(), ...changed.map((module) => this.#state(module))]);
  }

  /** The chassis panel, or what it brought about, changed. */
  panelChanged(): void {
    this.reborn();
  }

  protected override online(now: number): object {
    return payloads.online(this.#facts, now, this.#panel?.status());
  }

  protected override offline(reason: string, now?: number): object {
    return offline(this.#facts, reason, now);
  }

  protected override states(): Iterable<Message> {
    return [this.#inventory(), ...this.#modules.map((module) => this.#state(module))];
  }

  #inventory(): Message {
    const descriptions = this.#modules.map((module) => module.describe());
    const digest = this.#options.configurationDigest;
    const payload = payloads.inventory(this.#facts, descriptions, digest, this.available);
    return { topic: this.#names.inventory, kind: topics.inventory, payload };
  }

  #state(module: ModuleView): Message {
    const payload = payloads.moduleState(module.state(), module.health());
    return { topic: this.#names.state(module.name), kind: topics.state, payload };
  }

  protected override report(offer: Offer, connected: boolean): void {
    const { clock, onReport, boot, outbox } = this.#options;
    const now = clock.wall();
    for (const module of this.#modules) {
      // Without a connection the window goes on.
      if (!connected && onReport === undefined) {
        offer(undefined);
        offer(undefined);
        continue;
      }
      const figures = module.takeTelemetryWindow();
      const supply = {
        ...module.supply(),
        kept_back: module.keptCounts(),
        dropped_telemetry: this.droppedTelemetry,
        dropped_events: outbox.dropped,
      };
      onReport?.(module.name, figures, supply);
      const { name } = module;
      offer({
        topic: this.#names.telemetry(name),
        kind: topics.telemetry,
        payload: payloads.telemetry(boot, figures, now),
      });
      offer({
        topic: this.#names.kq1(name),
        kind: topics.kq1,
        payload: payloads.kq1(boot, supply, now),
      });
    }
  }
}
