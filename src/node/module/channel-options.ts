/** What a channel is made from. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Progress } from "../../host/life/progress.ts";
import type { ModuleDriver } from "../../port/module.ts";
import type { TelemetrySample } from "../../port/telemetry.ts";
import type { Verdict } from "../alarms/verdict.ts";
import type { KmName } from "../custody/owners.ts";
import type { Ledger } from "../keys/ports.ts";
import type { NodeEvent } from "../model/manager.ts";
import type { Halt } from "./halt.ts";
import type { KmOptions } from "./km-channel.ts";

export interface ChannelOptions {
  readonly name: string;
  /** The module that must answer; undefined: any. */
  readonly moduleId: string | undefined;
  readonly matchingModuleId: string | undefined;
  readonly qberLimit: number;
  /** Whether a block without a QBER is withheld; default: it is. */
  readonly qberRequired?: boolean;
  readonly keyBits: number | undefined;
  readonly onRequest: boolean;
  readonly maxHeldBlocks: number;
  readonly maxHeldBytes: number;
  /** In the order in which they are tried. */
  readonly kms: readonly KmOptions[];
  /** What stands for each in the ledger; default: its name. */
  readonly kmNames?: readonly KmName[];
}

export interface ChannelParts {
  readonly driver: ModuleDriver;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly progress?: Progress;
  /** Why the ledger takes nothing though it has not failed; default: it never does that. */
  readonly ledgerStalled?: () => Error | undefined;
  /** What stops supply for the whole node; default: nothing ever. */
  readonly halt?: Halt;
  /** What is told of it: so many of a kind a minute. */
  readonly onEvent: (event: NodeEvent) => void;
  /** All that happened, also what is not told. */
  readonly onSeen?: (event: NodeEvent) => void;
  readonly onState: (name: string) => void;
  readonly onTelemetry?: (name: string, sample: TelemetrySample) => void;
  /** Name under which this node has the ledger of the module of an ID, if it is another than this channel's. */
  readonly ledgerOf?: (moduleId: string) => string | undefined;
  /** How people know a KM that is not configured, from what stands for it in the ledger. */
  readonly nameOfKm?: (claimant: string) => string | undefined;
  /** How it is with this module's supply; default: it is only starting. */
  readonly health?: () => Verdict;
  /** The link to the module, or to the KM of this name, is up, or down for the reason given. */
  readonly onLink?: (name: string, km: string | undefined, down: Error | undefined) => void;
}
