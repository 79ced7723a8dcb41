/** What the page and the metrics want to know of the key manager. Nothing in it can hold key bytes. */
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import type { EventHistory } from "../../ops/events/event-history.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import type { KmStatus } from "../model/status.ts";
import type { KmRecorder } from "./recorder.ts";

/** What the configuration says of a link. */
export interface LinkFacts {
  readonly name: string;
  /** Length of a KMA-key, bits. */
  readonly unit_bits: number;
  /** `HOST:PORT` of the other key manager, if this one dials. */
  readonly address?: string;
}

export interface KmView {
  readonly id: string;
  readonly version: string;
  /** ms since 1970 UTC */
  readonly started: number;
  readonly links: readonly LinkFacts[];
  status(): KmStatus;
  /** All that there are. */
  alarms(): readonly AlarmRecord[];
  readonly history: EventHistory;
  readonly recorder: KmRecorder;
  readonly logs: LogRing;
}
