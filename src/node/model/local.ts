/** What the local sockets want to know of the node; owned here, implemented by `module/`. */

import type { LinkQuality } from "../../port/module.ts";
import type { KeptBack } from "../custody/kept-back.ts";
import type { ModuleView } from "./manager.ts";

export interface KmLinkState {
  readonly name: string;
  readonly up: boolean;
  /** It is the KM that connects, when it wants keys. */
  readonly awaited: boolean;
  /** Why it is not connected; empty if it is, or if nothing is amiss. */
  readonly reason: string;
  /** Group of TLS's key exchange, while it is connected with TLS. */
  readonly key_exchange?: string;
}

/** Whether a KM is told how its modules are (Kq-2). */
export interface KmTold {
  readonly km: string;
  /** `not_offered`: the KM does not have it. `refused`: it does not take what it is told of a module. */
  readonly state: "up" | "down" | "refused" | "not_offered";
  /** Why it is not up; empty if it is. */
  readonly reason: string;
}

export interface ModuleLinks {
  readonly up: boolean;
  readonly reason: string;
  /** Known while it is up. */
  readonly protocol?: string;
  readonly quality?: LinkQuality;
  readonly kms: readonly KmLinkState[];
}

export interface LocalModule extends ModuleView {
  links(): ModuleLinks;
  /** What is kept back from the KM, at most 1,000 of it. */
  kept(): readonly KeptBack[];
}

export interface BrokerState {
  readonly url: string;
  readonly up: boolean;
  readonly reason: string;
  /** Events that it was not told yet. */
  readonly waiting: number;
  /** Group of TLS's key exchange, while it is connected with TLS. */
  readonly key_exchange?: string;
}
