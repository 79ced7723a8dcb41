/**
 * What the manager's interface wants to know of the node; owned here, implemented by `module/`, `wiring/` and `panel/`.
 * Nothing in it can hold key bytes.
 */

import type { Verdict } from "../alarms/verdict.ts";
import type { WindowReport } from "../telemetry/window.ts";

export type { AlarmView } from "../../ops/alarms/view.ts";
export type { NodeEvent } from "../../ops/events/event.ts";

/** States of ETSI GS QKD 015. */
export type ModuleCondition = "OPERATING" | "DOWN" | "FAILURE" | "OUT";
export type LinkCondition = "ACTIVE" | "PASSIVE" | "OFF";

export interface ModuleState {
  readonly module: ModuleCondition;
  /** `OFF`: no module, or no light from the other end. `PASSIVE`: told to stop. */
  readonly link: LinkCondition;
  /** `UP`: connected, and the KM answers for its keys. */
  readonly km: "UP" | "DOWN";
  /** Why something is not as it should be; empty if all is well. */
  readonly reason: string;
  /** ms since 1970 UTC */
  readonly since: number;
}

export interface ModuleDescription {
  readonly name: string;
  readonly driver: string;
  readonly where: string;
  readonly km: string;
  /** Absent until the module was identified. */
  readonly module_id?: string;
  readonly matching_module_id?: string;
  readonly role?: string;
  readonly vendor?: string;
  readonly model?: string;
  readonly serial?: string;
  readonly firmware?: string;
  /** Groups of TLS's key exchanges with the KMs that are connected. */
  readonly key_exchange?: string;
}

export interface ModuleView {
  /** A topic level. */
  readonly name: string;
  describe(): ModuleDescription;
  state(): ModuleState;
  /** How it is with its supply: what every surface shows of it. */
  health(): Verdict;
  /** How much is kept back from the KM, by what for: `withheld.ledger_repaired`, `quarantined`. */
  keptCounts(): Readonly<Record<string, number>>;
  /** The window since the last call; begins a new one. */
  takeTelemetryWindow(): WindowReport;
  /** The window as it is so far; other surfaces read the same one. */
  peekTelemetryWindow(): WindowReport;
  /** Cumulative counters since the process began, ready to be published. */
  supply(): Readonly<Record<string, number | Readonly<Record<string, number>>>>;
}

/** The chassis panel and what it brought about. Times in ms since 1970 UTC. */
export interface PanelStatus {
  /** `none`: no panel is configured. */
  readonly panel: "ok" | "lost" | "none";
  /** Why it is lost. */
  readonly reason?: string;
  /** `seen`: supply has stopped; `latched`: that is on disk as well. */
  readonly tamper: "none" | "seen" | "latched";
  /** Contacts that opened, from 0; none of them: the panel could not have noticed. */
  readonly contacts?: readonly number[];
  readonly tampered_at?: number;
  /** The key switch is at maintenance. */
  readonly maintenance: boolean;
  /** Of all modules, by the panel. */
  readonly zeroize: "none" | "pending" | "done" | "failed";
  /** No key leaves the node. */
  readonly halted: boolean;
  readonly halted_because?: string;
  readonly serial?: string;
  readonly firmware?: string;
}

/** The chassis panel, for those who show it. */
export interface PanelView {
  status(): PanelStatus;
}

/** What two of its lamps are told to show; the others follow from the status. */
export interface PanelLamps {
  /** Green: keys are supplied; amber: they are not. */
  readonly supply: "green" | "amber";
  /** By the worst alarm. */
  readonly alarm: "off" | "amber" | "red";
}

/** The same for who stands before it. */
export type ShownPanel = PanelStatus & { readonly lamps: PanelLamps };

/** How it goes with one KM of a module. */
export interface KmView {
  readonly name: string;
  /** `AWAITED`: it is the KM that connects, when it wants keys. */
  readonly condition: "UP" | "DOWN" | "AWAITED";
  /** Why it is down; empty otherwise. */
  readonly trouble: string;
  /** Group of TLS's key exchange, while connected with TLS. */
  readonly keyExchange?: string | undefined;
}
