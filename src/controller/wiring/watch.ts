/** What is remembered of the controller for people, and the map that shows it. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Transition } from "../../ops/alarms/alarm.ts";
import { EventHistory } from "../../ops/events/event-history.ts";
import type { Family } from "../../ops/metrics/exposition.ts";
import { Page } from "../../ops/page/page.ts";
import type { ProcessFacts } from "../../ops/page/process.ts";
import { usageNow } from "../../ops/page/usage.ts";
import type { WebTable } from "../config/tables.ts";
import { type DoorFacts, families } from "../metrics/families.ts";
import type { ChangeStatus, ControllerStatus } from "../model/status.ts";
import { pageContent } from "../page/content.ts";

export interface WatchParts {
  readonly web?: WebTable | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class Watch {
  readonly history = new EventHistory();
  readonly #parts: WatchParts;
  #page: Page | undefined;
  #families: ((facts: ProcessFacts) => Family[]) | undefined;
  #lookedAt: number;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#lookedAt = parts.clock.now();
  }

  /** It was looked at the network; once a second. */
  look(): void {
    this.#lookedAt = this.#parts.clock.now();
  }

  alarm({ change, record }: Transition): void {
    const { name, object, severity, detail, changedAt: at } = record;
    const facts = { name, object, severity, ...(detail !== undefined && { detail }) };
    this.history.add({ type: `alarm_${change}`, at, facts });
    this.#page?.pushUpdate();
  }

  changed({ time, kind, object, text }: ChangeStatus): void {
    const facts = { kind, object, text };
    this.history.add({ type: "network_changed", at: Date.parse(time), facts });
    this.#page?.pushUpdate();
  }

  /** All figures of now. */
  families(): readonly Family[] {
    return this.#families?.(usageNow(0)) ?? [];
  }

  /** Serves the page, if one is configured. That it cannot be served is a warning: routes do not wait for it. */
  open(status: () => ControllerStatus, door: () => DoorFacts): void {
    const { web, clock, log } = this.#parts;
    this.#families = (facts) => families(status(), door(), facts);
    if (web === undefined || !web.enabled) return;
    const view = {
      status,
      families: this.#families,
      idleMs: () => clock.now() - this.#lookedAt,
    };
    const content = () => pageContent(view, clock);
    this.#page = new Page(web, { content, clock, random: Math.random, log });
  }

  /** The page's certificate is another. @throws if it is no good */
  renew(): void {
    this.#page?.renew();
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#page?.stop();
  }
}
