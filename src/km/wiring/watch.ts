/** What is remembered of the key manager for people, and the page that shows it. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import { diskFiles } from "../../host/disk/files.ts";
import type { AlarmRecord, Transition } from "../../ops/alarms/alarm.ts";
import type { Moment } from "../../ops/alarms/severity.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import { EventHistory } from "../../ops/events/event-history.ts";
import { HistoryKeeper } from "../../ops/history/history-keeper.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { Page } from "../../ops/page/page.ts";
import { usageNow } from "../../ops/page/usage.ts";
import type { KmTable, LinkConfig, WebTable } from "../config/tables.ts";
import { alarmEvent, linkEvent, stateEvents } from "../history/events.ts";
import { KmRecorder } from "../history/recorder.ts";
import type { KmView } from "../history/view.ts";
import { families } from "../metrics/families.ts";
import type { KmStatus } from "../model/status.ts";
import { pageContent } from "../page/content.ts";
import type { LinkEvent } from "../peer/events.ts";

export interface WatchParts {
  readonly config: {
    readonly km: KmTable;
    readonly links: readonly LinkConfig[];
    readonly web?: WebTable | undefined;
  };
  readonly logs: LogRing;
  readonly clock: Clock;
  readonly log: Log;
}

export class Watch {
  readonly history = new EventHistory();
  readonly recorder: KmRecorder;
  readonly #parts: WatchParts;
  readonly #started: number;
  readonly #keeper: HistoryKeeper;
  #page: Page | undefined;
  #before: KmStatus | undefined;
  #alarms: () => readonly AlarmRecord[] = () => [];

  constructor(parts: WatchParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#started = clock.wall();
    const links = parts.config.links.map(({ name }) => name);
    this.recorder = new KmRecorder(links, { now: clock.now(), wall: clock.wall() });
    this.#keeper = new HistoryKeeper({
      files: diskFiles,
      folder: parts.config.km.state_dir,
      subjects: links,
      recorder: this.recorder,
      clock,
      log: parts.log,
    });
  }

  /** What the local socket tells of the past. */
  get local() {
    const { history, recorder } = this;
    return { history, recorder, metrics: (status: KmStatus) => this.#metrics(status) };
  }

  #metrics(status: KmStatus) {
    return families(
      this.#view(() => status),
      usageNow(0),
    );
  }

  /** The same state with the headline of it. */
  judged(status: KmStatus): KmStatus {
    const { since, ...verdict } = this.recorder.verdict(status);
    return { ...status, verdict: { ...verdict, since: new Date(since).toISOString() } };
  }

  /** The state of now; once a second. */
  look(status: KmStatus, moment: Moment): void {
    this.recorder.look(status, moment);
    const events = stateEvents(this.#before, status, moment.wall);
    this.#before = status;
    for (const event of events) this.history.add(event);
    if (events.length > 0) this.#page?.pushUpdate();
  }

  /** Something happened on a link. */
  link(name: string, event: LinkEvent): void {
    const told = linkEvent(name, event, this.#parts.clock.wall());
    if (told === undefined) return;
    this.history.add(told);
    if (told.routine !== true) this.#page?.pushUpdate();
  }

  /** Something else happened. */
  happened(event: NodeEvent): void {
    this.history.add(event);
    this.#page?.pushUpdate();
  }

  alarm(transition: Transition): void {
    this.history.add(alarmEvent(transition));
    this.#page?.pushUpdate();
  }

  /** Serves the page, if one is configured. That it cannot be served is a warning: keys do not wait for it. */
  open(status: () => KmStatus, alarms: () => readonly AlarmRecord[]): void {
    this.#alarms = alarms;
    this.#keeper.start();
    const { config, clock, log } = this.#parts;
    if (config.web === undefined || !config.web.enabled) return;
    const view = this.#view(status);
    const content = () => pageContent(view, clock);
    this.#page = new Page(config.web, { content, clock, random: Math.random, log });
  }

  #view(status: () => KmStatus): KmView {
    const { config, logs } = this.#parts;
    return {
      id: config.km.id,
      version: softwareVersion,
      started: this.#started,
      links: config.links.map(({ name, unit_bits, host, port }) => ({
        name,
        unit_bits,
        ...(host !== undefined && { address: `${host}:${port}` }),
      })),
      status,
      alarms: () => this.#alarms(),
      history: this.history,
      recorder: this.recorder,
      logs,
    };
  }

  /** The page's certificate is another. @throws if it is no good */
  renew(): void {
    this.#page?.renew();
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await Promise.all([this.#page?.stop(), this.#keeper.stop()]);
  }
}
