/** What the page and the metrics want to know of the node. Nothing in it can hold key bytes. */

import type { EventHistory } from "../../ops/events/event-history.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import type { Recorder } from "../history/recorder.ts";
import type { AlarmView, KmView, ModuleView, ShownPanel } from "../model/manager.ts";

export interface LinkView extends ModuleView {
  /** Its KMs, in the order in which they are tried. */
  kms(): readonly KmView[];
  /** ms since module, KM or ledger changed state, whatever the clock was set to meanwhile */
  stateAge(): number;
}

/** What the configuration says of a KM. */
export interface KmFacts {
  readonly name: string;
  /** `HOST:PORT` */
  readonly address: string;
  readonly transport: "tls" | "https" | "plain";
}

/** What the configuration says of a module. */
export interface ModuleFacts {
  readonly name: string;
  readonly mode: "proactive" | "on_request";
  /** QBER above which a block is withheld. */
  readonly qberLimit: number;
  readonly kms: readonly KmFacts[];
}

export interface BrokerFacts {
  readonly url: string;
  readonly up: boolean;
}

export interface NodeView {
  readonly id: string;
  readonly version: string;
  /** The machine's image is one for development. */
  readonly development: boolean;
  readonly boot: number;
  /** Digest of the configuration. */
  readonly configuration: string;
  /** ms since 1970 UTC, by the clock of then */
  readonly started: number;
  /** ms since the process began, whatever the clock was set to meanwhile */
  uptime(): number;
  readonly modules: readonly LinkView[];
  readonly facts: readonly ModuleFacts[];
  readonly alarms: AlarmView;
  readonly history: EventHistory;
  readonly recorder: Recorder;
  /** The last lines of the log; undefined: they are not shown. */
  readonly logs?: LogRing;
  /** Undefined without a manager. */
  broker(): BrokerFacts | undefined;
  /** The chassis panel. */
  panel(): ShownPanel;
}
